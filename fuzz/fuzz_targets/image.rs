//! Images of every format, their headers and their pixels.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallow_fuzz::decode_all;

fuzz_target!(|bytes: &[u8]| decode_all(bytes));
