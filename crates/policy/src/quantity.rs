//! What the parameters of image policies are measured in: types that refuse a wrong value and say what they expected.

use crate::parameters::{parameters, text};
use crate::spec::Parsed;
use crate::{Mistake, ModelInput};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};
use serde_yaml::{Mapping, Value};

/// The parameters of a policy; a value that is no mapping is the one named `short` (`{ resize: 256 }`).
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

/// A number of things, from 1.
#[derive(Clone, Copy, Debug)]
pub struct Count(pub u32);

/// Shares of the image's area: 0 < low ≤ high ≤ 1.
#[derive(Clone, Copy, Debug)]
pub struct Scale(pub f64, pub f64);

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

/// `quantity!(Type, "what is expected", |value| Option<Type>)`
macro_rules! quantity {
    ($name:path, $expected:literal, $read:expr) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<$name, D::Error> {
                $crate::quantity::refuse(deserializer, $expected, $read)
            }
        }
    };
}
pub(crate) use quantity;

/// The value as `read` understands it, or the error `expected …, got …`.
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
quantity!(Count, "a whole number from 1", |value| whole(value, 1).map(Count));
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
