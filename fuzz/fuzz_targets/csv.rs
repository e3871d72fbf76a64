//! A CSV of images, in any encoding, beside two images that it may name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallow_fuzz::{folder, read_all, written};

const PIXEL: &[u8] = b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0\
    \x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02\x03\0";

fuzz_target!(|bytes: &[u8]| {
    for name in ["a.bmp", "b.bmp"] {
        if !folder().join(name).exists() {
            written(name, PIXEL);
        }
    }
    let file = written("set.csv", bytes);
    read_all("csv", &format!("{{ file: {}, group: group, confine: true }}", file.display()));
    read_all("csv", &format!("{{ file: {}, encoding: utf-16, confine: true }}", file.display()));
});
