//! `bench …`: what can be timed.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use tallow_models::Stem;

#[derive(Args)]
#[command(after_help = "examples:
  tallow bench step --model resnet18 --stem cifar --input 32 --batch 128
  tallow bench eval --model resnet50 --input 224 --batch 32 --json
  tallow bench mix zeta_mixup --shape 32,3,224,224
  tallow bench load recipes/quickstart.yaml data.workers=1
  tallow bench epoch recipes/quickstart.yaml --limit 20

Under `mpirun` the ranks share an epoch, and its first one tells. RAYON_NUM_THREADS sets the threads of the arithmetic. Medians are of the timed repetitions; the first ones only warm up.")]
pub struct Bench {
    #[command(subcommand)]
    pub what: Timed,
}

#[derive(Subcommand)]
pub enum Timed {
    /// Training steps of a model on random pixels: forward, backward, optimizer, mixing
    Step(StepBench),
    /// Forward passes in evaluation mode, without a graph
    Eval(EvalBench),
    /// A preset or a mix on a batch of random values: draws, blends, targets
    Mix(MixBench),
    /// The loader of a recipe, for an epoch
    Load(RecipeBench),
    /// An epoch of a recipe's training, loading included; no evaluation, nothing is written
    Epoch(RecipeBench),
    /// The sum of gradients over the ranks of `mpirun`
    Reduce(ReduceBench),
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow bench reduce --numbers 25557032 --json

Under `mpirun -n 4`, four ranks add up as many numbers as ResNet-50 has parameters.")]
pub struct ReduceBench {
    /// Numbers of each rank, such as the parameters of a network
    #[arg(long, default_value_t = 25_557_032, value_parser = clap::value_parser!(u64).range(1..))]
    pub numbers: u64,
    /// Repetitions that are timed
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// Repetitions before them
    #[arg(long, default_value_t = 2)]
    pub warmup: u32,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct NetworkBench {
    /// Which network; `tallow list models` names them
    #[arg(long, default_value = "resnet18")]
    pub model: String,
    /// The first layers [default: the model's own]
    #[arg(long, value_parser = stems())]
    pub stem: Option<Stem>,
    /// Side of the square input, pixels [default: the model's own]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub input: Option<u32>,
    /// Images of a step
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
    /// Classes to tell apart
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub classes: u32,
    /// The arithmetic of the layers; bf16 on CUDA
    #[arg(long, default_value = "f32", value_name = "f32|tf32|bf16")]
    pub precision: String,
}

#[derive(Args)]
pub struct Pace {
    /// Repetitions that are timed
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// Repetitions before them
    #[arg(long, default_value_t = 2)]
    pub warmup: u32,
    /// Where to compute
    #[arg(long, default_value = "auto", value_name = "auto|cpu|cuda:N|metal")]
    pub device: String,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow bench step --model resnet18 --stem cifar --input 32 --batch 128 --json
  tallow bench step --model resnet50 --batch 16 --policy cutmix_zeta_mixup")]
pub struct StepBench {
    #[command(flatten)]
    pub network: NetworkBench,
    /// A preset, or a mix such as 'zeta_mixup: { gamma: 4 }'
    #[arg(long, default_value = "none")]
    pub policy: String,
    #[command(flatten)]
    pub pace: Pace,
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow bench eval --model resnet50 --input 224 --batch 32 --json")]
pub struct EvalBench {
    #[command(flatten)]
    pub network: NetworkBench,
    #[command(flatten)]
    pub pace: Pace,
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow bench mix zeta_mixup --shape 32,3,224,224 --json
  tallow bench mix 'zeta_mixup: { samples: 4 }' --shape 128,3,32,32
  tallow bench mix synermix --shape 64,512")]
pub struct MixBench {
    /// A preset, or a mix with or without parameters
    pub policy: String,
    /// Of the values, rows first: R,C,H,W or R,F
    #[arg(long, default_value = "32,3,224,224", value_parser = shape)]
    pub shape: Shape,
    /// Classes to tell apart
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub classes: u32,
    #[command(flatten)]
    pub pace: Pace,
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow bench load recipes/isic2018_small_none.yaml data.workers=2
  tallow bench epoch recipes/quickstart.yaml --limit 20 --json")]
pub struct RecipeBench {
    /// The recipe
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub recipe: PathBuf,
    /// Overrides of the recipe
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// At most so many batches of the epoch
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// The shape of a batch of values.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape(pub Vec<usize>);

fn shape(text: &str) -> Result<Shape, String> {
    let sizes: Result<Vec<usize>, _> = text.split(',').map(|size| size.trim().parse()).collect();
    match sizes {
        Ok(sizes) if sizes.len() >= 2 && sizes.iter().all(|&size| size > 0) => Ok(Shape(sizes)),
        _ => Err("expected sizes of at least 1, rows first, such as 32,3,224,224".to_owned()),
    }
}

fn stems() -> impl TypedValueParser<Value = Stem> {
    let find = |name: String| Stem::NAMED.iter().find(|(known, _)| *known == name).map(|(_, stem)| *stem);
    PossibleValuesParser::new(Stem::NAMED.map(|(name, _)| name)).map(move |name| find(name).expect("a name"))
}
