//! `doctor …`: a machine, and a recipe on it.

use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "examples:
  tallow doctor                              the machine alone
  tallow doctor recipes/quickstart.yaml      what the recipe waits for, too
  tallow doctor mine.yaml data.workers=8 --json

It reads a few batches of the recipe, trains on them, and writes no run; 64 MiB are \
written into the working directory, and removed.")]
pub struct Doctor {
    /// A recipe to be tried
    pub recipe: Option<PathBuf>,
    /// Overrides of the recipe
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// So many batches are read, and trained on
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub batches: u32,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}
