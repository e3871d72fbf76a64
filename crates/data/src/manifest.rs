//! A fingerprint of what a run was trained on.

use crate::Dataset;

/// FNV-1a, 128 bits, over class names and every image's id, label and group, in order; 32 hexadecimal digits.
///
/// Two datasets with the same manifest have the same rows in the same order. Pixels are not read. Strings go in
/// after their length (8 bytes, little-endian), so that no two lists share their bytes; a missing group is length 2⁶⁴ − 1.
/// Source of the constants: <https://www.rfc-editor.org/rfc/rfc9923>.
pub fn manifest(dataset: &dyn Dataset) -> String {
    let mut hash = Fnv(OFFSET);
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

/// FNV-1a, 128 bits, of some bytes; 32 hexadecimal digits.
pub fn fingerprint(bytes: &[u8]) -> String {
    let mut hash = Fnv(OFFSET);
    hash.bytes(bytes);
    format!("{:032x}", hash.0)
}

/// The empty text's.
const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Images, Row, Table};

    #[test]
    fn is_stable_and_sees_every_change() {
        // RFC 9923, test vectors: the empty text and "a".
        assert_eq!(fingerprint(b""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(fingerprint(b"a"), "d228cb696f1a8caf78912b704e4a8964");
        let row = |id: &str, label: u32, group: Option<&str>| Row {
            id: id.into(),
            label,
            group: group.map(str::to_owned),
        };
        let of = |classes: [&str; 2], rows: Vec<Row>| {
            let images = Images::Pixels { width: 1, height: 1, channels: 1, bytes: vec![0; rows.len()] };
            let table = Table::new("a test", classes.map(String::from).to_vec(), None, rows.into(), images);
            manifest(&table.unwrap())
        };
        let rows = || vec![row("0", 0, Some("a")), row("1", 1, None), row("2", 0, Some("b"))];
        let plain = of(["x", "y"], rows());
        assert_eq!(plain, of(["x", "y"], rows()));
        let changed = |change: &dyn Fn(&mut Vec<Row>)| {
            let mut rows = rows();
            change(&mut rows);
            of(["x", "y"], rows)
        };
        assert_ne!(changed(&|rows| rows[1].label = 0), plain);
        assert_ne!(changed(&|rows| rows[1].group = Some(String::new())), plain);
        assert_ne!(changed(&|rows| rows[2].id.push('x')), plain);
        assert_ne!(changed(&|rows| rows.swap(0, 2)), plain);
        assert_ne!(of(["xx", "y"], rows()), plain);
    }
}
