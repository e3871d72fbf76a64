//! PyTorch's stream of pickles: what is before it is right, so that its values are read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallow_fuzz::written;
use tallow_models::weights::read;

/// The magic number, the protocol's version and the machine's sizes, as `torch.save` of before 1.6 begins.
const BEFORE: &[u8] =
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}q\0.";

fuzz_target!(|bytes: &[u8]| {
    let _ = read(&written("weights.pth", &[BEFORE, bytes].concat()));
});
