//! `board …`: runs in the browser.

use clap::{Args, ValueHint};
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "examples:
  tallow board
  tallow board checkpoints/quickstart_sweep
  tallow board checkpoints --port 0            any port that is free
    ssh -L 7866:127.0.0.1:7866 machine         from afar; look at 127.0.0.1:7866

Shows all runs below a folder in the browser: their curves while they train, several \
side by side, which is better by the predictions that they kept, and their reports. It \
answers on 127.0.0.1 alone, reads and never writes, and evaluates no network. Ctrl-C \
ends it.")]
pub struct Board {
    /// The folder with the runs, those of sweeps too
    #[arg(default_value = "checkpoints", value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
    /// Where it answers; 0: any port that is free
    #[arg(long, default_value_t = 7866, value_name = "PORT")]
    pub port: u16,
}
