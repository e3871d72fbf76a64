//! What policies do to the data of a recipe, without training: labels, dimension, distance, time. And what a training made of
//! its classes.

mod demonstration;
mod features;
mod labels;

pub use demonstration::{Demonstration, Kind, demonstrate, p_series};
pub use features::separation;
pub use labels::{BINS, Labels};

use crate::bench::Times;
use crate::data::Data;
use crate::fit::prepare;
use crate::loss::Loss;
use crate::model::{Model, Start};
use crate::plan::Plan;
use crate::run::Run;
use crate::step::Work;
use crate::upload::Statistics;
use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};
use std::time::Instant;
use tallow_data::{HostBatch, Loader};
use tallow_metrics::{Points, local_dimension};
use tallow_policy::{Branch, BranchPass, Policy, Rows, TrainingProgress, View};
use tallow_report::{Progress, Unit};
use tallow_seed::Seed;

/// Numbers of neighbours that dimensions are estimated with.
pub const NEIGHBOURS: [usize; 2] = [8, 128];

/// What some batches of a recipe look like under each policy.
pub struct Stats {
    pub batches: usize,
    pub images: usize,
    /// Class names, in label order.
    pub classes: Vec<String>,
    /// Of an image to the nearest other one, unmixed: mean, as [`BranchStats::nearest`].
    pub spacing: f64,
    /// The unmixed data first.
    pub policies: Vec<PolicyStats>,
}

pub struct PolicyStats {
    pub name: String,
    /// Those that run.
    pub branches: Vec<BranchStats>,
    /// Draws, blends and targets of all branches on a batch: median over the batches. A mix inside the network is timed on
    /// the values at `input`; a gradient that a mix looks at is not timed.
    pub milliseconds: f64,
}

/// Labels are those of all mixes of the branch; values those at `input`, in 0 to 1 as pixels are.
pub struct BranchStats {
    pub weight: f64,
    pub labels: Labels,
    /// Mean over the mixed images of min_j √(Σ (x̂ − x_j)² / numbers of an image), x_j the unmixed images of all batches.
    pub nearest: f64,
    /// [`local_dimension`] of each mixed image among those of all batches, for each of [`NEIGHBOURS`]; `None` where there
    /// are no more images than neighbours.
    pub dimensions: [Option<Vec<usize>>; 2],
}

impl PolicyStats {
    /// Σ w_b · value_b / Σ w_b over the branches, w their weight in the loss. `None` where a branch has no value.
    pub fn mean(&self, value: impl Fn(&BranchStats) -> Option<f64>) -> Option<f64> {
        let weight: f64 = self.branches.iter().map(|branch| branch.weight).sum();
        let sum =
            self.branches.iter().map(|branch| Some(branch.weight * value(branch)?)).sum::<Option<f64>>()?;
        Some(sum / weight)
    }

    pub fn label_entropy(&self) -> f64 {
        self.mean(|branch| Some(branch.labels.entropy())).unwrap_or(f64::NAN)
    }

    pub fn own_mass(&self) -> f64 {
        self.mean(|branch| Some(branch.labels.own_mass())).unwrap_or(f64::NAN)
    }

    pub fn nearest(&self) -> f64 {
        self.mean(|branch| Some(branch.nearest)).unwrap_or(f64::NAN)
    }

    /// Mean over the images, for the k of that place in [`NEIGHBOURS`].
    pub fn dimension(&self, which: usize) -> Option<f64> {
        self.mean(|branch| {
            let found = branch.dimensions[which].as_ref()?;
            Some(found.iter().sum::<usize>() as f64 / found.len() as f64)
        })
    }

    /// (C, C): [`Labels::confusion`] of the branches' mean; NaN for a class without rows.
    pub fn confusion(&self) -> Vec<Vec<f64>> {
        let all: Vec<(f64, Vec<Vec<f64>>)> =
            self.branches.iter().map(|branch| (branch.weight, branch.labels.confusion())).collect();
        let weight: f64 = all.iter().map(|(weight, _)| weight).sum();
        let classes = all.first().map_or(0, |(_, confusion)| confusion.len());
        let entry = |i: usize, j: usize| all.iter().map(|(w, c)| w * c[i][j]).sum::<f64>() / weight;
        (0..classes).map(|i| (0..classes).map(|j| entry(i, j)).collect()).collect()
    }
}

/// The first `batches` training batches of a recipe under no policy, its own, and `others`. A mix that looks at the
/// gradient by the input sees that of the network with its initial weights.
pub fn stats(mut plan: Plan, others: &[Policy], batches: usize, progress: &Progress) -> Result<Stats> {
    let running = plan.policy.running().chain(others.iter().flat_map(Policy::running));
    if running.into_iter().any(Branch::needs_input_gradient) {
        let run = Run::build(plan, Start::Recipe, progress)?;
        let statistics = run.model.statistics;
        let network = Some((&run.model, &run.loss));
        return Sight { plan: run.plan(), data: &run.data, network, statistics }
            .all(others, batches, progress);
    }
    plan.paint_as_weights();
    let data = Data::open(&plan, progress)?;
    let statistics = Statistics { mean: plan.model.spec.mean, std: plan.model.spec.std };
    Sight { plan: &plan, data: &data, network: None, statistics }.all(others, batches, progress)
}

/// What batches are seen with.
struct Sight<'a> {
    plan: &'a Plan,
    data: &'a Data,
    network: Option<(&'a Model, &'a Loss)>,
    statistics: Statistics,
}

/// A training batch, the seed of its draws, and when in the run it is.
struct Timed {
    batch: HostBatch,
    rows: Rows,
    seed: Seed,
    progress: TrainingProgress,
}

impl Sight<'_> {
    fn all(&self, others: &[Policy], batches: usize, progress: &Progress) -> Result<Stats> {
        let none = Policy::none();
        let mut policies = vec![&none];
        let mixes = |policy: &Policy| policy.running().any(|branch| !branch.nodes.is_empty());
        for policy in [&self.plan.policy].into_iter().chain(others).filter(|policy| mixes(policy)) {
            if policies.iter().all(|known| known.name != policy.name) {
                policies.push(policy);
            }
        }
        let mut views: Vec<View> = Vec::new();
        for view in policies.iter().flat_map(|policy| policy.running()).map(|branch| branch.view) {
            if !views.contains(&view) {
                views.push(view);
            }
        }
        let timed = self.load(&views, batches)?;
        let classes = self.data.train.classes().to_vec();
        let unmixed = |view: &View| -> Result<Points> {
            let values: Result<Vec<_>> =
                timed.iter().map(|timed| self.pixels(&self.upload(timed, &views, *view)?)).collect();
            points(values?)
        };
        let real: Vec<Points> = views.iter().map(unmixed).collect::<Result<_>>()?;
        let mut stats = Stats {
            batches: timed.len(),
            images: real[0].len(),
            classes,
            spacing: spread(&real[0], &real[0]),
            policies: Vec::new(),
        };
        let bar = progress.bar("stats", Unit::Images, Some((policies.len() * stats.images) as u64));
        for policy in policies {
            stats.policies.push(self.policy(policy, &timed, &views, &real, &|images| bar.tick(images, &[]))?);
        }
        Ok(stats)
    }

    /// So many batches, over as many epochs as that takes.
    fn load(&self, views: &[View], count: usize) -> Result<Vec<Timed>> {
        let (plan, size) = (self.plan, self.plan.data.batch as u64);
        let mut timed = Vec::new();
        for epoch in 0.. {
            let all = crate::run::batches(plan, self.data, epoch)?;
            let per_epoch = all.len() as u64;
            if all.is_empty() {
                return Err(Error::Data(
                    "data: expected at least one batch of training images, got none".into(),
                ));
            }
            let steps = plan.length.steps(per_epoch, size).unwrap_or(per_epoch);
            let chosen = all.into_iter().take(count - timed.len()).collect();
            let prepare = prepare(plan, views, epoch, per_epoch)?;
            for (index, batch) in
                Loader::new(self.data.train.clone(), chosen, prepare, plan.data.workers).enumerate()
            {
                let (batch, index) = (batch?, index as u64);
                let classes = self.data.train.classes().len();
                timed.push(Timed {
                    rows: Rows::one_hot(batch.labels.clone(), self.data.interned(&batch), classes),
                    batch,
                    seed: Seed::new(plan.seed).fold("epoch", epoch).fold("step", index),
                    progress: TrainingProgress {
                        step: epoch * per_epoch + index,
                        steps,
                        batches_per_epoch: per_epoch,
                        batch: size,
                    },
                });
            }
            if timed.len() == count {
                break;
            }
        }
        Ok(timed)
    }

    fn policy(
        &self,
        policy: &Policy,
        timed: &[Timed],
        views: &[View],
        real: &[Points],
        done: &dyn Fn(u64),
    ) -> Result<PolicyStats> {
        let mut branches: Vec<_> = policy
            .running()
            .map(|branch| (branch, Labels::new(self.data.train.classes().len()), Vec::new()))
            .collect();
        let mut times = Times::default();
        for timed in timed {
            let mut seconds = 0.0;
            for (branch, labels, mixed) in &mut branches {
                let values = self.upload(timed, views, branch.view)?;
                let began = Instant::now();
                let mut pass = branch.begin(&timed.rows, timed.seed, timed.progress);
                seconds += began.elapsed().as_secs_f64();
                self.provide_gradient(&mut pass, timed, views, branch.view)?;
                let began = Instant::now();
                let values = pass.at("input", values)?;
                let mut inside = values.clone();
                // As if the network were the identity: a mix inside it that looks at values, or at their size, sees those of the input.
                loop {
                    let next = pass.due().next().map(str::to_owned);
                    let Some(tap) = next else { break };
                    inside = pass.at(&tap, inside)?;
                }
                let targets = pass.targets();
                seconds += began.elapsed().as_secs_f64();
                labels.add(&own_classes(&pass, &timed.rows), &targets);
                mixed.push(self.pixels(&values)?);
            }
            times.push(seconds);
            done(timed.rows.len() as u64);
        }
        let finish = |(branch, labels, mixed): (&Branch, Labels, _)| {
            let at = views.iter().position(|view| *view == branch.view).unwrap_or(0);
            let mixed = points(mixed)?;
            let nearest = spread(&mixed, &real[at]);
            let mean = real[at].mean();
            let mixed = mixed.from(&mean);
            let few = NEIGHBOURS.map(|k| k < mixed.len());
            let chosen: Vec<usize> = NEIGHBOURS.into_iter().filter(|k| *k < mixed.len()).collect();
            let mut found =
                local_dimension(&mixed, &chosen).map_err(|error| Error::Data(error.to_string()))?.into_iter();
            let dimensions = few.map(|there| if there { found.next() } else { None });
            Ok(BranchStats { weight: branch.weight, labels, nearest, dimensions })
        };
        let branches = branches.into_iter().map(finish).collect::<Result<_>>()?;
        Ok(PolicyStats { name: policy.name.clone(), branches, milliseconds: 1e3 * times.median() })
    }

    fn provide_gradient(
        &self,
        pass: &mut BranchPass,
        timed: &Timed,
        views: &[View],
        view: View,
    ) -> Result<()> {
        if let Some((model, loss)) = self.network.filter(|_| pass.needs_input_gradient()) {
            let values = model.upload(pixels(timed, views, view))?;
            let gradient = Work::of(model, loss).input_gradient(&values, &timed.rows.targets)?;
            pass.provide_input_gradient(gradient.to_device(&Device::Cpu)?);
        }
        Ok(())
    }

    fn upload(&self, timed: &Timed, views: &[View], view: View) -> Result<Tensor> {
        Ok(self.statistics.upload(pixels(timed, views, view), DType::F32, &Device::Cpu)?)
    }

    /// values (R, 3, H, W) → rows of 3·H·W numbers, as pixels of 0 to 1.
    fn pixels(&self, values: &Tensor) -> Result<(usize, Vec<f64>)> {
        let (rows, channels, height, width) = values.dims4()?;
        let area = height * width;
        let values = values.flatten_all()?.to_vec1::<f32>()?;
        let planes = values.chunks_exact(area).enumerate();
        let pixel = |(plane, values): (usize, &[f32])| {
            let (std, mean) = (self.statistics.std[plane % channels], self.statistics.mean[plane % channels]);
            values.iter().map(|value| f64::from(*value) * std + mean).collect::<Vec<f64>>()
        };
        Ok((rows, planes.flat_map(pixel).collect()))
    }
}

fn pixels<'a>(timed: &'a Timed, views: &[View], view: View) -> &'a tallow_data::Pixels {
    &timed.batch.views[views.iter().position(|known| *known == view).unwrap_or(0)]
}

/// The class of each row's own image: the one at its place, or, where mixing changed the number of rows, the one with the
/// largest share.
fn own_classes(pass: &BranchPass, rows: &Rows) -> Vec<u32> {
    if pass.shares().len() == rows.len() {
        return rows.classes.clone();
    }
    pass.shares().dominant().iter().map(|&source| rows.classes[source as usize]).collect()
}

fn points(batches: Vec<(usize, Vec<f64>)>) -> Result<Points> {
    let rows = batches.iter().map(|(rows, _)| rows).sum();
    let values = batches.into_iter().flat_map(|(_, values)| values).collect();
    Points::new(rows, values).map_err(|error| Error::Data(error.to_string()))
}

/// Mean distance of points to the nearest of others, as a root mean square over coordinates.
fn spread(points: &Points, others: &Points) -> f64 {
    let found = points.nearest_distance(others);
    found.iter().sum::<f64>() / found.len() as f64 / (points.dims() as f64).sqrt()
}
