//! A training step in shards: parts of the batch that are walked at the same time, each by a thread of this process or of another rank. The
//! loss, every draw and every target are those of the whole batch; batch norm takes its statistics over all of it; mixes see all of its
//! rows. Gradients are added by one tree over the shards, so that no bit depends on how many ranks share them.

mod buckets;
mod meeting;
mod pools;
mod tree;

use super::branch::{Objective, StepContext, cuts, smallest_cut};
use super::branch_gradients::mixes;
use super::numbers::{BranchNumbers, Numbers};
use super::optimizer::{Gradients, by_name};
use super::step::Computed;
use crate::run::{Batch, Run, Shards, keys};
use crate::{Error, Result};
use buckets::Handing;
pub use buckets::Sums;
use candle_core::{DType, Device, Tensor, TensorId, Var, bail};
use meeting::Meeting;
pub use pools::ShardPools;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use tallow_data::Pixels;
use tallow_kernels::{gather_rows, grad_norm_tensor, in_shard};
use tallow_models::Mode;
use tallow_policy::{Branch, BranchPass, INPUT, PENULTIMATE, View};
use tallow_ranks::Ranks;
use tree::added;

/// Gradients of a run's loss on a batch, of which this process has the rows that it walks.
///
/// # Errors
/// Those of the ops and the mixes; a rank that does not answer.
pub fn compute(run: &Run, batch: &Batch) -> Result<Computed> {
    let objective = Objective::of(&run.model, &run.loss);
    let step = Step {
        run,
        batch,
        objective,
        context: StepContext::of(batch),
        shards: batch.shards,
        ranks: run.ranks.clone(),
    };
    let several = objective.policy.running().nth(1).is_some() && objective.accumulate == 1;
    let (mut gradients, mut numbers) = (Gradients::new(), Vec::new());
    for branch in objective.policy.running() {
        let (own, mut of_branch) = step.branch(branch)?;
        if several {
            of_branch.gradient_norm = Some(grad_norm_tensor(&own.values().collect::<Vec<_>>())?);
        }
        gradients = if gradients.is_empty() { own } else { added(gradients, own)? };
        numbers.push(of_branch);
    }
    if !run.plan().sync_batch_norm && batch.shards.ranks > 1 {
        statistics_of_the_first(run)?;
    }
    Ok(Computed { gradients, numbers: Numbers(numbers) })
}

/// Gives every rank the running statistics that the first shard has, as each took those of a shard of its own.
fn statistics_of_the_first(run: &Run) -> Result<()> {
    let buffers = &run.model.params.buffers;
    let mut own = Vec::new();
    if run.ranks.index() == 0 {
        for buffer in buffers.values() {
            let numbers =
                buffer.var().as_detached_tensor().flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            own.extend_from_slice(bytemuck::cast_slice(&numbers));
        }
    }
    let first = run.ranks.gather(own)?.swap_remove(0);
    let mut numbers = bytemuck::pod_collect_to_vec::<u8, f32>(&first).into_iter();
    for buffer in buffers.values() {
        let var = buffer.var();
        let own: Vec<f32> = numbers.by_ref().take(var.elem_count()).collect();
        var.set(&Tensor::from_vec(own, var.shape(), var.device())?.to_dtype(var.dtype())?)?;
    }
    Ok(())
}

/// A batch under way.
#[derive(Clone)]
struct Step<'a> {
    run: &'a Run,
    batch: &'a Batch,
    objective: Objective<'a>,
    context: StepContext<'a>,
    shards: Shards,
    ranks: Arc<dyn Ranks>,
}

/// What the walk of one shard gave.
struct Walked<'a> {
    /// Of each micro-batch its share of the step's loss.
    losses: Vec<f32>,
    /// After all mixes, and the targets of all rows then.
    pass: BranchPass<'a>,
    targets: Vec<f64>,
}

/// The values of a view: of all rows of the batch, or of those that this process walks.
enum Values {
    Whole(Tensor),
    Here(Tensor),
}

impl<'a> Step<'a> {
    fn branch(&self, branch: &'a Branch) -> Result<(Gradients, BranchNumbers)> {
        let mut pass = self.context.begin(branch);
        let needs_all = |tap: &str| self.context.parts.is_empty() || pass.looks_at_values(tap);
        let whole = pass.needs_input_gradient() || pass.due().any(|tap| tap == INPUT && needs_all(tap));
        let values = if whole {
            let pixels = self.gathered(branch.view)?;
            let values = self.run.model.upload(&pixels)?;
            if pass.needs_input_gradient() {
                pass.provide_input_gradient(self.input_gradient(&values)?);
            }
            Values::Whole(pass.at(INPUT, values)?)
        } else {
            Values::Here(self.run.model.upload(self.batch.pixels(branch.view))?)
        };
        let rows = match &values {
            Values::Whole(values) => values.dim(0)?,
            Values::Here(_) => self.batch.rows.len(),
        };
        let micro_batches = cuts(rows, self.objective.accumulate);
        let least = smallest_cut(rows, self.objective.accumulate);
        if least < self.shards.count
            && let Values::Whole(_) = values
        {
            // A mix left few of the rows, which every rank has.
            let alone = Step { shards: self.shards.for_rows(least), ..self.clone() };
            return alone.walked(branch, &values, &micro_batches, &pass);
        }
        self.walked(branch, &values, &micro_batches, &pass)
    }

    /// The gradients of a branch after its mixes at `input`.
    fn walked(
        &self,
        branch: &'a Branch,
        values: &Values,
        micro_batches: &[(usize, usize)],
        pass: &BranchPass<'a>,
    ) -> Result<(Gradients, BranchNumbers)> {
        let sums = Sums::begin(self.shards, self.ranks.clone());
        let walk =
            |shard: usize| self.walk(branch, values, micro_batches, pass.clone(), (shard, sums.of(shard)));
        let mut walked = self.in_shards(walk)?;
        let losses = self.losses(walked.iter().map(|walked| &walked.losses[..]), micro_batches.len())?;
        let gradients = sums.end()?;
        let Walked { pass, targets, .. } = walked.swap_remove(0);
        let (index, weight, mixes) = (branch.index, branch.weight, mixes(branch, &pass));
        Ok((gradients, BranchNumbers { index, weight, losses, gradient_norm: None, targets, mixes }))
    }

    /// Runs `walk` for every shard of this process, each on threads of its own.
    fn in_shards<T: Send>(&self, walk: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
        let meeting = Meeting::new(self.shards, self.ranks.clone(), self.run.plan().sync_batch_norm);
        let (meeting, walk) = (&meeting, &walk);
        std::thread::scope(|scope| {
            let pools = self.run.pools.of(self.shards.own().len());
            let spawn = |(shard, pool): (usize, Arc<rayon::ThreadPool>)| {
                let member = meeting.member(shard);
                scope.spawn(move || {
                    let walked = pool.install(|| in_shard(member.shard(), || walk(shard)));
                    member.ended(walked)
                })
            };
            let threads: Vec<_> = self.shards.own().zip(pools).map(spawn).collect();
            let join = |thread: std::thread::ScopedJoinHandle<Result<T>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            let mut walked: Vec<Result<T>> = threads.into_iter().map(join).collect();
            // The others only heard of what the first one found.
            if let Some(first) = meeting.first_failed() {
                walked.swap(0, first - self.shards.own().start);
            }
            walked.into_iter().collect()
        })
    }

    /// One shard from values to gradients.
    fn walk(
        &self,
        branch: &Branch,
        values: &Values,
        micro_batches: &[(usize, usize)],
        mut pass: BranchPass<'a>,
        (shard, mut handing): (usize, Handing),
    ) -> Result<Walked<'a>> {
        let Objective { network, params, loss, .. } = self.objective;
        let names = params.trainable.iter().filter(|(_, param)| !param.frozen());
        let names: HashMap<TensorId, &str> =
            names.map(|(name, param)| (param.leaf().id(), &name[..])).collect();
        let (mut gradients, mut losses) = (tallow_kernels::Gradients::default(), Vec::new());
        let (mut before, mut targets) = (0, Vec::new());
        let (all, begun) = (micro_batches.iter().map(|(_, len)| len).sum(), pass.clone());
        for (index, (&(start, len), here)) in
            micro_batches.iter().zip(self.shards.here(micro_batches)).enumerate()
        {
            pass = begun.clone();
            // The part of the rows that the first shard has of this micro-batch, where parts are mixed by themselves.
            let first = index * self.shards.count;
            let parts = |pass: &BranchPass| -> Vec<Range<usize>> {
                (first..first + self.shards.count).map(|part| pass.part(part)).collect()
            };
            let mut ranges = self.shards.ranges(start, len);
            // One row that counts for nothing where a shard has none, so that it goes on with the others.
            let (mut of, mut counts) = (all, true);
            let rows = ranges[shard].clone();
            let part = match values {
                Values::Whole(values) => values.narrow(0, rows.start, rows.len())?,
                Values::Here(values) => values.narrow(0, before + rows.start - here.start, rows.len())?,
            };
            before += here.len();
            let mut part = part.contiguous()?;
            if let Values::Here(_) = values
                && pass.due().any(|tap| tap == INPUT)
            {
                part = pass.at_part(INPUT, first + shard, part)?;
                (ranges, of) = (parts(&pass), pass.shares().len());
            }
            let mode =
                Mode::Train { seed: keys::network(self.context.seed, branch.index, ranges[shard].start) };
            let logits = network.walk(part, &mode, |tap, values| {
                if tap == INPUT || !pass.due().any(|due| due == tap) {
                    return Ok(values);
                }
                let alone = !self.context.parts.is_empty() && !pass.looks_at_values(tap);
                if alone && parts(&pass) == ranges {
                    let mixed = pass.at_part(tap, first + shard, values)?;
                    (ranges, of) = (parts(&pass), pass.shares().len());
                    return Ok(mixed);
                }
                // Of the whole batch: with accumulation the plan has no mix here.
                let mixed = pass.at(tap, gather_rows(&values)?)?;
                of = mixed.dim(0)?;
                ranges = self.shards.ranges(0, of);
                if of < self.shards.count {
                    // Rows that a mix left out leave none for this shard, or will for another one.
                    if tap != PENULTIMATE {
                        bail!("a mix left {of} rows of a batch at `{tap}` for {} shards; write drop_last: true, or fewer shards", self.shards.count);
                    }
                    if ranges[shard].is_empty() {
                        (ranges[shard], counts) = (0..1, false);
                    }
                }
                mixed.narrow(0, ranges[shard].start, ranges[shard].len())
            })?;
            let rows = ranges.swap_remove(shard);
            targets = pass.targets();
            let classes = logits.dim(1)?;
            let weight = if counts { branch.weight * rows.len() as f64 / of as f64 } else { 0.0 };
            let loss = loss.of(&logits, &targets[rows.start * classes..rows.end * classes])?;
            losses.push((loss.detach() * weight)?.to_dtype(DType::F32)?.to_scalar()?);
            drop(logits);
            if losses.len() < micro_batches.len() {
                gradients.add_times(loss, weight)?;
                continue;
            }
            gradients.finish_times(loss, weight, |variable, gradient| {
                if let Some(name) = names.get(&variable) {
                    handing.give(name, gradient);
                }
                Ok(())
            })?;
        }
        // What earlier micro-batches alone have reached.
        by_name(params, gradients).into_iter().for_each(|(name, gradient)| handing.give(&name, gradient));
        handing.end();
        Ok(Walked { losses, pass, targets })
    }

    /// The losses of all shards: of the first micro-batch in the order of the shards, then of the next.
    fn losses<'l>(&self, own: impl Iterator<Item = &'l [f32]>, micro_batches: usize) -> Result<Vec<Tensor>> {
        let own: Vec<f32> = own.flatten().copied().collect();
        let mut all: Vec<f32> = Vec::with_capacity(self.shards.count * micro_batches);
        if self.shards.ranks == 1 {
            all = own;
        } else {
            for bytes in self.ranks.gather(bytemuck::cast_slice(&own).to_vec())? {
                all.extend(bytemuck::pod_collect_to_vec::<u8, f32>(&bytes));
            }
        }
        let places =
            (0..micro_batches).flat_map(|i| (0..self.shards.count).map(move |s| s * micro_batches + i));
        places.map(|at| Ok(Tensor::new(all[at], &Device::Cpu)?)).collect()
    }

    /// The pixels of all rows of the batch in a view, of which each rank has those that it walks.
    fn gathered(&self, view: View) -> Result<Pixels> {
        let own = self.batch.pixels(view);
        if self.shards.ranks == 1 {
            return Ok(own.clone());
        }
        let micro_batches = cuts(self.batch.rows.len(), self.objective.accumulate);
        let (mut bytes, row) = (vec![0; self.batch.rows.len() * own.row_bytes()], own.row_bytes());
        for (rank, sent) in self.ranks.gather(own.bytes.clone())?.iter().enumerate() {
            let here = Shards { rank, ..self.shards }.here(&micro_batches);
            let rows: usize = here.iter().map(Range::len).sum();
            if sent.len() != rows * row {
                return Err(Error::Data(format!(
                    "rank {rank} sent {} bytes of images, expected {rows} times {row}: theirs have another size; end `images` with a policy that fixes it",
                    sent.len()
                )));
            }
            let mut parts = &sent[..];
            for rows in here {
                let (part, rest) = parts.split_at(rows.len() * row);
                bytes[rows.start * row..rows.end * row].copy_from_slice(part);
                parts = rest;
            }
        }
        Ok(Pixels { rows: self.batch.rows.len(), bytes, ..*own })
    }

    /// The gradient of the loss of the unmixed rows by the values, as the objective has it.
    fn input_gradient(&self, values: &Tensor) -> Result<Tensor> {
        let Objective { network, loss, .. } = self.objective;
        let (rows, targets) = (values.dim(0)?, &self.context.rows.targets);
        let classes = targets.len() / rows;
        let micro_batches = cuts(rows, self.objective.accumulate);
        let probe = |shard: usize| {
            let mut parts = Vec::new();
            for &(start, len) in &micro_batches {
                let Range { start: first, end } = self.shards.rows(len, shard);
                let part = Var::from_tensor(&values.narrow(0, start + first, end - first)?.contiguous()?)?;
                let logits = network.forward(part.as_tensor(), &Mode::Probe)?;
                let own = (start + first) * classes..(start + end) * classes;
                let loss = loss.of(&logits, &targets[own])?;
                drop(logits);
                let mut gradients = tallow_kernels::Gradients::default();
                gradients.add_times(loss, (end - first) as f64 / rows as f64)?;
                let missing =
                    || candle_core::Error::Msg("the loss does not reach the input: the graph is cut".into());
                parts.push(gather_rows(&gradients.remove(&part).ok_or_else(missing)?)?);
            }
            Ok(Tensor::cat(&parts, 0)?)
        };
        Ok(self.in_shards(probe)?.swap_remove(0))
    }
}

#[cfg(test)]
mod tests;
