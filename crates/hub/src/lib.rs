//! Weights in and checkpoints out: the Hugging Face hub for tallow.
//!
//! [`fetch`] brings files of a model repository into the standard cache, the one that Python's `huggingface_hub`
//! uses, and checks what arrived. The environment is honoured as there: `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN`,
//! `HF_TOKEN_PATH`, `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_HUB_DISABLE_TELEMETRY`, `DO_NOT_TRACK` (both switch hf-hub's off).
//!
//! [`Hub::publish`] puts files into a repository as one commit. Large ones go to its store of large files first, by plain
//! HTTP (Git LFS's `basic` transfer, which the hub keeps for clients without Xet). Tests run it against a small hub on
//! loopback; against huggingface.co it has not been run.

mod error;
mod fetch;
mod http;
mod integrity;
mod publish;
mod pull;
mod reference;
mod transfer;

pub use error::{Error, Result};
pub use fetch::{Fetched, Hub, fetch};
pub use publish::{MayReplace, Published, Upload};
pub use reference::Reference;
pub use transfer::Progress;
