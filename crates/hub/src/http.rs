//! Requests that write, one after another, repeated where that may help.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method};

use crate::fetch::deepest;
use crate::transfer::{Event, Reporter, watched};
use crate::{Error, Hub, Result};

/// Requests that fail before giving up.
const ATTEMPTS: u32 = 5;
/// The longest that a server can ask to wait.
const LONGEST: Duration = Duration::from_secs(60);

pub(crate) struct Http<'a> {
    pub hub: &'a Hub,
    client: Client,
    /// The repository, as messages name it.
    what: String,
    owner: String,
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
    wait: Option<Duration>,
}

impl<'a> Http<'a> {
    pub fn new(hub: &'a Hub, what: String, owner: String) -> Result<Http<'a>> {
        let client = Client::builder().user_agent(concat!("tallow/", env!("CARGO_PKG_VERSION"))).build();
        let client = client.map_err(|error| Error::Client {
            endpoint: hub.shown(),
            problem: hub.discreet(&deepest(&error)),
        })?;
        Ok(Http { hub, client, what, owner })
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
                    Some(Error::Unreachable { file: self.what.clone(), endpoint: self.hub.shown(), cause })
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
        let mut file = None;
        match &call.body {
            Body::None => {}
            Body::Bytes(bytes, kind) => request = request.header(CONTENT_TYPE, *kind).body(bytes.to_vec()),
            Body::File(path, length) => {
                let open = std::fs::File::open(path);
                let open = open.map_err(|source| Error::Local { path: path.to_path_buf(), source })?;
                request = request.header(CONTENT_LENGTH, *length);
                file = Some(open);
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
            let request = match file {
                Some(file) => request.body(pieces(file, reporter)),
                None => request,
            };
            runtime.block_on(async {
                let response = request.send().await.map_err(|error| deepest(&error))?;
                let text = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
                let wait =
                    text(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok()).map(Duration::from_secs);
                let (status, message) = (response.status().as_u16(), text("x-error-message"));
                let body = response.bytes().await.map_err(|error| deepest(&error))?.to_vec();
                Ok(Answer { status, body, message, wait })
            })
        });
        outcome.ok_or_else(|| Error::Silent {
            file: self.what.clone(),
            endpoint: self.hub.shown(),
            seconds: self.hub.patience.as_secs(),
        })
    }

    /// An answer that ends it, in our words.
    fn refused(&self, answer: Answer) -> Error {
        let (file, endpoint) = (self.what.clone(), self.hub.shown());
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
            403 => Error::ReadOnly { file, endpoint, owner: self.owner.clone(), answer: said },
            404 => {
                let repository = self.what.trim_matches('`').to_owned();
                Error::NoRepository { file, endpoint, repository }
            }
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

/// A file in pieces of 1 MiB, each reported when it is handed over.
fn pieces(file: std::fs::File, reporter: Reporter) -> reqwest::Body {
    let state = (file, Arc::new(reporter), 0u64);
    reqwest::Body::wrap_stream(futures::stream::unfold(state, |(mut file, reporter, done)| async move {
        let mut piece = vec![0; 1 << 20];
        match std::io::Read::read(&mut file, &mut piece) {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                let done = done + read as u64;
                reporter.send(Event::Bytes(done));
                Some((Ok::<_, std::io::Error>(piece), (file, reporter, done)))
            }
            Err(error) => Some((Err(error), (file, reporter, done))),
        }
    }))
}
