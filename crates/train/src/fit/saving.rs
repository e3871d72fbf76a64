//! What a training writes down: when, under which names, and what the best of it says.

use super::checkpoint::{self, Best, Position};
use super::evaluate::evaluate_while;
use super::{Trainer, kept};
use crate::plan::Every;
use crate::{Error, Result};
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
        let before = kept::find(folder, "last").and_then(|place| checkpoint::position(&place).ok());
        // The end of an epoch, once more with what was evaluated, is one checkpoint.
        let retired = before.filter(|before| keep > 1 && before.step != self.position.step);
        let retired = retired.map(|before| format!("{}{}", kept::STEP, before.step));
        self.save("last", retired.as_deref(), summary)?;
        kept::prune_steps(folder, keep - 1)?;
        self.folder.forget_earlier()?;
        self.kept = (self.position.step, Instant::now());
        Ok(())
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
        let is_next = |epoch: u64| next_best.iter().any(|next| next.epoch == epoch);
        if best.as_ref().is_some_and(|best| best.epoch == *epoch) {
            let before = kept::find(folder, "best").and_then(|place| checkpoint::position(&place).ok());
            let retired = before.filter(|before| is_next(before.epoch));
            let retired = retired.map(|before| format!("{}{}", kept::BEST_EPOCH, before.epoch));
            self.save("best", retired.as_deref(), Some(summary))?;
        } else if is_next(*epoch) {
            self.save(&format!("{}{epoch}", kept::BEST_EPOCH), None, Some(summary))?;
        }
        kept::prune(folder, kept::BEST_EPOCH, is_next)
    }

    fn save(&self, name: &str, retired: Option<&str>, summary: Option<&Summary>) -> Result<()> {
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
            checkpoint::save(&self.folder.path, name, retired, &what)?;
            self.folder.keep_seconds(self.seconds())
        })
    }

    /// What the best weights say of the validation part: as it was written down, or once more where that is lost.
    pub(super) fn best_predictions(&self) -> Result<Predictions> {
        let path = self.folder.path.join("predictions.csv");
        let images = self.run.data.validation.len();
        match Predictions::read_csv(&path) {
            Ok(predictions) if predictions.len() == images => return Ok(predictions),
            Ok(short) => self.progress.note(&format!(
                "warning: {}: expected {images} rows, got {}; evaluated again",
                path.display(),
                short.len()
            )),
            Err(error) => self.progress.note(&format!("warning: {error}; evaluated again")),
        }
        let best = kept::find(&self.folder.path, "best");
        let best = best.unwrap_or_else(|| self.folder.path.join("best")).join("model.safetensors");
        weights::load(&self.run.model.params, &best, weights::Head::MustFit)?;
        let (model, data) = (&self.run.model, &self.run.data.validation);
        let predictions = evaluate_while(model, data, "validation", self.progress, &|| self.stop.check())?;
        self.folder.replace("predictions.csv", |fresh| Ok(predictions.write_csv(fresh)?))?;
        Ok(predictions)
    }

    /// Ends the run where that was asked for; `last` has been written.
    pub(super) fn stop_if_asked(&self) -> Result<()> {
        let Some(signal) = self.stop.asked() else { return Ok(()) };
        let message = format!(
            "stopped by signal {signal} after step {} of {}; {} holds it: go on with --resume",
            self.position.step,
            self.total(),
            self.folder.path.join("last").display()
        );
        Err(Error::Interrupted { signal, message })
    }
}
