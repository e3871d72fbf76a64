//! What each branch gave to a step: collected beside the step, so that the step itself stays one loop.

use crate::Result;
use crate::step::Work;
use candle_core::Tensor;
use tallow_kernels::{Gradients, grad_norm};
use tallow_models::Params;
use tallow_policy::{Branch, BranchPass};
use tallow_report::{Applied, BranchMetrics};

/// Collects gradients and losses of branches that run one after another.
pub struct BranchGradients<'a> {
    params: &'a Params,
    /// Whether each branch's gradients are collected by themselves first. One more copy of them is then held, and they are
    /// read once more, for the norm; the sums are the same to the bit, as a branch adds one gradient for each parameter.
    /// Not with accumulation, where a sum over parts would be rounded in another order.
    apart: bool,
    own: Gradients,
    all: Gradients,
    loss: f64,
    closed: Vec<BranchMetrics>,
}

impl<'a> BranchGradients<'a> {
    pub fn new(work: &Work<'a>) -> BranchGradients<'a> {
        let apart = work.accumulate == 1 && work.policy.running().nth(1).is_some();
        let (own, all) = (Gradients::default(), Gradients::default());
        BranchGradients { params: work.params, apart, own, all, loss: 0.0, closed: Vec::new() }
    }

    /// Adds the gradients of a part of the branch under way, and frees its graph; `value` is the loss's own.
    pub fn add(&mut self, loss: Tensor, value: f64) -> Result<()> {
        self.loss += value;
        Ok(if self.apart { &mut self.own } else { &mut self.all }.add(loss)?)
    }

    /// ‖g‖ of the gradients of the branch under way, where they are collected by themselves.
    pub fn norm(&self) -> Result<Option<f64>> {
        self.apart.then(|| norm(self.params, &self.own)).transpose()
    }

    /// The end of a branch.
    pub fn close(&mut self, branch: &Branch, pass: &BranchPass, gradient_norm: Option<f64>) -> Result<()> {
        self.all.merge(std::mem::take(&mut self.own))?;
        let loss = std::mem::take(&mut self.loss) / branch.weight;
        let targets = fingerprint(&pass.targets());
        let mixes = mixes(branch, pass);
        self.closed.push(BranchMetrics { branch: branch.index, loss, gradient_norm, targets, mixes });
        Ok(())
    }

    /// The sums over the branches, and what each gave.
    pub fn finish(self) -> (Gradients, Vec<BranchMetrics>) {
        (self.all, self.closed)
    }
}

/// FNV-1a, 128 bits, of the little-endian bytes of soft targets, row by row.
pub fn fingerprint(targets: &[f64]) -> String {
    let bytes: Vec<u8> = targets.iter().flat_map(|target| target.to_le_bytes()).collect();
    tallow_data::fingerprint(&bytes)
}

/// Every mix of a branch in the order written, and where it happened.
fn mixes(branch: &Branch, pass: &BranchPass) -> Vec<Applied> {
    let mix = |(node, tapped): (&tallow_policy::Node<tallow_policy::Tapped>, &tallow_policy::Tapped)| {
        let happened = pass.record().iter().find(|applied| applied.path == node.path);
        Applied {
            policy: tapped.spec.name.to_owned(),
            tap: happened.map(|applied| applied.tap.clone()),
            numbers: happened.map_or(Vec::new(), |applied| applied.numbers.clone()),
        }
    };
    branch.mixes().into_iter().map(mix).collect()
}

/// ‖g‖ over the parameters that are trained, in the order of their names.
fn norm(params: &Params, gradients: &Gradients) -> Result<f64> {
    let learned = params.trainable.values().filter(|param| !param.frozen());
    let all: Vec<&Tensor> = learned.filter_map(|param| gradients.get(param.var())).collect();
    Ok(grad_norm(&all)?)
}
