//! `compare …`: models on the same images.

use clap::{Args, ValueHint};
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "examples:
  tallow compare checkpoints/base checkpoints/mixup
  tallow compare base.csv mixup.csv cutmix.csv --metric auroc --html page.html
  tallow compare --a checkpoints/base_s* --b checkpoints/mixup_s*
  tallow compare checkpoints/base checkpoints/small --margin 0.02
  tallow compare checkpoints/base checkpoints/mixup --split test --json

Models are named one by one, each a single run; the others are compared with the \
first. Of a model that was trained with several seeds all runs are named after --a \
or --b. A run is a CSV of predictions (id,group,label,predicted, then one column of \
probabilities per class, as `eval --predictions` writes it), or a run's folder or \
checkpoint with its predictions.csv. Images are matched by id, and drawn by group \
where there are groups.

difference is b - a, with its percentile bootstrap interval: of both runs' images, \
the same for both, and with several seeds of the runs too. p_permutation is of the \
paired permutation test, two-sided, and corrected by Holm where there are several \
comparisons; p_mcnemar is of McNemar's exact test of accuracy, p_delong of DeLong's \
test of auroc. With --margin, b is not inferior where the interval's worse end is \
within the margin.")]
pub struct Compare {
    /// One run of each model
    #[arg(value_name = "RUN", required_unless_present = "a", conflicts_with_all = ["a", "b"], value_hint = ValueHint::AnyPath)]
    pub runs: Vec<PathBuf>,
    /// Runs of the first model: its seeds
    #[arg(long, value_name = "RUN", num_args = 1.., requires = "b", value_hint = ValueHint::AnyPath)]
    pub a: Vec<PathBuf>,
    /// Runs of the second model; those with the seeds of the first model's are drawn in pairs
    #[arg(long, value_name = "RUN", num_args = 1.., requires = "a", value_hint = ValueHint::AnyPath)]
    pub b: Vec<PathBuf>,
    /// By what; several between commas, a set (`tallow list metric_sets`) by what it ranks by
    #[arg(long, default_value = "macro_f1", value_name = "METRIC")]
    pub metric: String,
    /// Evaluate the checkpoints on this part of their data, instead of reading predictions
    #[arg(long, value_name = "train|validation|test|all")]
    pub split: Option<String>,
    /// With --split: the probabilities as the networks gave them, whatever `tallow calibrate` found
    #[arg(long, requires = "split")]
    pub uncalibrated: bool,
    /// How often images are drawn, and swapped
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub resamples: u32,
    /// How much of the resamples the interval holds
    #[arg(long, default_value_t = 0.95, value_name = "SHARE")]
    pub level: f64,
    /// Of the random numbers
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// How much worse a model may be and still count as not inferior, in units of the metric
    #[arg(long, value_name = "NUMBER")]
    pub margin: Option<f64>,
    /// Print as JSON
    #[arg(long, conflicts_with_all = ["markdown", "latex"])]
    pub json: bool,
    /// Print the table in Markdown
    #[arg(long, conflicts_with = "latex")]
    pub markdown: bool,
    /// Print the table in LaTeX, for the package booktabs
    #[arg(long)]
    pub latex: bool,
    /// Write a page with the table and a plot of the differences
    #[arg(long, value_name = "HTML", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,
}
