//! Parameters of a policy: derived by serde, checked by their types, every mistake at once.

use super::spec::{Mistake, Parsed};
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use serde_yaml::{Mapping, Value};
use tallow_data::suggestion;

/// `value` as a `T`, which derives `Deserialize` (with defaults, where there are any). No value at all is an empty
/// mapping.
///
/// # Errors
/// Unknown keys, with the nearest known one, and every value that its own type refuses.
pub fn parameters<T: DeserializeOwned>(value: &Value) -> Parsed<T> {
    let empty = Value::Mapping(Mapping::new());
    let value = if value.is_null() { &empty } else { value };
    let known = fields_of::<T>();
    let Value::Mapping(mapping) = value else {
        return T::deserialize(value).map_err(|error| {
            let expected =
                known.map(|known| format!("expected a mapping of {}, got {}", known.join(", "), text(value)));
            vec![Mistake::new("", expected.unwrap_or_else(|| reworded(&error)))]
        });
    };
    let mut mistakes = Vec::new();
    let mut kept = Mapping::new();
    for (key, value) in mapping {
        let name = text(key);
        if let Some(known) = known.filter(|known| !known.contains(&name.as_str())) {
            let none = if known.is_empty() { "; there are no parameters" } else { "" };
            let problem = format!("unknown key `{name}`{none}{}", suggestion(&name, known.iter().copied()));
            mistakes.push(Mistake::new(name, problem));
            continue;
        }
        kept.insert(key.clone(), value.clone());
        // One key at a time, so that a refusal has its place; what is missing then is found below.
        if let Err(error) = T::deserialize(Value::Mapping(Mapping::from_iter([(key.clone(), value.clone())])))
            && !error.to_string().starts_with("missing field")
        {
            mistakes.push(Mistake::new(name, reworded(&error)));
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    T::deserialize(Value::Mapping(kept)).map_err(|error| vec![Mistake::new("", reworded(&error))])
}

/// A struct of parameters as a recipe's mapping is read by [`parameters()`](parameters): each with its default; others are refused.
///
/// ```
/// use tallow_policy::quantity::Alpha;
/// tallow_policy::parameters! {
///     struct Mixup { alpha: Alpha = Alpha(1.0), per_sample: bool = false }
/// }
/// let mixup: Mixup = tallow_policy::parameters(&tallow_policy::Value::Null).unwrap();
/// assert_eq!((mixup.alpha.0, mixup.per_sample), (1.0, false));
/// ```
#[macro_export]
macro_rules! parameters {
    ($(#[$attribute:meta])* $visibility:vis struct $type:ident {
        $($(#[$of_field:meta])* $field:ident: $kind:ty = $default:expr),* $(,)?
    }) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        $visibility struct $type {
            $($(#[$of_field])* $field: $kind,)*
        }

        impl Default for $type {
            fn default() -> $type {
                $type { $($field: $default),* }
            }
        }
    };
}

/// A value as its author wrote it, on one line: scalars plain, the rest as its kind.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(x) => x.to_string(),
        Value::Number(x) => x.to_string(),
        Value::String(x) => x.clone(),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
        Value::Tagged(x) => format!("a value tagged {}", x.tag),
    }
}

/// serde's `invalid type: A, expected B` as `expected B, got A`.
fn reworded(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let kind = text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: "));
    match kind.and_then(|rest| rest.split_once(", expected ")) {
        Some((got, expected)) => format!("expected {expected}, got {got}"),
        None => text.replace("missing field", "missing key"),
    }
}

/// The keys that a derived struct asks its deserializer for; `None` for other types.
fn fields_of<T: DeserializeOwned>() -> Option<&'static [&'static str]> {
    struct Fields<'a>(&'a mut Option<&'static [&'static str]>);
    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = serde::de::value::Error;
        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(Self::Error::custom("only the names of fields are asked for"))
        }
        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = Some(fields);
            self.deserialize_any(visitor)
        }
        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut fields = None;
    let _ = T::deserialize(Fields(&mut fields));
    fields
}
