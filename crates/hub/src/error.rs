//! What can go wrong between here and the hub.

use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, Error>;

/// A file of the hub that could not be had. `file` is "`FILE` of `OWNER/NAME[@REVISION]`"; no message holds the token
/// or the query of an address (a content server's signature).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("`{reference}`: {problem}; expected owner/name or owner/name@revision, as timm/resnet50.tv_in1k")]
    Reference { reference: String, problem: String },
    /// 401: the hub also says so of repositories that do not exist.
    #[error("{file}: {endpoint} refuses it (401); {remedy}")]
    Unauthorized { file: String, endpoint: String, remedy: String },
    /// 403.
    #[error(
        "{file}: {endpoint} forbids it (403){answer}; accept the terms at {endpoint}/{repository} and check what the token may read"
    )]
    Forbidden { file: String, endpoint: String, repository: String, answer: String },
    #[error("{file}: {endpoint} has no repository `{repository}`; check owner and name")]
    NoRepository { file: String, endpoint: String, repository: String },
    #[error("{file}: the repository has no revision `{revision}`; {remedy}")]
    NoRevision { file: String, revision: String, remedy: &'static str },
    #[error("{file}: the repository has no such file; {there}")]
    NoFile { file: String, there: String },
    /// Offline, and not fetched before.
    #[error(
        "{file}: not in the cache {cache}, and HF_HUB_OFFLINE forbids to fetch it; unset HF_HUB_OFFLINE, or give the path of a local file",
        cache = cache.display()
    )]
    NotCached { file: String, cache: PathBuf },
    /// No connection, and nothing in the cache to use instead.
    #[error(
        "{file}: cannot reach {endpoint} ({cause}); check the network and HF_ENDPOINT, or give the path of a local file"
    )]
    Unreachable { file: String, endpoint: String, cause: String },
    /// No byte for as long as [`crate::Hub::patience`].
    #[error(
        "{file}: {endpoint} has been silent for {seconds} s; try again later, or give the path of a local file"
    )]
    Silent { file: String, endpoint: String, seconds: u64 },
    /// What arrived is not what was announced, also when asked for again.
    #[error(
        "{file}: {problem}, after {attempts} attempts; try again later, or give the path of a local file"
    )]
    Broken { file: String, problem: String, attempts: u32 },
    /// Nothing is published without a token.
    #[error("{file}: to publish needs a token that may write; set HF_TOKEN ({endpoint}/settings/tokens)")]
    NoToken { file: String, endpoint: String },
    /// 403 to something that writes.
    #[error(
        "{file}: {endpoint} forbids to write there (403){answer}; use a token that may write to `{owner}`, name a repository of \
         your own, or propose the files with --create-pr"
    )]
    ReadOnly { file: String, endpoint: String, owner: String, answer: String },
    /// Offline, where the hub must be asked.
    #[error("{file}: HF_HUB_OFFLINE forbids to reach {endpoint}; unset it to publish")]
    Offline { file: String, endpoint: String },
    /// 409 or 412, also when tried again.
    #[error("{file}: others changed the repository meanwhile{answer}; publish again")]
    Conflict { file: String, answer: String },
    /// A file of this machine.
    #[error("{path}: cannot be read ({source})", path = path.display())]
    Local { path: PathBuf, source: std::io::Error },
    /// Any other answer that is not the file.
    #[error("{file}: {endpoint} answered {answer}; {remedy}")]
    Answer { file: String, endpoint: String, answer: String, remedy: String },
    /// The cache folder cannot be read or written.
    #[error("{file}: cache {cache}: {source}; make it writable or set HF_HUB_CACHE", cache = cache.display())]
    Cache { file: String, cache: PathBuf, source: std::io::Error },
    /// The client could not be set up.
    #[error("{endpoint}: {problem}; expected an address such as https://huggingface.co in HF_ENDPOINT")]
    Client { endpoint: String, problem: String },
}
