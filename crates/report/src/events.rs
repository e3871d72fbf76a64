//! TensorBoard event files: TFRecord frames around protobuf messages that are small enough to write by hand.
//!
//! Frame: `len: u64 LE | masked_crc(len) | payload | masked_crc(payload)`, with CRC-32C (Castagnoli) and
//! `masked_crc = rotate_right(crc, 15) + 0xa282ead8`. Source: tensorflow/core/lib/io/record_writer.h and
//! tensorflow/core/util/event.proto, summary.proto.

use crate::{Error, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const PREFIX: &str = "events.out.tfevents.";

/// One event file, `events.out.tfevents.<unix seconds>.<host>.<pid>.0`. Every record is a single write, so that a killed run
/// leaves whole records behind.
pub struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// A new file in `dir`, sorted after those already there. With `resume_from: Some(step)` it begins with a session start at
    /// `step + 1`, at which TensorBoard forgets what earlier files say of that and later steps.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(dir: &Path, resume_from: Option<u64>) -> Result<Events> {
        let newest = existing(dir)?.iter().filter_map(|path| timestamp(path)).max();
        let seconds = newest.map_or(0, |last| last + 1).max(now() as u64);
        let path = dir.join(format!("{PREFIX}{seconds:010}.{}.{}.0", host(), std::process::id()));
        let file = File::create(&path).map_err(Error::io(&path))?;
        let mut events = Events { path, file };
        events.write(&event(0, &bytes(3, b"brain.Event:2")))?;
        if let Some(step) = resume_from {
            events.write(&event(step + 1, &bytes(7, &varint_field(1, 1))))?; // session_log { status: START }
        }
        Ok(events)
    }

    /// All values of one step in one record. Tags such as `train/loss`; values become f32.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn scalars<T: AsRef<str>>(&mut self, step: u64, values: &[(T, f64)]) -> Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut entry = bytes(1, tag.as_ref().as_bytes());
            entry.push(2 << 3 | 5); // simple_value, 32 bits
            entry.extend((*value as f32).to_le_bytes());
            summary.extend(bytes(1, &entry));
        }
        self.write(&event(step, &bytes(5, &summary)))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self, payload: &[u8]) -> Result<()> {
        self.file.write_all(&frame(payload)).map_err(Error::io(&self.path))
    }
}

/// The event files in a folder, oldest first.
pub(crate) fn existing(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn timestamp(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix(PREFIX)?.split('.').next()?.parse().ok()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0., |elapsed| elapsed.as_secs_f64())
}

fn host() -> String {
    let name = std::env::var("HOSTNAME")
        .ok()
        .or_else(|| fs::read_to_string("/etc/hostname").ok())
        .unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    if name.is_empty() { "localhost".into() } else { name }
}

/// `Event { double wall_time = 1; int64 step = 2; … }`, and the field that says what happened.
fn event(step: u64, what: &[u8]) -> Vec<u8> {
    let mut event = vec![1 << 3 | 1]; // 64 bits
    event.extend(now().to_le_bytes());
    event.extend(varint_field(2, step));
    event.extend(what);
    event
}

fn varint_field(field: u8, value: u64) -> Vec<u8> {
    let mut out = vec![field << 3];
    varint(value, &mut out);
    out
}

fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    varint(content.len() as u64, &mut out);
    out.extend(content);
    out
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_le_bytes();
    let mut out = Vec::with_capacity(payload.len() + 16);
    out.extend(length);
    out.extend(masked_crc(&length).to_le_bytes());
    out.extend(payload);
    out.extend(masked_crc(payload).to_le_bytes());
    out
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 }; // Castagnoli's polynomial, reflected
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| TABLE[((crc ^ *byte as u32) & 0xff) as usize] ^ crc >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4.
    #[test]
    fn crc_vectors() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    #[derive(Debug, PartialEq)]
    enum Read {
        Version(String),
        Start(u64),
        Scalar(u64, String, f32),
    }

    /// A reader that shares no code with the writer but the checksum, which the vectors above pin.
    fn read(path: &Path) -> Vec<Read> {
        let data = fs::read(path).unwrap();
        let (mut at, mut out) = (0, Vec::new());
        while at < data.len() {
            let length = u64::from_le_bytes(data[at..at + 8].try_into().unwrap()) as usize;
            let check = |range: std::ops::Range<usize>| {
                let stored = u32::from_le_bytes(data[range.end..range.end + 4].try_into().unwrap());
                let unmasked = stored.wrapping_sub(0xa282_ead8).rotate_left(15);
                assert_eq!(unmasked, crc32c(&data[range]));
            };
            check(at..at + 8);
            check(at + 12..at + 12 + length);
            let mut step = 0;
            for (field, value) in fields(&data[at + 12..at + 12 + length]) {
                match (field, value) {
                    (1, Value::Fixed(time)) => assert!(f64::from_le_bytes(time.try_into().unwrap()) > 1.7e9),
                    (2, Value::Varint(value)) => step = value,
                    (3, Value::Bytes(text)) => out.push(Read::Version(String::from_utf8(text).unwrap())),
                    (5, Value::Bytes(summary)) => {
                        for (_, entry) in fields(&summary) {
                            let Value::Bytes(entry) = entry else { panic!("summary value") };
                            let entry = fields(&entry);
                            let [(1, Value::Bytes(tag)), (2, Value::Fixed(value))] = &entry[..] else {
                                panic!("{entry:?}")
                            };
                            let value = f32::from_le_bytes(value[..].try_into().unwrap());
                            out.push(Read::Scalar(step, String::from_utf8(tag.clone()).unwrap(), value));
                        }
                    }
                    (7, Value::Bytes(session)) => {
                        assert_eq!(session, [8, 1]);
                        out.push(Read::Start(step));
                    }
                    other => panic!("{other:?}"),
                }
            }
            at += length + 16;
        }
        out
    }

    #[derive(Debug)]
    enum Value {
        Varint(u64),
        Fixed(Vec<u8>),
        Bytes(Vec<u8>),
    }

    fn fields(mut data: &[u8]) -> Vec<(u8, Value)> {
        let varint = |data: &mut &[u8]| {
            let end = data.iter().position(|byte| byte & 0x80 == 0).unwrap();
            let value = data[..=end].iter().rev().fold(0, |sum, byte| sum << 7 | (byte & 0x7f) as u64);
            *data = &data[end + 1..];
            value
        };
        let take = |data: &mut &[u8], n: usize| {
            let (head, tail) = data.split_at(n);
            *data = tail;
            head.to_vec()
        };
        let mut out = Vec::new();
        while !data.is_empty() {
            let key = varint(&mut data);
            let value = match key & 7 {
                0 => Value::Varint(varint(&mut data)),
                1 => Value::Fixed(take(&mut data, 8)),
                2 => {
                    let n = varint(&mut data) as usize;
                    Value::Bytes(take(&mut data, n))
                }
                5 => Value::Fixed(take(&mut data, 4)),
                wire => panic!("wire type {wire}"),
            };
            out.push(((key >> 3) as u8, value));
        }
        out
    }

    #[test]
    fn reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut events = Events::create(dir.path(), None).unwrap();
        events.scalars(1, &[("train/loss", 2.5), ("train/lr", 0.1)]).unwrap();
        events.scalars(300, &[("val/macro_f1", 0.25)]).unwrap(); // two varint bytes
        assert_eq!(
            read(events.path()),
            [
                Read::Version("brain.Event:2".into()),
                Read::Scalar(1, "train/loss".into(), 2.5),
                Read::Scalar(1, "train/lr".into(), 0.1),
                Read::Scalar(300, "val/macro_f1".into(), 0.25),
            ]
        );
    }

    /// By hand: TensorBoard 2.21's `EventAccumulator` read the files of `examples/report.rs` (twelve epochs, resumed from the tenth),
    /// dropped the 16 scalars of the two epochs beyond it at the session start, and gave 20 points for every tag.
    #[test]
    fn resume_is_a_later_file_with_a_session_start() {
        let dir = tempfile::tempdir().unwrap();
        let first = Events::create(dir.path(), None).unwrap();
        let mut second = Events::create(dir.path(), Some(10)).unwrap();
        second.scalars(11, &[("train/loss", 1.)]).unwrap();
        assert_eq!(existing(dir.path()).unwrap(), [first.path(), second.path()]);
        let expected = [
            Read::Version("brain.Event:2".into()),
            Read::Start(11),
            Read::Scalar(11, "train/loss".into(), 1.),
        ];
        assert_eq!(read(second.path()), expected);
    }
}
