//! The half of the small hub that writes: repositories are made, files sorted into small and large, large ones taken by a
//! store at the second address, and commits put together. What can go wrong on the way is asked for by [`Fault`]s.

use super::{Delivery, File, Repository, Request, Server, State, answer, fnv1a, refuse};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::time::Duration;

/// The next request whose path has `path` in it goes wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    pub path: &'static str,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// It gets that status.
    Status(u16),
    /// The connection closes after that many bytes of its body.
    Cut(usize),
    /// Its body is read in pieces of that many bytes, so long apart.
    Slow(usize, Duration),
}

impl Fault {
    pub fn status(path: &'static str, status: u16) -> Fault {
        Fault { path, kind: Kind::Status(status) }
    }

    pub fn cut(path: &'static str, after: usize) -> Fault {
        Fault { path, kind: Kind::Cut(after) }
    }

    pub fn slow(path: &'static str, piece: usize, pause: Duration) -> Fault {
        Fault { path, kind: Kind::Slow(piece, pause) }
    }
}

/// The smallest file that is large here: on the hub, anything that is no text, and more than 10 MB.
const LARGE: u64 = 100_000;

impl Server {
    /// Adds to what goes wrong.
    pub fn fail(&self, fault: Fault) {
        self.state.faults.lock().unwrap().push(fault);
    }

    /// A repository as it is now.
    pub fn repository(&self, id: &str) -> Option<Repository> {
        self.state.repositories.lock().unwrap().iter().find(|repository| repository.id == id).cloned()
    }
}

impl State {
    /// `None` if the client went away without a word, or was sent away in the middle of one.
    pub(super) fn read_request(&self, stream: &TcpStream, content: bool) -> std::io::Result<Option<Request>> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
        let (method, path, mut headers) = (method.to_owned(), path.to_owned(), HashMap::new());
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_owned()),
                None => break,
            };
        }
        let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        match self.fault(&path, |kind| !matches!(kind, Kind::Status(_))) {
            Some(Kind::Cut(after)) => {
                reader.read_exact(&mut body[..after.min(length)])?;
                return Ok(None);
            }
            Some(Kind::Slow(piece, pause)) => {
                for piece in body.chunks_mut(piece) {
                    reader.read_exact(piece)?;
                    std::thread::sleep(pause);
                }
            }
            _ => reader.read_exact(&mut body)?,
        }
        Ok(Some(Request { method, path, headers, content, body }))
    }

    /// The status that a request is to fail with.
    pub(super) fn fails(&self, request: &Request) -> Option<u16> {
        match self.fault(&request.path, |kind| matches!(kind, Kind::Status(_))) {
            Some(Kind::Status(status)) => Some(status),
            _ => None,
        }
    }

    fn fault(&self, path: &str, fits: impl Fn(Kind) -> bool) -> Option<Kind> {
        let mut faults = self.faults.lock().unwrap();
        let at = faults.iter().position(|fault| path.contains(fault.path) && fits(fault.kind))?;
        Some(faults.remove(at).kind)
    }

    pub(super) fn written(
        &self,
        stream: &mut TcpStream,
        request: &Request,
        path: &str,
    ) -> std::io::Result<()> {
        if request.content {
            return self.take(stream, request, path);
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let said = match path.split('/').collect::<Vec<_>>()[..] {
            ["api", "repos", "create"] => self.create(request, &body),
            ["api", "models", owner, name, "preupload", branch] => self
                .admit(request, owner, name)
                .and_then(|repository| repository.on(branch))
                .map(|_| sorted(&body)),
            [owner, name, "info", "lfs", "objects", "batch"] => {
                let name = name.trim_end_matches(".git");
                self.admit(request, owner, name).map(|_| self.batch(&body))
            }
            ["api", "models", owner, name, "commit", branch] => {
                let repository =
                    self.admit(request, owner, name).and_then(|repository| repository.on(branch));
                repository.and_then(|repository| self.commit(request, repository))
            }
            ["verify"] => Ok(json!({})),
            _ => Err((404, "NotAHubAddress")),
        };
        match said {
            Ok(said) => {
                answer(stream, 200, &[("Content-Type", "application/json")], said.to_string().as_bytes())
            }
            Err((status, code)) => refuse(stream, request, status, code),
        }
    }

    fn create(&self, request: &Request, body: &Value) -> Result<Value, (u16, &'static str)> {
        let text = |key: &str| body[key].as_str().unwrap_or_default();
        let id = format!("{}/{}", text("organization"), text("name"));
        let token = request.headers.get("authorization").and_then(|text| text.strip_prefix("Bearer "));
        let Some(token) = token else { return Err((401, "Unauthorized")) };
        if text("organization") != "me" {
            return Err((403, "Forbidden"));
        }
        let mut repositories = self.repositories.lock().unwrap();
        if repositories.iter().any(|repository| repository.id == id) {
            return Err((409, "Exists"));
        }
        let mut made = Repository::new(&id).with(".gitattributes", b"*.safetensors filter=lfs\n");
        made.token = (body["private"] == true).then(|| token.to_owned());
        made.revisions.clear();
        repositories.push(made);
        Ok(json!({ "url": format!("{}/{id}", self.hub) }))
    }

    /// Of each object how to send it, or nothing where it is there.
    fn batch(&self, body: &Value) -> Value {
        let store = self.store.lock().unwrap();
        let objects = body["objects"].as_array().into_iter().flatten().map(|object| {
            let oid = object["oid"].as_str().unwrap_or_default();
            if store.contains_key(oid) {
                return json!({ "oid": oid, "size": object["size"] });
            }
            let upload = json!({ "href": format!("{}/lfs/{oid}?Signature=secret", self.content), "header": { "x-amz-tagging": "due" } });
            let verify = json!({ "href": format!("{}/verify", self.hub) });
            json!({ "oid": oid, "size": object["size"], "actions": { "upload": upload, "verify": verify } })
        });
        json!({ "transfer": "basic", "objects": objects.collect::<Vec<_>>() })
    }

    /// The store: it takes what has the hash of its address, from whom shows the signature and no token.
    fn take(&self, stream: &mut TcpStream, request: &Request, path: &str) -> std::io::Result<()> {
        let oid = path.trim_start_matches("lfs/");
        let found: String = Sha256::digest(&request.body).iter().map(|byte| format!("{byte:02x}")).collect();
        let is_signed =
            request.path.ends_with("?Signature=secret") && request.headers.contains_key("x-amz-tagging");
        if found != oid || !is_signed || request.headers.contains_key("authorization") {
            return answer(stream, 400, &[], b"<Error><Code>BadDigest</Code></Error>");
        }
        self.store.lock().unwrap().insert(found, request.body.clone());
        answer(stream, 200, &[], b"")
    }

    fn commit(&self, request: &Request, mut changed: Repository) -> Result<Value, (u16, &'static str)> {
        let mut summary = String::new();
        for line in String::from_utf8_lossy(&request.body).lines() {
            let line: Value = serde_json::from_str(line).map_err(|_| (400, "NotJson"))?;
            let (value, text) = (&line["value"], |key: &str| line["value"][key].as_str().unwrap_or_default());
            match line["key"].as_str() {
                Some("header") => summary = value["summary"].as_str().unwrap_or_default().to_owned(),
                Some("file") => changed = changed.with(text("path"), &decoded(text("content"))),
                Some("lfsFile") => {
                    let store = self.store.lock().unwrap();
                    let bytes = store.get(text("oid")).ok_or((400, "NoSuchObject"))?;
                    changed = changed.with_large(text("path"), bytes, text("oid"), Delivery::Whole);
                }
                _ => return Err((400, "UnknownKey")),
            }
        }
        if summary.is_empty() {
            return Err((400, "NoSummary"));
        }
        if request.path.contains("create_pr=1") {
            let address = format!("{}/{}/discussions/1", self.hub, changed.id);
            return Ok(json!({ "success": true, "commitOid": "", "pullRequestUrl": address }));
        }
        changed.commit = fnv1a(&request.body);
        let commit = changed.commit.clone();
        let mut repositories = self.repositories.lock().unwrap();
        let place = repositories.iter_mut().find(|repository| repository.id == changed.id);
        *place.ok_or((404, "RepoNotFound"))? = changed;
        Ok(json!({ "success": true, "commitOid": commit }))
    }
}

fn sorted(body: &Value) -> Value {
    let files = body["files"].as_array().into_iter().flatten().map(|file| {
        let is_large = file["size"].as_u64() >= Some(LARGE)
            || file["path"].as_str().is_some_and(|path| path.ends_with(".safetensors"));
        json!({ "path": file["path"], "uploadMode": if is_large { "lfs" } else { "regular" }, "shouldIgnore": false })
    });
    json!({ "files": files.collect::<Vec<_>>() })
}

/// Base64, RFC 4648 section 4.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|c| *c != b'=').map(digit).collect();
    let group = |four: &[u8]| {
        let bits =
            four.iter().enumerate().fold(0u32, |bits, (i, digit)| bits | u32::from(*digit) << (18 - 6 * i));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

impl Repository {
    /// Itself, where it has that branch.
    fn on(self, branch: &str) -> Result<Repository, (u16, &'static str)> {
        if self.knows(&branch.replace("%2F", "/")) { Ok(self) } else { Err((404, "RevisionNotFound")) }
    }
}

impl File {
    /// Its text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
