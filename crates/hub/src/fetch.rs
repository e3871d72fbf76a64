//! Files of a model repository, by way of the standard cache.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::repository::RepoTypeModel;
use hf_hub::{HFClient, HFError, HFRepositorySync};

use crate::integrity::check;
use crate::reference::is_inside;
use crate::transfer::{Event, Progress, watched};
use crate::{Error, Reference, Result};

/// Transfers of a file before giving up: a cut connection is usually whole the next time.
const ATTEMPTS: u32 = 3;

/// Where files come from and go to. [`Hub::from_env`] is what everyone wants; the fields are for other wishes.
#[derive(Clone)]
pub struct Hub {
    /// Address of the hub, `HF_ENDPOINT` or `https://huggingface.co`.
    pub endpoint: String,
    /// Folder of the cache: `HF_HUB_CACHE`, `$HF_HOME/hub`, `~/.cache/huggingface/hub`.
    pub cache: PathBuf,
    /// `HF_TOKEN`, or the text of the file `HF_TOKEN_PATH` or `$HF_HOME/token`; `None` leaves the search to the client.
    pub token: Option<String>,
    /// Use the cache alone: `HF_HUB_OFFLINE`.
    pub offline: bool,
    /// The longest silence before giving up.
    pub patience: Duration,
    /// Before a refused connection is tried again: doubled each of five times.
    pub delay: Duration,
}

/// Files that are on this machine now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The commit that the revision stood for: all files are of this one.
    pub commit: String,
    /// The snapshot's folder in the cache, which holds the files under their names.
    pub folder: PathBuf,
    /// Where each file is, in the order asked for.
    pub files: Vec<PathBuf>,
}

/// [`Hub::fetch`] with the environment's hub, without progress.
///
/// # Errors
/// As [`Hub::fetch`].
pub fn fetch(reference: &str, files: &[&str]) -> Result<Fetched> {
    Hub::from_env().fetch(reference, files, &mut |_| ())
}

impl Hub {
    /// The hub that the environment names.
    pub fn from_env() -> Hub {
        Hub {
            endpoint: variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned()),
            cache: hf_hub::resolve_cache_dir(),
            token: token(),
            offline: variable("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
            patience: Duration::from_secs(30),
            delay: Duration::from_millis(100),
        }
    }

    /// Fetches `files` of `owner/name[@revision]`, all of one commit, unless they are in the cache.
    ///
    /// A transfer that is cut, or whose length or SHA-256 is not the announced one, is repeated; what is wrong never
    /// stays in the cache. Without a connection, the cached files of the revision serve. `progress` is called on this thread,
    /// for bytes that come over the network.
    ///
    /// # Errors
    /// A reference that cannot be read; a repository, revision or file that is not there or not open to this token; a
    /// network that fails and nothing in the cache; what cannot be written.
    pub fn fetch(
        &self,
        reference: &str,
        files: &[&str],
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Fetched> {
        let reference: Reference = reference.parse()?;
        let mut commit: Option<String> = None;
        let mut paths = Vec::new();
        for &file in files {
            if !is_inside(file) {
                let (reference, problem) =
                    (reference.to_string(), format!("`{file}` is no file of a repository"));
                return Err(Error::Reference { reference, problem });
            }
            // The first file says which commit the revision is; the others come from that one, whatever is pushed meanwhile.
            let revision = commit.clone().or_else(|| reference.revision.clone());
            let job = Job { hub: self, reference: &reference, file, revision };
            let path = job.run(progress)?;
            commit.get_or_insert(snapshot(&path, file).1);
            paths.push(path);
        }
        let folder = match (paths.first(), files.first()) {
            (Some(path), Some(file)) => snapshot(path, file).0,
            _ => self.cache.clone(),
        };
        Ok(Fetched { commit: commit.unwrap_or_default(), folder, files: paths })
    }

    /// The endpoint for messages: without the user and password that a mirror's address may hold.
    pub(crate) fn shown(&self) -> String {
        let endpoint = self.endpoint.trim_end_matches('/');
        match endpoint.split_once("://") {
            Some((scheme, rest)) => {
                let end = rest.find('/').unwrap_or(rest.len());
                let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
                format!("{scheme}://{}", &rest[host..])
            }
            None => endpoint.to_owned(),
        }
    }

    /// `text` without the token, should a server have sent it back.
    pub(crate) fn discreet(&self, text: &str) -> String {
        match self.token.as_deref() {
            Some(token) if !token.is_empty() => text.replace(token, "***"),
            _ => text.to_owned(),
        }
    }
}

/// One file to be fetched.
struct Job<'a> {
    hub: &'a Hub,
    reference: &'a Reference,
    file: &'a str,
    revision: Option<String>,
}

/// What became of one transfer.
enum Outcome {
    Here(PathBuf),
    /// Worth another attempt.
    Broken(String),
    /// Held for all of the client's ten seconds.
    Locked(PathBuf),
    Silent,
    Failed(HFError),
}

impl Job<'_> {
    fn run(&self, progress: &mut dyn FnMut(Progress<'_>)) -> Result<PathBuf> {
        let repository = self.repository()?;
        let (mut problem, mut failures, mut others_bytes) = (String::new(), 0, None);
        while failures < ATTEMPTS {
            match self.attempt(&repository, self.hub.offline, progress)? {
                Outcome::Here(path) => return Ok(path),
                Outcome::Broken(what) => {
                    problem = what;
                    failures += 1;
                }
                Outcome::Locked(lock) => {
                    // Another process fetches the same file; as long as it gets on, there is nothing to do but wait.
                    let bytes =
                        incomplete(&lock).and_then(|path| fs::metadata(path).ok()).map(|file| file.len());
                    failures += u32::from(bytes.is_none() || bytes == others_bytes);
                    others_bytes = bytes;
                    problem = format!("another process holds {}", lock.display());
                }
                // A silent server is as good as none: the client itself falls back on the cache only when refused.
                Outcome::Silent => {
                    return match self.attempt(&repository, true, progress)? {
                        Outcome::Here(path) => Ok(path),
                        _ => Err(Error::Silent {
                            file: self.name(),
                            endpoint: self.hub.shown(),
                            seconds: self.hub.patience.as_secs(),
                        }),
                    };
                }
                Outcome::Failed(error) => return Err(self.explain(&repository, error)),
            }
        }
        Err(Error::Broken { file: self.name(), problem: self.hub.discreet(&problem), attempts: ATTEMPTS })
    }

    fn repository(&self) -> Result<HFRepositorySync<RepoTypeModel>> {
        let hub = self.hub;
        let mut builder = HFClient::builder()
            .endpoint(&hub.endpoint)
            .cache_dir(&hub.cache)
            .retry_base_delay(hub.delay)
            .user_agent(concat!("tallow/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = &hub.token {
            builder = builder.token(token);
        }
        let client = builder.build_sync().map_err(|error| Error::Client {
            endpoint: hub.shown(),
            problem: hub.discreet(&deepest(&error)),
        })?;
        Ok(client.model(&self.reference.owner, &self.reference.name))
    }

    fn attempt(
        &self,
        repository: &HFRepositorySync<RepoTypeModel>,
        local: bool,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Outcome> {
        let (mut total, mut arrived) = (0, false);
        let on_event = |event| match event {
            Event::Size(bytes) => total = bytes,
            Event::Bytes(done) => {
                arrived = true;
                progress(Progress { file: self.file, done, total });
            }
        };
        let (repository, file, revision) = (repository.clone(), self.file.to_owned(), self.revision.clone());
        let result = watched(self.hub.patience, on_event, move |reporter| {
            let call = repository.download_file().filename(file).maybe_revision(revision);
            call.local_files_only(local).progress(reporter.handler()).send()
        });
        Ok(match result {
            None => Outcome::Silent,
            Some(Ok(path)) if arrived => match check(&path, total).map_err(|source| self.cache(source))? {
                None => Outcome::Here(path),
                Some(problem) => Outcome::Broken(problem),
            },
            Some(Ok(path)) => Outcome::Here(path),
            // The body ended early: the client repeats requests, not bodies.
            Some(Err(HFError::Request { source, .. })) if source.is_body() || source.is_decode() => {
                Outcome::Broken(format!("the transfer was cut ({})", deepest(&source)))
            }
            Some(Err(error @ HFError::Xet { .. })) => Outcome::Broken(deepest(&error)),
            Some(Err(HFError::CacheLockTimeout { path })) => Outcome::Locked(path),
            Some(Err(error)) => Outcome::Failed(error),
        })
    }

    /// The client's error in our words.
    fn explain(&self, repository: &HFRepositorySync<RepoTypeModel>, error: HFError) -> Error {
        let (file, endpoint) = (self.name(), self.hub.shown());
        match error {
            HFError::LocalEntryNotFound { .. } => Error::NotCached { file, cache: self.hub.cache.clone() },
            // Offline the cache may know that the file does not exist.
            HFError::EntryNotFound { .. } if self.hub.offline => {
                Error::NotCached { file, cache: self.hub.cache.clone() }
            }
            HFError::EntryNotFound { .. } => self.missing(repository),
            HFError::AuthRequired { .. } => {
                Error::Unauthorized { file, endpoint, remedy: self.credentials() }
            }
            HFError::Forbidden { context } => Error::Forbidden {
                file,
                endpoint,
                repository: self.reference.repository(),
                answer: self.said(context.server_message.as_deref()),
            },
            HFError::Request { source, .. } => {
                Error::Unreachable { file, endpoint, cause: self.hub.discreet(&deepest(&source)) }
            }
            HFError::Io(source) => self.cache(source),
            HFError::RateLimited { retry_after, .. } => {
                let wait = retry_after.map_or(String::new(), |wait| format!(" in {} s", wait.as_secs()));
                let remedy = format!("try again{wait}; with HF_TOKEN the limits are higher");
                Error::Answer { file, endpoint, answer: "429, too many requests".to_owned(), remedy }
            }
            HFError::Http { context } => {
                let answer = format!("{}{}", context.status, self.said(context.server_message.as_deref()));
                Error::Answer { file, endpoint, answer, remedy: "try again later".to_owned() }
            }
            HFError::MalformedResponse { what, .. } => {
                let (answer, remedy) = (format!("unlike a hub: {what}"), "check HF_ENDPOINT".to_owned());
                Error::Answer { file, endpoint, answer, remedy }
            }
            other => {
                let (answer, remedy) = (self.hub.discreet(&deepest(&other)), "try again later".to_owned());
                Error::Answer { file, endpoint, answer, remedy }
            }
        }
    }

    /// 404 has three meanings; the repository's listing tells which.
    fn missing(&self, repository: &HFRepositorySync<RepoTypeModel>) -> Error {
        let (file, endpoint) = (self.name(), self.hub.shown());
        let list = |revision: Option<String>| {
            let repository = repository.clone();
            watched(self.hub.patience, |_| (), move |_| repository.info().maybe_revision(revision).send())
        };
        if let Some(Err(HFError::RepoNotFound { .. } | HFError::AuthRequired { .. })) = list(None) {
            return Error::NoRepository { file, endpoint, repository: self.reference.repository() };
        }
        match (list(self.revision.clone()), &self.revision) {
            (Some(Err(HFError::RevisionNotFound { .. })), Some(revision)) => {
                let remedy = "expected a branch, a tag or a commit";
                Error::NoRevision { file, revision: revision.clone(), remedy }
            }
            (Some(Ok(info)), _) if info.siblings.is_some() => {
                let siblings = info.siblings.unwrap_or_default().into_iter().take(20);
                let names: Vec<_> = siblings.map(|sibling| sibling.rfilename).collect();
                Error::NoFile { file, there: format!("it has {}", names.join(", ")) }
            }
            _ => Error::NoFile { file, there: format!("look at {endpoint}/{}", self.reference.repository()) },
        }
    }

    fn credentials(&self) -> String {
        let what = "check the name: the hub says so, too, of repositories that do not exist";
        match &self.hub.token {
            Some(_) => format!("{what}; if it is right, the token that was sent may not read it"),
            None => format!("{what}; if it is private or gated, set HF_TOKEN"),
        }
    }

    fn said(&self, message: Option<&str>) -> String {
        let short = |text: &str| text.chars().take(200).collect::<String>();
        message.map_or(String::new(), |text| format!(": {}", self.hub.discreet(&short(text))))
    }

    fn cache(&self, source: io::Error) -> Error {
        Error::Cache { file: self.name(), cache: self.hub.cache.clone(), source }
    }

    fn name(&self) -> String {
        format!("`{}` of `{}`", self.file, self.reference)
    }
}

/// Where the holder of CACHE/.locks/REPOSITORY/BLOB.lock writes: CACHE/REPOSITORY/blobs/BLOB.incomplete.
fn incomplete(lock: &Path) -> Option<PathBuf> {
    let (folder, blob) = (lock.parent()?, lock.file_stem()?.to_str()?);
    let cache = folder.parent()?.parent()?;
    Some(cache.join(folder.file_name()?).join("blobs").join(format!("{blob}.incomplete")))
}

/// The snapshot's folder, and the commit that is its name: …/snapshots/COMMIT/FILE, where FILE may have folders.
fn snapshot(path: &Path, file: &str) -> (PathBuf, String) {
    let folder = path.ancestors().nth(file.split('/').count()).unwrap_or(path);
    let commit = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    (folder.to_owned(), commit)
}

/// The innermost cause: the outer ones repeat addresses.
pub(crate) fn deepest(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), deepest)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// As huggingface_hub reads its switches.
fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str())
}

/// huggingface_hub's order; its line ends and spaces are no part of a token.
fn token() -> Option<String> {
    if variable("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some_and(|value| is_true(&value)) {
        return None;
    }
    let file = || {
        let path = variable("HF_TOKEN_PATH").map_or_else(|| hf_hub::hf_home().join("token"), PathBuf::from);
        fs::read_to_string(path).ok()
    };
    let token = variable("HF_TOKEN").or_else(file)?;
    Some(token.trim().to_owned()).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_password() {
        let shown = |endpoint: &str| Hub { endpoint: endpoint.to_owned(), ..Hub::from_env() }.shown();
        assert_eq!(shown("https://huggingface.co/"), "https://huggingface.co");
        assert_eq!(shown("https://me:secret@mirror.example:8443/hf"), "https://mirror.example:8443/hf");
    }

    #[test]
    fn switches_as_in_python() {
        assert!(["1", "ON", "yes", "True"].iter().all(|value| is_true(value)));
        assert!(!["0", "off", "no", "false", "2"].iter().any(|value| is_true(value)));
    }

    #[test]
    fn the_commit_is_in_the_path() {
        let path = Path::new("/c/models--a--b/snapshots/abc/onnx/model.bin");
        assert_eq!(
            snapshot(path, "onnx/model.bin"),
            (PathBuf::from("/c/models--a--b/snapshots/abc"), "abc".to_owned())
        );
    }

    #[test]
    fn the_other_process_writes_beside_the_blobs() {
        let path = incomplete(Path::new("/c/.locks/models--a--b/0f.lock")).unwrap();
        assert_eq!(path, Path::new("/c/models--a--b/blobs/0f.incomplete"));
    }
}
