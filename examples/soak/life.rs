//! One life of a run: begun or gone on with by the same command, and ended by a fault.

use crate::CHILD;
use crate::fault::Fault;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How a life ended.
pub struct Ended {
    /// 128 + signal where it was ended by one.
    pub code: i32,
    pub said: String,
    /// The most memory that it was seen to have, bytes.
    pub memory: u64,
}

/// Begins a life.
pub fn begin(arguments: &[String], folder: &Path, threads: usize) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).current_dir(folder);
    command.env(CHILD, "1").env("RAYON_NUM_THREADS", threads.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
}

/// Lets it live for so long, or to its end if that comes first, then ends it by the fault's signal.
pub fn end(mut child: Child, after: Duration, fault: Option<Fault>) -> io::Result<Ended> {
    let (began, mut memory) = (Instant::now(), 0);
    while child.try_wait()?.is_none() && (fault.is_none() || began.elapsed() < after) {
        memory = memory.max(resident(child.id()));
        std::thread::sleep(Duration::from_millis(2));
    }
    if let Some(fault) = fault {
        if fault == Fault::Pause {
            signal(&child, "STOP");
            std::thread::sleep(Duration::from_millis(50));
            signal(&child, "CONT");
            std::thread::sleep(Duration::from_millis(20));
        }
        signal(&child, fault.signal());
    }
    let output = child.wait_with_output()?;
    let code = output.status.code();
    #[cfg(unix)]
    let code =
        code.or(std::os::unix::process::ExitStatusExt::signal(&output.status).map(|signal| 128 + signal));
    let code = code.unwrap_or(-1);
    Ok(Ended { code, said: String::from_utf8_lossy(&output.stderr).into_owned(), memory })
}

fn signal(child: &Child, name: &str) {
    // One that is gone already is seen by its exit code.
    let _ = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).output();
}

/// The checkpoints of a run that hold what was written, with the step of each.
pub fn whole(run: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(run).into_iter().flatten().flatten();
    let mut found: Vec<(u64, PathBuf)> = entries
        .filter(|entry| !entry.file_name().to_string_lossy().ends_with(".new"))
        .filter_map(|entry| {
            let place = entry.path();
            let is_whole = tallow_train::verify_checkpoint(&place, None).is_ok_and(|has_sums| has_sums);
            let state = fs::read(place.join("state.json")).ok().filter(|_| is_whole)?;
            let state: serde_json::Value = serde_json::from_slice(&state).ok()?;
            Some((state["step"].as_u64()?, place))
        })
        .collect();
    found.sort();
    found
}

/// Bytes of a process that are in memory; 0 where the system does not say.
pub fn resident(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
}
