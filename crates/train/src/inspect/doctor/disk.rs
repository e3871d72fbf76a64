//! The disk that checkpoints go to.

use crate::run::machine::free_on_disk;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// Bytes of a trial.
const TRIAL: usize = 64 << 20;

#[derive(Clone, Debug, Serialize)]
pub struct Disk {
    /// Bytes that this user may still write, where the system says so.
    pub free: Option<u64>,
    /// 64 MiB written and synced: 10⁶ bytes a second.
    pub written_mb_per_second: Option<f64>,
    /// Why nothing could be written.
    pub problem: Option<String>,
}

impl Disk {
    /// Of a folder that is there. Writes 64 MiB, and removes them; less than twice that is left alone.
    pub fn of(folder: &Path) -> Disk {
        let free = free_on_disk(folder);
        if free.is_some_and(|free| free < 2 * TRIAL as u64) {
            return Disk { free, written_mb_per_second: None, problem: None };
        }
        match write(folder) {
            Ok(rate) => Disk { free, written_mb_per_second: Some(rate), problem: None },
            Err(error) => Disk { free, written_mb_per_second: None, problem: Some(error.to_string()) },
        }
    }
}

fn write(folder: &Path) -> std::io::Result<f64> {
    let mut file = tempfile::Builder::new().prefix(".tallow-doctor-").tempfile_in(folder)?;
    // Not all alike: some file systems keep no zeros.
    let piece: Vec<u8> = (0..1u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let began = Instant::now();
    for _ in 0..TRIAL / piece.len() {
        file.write_all(&piece)?;
    }
    file.as_file().sync_all()?;
    Ok(TRIAL as f64 / 1e6 / began.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::of(folder.path());
        assert!(disk.written_mb_per_second.unwrap() > 0.0 && disk.problem.is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        #[cfg(unix)]
        assert!(disk.free.unwrap() > 0);
        let nowhere = Disk::of(&folder.path().join("nowhere"));
        assert!(nowhere.problem.is_some() && nowhere.free.is_none());
    }
}
