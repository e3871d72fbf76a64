//! What the parameters of policies are measured in: types that refuse what is out of their range and say what they expected; and
//! [`quantity!`](crate::quantity!) and [`choice!`](crate::choice!), which make more of them.
//!
//! Bounds are far beyond what any paper or peer uses; what is beyond them would only run out of time, memory or digits.

use super::parameters::{parameters, text};
use super::spec::Parsed;
use crate::{Mistake, ModelInput};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};
use serde_yaml::{Mapping, Value};

/// The parameters of a policy; a value that is no mapping is the one named `short` (`{ resize: 256 }`).
///
/// # Errors
/// Every mistake, as [`parameters`].
pub fn read<T: DeserializeOwned>(value: &Value, short: &str) -> Parsed<T> {
    if value.is_null() || value.is_mapping() {
        return parameters(value);
    }
    let long = Value::Mapping(Mapping::from_iter([(Value::from(short), value.clone())]));
    let here =
        |mistake: Mistake| if mistake.path == short { Mistake::new("", mistake.message) } else { mistake };
    parameters(&long).map_err(|mistakes| mistakes.into_iter().map(here).collect())
}

/// What a `size` asks for, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// A number alone.
    Side(u32),
    /// (width, height).
    Both(u32, u32),
}

impl Size {
    /// (width, height), where a number alone is a square.
    pub fn square(self) -> (u32, u32) {
        match self {
            Size::Side(side) => (side, side),
            Size::Both(width, height) => (width, height),
        }
    }

    /// The size of what the model sees.
    pub fn of(model: &ModelInput) -> Size {
        Size::Both(model.size.0, model.size.1)
    }
}

/// `quantity!(Type, "what is expected", |value| Option<Type>)`: how a type of a parameter is read from its YAML; what the
/// closure does not take is answered by `expected …, got …`.
///
/// ```
/// struct Even(u64);
/// tallow_policy::quantity!(Even, "an even number", |value| value.as_u64().filter(|n| n % 2 == 0).map(Even));
/// ```
#[macro_export]
macro_rules! quantity {
    ($name:path, $expected:expr, $read:expr) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<$name, D::Error> {
                $crate::quantity::refuse(deserializer, $expected, $read)
            }
        }
    };
}
pub use quantity;

/// An enum that is written by the names of its variants, and `ALL`: (name, variant) of each.
///
/// ```
/// tallow_policy::choice! {
///     enum Axis { Horizontal = "horizontal", Vertical = "vertical" }
/// }
/// assert_eq!(Axis::ALL[1], ("vertical", Axis::Vertical));
/// ```
#[macro_export]
macro_rules! choice {
    ($(#[$attribute:meta])* $visibility:vis enum $type:ident {
        $($(#[$of_variant:meta])* $variant:ident = $name:literal),* $(,)?
    }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $type {
            $($(#[$of_variant])* $variant,)*
        }

        impl $type {
            /// (name, variant) of each, in order.
            $visibility const ALL: &'static [(&'static str, $type)] = &[$(($name, $type::$variant)),*];
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<$type, D::Error> {
                $crate::quantity::choose(deserializer, $type::ALL)
            }
        }
    };
}
pub use choice;

/// The choice of this name, or the error `expected …, got …`.
///
/// # Errors
/// Any other value.
pub fn choose<'de, D: Deserializer<'de>, T: Copy>(
    deserializer: D,
    all: &[(&'static str, T)],
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let found = all.iter().find(|(name, _)| value.as_str() == Some(name));
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<String> = all.iter().map(|(name, _)| format!("`{name}`")).collect();
        let (last, others) = names.split_last().expect("a choice of one or more");
        D::Error::custom(format!("expected {} or {last}, got {}", others.join(", "), shown(&value)))
    })
}

/// The value as `read` understands it, or the error `expected …, got …`.
///
/// # Errors
/// What `read` does not take.
pub fn refuse<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &str,
    read: fn(&Value) -> Option<T>,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    read(&value).ok_or_else(|| D::Error::custom(format!("expected {expected}, got {}", shown(&value))))
}

/// Number types: their documentation and name, what they are read as, the least and the largest.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($type:ty): $what:literal, $read:ident, $low:literal, $high:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name(pub $type);
        quantity!($name, concat!($what, " from ", $low, " to ", $high), |value| {
            $read(value).filter(|x| (f64::from($low)..=f64::from($high)).contains(&f64::from(*x))).map($name)
        });
    )*};
}

numbers! {
    /// A probability or a part.
    Fraction(f64): "a number", number, 0, 1;
    /// A weight among others, of a branch or an alternative: their sum stays a number.
    Weight(f64): "a number", number, 0, 1000000;
    /// Of a Beta or Dirichlet distribution. Papers have 0.1 to 8; below the range λ is 0 or 1 to all digits of f32, above it within
    /// 0.05 of ½.
    Alpha(f64): "a number", number, 0.001, 1000;
    /// Of a p-series; 2.8 in the paper. At the bound the own row has all but 2⁻¹⁰⁰.
    Gamma(f64): "a number", number, 0, 100;
    /// The power by which frequencies decay; 3 in the paper. At the bound one frequency is left.
    Decay(f64): "a number", number, 0, 20;
    /// A shift of the levels over their range.
    #[derive(Default)]
    Offset(f64): "a number", number, -1, 1;
    /// A standard deviation of noise over the range of levels. At the bound nothing of the image is left.
    Deviation(f64): "a number", number, 0, 10;
    /// A standard deviation in steps of a magnitude; timm's `mstd`, of which 100 and more is uniform.
    StepDeviation(f64): "a number", number, 0, 1000;
    /// A standard deviation of a blur in pixels; torchvision's elastic transform has 5. A kernel has eight of them.
    BlurDeviation(f64): "a number", number, 0.01, 200;
    /// A shift of an elastic transform in pixels; torchvision has 50.
    Strength(f64): "a number", number, 0, 10000;
    /// The exponent of a Minkowski mean; 6 in the paper. At the bound it is the maximum within a level.
    Norm(f64): "a number", number, 1, 100;
    /// A level of a channel.
    Byte(u32): "a byte", whole, 0, 255;
    /// A number of pixels; an image of this side has 800 MB.
    #[derive(Default)]
    Pixels(u32): "pixels: a whole number", whole, 0, 16384;
    /// A number of things; papers have 1 to 16.
    Count(u32): "a whole number", whole, 1, 1000;
    /// Rows of a batch besides the own one.
    Others(u32): "a whole number", whole, 1, 65535;
    /// A step of a magnitude.
    Step(u32): "a whole number", whole, 0, 999;
    /// Steps of a magnitude; papers have 10 and 31.
    Bins(u32): "a whole number", whole, 2, 1000;
    /// Operations, one after another; papers have 1 to 3.
    OperationCount(u32): "a whole number", whole, 0, 100;
    /// Chains, or operations of a chain; AugMix has 3.
    Chains(u32): "a whole number", whole, 1, 100;
    /// Regions along a side; OpenCV has 8.
    Tiles(u32): "a whole number", whole, 1, 256;
    /// AugMix's scale.
    Severity(u32): "a whole number", whole, 1, 10;
    /// Bits of a byte.
    Bits(u32): "a whole number", whole, 1, 8;
}

/// Pairs of numbers, low ≤ high: their documentation and name, bounds, what may be written in place of a pair and how a number alone is
/// read.
macro_rules! intervals {
    ($($(#[$doc:meta])* $name:ident: $alone:literal, $low:literal, $high:literal, $read:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name(pub f64, pub f64);
        quantity!($name, concat!($alone, "[low, high] from ", $low, " to ", $high), |value| {
            let alone: fn(f64) -> Option<(f64, f64)> = $read;
            let (low, high) = number(value).map_or_else(|| interval(value), alone)?;
            (low >= f64::from($low) && high <= f64::from($high)).then_some($name(low, high))
        });
    )*};
}

intervals! {
    /// Bounds of a part, of an area or a side. Below the range nothing of an ordinary image is left.
    Scale: "", 0.001, 1, |_| None;
    /// Bounds of an aspect or a factor; torchvision has 0.3 to 3.3.
    Ratio: "", 0.01, 100, |_| None;
    /// Bounds of a fraction; a number is both.
    Interval: "a number or ", 0, 1, |x| Some((x, x));
    /// Bounds of the standard deviation of a blur in pixels; a number is both.
    BlurDeviations: "a number or ", 0.01, 200, |x| Some((x, x));
    /// Limits of a contrast over the mean; Albumentations has 1 to 4. A number is both.
    Contrasts: "a number or ", 1, 1000, |x| Some((x, x));
    /// Angles, to a full turn; a number d is −d to d.
    Degrees: "degrees: a number from 0, or ", -360, 360, |d| (d >= 0.0).then_some((-d, d));
    /// Factors about 1; a number d is max(0, 1 − d) to 1 + d. At the bound an image is black and white.
    Factors: "a number from 0, or ", 0, 100, |d| (d >= 0.0).then_some(((1.0 - d).max(0.0), 1.0 + d));
    /// Shifts on the circle of hues, of length 1; a number d is −d to d.
    Hues: "a number from 0, or ", -0.5, 0.5, |d| (d >= 0.0).then_some((-d, d));
}

/// How many: low ≤ high; a number is both.
#[derive(Clone, Copy, Debug)]
pub struct Counts(pub u32, pub u32);

/// A whole number with a middle: 1, 3, 5 …
#[derive(Clone, Copy, Debug)]
pub struct OddSize(pub u32);

/// Distances over the image's (width, height), each in [0, 1]; a number is both.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shift(pub f64, pub f64);

/// Angles of a shear, less than 90°: (low, high) along x, along y. A number d is −d to d along x; two are low and high along x.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shear(pub (f64, f64), pub (f64, f64));

/// Red, green, blue; a byte alone is a grey.
#[derive(Clone, Copy, Debug, Default)]
pub struct Colour(pub [u8; 3]);

quantity!(Size, "pixels (a whole number from 1 to 16384) or [height, width]", |value| {
    let side = |value: &Value| whole(value).filter(|side| (1..=16384).contains(side));
    match value {
        Value::Sequence(sides) => match sides.as_slice() {
            [height, width] => Some(Size::Both(side(width)?, side(height)?)),
            _ => None,
        },
        Value::Mapping(sides) if sides.len() == 2 => {
            Some(Size::Both(side(sides.get("width")?)?, side(sides.get("height")?)?))
        }
        alone => side(alone).map(Size::Side),
    }
});
quantity!(Counts, "a whole number from 0 to 1000, or [low, high] of such", |value| {
    let count = |value: &Value| whole(value).filter(|n| *n <= 1000);
    match value.as_sequence().map(Vec::as_slice) {
        Some([low, high]) => Some(Counts(count(low)?, count(high)?)).filter(|Counts(low, high)| low <= high),
        _ => count(value).map(|n| Counts(n, n)),
    }
});
quantity!(OddSize, "an odd number from 1 to 999", |value| {
    whole(value).filter(|n| n % 2 == 1 && *n <= 999).map(OddSize)
});
quantity!(Shift, "a number from 0 to 1, or [horizontal, vertical] of such", |value| {
    let part = |value: &Value| number(value).filter(|part| (0.0..=1.0).contains(part));
    match value.as_sequence().map(Vec::as_slice) {
        Some([x, y]) => Some(Shift(part(x)?, part(y)?)),
        _ => part(value).map(|part| Shift(part, part)),
    }
});
quantity!(
    Shear,
    "degrees: a number from 0, [low, high], or [low, high, low, high], from -89 to 89",
    |value| {
        let angle = |value: &Value| number(value).filter(|d| d.abs() <= 89.0);
        let angles = value.as_sequence().map(|list| list.iter().map(angle).collect::<Option<Vec<f64>>>());
        match (angle(value), angles.flatten().as_deref()) {
            (Some(d), _) => (d >= 0.0).then_some(Shear((-d, d), (0.0, 0.0))),
            (_, Some([a, b])) => (a <= b).then_some(Shear((*a, *b), (0.0, 0.0))),
            (_, Some([a, b, c, d])) => (a <= b && c <= d).then_some(Shear((*a, *b), (*c, *d))),
            _ => None,
        }
    }
);
quantity!(Colour, "a byte (0 to 255) or [red, green, blue]", |value| {
    let byte = |value: &Value| whole(value).and_then(|byte| u8::try_from(byte).ok());
    match value.as_sequence().map(Vec::as_slice) {
        Some([red, green, blue]) => Some(Colour([byte(red)?, byte(green)?, byte(blue)?])),
        Some(_) => None,
        None => byte(value).map(|grey| Colour([grey; 3])),
    }
});

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.is_finite())
}

fn whole(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|n| u32::try_from(n).ok())
}

/// `[low, high]`, low ≤ high.
fn interval(value: &Value) -> Option<(f64, f64)> {
    match value.as_sequence()?.as_slice() {
        [low, high] => Some((number(low)?, number(high)?)).filter(|(low, high)| low <= high),
        _ => None,
    }
}

/// A short list in full, else as [`text`] has it.
fn shown(value: &Value) -> String {
    match value {
        Value::Sequence(items) if items.len() <= 4 => {
            format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", "))
        }
        other => text(other),
    }
}
