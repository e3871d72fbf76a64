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
use tallow_policy::{Applied, Branch, INPUT, Moment, Passage, Rows, Shares, View};
use tallow_seed::Seed;

/// A training batch, loaded as a training loads it.
pub struct Batch {
    pub host: HostBatch,
    pub rows: Rows,
    pub moment: Moment,
    views: Vec<View>,
    /// Of its policies.
    seed: Seed,
}

/// The network, for draws that look at it.
pub enum Eyes<'a> {
    Open(&'a Model, &'a Loss),
    /// Why there is none.
    Closed(String),
}

/// What one branch made of a batch.
pub struct Rehearsed {
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
        let moment = Moment { step: epoch * count + index, steps, batches_per_epoch: count, batch: size };
        let seed = Seed::new(plan.seed).fold("epoch", epoch).fold("step", index);
        let rows = Rows::one_hot(host.labels.clone(), data.interned(&host), data.train.classes().len());
        Ok(Some(Batch { host, rows, moment, views, seed }))
    }

    /// The images as a branch sees them before any mix.
    pub fn pixels(&self, view: View) -> &Pixels {
        &self.host.views[self.views.iter().position(|known| *known == view).unwrap_or(0)]
    }

    /// One branch: every draw as in the training's own step.
    pub fn rehearse(
        &self,
        plan: &Plan,
        branch: &Branch,
        statistics: &Statistics,
        eyes: &Eyes,
    ) -> Result<Rehearsed> {
        let mut passage = branch.begin(&self.rows, self.seed, self.moment);
        let pixels = self.pixels(branch.view);
        let network = if passage.needs_network() {
            match eyes {
                Eyes::Open(model, loss) => Some((*model, *loss)),
                Eyes::Closed(why) => return Err(Error::recipe(why.clone())),
            }
        } else {
            None
        };
        let device = network.map_or(Device::Cpu, |(model, _)| model.device.clone());
        let values = statistics.upload(pixels, DType::F32, &device)?;
        if let Some((model, loss)) = network.filter(|_| passage.needs_input_gradient()) {
            passage
                .provide_input_gradient(Work::of(model, loss).input_gradient(&values, &self.rows.targets)?);
        }
        let values = passage.at(INPUT, values)?;
        let (input_shares, input_targets) = (passage.shares().clone(), passage.targets());
        let at_input = passage.record().len();
        if passage.due().next().is_some() {
            match network {
                Some((model, _)) => {
                    let seed = self.seed.fold("network", branch.index as u64).fold("row", 0);
                    let at =
                        |tap: &str, values| if tap == INPUT { Ok(values) } else { passage.at(tap, values) };
                    model.network.walk(values.clone(), &Mode::Train { seed }, at)?;
                }
                None => blind(plan, &self.rows, &mut passage, input_shares.len())?,
            }
        }
        Ok(Rehearsed {
            branch: branch.index,
            view: branch.view,
            values: values.to_device(&Device::Cpu)?,
            input_shares,
            input_targets,
            shares: passage.shares().clone(),
            targets: passage.targets(),
            record: passage.record().to_vec(),
            at_input,
        })
    }
}

/// The draws inside the network that look at no values: they depend on the number of rows and the size of maps alone.
fn blind(plan: &Plan, rows: &Rows, passage: &mut Passage, mut count: usize) -> Result<()> {
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
            count = passage.at(tap, zeros)?.dim(0)?;
        }
    }
    Ok(())
}
