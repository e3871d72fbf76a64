//! What befalls a run: while it trains, and while it does not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tallow_seed::Rng;

/// How a life of a run ends, or what it has to bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Kill,
    Interrupt,
    Terminate,
    HangUp,
    Warning,
    Pause,
    FullDisk,
    FlippedBit,
    LostFile,
}

/// Those of a life, each as likely as it is often here.
const OF_A_LIFE: [Fault; 10] = [
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::Interrupt,
    Fault::Terminate,
    Fault::HangUp,
    Fault::Warning,
    Fault::Pause,
    Fault::FullDisk,
];

impl Fault {
    pub fn of_a_life(rng: &mut Rng) -> Fault {
        OF_A_LIFE[rng.below(OF_A_LIFE.len() as u32) as usize]
    }

    /// The signal's name, as `kill` knows it; a full disk ends a run in its own way, or is followed by a kill.
    pub fn signal(self) -> &'static str {
        match self {
            Fault::Interrupt => "INT",
            Fault::Terminate => "TERM",
            Fault::HangUp => "HUP",
            Fault::Warning => "USR1",
            _ => "KILL",
        }
    }

    /// The exit code after the signal.
    pub fn code(self) -> i32 {
        128 + match self {
            Fault::Interrupt => 2,
            Fault::Terminate => 15,
            Fault::HangUp => 1,
            Fault::Warning => 10,
            _ => 9,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Fault::Kill => "killed (SIGKILL)",
            Fault::Interrupt => "interrupted (SIGINT)",
            Fault::Terminate => "terminated (SIGTERM)",
            Fault::HangUp => "hung up (SIGHUP)",
            Fault::Warning => "warned (SIGUSR1)",
            Fault::Pause => "paused, then killed",
            Fault::FullDisk => "disk full",
            Fault::FlippedBit => "a bit of a checkpoint flipped",
            Fault::LostFile => "a file of a checkpoint removed",
        }
    }
}

/// How long a life lasts before its fault: mostly short, so that some end while a checkpoint is written, and some before a step is done.
pub fn patience(rng: &mut Rng) -> Duration {
    Duration::from_secs_f64(0.02 + 0.6 * rng.uniform().powi(2))
}

fn is_best(place: &Path) -> bool {
    place.file_name().is_some_and(|name| name.to_string_lossy().contains("best"))
}

/// Damages one of a run's checkpoints, where two others are whole: flips a bit of a file, or removes it.
pub fn damage(run: &Path, rng: &mut Rng) -> io::Result<Option<Fault>> {
    let whole: Vec<PathBuf> = super::life::whole(run).into_iter().map(|(_, place)| place).collect();
    // What the end is held against has to stay.
    let victims: Vec<&PathBuf> = whole.iter().filter(|place| !is_best(place)).collect();
    if whole.len() < 3 || victims.is_empty() {
        return Ok(None);
    }
    let place = victims[rng.below(victims.len() as u32) as usize];
    let mut files: Vec<PathBuf> = fs::read_dir(place)?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let file = &files[rng.below(files.len() as u32) as usize];
    // Without its sums a checkpoint is taken as it is.
    if file.ends_with("SHA256SUMS") || rng.bernoulli(0.7) {
        let mut bytes = fs::read(file)?;
        let at = rng.below(bytes.len() as u32) as usize;
        bytes[at] ^= 1 << rng.below(8);
        fs::write(file, bytes)?;
        return Ok(Some(Fault::FlippedBit));
    }
    fs::remove_file(file)?;
    Ok(Some(Fault::LostFile))
}
