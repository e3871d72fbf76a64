//! `stats …`: what policies do to data and, where trained, to features, in numbers.

use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "examples:
  tallow stats recipes/quickstart.yaml --policies mixup,zeta_mixup
  tallow stats recipes/quickstart.yaml policy=synermix --batches 20 --json
  tallow stats recipes/quickstart.yaml --policies mixup,zeta_mixup -o stats.html
  tallow stats recipes/quickstart.yaml --checkpoint checkpoints/quickstart
  tallow stats --points features.npy --neighbours 128 --json

entropy is that of the label shares in nats, classes its exponential, own the \
share of an image's own class; dim. k8 and k128 are local intrinsic dimensions \
(PCA of the 8 or 128 nearest neighbours, as scikit-dimension's lPCA); nearest is \
the distance to the nearest unmixed image, root mean square over pixels of 0 to 1. \
Mixes inside the network count in the labels, not in the last three.

Of a checkpoint's features at `penultimate`, on the validation part: cohesion is \
the mean over classes of the mean cosine between an image and its class's mean; \
separability the mean over pairs of classes of 1 - the cosine of their means; \
silhouette as scikit-learn's, of Euclidean distances. For all three more is more.")]
pub struct Stats {
    /// The recipe; its own policy is compared with the unmixed data
    #[arg(required_unless_present = "points", conflicts_with = "points", value_hint = clap::ValueHint::FilePath)]
    pub recipe: Option<PathBuf>,
    /// Overrides of the recipe: policy=zeta_mixup data.batch=32
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Further presets or mixes, such as mixup,zeta_mixup or, one at a time, 'zeta_mixup: { gamma: 4 }'
    #[arg(long, value_name = "A,B,…", conflicts_with = "points")]
    pub policies: Vec<String>,
    /// How many training batches
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub batches: u32,
    /// Instead of a recipe: points (N, D), whose local dimension is asked for
    #[arg(long, value_name = "NPY")]
    pub points: Option<PathBuf>,
    /// How many nearest neighbours of a point, with --points [default: 8]
    #[arg(long, value_name = "K", requires = "points")]
    pub neighbours: Option<usize>,
    /// Trained networks, whose features of the recipe's validation part are measured: cohesion, separability
    #[arg(long, value_name = "DIR", conflicts_with = "points", value_hint = clap::ValueHint::DirPath)]
    pub checkpoint: Vec<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
    /// Write a page with the figures of the policies
    #[arg(short, long, value_name = "HTML", conflicts_with = "points")]
    pub out: Option<PathBuf>,
}
