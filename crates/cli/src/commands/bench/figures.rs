//! Named figures, printed as a table for people or as one JSON object for programs.

use crate::wrap;
use serde_json::{Map, Value};
use std::io::Write;

/// Where the notes begin.
const NOTE: usize = 28 + 1 + 16 + 2;

/// In the order that they are printed.
pub struct Figures(Vec<(&'static str, Value, &'static str)>);

impl Figures {
    pub fn new() -> Figures {
        Figures(Vec::new())
    }

    /// A figure, and what people should know of it.
    pub fn put(&mut self, name: &'static str, value: impl Into<Value>, note: &'static str) {
        self.0.push((name, value.into(), note));
    }

    pub fn print(self, json: bool) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            let object: Map<String, Value> =
                self.0.into_iter().map(|(name, value, _)| (name.to_owned(), value)).collect();
            return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&object)?)?);
        }
        for (name, value, note) in self.0 {
            let mut notes = wrap::lines(note, wrap::WIDTH - NOTE).into_iter();
            let line = format!("{name:<28} {:>16}  {}", text(&value), notes.next().unwrap_or_default());
            writeln!(out, "{}", line.trim_end())?;
            for rest in notes {
                writeln!(out, "{:NOTE$}{rest}", "")?;
            }
        }
        Ok(())
    }
}

/// Four digits of a fraction, groups of three of a whole number, a dash for what is not known.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => grouped(whole),
            None => four_digits(number.as_f64().unwrap_or(f64::NAN)),
        },
        other => other.to_string(),
    }
}

fn grouped(whole: u64) -> String {
    let digits = whole.to_string();
    let parts: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|part| std::str::from_utf8(part).expect("digits")).collect();
    parts.join(",")
}

fn four_digits(value: f64) -> String {
    let before = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    format!("{value:.*}", (3.0 - before).clamp(0.0, 9.0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        for (value, shown) in [(0.012345, "0.01235"), (123.456, "123.5"), (98765.4, "98765"), (0.0, "0.000")]
        {
            assert_eq!(four_digits(value), shown);
        }
        assert_eq!((grouped(7).as_str(), grouped(1234567).as_str()), ("7", "1,234,567"));
        assert_eq!(text(&Value::Null), "–");
    }
}
