//! The run: a plan with its data opened, its network built and its weights in place.

use crate::loss::Loss;
use crate::model::{Model, Start};
use crate::optimizer::Optimizer;
use crate::plan::{AT_LEAST_ONE, Plan, ShapePlan, misfits};
use crate::schedule::{Schedule, Shape};
use crate::warnings::{is_undefined, warnings};
use crate::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;
use tallow_data::{Dataset, Encoded, HostBatch, Options, Parts, Sampler, Subset};
use tallow_policy::{Duration, Mistake, Policy, View};
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
    /// What people should doubt before they wait for the result.
    pub warnings: Vec<String>,
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
        // Before the weights, which may be large or far.
        let batches = batches_of(&sampler, &plan, &data, 0).len() as u64;
        schedule(&plan, steps(&plan, batches)?, batches)?;
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

    pub fn optimizer(&self) -> &Optimizer {
        &self.model.plan.optimizer
    }
}

impl Data {
    /// Opens, divides and checks the data of a plan.
    pub fn open(plan: &Plan, progress: &Progress) -> Result<Data> {
        let (mut parts, mut notes) = divided(plan, official(plan)?)?;
        disjoint(&parts)?;
        readable(&mut parts, plan, progress, &mut notes)?;
        let manifests: Vec<String> = parts.iter().map(|(_, part)| tallow_data::manifest(&**part)).collect();
        let mut parts = parts.into_iter().map(|(_, part)| part);
        let (Some(train), Some(validation), test) = (parts.next(), parts.next(), parts.next()) else {
            unreachable!("a division has both")
        };
        if train.is_empty() || validation.is_empty() {
            let (a, b) = (train.len(), validation.len());
            return Err(Error::Data(format!(
                "data: expected images in both parts, got train {a}, validation {b}"
            )));
        }
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

/// One part of a plan's data, by name, and what people should know of it as notes. Only its own images are looked at.
pub fn part(plan: &Plan, name: &str, progress: &Progress) -> Result<Arc<dyn Dataset>> {
    let official = official(plan)?;
    let known: Vec<&str> = [
        ("train", official.train.is_some()),
        (
            "validation",
            official.validation.is_some() || (official.train.is_some() && plan.data.split.is_some()),
        ),
        ("test", official.test.is_some()),
    ]
    .iter()
    .filter_map(|(name, is_there)| is_there.then_some(*name))
    .collect();
    let source = plan.data.source.name;
    let name = match name {
        "train" => "train",
        "validation" | "val" => "validation",
        "test" => "test",
        "all" => "all",
        other => {
            let problem = format!("--split: no part `{other}`; parts: train, validation, test, all");
            return Err(Error::recipe(problem));
        }
    };
    if name == "all" && (official.train.is_none() || official.validation.is_some() || official.test.is_some())
    {
        let problem =
            format!("--split all: {source} has parts of its own here; name one: {}", known.join(", "));
        return Err(Error::recipe(problem));
    }
    if name != "all" && !known.contains(&name) {
        let remedy = match known[..] {
            ["train"] => "take all of it (--split all), or divide it (data.split.validation=0.15)".to_owned(),
            _ => format!("parts: {}", known.join(", ")),
        };
        return Err(Error::Data(format!("--split {name}: {source} has no {name} part here; {remedy}")));
    }
    let (parts, mut notes) = match (name, &plan.data.split, official) {
        // Neither moves with a split, nor needs one.
        ("all" | "test", _, Parts { train, test, notes, .. }) => {
            (vec![(name, if name == "all" { train } else { test }.expect("was found to be there"))], notes)
        }
        ("train", None, Parts { train: Some(train), validation: None, notes, .. }) => {
            (vec![(name, train)], notes)
        }
        (_, _, official) => {
            let (parts, notes) = divided(plan, official)?;
            disjoint(&parts)?;
            (parts, notes)
        }
    };
    let mut part: Vec<_> = parts.into_iter().filter(|(part, _)| *part == name).collect();
    readable(&mut part, plan, progress, &mut notes)?;
    notes.iter().for_each(|note| progress.note(note));
    let (_, part) = part.pop().expect("was found to be there");
    if part.is_empty() {
        return Err(Error::Data(format!("--split {name}: expected images, got none")));
    }
    Ok(part)
}

/// Datasets by name: train and validation, and test where there is one.
type Named = Vec<(&'static str, Arc<dyn Dataset>)>;

/// The official parts of a plan's data.
fn official(plan: &Plan) -> Result<Parts> {
    // Sources that draw their images have their own seed; the split of a dataset must not move with the run's.
    let options = Options::new(plan.data.options.clone(), Seed::new(1));
    plan.data.source.read(&options).map_err(|error| plan.place(error))
}

/// The parts that a plan trains with, and the source's notes.
fn divided(plan: &Plan, parts: Parts) -> Result<(Named, Vec<String>)> {
    let source = plan.data.source.name;
    let whole = parts
        .train
        .ok_or_else(|| Error::Data(format!("data: {source} has no training part here; see data.root")))?;
    let (train, validation): (Arc<dyn Dataset>, Arc<dyn Dataset>) = match (&plan.data.split, parts.validation)
    {
        (Some(split), _) => {
            let divided = tallow_data::divide(whole, split, Seed::new(1).fold("split", 0));
            let divided = divided.map_err(|error| plan.place(error))?;
            (divided.train, divided.validation)
        }
        (None, Some(validation)) => (whole, validation),
        (None, None) => {
            let remedy = "write, for example, split: { validation: 0.15 } below data";
            return Err(plan.mistake("data.split", format!("{source} has no validation part here; {remedy}")));
        }
    };
    let mut named = vec![("train", train), ("validation", validation)];
    named.extend(parts.test.map(|test| ("test", test)));
    Ok((named, parts.notes))
}

fn disjoint(parts: &Named) -> Result<()> {
    let parts: Vec<(&str, &dyn Dataset)> = parts.iter().map(|(name, part)| (*name, &**part)).collect();
    Ok(tallow_data::check_disjoint(&parts)?)
}

fn steps(plan: &Plan, batches: u64) -> Result<u64> {
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
    Ok(Schedule { shape, rate: plan.schedule.rate, warmup: plan.schedule.warmup.map_or(0, steps), total })
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

/// Leaves the broken images out of every part; an error that names those of all parts, unless the plan skips them.
fn readable(parts: &mut Named, plan: &Plan, progress: &Progress, notes: &mut Vec<String>) -> Result<()> {
    const NAMED: usize = 20;
    // Pixels in memory cannot be broken.
    let drawn = |part: &dyn Dataset| part.is_empty() || matches!(part.image(0), Ok(Encoded::Pixels(_)));
    let mut stored: Vec<_> = parts.iter_mut().filter(|(_, part)| !drawn(&**part)).collect();
    if stored.is_empty() {
        return Ok(());
    }
    let images: usize = stored.iter().map(|(_, part)| part.len()).sum();
    let names: Vec<&str> = stored.iter().map(|(name, _)| *name).collect();
    let label = format!("checking {}", names.join(", "));
    let bar = progress.bar(&label, Unit::Images, Some(images as u64));
    let mut complaints = Vec::new();
    for (name, part) in &mut stored {
        let broken = tallow_data::broken(&**part, plan.data.workers, &|_| bar.tick(1, &[]));
        if !broken.is_empty() {
            complaints.push(tallow_data::complaint(&broken, part.len(), name, NAMED));
            *part = Arc::new(Subset::without(part.clone(), &broken));
        }
    }
    if !complaints.is_empty() && !plan.data.skip_broken {
        let remedy = "fetch them again, or leave them out: `broken: skip` below data, on a command line data.broken=skip";
        return Err(Error::Data(format!("{}\n{remedy}", complaints.join("\n"))));
    }
    notes.extend(complaints.iter().map(|complaint| format!("left out: {complaint}")));
    Ok(())
}
