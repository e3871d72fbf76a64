//! The plan: a recipe resolved and checked. After it, no mistake can come from the recipe's text, and nothing changes it. What
//! needs the data or the weights open is not here: see `run`.

mod class_weights;
mod freeze;
mod images;
mod keep;
mod keys;
mod length;
mod policy;
mod read;
mod reference;
mod repeats;
mod sections;
mod shortened;
mod smallest;

pub use class_weights::ClassWeights;
pub use freeze::{FreezePlan, misfit};
pub use images::{evaluation_nodes, evaluation_of};
pub use keep::{CheckpointPlan, Every};
pub use keys::SECTIONS;
pub use length::{RunLength, misfits};
pub use policy::{check_preset, is_preset};
pub use reference::{Key, Section, completed, without_defaults};
pub use repeats::{Repeats, Seeds};

use crate::fit::branch::smallest_cut;
use crate::fit::{Loss, LossKind, Optimizer, Shape};
use crate::recipe::{Document, Node, resolved, text_of};
use crate::run::{DeviceChoice, Precision};
use crate::{Error, Result};
use candle_core::Device;
use serde_yaml::{Mapping, Value};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use tallow_data::{SourceSpec, Split};
use tallow_metrics::Metric;
use tallow_models::{ModelSpec, Stem};
use tallow_policy::{Branch, Duration, ImagePolicies, Inputs, Mistake, Policy, Registry};

/// Everything a run needs to know.
pub struct Plan {
    /// The recipe's file name without extension: names the run's folder.
    pub name: String,
    /// The recipe with overrides, bases, presets and defaults in it: stands alone. Without `evaluation` where that of the weights'
    /// `config.json` may hold.
    pub resolved: Value,
    /// What people should know of how it was read, one sentence each.
    pub notes: Vec<String>,
    /// The preset's name, where the recipe names one.
    pub preset: Option<String>,
    pub data: DataPlan,
    pub model: ModelPlan,
    pub images: ImagePolicies,
    /// As written; else the architecture's own, in whose place that of the weights' `config.json` may stand.
    pub evaluation: ImagePolicies,
    /// Whether the recipe writes `evaluation`.
    pub has_own_evaluation: bool,
    /// The side of the square of crops that an evaluation looks at.
    pub crops: Option<u32>,
    pub policy: Policy,
    pub loss: LossPlan,
    pub optimizer: Optimizer,
    pub schedule: SchedulePlan,
    pub length: Duration,
    /// Global gradient norm at which gradients are scaled down.
    pub clip: Option<f64>,
    /// Micro-batches per update.
    pub accumulate: usize,
    /// Parts of a batch that are walked at the same time; 1 where it is walked as a whole.
    pub shards: usize,
    pub mix_within: MixWithin,
    /// Whether batch norm takes its statistics over all shards, or over each.
    pub sync_batch_norm: bool,
    pub ema: Option<EmaPlan>,
    pub select: &'static Metric,
    /// Epochs without a better `select` after which training stops.
    pub patience: Option<u64>,
    pub checkpoint: CheckpointPlan,
    pub seed: u64,
    /// Whether the recipe is run more than once; this plan is of the first run.
    pub repeats: Repeats,
    pub device: DeviceChoice,
    pub precision: Precision,
    pub(crate) registry: Registry,
    /// Knows the place of what can be checked only once the data are open.
    document: Document,
}

pub struct DataPlan {
    pub source: &'static SourceSpec,
    /// The source's own keys.
    pub options: Mapping,
    /// `None`: the source's own parts.
    pub split: Option<Split>,
    pub batch: usize,
    /// Understood when the classes are known.
    pub sampler: Value,
    /// Whether the last partial training batch is dropped.
    pub drop_last: bool,
    /// Loader threads.
    pub workers: usize,
    pub skip_broken: bool,
    /// Pixels that an image may have.
    pub max_pixels: u64,
    /// Classes that are left; all where it is empty.
    pub only: Vec<String>,
    /// Classes that are left out.
    pub drop: Vec<String>,
    /// What becomes black and white of 16-bit pictures; understood when the data are open.
    pub window: Option<Value>,
    /// Whether images that are the same to the byte in two parts or under two labels are left out, all but those of the last part.
    pub drop_copies: bool,
    /// Whether a run goes on where a group or an image is in two parts, or an image under two labels.
    pub allow_leak: bool,
    /// A list of images that are left out of every part.
    pub exclude: Option<PathBuf>,
}

pub struct ModelPlan {
    pub spec: &'static ModelSpec,
    pub weights: Option<Weights>,
    /// Prefixes of the names in the weights' file, and what stands for them: whole segments between dots.
    pub rename: Vec<(String, String)>,
    /// Side of the square input, pixels.
    pub input: u32,
    pub stem: Option<Stem>,
    pub mean: Option<[f64; 3]>,
    pub std: Option<[f64; 3]>,
    pub freeze: FreezePlan,
}

/// Where initial weights come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// `owner/name[@revision]`
    Hub(String),
    File(PathBuf),
}

pub struct LossPlan {
    pub kind: LossKind,
    pub smoothing: f64,
    pub class_weights: ClassWeights,
}

impl LossPlan {
    /// The loss, given the training labels and the classes.
    ///
    /// # Errors
    /// What is wrong with `loss.class_weights`, see [`ClassWeights::of`].
    pub fn build(
        &self,
        labels: impl Iterator<Item = u32>,
        classes: &[String],
    ) -> std::result::Result<Loss, Mistake> {
        let class_weights = self.class_weights.of(labels, classes)?;
        Ok(Loss { kind: self.kind, smoothing: self.smoothing, class_weights })
    }
}

#[derive(Clone, Debug)]
pub struct SchedulePlan {
    /// The key of the recipe.
    pub name: &'static str,
    pub shape: Shape<Duration>,
    pub lr: f64,
    pub warmup: Option<Duration>,
}

impl SchedulePlan {
    /// What to change in a recipe whose loss diverged.
    pub fn advice(&self) -> String {
        let name = self.name;
        let longer = if matches!(self.shape, Shape::OneCycle { .. }) { "rise" } else { "warmup" };
        format!("lower schedule.{name}.lr, lengthen schedule.{name}.{longer}, or clip gradients (clip: 1.0)")
    }
}

/// Among which rows a row has partners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MixWithin {
    #[default]
    Batch,
    Shard,
}

impl std::str::FromStr for MixWithin {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<MixWithin, String> {
        match text {
            "batch" => Ok(MixWithin::Batch),
            "shard" => Ok(MixWithin::Shard),
            _ => Err(format!("expected batch or shard, got `{text}`")),
        }
    }
}

/// Exponential moving average of weights and running statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmaPlan {
    pub decay: f64,
    /// Decay of update n is min(decay, (1 + n) / (10 + n)).
    pub warmup: bool,
}

impl Plan {
    /// Whether the recipe says into how many shards a batch is cut.
    pub fn has_shards(&self) -> bool {
        self.resolved.get("shards").is_some()
    }

    /// Refuses more ranks than there is work for.
    ///
    /// # Errors
    /// Fewer shards than ranks, or fewer rows of a micro-batch than shards.
    pub fn check_ranks(&self, ranks: usize) -> Result<()> {
        if ranks > self.shards {
            let (shards, enough) = (self.shards, ranks.next_power_of_two());
            let problem = format!(
                "expected one or more for each of {ranks} ranks, got {shards}; write shards: {enough} or more, or start fewer ranks"
            );
            return Err(self.mistake("shards", problem));
        }
        let least = smallest_cut(self.data.batch, self.accumulate);
        if ranks > 1 && least < self.shards {
            let problem = format!(
                "a micro-batch of {least} rows cannot be cut into {} shards, and every rank would walk all of it; write a larger \
                 data.batch, or less accumulate or shards",
                self.shards
            );
            return Err(self.mistake("shards", problem));
        }
        Ok(())
    }

    /// Refuses what shards on GPUs cannot do: hear of each other's rows.
    ///
    /// # Errors
    /// More shards than ranks; batch norm or mixes over all shards.
    pub fn check_apart(&self, ranks: usize) -> Result<()> {
        if self.shards != ranks {
            let problem = format!(
                "on GPUs each rank walks one shard, got {} for {ranks}; write shards: {ranks}, or start as many ranks, each with a GPU",
                self.shards
            );
            return Err(self.mistake("shards", problem));
        }
        if self.sync_batch_norm {
            let problem = "on GPUs each shard has its own statistics so far; write sync_batch_norm: false";
            return Err(self.mistake("sync_batch_norm", problem));
        }
        let mixes = || self.policy.running().flat_map(Branch::mixes);
        if self.mix_within == MixWithin::Batch && mixes().next().is_some() {
            let problem = "on GPUs rows mix within their shard so far; write mix_within: shard";
            return Err(self.mistake("mix_within", problem));
        }
        if let Some((node, mix)) = mixes().find(|(_, mix)| mix.mix.inputs() != Inputs::Nothing) {
            let problem = format!(
                "`{}` looks at the rows of all shards, which GPUs do not send each other so far",
                mix.spec.name
            );
            return Err(self.mistake(&node.path, problem));
        }
        Ok(())
    }

    /// Reads and checks a recipe with its overrides.
    ///
    /// # Errors
    /// All mistakes at once, each with its place.
    pub fn read(path: &Path, overrides: &[String], registry: &Registry) -> Result<Plan> {
        if is_preset(path) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            return Err(Error::recipe(format!(
                "{}: is a preset, not a recipe; name it in one: recipes/quickstart.yaml policy={name}",
                path.display()
            )));
        }
        Plan::of(Document::read(path, overrides).map_err(Error::Recipe)?, registry)
    }

    /// The same of the recipe in a run's folder, under the name that the run has.
    ///
    /// # Errors
    /// A recipe that is missing; all mistakes at once.
    pub fn of_run(folder: &Path, overrides: &[String], registry: &Registry) -> Result<Plan> {
        let path = folder.join("recipe.yaml");
        let text = text_of(&path).map_err(|error| {
            let problem =
                format!("holds no recipe.yaml of a run ({error}); name a recipe, or the folder of a run");
            Error::recipe(format!("{}: {problem}", folder.display()))
        })?;
        let plan = Plan::read(&path, overrides, registry)?;
        Ok(match resolved::heading(&text) {
            Some((name, preset)) => Plan { name: name.to_owned(), preset: preset.map(str::to_owned), ..plan },
            None => plan,
        })
    }

    /// The same of a recipe's text; `name` stands for its file in messages.
    ///
    /// # Errors
    /// All mistakes at once, each with its place.
    pub fn parse(name: &str, text: &str, registry: &Registry) -> Result<Plan> {
        Plan::of(Document::parse(name, text).map_err(Error::recipe)?, registry)
    }

    fn of(mut document: Document, registry: &Registry) -> Result<Plan> {
        let mistakes = RefCell::new(Vec::new());
        let mut notes = shortened::fit_to_length(&mut document);
        let repeats = Repeats::take(&mut document, &mistakes);
        notes.extend(repeats.note());
        document.value = completed(document.value);
        let mut foreign = Vec::new();
        let plan = read::plan(&document, registry, &Node::root(&document.value, &mistakes), &mut foreign);
        let mut lines = document.locate_all(&mistakes.borrow());
        lines.extend(foreign);
        match plan {
            Some(plan) if lines.is_empty() => Ok(Plan { repeats, ..plan(document, registry.clone(), notes) }),
            _ => Err(Error::Recipe(lines)),
        }
    }

    /// The device that the recipe names.
    ///
    /// # Errors
    /// A device that this build or machine does not have.
    pub fn open_device(&self) -> Result<Device> {
        self.open_device_of(0)
    }

    /// That of one of several processes of this machine, from 0: of GPUs the next one for each.
    ///
    /// # Errors
    /// As [`Plan::open_device`].
    pub fn open_device_of(&self, place: usize) -> Result<Device> {
        self.device.open_at(place).map_err(|message| self.mistake("device", message))
    }

    /// A mistake at `path` that showed only once the data were open, with its place.
    pub fn mistake(&self, path: &str, message: impl Into<String>) -> Error {
        let mistake = Mistake { path: path.to_owned(), message: message.into() };
        Error::recipe(self.document.locate(&mistake))
    }

    /// The same for an option of `data`; other errors of data as they are.
    pub fn place(&self, error: tallow_data::Error) -> Error {
        match error {
            tallow_data::Error::Option { key, problem } => self.mistake(&format!("data.{key}"), problem),
            other => other.into(),
        }
    }
}
