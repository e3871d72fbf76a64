//! `eval …`: a checkpoint, the weights of a recipe, or a CSV of predictions.

use super::Asking;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "examples:
  tallow eval checkpoints/quickstart
  tallow eval checkpoints/isic2018_resnet50 --split test --json
  tallow eval checkpoints/quickstart data.seed=2 --predictions fresh.csv
  tallow eval checkpoints/quickstart --tta flips
  tallow eval checkpoints/a --with checkpoints/b --with checkpoints/c
  tallow eval recipes/x.yaml model.weights=theirs.pth --split test
  tallow eval checkpoints/x --by-group --subgroups metadata.csv:sex
  tallow eval checkpoints/x --split test --html test.html
  tallow eval checkpoints/x --subgroups metadata.csv:age=0,40,60
  tallow eval checkpoints/x --split all \\
      'data={ name: folder, root: images, batch: 32 }'
  tallow eval predictions.csv --json
  tallow eval checkpoints/x --metrics isic2018,mcc,recall[MEL]

A CSV of predictions has the columns id, group, label, predicted, then one of \
probabilities per class, as --predictions writes it; group and predicted may be left \
out.")]
pub struct Eval {
    /// A checkpoint folder, or a run's folder (its `best`); or a recipe, of whose model.weights
    /// the metrics are then, as they are; or a CSV of predictions, whoever made it
    #[arg(value_name = "CHECKPOINT|RECIPE|CSV")]
    pub subject: PathBuf,
    /// Overrides of the checkpoint's recipe, or of the recipe, such as data.root=…
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Which part of the data [default: validation]
    #[arg(long, value_name = "train|validation|test|all")]
    pub split: Option<String>,
    /// Count each group, such as a lesion, once: with the mean of the probabilities of its images
    #[arg(long)]
    pub by_group: bool,
    /// The metrics of each value of a column too; images are found by id, or by group. More than
    /// ten different numbers are cut at their quartiles, or where COLUMN=0,40,60 says
    #[arg(long, value_name = "FILE.csv:COLUMN", conflicts_with = "metrics")]
    pub subgroups: Vec<String>,
    /// These instead of the usual: sets such as isic2018, metrics, numbers of a class such as
    /// recall[MEL], between commas; `tallow list metric_sets` and `tallow list metrics` name them
    #[arg(long, value_name = "NAMES")]
    pub metrics: Option<String>,
    /// Without intervals: of millions of images they are narrow, and take minutes
    #[arg(long)]
    pub no_intervals: bool,
    /// Print the metrics as JSON, with their 95 % intervals
    #[arg(long)]
    pub json: bool,
    /// Write a page as a run's report: metrics, worst errors, curves, subgroups
    #[arg(long, value_name = "FILE.html", conflicts_with = "metrics")]
    pub html: Option<PathBuf>,
    /// Write the prediction of every image, or with --by-group of every group
    #[arg(long, value_name = "CSV")]
    pub predictions: Option<PathBuf>,
    /// Without the calibration that the checkpoint has
    #[arg(long)]
    pub uncalibrated: bool,
    #[command(flatten)]
    pub asking: Asking,
}
