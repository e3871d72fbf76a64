//! Where the runs lie: a small file system of their own, which can be filled, or a folder, which is not.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of the small file system: room for a run and the one that it is held against.
const SIZE: u64 = 96 << 20;

pub struct Disk {
    pub place: PathBuf,
    is_own: bool,
}

impl Disk {
    pub fn new(folder: &Path) -> io::Result<Disk> {
        let place = folder.join("runs");
        fs::create_dir(&place)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "tmpfs"]).arg(&place);
        let is_own = cfg!(target_os = "linux") && mount.output().is_ok_and(|output| output.status.success());
        Ok(Disk { place, is_own })
    }

    pub fn describe(&self) -> String {
        let place = self.place.display();
        if self.is_own {
            format!("runs lie in {place}, a file system of {} MiB, which is filled at times", SIZE >> 20)
        } else {
            format!(
                "runs lie in {place}; this user can make no file system of its own, so that no disk is filled"
            )
        }
    }

    pub fn can_be_filled(&self) -> bool {
        self.is_own
    }

    /// Takes all room but for `left` bytes, until the file is removed.
    pub fn fill(&self, left: u64) -> io::Result<Filler> {
        let path = self.place.join("filler");
        let mut file = fs::File::create(&path)?;
        let piece = vec![1; 1 << 16];
        while file.write_all(&piece).is_ok() {}
        let length = file.metadata()?.len();
        file.set_len(length.saturating_sub(left))?;
        Ok(Filler(path))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_own {
            // The folder around it is removed next, and says so where that fails.
            let _ = Command::new("umount").arg(&self.place).status();
        }
    }
}

/// A file that takes room, until it is dropped.
pub struct Filler(PathBuf);

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
