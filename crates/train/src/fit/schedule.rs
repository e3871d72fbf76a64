//! The learning rate (and SGD's momentum) as a function of the step.

use super::plateau::PlateauRule;
use crate::Result;
use crate::plan::{Plan, RunLength, misfits};
use std::f64::consts::PI;
use tallow_policy::Mistake;

/// A schedule over `total` steps; the learning rate of step t (from 0) is used for its update.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pub shape: Shape<u64>,
    /// The base learning rate; one-cycle's maximum.
    pub lr: f64,
    /// Steps of linear warm-up before the shape starts, from `lr / warmup` to `lr`; 0 for none.
    pub warmup: u64,
    pub total: u64,
}

/// The shape after the warm-up, its durations in steps (or, in a plan, as written). Steps here are counted from its end.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape<D> {
    Constant,
    /// lr · factor^⌊t / every⌋
    Step {
        every: D,
        factor: f64,
    },
    /// lr · factor^(number of milestones ≤ t)
    Multistep {
        milestones: Vec<D>,
        factor: f64,
    },
    /// floor + (lr − floor)(1 + cos(π t / T)) / 2 over the T steps that are left.
    Cosine {
        floor: f64,
    },
    /// torch's `OneCycleLR(max_lr = lr, pct_start, div_factor, final_div_factor, anneal_strategy)`, two phases.
    OneCycle {
        rise: f64,
        start_divisor: f64,
        final_divisor: f64,
        linear: bool,
        momentum: Option<(f64, f64)>,
    },
    /// lr, until a plateau of the metric lowers it, which the learner knows.
    Plateau(PlateauRule),
}

impl Schedule {
    /// A plan's schedule over a run of this length.
    ///
    /// # Errors
    /// A warm-up or a milestone beyond the run's end.
    pub fn of(plan: &Plan, length: RunLength) -> Result<Schedule> {
        let share = |duration| Some(length.share_of(duration));
        if let Some(Mistake { path, message }) = misfits(&plan.schedule, share).into_iter().next() {
            return Err(plan.mistake(&path, message));
        }
        let steps = |duration| length.steps_of(duration);
        let shape = match plan.schedule.shape.clone() {
            Shape::Constant => Shape::Constant,
            Shape::Step { every, factor } => Shape::Step { every: steps(every).max(1), factor },
            Shape::Multistep { milestones, factor } => {
                Shape::Multistep { milestones: milestones.into_iter().map(steps).collect(), factor }
            }
            Shape::Cosine { floor } => Shape::Cosine { floor },
            Shape::Plateau(rule) => Shape::Plateau(rule),
            Shape::OneCycle { rise, start_divisor, final_divisor, linear, momentum } => {
                Shape::OneCycle { rise, start_divisor, final_divisor, linear, momentum }
            }
        };
        let (lr, warmup) = (plan.schedule.lr, plan.schedule.warmup.map_or(0, steps));
        Ok(Schedule { shape, lr, warmup, total: length.steps })
    }

    /// The learning rate of a step.
    pub fn lr(&self, step: u64) -> f64 {
        if let Shape::OneCycle { start_divisor, final_divisor, .. } = self.shape {
            let start = self.lr / start_divisor;
            return self.cycle(step, start, self.lr, start / final_divisor);
        }
        if step < self.warmup {
            return self.lr * (step + 1) as f64 / self.warmup as f64;
        }
        let step = step - self.warmup;
        match &self.shape {
            Shape::Constant | Shape::Plateau(_) => self.lr,
            Shape::Step { every, factor } => self.lr * factor.powi((step / every) as i32),
            Shape::Multistep { milestones, factor } => {
                self.lr * factor.powi(milestones.iter().filter(|m| **m <= step).count() as i32)
            }
            Shape::Cosine { floor } => {
                let left = (self.total - self.warmup.min(self.total)).max(1) as f64;
                floor + (self.lr - floor) * (1.0 + (PI * (step as f64 / left).min(1.0)).cos()) / 2.0
            }
            Shape::OneCycle { .. } => unreachable!("handled above"),
        }
    }

    /// The momentum of a step, where the schedule cycles it (inversely to the learning rate).
    pub fn momentum(&self, step: u64) -> Option<f64> {
        let Shape::OneCycle { momentum: Some((low, high)), .. } = self.shape else { return None };
        Some(self.cycle(step, high, low, high))
    }

    /// `start` → `top` until step rise · total − 1, then → `end` at step total − 1, as torch counts.
    fn cycle(&self, step: u64, start: f64, top: f64, end: f64) -> f64 {
        let Shape::OneCycle { rise, linear, .. } = self.shape else { unreachable!("one-cycle only") };
        let anneal = |from: f64, to: f64, part: f64| {
            if linear {
                from + (to - from) * part
            } else {
                to + (from - to) / 2.0 * (1.0 + (PI * part).cos())
            }
        };
        let peak = rise * self.total as f64 - 1.0;
        let last = self.total as f64 - 1.0;
        let step = (step as f64).min(last);
        if step <= peak {
            // A rise of one step begins at its top.
            anneal(start, top, if peak > 0.0 { step / peak } else { 1.0 })
        } else {
            anneal(top, end, (step - peak) / (last - peak))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(shape: Shape<u64>, warmup: u64) -> Schedule {
        Schedule { shape, lr: 0.1, warmup, total: 10 }
    }

    fn lrs(schedule: &Schedule) -> Vec<f64> {
        (0..schedule.total).map(|step| schedule.lr(step)).collect()
    }

    fn near(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        for (g, e) in got.iter().zip(expected) {
            assert!((g - e).abs() < 1e-12, "{got:?} != {expected:?}");
        }
    }

    #[test]
    fn warmup_is_linear_and_then_the_shape_begins() {
        let s = schedule(Shape::Constant, 4);
        near(&lrs(&s)[..5], &[0.025, 0.05, 0.075, 0.1, 0.1]);
    }

    #[test]
    fn steps() {
        let s = schedule(Shape::Step { every: 4, factor: 0.5 }, 0);
        near(&lrs(&s), &[0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.025, 0.025]);
        let s = schedule(Shape::Multistep { milestones: vec![2, 7], factor: 0.1 }, 0);
        near(&lrs(&s), &[0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001]);
    }

    #[test]
    fn cosine_ends_near_its_floor() {
        let s = schedule(Shape::Cosine { floor: 0.0 }, 0);
        near(&[s.lr(0), s.lr(5), s.lr(10)], &[0.1, 0.05, 0.0]);
    }

    #[test]
    fn one_cycle_of_few_steps_stays_finite() {
        for (total, rise) in [(1, 0.3), (2, 0.5), (4, 0.25), (10, 0.1), (3, 0.9)] {
            let shape = Shape::OneCycle {
                rise,
                start_divisor: 25.0,
                final_divisor: 1e4,
                linear: false,
                momentum: None,
            };
            let lrs = lrs(&Schedule { shape, lr: 0.1, warmup: 0, total });
            assert!(lrs.iter().all(|lr| (0.0..=0.1 + 1e-12).contains(lr)), "{total}, {rise}: {lrs:?}");
        }
    }

    #[test]
    fn one_cycle_equals_torch() {
        // torch 2.15: OneCycleLR(SGD(lr=0.1, momentum=0.9), max_lr=0.1, total_steps=10, pct_start=0.3): get_last_lr()
        // and param_groups[0]["momentum"] before each step.
        let cycle = |linear| Shape::OneCycle {
            rise: 0.3,
            start_divisor: 25.0,
            final_divisor: 1e4,
            linear,
            momentum: Some((0.85, 0.95)),
        };
        let s = schedule(cycle(false), 0);
        near(&lrs(&s), &TORCH_COSINE_LRS);
        let momenta: Vec<f64> = (0..10).map(|step| s.momentum(step).unwrap()).collect();
        near(&momenta, &TORCH_COSINE_MOMENTA);
        near(&lrs(&schedule(cycle(true), 0)), &TORCH_LINEAR_LRS);
    }

    const TORCH_COSINE_LRS: [f64; 10] = [
        0.0040000000000000036,
        0.052000000000000005,
        0.1,
        0.09504846320134738,
        0.0811745653949763,
        0.06112620219362893,
        0.03887419780637107,
        0.0188258346050237,
        0.004951936798652629,
        4e-07,
    ];
    const TORCH_COSINE_MOMENTA: [f64; 10] = [
        0.95,
        0.8999999999999999,
        0.85,
        0.854951556604879,
        0.8688255099070633,
        0.8888739533021842,
        0.9111260466978157,
        0.9311744900929366,
        0.945048443395121,
        0.95,
    ];
    const TORCH_LINEAR_LRS: [f64; 10] = [
        0.004,
        0.052000000000000005,
        0.1,
        0.08571434285714286,
        0.07142868571428572,
        0.05714302857142858,
        0.042857371428571434,
        0.028571714285714284,
        0.014286057142857148,
        3.999999999976245e-07,
    ];
}
