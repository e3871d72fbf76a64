//! A job array for Slurm: one cell of a sweep a task.

use super::{Arguments, command};
use crate::arguments::{AgainstWhich, JudgedBy};
use crate::commands::train::quoted;
use crate::commands::writable;
use anyhow::Context;
use std::path::Path;
use tallow_train::Error;
use tallow_train::sweep::Sweep;

/// Seconds before a job's time is over at which it is asked to write a checkpoint: a step and a checkpoint take less.
const SECONDS: u32 = 120;

/// Writes the script, and says how it is used.
pub fn write(path: &Path, arguments: &Arguments, sweep: &Sweep, folder: &Path) -> anyhow::Result<()> {
    writable("--slurm", path)?;
    let program = std::env::current_exe().context("the program's own path is not known")?;
    let here = std::env::current_dir().context("the working directory is not known")?;
    let text = script(arguments, sweep, folder, &program, &here);
    std::fs::write(path, text).map_err(Error::io(path))?;
    println!("sbatch {}", quoted(path));
    let asked = asked(arguments);
    println!("{} --out {} --report{asked}   # when it has ended", command(arguments, sweep), quoted(folder));
    Ok(())
}

/// What is asked of the report alone.
fn asked(arguments: &Arguments) -> String {
    let mut asked = String::new();
    if arguments.split == JudgedBy::Test {
        asked += " --split test";
    }
    if let Some(metric) = &arguments.metric {
        asked += &format!(" --metric {metric}");
    }
    if arguments.against == AgainstWhich::Best {
        asked += " --against best";
    }
    asked + &format!(" --resamples {}", arguments.resamples)
}

fn script(arguments: &Arguments, sweep: &Sweep, folder: &Path, program: &Path, here: &Path) -> String {
    let typed = command(arguments, sweep);
    let words = typed.strip_prefix("tallow ").expect("a command of tallow");
    format!(
        "#!/bin/bash\n\
         #SBATCH --job-name={}\n\
         #SBATCH --array=1-{}\n\
         #SBATCH --signal=B:TERM@{SECONDS}\n\
         # What the cluster asks for comes here, each behind #SBATCH: --time=4:00:00, --gres=gpu:1, --cpus-per-task=8.\n\
         #\n\
         # One cell of the sweep a task. Before its time is over a task writes a checkpoint; submitted again, it goes on from there,\n\
         # and a cell that is done is left alone.\n\
         set -eu\n\
         cd {}\n\
         exec {} {words} --out {} --cell \"${{SLURM_ARRAY_TASK_ID:?is set by sbatch}}\"\n",
        name(&sweep.name),
        sweep.cells.len(),
        quoted(here),
        quoted(program),
        quoted(folder),
    )
}

/// A name without what would end the line's word.
fn name(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_alphanumeric() || "._-".contains(letter) { letter } else { '_' })
        .collect()
}
