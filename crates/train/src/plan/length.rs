//! The length of a run, and what of a schedule must fit into it.

use super::{Plan, SchedulePlan};
use crate::Result;
use crate::fit::Shape;
use crate::recipe::Node;
use tallow_policy::{Duration, Mistake, TrainingProgress};

/// The longest run, in epochs, steps and images: what is longer is a slip of the hand.
const LONGEST: (f64, u64, u64) = (1e6, 10_000_000_000, 10_000_000_000_000);

/// `30 epochs`, `500 steps`, `100000 images`.
pub fn length(node: &Node) -> Option<Duration> {
    let (epochs, steps, images) = LONGEST;
    let (is_none, is_too_long, most) = match Duration::parse(node.value()) {
        Ok(Duration::Epochs(n)) => (n == 0.0, n > epochs, Duration::Epochs(epochs)),
        Ok(Duration::Steps(n)) => (n == 0, n > steps, Duration::Steps(steps)),
        Ok(Duration::Images(n)) => (n == 0, n > images, Duration::Images(images)),
        Ok(Duration::Fraction(_)) | Err(_) => {
            return node.expected("a number of epochs, steps or images, such as `length: 30 epochs`");
        }
    };
    match () {
        () if is_none => node.mistake(AT_LEAST_ONE),
        () if is_too_long => return node.expected(&format!("at most {most}")),
        () => return Duration::parse(node.value()).ok(),
    }
    None
}

const AT_LEAST_ONE: &str = "expected at least one step, such as 1 epochs";

/// How many steps a run has: places each of them in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLength {
    pub steps: u64,
    pub batches_per_epoch: u64,
    /// Images of a whole batch.
    pub batch: u64,
}

impl RunLength {
    /// One epoch of so many steps.
    pub fn of_steps(steps: u64, batch: usize) -> RunLength {
        RunLength { steps, batches_per_epoch: steps, batch: batch as u64 }
    }

    /// Where a step, from 0, is in the run.
    pub fn at(&self, step: u64) -> TrainingProgress {
        let RunLength { steps, batches_per_epoch, batch } = *self;
        TrainingProgress { step, steps, batches_per_epoch, batch }
    }

    /// Whole steps of a duration.
    pub fn steps_of(&self, duration: Duration) -> u64 {
        duration.steps_of(self.steps, self.batches_per_epoch, self.batch)
    }

    /// The part of the run that a duration takes.
    pub fn share_of(&self, duration: Duration) -> f64 {
        let steps = match duration {
            // Not rounded to whole steps.
            Duration::Epochs(n) => n * self.batches_per_epoch as f64,
            other => self.steps_of(other) as f64,
        };
        steps / self.steps as f64
    }
}

impl Plan {
    /// The length of a run whose epochs have so many batches.
    ///
    /// # Errors
    /// A run of no step.
    pub fn run_length(&self, batches_per_epoch: u64) -> Result<RunLength> {
        let batch = self.data.batch as u64;
        match self.length.steps(batches_per_epoch, batch) {
            Some(steps) if steps > 0 => Ok(RunLength { steps, batches_per_epoch, batch }),
            _ => Err(self.mistake("length", AT_LEAST_ONE)),
        }
    }
}

/// What of a schedule lies beyond the end of its run or out of order, by its path in the recipe. `share` is the part of the
/// run that a duration takes, where that is known.
pub fn misfits(schedule: &SchedulePlan, share: impl Fn(Duration) -> Option<f64>) -> Vec<Mistake> {
    let name = schedule.name;
    let warmup = schedule.warmup.and_then(&share).unwrap_or(0.0);
    let mut found = Vec::new();
    if warmup > 1.0 {
        let remedy =
            "write a shorter one, such as `warmup: 0.05` (a fraction of the run), or a longer `length`";
        found.push(Mistake::new(
            format!("schedule.{name}.warmup"),
            format!("is longer than the run; {remedy}"),
        ));
    }
    let Shape::Multistep { milestones, .. } = &schedule.shape else { return found };
    let places: Vec<Option<f64>> = milestones.iter().map(|milestone| share(*milestone)).collect();
    for (index, place) in places.iter().enumerate() {
        let Some(place) = *place else { continue };
        let before = places[..index].iter().rev().find_map(|before| *before);
        let problem = if before.is_some_and(|before| place <= before) {
            "is not after the one before it; write milestones in increasing order"
        } else if warmup + place >= 1.0 {
            "is never reached: the run ends first (milestones count from the end of the warm-up); \
             take it out, write fractions of the run, such as `at: [ 0.5, 0.75 ]`, or a longer `length`"
        } else {
            continue;
        };
        found.push(Mistake::new(format!("schedule.{name}.at[{index}]"), problem));
    }
    found
}

/// The part of a run of this length that a duration takes, where the two are in one unit.
pub fn share_of(length: Duration) -> impl Fn(Duration) -> Option<f64> {
    move |duration| match (duration, length) {
        (Duration::Fraction(part), _) => Some(part),
        (Duration::Epochs(n), Duration::Epochs(whole)) => Some(n / whole),
        (Duration::Steps(n), Duration::Steps(whole)) | (Duration::Images(n), Duration::Images(whole)) => {
            Some(n as f64 / whole as f64)
        }
        _ => None,
    }
}
