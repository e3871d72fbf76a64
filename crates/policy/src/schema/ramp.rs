//! Numbers that change over the run: `{ from: 4, to: 2.8 }` in place of `2.8`.

use super::duration::{TrainingProgress, Window};
use super::parameters::parameters;
use super::quantity::{choice, quantity};
use super::spec::Parsed;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_yaml::Value;

/// from + t · (to − from), t = 0 before the window and 1 after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    pub from: f64,
    pub to: f64,
    pub over: Window,
    pub shape: Curve,
}

choice! {
    /// t as a function of the part x of the window that has passed.
    #[derive(Default)]
    pub enum Curve {
        /// x
        #[default]
        Linear = "linear",
        /// (1 − cos πx) / 2: level at both ends.
        Cosine = "cosine",
    }
}

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

    /// Whether both have the same t at every step.
    pub(crate) fn moves_with(&self, other: &Ramp) -> bool {
        (self.over, self.shape) == (other.over, other.shape)
    }

    /// Whether a value is written as a ramp: a mapping with `from` or `to`.
    pub fn is(value: &Value) -> bool {
        value.as_mapping().is_some_and(|map| map.contains_key("from") || map.contains_key("to"))
    }

    /// Reads `{ from, to, over, shape }`; without `over` it goes over the window `within`.
    ///
    /// # Errors
    /// Missing and unknown keys, and values that are no numbers, no window or no shape.
    pub fn parse(value: &Value, within: Window) -> Parsed<Ramp> {
        let Keys { from, to, over, shape } = parameters(value)?;
        Ok(Ramp { from: from.0, to: to.0, over: over.map_or(within, |over| over.0), shape })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
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
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Over, D::Error> {
        Window::parse(&Value::deserialize(deserializer)?).map(Over).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mistake;

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
}
