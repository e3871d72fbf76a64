//! `tallow data …`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
pub struct Data {
    #[command(subcommand)]
    pub command: DataCommand,
}

#[derive(Subcommand)]
pub enum DataCommand {
    /// Look for images that are there twice, leaks, wrong labels, and images that are none
    Check(DataCheck),
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow data check recipes/isic2018_resnet50.yaml
  tallow data check mine.yaml data.root=images --json > check.json
  tallow data check mine.yaml --fix            writes mine.exclude.csv

looks for: groups on two sides; images that are identical, to the byte or to the \
pixel, or nearly (saved again, resized, cut by up to 10 % a side, mirrored, turned by \
90°, brighter or darker), in two parts or under two labels; images that cannot be \
read, are of one colour, tiny, or far from all others

exit codes: 0 clean, 3 an image or group in two parts, an image under two labels, or \
one that cannot be read (unless data.broken is skip)")]
pub struct DataCheck {
    /// The recipe
    pub recipe: PathBuf,
    /// Overrides of the recipe, such as data.root=…
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
    /// Write a list of the images to leave out, which `data.exclude` reads
    /// [default: the recipe's data.exclude, else <recipe>.exclude.csv beside it]
    #[arg(long, value_name = "CSV", num_args = 0..=1, require_equals = true)]
    pub fix: Option<Option<PathBuf>>,
    /// Look at every image anew, whatever earlier checks kept
    #[arg(long)]
    pub fresh: bool,
}
