//! One array of an npz of which the others are whole: the checksums of the archive are right, so that its header is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallow_fuzz::{choice, read_all, written, zip};

const NAMES: [&str; 6] =
    ["train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"];

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = choice(bytes, NAMES.len()) else { return };
    let whole = |name: &str| match name.ends_with("images") {
        true => array("(2, 4, 4)", &[7; 32]),
        false => array("(2, 1)", &[0, 1]),
    };
    let entries: Vec<(String, Vec<u8>)> = NAMES
        .iter()
        .enumerate()
        .map(|(index, name)| {
            (format!("{name}.npy"), if index == which { bytes.to_vec() } else { whole(name) })
        })
        .collect();
    let file = written("set.npz", &zip(&entries));
    read_all("medmnist", &format!("{{ path: {}, flag: pneumoniamnist }}", file.display()));
});

fn array(shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    let header = format!("{header:<117}\n");
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), bytes].concat()
}
