//! PyTorch's files of tensors, as `torch.save` writes them: the zip of today and the stream of before 1.6.
//!
//! The pickle inside is read to values; no name in it is looked up and nothing is called. Of the values only dictionaries of
//! tensors are used. What a file takes in all is bounded by its size.

mod pickle;

use super::{MOST_SIDES, bounded, shown};
use candle_core::{DType, Device, Tensor};
use pickle::{Id, Pickle, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};

type Result<T> = std::result::Result<T, String>;

/// How a stream begins: protocol 2, the number 0x1950a86a20f9469cfc6c, stop.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Where training programs keep the tensors beside other things.
const KEYS: [&str; 4] = ["state_dict", "model_state_dict", "model", "net"];

/// A header of safetensors, `{` at byte 8, may be so long that its length begins as a pickle does.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || (bytes.starts_with(&[0x80, 0x02]) && bytes.get(8) != Some(&b'{'))
}

/// The tensors, and what was left aside. An error says what is wrong, without the path.
pub(super) fn read(bytes: &[u8]) -> Result<(BTreeMap<String, Tensor>, Vec<String>)> {
    let content;
    let (pickle, storages) = if bytes.starts_with(b"PK") {
        let unpacked = zipped(bytes)?;
        content = unpacked.0;
        (parse(&mut &content[..])?, unpacked.1)
    } else {
        stream(bytes)?
    };
    let mut notes = Vec::new();
    let mut room = Room::beside(bytes);
    let mut tensors = BTreeMap::new();
    for &(key, value) in dictionary(&pickle, &mut notes)? {
        if let (Value::Text(name), Some(of)) = (&pickle[key], tensor_of(&pickle, value)) {
            let fail = |why: String| format!("tensor `{}`: {why}", shown(name));
            let of = of.map_err(fail)?;
            bounded(name, &of.size, tensors.len()).map_err(fail)?;
            let tensor = of.build(&storages, &mut room).map_err(fail)?;
            tensors.insert((*name).to_owned(), tensor);
        }
    }
    if tensors.is_empty() {
        return Err(format!("a file of PyTorch without tensors by name; {REMEDY}"));
    }
    Ok((tensors, notes))
}

const REMEDY: &str = "expected a state dict – in Python: `torch.save(model.state_dict(), \"x.pth\")`";

/// The bytes of each storage.
type Storages<'a> = HashMap<Cow<'a, str>, Cow<'a, [u8]>>;

/// What may yet be made of a file: `torch.save` does not compress, and tensors that share a storage are few.
struct Room {
    left: usize,
}

impl Room {
    fn beside(bytes: &[u8]) -> Room {
        Room { left: bytes.len().saturating_mul(4).saturating_add(64 << 20) }
    }

    fn take(&mut self, count: usize) -> Option<()> {
        self.left = self.left.checked_sub(count)?;
        Some(())
    }
}

const TOO_MUCH: &str = "more than four times the file and 64 MiB, expected about its size, as `torch.save` compresses nothing – \
                        write it again with torch.save, or as safetensors";

/// The pickle and the storages.
fn zipped(bytes: &[u8]) -> Result<(Vec<u8>, Storages<'static>)> {
    let broken = |error: String| format!("not a whole file of PyTorch ({error}) – fetch or write it again");
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(error.to_string()))?;
    let (mut pickle, mut storages, mut room) = (None, Storages::new(), Room::beside(bytes));
    for index in 0..zip.len() {
        let entry = zip.by_index(index).map_err(|error| broken(error.to_string()))?;
        let name = entry.name().map_err(|error| broken(error.to_string()))?.into_owned();
        // `ROOT/data.pkl`, `ROOT/data/KEY`, `ROOT/byteorder`
        let Some((_, name)) = name.split_once('/') else { continue };
        let is_wanted = name == "data.pkl" || name == "byteorder" || name.starts_with("data/");
        if !is_wanted {
            continue;
        }
        let mut content = Vec::new();
        // What an entry says of its own size may be wrong.
        let mut limited = entry.take(room.left as u64 + 1);
        limited.read_to_end(&mut content).map_err(|error| broken(error.to_string()))?;
        room.take(content.len()).ok_or_else(|| format!("it unpacks to {TOO_MUCH}"))?;
        match name.strip_prefix("data/") {
            Some(key) => drop(storages.insert(key.to_owned().into(), content.into())),
            None if name == "data.pkl" => pickle = Some(content),
            None if content != b"little" => {
                return Err("big-endian, expected little-endian – write it again on a little-endian machine"
                    .to_owned());
            }
            None => {}
        }
    }
    let pickle = pickle.ok_or_else(|| format!("a zip without data.pkl; {REMEDY}"))?;
    Ok((pickle, storages))
}

/// Magic, protocol, system, the object, the storages' keys, then of each storage its length in elements and its bytes.
fn stream(bytes: &[u8]) -> Result<(Pickle<'_>, Storages<'_>)> {
    let other = || format!("a pickle, but none of `torch.save`; {REMEDY}");
    let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(other)?;
    let (_, _) = (parse(&mut rest)?, parse(&mut rest)?);
    let pickle = parse(&mut rest)?;
    let listed = parse(&mut rest)?;
    let Value::List(keys) = &listed[listed.root] else { return Err(other()) };
    let widths: HashMap<&str, usize> = pickle
        .values()
        .filter_map(
            |value| if let Value::Persistent(id) = value { storage_of(&pickle, *id)?.ok() } else { None },
        )
        .map(|(key, dtype)| (key, dtype.size_in_bytes()))
        .collect();
    let mut storages = Storages::new();
    for key in keys {
        let Value::Text(key) = listed[*key] else { return Err(other()) };
        let cut = || "not a whole file of PyTorch – fetch or write it again".to_owned();
        let width =
            widths.get(key).ok_or_else(|| format!("storage `{}` is of an unknown type", shown(key)))?;
        let (length, after) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|n| n.checked_mul(*width));
        let (content, after) = length.and_then(|length| after.split_at_checked(length)).ok_or_else(cut)?;
        storages.insert(key.into(), content.into());
        rest = after;
    }
    Ok((pickle, storages))
}

fn parse<'a>(rest: &mut &'a [u8]) -> Result<Pickle<'a>> {
    Pickle::read(rest).map_err(|error| format!("a pickle that cannot be read ({error}); {REMEDY}"))
}

/// The pairs of the dictionary that holds the tensors: the file's own, or the one inside that has more.
fn dictionary<'p>(pickle: &'p Pickle, notes: &mut Vec<String>) -> Result<&'p [(Id, Id)]> {
    let pairs = |id: Id| if let Value::Dict(pairs) = &pickle[id] { Some(&pairs[..]) } else { None };
    let root =
        pairs(pickle.root).ok_or_else(|| format!("a file of PyTorch that holds a whole object; {REMEDY}"))?;
    let text = |id: Id| if let Value::Text(text) = pickle[id] { Some(text) } else { None };
    let tensors =
        |pairs: &[(Id, Id)]| pairs.iter().filter(|(_, value)| tensor_of(pickle, *value).is_some()).count();
    let own = tensors(root);
    // Beside the weights, a training program keeps a score or two as tensors.
    let best = KEYS
        .iter()
        .filter_map(|wanted| {
            let (_, value) = root.iter().rfind(|(key, _)| text(*key) == Some(*wanted))?;
            let inner = pairs(*value)?;
            Some((wanted, inner, tensors(inner)))
        })
        .rev()
        .max_by_key(|(.., count)| *count);
    match best {
        Some((key, inner, count)) if count > own => {
            notes.push(format!("the tensors are those of `{key}` in the file"));
            Ok(inner)
        }
        _ if own > 0 => Ok(root),
        _ => {
            let keys: Vec<String> =
                root.iter().filter_map(|(key, _)| text(*key)).take(6).map(shown).collect();
            let more = if root.len() > keys.len() { ", …" } else { "" };
            let (has, known) = (keys.join(", "), KEYS.join(", "));
            Err(format!(
                "a file of PyTorch with the keys {has}{more}; expected tensors, or one of {known}; {REMEDY}"
            ))
        }
    }
}

/// Where a tensor lies: elements, not bytes.
struct Place<'a> {
    storage: &'a str,
    dtype: DType,
    offset: usize,
    size: Vec<usize>,
    stride: Vec<usize>,
}

fn odd() -> String {
    "described otherwise than `torch.save` does".to_owned()
}

/// `None` where the value is no tensor.
fn tensor_of<'a>(pickle: &Pickle<'a>, id: Id) -> Option<Result<Place<'a>>> {
    let Value::Call { mut callable, mut args } = pickle[id] else { return None };
    // At most a parameter of a subclass's tensor.
    for _ in 0..4 {
        let (Value::Class(name), Value::Tuple(list)) = (&pickle[callable], &pickle[args]) else {
            return None;
        };
        match (*name, &list[..]) {
            // The first has no more arguments: PyTorch before 0.4.
            ("_rebuild_tensor" | "_rebuild_tensor_v2", [storage, offset, size, stride, ..]) => {
                let Value::Persistent(storage) = pickle[*storage] else { return None };
                return Some(place(pickle, storage, *offset, *size, *stride));
            }
            ("_rebuild_parameter", [tensor, ..]) => match pickle[*tensor] {
                Value::Call { callable: inner, args: with } => (callable, args) = (inner, with),
                _ => return None,
            },
            ("_rebuild_from_type_v2", [inner, _, with, ..]) => (callable, args) = (*inner, *with),
            _ => return None,
        }
    }
    Some(Err(odd()))
}

fn place<'a>(pickle: &Pickle<'a>, storage: Id, offset: Id, size: Id, stride: Id) -> Result<Place<'a>> {
    let number = |id: Id| if let Value::Int(n) = pickle[id] { usize::try_from(n).ok() } else { None };
    let numbers = |id: Id| match &pickle[id] {
        // Each of many tensors may name the same tuple.
        Value::Tuple(list) if list.len() <= MOST_SIDES => {
            list.iter().map(|id| number(*id)).collect::<Option<Vec<_>>>()
        }
        _ => None,
    };
    let (key, dtype) = storage_of(pickle, storage).ok_or_else(odd)??;
    let (size, stride) = (numbers(size).ok_or_else(odd)?, numbers(stride).ok_or_else(odd)?);
    if size.len() != stride.len() {
        return Err(odd());
    }
    // Old files describe a storage that is a part of another: (its key, where it begins, its length).
    let begins = match &pickle[storage] {
        Value::Tuple(parts) if parts.len() == 6 => match &pickle[parts[5]] {
            Value::Tuple(view) => view.get(1).and_then(|id| number(*id)).ok_or_else(odd)?,
            _ => 0,
        },
        _ => 0,
    };
    let offset = number(offset).and_then(|offset| offset.checked_add(begins)).ok_or_else(odd)?;
    Ok(Place { storage: key, dtype, offset, size, stride })
}

/// Key and type of `("storage", class, key, …)`.
fn storage_of<'a>(pickle: &Pickle<'a>, id: Id) -> Option<Result<(&'a str, DType)>> {
    let Value::Tuple(parts) = &pickle[id] else { return None };
    let [_, class, key, ..] = parts[..] else { return None };
    let (Value::Class(class), Value::Text(key)) = (&pickle[class], &pickle[key]) else { return None };
    let dtype = match *class {
        "FloatStorage" => DType::F32,
        "DoubleStorage" => DType::F64,
        "HalfStorage" => DType::F16,
        "BFloat16Storage" => DType::BF16,
        "LongStorage" => DType::I64,
        "ByteStorage" | "BoolStorage" => DType::U8,
        other => {
            return Some(Err(format!(
                "of the type {}, expected f16, bf16, f32, f64, i64, u8 or bool – leave it out or cast it before `torch.save`",
                shown(other)
            )));
        }
    };
    Some(Ok((key, dtype)))
}

impl Place<'_> {
    /// The tensor, contiguous.
    fn build(&self, storages: &Storages, room: &mut Room) -> Result<Tensor> {
        let lost = || format!("lies outside its storage `{}`", shown(self.storage));
        let bytes = storages.get(self.storage).ok_or_else(lost)?;
        let width = self.dtype.size_in_bytes();
        // It does not overflow: see `bounded`.
        let count = self.size.iter().product::<usize>();
        // The last element of each side bounds them all; broadcast tensors aside, there are no more than the storage has.
        let last = self.size.iter().zip(&self.stride).try_fold(self.offset, |at, (side, step)| {
            at.checked_add(side.saturating_sub(1).checked_mul(*step)?)
        });
        if count > 0 && !last.is_some_and(|last| last < bytes.len() / width && count <= bytes.len() / width) {
            return Err(lost());
        }
        // Even one without elements takes memory.
        room.take(count * width + 256).ok_or_else(|| format!("with it the tensors are {TOO_MUCH}"))?;
        let mut content = Vec::with_capacity(count * width);
        let mut index = vec![0; self.size.len()];
        for _ in 0..count {
            let at = self.offset + index.iter().zip(&self.stride).map(|(i, step)| i * step).sum::<usize>();
            content.extend_from_slice(&bytes[at * width..(at + 1) * width]);
            for (i, side) in index.iter_mut().zip(&self.size).rev() {
                *i += 1;
                if *i < *side {
                    break;
                }
                *i = 0;
            }
        }
        let tensor = Tensor::from_raw_buffer(&content, self.dtype, &self.size, &Device::Cpu);
        tensor.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
