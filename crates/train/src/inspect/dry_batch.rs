//! One batch on its way through the policies, outside of a training: what `preview` shows and `replay` rebuilds.

use super::Subject;
use crate::fit::branch::{NetworkAccess, Observer, StepContext, walk};
use crate::run::Batch;
use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};
use tallow_models::Params;
use tallow_policy::{Applied, Branch, BranchPass, INPUT, Shares, View};

/// What one branch made of a batch.
pub struct BranchOutput {
    pub branch: usize,
    pub view: View,
    /// After the mixes at `input`.
    pub input: AtInput,
    /// After all mixes.
    pub shares: Shares,
    pub targets: Vec<f64>,
    /// The mixes in order, those at `input` first.
    pub record: Vec<Applied>,
}

/// A batch after the mixes at `input`.
pub struct AtInput {
    /// (R, 3, H, W), on the CPU; f32 where they were bf16.
    pub values: Tensor,
    pub shares: Shares,
    pub targets: Vec<f64>,
    /// How many mixes happened.
    pub mixes: usize,
}

impl Observer for Option<AtInput> {
    fn at_input(&mut self, pass: &BranchPass, values: &Tensor) -> Result<()> {
        let values = values.to_device(&Device::Cpu)?;
        *self = Some(AtInput {
            values: if values.dtype() == DType::BF16 { values.to_dtype(DType::F32)? } else { values },
            shares: pass.shares().clone(),
            targets: pass.targets(),
            mixes: pass.record().len(),
        });
        Ok(())
    }
}

impl Subject<'_> {
    /// Batch `index` of an epoch, both from 0; `None` where the epoch has no such batch.
    ///
    /// # Errors
    /// Images that cannot be read.
    pub fn batch(&self, epoch: u64, index: u64) -> Result<Option<Batch>> {
        self.batches()?.load(self.transforms, epoch, index..index + 1)?.next().transpose()
    }

    /// One branch: every draw as in the training's own step.
    ///
    /// # Errors
    /// A draw that looks at a network which is not there, for the reason `why_none`; those of the ops and the mixes.
    pub fn branch(&self, batch: &Batch, branch: &Branch, why_none: &str) -> Result<BranchOutput> {
        let context = StepContext::of(batch);
        let pass = context.begin(branch);
        let access = match (pass.needs_network(), self.objective()) {
            (true, Some(objective)) => NetworkAccess::Available(objective),
            (true, None) => return Err(Error::recipe(why_none)),
            (false, _) if pass.due().all(|tap| tap == INPUT) => NetworkAccess::Identity(None),
            (false, _) => NetworkAccess::Shapes(self.shapes()?),
        };
        let pixels = batch.pixels(branch.view);
        let values = match (&access, self.network) {
            (NetworkAccess::Available(_), Some((model, _))) => model.upload(pixels)?,
            _ => self.transforms.statistics.upload(pixels, DType::F32, &Device::Cpu)?,
        };
        let mut at_input: Option<AtInput> = None;
        let (pass, targets) = walk(branch, context, values, &access, &mut at_input)?;
        Ok(BranchOutput {
            branch: branch.index,
            view: branch.view,
            input: at_input.expect("every walk passes the input"),
            shares: pass.shares().clone(),
            targets,
            record: pass.record().to_vec(),
        })
    }

    /// The taps inside the network, with shapes of a row as large as theirs: of maps (1, H, W), of sequences (L, 1), of
    /// features (1).
    fn shapes(&self) -> Result<Vec<(String, Vec<usize>)>> {
        let model = &self.plan.model;
        let mut params = Params::blank(DType::F32, &Device::Cpu);
        let network = (model.spec.build)(&mut params, &model.options(self.data.train.classes().len()))?;
        let side = model.input as usize;
        let outline = network.outline([3, side, side]).unwrap_or_default();
        let inside = outline.into_iter().filter(|(tap, _)| *tap != INPUT);
        let shape = |shape: &[usize]| match *shape {
            [_, height, width] => vec![1, height, width],
            [length, _] => vec![length, 1],
            _ => vec![1],
        };
        Ok(inside.map(|(tap, outline)| (tap.to_owned(), shape(&outline.shape))).collect())
    }
}
