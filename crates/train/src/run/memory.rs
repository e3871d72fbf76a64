//! The memory that a training will take, told before it takes it.
//!
//! Of a step: at the boundary of two stages, the activations of what is before it, for each row of a micro-batch, and the gradients
//! of what is behind it. Besides, what the optimizer and the averages hold, and batches that are read ahead.

use super::Run;
use super::machine;
use crate::Result;
use tallow_data::AHEAD;
use tallow_models::StageBytes;
use tallow_policy::Branch;

/// How many of the largest activation a step has in hand beside what is kept for gradients, and an evaluation: measured, over
/// networks of six families.
const IN_HAND: u64 = 6;
const EVALUATED: u64 = 3;

/// What a run needs beside what it has already: its weights and data.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    stages: Vec<StageBytes>,
    /// Whatever the batch: the optimizer's tensors, the averages.
    fixed: u64,
    /// Of each row of a batch: bytes that are read ahead, values before and after the mixes.
    per_row: u64,
    /// How many copies of all gradients stand by while a branch goes backward.
    copies: u64,
    /// Of the training and of the validation part.
    images: usize,
    validation: usize,
    batch: usize,
    /// Micro-batches of a batch.
    accumulate: usize,
    /// In the process already.
    pub resident: u64,
    /// What the machine can still give; `None` where it does not say.
    pub available: Option<u64>,
}

impl Run {
    /// What the training will take; `None` where the network is not in this machine's memory, and of one among several ranks, which has a part.
    ///
    /// # Errors
    /// Those of the ops.
    pub fn memory(&self) -> Result<Option<Memory>> {
        let (plan, model) = (self.plan(), &self.model);
        if !model.device.is_cpu() || self.ranks.count() > 1 {
            return Ok(None);
        }
        let side = plan.model.input as usize;
        let stages = model.network.activations(&model.params, [3, side, side])?;
        let trained: u64 = stages.iter().map(|stage| stage.gradients).sum();
        let averages = if plan.ema.is_some() { 4 * model.params.size() as u64 } else { 0 };
        let branches: Vec<&Branch> = plan.policy.running().collect();
        let views = self.batches()?.views().len();
        let pixels = (3 * side * side) as u64;
        Ok(Some(Memory {
            stages,
            fixed: plan.optimizer.rule.slots().len() as u64 * trained + averages,
            per_row: pixels * ((1 + AHEAD) * views) as u64 + 4 * pixels * 2,
            copies: u64::from(branches.len() > 1 || plan.accumulate > 1),
            images: self.data.train.len(),
            validation: self.data.validation.len(),
            batch: plan.data.batch,
            accumulate: plan.accumulate,
            resident: machine::resident().unwrap_or(0),
            available: machine::available(),
        }))
    }
}

impl Memory {
    /// Bytes beside what is resident, with batches of so many rows.
    fn needed_for(&self, batch: usize) -> u64 {
        let rows = batch.min(self.images);
        let micro = rows.div_ceil(self.accumulate) as u64;
        let all: u64 = self.stages.iter().map(|stage| stage.gradients).sum();
        let (mut kept, mut gradients, mut step) = (0, all, 0);
        for stage in &self.stages {
            kept += stage.kept;
            step = (micro * kept + gradients).max(step);
            gradients -= stage.gradients;
        }
        let largest = self.stages.iter().map(|stage| stage.largest).max().unwrap_or(0);
        let step = step + self.copies * all + micro * IN_HAND * largest;
        let evaluation = batch.min(self.validation) as u64 * EVALUATED * largest;
        self.fixed + rows as u64 * self.per_row + step.max(evaluation)
    }

    /// Bytes that the whole process will have at its peak.
    pub fn peak(&self) -> u64 {
        self.resident + self.needed_for(self.batch)
    }

    /// Whether the machine has what is needed; true where it does not say.
    pub fn fits(&self) -> bool {
        self.available.is_none_or(|available| self.needed_for(self.batch) <= available)
    }

    /// The largest batch that the machine has memory for, where there is one.
    pub fn largest_batch(&self) -> Option<usize> {
        let available = self.available?;
        (1..=self.batch).rev().find(|&batch| self.needed_for(batch) <= available)
    }

    /// What is to be said of it before the run begins, and whether that is a warning.
    pub fn describe(&self) -> (String, bool) {
        let (peak, batch) = (shown(self.peak()), self.batch);
        let Some(available) = self.available else {
            return (format!("memory: about {peak} at a batch of {batch}"), false);
        };
        let has = shown(self.resident + available);
        if self.fits() {
            return (format!("memory: about {peak} at a batch of {batch}; {has} are there"), false);
        }
        let remedy = match self.largest_batch() {
            Some(largest) => format!("write data.batch={largest}, the largest that fits"),
            None => "not even a batch of 1 fits: take a smaller model.input or network".to_owned(),
        };
        (
            format!("memory: about {peak} are needed at a batch of {batch}, and {has} are there; {remedy}"),
            true,
        )
    }
}

/// `812 MiB`, `5.1 GiB`.
fn shown(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1000.0 { format!("{mib:.0} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Two stages: 2 MiB a row and 10 MiB of weights; 1 MiB a row and 30.
    fn memory(batch: usize, available: u64) -> Memory {
        let stage = |name: &str, kept: u64, gradients: u64| StageBytes {
            name: name.to_owned(),
            kept: kept * MIB,
            largest: MIB,
            gradients: gradients * MIB,
        };
        Memory {
            stages: vec![stage("stem", 2, 10), stage("head", 1, 30)],
            fixed: 40 * MIB,
            per_row: 0,
            copies: 0,
            images: 1000,
            validation: 1000,
            batch,
            accumulate: 1,
            resident: 100 * MIB,
            available: Some(available * MIB),
        }
    }

    #[test]
    fn a_step_is_largest_at_some_boundary() {
        // One row: the end of the backward pass, 2 + 40; many: its beginning, 3 · rows + 30. And six of 1 MiB in hand.
        assert_eq!(memory(1, 0).needed_for(1), (40 + 42 + 6) * MIB);
        assert_eq!(memory(1, 0).needed_for(64), (40 + 3 * 64 + 30 + 6 * 64) * MIB);
        assert_eq!(memory(64, 0).peak(), (100 + 40 + 3 * 64 + 30 + 6 * 64) * MIB);
        // No batch has more rows than there are images.
        assert_eq!(Memory { images: 8, ..memory(64, 0) }.needed_for(64), (40 + 3 * 64) * MIB);
        let few = Memory { images: 8, validation: 20, ..memory(64, 0) };
        assert_eq!(few.needed_for(64), (40 + 2 * 8 + 40 + 6 * 8) * MIB);
        // Of micro-batches, their own rows; the gradients of those before stand by.
        let cut = Memory { accumulate: 4, copies: 1, ..memory(64, 0) };
        assert_eq!(cut.needed_for(64), (40 + 3 * 16 + 30 + 40 + 6 * 16) * MIB);
    }

    #[test]
    fn the_largest_batch_that_fits_is_named() {
        let (said, is_warning) = memory(64, 1000).describe();
        assert_eq!(
            (said.as_str(), is_warning),
            ("memory: about 746 MiB at a batch of 64; 1.1 GiB are there", false)
        );
        // 70 + 9 · rows ≤ 300
        let (said, is_warning) = memory(64, 300).describe();
        assert!(is_warning);
        assert_eq!(
            said,
            "memory: about 746 MiB are needed at a batch of 64, and 400 MiB are there; write data.batch=25, the largest that \
             fits"
        );
        assert_eq!(memory(64, 300).largest_batch(), Some(25));
        assert!(memory(64, 20).describe().0.contains("not even a batch of 1 fits"));
        let unknown = Memory { available: None, ..memory(64, 0) };
        assert_eq!(unknown.describe(), ("memory: about 746 MiB at a batch of 64".to_owned(), false));
    }
}
