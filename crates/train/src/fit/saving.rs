//! What a training writes down: when, under which names, and what the best of it says.

use super::checkpoint::{self, Best, Position};
use super::evaluate::evaluate_while;
use super::{Trainer, finite, kept, sums};
use crate::plan::Every;
use crate::{Error, Result};
use std::fs;
use std::path::Path;
use std::time::Instant;
use tallow_metrics::{Predictions, Summary};
use tallow_models::weights;

impl Trainer<'_> {
    /// Whether `last` is to be written within an epoch.
    pub(super) fn is_due(&self) -> bool {
        let (step, time) = self.kept;
        match self.run.plan().checkpoint.every {
            None => false,
            Some(Every::Steps(steps)) => self.position.step >= step + steps,
            Some(Every::Time(most)) => time.elapsed() >= most,
        }
    }

    pub(super) fn save_last(&mut self, summary: Option<&Summary>) -> Result<()> {
        let (keep, folder) = (self.run.plan().checkpoint.keep, &self.folder.path);
        // The end of an epoch, once more with what was evaluated, is one checkpoint.
        let retired = |before: &Position| {
            let is_earlier = keep > 1 && before.step != self.position.step;
            is_earlier.then(|| format!("{}{}", kept::STEP, before.step))
        };
        if self.folder.is_written() {
            self.save("last", retired, summary)?;
            kept::prune_steps(folder, keep - 1)?;
            self.folder.forget_earlier()?;
        } else {
            self.check_weights()?;
        }
        self.kept = (self.position.step, Instant::now());
        // The others do not end, or go on to what ends them, before it is written.
        self.stop.saving(|| Ok(self.run.ranks.meet()?))
    }

    /// Whether `last` is where the run stands, and evaluated. One that was damaged is gone, and a run that was killed between `best` and
    /// `last` went on from `best`.
    pub(super) fn last_is_here(&self) -> bool {
        let stands = |place: &Path| {
            let found = checkpoint::position(place).ok();
            found.map(|found| (found.step, found.epoch)) == Some((self.position.step, self.position.epoch))
                && fs::read_to_string(place.join("metrics.json")).is_ok_and(|text| text.trim() != "null")
        };
        kept::find(&self.folder.path, "last").is_some_and(|place| stands(&place))
    }

    /// Notes an epoch among the best ones.
    pub(super) fn rank(&mut self, this: Best, is_best: bool) {
        let (select, plan) = (self.run.plan().select, self.run.plan().checkpoint);
        let next = if is_best { self.position.best.replace(this) } else { Some(this) };
        let Some(next) = next else { return };
        let ranks = &mut self.position.next_best;
        let place = ranks.iter().position(|other| select.better.beats(next.value, other.value));
        ranks.insert(place.unwrap_or(ranks.len()), next);
        ranks.truncate(plan.best - 1);
    }

    /// Writes this epoch, which has just been ranked, as `best` or among the next ones.
    pub(super) fn save_best(&self, summary: &Summary) -> Result<()> {
        let (folder, Position { epoch, best, next_best, .. }) = (&self.folder.path, &self.position);
        if !self.folder.is_written() {
            return self.check_weights();
        }
        let is_next = |epoch: u64| next_best.iter().any(|next| next.epoch == epoch);
        let retired = |before: &Position| {
            is_next(before.epoch).then(|| format!("{}{}", kept::BEST_EPOCH, before.epoch))
        };
        // Also where no later epoch is better.
        kept::settle(folder, "best", &retired)?;
        if best.as_ref().is_some_and(|best| best.epoch == *epoch) {
            self.save("best", retired, Some(summary))?;
        } else if is_next(*epoch) {
            self.save(&format!("{}{epoch}", kept::BEST_EPOCH), |_| None, Some(summary))?;
        }
        kept::prune(folder, kept::BEST_EPOCH, is_next)
    }

    /// Writes a checkpoint; `retired` says what the one in its place is called from then on, if it stays.
    fn save(
        &self,
        name: &str,
        retired: impl Fn(&Position) -> Option<String>,
        summary: Option<&Summary>,
    ) -> Result<()> {
        let folder = &self.folder.path;
        self.check_weights()?;
        kept::settle(folder, name, &retired)?;
        let before = kept::find(folder, name).and_then(|place| checkpoint::position(&place).ok());
        let retired = before.as_ref().and_then(retired);
        let what = checkpoint::Snapshot {
            run: self.run,
            position: &self.position,
            state: &self.learner.state,
            plateau: self.learner.plateau.as_ref(),
            ema: self.learner.ema.as_ref(),
            recipe: &self.run.model.recipe(),
            summary,
        };
        self.stop.saving(|| {
            checkpoint::save(folder, name, retired.as_deref(), &what)?;
            self.folder.keep_seconds(self.seconds())
        })
    }

    /// Refuses weights that nobody could go on from.
    fn check_weights(&self) -> Result<()> {
        let Some(name) = finite::spoilt(&self.run.model.params)? else { return Ok(()) };
        Err(Error::Diverged(format!(
            "the weights after step {} are not finite (`{name}`): a gradient was not, or a step was too large; they were not saved\n{}",
            self.position.step,
            self.run.plan().schedule.advice()
        )))
    }

    /// Makes the best checkpoints of a folder those that the position knows, from which a run goes on that may have been further.
    pub(super) fn reconcile(&mut self) -> Result<()> {
        let folder = &self.folder.path;
        let epoch_of = |place: &Path| checkpoint::position(place).ok().map(|position| position.epoch);
        if let Some(best) = &self.position.best {
            let place = folder.join("best");
            let known = folder.join(format!("{}{}", kept::BEST_EPOCH, best.epoch));
            if epoch_of(&place) != Some(best.epoch) && known.exists() {
                if place.exists() {
                    kept::remove(&place)?;
                }
                fs::rename(&known, &place).map_err(Error::io(&known))?;
            }
        }
        let is_there =
            |epoch: u64| epoch_of(&folder.join(format!("{}{epoch}", kept::BEST_EPOCH))) == Some(epoch);
        self.position.next_best.retain(|next| is_there(next.epoch));
        Ok(())
    }

    /// What the best weights say of the validation part: as it was written down, or once more where that is lost or of other weights.
    pub(super) fn best_predictions(&self) -> Result<Predictions> {
        let path = self.folder.path.join("predictions.csv");
        let (images, best) = (self.run.data.validation.len(), self.position.best.as_ref());
        let value = |predictions: &Predictions| (self.run.plan().select.of)(predictions);
        // The metric is read back to the bit; one that is undefined is NaN.
        let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan());
        let is_best = |predictions: &Predictions| {
            predictions.len() == images && best.is_some_and(|best| same(value(predictions), best.value))
        };
        match Predictions::read_csv(&path) {
            Ok(predictions) if is_best(&predictions) => return Ok(predictions),
            Ok(_) => self.progress.note(&format!(
                "warning: {}: not what the best weights said of {images} images; evaluated again",
                path.display()
            )),
            Err(error) => self.progress.note(&format!("warning: {error}; evaluated again")),
        }
        let place = kept::find(&self.folder.path, "best").unwrap_or_else(|| self.folder.path.join("best"));
        sums::verify(&place, Some(&["model.safetensors"]))?;
        weights::load(&self.run.model.params, &place.join("model.safetensors"), weights::Head::MustFit)?;
        let (model, data) = (&self.run.model, &self.run.data.validation);
        // By this process alone: the others are done.
        let go_on = || self.stop.asked().map_or(Ok(()), |signal| Err(self.interrupted(signal)));
        let predictions = evaluate_while(model, data, "validation", self.progress, &go_on)?;
        self.folder.replace("predictions.csv", |fresh| Ok(predictions.write_csv(fresh)?))?;
        Ok(predictions)
    }

    /// Ends the run where that was asked for; `last` has been written, or is about to be.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(super) fn go_on(&self) -> Result<()> {
        self.agreed()?.0.map_or(Ok(()), |signal| Err(self.interrupted(signal)))
    }

    /// The end of a run that a signal asked for.
    pub(super) fn interrupted(&self, signal: i32) -> Error {
        let message = format!(
            "stopped by signal {signal} after step {} of {}; {} holds it: go on with --resume",
            self.position.step,
            self.total(),
            self.folder.path.join("last").display()
        );
        Error::Interrupted { signal, message }
    }
}
