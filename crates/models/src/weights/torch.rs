//! PyTorch's files of tensors, as `torch.save` writes them: the zip of today and the stream of before 1.6.
//!
//! The pickle inside is parsed to a tree by candle; no name in it is looked up and nothing is called. Of the tree only
//! dictionaries of tensors are used.

use candle_core::pickle::{Object, Stack};
use candle_core::{DType, Device, Tensor};
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
    let (root, storages) = if bytes.starts_with(b"PK") { zipped(bytes)? } else { stream(bytes)? };
    let mut notes = Vec::new();
    let pairs = dictionary(root, &mut notes)?;
    let mut tensors = BTreeMap::new();
    for (key, value) in pairs {
        if let (Object::Unicode(name), Some(of)) = (key, tensor_of(&value)) {
            let tensor =
                of.and_then(|of| of.build(&storages)).map_err(|why| format!("tensor `{name}`: {why}"))?;
            tensors.insert(name, tensor);
        }
    }
    if tensors.is_empty() {
        return Err(format!("a file of PyTorch without tensors by name; {REMEDY}"));
    }
    Ok((tensors, notes))
}

const REMEDY: &str = "expected a state dict – in Python: `torch.save(model.state_dict(), \"x.pth\")`";

/// The bytes of each storage.
type Storages = HashMap<String, Vec<u8>>;

fn zipped(bytes: &[u8]) -> Result<(Object, Storages)> {
    let broken = |error: String| format!("not a whole file of PyTorch ({error}) – fetch or write it again");
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(error.to_string()))?;
    let (mut pickle, mut storages) = (None, Storages::new());
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|error| broken(error.to_string()))?;
        let name = entry.name().map_err(|error| broken(error.to_string()))?.into_owned();
        // `ROOT/data.pkl`, `ROOT/data/KEY`, `ROOT/byteorder`
        let Some((_, name)) = name.split_once('/') else { continue };
        let is_wanted = name == "data.pkl" || name == "byteorder" || name.starts_with("data/");
        if !is_wanted {
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(|error| broken(error.to_string()))?;
        match name.strip_prefix("data/") {
            Some(key) => drop(storages.insert(key.to_owned(), content)),
            None if name == "data.pkl" => pickle = Some(content),
            None if content != b"little" => {
                return Err("big-endian, expected little-endian – write it again on a little-endian machine"
                    .to_owned());
            }
            None => {}
        }
    }
    let pickle = pickle.ok_or_else(|| format!("a zip without data.pkl; {REMEDY}"))?;
    Ok((parse(&mut &pickle[..])?, storages))
}

/// Magic, protocol, system, the object, the storages' keys, then of each storage its length in elements and its bytes.
fn stream(bytes: &[u8]) -> Result<(Object, Storages)> {
    let other = || format!("a pickle, but none of `torch.save`; {REMEDY}");
    let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(other)?;
    let (_, _) = (parse(&mut rest)?, parse(&mut rest)?);
    let root = parse(&mut rest)?;
    let Object::List(keys) = parse(&mut rest)? else { return Err(other()) };
    let mut widths = HashMap::new();
    storages_in(&root, &mut widths);
    let mut storages = Storages::new();
    for key in keys {
        let Object::Unicode(key) = key else { return Err(other()) };
        let cut = || "not a whole file of PyTorch – fetch or write it again".to_owned();
        let width = widths.get(&key).ok_or_else(|| format!("storage `{key}` is of an unknown type"))?;
        let (length, after) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|n| n.checked_mul(*width));
        let (content, after) = length.and_then(|length| after.split_at_checked(length)).ok_or_else(cut)?;
        storages.insert(key, content.to_vec());
        rest = after;
    }
    Ok((root, storages))
}

fn parse(rest: &mut &[u8]) -> Result<Object> {
    let mut stack = Stack::empty();
    let read = stack.read_loop(rest).and_then(|()| stack.finalize());
    read.map_err(|error| format!("a pickle that cannot be read ({error}); {REMEDY}"))
}

/// The pairs of the dictionary that holds the tensors: the file's own, or the one inside that has more.
fn dictionary(root: Object, notes: &mut Vec<String>) -> Result<Vec<(Object, Object)>> {
    let Object::Dict(pairs) = root else {
        return Err(format!("a file of PyTorch that holds a whole object; {REMEDY}"));
    };
    let tensors =
        |pairs: &[(Object, Object)]| pairs.iter().filter(|(_, value)| tensor_of(value).is_some()).count();
    let keys: Vec<String> = pairs
        .iter()
        .filter_map(|(key, _)| if let Object::Unicode(key) = key { Some(key.clone()) } else { None })
        .collect();
    let own = tensors(&pairs);
    let inside = |value: &Object| if let Object::Dict(inner) = value { tensors(inner) } else { 0 };
    // Beside the weights, a training program keeps a score or two as tensors.
    let best = KEYS
        .iter()
        .filter_map(|wanted| {
            pairs.iter().position(|(key, _)| matches!(key, Object::Unicode(key) if key == wanted))
        })
        .rev()
        .max_by_key(|&at| inside(&pairs[at].1));
    let count = best.map_or(0, |at| inside(&pairs[at].1));
    if count > own {
        let (key, value) = pairs.into_iter().nth(best.expect("counted")).expect("counted");
        if let (Object::Unicode(key), Object::Dict(inner)) = (key, value) {
            notes.push(format!("the tensors are those of `{key}` in the file"));
            return Ok(inner);
        }
        unreachable!("counted");
    }
    if own > 0 {
        return Ok(pairs);
    }
    let (has, known) = (keys.join(", "), KEYS.join(", "));
    Err(format!("a file of PyTorch with the keys {has}; expected tensors, or one of {known}; {REMEDY}"))
}

/// Where a tensor lies: elements, not bytes.
struct Place {
    storage: String,
    dtype: DType,
    offset: usize,
    size: Vec<usize>,
    stride: Vec<usize>,
}

/// `None` where the object is no tensor.
fn tensor_of(object: &Object) -> Option<Result<Place>> {
    let Object::Reduce { callable, args } = object else { return None };
    let (Object::Class { class_name, .. }, Object::Tuple(args)) = (&**callable, &**args) else { return None };
    match (class_name.as_str(), &args[..]) {
        // The first has no more arguments: PyTorch before 0.4.
        (
            "_rebuild_tensor" | "_rebuild_tensor_v2",
            [Object::PersistentLoad(storage), offset, size, stride, ..],
        ) => Some(place(storage, offset, size, stride)),
        ("_rebuild_parameter", [tensor, ..]) => tensor_of(tensor),
        ("_rebuild_from_type_v2", [callable, _, args, ..]) => {
            tensor_of(&Object::Reduce { callable: Box::new(callable.clone()), args: Box::new(args.clone()) })
        }
        _ => None,
    }
}

fn place(storage: &Object, offset: &Object, size: &Object, stride: &Object) -> Result<Place> {
    let odd = || "described otherwise than `torch.save` does".to_owned();
    let number = |object: &Object| match object {
        Object::Int(n) => usize::try_from(*n).ok(),
        Object::Long(n) => usize::try_from(*n).ok(),
        _ => None,
    };
    let numbers = |object: &Object| match object {
        Object::Tuple(list) => list.iter().map(number).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    let (key, dtype) = storage_of(storage).ok_or_else(odd)??;
    let (size, stride) = (numbers(size).ok_or_else(odd)?, numbers(stride).ok_or_else(odd)?);
    if size.len() != stride.len() {
        return Err(odd());
    }
    // Old files describe a storage that is a part of another: (its key, where it begins, its length).
    let begins = match storage {
        Object::Tuple(parts) => match &parts[..] {
            [.., Object::Tuple(view)] if parts.len() == 6 => view.get(1).and_then(number).ok_or_else(odd)?,
            _ => 0,
        },
        _ => 0,
    };
    let offset = number(offset).and_then(|offset| offset.checked_add(begins)).ok_or_else(odd)?;
    Ok(Place { storage: key, dtype, offset, size, stride })
}

/// Key and type of `("storage", class, key, …)`.
fn storage_of(object: &Object) -> Option<Result<(String, DType)>> {
    let Object::Tuple(parts) = object else { return None };
    let [_, Object::Class { class_name, .. }, Object::Unicode(key), ..] = &parts[..] else { return None };
    let dtype = match class_name.as_str() {
        "FloatStorage" => DType::F32,
        "DoubleStorage" => DType::F64,
        "HalfStorage" => DType::F16,
        "BFloat16Storage" => DType::BF16,
        "LongStorage" => DType::I64,
        "ByteStorage" | "BoolStorage" => DType::U8,
        other => {
            return Some(Err(format!(
                "of the type {other}, expected f16, bf16, f32, f64, i64, u8 or bool – leave it out or cast it before `torch.save`"
            )));
        }
    };
    Some(Ok((key.clone(), dtype)))
}

/// Bytes per element of every storage of a tree.
fn storages_in(object: &Object, widths: &mut HashMap<String, usize>) {
    match object {
        Object::PersistentLoad(storage) => {
            if let Some(Ok((key, dtype))) = storage_of(storage) {
                widths.insert(key, dtype.size_in_bytes());
            }
        }
        Object::Tuple(list) | Object::List(list) => list.iter().for_each(|item| storages_in(item, widths)),
        Object::Dict(pairs) => pairs.iter().for_each(|(_, value)| storages_in(value, widths)),
        Object::Reduce { callable, args } | Object::Build { callable, args } => {
            storages_in(callable, widths);
            storages_in(args, widths);
        }
        _ => {}
    }
}

impl Place {
    /// The tensor, contiguous.
    fn build(&self, storages: &Storages) -> Result<Tensor> {
        let lost = || format!("lies outside its storage `{}`", self.storage);
        let bytes = storages.get(&self.storage).ok_or_else(lost)?;
        let width = self.dtype.size_in_bytes();
        let count = self.size.iter().try_fold(1usize, |n, side| n.checked_mul(*side)).ok_or_else(lost)?;
        // The last element of each side bounds them all; broadcast tensors aside, there are no more than the storage has.
        let last = self.size.iter().zip(&self.stride).try_fold(self.offset, |at, (side, step)| {
            at.checked_add(side.saturating_sub(1).checked_mul(*step)?)
        });
        if count > 0 && !last.is_some_and(|last| last < bytes.len() / width && count <= bytes.len() / width) {
            return Err(lost());
        }
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
