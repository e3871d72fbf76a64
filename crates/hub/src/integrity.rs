//! Whether what arrived is what was announced.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest, Sha256};

/// What is wrong with a file that has just arrived, and is then removed: hf-hub 1.0 stores whatever body a GET has, error
/// pages and short ones included. Files in LFS bear their SHA-256 as the name of their blob.
pub(crate) fn check(path: &Path, announced: u64) -> io::Result<Option<String>> {
    let blob = fs::canonicalize(path)?;
    let length = fs::metadata(&blob)?.len();
    let name = blob.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_hash = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let problem = if announced > 0 && length != announced {
        Some(format!("expected {announced} bytes, got {length}"))
    } else if is_hash {
        let found = sha256(&blob)?;
        (found != name.to_lowercase()).then(|| format!("expected SHA-256 {name}, got {found}"))
    } else {
        None
    };
    if problem.is_some() {
        fs::remove_file(path)?;
        if blob != path && blob.exists() {
            fs::remove_file(blob)?;
        }
    }
    Ok(problem)
}

pub(crate) fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_file_is_removed_with_its_blob() {
        let folder = tempfile::tempdir().unwrap();
        // SHA-256 of "abc", FIPS 180-2 appendix B.1.
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let (blob, pointer) = (folder.path().join(hash), folder.path().join("model"));
        let put = |bytes: &str| {
            fs::write(&blob, bytes).unwrap();
            let _ = fs::remove_file(&pointer);
            std::os::unix::fs::symlink(&blob, &pointer).unwrap();
        };
        put("abc");
        assert_eq!(check(&pointer, 3).unwrap(), None);
        assert_eq!(check(&pointer, 0).unwrap(), None); // no length announced
        put("ab");
        assert_eq!(check(&pointer, 3).unwrap().unwrap(), "expected 3 bytes, got 2");
        assert!(!blob.exists() && pointer.symlink_metadata().is_err());
        put("abd");
        assert!(check(&pointer, 3).unwrap().unwrap().starts_with(&format!("expected SHA-256 {hash}, got ")));
        assert!(!blob.exists() && pointer.symlink_metadata().is_err());
    }
}
