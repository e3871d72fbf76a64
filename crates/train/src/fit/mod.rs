//! Training: epochs of steps, an evaluation after each, checkpoints, logs; and one file for each part of a step. What is only looked
//! at is not here, but in `inspect`.

mod aside;
pub mod branch;
mod branch_gradients;
pub mod checkpoint;
mod dead;
mod divergence;
mod dry_run;
mod ema;
pub mod ensemble;
mod epoch;
pub mod evaluate;
mod finite;
mod folder;
mod guessing;
mod kept;
mod learner;
mod lock;
mod log;
mod loss;
mod numbers;
mod optimizer;
mod plateau;
mod room;
mod said;
mod same_run;
mod saving;
mod schedule;
mod shards;
mod step;
mod stop;
mod sums;
pub mod thawed;
mod together;

pub use branch_gradients::{BranchStep, MixStep};
pub use checkpoint::Best;
pub use dry_run::{DryRun, dry_run};
pub use folder::{Earlier, Folder};
pub use kept::{by_progress, find};
pub use learner::Learner;
pub use lock::holder;
#[cfg(test)]
pub fn lock_of(folder: &std::path::Path) -> lock::Lock {
    lock::Lock::take(folder).expect("a lock that nobody has")
}
pub use log::{LOG, last_lines, shows_failure};
pub use loss::{Loss, LossKind, balanced_weights};
#[cfg(test)]
pub use optimizer::{Gradients, by_name};
pub use optimizer::{Moments, Optimizer, Rates, Rule, State};
pub use plateau::PlateauRule;
pub use same_run::different_recipe;
pub use schedule::{Schedule, Shape};
pub use shards::{ShardPools, Sums};
pub use step::{Step, training_step};
pub use stop::Stop;
pub use sums::verify;

use crate::run::{Batches, Run};
use crate::{Error, Result};
use aside::RECIPE;
use branch::cuts;
use checkpoint::Position;
use dead::dead;
use divergence::Divergence;
use epoch::Waiting;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;
use tallow_metrics::{Predictions, Summary};
use tallow_report::{Epoch, Log, Progress};

/// What came of a training.
pub struct Fitted {
    /// Predictions of the validation part by the best weights, and what they amount to.
    pub predictions: Predictions,
    pub summary: Summary,
    /// The same after the last epoch.
    pub last: Summary,
    pub best: Best,
    pub epochs: u64,
    pub steps: u64,
    /// By `early_stop`, before its length.
    pub stopped_early: bool,
    /// Of all parts of the run, but for steps that were lost when it was killed.
    pub seconds: f64,
    /// What went wrong without ending it.
    pub warnings: Vec<String>,
}

/// Trains a run to its end, into a folder; from its `last` checkpoint if the folder is resumed.
/// It ends early where `stop` is asked.
///
/// # Errors
/// A loss that is not finite; a stop, after a checkpoint was written; images that cannot be read, files that cannot be written.
pub fn fit(run: &Run, folder: &Folder, progress: &Progress, stop: &Stop) -> Result<Fitted> {
    // A run that ends before its first checkpoint leaves nothing that would stand in the way of the next.
    let train = || train(Trainer::new(run, folder, progress, stop)?);
    const REMEDY: &str = "make room, and go on with --resume; what was written before is whole";
    train().inspect_err(|_| folder.abandon()).map_err(|error| error.or_full(REMEDY))
}

fn train(mut trainer: Trainer) -> Result<Fitted> {
    let progress = trainer.progress;
    let mut evaluated: Option<(Predictions, Summary)> = None;
    // A run that had stopped early is resumed to say so again, not to go on.
    let mut stopped_early = trainer.is_stale();
    if let Some(note) = trainer.nothing_to_do(stopped_early) {
        progress.note(&note);
    }
    // Steps of an epoch that was not evaluated: the run was stopped between its last step and its evaluation.
    while (trainer.position.step < trainer.total() || trainer.position.batch > 0) && !stopped_early {
        trainer.epoch()?;
        evaluated = Some(trainer.evaluate()?);
        stopped_early = trainer.is_stale();
        trainer.go_on()?;
    }
    let (validated, last, seconds) = match evaluated {
        Some((predictions, summary)) => (predictions, summary, trainer.seconds()),
        // Resumed after the end: nothing to do but to look again.
        None => {
            let is_lost = trainer.as_the_first(!trainer.last_is_here())?;
            if is_lost {
                trainer.save_last(None)?;
            }
            let (predictions, summary) = trainer.validate()?;
            trainer.divergence.see(&predictions);
            if is_lost {
                trainer.save_last(Some(&summary))?;
            }
            (predictions, summary, trainer.before)
        }
    };
    let best = trainer.position.best.clone().expect("every run evaluates at least once");
    // Of the weights of the last step, before those of the best epoch may take their place.
    let warnings = trainer.warnings()?;
    // Those of the last epoch, where nobody looks at them.
    let predictions = if trainer.folder.is_written() { trainer.best_predictions()? } else { validated };
    Ok(Fitted {
        summary: Summary::of(&predictions),
        predictions,
        last,
        best,
        epochs: trainer.position.epoch,
        steps: trainer.position.step,
        stopped_early,
        seconds,
        warnings,
    })
}

/// Refuses rows that batch norm cannot take.
fn check_cuts(run: &Run, batches: &Batches) -> Result<()> {
    let cut_to_one =
        |batch: &Vec<u32>| cuts(batch.len(), run.plan().accumulate).iter().any(|&(_, len)| len == 1);
    if run.model.has_single_pixels() && batches.indices(0).iter().any(cut_to_one) {
        let problem = "a batch of an epoch is cut to one row, of which batch norm sees one value per channel and has no \
                       variance; write drop_last: true, another data.batch or accumulate, or a larger model.input";
        return Err(run.plan().mistake("data.batch", problem));
    }
    Ok(())
}

/// A training under way.
struct Trainer<'a> {
    run: &'a Run,
    folder: &'a Folder,
    progress: &'a Progress,
    /// Of the process that writes.
    log: Option<Log>,
    position: Position,
    learner: Learner,
    batches: Rc<Batches<'a>>,
    /// Steps whose numbers were not read yet, and how many of them wait at most.
    waiting: Vec<Waiting>,
    every: usize,
    /// The last losses, for the message when one is not finite.
    recent: VecDeque<f64>,
    divergence: Divergence,
    stop: &'a Stop,
    began: Instant,
    /// The step and the time at which `last` was written, or this part of the run began.
    kept: (u64, Instant),
    /// The step at which this part of the run began, until its first epoch has ended.
    begin: Option<u64>,
    /// Seconds of earlier parts of the run.
    before: f64,
}

impl<'a> Trainer<'a> {
    fn new(run: &'a Run, folder: &'a Folder, progress: &'a Progress, stop: &'a Stop) -> Result<Trainer<'a>> {
        let began = Instant::now();
        let batches = Rc::new(run.batches()?);
        check_cuts(run, &batches)?;
        let (position, learner) = match &folder.resume {
            Some(place) => {
                let restored = checkpoint::restore(place, run)?;
                let position = Position { thawed: run.thawed.clone(), ..restored.position.clone() };
                (position, Learner::restored(restored, run)?)
            }
            None => (Position::default(), Learner::new(run)?),
        };
        together::check(run, &position)?;
        if folder.is_written() {
            room::check(&folder.path, run, &learner, batches.length)?;
        }
        folder.prepare()?;
        // First of all: by it a folder is known to be a run's, after a kill as well.
        folder.replace(RECIPE, |fresh| checkpoint::write(fresh, run.model.recipe().as_bytes()))?;
        let first = position.step;
        let log = if folder.is_written() {
            progress.keep_in(&folder.path.join(LOG));
            let log = Log::open(&folder.path, folder.resume.as_ref().map(|_| (first, position.epoch)))?;
            log.gap().into_iter().for_each(|gap| progress.note(&format!("warning: {gap}")));
            Some(log)
        } else {
            None
        };
        let divergence = Divergence::of(run, position.diverged, position.high)?;
        let mut trainer = Trainer {
            run,
            folder,
            progress,
            log,
            position,
            learner,
            batches,
            waiting: Vec::new(),
            every: epoch::every(&run.model.device),
            recent: VecDeque::new(),
            divergence,
            stop,
            began,
            kept: (first, began),
            begin: Some(first),
            before: folder.seconds(),
        };
        if folder.resume.is_some() && folder.is_written() {
            trainer.reconcile()?;
        }
        Ok(trainer)
    }

    /// Of the whole run.
    fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }

    /// Steps of the whole run.
    fn total(&self) -> u64 {
        self.batches.length.steps
    }

    fn mean_loss(&self) -> f64 {
        self.position.loss / self.position.rows.max(1) as f64
    }

    /// With the averages in the network, where there are any.
    fn with_weights_that_count<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        match &self.learner.ema {
            Some(ema) => ema.with(&self.run.model.params, act),
            None => act(),
        }
    }

    /// What the weights that count say of the validation part.
    fn validate(&self) -> Result<(Predictions, Summary)> {
        let (model, data) = (&self.run.model, &self.run.data.validation);
        let act = || self.evaluate_together(model, data);
        let predictions = self.with_weights_that_count(act)?;
        let summary = Summary::of(&predictions);
        Ok((predictions, summary))
    }

    /// The end of an epoch: evaluates, logs, and writes `last` and perhaps `best`.
    fn evaluate(&mut self) -> Result<(Predictions, Summary)> {
        let validated = self.validate();
        if let Err(Error::Interrupted { .. }) = validated {
            // The steps of this epoch are done, and are not lost; what was evaluated of it is.
            self.save_last(None)?;
        }
        let (predictions, summary) = validated?;
        let select = self.run.plan().select;
        let value = (select.of)(&predictions);
        let epoch = self.position.epoch + 1;
        let of_epoch = Epoch {
            epoch,
            step: self.position.step,
            train_loss: self.mean_loss(),
            val_loss: Some(summary.log_loss),
            metrics: columns(&summary),
            lr: self.learner.lr(self.position.step - 1),
        };
        self.log.as_mut().map_or(Ok(()), |log| log.epoch(&of_epoch))?;
        let is_best = self.position.best.as_ref().is_none_or(|best| select.better.beats(value, best.value));
        self.rank(Best { value, epoch }, is_best);
        if let Some(note) = self.learner.observe(self.position.step, value, select) {
            self.progress.note(&note);
        }
        self.progress.note(&format!(
            "  val loss {}  accuracy {:.4}  macro F1 {:.4}  balanced {:.4}{}",
            step::shown(summary.log_loss),
            summary.accuracy,
            summary.macro_f1,
            summary.balanced_accuracy,
            if is_best { "  ← best" } else { "" }
        ));
        if let Some(left) = self.left() {
            self.progress.note(&left);
        }
        let advice = self.run.plan().schedule.advice();
        if let Some(warning) = self.divergence.look(epoch, self.mean_loss(), &predictions, &advice) {
            self.progress.note(&format!("warning: {warning}"));
        }
        (self.position.diverged, self.position.high) = (self.divergence.told, self.divergence.high);
        self.position = Position { epoch, batch: 0, loss: 0.0, rows: 0, ..self.position.clone() };
        self.save_best(&summary)?;
        if is_best {
            self.folder.replace("predictions.csv", |fresh| Ok(predictions.write_csv(fresh)?))?;
        }
        self.save_last(Some(&summary))?;
        Ok((predictions, summary))
    }

    /// At the end of the run.
    fn warnings(&self) -> Result<Vec<String>> {
        let advice = self.run.plan().schedule.advice();
        let mut warnings: Vec<String> = self.divergence.at_end(&advice).into_iter().collect();
        // Of a run that went wrong in another way they are no news.
        if warnings.is_empty() {
            let look = || dead(&self.run.model, &self.run.data.validation);
            let died = self.with_weights_that_count(look)?;
            warnings.extend(died.map(|died| format!("{died}; {advice}")));
        }
        Ok(warnings)
    }

    /// Whether a run that could go on has no better epoch for as long as its recipe waits.
    fn is_stale(&self) -> bool {
        let since = |best: &Best| self.position.epoch - best.epoch;
        self.run
            .plan()
            .patience
            .zip(self.position.best.as_ref())
            .is_some_and(|(patience, best)| self.position.step < self.total() && since(best) >= patience)
    }
}

/// FNV-1a, 128 bits, of the little-endian bytes of soft targets, row by row.
pub fn fingerprint(targets: &[f64]) -> String {
    let bytes: Vec<u8> = targets.iter().flat_map(|target| target.to_le_bytes()).collect();
    tallow_data::fingerprint(&bytes)
}

/// The metrics of `summary.csv`, in its order.
fn columns(summary: &Summary) -> Vec<(String, f64)> {
    [
        ("accuracy", summary.accuracy),
        ("macro_f1", summary.macro_f1),
        ("weighted_f1", summary.weighted_f1),
        ("balanced_accuracy", summary.balanced_accuracy),
        ("auroc", summary.auroc),
        ("average_precision", summary.average_precision),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
