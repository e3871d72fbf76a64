//! The run: a plan with its data opened, its network built and its weights in place.

use crate::data::Data;
use crate::loss::Loss;
use crate::model::{Model, Start};
use crate::optimizer::Optimizer;
use crate::plan::{AT_LEAST_ONE, Plan, ShapePlan, misfits};
use crate::schedule::{Schedule, Shape};
use crate::warnings::{is_undefined, warnings};
use crate::{Error, Result};
use tallow_data::{HostBatch, Sampler};
use tallow_policy::{Duration, Mistake, Policy, TrainingProgress, View};
use tallow_report::Progress;
use tallow_seed::Seed;

/// Everything that a training needs.
pub struct Run {
    pub model: Model,
    pub data: Data,
    pub loss: Loss,
    sampler: Sampler,
    /// Views that the policy's branches see, in the order of a batch's views.
    views: Vec<View>,
    /// What people should know, one sentence each.
    pub notes: Vec<String>,
    /// What people should doubt before they wait for the result.
    pub warnings: Vec<String>,
}

impl Run {
    pub fn build(plan: Plan, start: Start, progress: &Progress) -> Result<Run> {
        let device = plan.device.open().map_err(|message| plan.mistake("device", message))?;
        // Before the images are looked at one by one.
        if let Start::Recipe = start {
            crate::weights::inspect(&plan)?;
        }
        let data = Data::open(&plan, progress)?;
        let classes = data.train.classes().to_vec();
        // Before the weights, which may be large or far.
        let (sampler, loss) = fit_together(&plan, &data)?;
        let mut warnings = warnings(&*data.train, &*data.validation);
        if is_undefined(plan.select, &*data.validation) {
            warnings.push(format!(
                "select: {} is undefined on the validation part, whose images are all of one class, so that no epoch is \
                 better than the first; select another metric, such as `select: accuracy`, or divide the data otherwise \
                 (data.split)",
                plan.select.name
            ));
        }
        let views = views(&plan.policy);
        let (model, said) = Model::build(plan, classes, device, start, progress)?;
        let notes = data.notes.iter().cloned().chain(said).collect();
        Ok(Run { model, data, loss, sampler, views, notes, warnings })
    }

    pub fn plan(&self) -> &Plan {
        &self.model.plan
    }

    /// Where a batch holds this view.
    pub fn view(&self, view: View) -> usize {
        self.views.iter().position(|known| *known == view).unwrap_or(0)
    }

    /// The views of a training batch.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// The group of each row of a training batch, interned.
    pub fn groups(&self, batch: &HostBatch) -> Vec<Option<u32>> {
        self.data.interned(batch)
    }

    /// The batches of an epoch, counted from 0.
    pub fn batches(&self, epoch: u64) -> Vec<Vec<u32>> {
        batches_of(&self.sampler, &self.model.plan, &self.data, epoch)
    }

    /// Steps of the whole run, given the batches of an epoch.
    pub fn steps(&self, batches: u64) -> Result<u64> {
        steps(&self.model.plan, batches)
    }

    /// The schedule over `total` steps; errs where its warm-up or a milestone lies beyond them.
    pub fn schedule(&self, total: u64, batches: u64) -> Result<Schedule> {
        schedule(&self.model.plan, total, batches)
    }

    /// Where step `step` (from 0) is in a run of `total` steps, `batches` an epoch.
    pub fn progress(&self, step: u64, total: u64, batches: u64) -> TrainingProgress {
        TrainingProgress {
            step,
            steps: total,
            batches_per_epoch: batches,
            batch: self.model.plan.data.batch as u64,
        }
    }

    /// The seed of a batch of an epoch, both counted from 0.
    pub fn step_seed(&self, epoch: u64, batch: u64) -> Seed {
        Seed::new(self.model.plan.seed).fold("epoch", epoch).fold("step", batch)
    }

    pub fn optimizer(&self) -> &Optimizer {
        &self.model.plan.optimizer
    }
}

/// Whether the data and the weights that a plan names are there and fit it; every mistake that can be told without decoding the
/// images. Weights of the hub are not looked for.
pub fn inspect(plan: &Plan) -> Vec<Error> {
    let data = Data::undecoded(plan).and_then(|data| fit_together(plan, &data).map(drop));
    [data, crate::weights::inspect(plan)].into_iter().filter_map(Result::err).collect()
}

/// What of a plan can be judged only with its data open.
pub fn fit_together(plan: &Plan, data: &Data) -> Result<(Sampler, Loss)> {
    let classes = data.train.classes();
    let sampler = Sampler::parse(&plan.data.sampler, classes).map_err(|error| plan.place(error))?;
    let labels: Vec<u32> = (0..data.train.len()).map(|index| data.train.label(index)).collect();
    let checked = sampler.check(&labels, plan.data.batch, plan.data.drop_last);
    checked.map_err(|error| plan.place(error))?;
    let loss = plan.loss.build(labels.into_iter(), classes.len());
    let loss = loss.map_err(|problem| plan.mistake("loss.class_weights", problem))?;
    fixed_size(plan, data)?;
    let batches = batches_of(&sampler, plan, data, 0).len() as u64;
    schedule(plan, steps(plan, batches)?, batches)?;
    Ok((sampler, loss))
}

/// Steps of the whole run, given the batches of an epoch.
pub fn steps(plan: &Plan, batches: u64) -> Result<u64> {
    match plan.length.steps(batches, plan.data.batch as u64) {
        Some(steps) if steps > 0 => Ok(steps),
        _ => Err(plan.mistake("length", AT_LEAST_ONE)),
    }
}

fn schedule(plan: &Plan, total: u64, batches: u64) -> Result<Schedule> {
    let batch = plan.data.batch as u64;
    let share = |duration| match duration {
        Duration::Epochs(n) => Some(n * batches as f64 / total as f64),
        other => Some(other.steps_of(total, batches, batch) as f64 / total as f64),
    };
    if let Some(Mistake { path, message }) = misfits(&plan.schedule, share).into_iter().next() {
        return Err(plan.mistake(&path, message));
    }
    let steps = |duration: Duration| duration.steps_of(total, batches, batch);
    let shape = match &plan.schedule.shape {
        ShapePlan::Constant => Shape::Constant,
        ShapePlan::Step { every, factor } => Shape::Step { every: steps(*every).max(1), factor: *factor },
        ShapePlan::Multistep { milestones, factor } => {
            Shape::Multistep { milestones: milestones.iter().map(|m| steps(*m)).collect(), factor: *factor }
        }
        ShapePlan::Cosine { floor } => Shape::Cosine { floor: *floor },
        &ShapePlan::OneCycle { rise, start_divisor, final_divisor, linear, momentum } => {
            Shape::OneCycle { rise, start_divisor, final_divisor, linear, momentum }
        }
    };
    Ok(Schedule { shape, lr: plan.schedule.lr, warmup: plan.schedule.warmup.map_or(0, steps), total })
}

/// The views that the branches see, each once.
pub fn views(policy: &Policy) -> Vec<View> {
    let mut views: Vec<View> = Vec::new();
    for branch in policy.running() {
        if !views.contains(&branch.view) {
            views.push(branch.view);
        }
    }
    views
}

/// The batches of an epoch, counted from 0.
pub fn batches(plan: &Plan, data: &Data, epoch: u64) -> Result<Vec<Vec<u32>>> {
    let sampler = Sampler::parse(&plan.data.sampler, data.train.classes());
    let sampler = sampler.map_err(|error| plan.place(error))?;
    Ok(batches_of(&sampler, plan, data, epoch))
}

fn batches_of(sampler: &Sampler, plan: &Plan, data: &Data, epoch: u64) -> Vec<Vec<u32>> {
    let labels: Vec<u32> = (0..data.train.len()).map(|index| data.train.label(index)).collect();
    let seed = Seed::new(plan.seed).fold("epoch", epoch);
    sampler.epoch(&labels, data.train.classes().len(), plan.data.batch, plan.data.drop_last, seed)
}

/// Refuses chains whose images do not have the model's size: known from the chain alone, or from the first image.
fn fixed_size(plan: &Plan, data: &Data) -> Result<()> {
    let stored =
        data.train.image(0).and_then(|image| tallow_data::size(&image)).map_err(|error| plan.place(error))?;
    let input = (plan.model.input, plan.model.input);
    for (key, chain) in [("images", &plan.images), ("evaluation", &plan.evaluation)] {
        let Some((width, height)) = chain.output_size_from(Some(stored)).filter(|size| *size != input) else {
            continue;
        };
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
