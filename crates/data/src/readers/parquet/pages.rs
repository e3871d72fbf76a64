//! What the pages of a parquet file unpack to, before a library that believes their headers takes memory for them.
//!
//! A header is a `PageHeader` in Thrift's compact protocol: <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Result, Seek, SeekFrom, copy, sink};

use parquet::basic::Compression;

/// The most that deflate and LZ4 make of a byte.
const DEFLATE: u64 = 1032;
const LZ4: u64 = 255;

/// Bytes that the pages of a column chunk, which begins at `start` and has `length` bytes, unpack to by their headers. Formats that go
/// on far beyond that (gzip, brotli) are followed where it could be more than `most`, which is then told; of the old LZ4, whose readers
/// go on too, it is taken to be.
pub fn unpacked(file: &File, (start, length): (u64, u64), codec: Compression, most: u64) -> Result<u64> {
    let mut chunk = Chunk { file: BufReader::new(file), left: length };
    chunk.file.seek(SeekFrom::Start(start))?;
    let mut sum = 0u64;
    while chunk.left > 0 {
        let page = chunk.page()?;
        sum = sum.saturating_add(page.unpacked);
        let may_be_more = match codec {
            Compression::GZIP(_) => page.packed.saturating_mul(DEFLATE) > most,
            Compression::BROTLI(_) => true,
            Compression::LZ4 if page.packed.saturating_mul(LZ4) > most => return Ok(most.saturating_add(1)),
            _ => false,
        };
        if page.packed > chunk.left {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        chunk.left -= page.packed;
        if !may_be_more {
            chunk.file.seek_relative(page.packed as i64)?;
            continue;
        }
        let end = chunk.file.stream_position()? + page.packed;
        chunk.file.seek_relative(page.levels.min(page.packed) as i64)?;
        let packed = chunk.file.by_ref().take(page.packed.saturating_sub(page.levels));
        let all = most.saturating_add(1);
        // What is broken is told by those who read it.
        let found = match codec {
            Compression::GZIP(_) => {
                copy(&mut flate2::read::MultiGzDecoder::new(packed).take(all), &mut sink())
            }
            _ => copy(&mut brotli::Decompressor::new(packed, 4096).take(all), &mut sink()),
        };
        if found.is_ok_and(|bytes| bytes > most) {
            return Ok(all);
        }
        chunk.file.seek(SeekFrom::Start(end))?;
    }
    Ok(sum)
}

#[derive(Default)]
struct Page {
    unpacked: u64,
    packed: u64,
    /// Of `packed` those at the front, which are not compressed.
    levels: u64,
}

struct Chunk<'a> {
    file: BufReader<&'a File>,
    left: u64,
}

// Kinds of values in the compact protocol.
const BOOLEANS: std::ops::RangeInclusive<u8> = 1..=2;
const BYTE: u8 = 3;
const NUMBERS: std::ops::RangeInclusive<u8> = 4..=6;
const DOUBLE: u8 = 7;
const BYTES: u8 = 8;
const LISTS: std::ops::RangeInclusive<u8> = 9..=10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

impl Chunk<'_> {
    fn page(&mut self) -> Result<Page> {
        let mut page = Page::default();
        self.structure(&mut |chunk, id, kind| {
            match (id, kind) {
                (2, 5) => page.unpacked = chunk.size()?,
                (3, 5) => page.packed = chunk.size()?,
                // Of a data page of version 2: the lengths of its levels.
                (8, STRUCT) => chunk.structure(&mut |chunk, id, kind| {
                    match (id, kind) {
                        (5 | 6, 5) => page.levels = page.levels.saturating_add(chunk.size()?),
                        _ => chunk.skip(kind, 0)?,
                    }
                    Ok(())
                })?,
                _ => chunk.skip(kind, 0)?,
            }
            Ok(())
        })?;
        Ok(page)
    }

    /// Gives the number and the kind of each field, whose value is to be read.
    fn structure(&mut self, field: &mut dyn FnMut(&mut Self, i64, u8) -> Result<()>) -> Result<()> {
        let mut id = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            id = if head >> 4 == 0 { self.number()? } else { id + i64::from(head >> 4) };
            field(self, id, head & 0xf)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Result<()> {
        const DEEPEST: u8 = 16;
        match kind {
            _ if depth > DEEPEST => Err(ErrorKind::InvalidData.into()),
            // The value is the kind.
            kind if BOOLEANS.contains(&kind) => Ok(()),
            BYTE => self.pass(1),
            kind if NUMBERS.contains(&kind) => self.number().map(drop),
            DOUBLE => self.pass(8),
            BYTES => {
                let length = self.varint()?;
                self.pass(length)
            }
            kind if LISTS.contains(&kind) => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                (0..count).try_for_each(|_| self.element(head & 0xf, depth))
            }
            MAP => {
                let count = self.varint()?;
                let kinds = if count > 0 { self.byte()? } else { 0 };
                (0..count).try_for_each(|_| {
                    self.element(kinds >> 4, depth)?;
                    self.element(kinds & 0xf, depth)
                })
            }
            STRUCT => self.structure(&mut |chunk, _, kind| chunk.skip(kind, depth + 1)),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }

    /// A value in a list, where a boolean is a byte.
    fn element(&mut self, kind: u8, depth: u8) -> Result<()> {
        if BOOLEANS.contains(&kind) { self.pass(1) } else { self.skip(kind, depth + 1) }
    }

    fn size(&mut self) -> Result<u64> {
        u64::try_from(self.number()?).map_err(|_| Error::from(ErrorKind::InvalidData))
    }

    /// Zigzag: 0, −1, 1, −2 …
    fn number(&mut self) -> Result<i64> {
        let bits = self.varint()?;
        Ok((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    fn varint(&mut self) -> Result<u64> {
        let mut bits = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(bits);
            }
        }
        Err(ErrorKind::InvalidData.into())
    }

    fn byte(&mut self) -> Result<u8> {
        self.left = self.left.checked_sub(1).ok_or(ErrorKind::UnexpectedEof)?;
        let mut byte = [0];
        self.file.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn pass(&mut self, bytes: u64) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or(ErrorKind::UnexpectedEof)?;
        self.file.seek_relative(bytes as i64)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn varint(mut bits: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bits > 0x7f {
            bytes.push(bits as u8 | 0x80);
            bits >>= 7;
        }
        bytes.push(bits as u8);
        bytes
    }

    /// A data page that says to unpack to so many bytes, with a checksum and statistics in its header.
    fn page(unpacked: u64, body: &[u8]) -> Vec<u8> {
        let (unpacked, packed) = (varint(2 * unpacked), varint(2 * body.len() as u64));
        // Type, sizes, checksum; the header of a data page: values, encoding, encodings of the levels, statistics.
        let data = [0x1c, 0x15, 2, 0x15, 0, 0x15, 0, 0x15, 0, 0x1c, 0x18, 3, 1, 2, 3, 0x11, 0, 0, 0];
        [&[0x15, 0, 0x15][..], &unpacked, &[0x15], &packed, &[0x15, 8], &data, body].concat()
    }

    fn found(pages: &[Vec<u8>], codec: Compression, most: u64) -> Result<u64> {
        let mut file = tempfile::tempfile().unwrap();
        let bytes = [b"PAR1", &pages.concat()[..]].concat();
        file.write_all(&bytes).unwrap();
        unpacked(&file, (4, bytes.len() as u64 - 4), codec, most)
    }

    #[test]
    fn sizes_of_all_pages_are_added() {
        let pages = [page(100, &[9; 30]), page(5_000_000_000, &[]), page(7, &[0; 10_000])];
        assert_eq!(found(&pages, Compression::SNAPPY, 10).unwrap(), 5_000_000_107);
        for cut in [1, 5000, 10_010] {
            let whole = pages.concat();
            assert!(found(&[whole[..whole.len() - cut].to_vec()], Compression::SNAPPY, 10).is_err(), "{cut}");
        }
    }

    #[test]
    fn pages_that_go_on_beyond_what_they_say_are_followed() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&[0; 200_000]).unwrap();
        let gzip = page(10, &gzip.finish().unwrap());
        let mut bytes = Vec::new();
        brotli::CompressorWriter::new(&mut bytes, 4096, 5, 22).write_all(&[0; 200_000]).unwrap();
        let brotli = page(10, &bytes);
        for (page, codec) in
            [(gzip, Compression::GZIP(Default::default())), (brotli, Compression::BROTLI(Default::default()))]
        {
            let pages = [page.clone(), page];
            assert_eq!(found(&pages, codec, 199_999).unwrap(), 200_000, "{codec}");
            assert_eq!(found(&pages, codec, 200_000).unwrap(), 20, "{codec}");
        }
    }
}
