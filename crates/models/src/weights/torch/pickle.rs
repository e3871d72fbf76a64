//! The pickles that `torch.save` writes (protocol 2), as values: no name in them is looked up and nothing is called.
//!
//! The values lie in one list and name each other by their places in it: what a pickle's memo shares is there once, and
//! nothing recurses, however deep a pickle nests. Every length is held against what is left of the file.

use super::shown;
use std::collections::HashMap;
use std::ops::Index;

type Result<T> = std::result::Result<T, String>;

/// A state dict has about 20 values for each tensor. So many take about 64 MiB.
pub(super) const MOST: usize = 1 << 20;

/// The place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(u32);

#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A class or function, without its module.
    Class(&'a str),
    Int(i64),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Also an `OrderedDict` or a `defaultdict`.
    Dict(Vec<(Id, Id)>),
    /// What a class or function would give for these arguments.
    Call {
        callable: Id,
        args: Id,
    },
    /// What lies outside the pickle.
    Persistent(Id),
    /// Nothing, a truth value, a fraction, a number beyond 64 bits.
    Other,
}

/// The values of one pickle.
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    pub root: Id,
}

impl<'a> Pickle<'a> {
    /// The pickle that `rest` begins with. `rest` is left at what follows.
    pub fn read(rest: &mut &'a [u8]) -> Result<Pickle<'a>> {
        let mut reader =
            Reader { rest, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), values: Vec::new() };
        while reader.step()? {}
        let root = reader.pop()?;
        Ok(Pickle { values: reader.values, root })
    }

    pub fn values(&self) -> impl Iterator<Item = &Value<'a>> {
        self.values.iter()
    }
}

impl<'a> Index<Id> for Pickle<'a> {
    type Output = Value<'a>;

    fn index(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }
}

struct Reader<'r, 'a> {
    rest: &'r mut &'a [u8],
    stack: Vec<Id>,
    /// Where the stack stood at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    values: Vec<Value<'a>>,
}

impl<'a> Reader<'_, 'a> {
    /// Carries out one op; whether there are more.
    fn step(&mut self) -> Result<bool> {
        let [op] = self.fixed()?;
        match op {
            // PROTO
            0x80 => match self.fixed()? {
                [0..=2] => {}
                [other] => {
                    return Err(format!(
                        "protocol {other}, expected 2, which `torch.save` writes by default"
                    ));
                }
            },
            // STOP
            b'.' => return Ok(false),
            // MARK
            b'(' => {
                within(self.marks.len(), "open marks")?;
                self.marks.push(self.stack.len());
            }
            // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
            b'q' => self.put(|[key]: [u8; 1]| key.into())?,
            b'r' => self.put(u32::from_le_bytes)?,
            b'h' => self.get(|[key]: [u8; 1]| key.into())?,
            b'j' => self.get(u32::from_le_bytes)?,
            // NONE, NEWTRUE, NEWFALSE
            b'N' | 0x88 | 0x89 => self.push(Value::Other)?,
            // BINFLOAT
            b'G' => {
                self.bytes(8)?;
                self.push(Value::Other)?;
            }
            // BININT1, BININT2, BININT
            b'K' => self.int(|[byte]: [u8; 1]| byte.into())?,
            b'M' => self.int(|bytes| u16::from_le_bytes(bytes).into())?,
            b'J' => self.int(|bytes| i32::from_le_bytes(bytes).into())?,
            // LONG1, LONG4
            0x8a => {
                let [length] = self.fixed()?;
                self.long(length.into())?;
            }
            0x8b => {
                let length = u32::from_le_bytes(self.fixed()?);
                self.long(length)?;
            }
            // BINUNICODE
            b'X' => {
                let length = u32::from_le_bytes(self.fixed()?);
                let text = utf8(self.bytes(length as usize)?)?;
                self.push(Value::Text(text))?;
            }
            // GLOBAL
            b'c' => {
                self.line()?;
                let name = utf8(self.line()?)?;
                self.push(Value::Class(name))?;
            }
            // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
            b')' => self.push(Value::Tuple(Vec::new()))?,
            0x85..=0x87 => {
                let items = self.last(usize::from(op - 0x84))?;
                self.push(Value::Tuple(items))?;
            }
            b't' => {
                let items = self.marked()?;
                self.push(Value::Tuple(items))?;
            }
            // EMPTY_LIST, APPEND, APPENDS
            b']' => self.push(Value::List(Vec::new()))?,
            b'a' => {
                let items = self.last(1)?;
                self.extend(&items, false)?;
            }
            b'e' => {
                let items = self.marked()?;
                self.extend(&items, false)?;
            }
            // EMPTY_DICT, SETITEM, SETITEMS
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b's' => {
                let items = self.last(2)?;
                self.extend(&items, true)?;
            }
            b'u' => {
                let items = self.marked()?;
                self.extend(&items, true)?;
            }
            // REDUCE, NEWOBJ
            b'R' | 0x81 => {
                let (args, callable) = (self.pop()?, self.pop()?);
                self.push(match self.values[callable.0 as usize] {
                    Value::Class("OrderedDict" | "defaultdict") => Value::Dict(Vec::new()),
                    _ => Value::Call { callable, args },
                })?;
            }
            // BUILD: attributes of what is below, such as `_metadata` of a state dict.
            b'b' => drop(self.pop()?),
            // BINPERSID
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))?;
            }
            other => return Err(format!("the op {other:#04x}, which `torch.save` does not write")),
        }
        Ok(true)
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or("it ends too early")?;
        *self.rest = rest;
        Ok(bytes)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.bytes(N)?.try_into().expect("so many"))
    }

    /// Up to the next newline.
    fn line(&mut self) -> Result<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or("it ends too early")?;
        Ok(&self.bytes(end + 1)?[..end])
    }

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        within(self.values.len(), "values")?;
        // Far below 2³².
        self.stack.push(Id(self.values.len() as u32));
        self.values.push(value);
        Ok(())
    }

    fn int<const N: usize>(&mut self, number: impl Fn([u8; N]) -> i64) -> Result<()> {
        let number = number(self.fixed()?);
        self.push(Value::Int(number))
    }

    /// A signed number, little-endian.
    fn long(&mut self, length: u32) -> Result<()> {
        let bytes = self.bytes(length as usize)?;
        let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut whole = [fill; 8];
        let value = match whole.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(whole))
            }
            None => Value::Other,
        };
        self.push(value)
    }

    /// How many entries the stack has above the last mark.
    fn open(&self) -> usize {
        self.stack.len() - self.marks.last().unwrap_or(&0)
    }

    /// Takes the last entries off the stack, in their order.
    fn last(&mut self, count: usize) -> Result<Vec<Id>> {
        if count > self.open() {
            return Err("an op lacks its operands".to_owned());
        }
        Ok(self.stack.drain(self.stack.len() - count..).collect())
    }

    fn pop(&mut self) -> Result<Id> {
        Ok(self.last(1)?[0])
    }

    /// Takes what stands above the last mark off the stack, and the mark.
    fn marked(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or("a mark is missing")?;
        Ok(self.stack.drain(mark..).collect())
    }

    /// Puts items into what is on top of the stack; a dictionary's are keys and values by turns. What a class that nobody
    /// knows holds is left aside.
    fn extend(&mut self, items: &[Id], by_pairs: bool) -> Result<()> {
        let top = if self.open() > 0 { self.stack.last() } else { None };
        let top = *top.ok_or("an op lacks its operands")?;
        match (&mut self.values[top.0 as usize], by_pairs) {
            (Value::List(list), false) => list.extend(items),
            (Value::Dict(pairs), true) if items.len().is_multiple_of(2) => {
                pairs.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            (Value::Call { .. }, _) => {}
            _ => return Err("items of what has none".to_owned()),
        }
        Ok(())
    }

    fn put<const N: usize>(&mut self, key: impl Fn([u8; N]) -> u32) -> Result<()> {
        let key = key(self.fixed()?);
        if self.open() == 0 {
            return Err("an op lacks its operands".to_owned());
        }
        within(self.memo.len(), "values to come back to")?;
        self.memo.insert(key, self.stack[self.stack.len() - 1]);
        Ok(())
    }

    fn get<const N: usize>(&mut self, key: impl Fn([u8; N]) -> u32) -> Result<()> {
        let key = key(self.fixed()?);
        let id =
            *self.memo.get(&key).ok_or_else(|| format!("it comes back to value {key}, which it lacks"))?;
        self.stack.push(id);
        Ok(())
    }
}

fn within(count: usize, what: &str) -> Result<()> {
    if count < MOST { Ok(()) } else { Err(format!("it has more than {MOST} {what}")) }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| {
        format!("`{}` is not UTF-8", shown(&String::from_utf8_lossy(&bytes[..bytes.len().min(200)])))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<String> {
        let mut rest = bytes;
        let pickle = Pickle::read(&mut rest)?;
        assert_eq!(rest, b"after");
        Ok(text(&pickle, pickle.root))
    }

    /// A value as Python shows it.
    fn text(pickle: &Pickle, id: Id) -> String {
        let all = |ids: &[Id]| ids.iter().map(|id| text(pickle, *id)).collect::<Vec<_>>().join(", ");
        match &pickle[id] {
            Value::Class(name) => (*name).to_owned(),
            Value::Int(number) => number.to_string(),
            Value::Text(text) => format!("'{text}'"),
            Value::Tuple(items) => format!("({})", all(items)),
            Value::List(items) => format!("[{}]", all(items)),
            Value::Dict(pairs) => {
                let pair =
                    |(key, value): &(Id, Id)| format!("{}: {}", text(pickle, *key), text(pickle, *value));
                format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
            }
            Value::Call { callable, args } => format!("{}{}", text(pickle, *callable), text(pickle, *args)),
            Value::Persistent(id) => format!("<{}>", text(pickle, *id)),
            Value::Other => "?".to_owned(),
        }
    }

    /// Every op that `torch.save` writes; the bytes are Python's own.
    #[test]
    fn values_are_pythons() {
        for (bytes, expected) in [
            (&b"\x80\x02(K\x07M\xe8\x03J\xff\xff\xff\xffG?\xe0\0\0\0\0\0\0N\x88\x89tq\0.after"[..], "(7, 1000, -1, ?, ?, ?, ?)"),
            (b"\x80\x02(\x8a\0\x8a\x01\xff\x8a\x05\0\0\0\0\x01\x8a\x08\0\0\0\0\0\0\0\x80t.after", "(0, -1, 4294967296, -9223372036854775808)"),
            (b"\x80\x02\x8a\x09\0\0\0\0\0\0\0\0\x01\x8b\x02\0\0\0\x01\x02\x86.after", "(?, 513)"),
            (b"\x80\x02X\x03\0\0\0\xc3\xa9aq\0h\0\x86q\x01.after", "('éa', 'éa')"),
            (b"\x80\x02]q\0(K\x01]q\x01K\x02aK\x03e.after", "[1, [2], 3]"),
            (b"\x80\x02}q\0(X\x01\0\0\0aK\x01X\x01\0\0\0b)u.after", "{'a': 1, 'b': ()}"),
            (b"\x80\x02ccollections\nOrderedDict\nq\0)Rq\x01X\x01\0\0\0aK\x01sX\x01\0\0\0c}r\x02\0\0\0sbj\x02\0\0\0\x85.after", "({})"),
            (b"\x80\x02ctorch._utils\nmake\nX\x01\0\0\0sK\x01K\x02\x87QK\x05\x86R.after", "make(<('s', 1, 2)>, 5)"),
            (b"\x80\x02cmine\nThing\n)\x81(K\x01K\x02u}b.after", "Thing()"),
        ] {
            assert_eq!(read(bytes).as_deref(), Ok(expected), "{bytes:?}");
        }
        // A list may hold itself.
        let mut rest = &b"\x80\x02]q\0h\0a."[..];
        let pickle = Pickle::read(&mut rest).unwrap();
        assert_eq!(pickle[pickle.root], Value::List(vec![pickle.root]));
    }

    #[test]
    fn what_python_would_not_read_is_refused() {
        for (bytes, expected) in [
            (&b""[..], "it ends too early"),
            (b"\x80\x04", "protocol 4, expected 2"),
            (b"\x80\x02X\xff\xff\xff\xffabc", "it ends too early"),
            (b"\x80\x02\x8b\xff\xff\xff\xffabc", "it ends too early"),
            (b"\x80\x02\x8a\xffabc", "it ends too early"),
            (b"\x80\x02cno newline", "it ends too early"),
            (b"\x80\x02X\x01\0\0\0\xff.", "is not UTF-8"),
            (b"\x80\x02.", "lacks its operands"),
            (b"\x80\x02K\x01\x86.", "lacks its operands"),
            // What stands below a mark is out of reach.
            (b"\x80\x02K\x01(.", "lacks its operands"),
            (b"\x80\x02}(s.", "lacks its operands"),
            (b"\x80\x02](K\x01aq\0.", "lacks its operands"),
            (b"\x80\x02(q\0.", "lacks its operands"),
            (b"\x80\x02t.", "a mark is missing"),
            (b"\x80\x02K\x01K\x02a.", "items of what has none"),
            (b"\x80\x02}(K\x01u.", "items of what has none"),
            (b"\x80\x02h\x07.", "it comes back to value 7, which it lacks"),
            (b"\x80\x02\x95.", "the op 0x95, which"),
        ] {
            let error = Pickle::read(&mut &bytes[..]).err().unwrap_or_else(|| panic!("{bytes:?} was read"));
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let refused = |bytes: &[u8], expected: &str| {
            let error = Pickle::read(&mut &bytes[..]).err().expect("refused");
            assert!(error.contains(expected), "{error}");
        };
        refused(&b")".repeat(MOST + 1), "more than 1048576 values");
        refused(&b"(".repeat(MOST + 1), "more than 1048576 open marks");
        let puts: Vec<u8> =
            (0..=MOST as u32).flat_map(|key| [&b"r"[..], &key.to_le_bytes()].concat()).collect();
        refused(&[b")", &puts[..]].concat(), "more than 1048576 values to come back to");
        // A tuple of a tuple of …, and one that doubles the one before it 100 times.
        let deep = [&b")"[..], &b"\x85".repeat(MOST - 1), b"."].concat();
        assert_eq!(Pickle::read(&mut &deep[..]).unwrap().values.len(), MOST);
        let doubled = [&b"K\x01"[..], &b"q\0h\0\x86".repeat(100), b"."].concat();
        assert_eq!(Pickle::read(&mut &doubled[..]).unwrap().values.len(), 101);
        assert_eq!(size_of::<Value>(), 32);
    }
}
