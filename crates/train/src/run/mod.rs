//! The run: a plan with its data opened, its network built and its weights in place; and the keys of all random numbers. What is
//! done with it is not here, but in `fit`, `inspect` and `share`.

mod batches;
mod calibration;
mod copies;
mod data;
mod device;
pub mod keys;
mod leaks;
pub mod machine;
mod memory;
mod model;
mod precision;
mod pretrained;
mod readable;
mod same;
mod shards;
mod transforms;
mod tta;
mod upload;
mod warnings;
mod weights;

pub use batches::{Batch, Batches};
pub use calibration::{Calibration, FittedOn};
pub use data::{Data, part, split_note};
pub use device::{DeviceChoice, name as device_name};
pub use leaks::{DataCheck, check_data};
pub use memory::Memory;
pub use model::{Model, Start};
pub use precision::Precision;
pub use pretrained::{Pretrained, pretrained};
pub use same::same;
pub use shards::Shards;
pub use transforms::Transforms;
pub use tta::Tta;
pub use upload::Statistics;
#[cfg(feature = "hub")]
pub use weights::Transfers;
pub use weights::config_of;

use crate::fit::{Loss, Optimizer, Schedule, ShardPools, thawed};
use crate::plan::{Plan, RunLength, Weights, misfit};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use tallow_policy::Mistake;
use tallow_ranks::{Alone, Ranks};
use tallow_report::Progress;
use warnings::{enlarged, is_undefined, large_batch, warnings};

/// Everything that a training needs.
pub struct Run {
    pub model: Model,
    pub data: Data,
    pub loss: Loss,
    pub length: RunLength,
    /// Of a run that is resumed with another length: the step, from 0, from which a stage is trained.
    pub thawed: BTreeMap<String, u64>,
    /// What people should know, one sentence each.
    pub notes: Vec<String>,
    /// What people should doubt before they wait for the result.
    pub warnings: Vec<String>,
    /// The processes that train it together.
    pub ranks: Arc<dyn Ranks>,
    /// The threads of the shards that this one walks.
    pub pools: ShardPools,
}

impl Run {
    /// Opens what a plan names.
    ///
    /// # Errors
    /// Data, weights or a device that are not there, or do not fit the plan.
    pub fn build(plan: Plan, start: Start, progress: &Progress) -> Result<Run> {
        Run::build_among(plan, start, progress, Arc::new(Alone))
    }

    /// The same, to be trained together with other processes.
    ///
    /// # Errors
    /// Those of [`Run::build`]; fewer shards than processes.
    pub fn build_among(plan: Plan, start: Start, progress: &Progress, ranks: Arc<dyn Ranks>) -> Result<Run> {
        let device = plan.open_device_of(ranks.place())?;
        plan.precision.check(&device).map_err(|problem| plan.mistake("precision", problem))?;
        plan.check_ranks(ranks.count())?;
        if plan.shards > 1 && !device.is_cpu() {
            plan.check_apart(ranks.count())?;
        }
        // Before the images are looked at one by one.
        if let Start::Recipe = start {
            weights::inspect(&plan)?;
        }
        let data = Data::open_among(&plan, progress, &*ranks)?;
        let classes = data.train.classes().to_vec();
        // Before the weights, which may be large or far.
        let (length, loss) = check_with_data(&plan, &data)?;
        let mut warnings = warnings(&*data.train, &*data.validation);
        warnings.extend(plan.doubts());
        warnings.extend(plan.device.passed_over(&device));
        warnings.extend(plan.precision.doubt(&device).map(|doubt| format!("precision: {doubt}")));
        if is_undefined(plan.select, &*data.validation) {
            warnings.push(format!(
                "select: {} is undefined on the validation part, whose images are all of one class, so that no epoch is \
                 better than the first; select another metric, such as `select: accuracy`, or divide the data otherwise \
                 (data.split)",
                plan.select.name
            ));
        }
        let of_sizes = [large_batch(&plan, &*data.train), enlarged(&plan, &*data.train)];
        let thawed = match start {
            Start::Checkpoint(place) => thawed::thawed(place, &plan, length)?,
            Start::Recipe | Start::Weights(_) => BTreeMap::new(),
        };
        let (model, of_weights) = Model::build(plan, classes, device, start, progress)?;
        let notes = model.plan.notes.iter().chain(&data.notes).cloned();
        let shards = Shards { count: model.plan.shards, ranks: ranks.count(), rank: ranks.index() };
        let notes = notes
            .chain(shards.described(&model.plan))
            .chain(of_sizes.into_iter().flatten())
            .chain(of_weights)
            .chain(thawed::note(&thawed))
            .collect();
        Ok(Run { model, data, loss, length, thawed, notes, warnings, ranks, pools: ShardPools::default() })
    }

    pub fn plan(&self) -> &Plan {
        &self.model.plan
    }

    pub fn optimizer(&self) -> &Optimizer {
        &self.model.plan.optimizer
    }

    /// The step, from 0, from which a stage is trained; `None` where it never is.
    pub fn begins(&self, stage: &str) -> Option<u64> {
        self.thawed.get(stage).copied().or_else(|| self.plan().begins(stage, self.length))
    }

    /// Its training batches.
    ///
    /// # Errors
    /// None that [`Run::build`] did not find.
    pub fn batches(&self) -> Result<Batches<'_>> {
        Ok(Batches::new(&self.model.plan, &self.data)?.among(&*self.ranks))
    }

    /// The learning rate of every step.
    ///
    /// # Errors
    /// None that [`Run::build`] did not find.
    pub fn schedule(&self) -> Result<Schedule> {
        Schedule::of(&self.model.plan, self.length)
    }
}

/// The data of a plan, without decoding the images, and every mistake that can be told with data and weights there: files that end early
/// and copies too, and weights that the network does not take. Those of the hub are not looked for.
pub fn inspect(plan: &Plan) -> (Option<Data>, Vec<Error>) {
    let (mut data, mut errors) = match Data::looked_at(plan) {
        Ok((data, errors)) => (Some(data), errors),
        Err(error) => (None, vec![error]),
    };
    errors.extend(data.as_ref().and_then(|data| check_with_data(plan, data).err()));
    match (weights_taken(plan, data.as_ref()), &mut data) {
        (Ok(notes), Some(data)) => data.notes.extend(notes),
        (Ok(_), None) => {}
        (Err(error), _) => errors.push(error),
    }
    (data, errors)
}

/// Puts the weights of a plan into its network, as a run would, if they are a file of this machine; what there is to say of them.
fn weights_taken(plan: &Plan, data: Option<&Data>) -> Result<Vec<String>> {
    weights::inspect(plan)?;
    let Some(Weights::File(_)) = plan.model.weights else { return Ok(Vec::new()) };
    // A head of other classes is replaced: any will do where those of the data are not known.
    let unknown = || ["0", "1"].map(str::to_owned).to_vec();
    let classes = data.map_or_else(unknown, |data| data.train.classes().to_vec());
    Model::check(plan, &classes, &Progress::hidden()).map_err(of_weights)
}

/// What is wrong with a file of weights is bad data.
fn of_weights(error: Error) -> Error {
    match error {
        Error::Model(tallow_models::Error::File(problem) | tallow_models::Error::Mismatch(problem)) => {
            Error::Data(format!("model.weights: {problem}"))
        }
        other => other,
    }
}

/// Every mistake that can be told with data and weights there, without a look at the images.
pub fn fits(plan: &Plan) -> Vec<Error> {
    let of_data = Data::undecoded(plan).and_then(|data| check_with_data(plan, &data)).err();
    of_data.into_iter().chain(weights::inspect(plan).err()).collect()
}

/// What of a plan can be checked only with its data open.
///
/// # Errors
/// A sampler, class weights, sizes, a length or a schedule that do not fit the data.
pub fn check_with_data(plan: &Plan, data: &Data) -> Result<(RunLength, Loss)> {
    let batches = Batches::new(plan, data)?;
    let loss = plan.loss.build(batches.labels().iter().copied(), data.train.classes());
    let loss = loss.map_err(|Mistake { path, message }| plan.mistake(&path, message))?;
    fixed_size(plan, data)?;
    Schedule::of(plan, batches.length)?;
    if let Some(Mistake { path, message }) =
        misfit(&plan.model.freeze, |duration| Some(batches.length.share_of(duration)))
    {
        return Err(plan.mistake(&path, message));
    }
    Ok((batches.length, loss))
}

/// Refuses chains whose images do not have the model's size: known from the chain alone, or from the first image.
fn fixed_size(plan: &Plan, data: &Data) -> Result<()> {
    let stored =
        data.train.image(0).and_then(|image| tallow_data::size(&image)).map_err(|error| match error {
            tallow_data::Error::Option { .. } => plan.place(error),
            error => Error::Data(format!("{}: {error}", data.train.id(0))),
        })?;
    let input = (plan.model.input, plan.model.input);
    for (key, policies) in [("images", &plan.images), ("evaluation", &plan.evaluation)] {
        let mut sizes = policies.output_sizes_from(Some(stored)).flatten();
        let Some((width, height)) = sizes.find(|size| *size != input) else { continue };
        let side = plan.model.input;
        let remedy = format!("end the list with {{ resize: [{side}, {side}] }}");
        let problem = format!(
            "gives images of {width} by {height} pixels, expected the model's {side} by {side}; {remedy}"
        );
        return Err(plan.mistake(key, problem));
    }
    let evaluation = &plan.evaluation;
    if let (Some(_), Some(crop), Some(image)) =
        (plan.crops, evaluation.last_crop(), evaluation.size_before_last(Some(stored)))
        && (image.0 < crop.0 || image.1 < crop.1)
    {
        let problem = format!(
            "crops of {} by {} pixels do not fit into images of {} by {}; resize them to more in `evaluation`",
            crop.0, crop.1, image.0, image.1
        );
        return Err(plan.mistake("evaluation_crops", problem));
    }
    Ok(())
}
