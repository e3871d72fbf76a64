//! How long something lasts, in the units of a run: `30 epochs`, `10 steps`, `5000 images`, or a fraction of it.

use super::parameters::text;
use serde_yaml::Value;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A length of training, or a place in it counted from its start. One type for every duration of a recipe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Duration {
    Steps(u64),
    /// May be broken: `0.5 epochs`.
    Epochs(f64),
    Images(u64),
    /// Of the whole run, 0 to 1: written as a bare number.
    Fraction(f64),
}

/// Where a step lies in its run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingProgress {
    /// Optimizer steps done before this one.
    pub step: u64,
    /// Of the whole run.
    pub steps: u64,
    pub batches_per_epoch: u64,
    /// Rows of a batch.
    pub batch: u64,
}

impl TrainingProgress {
    /// The first step of any run.
    pub const START: TrainingProgress =
        TrainingProgress { step: 0, steps: 1, batches_per_epoch: 1, batch: 1 };

    /// step / steps, 0 to 1.
    pub fn fraction(&self) -> f64 {
        if self.steps == 0 { 0.0 } else { (self.step as f64 / self.steps as f64).min(1.0) }
    }
}

impl Duration {
    /// Whole steps: epochs · batches_per_epoch rounded, images / batch rounded up. `None` for a fraction, whose whole is
    /// not known here.
    pub fn steps(self, batches_per_epoch: u64, batch: u64) -> Option<u64> {
        match self {
            Duration::Steps(n) => Some(n),
            Duration::Epochs(n) => Some((n * batches_per_epoch as f64).round() as u64),
            Duration::Images(n) => Some(n.div_ceil(batch.max(1))),
            Duration::Fraction(_) => None,
        }
    }

    /// Whole steps of a run of `steps`: as [`Duration::steps`], a fraction rounded.
    pub fn steps_of(self, steps: u64, batches_per_epoch: u64, batch: u64) -> u64 {
        match self {
            Duration::Fraction(part) => (part * steps as f64).round() as u64,
            other => other.steps(batches_per_epoch, batch).unwrap_or(0),
        }
    }

    /// Whether it is over at once.
    pub fn is_zero(self) -> bool {
        match self {
            Duration::Steps(n) | Duration::Images(n) => n == 0,
            Duration::Epochs(n) | Duration::Fraction(n) => n == 0.0,
        }
    }

    /// The step, perhaps between two, that lies this long after the start of the run.
    fn place(self, progress: &TrainingProgress) -> f64 {
        match self {
            Duration::Steps(n) => n as f64,
            Duration::Epochs(n) => n * progress.batches_per_epoch as f64,
            Duration::Images(n) => n as f64 / progress.batch.max(1) as f64,
            Duration::Fraction(part) => part * progress.steps as f64,
        }
    }

    /// A text with a unit, or a number from 0 to 1.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(value: &Value) -> Result<Duration, String> {
        let refusal = || format!("expected {EXPECTED}, got {}", text(value));
        match value {
            Value::String(written) => written.parse(),
            Value::Number(number) => {
                let part = number.as_f64().filter(|x| (0.0..=1.0).contains(x));
                part.map(Duration::Fraction).ok_or_else(refusal)
            }
            _ => Err(refusal()),
        }
    }
}

/// Of durations in one unit; others depend on the run.
impl PartialOrd for Duration {
    fn partial_cmp(&self, other: &Duration) -> Option<Ordering> {
        match (*self, *other) {
            (Duration::Steps(a), Duration::Steps(b)) | (Duration::Images(a), Duration::Images(b)) => {
                Some(a.cmp(&b))
            }
            (Duration::Epochs(a), Duration::Epochs(b)) | (Duration::Fraction(a), Duration::Fraction(b)) => {
                a.partial_cmp(&b)
            }
            _ => None,
        }
    }
}

const EXPECTED: &str =
    "a duration such as `30 epochs`, `10 steps`, `5000 images`, or a fraction of the run from 0 to 1";

impl FromStr for Duration {
    type Err = String;

    fn from_str(written: &str) -> Result<Duration, String> {
        let refusal = || format!("expected {EXPECTED}, got {written}");
        let mut parts = written.split_whitespace();
        let (Some(number), unit, None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refusal());
        };
        let whole = || number.parse::<u64>().map_err(|_| refusal());
        match unit {
            Some("step" | "steps") => whole().map(Duration::Steps),
            Some("image" | "images") => whole().map(Duration::Images),
            Some("epoch" | "epochs") => {
                let n = number.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
                n.map(Duration::Epochs).ok_or_else(refusal)
            }
            None => {
                let part = number.parse::<f64>().ok().filter(|x| (0.0..=1.0).contains(x));
                part.map(Duration::Fraction).ok_or_else(refusal)
            }
            Some(_) => Err(refusal()),
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match *self {
            Duration::Steps(n) => (n as f64, "step"),
            Duration::Epochs(n) => (n, "epoch"),
            Duration::Images(n) => (n as f64, "image"),
            Duration::Fraction(part) => return write!(f, "{part}"),
        };
        write!(f, "{number} {unit}{}", if number == 1.0 { "" } else { "s" })
    }
}

/// A part of the run, from its start to before its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub start: Duration,
    pub end: Duration,
}

impl Window {
    /// The whole run.
    pub const ALWAYS: Window = Window { start: Duration::Fraction(0.0), end: Duration::Fraction(1.0) };

    /// `0.2..0.8`, `[0.2, 0.8]` or `[10 epochs, 20 epochs]`.
    ///
    /// # Errors
    /// Anything else, and an end that is not after the start, where the units can be compared.
    pub fn parse(value: &Value) -> Result<Window, String> {
        let (start, end) = match value {
            Value::String(written) => match written.split_once("..") {
                Some((start, end)) => (start.parse()?, end.parse()?),
                None => return Err(format!("expected {A_WINDOW}, got {written}")),
            },
            Value::Sequence(items) if items.len() == 2 => {
                (Duration::parse(&items[0])?, Duration::parse(&items[1])?)
            }
            other => return Err(format!("expected {A_WINDOW}, got {}", text(other))),
        };
        if start >= end {
            Err(format!("expected a start before the end, got {start} to {end}"))
        } else {
            Ok(Window { start, end })
        }
    }

    /// Whether a step is inside.
    pub fn contains(&self, progress: &TrainingProgress) -> bool {
        let step = progress.step as f64;
        let is_last = self.end == Duration::Fraction(1.0);
        self.start.place(progress) <= step && (step < self.end.place(progress) || is_last)
    }

    /// Whether an epoch, which is the part `epoch` of the run where that is known, begins inside; true where that cannot be
    /// said.
    pub(crate) fn holds_start_of_epoch(&self, epoch: Option<f64>) -> bool {
        let (start, end) = match (self.start, self.end, epoch) {
            (Duration::Epochs(start), Duration::Epochs(end), _) => (start, end),
            (Duration::Fraction(start), Duration::Fraction(end), Some(epoch)) => (start / epoch, end / epoch),
            _ => return true,
        };
        const ROUNDING: f64 = 1e-9;
        (start - ROUNDING).ceil() < end - ROUNDING
    }

    /// How much of it has passed: (step − start) / (end − start), 0 before it and 1 after it.
    pub fn passed(&self, progress: &TrainingProgress) -> f64 {
        let (start, end, step) = (self.start.place(progress), self.end.place(progress), progress.step as f64);
        match () {
            () if step >= end => 1.0,
            () if step <= start => 0.0,
            () => (step - start) / (end - start),
        }
    }
}

const A_WINDOW: &str = "a window of the run such as `0.2..0.8` or `[10 epochs, 20 epochs]`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        let cases = [
            ("30 epochs", Duration::Epochs(30.0)),
            ("1 epoch", Duration::Epochs(1.0)),
            ("0.5 epochs", Duration::Epochs(0.5)),
            ("10 steps", Duration::Steps(10)),
            ("5000 images", Duration::Images(5000)),
            ("0.25", Duration::Fraction(0.25)),
        ];
        for (words, duration) in cases {
            assert_eq!(words.parse(), Ok(duration));
            assert_eq!(duration.to_string(), words);
        }
        assert_eq!(Duration::parse(&Value::from(0.2)), Ok(Duration::Fraction(0.2)));
    }

    #[test]
    fn refused() {
        for words in
            ["", "epochs", "30 epoch s", "30", "-1 epochs", "1.5 steps", "3 days", "inf epochs", "1.5"]
        {
            let problem = words.parse::<Duration>().unwrap_err();
            assert!(problem.starts_with("expected a duration such as `30 epochs`"), "{words}: {problem}");
        }
        assert!(Duration::parse(&Value::from(30)).is_err());
    }

    #[test]
    fn whole_steps() {
        let steps = |words: &str| words.parse::<Duration>().unwrap().steps(25, 32);
        assert_eq!(steps("2 epochs"), Some(50));
        assert_eq!(steps("0.5 epochs"), Some(13)); // 12.5
        assert_eq!(steps("33 images"), Some(2)); // 33 / 32
        assert_eq!(steps("7 steps"), Some(7));
        assert_eq!(steps("0.5"), None);
        assert_eq!(Duration::Fraction(0.2).steps_of(104, 25, 32), 21); // 20.8
        assert_eq!(Duration::Epochs(1.0).steps_of(104, 25, 32), 25);
    }

    #[test]
    fn windows() {
        let yaml = |text: &str| Window::parse(&serde_yaml::from_str(text).unwrap());
        let at = |step| TrainingProgress { step, steps: 100, batches_per_epoch: 10, batch: 4 };
        let inside = |text: &str| -> Vec<u64> {
            let window = yaml(text).unwrap();
            (0..100).filter(|&step| window.contains(&at(step))).collect()
        };
        assert_eq!(inside("0.2..0.8"), (20..80).collect::<Vec<_>>());
        assert_eq!(inside("[0.2, 0.8]"), (20..80).collect::<Vec<_>>());
        assert_eq!(inside("[1 epoch, 2 epochs]"), (10..20).collect::<Vec<_>>());
        assert_eq!(inside("5 steps..40 images"), (5..10).collect::<Vec<_>>()); // 40 / 4
        assert_eq!(inside("0..1"), (0..100).collect::<Vec<_>>());
        assert!(Window::ALWAYS.contains(&at(100)));
        let passed = |text: &str, step| yaml(text).unwrap().passed(&at(step));
        assert_eq!([0, 25, 100].map(|step| passed("0..1", step)), [0.0, 0.25, 1.0]);
        // from step 10 to step 50: (20 − 10) / 40
        assert_eq!([5, 10, 20, 50, 99].map(|step| passed("10 steps..0.5", step)), [0.0, 0.0, 0.25, 1.0, 1.0]);
        // its end, step 10, comes before its start, step 20
        assert_eq!([9, 10, 30].map(|step| passed("20 steps..1 epochs", step)), [0.0, 1.0, 1.0]);
        for text in ["0.8..0.2", "0.5", "[0.1]", "[0.1, 2 days]", "[0.2, 0.2]", "{}"] {
            assert!(yaml(text).is_err(), "{text}");
        }
    }
}
