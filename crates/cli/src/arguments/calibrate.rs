//! `tallow calibrate`.

use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "examples:
  tallow calibrate checkpoints/quickstart
  tallow calibrate checkpoints/x --threshold MEL:sensitivity=0.95
  tallow calibrate checkpoints/x --costs costs.csv --coverage 0.9
  tallow calibrate checkpoints/x --max-risk 0.05 --dry-run
  tallow calibrate theirs.csv --method isotonic --json

costs.csv has a row for each truth and a column for each decision:
    truth,MEL,NV
    MEL,0,10
    NV,1,0")]
pub struct Calibrate {
    /// A checkpoint folder, or a run's folder (its `best`); or a CSV of predictions, of which nothing is
    /// written
    #[arg(value_name = "CHECKPOINT|CSV")]
    pub subject: PathBuf,
    /// Overrides of the checkpoint's recipe, such as data.root=…
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// How probabilities are made anew: one number, two per class, or a function per class
    #[arg(long, default_value = "temperature", value_name = "temperature|vector|isotonic|none")]
    pub method: String,
    /// Call a class from a probability on, chosen for sensitivity=S, specificity=S or f1; once for
    /// each class
    #[arg(long = "threshold", value_name = "CLASS:GOAL")]
    pub thresholds: Vec<String>,
    /// Decide by what mistakes cost
    #[arg(long, value_name = "CSV", conflicts_with = "thresholds")]
    pub costs: Option<PathBuf>,
    /// Sets of classes that hold the truth this often, such as 0.9
    #[arg(long, value_name = "SHARE")]
    pub coverage: Option<f64>,
    /// The smallest sets on average (lac), or ones more even over easy and hard images (aps)
    #[arg(long, default_value = "lac", value_name = "lac|aps", requires = "coverage")]
    pub sets: String,
    /// The coverage holds for the images of each class
    #[arg(long, requires = "coverage")]
    pub per_class: bool,
    /// Leave the least sure images to a person, so that of the others at most this share is wrong
    #[arg(long, value_name = "SHARE")]
    pub max_risk: Option<f64>,
    /// Which part of the data to fit to; one that was not learned from
    #[arg(long, default_value = "validation", value_name = "validation|test")]
    pub split: String,
    /// Write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Take the calibration out of the checkpoint
    #[arg(
        long,
        conflicts_with_all = [
            "method", "thresholds", "costs", "coverage", "sets", "per_class", "max_risk", "split", "dry_run", "json",
        ]
    )]
    pub remove: bool,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}
