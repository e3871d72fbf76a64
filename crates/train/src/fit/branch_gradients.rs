//! Gradients and losses of branches that run one after another: their sums, and what each gave.

use super::branch::{Objective, Observer, Phase};
use super::loss::Loss;
use super::numbers::{BranchNumbers, Numbers};
use super::optimizer::{Gradients, by_name};
use crate::Result;
use candle_core::{DType, Tensor};
use tallow_kernels::grad_norm_tensor;
use tallow_models::Params;
use tallow_policy::{Branch, BranchPass};

/// What a branch gave to a step.
#[derive(Clone, Debug, PartialEq)]
pub struct BranchStep {
    /// Its place in the recipe.
    pub branch: usize,
    /// Mean over its rows, before its weight.
    pub loss: f64,
    /// ‖∂(weight · loss)/∂θ‖ over all parameters; where several branches run, without accumulation.
    pub gradient_norm: Option<f64>,
    /// The soft targets of its rows after all mixes, (R, C).
    pub targets: Vec<f64>,
    /// Every mix of the branch, in the order written.
    pub mixes: Vec<MixStep>,
}

/// A mix of a branch in one step.
#[derive(Clone, Debug, PartialEq)]
pub struct MixStep {
    pub policy: String,
    /// Where it happened; none where its draw, its window or another alternative kept it from happening.
    pub tap: Option<String>,
    /// Parameters that change over the run, as they were.
    pub numbers: Vec<(String, f64)>,
}

/// Backpropagates the logits of branches; `done` hears of each phase.
pub struct BranchGradients<'a, F> {
    params: &'a Params,
    loss: &'a Loss,
    done: F,
    /// Whether each branch's gradients are collected by themselves first. One more copy of them is then held, and they are
    /// read once more, for the norm; the sums are the same to the bit, as a branch adds one gradient for each parameter.
    /// Not with accumulation, where a sum over parts would be rounded in another order.
    apart: bool,
    own: tallow_kernels::Gradients,
    all: tallow_kernels::Gradients,
    /// Of the micro-batches of the branch under way.
    losses: Vec<Tensor>,
    closed: Vec<BranchNumbers>,
}

impl<F: FnMut(Phase) -> candle_core::Result<()>> Observer for BranchGradients<'_, F> {
    const LOGITS: bool = true;

    fn done(&mut self, phase: Phase) -> candle_core::Result<()> {
        (self.done)(phase)
    }

    fn logits(&mut self, logits: Tensor, targets: &[f64], weight: f64) -> Result<()> {
        let loss = self.loss.of(&logits, targets)?;
        self.losses.push((loss.detach() * weight)?.to_dtype(DType::F32)?);
        self.done(Phase::Forward)?;
        // The graph is the loss's alone now: what an op saved is freed as soon as it was walked.
        drop(logits);
        if self.apart { &mut self.own } else { &mut self.all }.add_times(loss, weight)?;
        Ok(self.done(Phase::Backward)?)
    }
}

impl<'a, F: FnMut(Phase) -> candle_core::Result<()>> BranchGradients<'a, F> {
    pub fn new(objective: &Objective<'a>, done: F) -> BranchGradients<'a, F> {
        let apart = objective.accumulate == 1 && objective.policy.running().nth(1).is_some();
        let (own, all) = Default::default();
        let &Objective { params, loss, .. } = objective;
        BranchGradients { params, loss, done, apart, own, all, losses: Vec::new(), closed: Vec::new() }
    }

    /// The end of a branch, whose rows have these targets.
    ///
    /// # Errors
    /// Those of the ops.
    pub fn close(&mut self, branch: &Branch, pass: &BranchPass, targets: Vec<f64>) -> Result<()> {
        let gradient_norm = self.apart.then(|| self.norm()).transpose()?;
        self.done(Phase::Norm)?;
        self.all.merge(std::mem::take(&mut self.own))?;
        let (losses, mixes) = (std::mem::take(&mut self.losses), mixes(branch, pass));
        let (index, weight) = (branch.index, branch.weight);
        self.closed.push(BranchNumbers { index, weight, losses, gradient_norm, targets, mixes });
        Ok(self.done(Phase::Backward)?)
    }

    /// The sums of the gradients over the branches, by name, and what each branch gave.
    ///
    /// # Errors
    /// Those of the ops.
    pub fn finish(mut self) -> Result<(Gradients, Numbers)> {
        let gradients = by_name(self.params, std::mem::take(&mut self.all));
        self.done(Phase::Backward)?;
        Ok((gradients, Numbers(self.closed)))
    }

    /// ‖g‖ of the branch under way, over the parameters that are trained, in the order of their names.
    fn norm(&self) -> Result<Tensor> {
        let trained = self.params.trainable.values().filter(|param| !param.frozen());
        let all: Vec<&Tensor> = trained.filter_map(|param| self.own.get(param.leaf())).collect();
        Ok(grad_norm_tensor(&all)?)
    }
}

/// Every mix of a branch in the order written, and where it happened.
pub fn mixes(branch: &Branch, pass: &BranchPass) -> Vec<MixStep> {
    let mix = |(node, tapped): (&tallow_policy::Node<tallow_policy::Tapped>, &tallow_policy::Tapped)| {
        let happened = pass.record().iter().find(|applied| applied.path == node.path);
        MixStep {
            policy: tapped.spec.name.to_owned(),
            tap: happened.map(|applied| applied.tap.clone()),
            numbers: happened.map_or(Vec::new(), |applied| applied.numbers.clone()),
        }
    };
    branch.mixes().into_iter().map(mix).collect()
}
