//! Weights in and checkpoints out: the Hugging Face hub for tallow.
//!
//! [`fetch`] brings files of a model repository into the standard cache, the one that Python's `huggingface_hub`
//! uses, and checks what arrived. The environment is honoured as there: `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN`,
//! `HF_TOKEN_PATH`, `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_HUB_DISABLE_TELEMETRY`.

mod error;
mod fetch;
mod integrity;
mod reference;
mod transfer;

pub use error::{Error, Result};
pub use fetch::{Fetched, Hub, fetch};
pub use reference::Reference;
pub use transfer::Progress;
