//! PyTorch's archives: as they are, or with a pickle whose checksum is right.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallow_fuzz::{choice, written, zip};
use tallow_models::weights::read;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = choice(bytes, 2) else { return };
    let file = match which {
        0 => bytes.to_vec(),
        _ => zip(&[
            ("archive/data.pkl".to_owned(), bytes.to_vec()),
            ("archive/data/0".to_owned(), vec![1; 64]),
            ("archive/version".to_owned(), b"3\n".to_vec()),
        ]),
    };
    let _ = read(&written("weights.pth", &file));
});
