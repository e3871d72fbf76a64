//! The training batches of a run: which images, in which order, in which views, and when in the run.

use super::data::Data;
use super::keys;
use super::shards::Shards;
use super::transforms::Transforms;
use crate::Result;
use crate::fit::branch::{cuts, smallest_cut};
use crate::plan::{MixWithin, Plan, RunLength};
use std::ops::Range;
use std::sync::Arc;
use tallow_data::{HostBatch, Loader, Pixels, Prepare, Sampler, decode_within};
use tallow_policy::{Policy, Rows, TrainingProgress, View};
use tallow_ranks::Ranks;
use tallow_seed::Seed;

/// A training batch: its images as bytes, what the engine knows of its rows, the seed of its step, and when that is.
pub struct Batch {
    pub host: HostBatch,
    pub rows: Rows,
    pub seed: Seed,
    pub training_progress: TrainingProgress,
    /// Those of its rows that have their images here, as it is walked.
    pub shards: Shards,
    /// Where parts of its rows end that are mixed by themselves; empty where mixes see the whole batch.
    pub parts: Vec<usize>,
    /// In the order of the views of `host`.
    views: Vec<View>,
}

impl Batch {
    /// The images as a branch sees them before any mix.
    pub fn pixels(&self, view: View) -> &Pixels {
        &self.host.views[self.views.iter().position(|known| *known == view).unwrap_or(0)]
    }
}

/// The batches of a plan's training part.
pub struct Batches<'a> {
    plan: &'a Plan,
    data: &'a Data,
    sampler: Sampler,
    labels: Vec<u32>,
    /// Views that the policies' branches see, in the order of a batch's views.
    views: Vec<View>,
    pub length: RunLength,
    shards: Shards,
}

impl<'a> Batches<'a> {
    /// With the views that the plan's own policy looks at.
    ///
    /// # Errors
    /// A sampler that does not fit the classes, or leaves an epoch without batches; a run of no step.
    pub fn new(plan: &'a Plan, data: &'a Data) -> Result<Batches<'a>> {
        let sampler = Sampler::parse(&plan.data.sampler, data.train.classes());
        let sampler = sampler.map_err(|error| plan.place(error))?;
        let labels: Vec<u32> = (0..data.train.len()).map(|index| data.train.label(index)).collect();
        let checked = sampler.check(&labels, plan.data.batch, plan.data.drop_last);
        checked.map_err(|error| plan.place(error))?;
        let length = RunLength { steps: 0, batches_per_epoch: 0, batch: plan.data.batch as u64 };
        let (views, shards) = (views([&plan.policy]), Shards { count: plan.shards, ranks: 1, rank: 0 });
        let batches = Batches { plan, data, sampler, labels, views, length, shards };
        let per_epoch = batches.indices(0).len() as u64;
        Ok(Batches { length: plan.run_length(per_epoch)?, ..batches })
    }

    /// With the views that these policies look at.
    pub fn seen_by(self, policies: &[&Policy]) -> Batches<'a> {
        Batches { views: views(policies.iter().copied()), ..self }
    }

    /// Of which this process loads the images that it walks.
    pub fn among(self, ranks: &dyn Ranks) -> Batches<'a> {
        Batches { shards: Shards { ranks: ranks.count(), rank: ranks.index(), ..self.shards }, ..self }
    }

    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// The labels of the training part.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The images of each batch of an epoch, which is counted from 0.
    pub fn indices(&self, epoch: u64) -> Vec<Vec<u32>> {
        let Plan { data, seed, .. } = self.plan;
        let (classes, seed) = (self.data.train.classes().len(), keys::epoch(*seed, epoch));
        self.sampler.epoch(&self.labels, classes, data.batch, data.drop_last, seed)
    }

    /// The batches of an epoch in `range`, those that there are, loaded ahead.
    ///
    /// # Errors
    /// Ramps of image policies that cannot be built; of a batch, an image that cannot be read.
    pub fn load(
        &self,
        transforms: &Transforms,
        epoch: u64,
        range: Range<u64>,
    ) -> Result<impl Iterator<Item = Result<Batch>>> {
        let (first, len) = (range.start, range.end.saturating_sub(range.start));
        let chosen: Vec<_> =
            self.indices(epoch).into_iter().skip(first as usize).take(len as usize).collect();
        let here = chosen.iter().map(|batch| self.here(batch)).collect();
        let prepare = self.prepare(transforms, epoch)?;
        let loader = Loader::new(self.data.train.clone(), here, prepare, self.plan.data.workers);
        Ok(loader.zip(chosen).zip(first..).map(move |((host, images), index)| {
            let step = epoch * self.length.batches_per_epoch + index;
            let seed = keys::step(self.plan.seed, epoch, index);
            Ok(self.batch_of(&images, host?, seed, self.length.at(step)))
        }))
    }

    /// Loaded images as the batch of a step.
    pub fn batch(&self, host: HostBatch, seed: Seed, training_progress: TrainingProgress) -> Batch {
        self.batch_of(&host.indices.clone(), host, seed, training_progress)
    }

    /// The same of these images of the dataset, some of which were loaded here.
    fn batch_of(
        &self,
        images: &[u32],
        host: HostBatch,
        seed: Seed,
        training_progress: TrainingProgress,
    ) -> Batch {
        let (classes, groups) = (self.data.train.classes().len(), self.data.interned(images));
        let labels = images.iter().map(|image| self.labels[*image as usize]).collect();
        let rows = Rows::one_hot(labels, groups, classes);
        let (shards, micro_batches) = self.walked(images.len());
        let parts = match self.plan.mix_within {
            MixWithin::Batch => Vec::new(),
            MixWithin::Shard => shards.ends(&micro_batches),
        };
        Batch { host, rows, seed, training_progress, shards, parts, views: self.views.clone() }
    }

    /// How a batch of so many rows is walked: its shards and its micro-batches.
    fn walked(&self, rows: usize) -> (Shards, Vec<(usize, usize)>) {
        let shards = self.shards.for_rows(smallest_cut(rows, self.plan.accumulate));
        (shards, cuts(rows, self.plan.accumulate))
    }

    /// Those of a batch's images that this process walks.
    fn here(&self, images: &[u32]) -> Vec<u32> {
        let (shards, micro_batches) = self.walked(images.len());
        shards.here(&micro_batches).into_iter().flat_map(|rows| images[rows].iter().copied()).collect()
    }

    /// The loader's work on one image: decode, then one image for each view. Ramps have the number of the first step of the
    /// epoch: images are read ahead of the steps.
    fn prepare(&self, transforms: &Transforms, epoch: u64) -> Result<Arc<Prepare>> {
        let begin = self.length.at(epoch * self.length.batches_per_epoch);
        let training = transforms.training.at(&begin)?;
        let (evaluation, views) = (transforms.evaluation.clone(), self.views.clone());
        let (seed, most) = (keys::epoch(self.plan.seed, epoch), self.data.train.max_pixels());
        Ok(Arc::new(move |encoded, index| {
            let image = decode_within(&encoded, most)?;
            let view = |view: &View| {
                let chain = if *view == View::Augmented { &training } else { &evaluation };
                chain.run(image.clone(), keys::image(seed, index, *view))
            };
            Ok(views.iter().map(view).collect::<tallow_policy::Result<Vec<_>>>()?)
        }))
    }
}

/// The views that the branches of policies see, each once.
fn views<'p>(policies: impl IntoIterator<Item = &'p Policy>) -> Vec<View> {
    let mut views: Vec<View> = Vec::new();
    for branch in policies.into_iter().flat_map(Policy::running) {
        if !views.contains(&branch.view) {
            views.push(branch.view);
        }
    }
    views
}
