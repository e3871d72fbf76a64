//! Weights in safetensors: the length of the header is right, so that the header is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallow_fuzz::written;
use tallow_models::weights::read;

fuzz_target!(|bytes: &[u8]| {
    // A header as of the format, and then bytes; or all of it as it is.
    let file = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => [&(end as u64).to_le_bytes(), &bytes[..end], &bytes[end + 1..]].concat(),
        None => bytes.to_vec(),
    };
    let _ = read(&written("weights.safetensors", &file));
});
