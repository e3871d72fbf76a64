//! The built programs, started in a folder of their own, and what they said.

use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Drawn lesions of 16 by 16 pixels and a small network: four steps an epoch, two epochs, well under a second.
pub const TINY: &str = include_str!("tiny.yaml");

/// This repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares runs file by file, so that a difference has a name.
#[track_caller]
pub fn assert_same(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let differing: Vec<&String> = a.keys().filter(|name| a[*name] != b[*name]).collect();
    assert!(differing.is_empty(), "these files differ: {differing:?}");
}

/// The tensors of a file, in f32, flat.
pub fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let tensors = tallow_models::weights::read(path).unwrap_or_else(|error| panic!("{error}")).tensors;
    let flat = |tensor: &candle_core::Tensor| {
        tensor.flatten_all()?.to_dtype(candle_core::DType::F32)?.to_vec1::<f32>()
    };
    tensors.iter().map(|(name, tensor)| (name.clone(), flat(tensor).expect("numbers"))).collect()
}

/// A working directory.
pub struct Desk {
    folder: PathBuf,
    /// Removes it at the end.
    _owned: Option<TempDir>,
    /// What its programs keep between runs.
    cache: TempDir,
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

impl Desk {
    pub fn empty() -> Desk {
        let owned = temporary();
        Desk { folder: owned.path().to_owned(), _owned: Some(owned), cache: temporary() }
    }

    /// A folder that is there, which nothing may be written to.
    pub fn at(folder: &Path) -> Desk {
        Desk { folder: folder.to_owned(), _owned: None, cache: temporary() }
    }

    /// For all tests of this run of the binary, below Cargo's own temporary folder.
    pub fn shared(name: &str) -> Desk {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // Of an earlier run, where there is one.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        Desk { folder, _owned: None, cache: temporary() }
    }

    /// With [`TINY`] as `tiny.yaml`.
    pub fn new() -> Desk {
        let desk = Desk::empty();
        desk.write("tiny.yaml", TINY);
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file and the folders that it needs.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file has a parent")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Names in a folder, sorted.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The files of a folder as those of another, and no others.
    pub fn copy(&self, from: &Path, to: &str) {
        let _ = fs::remove_dir_all(self.path(to));
        fs::create_dir(self.path(to)).unwrap();
        for file in fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), self.path(to).join(file.file_name())).unwrap();
        }
    }

    /// Every file of a run that has no wall-clock time in it, by name.
    pub fn bytes(&self, run: &str) -> BTreeMap<String, Vec<u8>> {
        let timed = |name: &str| {
            name.starts_with("events.") || ["report.html", "time.json", "log.txt"].contains(&name)
        };
        let mut found = BTreeMap::new();
        let mut open = vec![self.path(run)];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{run}: {error}")) {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.path(run)).unwrap().display().to_string();
                if path.is_dir() {
                    open.push(path);
                } else if !timed(&name) {
                    found.insert(name, fs::read(&path).unwrap());
                }
            }
        }
        found
    }

    /// `train …`
    pub fn train(&self, arguments: &[&str]) -> Said {
        self.program(Program::Train).args(arguments).say()
    }

    /// `tallow …`
    pub fn tallow(&self, arguments: &[&str]) -> Said {
        self.program(Program::Tallow).args(arguments).say()
    }

    pub fn program(&self, program: Program) -> Running {
        let mut command = Command::new(match program {
            Program::Train => env!("CARGO_BIN_EXE_train"),
            Program::Tallow => env!("CARGO_BIN_EXE_tallow"),
        });
        command.current_dir(&self.folder).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().into_owned();
            if ["HF_", "TALLOW_", "RAYON_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        // Not the user's.
        command.env("TALLOW_CACHE", self.cache.path());
        Running { command }
    }
}

#[derive(Clone, Copy)]
pub enum Program {
    Train,
    Tallow,
}

/// A program about to be started.
pub struct Running {
    command: Command,
}

impl Running {
    pub fn args(mut self, arguments: &[&str]) -> Running {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Running {
        self.command.env(name, value);
        self
    }

    /// Under MPI, as so many ranks that take turns on the processors that there are.
    #[allow(dead_code, reason = "for the tests of ranks alone")]
    pub fn ranks(self, count: usize) -> Running {
        let mut command = Command::new("mpirun");
        command.args(["--allow-run-as-root", "--oversubscribe", "-n", &count.to_string()]);
        command.arg(self.command.get_program()).args(self.command.get_args()).stdin(Stdio::null());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.command.get_current_dir().map(|folder| command.current_dir(folder));
        Running { command }
    }

    /// In the background, its stdout to be read.
    pub fn start(mut self) -> Child {
        self.command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts")
    }

    /// To its end.
    pub fn say(mut self) -> Said {
        Said::of(self.command.output().expect("the program starts"))
    }

    /// To its end, its stdout closed at once, as `head` does.
    pub fn unheard(mut self) -> Said {
        let child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the program starts");
        drop(child.stdout.take());
        Said::of(child.wait_with_output().expect("a child ends"))
    }

    /// Until `file` has `lines` lines, each written by anyone; then `signal` (a name that `kill` knows).
    pub fn until(mut self, file: &Path, lines: usize, signal: &str) -> Said {
        let child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the program starts");
        let began = Instant::now();
        let count = || fs::read_to_string(file).map_or(0, |text| text.lines().count());
        while count() < lines {
            let over = child.try_wait().expect("a child can be asked").is_some();
            if over || began.elapsed() > Duration::from_secs(60) {
                let said = end(child, signal);
                panic!("ended before {lines} lines of {}: {}", file.display(), said.err);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        end(child, signal)
    }
}

fn end(child: Child, signal: &str) -> Said {
    // A program that is gone already is what the caller finds out from its exit code.
    let _ = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).output();
    Said::of(child.wait_with_output().expect("a child ends"))
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// 128 + signal where it was ended by one.
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let code = output.status.code();
        #[cfg(unix)]
        let code = code.or(std::os::unix::process::ExitStatusExt::signal(&output.status).map(|s| 128 + s));
        Said { code: code.expect("a code"), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Expects exit code 0.
    pub fn ok(self) -> Said {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }

    /// Expects this exit code and an error message; returns its lines.
    pub fn fails(&self, code: i32) -> Vec<String> {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        let (_, message) =
            self.err.split_once("error: ").unwrap_or_else(|| panic!("no error in: {}", self.err));
        message.trim_end().lines().map(str::to_owned).collect()
    }

    /// Expects this exit code and all these words in the error message.
    pub fn complains(&self, code: i32, words: &[&str]) {
        let message = self.fails(code).join("\n");
        for word in words {
            assert!(message.contains(word), "expected `{word}` in:\n{message}");
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in: {}", self.out))
    }
}
