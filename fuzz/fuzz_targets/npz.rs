//! MedMNIST's archives as they are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallow_fuzz::{read_all, written};

fuzz_target!(|bytes: &[u8]| {
    let file = written("set.npz", bytes);
    read_all("medmnist", &format!("{{ path: {}, flag: pneumoniamnist }}", file.display()));
});
