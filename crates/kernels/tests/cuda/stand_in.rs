//! Programs on a stand-in for a GPU, or on a GPU.

use crate::place::Place;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Says to a program which case it is.
pub const CASE: &str = "TALLOW_CUDA_CASE";

/// Names the file that the stand-in writes what it was asked for to.
pub const LOG: &str = "TALLOW_STANDIN_LOG";

/// A program to be run.
pub struct Run {
    case: &'static str,
    /// Where it keeps what it compiles.
    pub cache: PathBuf,
    /// Whether cuDNN takes no convolution.
    pub refused: bool,
}

impl Run {
    pub fn of(case: &'static str) -> Run {
        Run { case, cache: Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda_kernels"), refused: false }
    }
}

/// A program that has run.
pub struct Done {
    case: &'static str,
    passed: bool,
    said: String,
    log: Option<String>,
}

impl Done {
    pub fn passes(&self) {
        assert!(self.passed, "{}: {}", self.case, self.said);
    }

    pub fn fails(&self, with: &str) {
        assert!(!self.passed, "{}: passed, where a mistake is planted", self.case);
        assert!(self.said.contains(with), "{}: expected `{with}` in: {}", self.case, self.said);
    }

    /// What the stand-in was asked for.
    pub fn log(&self) -> Option<&str> {
        self.log.as_deref()
    }
}

impl Place {
    pub fn is_stand_in(&self) -> bool {
        matches!(self, Place::StandIn(_))
    }

    pub fn run(&self, run: &Run) -> Done {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--exact", "case", "--ignored", "--nocapture", "--test-threads=1"]);
        program.env(CASE, run.case).env("TALLOW_CACHE", &run.cache).env_remove("TALLOW_FALLBACK");
        let mut log = None;
        if let Place::StandIn(folder) = self {
            let name = format!("cuda_{}_{}.log", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            program.env("TALLOW_CUDA_LIBRARIES", folder).env(LOG, &file);
            log = Some(file);
            if run.refused {
                program.env("TALLOW_STANDIN_ENGINE", "-3");
            }
        }
        let output = program.output().unwrap();
        let said =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        let ran = said.contains("1 passed");
        let text = log.map(|file| {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let _ = std::fs::remove_file(file);
            text
        });
        Done { case: run.case, passed: output.status.success() && ran, said, log: text }
    }
}

/// Of the calling program: lines that came since it was asked last. None on a GPU.
pub fn new_lines() -> Option<Vec<String>> {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let text = std::fs::read_to_string(std::env::var_os(LOG)?).unwrap_or_default();
    let seen = SEEN.swap(text.len(), Ordering::Relaxed);
    Some(text[seen..].lines().map(str::to_owned).collect())
}
