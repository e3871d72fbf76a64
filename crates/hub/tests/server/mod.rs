//! A small hub on loopback, for tests: HTTP/1.1, model repositories, files that redirect to a second address as large
//! ones do on the real hub, and the ways in which networks fail.
//!
//! ```ignore
//! let hub = Server::start(vec![Repository::new("timm/x").with("config.json", b"{}")]);
//! command.env("HF_ENDPOINT", hub.url());
//! assert_eq!(hub.requests("HEAD").len(), 1);
//! ```
//!
//! [`upload`] is its half that writes.

#![allow(dead_code)] // each user needs a part of it

mod upload;

use std::collections::HashMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
pub use upload::Fault;

/// What becomes of the body of a file.
#[derive(Clone, Debug, Default)]
pub enum Delivery {
    #[default]
    Whole,
    /// In pieces of that many bytes, so long apart.
    Slow(usize, Duration),
    /// The connection closes after that many bytes, so many times; then the file is whole.
    Cut(usize, usize),
    /// Other bytes of the same length.
    Wrong,
    /// An error page of that status, though HEAD promised the file.
    Page(u16),
    /// Nothing is ever sent.
    Silent,
}

#[derive(Clone, Debug)]
pub struct File {
    pub bytes: Vec<u8>,
    /// On the hub the SHA-256 of a large file.
    pub etag: String,
    /// Large files live at another address, to which no token may go.
    pub redirected: bool,
    pub delivery: Delivery,
}

#[derive(Clone, Debug)]
pub struct Repository {
    pub id: String,
    /// Of `main`; every file is of this commit.
    pub commit: String,
    /// Other names of the commit.
    pub revisions: Vec<String>,
    pub files: HashMap<String, File>,
    /// Asked of everyone: without it 401, with another one 401.
    pub token: Option<String>,
    /// Everyone gets 403: the terms have not been accepted.
    pub gated: bool,
    /// Every request gets this status.
    pub fails: Option<u16>,
}

impl Repository {
    pub fn new(id: &str) -> Repository {
        Repository {
            id: id.to_owned(),
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            revisions: vec!["v1.0".to_owned()],
            files: HashMap::new(),
            token: None,
            gated: false,
            fails: None,
        }
    }

    /// A small file, served where it is asked for.
    pub fn with(self, name: &str, bytes: &[u8]) -> Repository {
        let etag = fnv1a(bytes);
        self.with_file(
            name,
            File { bytes: bytes.to_vec(), etag, redirected: false, delivery: Delivery::Whole },
        )
    }

    /// A large file, served after a redirect.
    pub fn with_large(self, name: &str, bytes: &[u8], etag: &str, delivery: Delivery) -> Repository {
        let file = File { bytes: bytes.to_vec(), etag: etag.to_owned(), redirected: true, delivery };
        self.with_file(name, file)
    }

    pub fn with_file(mut self, name: &str, file: File) -> Repository {
        self.files.insert(name.to_owned(), file);
        self
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    /// Whether it came to the second address.
    pub content: bool,
    pub body: Vec<u8>,
}

/// Runs until the process ends.
pub struct Server {
    hub: String,
    log: Arc<Mutex<Vec<Request>>>,
    state: Arc<State>,
}

struct State {
    repositories: Mutex<Vec<Repository>>,
    /// Large files that were sent, by their hash.
    store: Mutex<HashMap<String, Vec<u8>>>,
    /// What goes wrong next, each once.
    faults: Mutex<Vec<Fault>>,
    /// The hub's own address.
    hub: String,
    /// The second address.
    content: String,
    log: Arc<Mutex<Vec<Request>>>,
    /// Cut transfers so far, by path.
    cuts: Mutex<HashMap<String, usize>>,
}

impl Server {
    pub fn start(repositories: Vec<Repository>) -> Server {
        let (hub, content) = (listener(), listener());
        let log = Arc::new(Mutex::new(Vec::new()));
        let address = url(&hub);
        let state = Arc::new(State {
            repositories: Mutex::new(repositories),
            store: Mutex::default(),
            faults: Mutex::default(),
            hub: address.clone(),
            content: url(&content),
            log: log.clone(),
            cuts: Mutex::default(),
        });
        for (listener, is_content) in [(hub, false), (content, true)] {
            let state = state.clone();
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let state = state.clone();
                    // A client that goes away is no mistake of the server.
                    thread::spawn(move || state.serve(stream, is_content));
                }
            });
        }
        Server { hub: address, log, state }
    }

    /// What `HF_ENDPOINT` is set to.
    pub fn url(&self) -> String {
        self.hub.clone()
    }

    /// The requests so far with that method, or all (`""`).
    pub fn requests(&self, method: &str) -> Vec<Request> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|request| method.is_empty() || request.method == method).cloned().collect()
    }
}

impl State {
    fn serve(&self, mut stream: TcpStream, content: bool) -> std::io::Result<()> {
        let Some(request) = self.read_request(&stream, content)? else { return Ok(()) };
        self.log.lock().unwrap().push(request.clone());
        if let Some(status) = self.fails(&request) {
            return refuse(&mut stream, &request, status, "Fault");
        }
        let path = request.path.split('?').next().unwrap_or_default().trim_start_matches('/');
        if request.method == "POST" || request.method == "PUT" {
            return self.written(&mut stream, &request, path);
        }
        if content {
            let repositories = self.repositories.lock().unwrap().clone();
            let mut file = repositories.iter().flat_map(|repository| repository.files.values());
            return match file.find(|file| path == file.etag) {
                Some(file) => self.deliver(&mut stream, file, path),
                None => answer(&mut stream, 404, &[], b""),
            };
        }
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["api", "models", owner, name] => self.list(&mut stream, &request, owner, name, "main"),
            ["api", "models", owner, name, "revision", revision] => {
                self.list(&mut stream, &request, owner, name, &revision.replace("%2F", "/"))
            }
            [owner, name, "resolve", revision, file @ ..] => self.resolve(
                &mut stream,
                &request,
                owner,
                name,
                &revision.replace("%2F", "/"),
                &file.join("/"),
            ),
            _ => answer(&mut stream, 404, &[], b"not a hub address"),
        }
    }

    /// The repository, or the answer that says why not.
    fn admit(&self, request: &Request, owner: &str, name: &str) -> Result<Repository, (u16, &'static str)> {
        let id = format!("{owner}/{name}");
        let repositories = self.repositories.lock().unwrap();
        let repository = repositories.iter().find(|repository| repository.id == id).cloned();
        let repository = repository.ok_or((404, "RepoNotFound"))?;
        if let Some(status) = repository.fails {
            return Err((status, "Failed"));
        }
        let sent = request.headers.get("authorization");
        match &repository.token {
            Some(token) if sent != Some(&format!("Bearer {token}")) => Err((401, "RepoNotFound")),
            _ if repository.gated => Err((403, "GatedRepo")),
            _ => Ok(repository),
        }
    }

    fn list(
        &self,
        stream: &mut TcpStream,
        request: &Request,
        owner: &str,
        name: &str,
        revision: &str,
    ) -> std::io::Result<()> {
        let repository = match self.admit(request, owner, name) {
            Ok(repository) => repository,
            Err((status, code)) => return refuse(stream, request, status, code),
        };
        if !repository.knows(revision) {
            return refuse(stream, request, 404, "RevisionNotFound");
        }
        let mut names: Vec<_> = repository.files.keys().collect();
        names.sort();
        let siblings: Vec<_> = names.iter().map(|name| format!(r#"{{"rfilename":"{name}"}}"#)).collect();
        let (id, sha, siblings) = (&repository.id, &repository.commit, siblings.join(","));
        let body =
            format!(r#"{{"_id":"1","id":"{id}","modelId":"{id}","sha":"{sha}","siblings":[{siblings}]}}"#);
        answer(stream, 200, &[("Content-Type", "application/json")], body.as_bytes())
    }

    fn resolve(
        &self,
        stream: &mut TcpStream,
        request: &Request,
        owner: &str,
        name: &str,
        revision: &str,
        path: &str,
    ) -> std::io::Result<()> {
        let repository = match self.admit(request, owner, name) {
            Ok(repository) => repository,
            Err((status, code)) => return refuse(stream, request, status, code),
        };
        if !repository.knows(revision) {
            return refuse(stream, request, 404, "RevisionNotFound");
        }
        let Some(file) = repository.files.get(path) else {
            let commit = ("X-Repo-Commit", repository.commit.as_str());
            return answer(stream, 404, &[commit, ("X-Error-Code", "EntryNotFound")], b"");
        };
        let (etag, size) = (format!("\"{}\"", file.etag), file.bytes.len().to_string());
        let commit = ("X-Repo-Commit", repository.commit.as_str());
        if request.headers.get("if-none-match") == Some(&etag) {
            return answer(stream, 304, &[commit, ("ETag", &etag)], b"");
        }
        if file.redirected {
            let location = format!("{}/{}?Signature=secret", self.content, file.etag);
            let headers = [
                commit,
                ("X-Linked-ETag", &*etag),
                ("X-Linked-Size", &*size),
                ("Location", &*location),
                ("ETag", "\"redirect\""),
            ];
            return answer(stream, 302, &headers, b"");
        }
        if request.method == "HEAD" {
            let head = format!("HTTP/1.1 200 OK\r\nX-Repo-Commit: {}\r\nETag: {etag}\r\n", repository.commit);
            return write!(stream, "{head}Content-Length: {size}\r\nConnection: close\r\n\r\n");
        }
        self.deliver(stream, file, path)
    }

    fn deliver(&self, stream: &mut TcpStream, file: &File, path: &str) -> std::io::Result<()> {
        let bytes = &file.bytes;
        let head = |length: usize| {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
        };
        match file.delivery {
            Delivery::Page(status) => {
                return answer(stream, status, &[], b"<Error><Code>AccessDenied</Code></Error>");
            }
            Delivery::Silent => {
                thread::sleep(Duration::from_secs(600));
                return Ok(());
            }
            _ => stream.write_all(head(bytes.len()).as_bytes())?,
        }
        match file.delivery {
            Delivery::Slow(piece, pause) => {
                for piece in bytes.chunks(piece) {
                    stream.write_all(piece)?;
                    stream.flush()?;
                    thread::sleep(pause);
                }
                Ok(())
            }
            Delivery::Cut(after, times) => {
                let mut cuts = self.cuts.lock().unwrap();
                let cut = cuts.entry(path.to_owned()).or_default();
                let is_cut = *cut < times;
                *cut += usize::from(is_cut);
                drop(cuts);
                stream.write_all(if is_cut { &bytes[..after] } else { bytes })
            }
            Delivery::Wrong => stream.write_all(&bytes.iter().map(|byte| !byte).collect::<Vec<_>>()),
            _ => stream.write_all(bytes),
        }
    }
}

impl Repository {
    fn knows(&self, revision: &str) -> bool {
        revision == "main" || revision == self.commit || self.revisions.iter().any(|known| known == revision)
    }
}

fn refuse(stream: &mut TcpStream, request: &Request, status: u16, code: &str) -> std::io::Result<()> {
    // A careless mirror that sends back what it was sent.
    let sent = request.headers.get("authorization").map_or("", String::as_str);
    let message = format!("{code} {sent}");
    answer(stream, status, &[("X-Error-Code", code), ("X-Error-Message", message.trim())], b"")
}

/// Status, headers and body; 304 has none.
fn answer(stream: &mut TcpStream, status: u16, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status} -\r\nConnection: close\r\n")?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    if status != 304 {
        write!(stream, "Content-Length: {}\r\n", body.len())?;
    }
    stream.write_all(b"\r\n")?;
    stream.write_all(body)
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a free port on loopback")
}

fn url(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().expect("a bound listener has an address"))
}

fn fnv1a(bytes: &[u8]) -> String {
    let hash =
        bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}{hash:016x}00000000")
}
