//! What the parameters of policies are measured in: types that refuse a wrong value and say what they expected; and
//! [`quantity!`](crate::quantity!), which makes more of them.

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

/// A number of pixels, from 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pixels(pub u32);

/// A number of things or steps, from 0.
#[derive(Clone, Copy, Debug)]
pub struct WholeNumber(pub u32);

/// A number of things, from 1.
#[derive(Clone, Copy, Debug)]
pub struct Count(pub u32);

/// Bounds of a part, of an area or a side: 0 < low ≤ high ≤ 1.
#[derive(Clone, Copy, Debug)]
pub struct Scale(pub f64, pub f64);

/// A level of a channel, 0 to 255.
#[derive(Clone, Copy, Debug)]
pub struct Byte(pub u8);

/// A shift of the levels over their range: −1 to 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offset(pub f64);

/// The exponent of a Minkowski mean, from 1.
#[derive(Clone, Copy, Debug)]
pub struct Norm(pub f64);

/// How many: low ≤ high, from 0; a number is both.
#[derive(Clone, Copy, Debug)]
pub struct Counts(pub u32, pub u32);

/// A part of a way: 0 ≤ low ≤ high ≤ 1; a number is both.
#[derive(Clone, Copy, Debug)]
pub struct Interval(pub f64, pub f64);

/// Steps of a magnitude, from 2.
#[derive(Clone, Copy, Debug)]
pub struct Bins(pub u32);

/// AugMix's scale, 1 to 10.
#[derive(Clone, Copy, Debug)]
pub struct Severity(pub u32);

/// Bits of a byte, 1 to 8.
#[derive(Clone, Copy, Debug)]
pub struct Bits(pub u32);

/// A whole number with a middle: 1, 3, 5 …
#[derive(Clone, Copy, Debug)]
pub struct OddSize(pub u32);

/// Positive lengths: 0 < low ≤ high; a number is both.
#[derive(Clone, Copy, Debug)]
pub struct Lengths(pub f64, pub f64);

/// Distances over the image's (width, height), each in [0, 1]; a number is both.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shift(pub f64, pub f64);

/// Angles of a shear: (low, high) along x, along y. A number d is −d to d along x; two are low and high along x.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shear(pub (f64, f64), pub (f64, f64));

/// Aspects: 0 < low ≤ high.
#[derive(Clone, Copy, Debug)]
pub struct Ratio(pub f64, pub f64);

/// Angles: low ≤ high; a number d is −d to d.
#[derive(Clone, Copy, Debug)]
pub struct Degrees(pub f64, pub f64);

/// Factors about 1: 0 ≤ low ≤ high; a number d is max(0, 1 − d) to 1 + d.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors(pub f64, pub f64);

/// Shifts on the circle of hues, of length 1: −½ ≤ low ≤ high ≤ ½; a number d is −d to d.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hues(pub f64, pub f64);

/// Red, green, blue; a byte alone is a grey.
#[derive(Clone, Copy, Debug, Default)]
pub struct Colour(pub [u8; 3]);

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

quantity!(Size, "pixels (a whole number from 1) or [height, width]", |value| match value {
    Value::Sequence(sides) => match sides.as_slice() {
        [height, width] => Some(Size::Both(whole(width, 1)?, whole(height, 1)?)),
        _ => None,
    },
    Value::Mapping(sides) if sides.len() == 2 => {
        Some(Size::Both(whole(sides.get("width")?, 1)?, whole(sides.get("height")?, 1)?))
    }
    side => whole(side, 1).map(Size::Side),
});
quantity!(Pixels, "pixels (a whole number from 0)", |value| whole(value, 0).map(Pixels));
quantity!(WholeNumber, "a whole number from 0", |value| whole(value, 0).map(WholeNumber));
quantity!(Count, "a whole number from 1", |value| whole(value, 1).map(Count));
quantity!(Byte, "a byte (0 to 255)", |value| byte(value).map(Byte));
quantity!(Offset, "a number from -1 to 1", |value| {
    number(value).filter(|offset| offset.abs() <= 1.0).map(Offset)
});
quantity!(Norm, "a number from 1", |value| number(value).filter(|norm| *norm >= 1.0).map(Norm));
quantity!(Counts, "a whole number from 0, or [low, high]", |value| match value
    .as_sequence()
    .map(Vec::as_slice)
{
    Some([low, high]) =>
        Some(Counts(whole(low, 0)?, whole(high, 0)?)).filter(|Counts(low, high)| low <= high),
    _ => whole(value, 0).map(|n| Counts(n, n)),
});
quantity!(Interval, "a number from 0 to 1, or [low, high] of such", |value| {
    let (low, high) = number(value).map(|way| (way, way)).or_else(|| interval(value))?;
    (low >= 0.0 && high <= 1.0).then_some(Interval(low, high))
});
quantity!(Bins, "a whole number from 2", |value| whole(value, 2).map(Bins));
quantity!(Severity, "a whole number from 1 to 10", |value| whole(value, 1)
    .filter(|n| *n <= 10)
    .map(Severity));
quantity!(Bits, "a whole number from 1 to 8", |value| whole(value, 1).filter(|bits| *bits <= 8).map(Bits));
quantity!(OddSize, "an odd number from 1", |value| whole(value, 1).filter(|n| n % 2 == 1).map(OddSize));
quantity!(Lengths, "a positive number, or [low, high] with 0 < low <= high", |value| match number(value) {
    Some(length) => (length > 0.0).then_some(Lengths(length, length)),
    None => interval(value).filter(|&(low, _)| low > 0.0).map(|(low, high)| Lengths(low, high)),
});
quantity!(Shift, "a number from 0 to 1, or [horizontal, vertical] of such", |value| {
    let share = |value: &Value| number(value).filter(|share| (0.0..=1.0).contains(share));
    match value.as_sequence().map(Vec::as_slice) {
        Some([x, y]) => Some(Shift(share(x)?, share(y)?)),
        _ => share(value).map(|share| Shift(share, share)),
    }
});
quantity!(Shear, "degrees: a number from 0, [low, high], or [low, high, low, high]", |value| {
    let numbers = value.as_sequence().map(|list| list.iter().filter_map(number).collect::<Vec<f64>>());
    match (number(value), numbers.as_deref()) {
        (Some(d), _) => (d >= 0.0).then_some(Shear((-d, d), (0.0, 0.0))),
        (_, Some([a, b])) => (a <= b).then_some(Shear((*a, *b), (0.0, 0.0))),
        (_, Some([a, b, c, d])) => (a <= b && c <= d).then_some(Shear((*a, *b), (*c, *d))),
        _ => None,
    }
});
quantity!(Scale, "[low, high] with 0 < low <= high <= 1", |value| {
    interval(value).filter(|&(low, high)| low > 0.0 && high <= 1.0).map(|(low, high)| Scale(low, high))
});
quantity!(Ratio, "[low, high] with 0 < low <= high", |value| {
    interval(value).filter(|&(low, _)| low > 0.0).map(|(low, high)| Ratio(low, high))
});
quantity!(Degrees, "degrees: a number from 0, or [low, high]", |value| match number(value) {
    Some(d) => (d >= 0.0).then_some(Degrees(-d, d)),
    None => interval(value).map(|(low, high)| Degrees(low, high)),
});
quantity!(Factors, "a number from 0, or [low, high] from 0", |value| match number(value) {
    Some(d) => (d >= 0.0).then_some(Factors((1.0 - d).max(0.0), 1.0 + d)),
    None => interval(value).filter(|&(low, _)| low >= 0.0).map(|(low, high)| Factors(low, high)),
});
quantity!(Hues, "a number from 0 to 0.5, or [low, high] from -0.5 to 0.5", |value| match number(value) {
    Some(d) => (0.0..=0.5).contains(&d).then_some(Hues(-d, d)),
    None =>
        interval(value).filter(|&(low, high)| low >= -0.5 && high <= 0.5).map(|(low, high)| Hues(low, high)),
});
quantity!(Colour, "a byte (0 to 255) or [red, green, blue]", |value| match value {
    Value::Sequence(channels) => match channels.as_slice() {
        [red, green, blue] => Some(Colour([byte(red)?, byte(green)?, byte(blue)?])),
        _ => None,
    },
    grey => byte(grey).map(|grey| Colour([grey; 3])),
});

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.is_finite())
}

fn byte(value: &Value) -> Option<u8> {
    value.as_u64().and_then(|byte| u8::try_from(byte).ok())
}

/// A whole number from `least` to 65535, the longest side that a JPEG can have.
fn whole(value: &Value, least: u32) -> Option<u32> {
    value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| (least..=65535).contains(n))
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
