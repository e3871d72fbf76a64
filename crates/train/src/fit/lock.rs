//! One process at a time in a run's folder.

use crate::{Error, Result};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// An exclusive advisory lock on a file of the folder. It ends with the process, however that ends; the file, and the
/// folders that were made for it and are still empty, go when this is dropped.
pub struct Lock {
    file: PathBuf,
    /// The innermost first.
    made: Vec<PathBuf>,
    _held: File,
}

/// The file that is locked; it holds the number of the process.
pub const FILE: &str = ".lock";

/// How often a lock that somebody has is asked for.
const TRIES: u32 = 3;

impl Lock {
    /// Takes the lock, if nobody has it.
    ///
    /// # Errors
    /// A folder that another process has, which is left as it is; one that cannot be made or written.
    pub fn take(folder: &Path) -> Result<Lock> {
        let absent = |place: &&Path| !place.as_os_str().is_empty() && !place.exists();
        let made = folder.ancestors().take_while(absent).map(Path::to_owned).collect();
        let file = folder.join(FILE);
        let mut tries = TRIES;
        loop {
            fs::create_dir_all(folder).map_err(Error::io(folder))?;
            let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&file);
            let mut held = options.map_err(Error::io(&file))?;
            match held.try_lock() {
                Ok(()) => {}
                // `holder` asks for a moment.
                Err(TryLockError::WouldBlock) if tries > 0 => {
                    tries -= 1;
                    std::thread::sleep(std::time::Duration::from_millis(10));
                    continue;
                }
                Err(TryLockError::WouldBlock) => return Err(in_use(folder, &file)),
                // File systems without locks are trained on all the same.
                Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(Error::io(&file)(error)),
            }
            // The process that had it may have removed the file between our opening and our locking it.
            if !is_at(&held, &file) {
                continue;
            }
            let note = held.set_len(0).and_then(|()| writeln!(held, "{}", std::process::id()));
            note.map_err(Error::io(&file))?;
            return Ok(Lock { file, made, _held: held });
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Locked to the last; what cannot be removed is in nobody's way.
        let _ = fs::remove_file(&self.file);
        for folder in &self.made {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}

/// Who has a folder: `Some` while a process does, with its number where that is known. A file that a killed process left is nobody's.
pub fn holder(folder: &Path) -> Option<Option<u32>> {
    let file = folder.join(FILE);
    let is_file = fs::symlink_metadata(&file).is_ok_and(|data| data.is_file());
    let mut asked = File::open(&file).ok().filter(|_| is_file)?;
    let is_held = matches!(asked.try_lock_shared(), Err(TryLockError::WouldBlock));
    let mut text = String::new();
    is_held.then(|| {
        std::io::Read::read_to_string(&mut asked, &mut text).ok().and_then(|_| text.trim().parse().ok())
    })
}

fn in_use(folder: &Path, file: &Path) -> Error {
    let number = fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<u32>().ok());
    let process = number.map_or("another process".to_owned(), |number| format!("process {number}"));
    let remedy = "wait for it to end, or write elsewhere with --out DIR";
    Error::recipe(format!("{}: is in use by {process}; {remedy}", folder.display()))
}

#[cfg(unix)]
fn is_at(held: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |data: fs::Metadata| (data.dev(), data.ino());
    held.metadata().ok().map(place).is_some_and(|here| fs::metadata(path).ok().map(place) == Some(here))
}

/// Elsewhere an open file keeps its name.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}
