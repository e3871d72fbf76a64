//! The run: a plan with its data opened, its network built and its weights in place.

use crate::loss::Loss;
use crate::model::{Model, Start};
use crate::optimizer::Optimizer;
use crate::plan::{Plan, ShapePlan};
use crate::schedule::{Schedule, Shape};
use crate::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;
use tallow_data::{Dataset, Encoded, HostBatch, Options, Sampler, Subset};
use tallow_policy::{Policy, View};
use tallow_report::{Progress, Unit};
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
}

/// The parts of a dataset, disjoint by image and group.
pub struct Data {
    pub train: Arc<dyn Dataset>,
    pub validation: Arc<dyn Dataset>,
    pub test: Option<Arc<dyn Dataset>>,
    /// Fingerprint of the ids, labels and groups of all parts.
    pub manifest: String,
    groups: HashMap<String, u32>,
    pub notes: Vec<String>,
}

impl Run {
    pub fn build(plan: Plan, start: Start, progress: &Progress) -> Result<Run> {
        let device = plan.device.open().map_err(|message| plan.mistake("device", message))?;
        let data = Data::open(&plan, progress)?;
        let classes = data.train.classes().to_vec();
        let sampler = Sampler::parse(&plan.data.sampler, &classes).map_err(|error| plan.place(error))?;
        let labels: Vec<u32> = (0..data.train.len()).map(|index| data.train.label(index)).collect();
        let checked = sampler.check(&labels, plan.data.batch, plan.data.drop_last);
        checked.map_err(|error| plan.place(error))?;
        let loss = plan.loss.build(labels.into_iter(), classes.len());
        let loss = loss.map_err(|problem| plan.mistake("loss.class_weights", problem))?;
        fixed_size(&plan, &data)?;
        let views = views(&plan.policy);
        let (model, said) = Model::build(plan, classes, device, start, progress)?;
        let notes = data.notes.iter().cloned().chain(said).collect();
        Ok(Run { model, data, loss, sampler, views, notes })
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
        let plan = &self.model.plan;
        match plan.length.steps(batches, plan.data.batch as u64) {
            Some(steps) if steps > 0 => Ok(steps),
            Some(_) => Err(plan.mistake("length", "expected at least one step, such as 1 epochs")),
            None => {
                Err(plan.mistake("length", "expected a number of epochs, steps or images, such as 30 epochs"))
            }
        }
    }

    /// The schedule over `total` steps.
    pub fn schedule(&self, total: u64, batches: u64) -> Schedule {
        let plan = &self.model.plan.schedule;
        let steps = |duration: tallow_policy::Duration| {
            duration.steps_of(total, batches, self.model.plan.data.batch as u64)
        };
        let shape = match &plan.shape {
            ShapePlan::Constant => Shape::Constant,
            ShapePlan::Step { every, factor } => Shape::Step { every: steps(*every).max(1), factor: *factor },
            ShapePlan::Multistep { milestones, factor } => Shape::Multistep {
                milestones: milestones.iter().map(|m| steps(*m)).collect(),
                factor: *factor,
            },
            ShapePlan::Cosine { floor } => Shape::Cosine { floor: *floor },
            &ShapePlan::OneCycle { rise, start_divisor, final_divisor, linear, momentum } => {
                Shape::OneCycle { rise, start_divisor, final_divisor, linear, momentum }
            }
        };
        Schedule { shape, rate: plan.rate, warmup: plan.warmup.map_or(0, steps), total }
    }

    pub fn optimizer(&self) -> &Optimizer {
        &self.model.plan.optimizer
    }
}

impl Data {
    /// Opens, divides and checks the data of a plan.
    pub fn open(plan: &Plan, progress: &Progress) -> Result<Data> {
        // Sources that draw their images have their own seed; the split of a dataset must not move with the run's.
        let options = Options::new(plan.data.options.clone(), Seed::new(1));
        let parts = plan.data.source.read(&options).map_err(|error| plan.place(error))?;
        let mut notes = parts.notes;
        let whole = parts.train.ok_or_else(|| {
            Error::Data(format!("data: {} has no training part here; see data.root", plan.data.source.name))
        })?;
        let (train, validation): (Arc<dyn Dataset>, Arc<dyn Dataset>) =
            match (&plan.data.split, parts.validation) {
                (Some(split), _) => {
                    let divided = tallow_data::divide(whole, split, Seed::new(1).fold("split", 0));
                    let divided = divided.map_err(|error| plan.place(error))?;
                    (divided.train, divided.validation)
                }
                (None, Some(validation)) => (whole, validation),
                (None, None) => {
                    let remedy = "write, for example, split: { validation: 0.15 } below data";
                    return Err(plan.mistake(
                        "data.split",
                        format!("{} has no validation part here; {remedy}", plan.data.source.name),
                    ));
                }
            };
        let mut data = [Some(train), Some(validation), parts.test];
        for (part, name) in data.iter_mut().zip(["train", "validation", "test"]) {
            if let Some(part) = part {
                *part = readable(part.clone(), name, plan, progress, &mut notes)?;
            }
        }
        let [Some(train), Some(validation), test] = data else { unreachable!("both were put there") };
        let mut named: Vec<(&str, &dyn Dataset)> = vec![("train", &*train), ("validation", &*validation)];
        if let Some(test) = &test {
            named.push(("test", &**test));
        }
        tallow_data::check_disjoint(&named)?;
        if train.is_empty() || validation.is_empty() {
            let (a, b) = (train.len(), validation.len());
            return Err(Error::Data(format!(
                "data: expected images in both parts, got train {a}, validation {b}"
            )));
        }
        let manifests: Vec<String> = named.iter().map(|(_, part)| tallow_data::manifest(*part)).collect();
        let mut groups = HashMap::new();
        for group in (0..train.len()).filter_map(|index| train.group(index)) {
            let next = groups.len() as u32;
            groups.entry(group.to_owned()).or_insert(next);
        }
        let leak = match train.group_name() {
            Some(name) => format!("no {name} is on two sides of the split (checked)"),
            None => "this dataset has no groups: only images were checked to be on one side of the split"
                .to_owned(),
        };
        notes.push(leak);
        Ok(Data {
            manifest: tallow_data::fingerprint(manifests.join("-").as_bytes()),
            train,
            validation,
            test,
            groups,
            notes,
        })
    }

    /// The group of each row of a training batch, interned.
    pub fn interned(&self, batch: &HostBatch) -> Vec<Option<u32>> {
        let group = |index: &u32| self.train.group(*index as usize).map(|group| self.groups[group]);
        batch.indices.iter().map(group).collect()
    }
}

/// One part of a plan's data, by name; the official test part without opening or dividing the others.
pub fn part(plan: &Plan, name: &str, progress: &Progress) -> Result<Arc<dyn Dataset>> {
    match name {
        "train" => Ok(Data::open(plan, progress)?.train),
        "validation" | "val" => Ok(Data::open(plan, progress)?.validation),
        "test" => {
            let options = Options::new(plan.data.options.clone(), Seed::new(1));
            let parts = plan.data.source.read(&options).map_err(|error| plan.place(error))?;
            let test = parts.test.ok_or_else(|| {
                Error::Data(format!(
                    "{} has no test part here; parts: train, validation",
                    plan.data.source.name
                ))
            })?;
            readable(test, "test", plan, progress, &mut Vec::new())
        }
        "all" => {
            let options = Options::new(plan.data.options.clone(), Seed::new(1));
            let parts = plan.data.source.read(&options)?;
            match (parts.train, parts.validation, parts.test) {
                (Some(all), None, None) => readable(all, "all", plan, progress, &mut Vec::new()),
                _ => Err(Error::recipe(format!(
                    "--split all: {} has parts of its own here; name one: train, validation, test",
                    plan.data.source.name
                ))),
            }
        }
        other => Err(Error::recipe(format!("--split: no part `{other}`; parts: train, validation, test"))),
    }
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
    Ok(())
}

/// The part without its broken images, or an error that names them.
fn readable(
    part: Arc<dyn Dataset>,
    name: &str,
    plan: &Plan,
    progress: &Progress,
    notes: &mut Vec<String>,
) -> Result<Arc<dyn Dataset>> {
    // Pixels in memory cannot be broken.
    if part.is_empty() || matches!(part.image(0), Ok(Encoded::Pixels(_))) {
        return Ok(part);
    }
    let bar = progress.bar(&format!("checking {name}"), Unit::Images, Some(part.len() as u64));
    let broken = tallow_data::broken(&*part, plan.data.workers, &|_| bar.tick(1, &[]));
    drop(bar);
    if broken.is_empty() {
        return Ok(part);
    }
    let first: Vec<String> = broken.iter().take(5).map(|b| format!("  {}: {}", b.id, b.reason)).collect();
    let more =
        if broken.len() > 5 { format!("\n  … and {} more", broken.len() - 5) } else { String::new() };
    let summary = format!(
        "{} of {} {name} images cannot be read:\n{}{more}",
        broken.len(),
        part.len(),
        first.join("\n")
    );
    if !plan.data.skip_broken {
        let remedy = "fetch them again, or write broken: skip below data to go on without them";
        return Err(Error::Data(format!("{summary}\n{remedy}")));
    }
    notes.push(format!("left out: {summary}"));
    Ok(Arc::new(Subset::without(part, &broken)))
}
