//! Numbers that change over the run: `{ from: 4, to: 2.8 }` in place of `2.8`.

use crate::duration::{TrainingProgress, Window};
use crate::parameters::{parameters, text};
use crate::quantity::quantity;
use crate::spec::{Build, Mistake, Parsed, Spec, join};
use crate::{Error, Mix, Result};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_yaml::{Mapping, Value};

/// from + t · (to − from), t = 0 before the window and 1 after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    pub from: f64,
    pub to: f64,
    pub over: Window,
    pub shape: Curve,
}

/// t as a function of the part x of the window that has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Curve {
    /// x
    #[default]
    Linear,
    /// (1 − cos πx) / 2: level at both ends.
    Cosine,
}

quantity!(Curve, "`linear` or `cosine`", |value| match value.as_str()? {
    "linear" => Some(Curve::Linear),
    "cosine" => Some(Curve::Cosine),
    _ => None,
});

impl Ramp {
    /// The same number throughout.
    pub fn fixed(number: f64) -> Ramp {
        Ramp { from: number, to: number, over: Window::ALWAYS, shape: Curve::Linear }
    }

    /// Its number at a step; exactly `from` and `to` at the ends.
    pub fn at(&self, progress: &TrainingProgress) -> f64 {
        let x = self.over.passed(progress);
        let t = match self.shape {
            Curve::Linear => x,
            Curve::Cosine => (1.0 - (std::f64::consts::PI * x).cos()) / 2.0,
        };
        let (low, high) = (self.from.min(self.to), self.from.max(self.to));
        ((1.0 - t) * self.from + t * self.to).clamp(low, high)
    }

    /// Whether a value is written as a ramp: a mapping with `from` or `to`.
    pub fn is(value: &Value) -> bool {
        value.as_mapping().is_some_and(|map| map.contains_key("from") || map.contains_key("to"))
    }

    /// Reads `{ from, to, over, shape }`; without `over` it goes over the window `within`.
    pub fn parse(value: &Value, within: Window) -> Parsed<Ramp> {
        let Written { from, to, over, shape } = parameters(value)?;
        Ok(Ramp { from: from.0, to: to.0, over: over.map_or(within, |over| over.0), shape })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    from: Number,
    to: Number,
    over: Option<Over>,
    #[serde(default)]
    shape: Curve,
}

struct Number(f64);

quantity!(Number, "a number", |value| value.as_f64().filter(|x| x.is_finite()).map(Number));

struct Over(Window);

impl<'de> Deserialize<'de> for Over {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Over, D::Error> {
        Window::parse(&Value::deserialize(deserializer)?).map(Over).map_err(D::Error::custom)
    }
}

/// A mix of which some parameters are ramps: built anew at each step, from the numbers of that step.
pub struct Ramped {
    spec: &'static Spec,
    ramps: Ramps,
}

impl Ramped {
    /// The mix of these parameters at its ramps' start, and the ramps, where there are any.
    pub fn parse(
        spec: &'static Spec,
        value: &Value,
        within: Window,
    ) -> Parsed<(Box<dyn Mix>, Option<Ramped>)> {
        let (mix, ramps) = Ramps::parse(value, within, |value| build(spec, value))?;
        Ok((mix, ramps.map(|ramps| Ramped { spec, ramps })))
    }

    /// The mix of a step.
    pub fn at(&self, progress: &TrainingProgress) -> Result<Box<dyn Mix>> {
        build(self.spec, &self.ramps.at(progress)).map_err(|mistakes| unbuilt(self.spec.name, &mistakes))
    }

    /// Its ramps at a step, by their paths.
    pub fn numbers(&self, progress: &TrainingProgress) -> Vec<(String, f64)> {
        let rounded = |named: &Named| {
            let number = named.ramp.at(progress);
            if named.whole { number.round() } else { number }
        };
        self.ramps.ramps.iter().map(|named| (named.path.clone(), rounded(named))).collect()
    }
}

/// What could be built at every corner of its ramps cannot be built between them.
pub(crate) fn unbuilt(policy: &str, mistakes: &[Mistake]) -> Error {
    let problem: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
    Error::Policy { policy: policy.to_owned(), problem: problem.join("; ") }
}

/// YAML in which some numbers are ramps.
pub(crate) struct Ramps {
    /// As written.
    value: Value,
    ramps: Vec<Named>,
}

struct Named {
    /// Such as `gamma`, `weights.p_series.gamma`.
    path: String,
    ramp: Ramp,
    /// Whether the parameter takes whole numbers alone; the ramp is then rounded.
    whole: bool,
}

/// Every combination of ends is tried when a recipe is read.
const MOST: usize = 6;

impl Ramps {
    /// What `build` makes of the value at its ramps' start, and the ramps, where there are any. Between ends that a
    /// parameter takes it takes every number: ranges are intervals.
    pub fn parse<T>(
        value: &Value,
        within: Window,
        build: impl Fn(&Value) -> Parsed<T>,
    ) -> Parsed<(T, Option<Ramps>)> {
        let mut found = Vec::new();
        let mut mistakes = Vec::new();
        replaced(value, "", &mut |path, value| {
            match Ramp::parse(value, within) {
                Ok(ramp) => found.push(Named { path: path.to_owned(), ramp, whole: false }),
                Err(wrong) => mistakes.extend(wrong.into_iter().map(|mistake| mistake.under(path))),
            }
            Value::Null
        });
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        if found.is_empty() {
            return Ok((build(value)?, None));
        }
        if found.len() > MOST {
            let problem = format!("expected at most {MOST} ramps here, got {}", found.len());
            return Err(vec![Mistake::new("", problem)]);
        }
        let mut ramps = Ramps { value: value.clone(), ramps: found };
        let first = ramps.check(&build)?;
        for index in 0..ramps.ramps.len() {
            let Ramp { from, to, .. } = ramps.ramps[index].ramp;
            // A number between the ends that is written as a fraction, whatever its value.
            let between =
                ramps.with(|k| if k == index { Value::from((from + to) / 2.0) } else { ramps.end(k, false) });
            ramps.ramps[index].whole = build(&between).is_err();
        }
        Ok((first, Some(ramps)))
    }

    /// The value with the numbers of a step.
    pub fn at(&self, progress: &TrainingProgress) -> Value {
        self.with(|k| {
            let Named { ramp, whole, .. } = &self.ramps[k];
            let number = ramp.at(progress);
            if *whole { Value::from(number.round() as i64) } else { Value::from(number) }
        })
    }

    /// Tries every combination of ends. A mistake of a ramp is one of its end, or of the parameter where both ends make it.
    fn check<T>(&self, build: &impl Fn(&Value) -> Parsed<T>) -> Parsed<T> {
        let mut wrongs: Vec<(Mistake, Option<&str>)> = Vec::new();
        let corners = 1 << self.ramps.len();
        // All `from`, all `to`, then the others.
        for corner in [0, corners - 1].into_iter().chain(1..corners - 1) {
            let is_to = |k: usize| corner >> k & 1 == 1;
            let Err(wrong) = build(&self.with(|k| self.end(k, is_to(k)))) else { continue };
            for mistake in wrong {
                let index = self.ramps.iter().position(|named| named.path == mistake.path);
                wrongs.push((mistake, index.map(|k| if is_to(k) { "to" } else { "from" })));
            }
        }
        let mut mistakes: Vec<Mistake> = Vec::new();
        for (mistake, end) in &wrongs {
            let of_both = wrongs.iter().any(|(other, other_end)| other == mistake && other_end != end);
            let end = end.filter(|_| !of_both).unwrap_or_default();
            let mistake = Mistake { path: join(&mistake.path, end), ..mistake.clone() };
            if !mistakes.contains(&mistake) {
                mistakes.push(mistake);
            }
        }
        if mistakes.is_empty() { build(&self.with(|k| self.end(k, false))) } else { Err(mistakes) }
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

fn build(spec: &Spec, parameters: &Value) -> Parsed<Box<dyn Mix>> {
    match spec.build {
        Build::Mix(make) => make(parameters),
        Build::Image(_) => Err(vec![Mistake::new("", format!("`{}` changes one image", spec.name))]),
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
    use crate::{MixContext, Registry};
    use tallow_seed::Seed;

    fn yaml(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    fn at(step: u64) -> TrainingProgress {
        TrainingProgress { step, steps: 100, batches_per_epoch: 10, batch: 4 }
    }

    #[test]
    fn start_middle_and_end() {
        let of = |text: &str, steps: [u64; 3]| {
            let ramp = Ramp::parse(&yaml(text), Window::ALWAYS).unwrap();
            steps.map(|step| (ramp.at(&at(step)) * 1e9).round() / 1e9)
        };
        assert_eq!(of("{ from: 0, to: 0.5 }", [0, 50, 100]), [0.0, 0.25, 0.5]);
        assert_eq!(of("{ from: 4, to: 2.8 }", [0, 25, 99]), [4.0, 3.7, 2.812]); // 4 − .25 · 1.2, 4 − .99 · 1.2
        // over steps 20 to 60: (50 − 20) / 40 = .75
        assert_eq!(of("{ from: 1, to: 3, over: 0.2..0.6 }", [20, 50, 60]), [1.0, 2.5, 3.0]);
        assert_eq!(of("{ from: 1, to: 3, over: [2 epochs, 6 epochs] }", [0, 50, 99]), [1.0, 2.5, 3.0]);
        // (1 − cos π/4) / 2 = .146447
        let cosine = of("{ from: 0, to: 1, shape: cosine }", [25, 50, 100]);
        assert_eq!(cosine, [0.146446609, 0.5, 1.0]);
        // without `over`, the window of the node
        let inside = Window::parse(&Value::from("0.5..1")).unwrap();
        assert_eq!(Ramp::parse(&yaml("{ from: 0, to: 1 }"), inside).unwrap().at(&at(75)), 0.5);
        assert_eq!(Ramp::fixed(0.1).at(&at(33)), 0.1);
    }

    #[test]
    fn mistakes_have_their_place() {
        let of = |text: &str| {
            let value = yaml(text);
            let mistakes = Ramp::parse(&value, Window::ALWAYS).unwrap_err();
            mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join(" | ")
        };
        assert_eq!(of("{ from: 1 }"), "missing key `to`");
        assert_eq!(of("{ from: a, to: 2 }"), "from: expected a number, got a");
        assert_eq!(of("{ from: 1, to: 2, shape: round }"), "shape: expected `linear` or `cosine`, got round");
        assert!(of("{ from: 1, to: 2, ovr: 0..1 }").contains("ovr: unknown key `ovr`; did you mean `over`"));
        assert!(of("{ from: 1, to: 2, over: 3 }").contains("over: expected a window of the run such as"));
    }

    fn ramped(name: &str, parameters: &str) -> Parsed<(Box<dyn Mix>, Option<Ramped>)> {
        Ramped::parse(Registry::builtin().find(name).unwrap(), &yaml(parameters), Window::ALWAYS)
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
        let (first, ramps) = ramped("zeta_mixup", "{ gamma: { from: 4, to: 2 }, samples: 2 }").unwrap();
        let ramps = ramps.unwrap();
        // two rows: 1 / (1 + 2^−γ) of the own
        for (step, gamma) in [(0, 4.0), (50, 3.0), (100, 2.0)] {
            let own = weights(&*ramps.at(&at(step)).unwrap())[0];
            assert!((own - 1.0 / (1.0 + 2f64.powf(-gamma))).abs() < 1e-12, "step {step}: {own}");
            assert_eq!(ramps.numbers(&at(step)), [("gamma".to_owned(), gamma)]);
        }
        assert_eq!(weights(&*first), weights(&*ramps.at(&at(0)).unwrap()));
        // deeper in, in the same way
        let nested = "{ partners: 1, weights: { p_series: { gamma: { from: 0, to: 2 } } } }";
        let (_, ramps) = ramped("linear", nested).unwrap();
        let ramps = ramps.unwrap();
        assert_eq!(ramps.numbers(&at(50)), [("weights.p_series.gamma".to_owned(), 1.0)]);
        assert!((weights(&*ramps.at(&at(50)).unwrap())[0] - 2.0 / 3.0).abs() < 1e-12);
        assert!(ramped("mixup", "{ alpha: 0.2 }").unwrap().1.is_none());
    }

    #[test]
    fn whole_numbers_stay_whole() {
        let (_, ramps) = ramped("zeta_mixup", "{ samples: { from: 2, to: 4 } }").unwrap();
        let rows = |step| weights(&*ramps.as_ref().unwrap().at(&at(step)).unwrap()).len();
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
            "gamma.from: expected a number of 0 or more, got -1"
        );
        assert_eq!(
            of("mixup", "{ alpha: { from: 1, to: 0 } }"),
            "alpha.to: expected a positive number, got 0"
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
