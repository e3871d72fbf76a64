//! Files into a repository, as one commit.
//!
//! Source: `huggingface_hub` 1.x `_commit_api.py` and `lfs.py` (preupload, LFS batch, verify, commit as NDJSON).

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::http::{Body, Call, Http, To};
use crate::integrity::sha256;
use crate::{Error, Hub, Progress, Reference, Result};

/// What to publish, and where.
pub struct Upload<'a> {
    /// `owner/name[@revision]`; the revision is a branch.
    pub repository: &'a str,
    /// Of a repository that is not there yet.
    pub private: bool,
    /// Propose the files instead of writing them.
    pub create_pr: bool,
    /// The commit's message.
    pub message: &'a str,
    /// Name in the repository, file on this machine.
    pub files: &'a [(String, PathBuf)],
    /// A file that is replaced only where this says so of what is there.
    pub guarded: Option<(&'a str, MayReplace<'a>)>,
}

/// Whether a file of this content may be replaced.
pub type MayReplace<'a> = &'a dyn Fn(&[u8]) -> bool;

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Where to look at it: the repository or the proposal.
    pub address: String,
    pub commit: String,
    /// Files that were sent before: by an interrupted upload, or by an earlier one.
    pub there: Vec<String>,
    /// The guarded file, if it stayed as it is.
    pub kept: Option<String>,
}

/// Bytes of a file by which the hub tells texts from other files.
const SAMPLE: usize = 512;

impl Hub {
    /// Makes the repository if it is not there, and puts all files into it as one commit. Large files go first, and those
    /// that are there already are not sent again: what was interrupted goes on with the next call.
    ///
    /// # Errors
    /// [`Error::NoToken`], [`Error::Unauthorized`], [`Error::ReadOnly`], [`Error::NoRevision`], [`Error::Conflict`], and those of a
    /// connection.
    pub fn publish(&self, upload: &Upload, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Published> {
        let reference: Reference = upload.repository.parse()?;
        let (id, what) = (reference.repository(), format!("`{}`", reference.repository()));
        let endpoint = self.endpoint.trim_end_matches('/').to_owned();
        if self.offline {
            return Err(Error::Offline { file: what, endpoint: self.shown() });
        }
        if self.token.is_none() {
            return Err(Error::NoToken { file: what, endpoint: self.shown() });
        }
        let branch = reference.revision.clone().unwrap_or_else(|| "main".to_owned()).replace('/', "%2F");
        let http = Http::new(self, &reference)?;
        let job = Job { http, endpoint, id, branch };
        if !upload.create_pr {
            job.create(&reference, upload.private)?;
        }
        let mut files =
            upload.files.iter().map(|(name, path)| Prepared::of(name, path)).collect::<Result<Vec<_>>>()?;
        let mut published = Published::default();
        if let Some((name, may)) = upload.guarded
            && files.iter().any(|file| file.name == name)
            && let Some(theirs) = job.there(name)?
            && !may(&theirs)
        {
            files.retain(|file| file.name != name);
            published.kept = Some(name.to_owned());
        }
        let large = job.large(&files, upload.create_pr)?;
        published.there = job.store(&files, &large, upload.create_pr, progress)?;
        let lines = commit(upload.message, &files, &large)?;
        let answer = job.commit(&lines, upload.create_pr)?;
        let text = |key: &str| answer[key].as_str().map(str::to_owned);
        published.commit = text("commitOid").unwrap_or_default();
        let proposal = text("pullRequestUrl").filter(|address| !address.is_empty());
        published.address = proposal.unwrap_or_else(|| format!("{}/{}", self.shown(), job.id));
        Ok(published)
    }
}

/// A file that is known by its content.
struct Prepared<'a> {
    name: &'a str,
    path: &'a Path,
    size: u64,
    oid: String,
}

impl<'a> Prepared<'a> {
    fn of(name: &'a str, path: &'a Path) -> Result<Prepared<'a>> {
        let read = || Ok((std::fs::metadata(path)?.len(), sha256(path)?));
        let (size, oid) = read().map_err(|source| Error::Local { path: path.to_owned(), source })?;
        Ok(Prepared { name, path, size, oid })
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        std::fs::read(self.path).map_err(|source| Error::Local { path: self.path.to_owned(), source })
    }
}

struct Job<'a> {
    http: Http<'a>,
    endpoint: String,
    id: String,
    branch: String,
}

impl Job<'_> {
    fn create(&self, reference: &Reference, private: bool) -> Result<()> {
        let body = json!({
            "name": reference.name, "organization": reference.owner, "type": "model", "private": private,
        });
        let address = format!("{}/api/repos/create", self.endpoint);
        // 409: it is there.
        self.post(&address, &body, "application/json", HeaderMap::new(), &[409]).map(drop)
    }

    /// The content of a file of the repository, if it has it.
    fn there(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let address = format!("{}/{}/resolve/{}/{name}", self.endpoint, self.id, self.branch);
        let headers = HeaderMap::new();
        let call = Call { method: Method::GET, address: &address, headers, body: Body::None, to: To::Hub };
        let answer = self.http.send(&call, &[404], |_| ())?;
        Ok((answer.status != 404).then_some(answer.body))
    }

    /// Which of the files the hub wants in its store, by their places; empty ones are always small.
    fn large(&self, files: &[Prepared], create_pr: bool) -> Result<Vec<bool>> {
        let described = files.iter().map(|file| {
            let mut sample = Vec::new();
            let read = std::fs::File::open(file.path).and_then(|open| {
                std::io::Read::read_to_end(&mut std::io::Read::take(open, SAMPLE as u64), &mut sample)
            });
            read.map_err(|source| Error::Local { path: file.path.to_owned(), source })?;
            Ok(json!({ "path": file.name, "size": file.size, "sample": STANDARD.encode(sample) }))
        });
        let body = json!({ "files": described.collect::<Result<Vec<Value>>>()? });
        // A proposal asks for less: the right to read.
        let proposal = if create_pr { "?create_pr=1" } else { "" };
        let address = format!("{}/api/models/{}/preupload/{}{proposal}", self.endpoint, self.id, self.branch);
        let answer = self.post(&address, &body, "application/json", HeaderMap::new(), &[])?;
        let modes = answer["files"].as_array().cloned().unwrap_or_default();
        let is_large = |file: &Prepared| {
            let mode = modes.iter().find(|mode| mode["path"] == file.name);
            file.size > 0 && mode.is_some_and(|mode| mode["uploadMode"] == "lfs")
        };
        Ok(files.iter().map(is_large).collect())
    }

    /// Sends the large files that the store lacks; returns the names of the others.
    fn store(
        &self,
        files: &[Prepared],
        large: &[bool],
        create_pr: bool,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Vec<String>> {
        let large: Vec<&Prepared> =
            files.iter().zip(large).filter(|(_, large)| **large).map(|(file, _)| file).collect();
        if large.is_empty() {
            return Ok(Vec::new());
        }
        let objects: Vec<Value> =
            large.iter().map(|file| json!({ "oid": file.oid, "size": file.size })).collect();
        let mut body = json!({
            "operation": "upload", "transfers": ["basic"], "hash_algo": "sha256", "objects": objects,
        });
        if !create_pr {
            body["ref"] = json!({ "name": self.branch.replace("%2F", "/") });
        }
        const KIND: &str = "application/vnd.git-lfs+json";
        let accept = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(KIND))]);
        let address = format!("{}/{}.git/info/lfs/objects/batch", self.endpoint, self.id);
        let answer = self.post(&address, &body, KIND, accept, &[])?;
        let mut there = Vec::new();
        for file in large {
            let objects = answer["objects"].as_array().into_iter().flatten();
            let object = objects.into_iter().find(|object| object["oid"] == file.oid.as_str());
            let object = object.ok_or_else(|| self.unlike("an LFS answer without the file's object"))?;
            if let Some(problem) = object["error"]["message"].as_str() {
                return Err(self.unlike(&format!("`{}` is refused: {problem}", file.name)));
            }
            let actions = &object["actions"];
            let Some(address) = actions["upload"]["href"].as_str() else {
                there.push(file.name.to_owned());
                continue;
            };
            let mut show = |done| progress(Progress { file: file.name, done, total: file.size });
            let (body, headers) = (Body::File(file.path, file.size), headers(&actions["upload"]["header"]));
            let call = Call { method: Method::PUT, address, headers, body, to: To::Store };
            self.http.send(&call, &[], &mut show)?;
            if let Some(address) = actions["verify"]["href"].as_str() {
                let body = json!({ "oid": file.oid, "size": file.size }).to_string().into_bytes();
                let (body, headers) = (Body::Bytes(&body, KIND), self::headers(&actions["verify"]["header"]));
                // On the hub itself; it may want the token.
                let to =
                    if address.starts_with(&format!("{}/", self.endpoint)) { To::Hub } else { To::Store };
                self.http.send(&Call { method: Method::POST, address, headers, body, to }, &[], |_| ())?;
            }
        }
        Ok(there)
    }

    /// The commit; once more where somebody else's came between.
    fn commit(&self, lines: &[u8], create_pr: bool) -> Result<Value> {
        let query = if create_pr { "?create_pr=1" } else { "" };
        let address = format!("{}/api/models/{}/commit/{}{query}", self.endpoint, self.id, self.branch);
        let (headers, body) = (HeaderMap::new(), Body::Bytes(lines, "application/x-ndjson"));
        let call = Call { method: Method::POST, address: &address, headers, body, to: To::Hub };
        let send = || self.http.send(&call, &[], |_| ());
        let answer = match send() {
            Err(Error::Conflict { .. }) => send()?,
            other => other?,
        };
        serde_json::from_slice(&answer.body).map_err(|_| self.unlike("a commit's answer that is no JSON"))
    }

    fn post(
        &self,
        address: &str,
        body: &Value,
        kind: &'static str,
        headers: HeaderMap,
        also: &[u16],
    ) -> Result<Value> {
        let body = body.to_string().into_bytes();
        let body = Body::Bytes(&body, kind);
        let answer = self.http.send(
            &Call { method: Method::POST, address, headers, body, to: To::Hub },
            also,
            |_| (),
        )?;
        if answer.status >= 300 {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(|_| self.unlike("an answer that is no JSON"))
    }

    fn unlike(&self, problem: &str) -> Error {
        Error::Answer {
            file: self.http.what(),
            endpoint: self.http.hub.shown(),
            answer: self.http.hub.discreet(problem),
            remedy: "check HF_ENDPOINT, or publish again later".to_owned(),
        }
    }
}

/// The headers that the hub says to send to an address.
fn headers(wanted: &Value) -> HeaderMap {
    let pairs = wanted.as_object().into_iter().flatten().filter_map(|(name, value)| {
        let (name, value) = (name.parse::<HeaderName>().ok()?, value.as_str()?.parse::<HeaderValue>().ok()?);
        Some((name, value))
    });
    pairs.collect()
}

/// The lines of a commit: small files whole, large ones by the hash they are stored under.
fn commit(message: &str, files: &[Prepared], large: &[bool]) -> Result<Vec<u8>> {
    let mut lines = vec![json!({ "key": "header", "value": { "summary": message, "description": "" } })];
    for (file, large) in files.iter().zip(large) {
        lines.push(if *large {
            let value = json!({ "path": file.name, "algo": "sha256", "oid": file.oid, "size": file.size });
            json!({ "key": "lfsFile", "value": value })
        } else {
            let content = STANDARD.encode(file.bytes()?);
            json!({ "key": "file", "value": { "path": file.name, "encoding": "base64", "content": content } })
        });
    }
    Ok(lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect())
}
