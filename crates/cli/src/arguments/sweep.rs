//! `sweep …`: a recipe with several values, seeds and folds.

use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;
use tallow_train::sweep::Seeds;

#[derive(Args)]
#[command(after_help = "examples:
  tallow sweep recipes/quickstart.yaml policy=none,mixup,cutmix --seeds 3
  tallow sweep mine.yaml schedule.cosine.lr=0.1,0.01 --seeds 3,7 --folds 5
  tallow sweep mine.yaml 'policy=none,mixup' length='5 epochs' --dry-run
  tallow sweep mine.yaml policy=none,mixup --seeds 3 --slurm array.sh
  tallow sweep mine.yaml policy=none,mixup --seeds 3 --array
  tallow sweep mine.yaml policy=none,mixup --seeds 3 --report --json

Every value of a key with every other, with every seed and fold, is a cell: a run as of \
`train`, in a folder such as DIR/policy=mixup/seed=1/fold=2. Values are cut at commas that \
are in no bracket, brace or quotes. Cells of one seed and fold have the same images, order \
and initial weights. The same command again goes on where it was ended, and leaves alone \
what is done; more values or seeds are added by naming them too. `train` does the same with a \
recipe that writes `seeds: 3` or `folds: 5` itself.

The report is of the validation part, by each run's best epoch (--split test: of the test \
part, by the same weights): mean ± standard deviation over runs; with --folds also of the images of all folds together; bootstrap intervals, by \
group where there are groups; and each setting against the first, by `tallow compare`'s \
tests. It is printed, and written to DIR/sweep.md and DIR/sweep.json (sweep_test.md and .json of the test part).")]
pub struct Sweep {
    /// The recipe
    #[arg(value_hint = ValueHint::FilePath)]
    pub recipe: PathBuf,
    /// Overrides of the recipe, for all cells; with several values, what is varied: policy=none,mixup
    #[arg(value_name = "KEY=VALUE[,VALUE…]")]
    pub overrides: Vec<String>,
    /// So many seeds, from the recipe's on, or these [default: the recipe's `seeds`, else 1]
    #[arg(long, value_name = "N|N,N,…")]
    pub seeds: Option<Seeds>,
    /// Cross-validation: each of K parts validates once, divided as data.split says [default: the recipe's `folds`]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub folds: Option<u32>,
    /// The folder of the sweep [default: checkpoints/<recipe>_sweep]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// By which part of the data the cells are judged, by the best weights of each
    #[arg(long, default_value = "validation", value_name = "validation|test")]
    pub split: JudgedBy,
    /// By which settings are ranked and compared [default: the recipe's `select`]
    #[arg(long, value_name = "METRIC")]
    pub metric: Option<String>,
    /// With which setting the others are compared; the best is chosen by the numbers that then judge it
    #[arg(long, default_value = "first", value_name = "first|best")]
    pub against: AgainstWhich,
    /// How often images are drawn, and swapped
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub resamples: u32,
    /// Train nothing: report what is done
    #[arg(long, conflicts_with_all = ["cell", "array", "slurm", "dry_run"])]
    pub report: bool,
    /// Run one cell alone, by its number in --dry-run, without a report
    #[arg(long, value_name = "N", conflicts_with_all = ["array", "slurm", "dry_run"])]
    pub cell: Option<usize>,
    /// Run this process's share of the cells, without a report: as one of several that mpirun or srun started, or as a task of a job
    /// array (Slurm; Grid Engine, LSF, PBS and Kubernetes: a task for each cell)
    #[arg(long, conflicts_with_all = ["slurm", "dry_run", "json"])]
    pub array: bool,
    /// Write a job array for Slurm, one cell a task, and train nothing
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub slurm: Option<PathBuf>,
    /// Check recipes and data of all cells, list them, and train nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum JudgedBy {
    Validation,
    Test,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AgainstWhich {
    First,
    Best,
}
