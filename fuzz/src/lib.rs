//! What the targets share: a folder in memory, and a dataset that is read to its last image.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tallow_data::{Options, decode_within, find};
use tallow_seed::Seed;

/// Pixels that an image may have here. The bound of the product is larger, and would only make each execution slower.
pub const PIXELS: u64 = 1 << 20;

/// A folder of this process, in memory where the machine has such.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let above = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = above.join(format!("tallow_fuzz_{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder to write to");
        folder
    })
}

/// A file of these bytes.
pub fn written(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    fs::write(&path, bytes).expect("a file to write");
    path
}

/// Opens a source and decodes what it has. Whatever the bytes are, this returns.
pub fn read_all(source: &str, options: &str) {
    let options = Options::new(serde_yaml::from_str(options).expect("options"), Seed::new(1));
    let Ok(parts) = find(source).expect("a source").read(&options) else { return };
    for part in parts.all() {
        // As many as one execution has time for.
        for index in 0..part.len().min(64) {
            let label = part.label(index) as usize;
            assert!(label < part.classes().len(), "label {label} of {:?}", part.classes());
            if let Ok(image) = part.image(index) {
                let _ = decode_within(&image, PIXELS);
            }
        }
    }
}

/// The bytes after the first, and the first modulo `choices`.
pub fn choice(bytes: &[u8], choices: usize) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    Some((usize::from(*first) % choices, rest))
}

/// An archive of these entries, uncompressed, with their checksums.
pub fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    use zip::write::{SimpleFileOptions, ZipWriter};
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in entries {
        zip.start_file(name, stored).expect("an entry");
        zip.write_all(content).expect("its content");
    }
    zip.finish().expect("an archive").into_inner()
}
