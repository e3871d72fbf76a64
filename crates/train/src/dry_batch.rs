//! One batch on its way through the policies, outside of a training: what `preview` shows and `replay` rebuilds.

use crate::data::Data;
use crate::fit::prepare;
use crate::loss::Loss;
use crate::model::Model;
use crate::plan::Plan;
use crate::step::Work;
use crate::upload::Statistics;
use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};
use tallow_data::{HostBatch, Loader, Pixels};
use tallow_models::{Mode, ModelOptions, Params};
use tallow_policy::{Applied, Branch, BranchPass, INPUT, Rows, Shares, TrainingProgress, View};
use tallow_seed::Seed;

/// A training batch, loaded as a training loads it.
pub struct Batch {
    pub host: HostBatch,
    pub rows: Rows,
    pub progress: TrainingProgress,
    views: Vec<View>,
    /// Of its policies.
    seed: Seed,
}

/// The network, for draws that look at it.
pub enum NetworkAccess<'a> {
    Available(&'a Model, &'a Loss),
    /// Why there is none.
    Unavailable(String),
}

/// What one branch made of a batch.
pub struct BranchOutput {
    pub branch: usize,
    pub view: View,
    /// After the mixes at `input`: (R, 3, H, W), and what they made of shares and targets.
    pub values: Tensor,
    pub input_shares: Shares,
    pub input_targets: Vec<f64>,
    /// After all mixes.
    pub shares: Shares,
    pub targets: Vec<f64>,
    /// The mixes in order, those at `input` first: `at_input` of them.
    pub record: Vec<Applied>,
    pub at_input: usize,
}

impl Batch {
    /// Batch `index` of an epoch, both from 0; `None` where the epoch has no such batch.
    pub fn load(plan: &Plan, data: &Data, epoch: u64, index: u64) -> Result<Option<Batch>> {
        let batches = crate::run::batches(plan, data, epoch)?;
        let count = batches.len() as u64;
        let chosen = batches.into_iter().nth(index as usize).into_iter().collect();
        let views = crate::run::views(&plan.policy);
        let mut loader =
            Loader::new(data.train.clone(), chosen, prepare(plan, &views, epoch, count)?, plan.data.workers);
        let Some(host) = loader.next().transpose()? else { return Ok(None) };
        let size = plan.data.batch as u64;
        let steps = plan.length.steps(count, size).unwrap_or(count);
        let progress =
            TrainingProgress { step: epoch * count + index, steps, batches_per_epoch: count, batch: size };
        let seed = Seed::new(plan.seed).fold("epoch", epoch).fold("step", index);
        let rows = Rows::one_hot(host.labels.clone(), data.interned(&host), data.train.classes().len());
        Ok(Some(Batch { host, rows, progress, views, seed }))
    }

    /// The images as a branch sees them before any mix.
    pub fn pixels(&self, view: View) -> &Pixels {
        &self.host.views[self.views.iter().position(|known| *known == view).unwrap_or(0)]
    }

    /// One branch: every draw as in the training's own step.
    pub fn run(
        &self,
        plan: &Plan,
        branch: &Branch,
        statistics: &Statistics,
        access: &NetworkAccess,
    ) -> Result<BranchOutput> {
        let mut pass = branch.begin(&self.rows, self.seed, self.progress);
        let pixels = self.pixels(branch.view);
        let network = if pass.needs_network() {
            match access {
                NetworkAccess::Available(model, loss) => Some((*model, *loss)),
                NetworkAccess::Unavailable(why) => return Err(Error::recipe(why.clone())),
            }
        } else {
            None
        };
        let device = network.map_or(Device::Cpu, |(model, _)| model.device.clone());
        let values = statistics.upload(pixels, DType::F32, &device)?;
        if let Some((model, loss)) = network.filter(|_| pass.needs_input_gradient()) {
            pass.provide_input_gradient(Work::of(model, loss).input_gradient(&values, &self.rows.targets)?);
        }
        let values = pass.at(INPUT, values)?;
        let (input_shares, input_targets) = (pass.shares().clone(), pass.targets());
        let at_input = pass.record().len();
        if pass.due().next().is_some() {
            match network {
                Some((model, _)) => {
                    let seed = self.seed.fold("network", branch.index as u64).fold("row", 0);
                    let at = |tap: &str, values| if tap == INPUT { Ok(values) } else { pass.at(tap, values) };
                    model.network.walk(values.clone(), &Mode::Train { seed }, at)?;
                }
                None => blind(plan, &self.rows, &mut pass, input_shares.len())?,
            }
        }
        Ok(BranchOutput {
            branch: branch.index,
            view: branch.view,
            values: values.to_device(&Device::Cpu)?,
            input_shares,
            input_targets,
            shares: pass.shares().clone(),
            targets: pass.targets(),
            record: pass.record().to_vec(),
            at_input,
        })
    }
}

/// The draws inside the network that look at no values: they depend on the number of rows and the size of maps alone.
fn blind(plan: &Plan, rows: &Rows, pass: &mut BranchPass, mut count: usize) -> Result<()> {
    let options = ModelOptions {
        stem: plan.model.stem,
        input: Some(plan.model.input as usize),
        ..ModelOptions::new(rows.n_classes)
    };
    let mut params = Params::new(Seed::new(0), DType::F32, &Device::Cpu);
    let network = (plan.model.spec.build)(&mut params, &options)?;
    let side = plan.model.input as usize;
    for (tap, outline) in network.outline([3, side, side]).unwrap_or_default() {
        let shape = match outline.shape[..] {
            [_, height, width] => vec![count, 1, height, width],
            [length, _] => vec![count, length, 1],
            _ => vec![count, 1],
        };
        let zeros = Tensor::zeros(shape, DType::F32, &Device::Cpu)?;
        // `input` is behind.
        if tap != INPUT {
            count = pass.at(tap, zeros)?.dim(0)?;
        }
    }
    Ok(())
}
