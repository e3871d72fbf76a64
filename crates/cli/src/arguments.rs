//! What can be typed.

mod bench;
mod board;
mod calibrate;
mod compare;
mod data;
mod doctor;
mod eval;
mod look;
mod share;
mod stats;
mod sweep;

pub use bench::*;
pub use board::Board;
pub use calibrate::Calibrate;
use clap::{Args, FromArgMatches, Parser, Subcommand};
pub use compare::Compare;
pub use data::*;
pub use doctor::Doctor;
pub use eval::Eval;
pub use look::*;
pub use share::*;
pub use stats::Stats;
use std::ffi::OsString;
use std::path::PathBuf;
pub use sweep::{AgainstWhich, JudgedBy, Sweep};

/// A model zoo and training toolkit for image classification, with augmentation policies that mix samples.
#[derive(Parser)]
#[command(name = "tallow", version, arg_required_else_help = true, max_term_width = 80)]
#[command(after_help = "examples:
  tallow new images/ -o mine.yaml              a recipe for your images
  tallow train recipes/quickstart.yaml         train, evaluate, report
  tallow sweep recipes/quickstart.yaml policy=none,mixup --seeds 3
                                               which is better, over seeds
  tallow check recipes/*.yaml                  every mistake; runs nothing
  tallow data check recipes/quickstart.yaml    copies, leaks, odd images
  tallow preview recipes/quickstart.yaml       a picture of what policies do
  tallow stats recipes/quickstart.yaml         the same in numbers
  tallow eval checkpoints/quickstart --json    metrics of the best checkpoint
  tallow compare checkpoints/a checkpoints/b   is b better, and how sure is it
  tallow board checkpoints                     all runs in the browser, live
  tallow calibrate checkpoints/a               probabilities that hold
  tallow list policies                         what can be composed
  tallow list recipe loss                      what a recipe can say
  tallow export checkpoints/quickstart --to onnx out
                                               for other programs
  tallow bench step --model resnet18           images per second
  tallow doctor mine.yaml                      what this machine can do

exit codes: 0 done, 2 a mistake in the command or recipe, 3 bad data or nothing from \
the hub, 4 diverged, 5 a full disk, 128 + signal interrupted after a checkpoint was written, \
1 anything else")]
pub struct Tallow {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Look at your images and write a recipe for them
    New(New),
    /// Train a recipe
    Train(Train),
    /// Train a recipe with several values, seeds and folds, and say what came of it
    Sweep(Sweep),
    /// Metrics of a checkpoint, of the weights that a recipe names, or of a CSV of predictions
    Eval(Eval),
    /// Which of several models is better, and how sure that is
    Compare(Compare),
    /// All runs below a folder in the browser: live curves, side by side, compared
    Board(Board),
    /// Make a checkpoint's probabilities hold, and choose what is decided by them
    Calibrate(Calibrate),
    /// What a checkpoint says of images, as CSV
    Predict(Predict),
    /// A contact sheet of what a recipe's policies do to a batch
    Preview(Preview),
    /// What policies do to data: label shares, intrinsic dimension, distance, time
    Stats(Stats),
    /// A batch of a run once more: its images, draws, shares and targets, to the bit
    Replay(Replay),
    /// Fetch a model of the hub into the cache
    Pull(Pull),
    /// Write a checkpoint in the layout of timm, torchvision or candle, or as ONNX
    Export(Export),
    /// Put a checkpoint into a repository of the hub, with a card of what was measured
    Publish(Publish),
    /// Find every mistake of recipes and presets; run nothing
    Check(Check),
    /// What is wrong with the images of a recipe
    Data(Data),
    /// Speed, and what of the machine it uses: steps, evaluation, mixes, loading, epochs
    Bench(Bench),
    /// What this machine has and can do, and what a recipe waits for on it
    Doctor(Doctor),
    /// What there is: models, policies, presets, datasets, metrics, keys of a recipe
    List(List),
}

/// Train a recipe: read it, check it, train, evaluate, write checkpoints and a report.
#[derive(Parser)]
#[command(name = "train", version, max_term_width = 80)]
#[command(after_help = "examples:
  train recipes/quickstart.yaml
  train recipes/isic2018_resnet50.yaml data.root=isic length='10 epochs'
  train recipes/quickstart.yaml policy=mixup seed=2 --out checkpoints/mixup2
  train recipes/quickstart.yaml --resume
  train checkpoints/quickstart --resume
  train recipes/quickstart.yaml --resume-or-start   (a job that is restarted)")]
pub struct Train {
    /// The recipe; or a run's folder, whose own recipe goes on with --resume
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub recipe: PathBuf,
    /// Overrides of the recipe: data.batch=32 policy=mixup 'length=3 epochs'
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Go on from the last checkpoint of the run's folder, by a recipe that trains the same: device, places of
    /// data, length, early_stop and checkpoint may differ, and what does is said
    #[arg(long, conflicts_with = "overwrite")]
    pub resume: bool,
    /// The same, or begin where there is no run yet: the one command of a job that may be ended at any time and is started again
    #[arg(long, conflicts_with_all = ["overwrite", "resume"])]
    pub resume_or_start: bool,
    /// Replace an earlier run in the folder, which is kept aside until the new one has a checkpoint
    #[arg(long)]
    pub overwrite: bool,
    /// Build everything, run one step and one evaluation batch; nothing is written, in any folder
    #[arg(long)]
    pub dry_run: bool,
    /// The run's folder [default: checkpoints/<recipe>; checkpoints/<recipe>_sweep where the recipe has `seeds` or
    /// `folds`, whose runs are those of `tallow sweep`]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow new images/ -o lesions.yaml      class folders
  tallow new labels.csv -o lesions.yaml   a CSV that names images and labels
  tallow new dermamnist.npz               to the terminal")]
pub struct New {
    /// A folder, CSV, npz or parquet file
    pub path: PathBuf,
    /// The recipe to write; standard output without it
    #[arg(short, long, value_name = "RECIPE.yaml")]
    pub out: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow predict checkpoints/quickstart images/ lesion.jpg > predictions.csv
  tallow predict checkpoints/quickstart images/ --skip-broken > predictions.csv
  tallow predict checkpoints/quickstart batch.npy --logits
  tallow predict checkpoints/quickstart images/ --tta flips > predictions.csv
  tallow predict checkpoints/quickstart lesion.jpg --explain maps
  tallow predict checkpoints/quickstart lesion.jpg --explain maps \\
      --class MEL --tap stage3 --method hirescam")]
pub struct Predict {
    /// A checkpoint folder, or a run's folder (its `best`)
    pub checkpoint: PathBuf,
    /// Images (each once), folders of images, or one .npy file of normalised values (R, 3, H, W)
    #[arg(required = true)]
    pub inputs: Vec<PathBuf>,
    /// Print logits instead of probabilities
    #[arg(long)]
    pub logits: bool,
    /// Go on without images that cannot be read; stderr names them
    #[arg(long)]
    pub skip_broken: bool,
    /// Without the calibration that the checkpoint has, and what it decides
    #[arg(long)]
    pub uncalibrated: bool,
    /// Where to compute
    #[arg(long, default_value = "auto", value_name = "auto|cpu|cuda:N|metal")]
    pub device: String,
    #[command(flatten)]
    pub asking: Asking,
    #[command(flatten)]
    pub explaining: Explaining,
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow preview recipes/quickstart.yaml policy=cutmix_zeta_mixup
  tallow preview recipes/isic2018_resnet50.yaml --batch 3 -o sheet.png")]
pub struct Preview {
    /// The recipe
    pub recipe: PathBuf,
    /// Overrides of the recipe
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Which batch of the first epoch, from 0
    #[arg(long, default_value_t = 0)]
    pub batch: u64,
    /// How many pictures of it
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..))]
    pub tiles: u16,
    /// The PNG to write; with several branches, one file each (…_0.png, …_1.png)
    /// [default: checkpoints/<recipe>/preview.png]
    #[arg(short, long, value_name = "PNG")]
    pub out: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow replay checkpoints/quickstart --step 12
  tallow replay checkpoints/x --step 12 --json data.root=isic
  tallow replay checkpoints/x/best --step 901 --tensors batch.safetensors")]
pub struct Replay {
    /// A run's folder, or one of its checkpoints
    pub checkpoint: PathBuf,
    /// Overrides of its recipe, such as data.root=…
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Which step, from 1 as in metrics.jsonl
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub step: u64,
    /// How many pictures
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..))]
    pub tiles: u16,
    /// The PNG to write; with several branches, one file each (…_0.png, …_1.png)
    /// [default: replay_step<N>.png in the run's folder]
    #[arg(short, long, value_name = "PNG")]
    pub out: Option<PathBuf>,
    /// Write images, values, shares and targets too
    #[arg(long, value_name = "SAFETENSORS")]
    pub tensors: Option<PathBuf>,
    /// Print the records as JSON: images, mixes with taps and shares, targets
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow check recipes/*.yaml policies/*.yaml
  tallow check recipes/quickstart.yaml optimizer.sgd.momentum=1.5
  tallow check --data recipes/isic2018_resnet50.yaml")]
pub struct Check {
    /// Recipes and presets (a file with `branches` and no `data`), then overrides for the recipes
    #[arg(required = true, value_name = "FILE|KEY=VALUE")]
    pub inputs: Vec<String>,
    /// Look too whether the data and weights that recipes name are there, agree with
    /// their labels and splits, and fit the recipe; images are not decoded
    #[arg(long)]
    pub data: bool,
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow list models
  tallow list policies zeta_mixup
  tallow list presets synermix
  tallow list recipe                           every key, one line each
  tallow list recipe class_weights             one of them, in full
  tallow list policies --markdown docs")]
pub struct List {
    /// What to list
    #[arg(value_parser = ["models", "policies", "presets", "datasets", "metrics", "metric_sets", "recipe"])]
    pub what: Option<String>,
    /// One of them, in full
    pub name: Option<String>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
    /// Of policies: write the page of all, DIR/policies.md, and a picture of each below DIR/policies/; of the recipe: DIR/recipe.md
    #[arg(long, value_name = "DIR", conflicts_with = "json")]
    pub markdown: Option<PathBuf>,
}

/// A command's arguments when these words are typed after it; the rest are its defaults.
///
/// # Errors
/// Words that it does not take.
pub fn typed<T: Args + FromArgMatches>(words: impl IntoIterator<Item = OsString>) -> Result<T, clap::Error> {
    let words = std::iter::once(OsString::from("tallow")).chain(words);
    T::from_arg_matches(&T::augment_args(clap::Command::new("tallow")).try_get_matches_from(words)?)
}

#[cfg(test)]
mod tests {
    use super::{Tallow, Train};
    use clap::{Command, CommandFactory};

    /// All commands, those within others too, by what is typed before their arguments.
    fn commands() -> Vec<(String, Command)> {
        let mut open = vec![("tallow".to_owned(), Tallow::command()), ("train".to_owned(), Train::command())];
        let mut found = Vec::new();
        while let Some((typed, command)) = open.pop() {
            let below = |inner: &Command| (format!("{typed} {}", inner.get_name()), inner.clone());
            open.extend(command.get_subcommands().map(below));
            found.push((typed, command));
        }
        found
    }

    /// The words of a command line, as a shell reads them; what follows two spaces is a comment on it.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for (at, letter) in line.char_indices() {
            match (letter, quote) {
                (' ', None) if line[at..].starts_with("  ") => break,
                (' ', None) => words.extend(word.take()),
                ('\'' | '"', None) => {
                    quote = Some(letter);
                    word.get_or_insert_default();
                }
                (letter, Some(open)) if letter == open => quote = None,
                (letter, _) => word.get_or_insert_default().push(letter),
            }
        }
        words.extend(word);
        words
    }

    #[test]
    fn examples_are_commands() {
        let mut seen = 0;
        for (typed, command) in commands() {
            let Some(help) = command.get_after_help().map(ToString::to_string) else { continue };
            // A backslash at the end of a line goes on with the next.
            let help = help.replace("\\\n      ", "");
            for line in
                help.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '))
            {
                let words = words(line.split(" > ").next().unwrap());
                let program = if words[0] == "train" { Train::command() } else { Tallow::command() };
                let read = program.try_get_matches_from(&words);
                assert!(read.is_ok(), "{typed}: {line}: {}", read.unwrap_err());
                seen += 1;
            }
        }
        assert!(seen > 40, "{seen}");
    }

    /// One word for one thing: what a command writes is `--out`, in short `-o`, and nothing else is.
    #[test]
    fn what_is_written_is_out() {
        let mut seen = 0;
        for (typed, command) in commands() {
            for argument in command.get_arguments() {
                let (long, short) = (argument.get_long(), argument.get_short());
                assert_eq!(long == Some("out"), short == Some('o'), "{typed}: {long:?}");
                assert_ne!(long, Some("output"), "{typed}");
                seen += usize::from(short == Some('o'));
            }
        }
        assert!(seen >= 6, "{seen}");
    }

    /// Longer lines are broken at 80 columns: whole paragraphs may be, examples and their columns not.
    #[test]
    fn examples_fit_80_columns() {
        let command = Tallow::command();
        let helps =
            command.get_subcommands().chain([&command]).filter_map(|command| command.get_after_help());
        let texts: Vec<String> = helps.map(ToString::to_string).collect();
        assert!(texts.len() > 10, "{}", texts.len());
        for line in texts.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("  ")) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
