//! The sums of a checkpoint, beside one file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallow_fuzz::{folder, written};
use tallow_train::verify_checkpoint;

fuzz_target!(|bytes: &[u8]| {
    written("config.json", b"{}");
    written("SHA256SUMS", bytes);
    let _ = verify_checkpoint(folder(), None);
    let _ = verify_checkpoint(folder(), Some(&["config.json"]));
});
