//! What policies do to the data of a recipe, without training: labels, dimension, distance, time. And what a training made of
//! its classes.

mod demonstration;
mod features;
mod labels;

pub use demonstration::{Demonstration, Kind, demonstrate, p_series};
pub use features::separation;
pub use labels::{BINS, Labels};

use super::Subject;
use super::bench::Times;
use crate::Result;
use crate::fit::branch::{NetworkAccess, Observer, Phase, StepContext, walk};
use crate::plan::Plan;
use crate::run::Batch;
use candle_core::{DType, Device, Tensor};
use std::time::Instant;
use tallow_metrics::{Points, local_dimension};
use tallow_policy::{Branch, BranchPass, Policy, Rows, View};
use tallow_report::{Progress, Unit};

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
///
/// # Errors
/// Data or weights that are not there, or do not fit; those of the ops and the mixes.
pub fn stats(plan: Plan, others: &[Policy], batches: usize, progress: &Progress) -> Result<Stats> {
    let looks = |policy: &Policy| policy.running().any(Branch::needs_input_gradient);
    let needs_network = looks(&plan.policy) || others.iter().any(looks);
    super::open(plan, needs_network, progress, |subject| subject.stats(others, batches, progress))
}

/// Listens to a branch: the time of its draws, blends and targets, and the values after the mixes at `input`.
struct Mixed<'a> {
    subject: &'a Subject<'a>,
    last: Instant,
    seconds: f64,
    /// Rows, and their numbers.
    at_input: (usize, Vec<f64>),
}

impl Observer for Mixed<'_> {
    fn done(&mut self, phase: Phase) -> candle_core::Result<()> {
        let now = Instant::now();
        if phase == Phase::Mixing {
            self.seconds += (now - self.last).as_secs_f64();
        }
        self.last = now;
        Ok(())
    }

    fn at_input(&mut self, _: &BranchPass, values: &Tensor) -> Result<()> {
        self.at_input = self.subject.pixels(values)?;
        self.last = Instant::now();
        Ok(())
    }
}

impl Subject<'_> {
    fn stats(&self, others: &[Policy], batches: usize, progress: &Progress) -> Result<Stats> {
        let none = Policy::none();
        let mut policies = vec![&none];
        let mixes = |policy: &Policy| policy.running().any(|branch| !branch.nodes.is_empty());
        for policy in [&self.plan.policy].into_iter().chain(others).filter(|policy| mixes(policy)) {
            if policies.iter().all(|known| known.name != policy.name) {
                policies.push(policy);
            }
        }
        let source = self.batches()?.seen_by(&policies);
        let mut loaded = Vec::new();
        for epoch in 0.. {
            for batch in source.load(self.transforms, epoch, 0..(batches - loaded.len()) as u64)? {
                loaded.push(batch?);
            }
            if loaded.len() == batches {
                break;
            }
        }
        let unmixed = |view: &View| -> Result<(View, Points)> {
            let pixels = |batch: &Batch| self.pixels(&self.values(batch, *view)?);
            Ok((*view, points(loaded.iter().map(pixels).collect::<Result<_>>()?)?))
        };
        let real: Vec<(View, Points)> = source.views().iter().map(unmixed).collect::<Result<_>>()?;
        let (_, first) = &real[0];
        let mut stats = Stats {
            batches: loaded.len(),
            images: first.len(),
            classes: self.data.train.classes().to_vec(),
            spacing: spread(first, first),
            policies: Vec::new(),
        };
        let bar = progress.bar("stats", Unit::Images, Some((policies.len() * stats.images) as u64));
        for policy in policies {
            stats.policies.push(self.policy(policy, &loaded, &real, &|images| bar.tick(images, &[]))?);
        }
        Ok(stats)
    }

    fn policy(
        &self,
        policy: &Policy,
        batches: &[Batch],
        real: &[(View, Points)],
        done: &dyn Fn(u64),
    ) -> Result<PolicyStats> {
        let mut branches: Vec<_> = policy
            .running()
            .map(|branch| (branch, Labels::new(self.data.train.classes().len()), Vec::new()))
            .collect();
        let mut times = Times::default();
        // A mix inside the network that looks at values, or at their size, sees those of the input.
        let access = NetworkAccess::Identity(self.objective());
        for batch in batches {
            let mut seconds = 0.0;
            for (branch, labels, mixed) in &mut branches {
                let values = self.values(batch, branch.view)?;
                let (last, at_input) = (Instant::now(), Default::default());
                let mut observer = Mixed { subject: self, last, seconds: 0.0, at_input };
                let (pass, targets) = walk(branch, StepContext::of(batch), values, &access, &mut observer)?;
                seconds += observer.seconds;
                labels.add(&own_classes(&pass, &batch.rows), &targets);
                mixed.push(observer.at_input);
            }
            times.push(seconds);
            done(batch.rows.len() as u64);
        }
        let finish = |(branch, labels, mixed): (&Branch, Labels, _)| {
            let unmixed = real.iter().find(|(view, _)| *view == branch.view);
            let (_, real) = unmixed.expect("the batches have the views of all branches");
            let mixed = points(mixed)?;
            let nearest = spread(&mixed, real);
            let mixed = mixed.from(&real.mean());
            let few = NEIGHBOURS.map(|k| k < mixed.len());
            let chosen: Vec<usize> = NEIGHBOURS.into_iter().filter(|k| *k < mixed.len()).collect();
            let mut found = local_dimension(&mixed, &chosen)?.into_iter();
            let dimensions = few.map(|there| if there { found.next() } else { None });
            Ok(BranchStats { weight: branch.weight, labels, nearest, dimensions })
        };
        let branches = branches.into_iter().map(finish).collect::<Result<_>>()?;
        Ok(PolicyStats { name: policy.name.clone(), branches, milliseconds: 1e3 * times.median() })
    }

    fn values(&self, batch: &Batch, view: View) -> Result<Tensor> {
        Ok(self.transforms.statistics.upload(batch.pixels(view), DType::F32, &Device::Cpu)?)
    }

    /// values (R, 3, H, W) → rows of 3·H·W numbers, as pixels of 0 to 1.
    fn pixels(&self, values: &Tensor) -> Result<(usize, Vec<f64>)> {
        let (rows, channels, height, width) = values.dims4()?;
        let (area, statistics) = (height * width, &self.transforms.statistics);
        let values = values.flatten_all()?.to_vec1::<f32>()?;
        let planes = values.chunks_exact(area).enumerate();
        let pixel = |(plane, values): (usize, &[f32])| {
            let (std, mean) = (statistics.std[plane % channels], statistics.mean[plane % channels]);
            values.iter().map(|value| f64::from(*value) * std + mean).collect::<Vec<f64>>()
        };
        Ok((rows, planes.flat_map(pixel).collect()))
    }
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
    Ok(Points::new(rows, values)?)
}

/// Mean distance of points to the nearest of others, as a root mean square over coordinates.
fn spread(points: &Points, others: &Points) -> f64 {
    let found = points.nearest_distance(others);
    found.iter().sum::<f64>() / found.len() as f64 / (points.dims() as f64).sqrt()
}
