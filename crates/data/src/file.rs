//! Opening files of other people: ordinary ones alone. A FIFO that nobody writes to would block for ever, a device has no end.

use std::fs::{File, FileType, Metadata};
use std::io::Read;
use std::path::Path;

use crate::{Error, Result};

/// What is known of a file or folder; anything else is refused, unopened.
///
/// # Errors
/// [`Error::Io`]; [`Error::Invalid`] for a FIFO, a socket or a device.
pub fn check_file(path: &Path) -> Result<Metadata> {
    let about = std::fs::metadata(path).map_err(Error::io(path))?;
    match special(about.file_type()) {
        None => Ok(about),
        Some(kind) => {
            let problem =
                format!("is {kind} – expected an ordinary file – write its content to one, or take it out");
            Err(Error::invalid(path.display(), problem))
        }
    }
}

/// Opens an ordinary file.
pub(crate) fn open(path: &Path) -> Result<File> {
    check_file(path)?;
    File::open(path).map_err(Error::io(path))
}

/// The bytes of an ordinary file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    read_within(path, u64::MAX)
}

/// The bytes of an ordinary file of at most so many.
pub(crate) fn read_within(path: &Path, most: u64) -> Result<Vec<u8>> {
    let length = check_file(path)?.len();
    if length > most {
        let problem = format!("{length} bytes – expected at most {most} – take it out, or make it smaller");
        return Err(Error::invalid(path.display(), problem));
    }
    let mut bytes = Vec::new();
    // A file, and nothing around it, knows its length and is read at once.
    let mut file = File::open(path).map_err(Error::io(path))?;
    file.read_to_end(&mut bytes).map_err(Error::io(path))?;
    Ok(bytes)
}

/// What kind of thing this is that is no file and no folder.
#[cfg(unix)]
fn special(kind: FileType) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    match () {
        () if kind.is_fifo() => Some("a FIFO"),
        () if kind.is_socket() => Some("a socket"),
        () if kind.is_char_device() || kind.is_block_device() => Some("a device"),
        () => None,
    }
}

#[cfg(not(unix))]
fn special(kind: FileType) -> Option<&'static str> {
    (!kind.is_file() && !kind.is_dir()).then_some("no file")
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::written::{fifo, refused};
    use crate::{Encoded, check_whole, decode, size};

    #[test]
    fn a_fifo_a_socket_and_a_device_are_refused_by_name_unopened() {
        let folder = tempfile::tempdir().unwrap();
        fifo(folder.path().join("fifo.png"));
        let _listener = UnixListener::bind(folder.path().join("socket.png")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("device.png")).unwrap();
        for (name, kind) in [("fifo.png", "a FIFO"), ("socket.png", "a socket"), ("device.png", "a device")] {
            let path = folder.path().join(name);
            let image = || Encoded::File(path.clone());
            let expected = format!("ROOT/{name}: is {kind} – expected an ordinary file");
            for said in [
                refused(&folder, read(&path)),
                refused(&folder, decode(&image())),
                refused(&folder, size(&image())),
                refused(&folder, check_whole(&image())),
                refused(&folder, image().load()),
            ] {
                assert!(said.starts_with(&expected), "{said}");
            }
        }
        crate::written::file(folder.path().join("text"), "abc");
        assert_eq!(read(&folder.path().join("text")).unwrap(), b"abc");
        // Of a file without content, four terabytes long, no byte is read.
        File::create(folder.path().join("long.png")).unwrap().set_len(4 << 40).unwrap();
        let long = refused(&folder, decode(&Encoded::File(folder.path().join("long.png"))));
        assert!(
            long.starts_with("ROOT/long.png: 4398046511104 bytes – expected at most 4294967296"),
            "{long}"
        );
        assert!(check_file(folder.path()).is_ok_and(|about| about.is_dir()));
        assert!(matches!(read(folder.path()), Err(Error::Io { .. })));
    }
}
