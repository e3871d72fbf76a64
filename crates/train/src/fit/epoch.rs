//! An epoch of steps, and what they say. On a GPU a step is asked for before the one before it is done, and numbers are read for
//! several steps at once; what a run says, keeps and ends with is the same as if each were read at once, only later.

use super::branch_gradients::{BranchStep, MixStep};
use super::checkpoint::Position;
use super::numbers::{self, Numbers, Read};
use super::step::{Computed, check, check_norms, compute};
use super::{Trainer, fingerprint};
use crate::{Error, Result};
use candle_core::Device;
use std::ops::Range;
use tallow_report::{Applied, Bar, BranchMetrics};

/// The numbers of so many steps are read together.
pub(super) fn every(device: &Device) -> usize {
    if device.is_cpu() { 1 } else { 8 }
}

/// A step that was taken, and what it has to say.
pub(super) struct Waiting {
    /// From 0.
    step: u64,
    rows: u64,
    lr: f64,
    numbers: Numbers,
}

impl Trainer<'_> {
    /// What is left of an epoch, at most to the end of the run.
    pub(super) fn epoch(&mut self) -> Result<()> {
        let Position { epoch, batch: begun, step: done, .. } = self.position;
        let range = begun..begun + self.total().saturating_sub(done);
        let chosen = self.batches.indices(epoch).into_iter().skip(begun as usize);
        let images = chosen.take((range.end - begun) as usize).map(|batch| batch.len() as u64).sum();
        let epochs = self.total().div_ceil(self.batches.length.batches_per_epoch);
        let bar = self.progress.epoch(epoch + 1, epochs, images);
        let ended = self.steps(range, &bar);
        // What the last steps have to say came before their end.
        match (ended, self.tell(&bar)) {
            (Err(_), Err(diverged @ Error::Diverged(_))) => return Err(diverged),
            (ended, told) => ended.and(told)?,
        }
        bar.finish(&[("loss", self.mean_loss())]);
        Ok(())
    }

    fn steps(&mut self, range: Range<u64>, bar: &Bar) -> Result<()> {
        let (run, batches) = (self.run, self.batches.clone());
        for batch in batches.load(&run.model.transforms, self.position.epoch, range)? {
            let batch = batch?;
            let Computed { mut gradients, numbers } = compute(run, &batch)?;
            let step = self.position.step;
            // Before the update: where that fails, it may be for what these numbers say.
            let (rows, lr) = (batch.rows.len() as u64, self.learner.lr(step));
            self.waiting.push(Waiting { step, rows, lr, numbers });
            self.learner.update(run, &mut gradients, step)?;
            self.position.step += 1;
            self.position.batch += 1;
            if self.waiting.len() >= self.every {
                self.tell(bar)?;
            }
            let (asked, is_due) = self.agreed()?;
            if asked.is_some() || is_due {
                self.tell(bar)?;
                self.save_last(None)?;
                asked.map_or(Ok(()), |signal| Err(self.interrupted(signal)))?;
            }
        }
        Ok(())
    }

    /// Reads, checks and logs what waits.
    fn tell(&mut self, bar: &Bar) -> Result<()> {
        let (waiting, numbers): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|Waiting { step, rows, lr, numbers }| ((step, rows, lr), numbers))
            .unzip();
        for ((step, rows, lr), Read { loss, branches }) in waiting.into_iter().zip(numbers::read(numbers)?) {
            check(loss, self.run, step, self.recent.make_contiguous())?;
            check_norms(&branches, self.run, step)?;
            if self.recent.len() == 5 {
                self.recent.pop_front();
            }
            self.recent.push_back(loss);
            self.position.loss += loss * rows as f64;
            self.position.rows += rows;
            let branches: Vec<BranchMetrics> = branches.into_iter().map(logged).collect();
            if let Some(log) = &mut self.log {
                log.step(self.position.epoch + 1, step + 1, &[("loss", loss), ("lr", lr)], &branches)?;
            }
            bar.tick(rows, &[("loss", self.mean_loss()), ("lr", lr)]);
        }
        Ok(())
    }
}

/// What is written of a branch's part of a step.
fn logged(step: BranchStep) -> BranchMetrics {
    let BranchStep { branch, loss, gradient_norm, targets, mixes } = step;
    let mix = |MixStep { policy, tap, numbers }| Applied { policy, tap, numbers };
    let (targets, mixes) = (fingerprint(&targets), mixes.into_iter().map(mix).collect());
    BranchMetrics { branch, loss, gradient_norm, targets, mixes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::{Earlier, Folder, Stop, train};
    use crate::plan::Plan;
    use crate::run::{Run, Start};
    use std::collections::BTreeMap;
    use std::path::Path;
    use tallow_policy::Registry;
    use tallow_report::Progress;

    const RECIPE: &str = "
data: { name: synthetic, images: 64, size: 16, batch: 8, workers: 0 }
model: { name: resnet20, input: 16 }
evaluation: [ { resize: [16, 16] } ]
branches:
  - { policies: [ mixup: {} ] }
  - { weight: 0.5, view: clean, policies: [ cutmix: {} ] }
optimizer: { sgd: { momentum: 0.9 } }
clip: 1.0
ema: { decay: 0.9 }
seed: 1
";

    /// Files that say when they were written, or how long something took.
    const OF_THEIR_TIME: [&str; 4] = ["time.json", "tfevents", "log.txt", ".lock"];

    /// A run whose steps are read so many at once: what it left, but for times, and how it ended.
    fn trained(place: &Path, more: &str, every: usize, signal: i32) -> (BTreeMap<String, Vec<u8>>, String) {
        let plan = Plan::parse("late", &format!("{RECIPE}{more}"), &Registry::builtin()).unwrap();
        let (path, progress) = (place.join(every.to_string()), Progress::hidden());
        let folder = Folder::inspect(&path, &plan, Earlier::Refuse).unwrap();
        let run = Run::build(plan, Start::Recipe, &progress).unwrap();
        let stop = Stop::default();
        stop.ask(signal);
        let mut trainer = Trainer::new(&run, &folder, &progress, &stop).unwrap();
        trainer.every = every;
        let ended = train(trainer).map(|fitted| fitted.steps.to_string());
        let said = ended.unwrap_or_else(|error| error.to_string());
        let mut files = BTreeMap::new();
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap().path();
                let name = entry.strip_prefix(&path).unwrap().display().to_string();
                if entry.is_dir() {
                    folders.push(entry);
                } else if !OF_THEIR_TIME.iter().any(|of| name.contains(of)) {
                    files.insert(name, std::fs::read(entry).unwrap());
                }
            }
        }
        (files, said.replace(&path.display().to_string(), "HERE"))
    }

    /// 6, 7 or none of the 8 steps of an epoch are read before its end, the others there.
    #[test]
    fn numbers_that_are_read_late_are_the_same() {
        let place = tempfile::tempdir().unwrap();
        for (more, signal, end) in [
            ("schedule: { constant: { lr: 0.05 } }\nlength: 2 epochs", 0, "16"),
            (
                "schedule: { constant: { lr: 0.05 } }\nlength: 2 epochs",
                2,
                "stopped by signal 2 after step 1 of 16",
            ),
            ("schedule: { constant: { lr: 1e30 } }\nlength: 2 epochs", 0, "the loss of step 2 is"),
        ] {
            let place = place.path().join(tallow_data::fingerprint(end.as_bytes()));
            let (files, said) = trained(&place, more, 1, signal);
            assert!(said.contains(end), "{said}");
            for every in [3, 7, 100] {
                let (late, late_said) = trained(&place, more, every, signal);
                assert_eq!(late_said, said, "{every} at once");
                assert_eq!(late.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>());
                let differs: Vec<_> = files.keys().filter(|name| files[*name] != late[*name]).collect();
                assert!(differs.is_empty(), "{every} at once: {differs:?}");
            }
        }
    }
}
