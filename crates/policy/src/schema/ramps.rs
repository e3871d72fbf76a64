//! Parameters of which some numbers are ramps, as YAML: their ends are tried when a recipe is read, their numbers filled in later.

use super::duration::{TrainingProgress, Window};
use super::parameters::text;
use super::ramp::Ramp;
use super::spec::{Mistake, Parsed, join};
use crate::{Error, Result};
use serde_yaml::{Mapping, Value};

/// YAML in which some numbers are ramps.
pub(crate) struct Ramps {
    /// As written.
    value: Value,
    ramps: Vec<RampAt>,
    /// How many of them move apart.
    groups: usize,
}

/// A ramp at its place.
struct RampAt {
    /// Such as `gamma`, `weights.p_series.gamma`.
    path: String,
    ramp: Ramp,
    /// Whether the parameter takes whole numbers alone; the ramp is then rounded.
    whole: bool,
    /// Ramps of one group move together: they have one window and one shape.
    group: usize,
}

/// Every combination of ends of the groups is tried when a recipe is read.
const MOST: usize = 6;

impl Ramps {
    /// What `build` makes of the value at every combination of ends that its ramps may reach, that of all starts first, that of
    /// all ends next; and the ramps, where there are any. Ramps of one window and one shape move together, others do not.
    /// Between ends that a parameter takes it takes every number: ranges are intervals.
    ///
    /// # Errors
    /// Ramps that are none, and every mistake of `build` at a combination of ends, placed at the end that makes it.
    pub fn parse<T>(
        value: &Value,
        within: Window,
        build: impl Fn(&Value) -> Parsed<T>,
    ) -> Parsed<(Vec<T>, Option<Ramps>)> {
        let mut found: Vec<RampAt> = Vec::new();
        let mut groups = 0;
        let mut mistakes = Vec::new();
        replaced(value, "", &mut |path, value| {
            match Ramp::parse(value, within) {
                Ok(ramp) => {
                    let group =
                        found.iter().find(|other| other.ramp.moves_with(&ramp)).map(|other| other.group);
                    let group = group.unwrap_or(groups);
                    groups = groups.max(group + 1);
                    found.push(RampAt { path: path.to_owned(), ramp, whole: false, group });
                }
                Err(wrong) => mistakes.extend(wrong.into_iter().map(|mistake| mistake.under(path))),
            }
            Value::Null
        });
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        if found.is_empty() {
            return Ok((vec![build(value)?], None));
        }
        if groups > MOST {
            let problem = format!("expected ramps of at most {MOST} windows and shapes here, got {groups}");
            return Err(vec![Mistake::new("", problem)]);
        }
        let mut ramps = Ramps { value: value.clone(), ramps: found, groups };
        let corners = ramps.corners(&build)?;
        for index in 0..ramps.ramps.len() {
            // Its start, written as a fraction whatever its value.
            let fraction = Value::from(ramps.ramps[index].ramp.from);
            let start = |k| if k == index { fraction.clone() } else { ramps.end(k, false) };
            ramps.ramps[index].whole = build(&ramps.with(start)).is_err();
        }
        Ok((corners, Some(ramps)))
    }

    /// The first of them.
    pub fn first(&self) -> Ramp {
        self.ramps[0].ramp
    }

    /// What `build` makes of `policy` at a step.
    ///
    /// # Errors
    /// Ramps of whole numbers that, rounded, miss what holds at their ends and between them.
    pub fn build<T>(
        &self,
        progress: &TrainingProgress,
        policy: &str,
        build: impl Fn(&Value) -> Parsed<T>,
    ) -> Result<T> {
        let number = |k: usize| {
            let RampAt { whole, .. } = &self.ramps[k];
            let number = self.number(k, progress);
            if *whole { Value::from(number as i64) } else { Value::from(number) }
        };
        build(&self.with(number)).map_err(|mistakes| {
            let problem: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
            Error::Policy { policy: policy.to_owned(), problem: problem.join("; ") }
        })
    }

    /// The ramps at a step, by their paths.
    pub fn numbers(&self, progress: &TrainingProgress) -> Vec<(String, f64)> {
        (0..self.ramps.len()).map(|k| (self.ramps[k].path.clone(), self.number(k, progress))).collect()
    }

    fn number(&self, k: usize, progress: &TrainingProgress) -> f64 {
        let RampAt { ramp, whole, .. } = &self.ramps[k];
        let number = ramp.at(progress);
        if *whole { number.round() } else { number }
    }

    /// Builds every combination of ends. A mistake of a ramp is one of its end, or of the parameter where both ends make it.
    fn corners<T>(&self, build: &impl Fn(&Value) -> Parsed<T>) -> Parsed<Vec<T>> {
        let last = (1 << self.groups) - 1;
        let is_to = |corner: usize, k: usize| corner >> self.ramps[k].group & 1 == 1;
        let mut wrongs: Vec<(usize, Mistake)> = Vec::new();
        let mut built = Vec::new();
        // All `from`, all `to`, then the others.
        for corner in [0, last].into_iter().chain(1..last) {
            match build(&self.with(|k| self.end(k, is_to(corner, k)))) {
                Ok(policy) => built.push(policy),
                Err(wrong) => wrongs.extend(wrong.into_iter().map(|mistake| (corner, mistake))),
            }
        }
        let mut mistakes: Vec<Mistake> = Vec::new();
        for (corner, mistake) in &wrongs {
            let same = || wrongs.iter().filter(|(_, other)| other == mistake).map(|(corner, _)| *corner);
            let mut placed = mistake.clone();
            match self.ramps.iter().position(|at| at.path == mistake.path) {
                Some(k) if same().all(|other| is_to(other, k) == is_to(*corner, k)) => {
                    placed.path = join(&mistake.path, if is_to(*corner, k) { "to" } else { "from" });
                }
                None if self.ramps.len() > 1 && same().count() <= last => {
                    let number = |(k, at): (usize, &RampAt)| {
                        let end = if is_to(*corner, k) { at.ramp.to } else { at.ramp.from };
                        format!("{} is {end}", at.path)
                    };
                    let numbers: Vec<String> = self.ramps.iter().enumerate().map(number).collect();
                    let apart =
                        if self.groups > 1 { "; ramps of one `over` and `shape` move together" } else { "" };
                    placed.message.push_str(&format!(" where {}{apart}", numbers.join(" and ")));
                }
                _ => {}
            }
            if !mistakes.contains(&placed) && same().next() == Some(*corner) {
                mistakes.push(placed);
            }
        }
        if mistakes.is_empty() { Ok(built) } else { Err(mistakes) }
    }

    /// An end of a ramp as it is written.
    fn end(&self, index: usize, is_to: bool) -> Value {
        let mut seen = 0;
        let mut end = Value::Null;
        replaced(&self.value, "", &mut |_, value| {
            if seen == index {
                end = value.get(if is_to { "to" } else { "from" }).cloned().unwrap_or_default();
            }
            seen += 1;
            Value::Null
        });
        end
    }

    /// The value with a number for each ramp.
    fn with(&self, number: impl Fn(usize) -> Value) -> Value {
        let mut seen = 0;
        replaced(&self.value, "", &mut |_, _| {
            seen += 1;
            number(seen - 1)
        })
    }
}

/// The value with each ramp in it, in the order written, replaced.
fn replaced(value: &Value, path: &str, number: &mut impl FnMut(&str, &Value) -> Value) -> Value {
    match value {
        ramp if Ramp::is(ramp) => number(path, ramp),
        Value::Mapping(map) => {
            let entry = |(key, value): (&Value, &Value)| {
                (key.clone(), replaced(value, &join(path, &text(key)), number))
            };
            Value::Mapping(map.iter().map(entry).collect::<Mapping>())
        }
        Value::Sequence(items) => {
            let item = |(i, value)| replaced(value, &format!("{path}[{i}]"), number);
            Value::Sequence(items.iter().enumerate().map(item).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mix, MixContext, Registry};
    use tallow_seed::Seed;

    fn yaml(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    fn at(step: u64) -> TrainingProgress {
        TrainingProgress { step, steps: 100, batches_per_epoch: 10, batch: 4 }
    }

    type Ramped = (Vec<Box<dyn Mix>>, Option<Ramps>);

    fn ramped(name: &str, parameters: &str) -> Parsed<Ramped> {
        let spec = Registry::builtin().find(name).unwrap();
        Ramps::parse(&yaml(parameters), Window::ALWAYS, |value| spec.mix(value))
    }

    fn mix_at(ramps: &Ramps, name: &str, step: u64) -> Box<dyn Mix> {
        let spec = Registry::builtin().find(name).unwrap();
        ramps.build(&at(step), name, |value| spec.mix(value)).unwrap()
    }

    /// The weights of the first row of four.
    fn weights(mix: &dyn Mix) -> Vec<f64> {
        let context = MixContext {
            classes: &[0; 4],
            groups: &[None; 4],
            n_classes: 1,
            size: None,
            partners: &[1, 2, 3, 0],
            within_group: true,
            progress: 0.0,
            values: None,
            input_gradient: None,
        };
        let crate::Mixing::Rows(shares) = mix.draw(&context, &mut Seed::new(1).rng()).unwrap() else {
            panic!()
        };
        let mut row: Vec<f64> = shares.row(0).iter().map(|(_, share)| *share).collect();
        row.sort_by(|a, b| b.total_cmp(a));
        row
    }

    #[test]
    fn a_mix_takes_the_number_of_its_step() {
        let (corners, ramps) = ramped("zeta_mixup", "{ gamma: { from: 4, to: 2 }, samples: 2 }").unwrap();
        let ramps = ramps.unwrap();
        // two rows: 1 / (1 + 2^−γ) of the own
        for (step, gamma) in [(0, 4.0), (50, 3.0), (100, 2.0)] {
            let own = weights(&*mix_at(&ramps, "zeta_mixup", step))[0];
            assert!((own - 1.0 / (1.0 + 2f64.powf(-gamma))).abs() < 1e-12, "step {step}: {own}");
            assert_eq!(ramps.numbers(&at(step)), [("gamma".to_owned(), gamma)]);
        }
        assert_eq!(weights(&*corners[0]), weights(&*mix_at(&ramps, "zeta_mixup", 0)));
        // deeper in, in the same way
        let nested = "{ partners: 1, weights: { p_series: { gamma: { from: 0, to: 2 } } } }";
        let (_, ramps) = ramped("linear", nested).unwrap();
        let ramps = ramps.unwrap();
        assert_eq!(ramps.numbers(&at(50)), [("weights.p_series.gamma".to_owned(), 1.0)]);
        assert!((weights(&*mix_at(&ramps, "linear", 50))[0] - 2.0 / 3.0).abs() < 1e-12);
        assert!(ramped("mixup", "{ alpha: 0.2 }").unwrap().1.is_none());
    }

    #[test]
    fn whole_numbers_stay_whole() {
        let (_, ramps) = ramped("zeta_mixup", "{ samples: { from: 2, to: 4 } }").unwrap();
        let ramps = ramps.unwrap();
        let rows = |step| weights(&*mix_at(&ramps, "zeta_mixup", step)).len();
        // 2, 2.48, 2.5, 3, 4
        assert_eq!([0, 24, 25, 50, 100].map(rows), [2, 2, 3, 3, 4]);
    }

    #[test]
    fn both_ends_must_be_taken() {
        let of = |name: &str, text: &str| {
            let mistakes = ramped(name, text).err().unwrap();
            mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join(" | ")
        };
        assert_eq!(
            of("zeta_mixup", "{ gamma: { from: -1, to: 2 } }"),
            "gamma.from: expected a number from 0 to 100, got -1"
        );
        assert_eq!(
            of("mixup", "{ alpha: { from: 1, to: 0 } }"),
            "alpha.to: expected a number from 0.001 to 1000, got 0"
        );
        assert_eq!(of("mixup", "{ alpha: { from: 1 } }"), "alpha: missing key `to`");
        assert!(
            of("zeta_mixup", "{ samples: { from: 2.5, to: 4 } }").starts_with("samples.from: expected `all`")
        );
        assert!(
            of("mixup", "{ per_sample: { from: 0, to: 1 } }").contains("per_sample.from: expected a boolean")
        );
        let unknown = of("mixup", "{ alhpa: { from: 1, to: 2 } }");
        assert!(unknown.starts_with("alhpa: unknown key `alhpa`") && !unknown.contains(" | "), "{unknown}");
    }
}
