//! A fingerprint of what a run was trained on.

use crate::Dataset;

/// FNV-1a, 128 bits, over class names and every image's id, label and group, in order; 32 hexadecimal digits.
///
/// Two datasets with the same manifest have the same rows in the same order. Pixels are not read. Strings go in
/// after their length (8 bytes, little-endian), so that no two lists share their bytes; a missing group is length 2⁶⁴ − 1.
/// Source of the constants: <https://www.rfc-editor.org/rfc/rfc9923>.
pub fn manifest(dataset: &dyn Dataset) -> String {
    let mut hash = Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
    hash.number(dataset.classes().len() as u64);
    dataset.classes().iter().for_each(|class| hash.text(class));
    hash.number(dataset.len() as u64);
    for index in 0..dataset.len() {
        hash.text(dataset.id(index));
        hash.number(dataset.label(index).into());
        match dataset.group(index) {
            Some(group) => hash.text(group),
            None => hash.number(u64::MAX),
        }
    }
    format!("{:032x}", hash.0)
}

struct Fnv(u128);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
        }
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }
}
