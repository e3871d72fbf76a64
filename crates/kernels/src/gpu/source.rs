//! One file of the dialect, and the signatures of its kernels, which launches are checked against.

use super::launch::groups;
use candle_core::bail;
use std::result::Result;
use std::sync::OnceLock;

/// Buffers of a list: four lists, a table and the scalars are within the 31 buffers of a Metal kernel.
pub const LIST: usize = 7;

/// Kernels of one file.
pub struct Source {
    pub name: &'static str,
    /// Of a group, in all its kernels: a power of two.
    pub threads: u32,
    pub(super) text: &'static str,
    signatures: OnceLock<Result<Vec<Signature>, String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub name: String,
    pub parameters: Vec<Parameter>,
}

impl Signature {
    /// Whether it depends on what values are stored in.
    pub fn is_typed(&self) -> bool {
        let typed =
            |form: &Form| matches!(form, Form::Buffer(_, Element::Storage) | Form::List(_, Element::Storage));
        self.parameters.iter().any(|parameter| typed(&parameter.form))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub form: Form,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    Buffer(Access, Element),
    List(Access, Element),
    U32,
    F32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read.
    In,
    /// Every number is written.
    Out,
    /// Some numbers are read, some are written.
    InOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// `T`.
    Storage,
    F32,
    U32,
    U8,
}

/// A kernel in the text of its source.
pub(super) struct Found {
    pub signature: Signature,
    /// From `KERNEL` to behind the brace that opens its body.
    pub head: std::ops::Range<usize>,
}

impl Source {
    pub const fn new(name: &'static str, threads: u32, text: &'static str) -> Source {
        Source { name, threads, text, signatures: OnceLock::new() }
    }

    /// Teams of 32 threads of a group.
    pub fn teams(&self) -> u32 {
        self.threads / 32
    }

    /// Groups for rows with a team each.
    ///
    /// # Errors
    /// Fails from 2³¹ rows on.
    pub fn by_team(&self, rows: usize) -> candle_core::Result<[u32; 2]> {
        Ok([groups(rows, self.teams())?, 1])
    }

    /// Groups for `n` numbers that are each by itself: a thread takes four of them, or all where there is one group.
    ///
    /// # Errors
    /// Fails from 2³¹ numbers on.
    pub fn wide(&self, n: usize) -> candle_core::Result<[u32; 2]> {
        Ok([groups(n, 4 * self.threads)?, 1])
    }

    /// As it is written, for tests that change it.
    pub fn dialect(&self) -> &'static str {
        self.text
    }

    /// The kernels, in order.
    ///
    /// # Errors
    /// Fails on a head that is none.
    pub fn signatures(&self) -> candle_core::Result<&[Signature]> {
        let parsed = self.signatures.get_or_init(|| {
            let found = found(self.text).map_err(|error| format!("{}: {error}", self.name))?;
            Ok(found.into_iter().map(|found| found.signature).collect())
        });
        match parsed {
            Ok(signatures) => Ok(signatures),
            Err(error) => bail!("{error}"),
        }
    }

    /// # Errors
    /// Fails on a kernel that is not there.
    pub fn signature(&self, kernel: &str) -> candle_core::Result<&Signature> {
        match self.signatures()?.iter().find(|signature| signature.name == kernel) {
            Some(signature) => Ok(signature),
            None => bail!("{}: no kernel `{kernel}`", self.name),
        }
    }
}

const OPENS: &str = "KERNEL(";

/// The kernels of a text.
pub(super) fn found(text: &str) -> Result<Vec<Found>, String> {
    let mut kernels = Vec::new();
    for (start, _) in text.match_indices(OPENS) {
        let inner = &text[start + OPENS.len()..];
        let mut depth = 1;
        let close = inner.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let close = close.ok_or("a KERNEL( that is not closed")?;
        let (name, parameters) = inner[..close].split_once(',').ok_or("a kernel without parameters")?;
        let name = name.trim();
        let behind = &inner[close + 1..];
        let brace = behind.find('{').filter(|at| behind[..*at].trim().is_empty());
        let brace = brace.ok_or_else(|| format!("{name}: expected a body behind its parameters"))?;
        let parameters = parsed(parameters).map_err(|error| format!("{name}: {error}"))?;
        let end = start + OPENS.len() + close + 1 + brace + 1;
        let signature = Signature { name: name.to_owned(), parameters };
        kernels.push(Found { signature, head: start..end });
    }
    Ok(kernels)
}

/// `IN(T, x), UINT(n)`.
fn parsed(text: &str) -> Result<Vec<Parameter>, String> {
    let mut parameters = Vec::new();
    for part in
        text.split(')').map(|part| part.trim_matches([',', ' ', '\n'])).filter(|part| !part.is_empty())
    {
        let (word, inner) =
            part.split_once('(').ok_or_else(|| format!("expected a parameter, got `{part}`"))?;
        let names: Vec<&str> = inner.split(',').map(str::trim).collect();
        let element = || match names[0] {
            "T" => Ok(Element::Storage),
            "f32" => Ok(Element::F32),
            "u32" => Ok(Element::U32),
            "u8" => Ok(Element::U8),
            other => Err(format!("expected T, f32, u32 or u8, got `{other}`")),
        };
        let form = match (word.trim(), names.len()) {
            ("IN", 2) => Form::Buffer(Access::In, element()?),
            ("OUT", 2) => Form::Buffer(Access::Out, element()?),
            ("INOUT", 2) => Form::Buffer(Access::InOut, element()?),
            ("INS", 2) => Form::List(Access::In, element()?),
            ("INOUTS", 2) => Form::List(Access::InOut, element()?),
            ("UINT", 1) => Form::U32,
            ("FLOAT", 1) => Form::F32,
            _ => return Err(format!("no parameter is `{part})`")),
        };
        parameters.push(Parameter { name: names[names.len() - 1].to_owned(), form });
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_and_mistakes_are_named() {
        let text = "KERNEL(a, IN(T, x),\n  OUTS(u8, b)) {";
        assert_eq!(found(text).err().unwrap(), "a: no parameter is `OUTS(u8, b)`");
        assert_eq!(
            found("KERNEL(a, IN(f64, x)) {").err().unwrap(),
            "a: expected T, f32, u32 or u8, got `f64`"
        );
        assert_eq!(found("KERNEL(a, UINT(n));{").err().unwrap(), "a: expected a body behind its parameters");
        let kernels = found("KERNEL(a, INS(T, x),\n  FLOAT(b)) {\n} KERNEL(c, UINT(n)) {").unwrap();
        assert_eq!(kernels.len(), 2);
        let x = Parameter { name: "x".into(), form: Form::List(Access::In, Element::Storage) };
        assert_eq!(kernels[0].signature.parameters, [x, Parameter { name: "b".into(), form: Form::F32 }]);
    }
}
