//! `pull`, `export`, `publish`: models from and to other places.

use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "examples:
  tallow pull timm/resnet50.tv_in1k
  tallow pull me/lesions@v1.0
  tallow predict \"$(tallow pull me/lesions)\" images/

The folder is in the cache that Python's huggingface_hub uses. Honoured: HF_HOME, \
HF_HUB_CACHE, HF_TOKEN, HF_TOKEN_PATH, HF_ENDPOINT, HF_HUB_OFFLINE (the cache alone), \
HF_HUB_DISABLE_TELEMETRY, DO_NOT_TRACK")]
pub struct Pull {
    /// owner/name, or owner/name@revision: a branch, a tag or a commit
    #[arg(value_name = "REPO[@REVISION]")]
    pub repository: String,
    /// Files by name [default: the weights, and config.json, recipe.yaml,
    /// metrics.json, README.md and report.html if they are there]
    #[arg(value_name = "FILE")]
    pub files: Vec<String>,
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow export checkpoints/isic2018_resnet18 --to timm out
  tallow export checkpoints/isic2018_resnet18/last --to torchvision out
  tallow export checkpoints/quickstart --to candle out
  tallow export checkpoints/quickstart --to onnx out

OUT then holds model.safetensors (model.onnx), config.json, and load.py or load.rs, \
which loads them")]
pub struct Export {
    /// A checkpoint folder, or a run's folder (its `best`)
    pub checkpoint: PathBuf,
    /// The library whose names, shapes and configuration are written; `onnx`: opset 17, any number of images
    #[arg(long, value_parser = ["timm", "torchvision", "candle", "onnx"])]
    pub to: String,
    /// The folder to write; it must be empty or not there
    pub out: PathBuf,
}

#[derive(Args)]
#[command(after_help = "examples:
  tallow publish checkpoints/isic2018_resnet18 --repo me/lesions --dry-run
  tallow publish checkpoints/isic2018_resnet18 --repo me/lesions --private
  tallow publish checkpoints/isic2018_resnet18 --repo lab/lesions --create-pr

Needs HF_TOKEN, a token that may write. What was interrupted goes on when the command is \
given again. A README.md that somebody else wrote, or changed, stays. Large files go by \
plain HTTP (Git LFS); against huggingface.co itself this was never run, only against the \
tests' own hub")]
pub struct Publish {
    /// A checkpoint folder, or a run's folder (its `best`)
    pub checkpoint: PathBuf,
    /// The repository; it is made if it is not there
    #[arg(long, value_name = "OWNER/NAME")]
    pub repo: String,
    /// Make the repository private
    #[arg(long)]
    pub private: bool,
    /// Propose the files (a pull request) instead of writing them
    #[arg(long)]
    pub create_pr: bool,
    /// Leave out report.html, which shows pictures of the data
    #[arg(long)]
    pub no_report: bool,
    /// Write the folder and list its files; send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Licence of the weights, as the hub abbreviates it: mit, cc-by-nc-4.0
    #[arg(long, value_name = "NAME")]
    pub license: Option<String>,
    /// Licence of the data, for the card
    #[arg(long, value_name = "TEXT")]
    pub data_license: Option<String>,
    /// Where the files are put together [default: `publish` beside the checkpoint of a run; required for others]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
