//! The commit of this build, for the metadata of checkpoints.

use std::process::Command;

fn main() {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    println!(
        "cargo::rustc-env=TALLOW_COMMIT={}",
        git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or("unknown".into())
    );
    // A commit changes the file that HEAD names; without git there is nothing to watch.
    for path in ["HEAD".to_owned(), git(&["symbolic-ref", "HEAD"]).unwrap_or_default()] {
        if let Some(file) = git(&["rev-parse", "--git-path", &path]).filter(|_| !path.is_empty()) {
            println!("cargo::rerun-if-changed={file}");
        }
    }
}
