//! Requests that write, one after another, repeated where that may help.

use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method};

use crate::fetch::deepest;
use crate::transfer::{Event, Reporter, watched};
use crate::{Error, Hub, Reference, Result};

/// Requests that fail before giving up.
const ATTEMPTS: u32 = 5;
/// The longest that a server can ask to wait.
const LONGEST: Duration = Duration::from_secs(60);

pub(crate) struct Http<'a> {
    pub hub: &'a Hub,
    client: Client,
    reference: &'a Reference,
}

/// One request.
pub(crate) struct Call<'a> {
    pub method: Method,
    pub address: &'a str,
    pub headers: HeaderMap,
    pub body: Body<'a>,
    pub to: To,
}

/// What is sent.
#[derive(Clone)]
pub(crate) enum Body<'a> {
    None,
    /// Bytes and their type.
    Bytes(&'a [u8], &'static str),
    /// A file of that many bytes, read as it is sent.
    File(&'a Path, u64),
}

/// To whom.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum To {
    /// The hub itself: the token goes along.
    Hub,
    /// An address that the hub named: it gets no token but what the hub said.
    Store,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    message: Option<String>,
    /// What kind of thing is not there.
    code: Option<String>,
    wait: Option<Duration>,
}

impl<'a> Http<'a> {
    pub fn new(hub: &'a Hub, reference: &'a Reference) -> Result<Http<'a>> {
        let client = Client::builder().user_agent(concat!("tallow/", env!("CARGO_PKG_VERSION"))).build();
        let client = client.map_err(|error| Error::Client {
            endpoint: hub.shown(),
            problem: hub.discreet(&deepest(&error)),
        })?;
        Ok(Http { hub, client, reference })
    }

    /// The repository, as messages name it.
    pub fn what(&self) -> String {
        format!("`{}`", self.reference.repository())
    }

    /// The answer, if it is a success or one of `also`. Cut connections, 429 and 5xx are tried again, after the time that
    /// the server names or twice the last one.
    pub fn send(&self, call: &Call, also: &[u16], mut sent: impl FnMut(u64)) -> Result<Answer> {
        let mut delay = self.hub.delay;
        for attempt in 1.. {
            let outcome = self.once(call, &mut sent)?;
            let problem = match outcome {
                Ok(answer) if answer.status < 300 || also.contains(&answer.status) => return Ok(answer),
                Ok(answer) if attempt < ATTEMPTS && matches!(answer.status, 429 | 500 | 502..=504) => {
                    delay = answer.wait.unwrap_or(delay).min(LONGEST);
                    None
                }
                Ok(answer) => Some(self.refused(answer)),
                Err(_) if attempt < ATTEMPTS => None,
                Err(cause) => {
                    let cause = self.hub.discreet(&cause);
                    Some(Error::Unreachable { file: self.what(), endpoint: self.hub.shown(), cause })
                }
            };
            if let Some(error) = problem {
                return Err(error);
            }
            thread::sleep(delay);
            delay *= 2;
        }
        unreachable!("the last attempt returns")
    }

    /// One try: an answer, or why the connection failed. Errs on silence and on a file that cannot be read.
    fn once(&self, call: &Call, sent: &mut impl FnMut(u64)) -> Result<std::result::Result<Answer, String>> {
        let mut request =
            self.client.request(call.method.clone(), call.address).headers(call.headers.clone());
        if let (To::Hub, Some(token)) = (call.to, &self.hub.token) {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let mut content: Option<Box<dyn Read + Send>> = None;
        match &call.body {
            Body::None => {}
            Body::Bytes(bytes, kind) => {
                request = request.header(CONTENT_TYPE, *kind).header(CONTENT_LENGTH, bytes.len());
                content = Some(Box::new(Cursor::new(bytes.to_vec())));
            }
            Body::File(path, length) => {
                let open = std::fs::File::open(path);
                let open = open.map_err(|source| Error::Local { path: path.to_path_buf(), source })?;
                request = request.header(CONTENT_LENGTH, *length);
                content = Some(Box::new(open));
            }
        }
        let on_event = |event| {
            if let Event::Bytes(bytes) = event {
                sent(bytes);
            }
        };
        let outcome = watched(self.hub.patience, on_event, move |reporter| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            // Silence is measured until the answer is here, not until the body has been handed over.
            let reporter = Arc::new(reporter);
            let request = match content {
                Some(content) => request.body(pieces(content, reporter.clone())),
                None => request,
            };
            runtime.block_on(async {
                let response = request.send().await.map_err(|error| deepest(&error))?;
                let text = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
                let wait =
                    text(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok()).map(Duration::from_secs);
                let (status, message) = (response.status().as_u16(), text("x-error-message"));
                let code = text("x-error-code");
                let body = response.bytes().await.map_err(|error| deepest(&error))?.to_vec();
                Ok(Answer { status, body, message, code, wait })
            })
        });
        outcome.ok_or_else(|| Error::Silent {
            file: self.what(),
            endpoint: self.hub.shown(),
            seconds: self.hub.patience.as_secs(),
        })
    }

    /// An answer that ends it, in our words.
    fn refused(&self, answer: Answer) -> Error {
        let (file, endpoint) = (self.what(), self.hub.shown());
        // The hub says it in a header, in JSON, or not at all.
        let json: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
        let in_body = json.as_ref().and_then(|json| json["error"].as_str()).map(str::to_owned);
        let said = answer.message.or(in_body).map_or(String::new(), |text| {
            let short: String = text.chars().take(200).collect();
            format!(": {}", self.hub.discreet(&short))
        });
        match answer.status {
            401 => {
                let remedy = "check that HF_TOKEN is a token that may write".to_owned();
                Error::Unauthorized { file, endpoint, remedy }
            }
            403 => Error::ReadOnly { file, endpoint, owner: self.reference.owner.clone(), answer: said },
            404 if answer.code.as_deref() == Some("RevisionNotFound") => {
                let revision = self.reference.revision.clone().unwrap_or_else(|| "main".to_owned());
                let remedy = "make that branch on the hub, or publish to `main`: owner/name alone";
                Error::NoRevision { file, revision, remedy }
            }
            404 => Error::NoRepository { file, endpoint, repository: self.reference.repository() },
            409 | 412 => Error::Conflict { file, answer: said },
            429 => {
                let wait = answer.wait.map_or(String::new(), |wait| format!(" in {} s", wait.as_secs()));
                let answer = "429, too many requests".to_owned();
                Error::Answer {
                    file,
                    endpoint,
                    answer,
                    remedy: format!("publish again{wait}; what was sent stays"),
                }
            }
            status => {
                let answer = format!("{status}{said}");
                Error::Answer {
                    file,
                    endpoint,
                    answer,
                    remedy: "publish again later; what was sent stays".into(),
                }
            }
        }
    }
}

/// Bytes in one piece of a body: at 30 s of patience, a connection may be as slow as 2 kB/s.
const PIECE: usize = 1 << 16;

/// A body in pieces, each reported when it is handed over.
fn pieces(content: Box<dyn Read + Send>, reporter: Arc<Reporter>) -> reqwest::Body {
    let state = (content, reporter, 0u64);
    reqwest::Body::wrap_stream(futures::stream::unfold(state, |(mut content, reporter, done)| async move {
        let mut piece = vec![0; PIECE];
        match content.read(&mut piece) {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                let done = done + read as u64;
                reporter.send(Event::Bytes(done));
                Some((Ok::<_, std::io::Error>(piece), (content, reporter, done)))
            }
            Err(error) => Some((Err(error), (content, reporter, done))),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A slow connection is no silence: what was handed over of a body is heard, of bytes as of a file.
    #[test]
    fn a_body_goes_in_pieces() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        const LENGTH: usize = 3 * PIECE + 5;
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (mut said, mut part) = (Vec::new(), [0; 4096]);
                let head = |said: &[u8]| said.windows(4).position(|end| end == b"\r\n\r\n");
                while head(&said).is_none_or(|head| said.len() < head + 4 + LENGTH) {
                    let read = stream.read(&mut part).unwrap();
                    said.extend(&part[..read]);
                }
                let length = format!("content-length: {LENGTH}\r\n");
                let whole = String::from_utf8_lossy(&said).to_lowercase().contains(&length);
                let status = if whole { "200 OK" } else { "411 Length Required" };
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
            }
        });
        let hub = Hub { token: None, ..Hub::from_env() };
        let reference = "me/net".parse().unwrap();
        let http = Http::new(&hub, &reference).unwrap();
        let (bytes, file) = (vec![b'x'; LENGTH], tempfile::NamedTempFile::new().unwrap());
        std::fs::write(file.path(), &bytes).unwrap();
        for body in [Body::Bytes(&bytes, "text/plain"), Body::File(file.path(), LENGTH as u64)] {
            let mut heard = Vec::new();
            let call = Call {
                method: Method::POST,
                address: &address,
                headers: HeaderMap::new(),
                body,
                to: To::Store,
            };
            assert_eq!(http.send(&call, &[], |done| heard.push(done as usize)).unwrap().status, 200);
            assert_eq!(heard, [PIECE, 2 * PIECE, 3 * PIECE, LENGTH]);
        }
    }
}
