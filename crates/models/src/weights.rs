//! Weights in and out: safetensors in our, torchvision's or timm's names, and PyTorch's own files in.

mod difference;
mod fit;
mod layout;
mod torch;

use crate::{Error, ModelSpec, Params, Result, Stem};
use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use difference::Difference;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

pub use fit::{adapt_input, resample_positions};

/// What becomes of a head whose classes are not the file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// An error.
    MustFit,
    /// It keeps its initial values.
    ReplaceIfClassesDiffer,
}

/// What [`load`] did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadReport {
    /// Parameters and buffers that were set.
    pub loaded: usize,
    /// Why the head kept its initial values, where it did.
    pub head: Option<String>,
    /// What else people should know: other names, other shapes that were made to fit.
    pub notes: Vec<String>,
    /// The file's own.
    pub metadata: BTreeMap<String, String>,
}

/// A file's tensors on the CPU, in the types they were written in, and its metadata.
pub struct Weights {
    pub tensors: BTreeMap<String, Tensor>,
    pub metadata: BTreeMap<String, String>,
    /// What was left aside: wrappers around the tensors.
    pub notes: Vec<String>,
}

/// Bytes of the longest name of a tensor, sides of the largest, tensors of a file, bytes of a safetensors' header: what PyTorch
/// itself has, or several times what the largest networks have.
const LONGEST_NAME: usize = 1024;
const MOST_SIDES: usize = 64;
const MOST_TENSORS: usize = 50_000;
const LONGEST_HEADER: u64 = 8 << 20;

/// What stands in the place of a file of weights, if that is none: `is a folder`, `is a pipe or a device`.
pub fn no_file(path: &Path) -> Option<&'static str> {
    std::fs::metadata(path).ok().and_then(|there| crate::file::other(&there))
}

/// Reads a safetensors file, or one of PyTorch (`.pth`, `.pt`, `.bin`): a dictionary of tensors, also one inside `state_dict`,
/// `model_state_dict`, `model` or `net`. Nothing that such a file says is run.
///
/// # Errors
/// With the path, where the file is missing, truncated, or something else.
pub fn read(path: &Path) -> Result<Weights> {
    let fail = |message: String| Error::File(format!("{}: {message}", path.display()));
    let bytes = crate::file::bytes(path, "the weights", u64::MAX)?;
    if torch::is_one(&bytes) {
        let (tensors, notes) = torch::read(&bytes).map_err(fail)?;
        return Ok(Weights { tensors, metadata: BTreeMap::new(), notes });
    }
    let (tensors, metadata) = safe_tensors(&bytes).map_err(fail)?;
    Ok(Weights { tensors, metadata, notes: Vec::new() })
}

type Read = (BTreeMap<String, Tensor>, BTreeMap<String, String>);

/// The tensors and the metadata of a safetensors file. An error says what is wrong, without the path.
fn safe_tensors(bytes: &[u8]) -> std::result::Result<Read, String> {
    let broken = |error: safetensors::SafeTensorError| {
        format!("not a whole safetensors file ({}) – fetch or write it again", shown(&error.to_string()))
    };
    let begin = bytes.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length));
    // One that does not end within the file is not whole.
    if begin > LONGEST_HEADER && begin < bytes.len() as u64 {
        return Err(format!(
            "a header of {begin} bytes, expected at most {LONGEST_HEADER} – write it again with its tensors alone"
        ));
    }
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(bytes).map_err(broken)?.iter() {
        let fail = |why: String| format!("tensor `{}`: {why}", shown(name));
        bounded(name, view.shape(), tensors.len()).map_err(fail)?;
        let tensor = view.load(&Device::Cpu).map_err(|error| fail(error.to_string()))?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok((tensors, metadata))
}

/// Refuses a tensor that no network has, before it is built beside `count` others.
fn bounded(name: &str, sides: &[usize], count: usize) -> std::result::Result<(), String> {
    const REMEDY: &str = "write the file again with a network's state dict alone";
    // candle multiplies sides in an order of its own: one of 0 hides none that are too large.
    let elements = sides.iter().try_fold(1usize, |n, side| n.checked_mul((*side).max(1)));
    match () {
        () if name.len() > LONGEST_NAME => {
            Err(format!("a name of {} bytes, expected at most {LONGEST_NAME} – {REMEDY}", name.len()))
        }
        () if sides.len() > MOST_SIDES => {
            Err(format!("of {} sides, expected at most {MOST_SIDES} – {REMEDY}", sides.len()))
        }
        () if elements.is_none() => Err(format!("of more elements than a machine can count – {REMEDY}")),
        () if count >= MOST_TENSORS => Err(format!("one of more than {MOST_TENSORS} – {REMEDY}")),
        () => Ok(()),
    }
}

/// Sets the parameters and buffers from a file in our names, f16, bf16, f32 or f64, in the types of `params`. Every tensor
/// must be there with its shape, and no other, but for counts (`…num_batches_tracked`) and, as `head` allows, the head's.
///
/// # Errors
/// The difference (`-` missing, `+` unexpected, `~` different), before anything is set; what [`read`] answers.
pub fn load(params: &Params, path: &Path, head: Head) -> Result<LoadReport> {
    let Weights { tensors, metadata, notes } = read(path)?;
    set(
        params,
        path,
        head,
        layout::Named::ours(params, tensors),
        LoadReport { metadata, notes, ..LoadReport::default() },
    )
}

/// As [`load`], of a file in our names, torchvision's or timm's: whichever has most of the file's. Shapes that differ in
/// sides of 1 are taken as they are. Where the head may be replaced, a first convolution of other channels
/// ([`adapt_input`]) and position embeddings of another grid ([`resample_positions`]) are made to fit as timm does.
///
/// # Errors
/// As [`load`].
pub fn import(params: &Params, spec: &ModelSpec, path: &Path, head: Head) -> Result<LoadReport> {
    import_renamed(params, spec, path, head, &[])
}

/// As [`import`], with prefixes of the file's names replaced first, each (from, to), whole segments between dots: what
/// wrappers put before all names is taken off before.
///
/// # Errors
/// As [`load`]; [`Error::Option`] for a prefix that begins no name, and for two names that become one.
pub fn import_renamed(
    params: &Params,
    spec: &ModelSpec,
    path: &Path,
    head: Head,
    renames: &[(String, String)],
) -> Result<LoadReport> {
    let Weights { tensors, metadata, mut notes } = read(path)?;
    let tensors = layout::unwrapped(tensors, &mut notes);
    let tensors = layout::renamed(tensors, renames, &mut notes);
    let tensors = tensors.map_err(|problem| Error::Option(format!("{}: {problem}", path.display())))?;
    let mut named = layout::recognise(params, spec, tensors, &mut notes);
    fit::fit(params, spec, &mut named.tensors, head == Head::ReplaceIfClassesDiffer, &mut notes)?;
    set(params, path, head, named, LoadReport { metadata, notes, ..LoadReport::default() })
}

/// Sets what was read, all of it or nothing.
fn set(
    params: &Params,
    path: &Path,
    head: Head,
    named: layout::Named,
    report: LoadReport,
) -> Result<LoadReport> {
    let layout::Named { tensors, strange, theirs } = named;
    let kept = match head {
        Head::ReplaceIfClassesDiffer => other_head(params, &tensors),
        Head::MustFit => None,
    };
    let replaced =
        |name: &str| kept.is_some() && params.trainable.get(name).is_some_and(|p| p.stage() == "head");
    // As the file calls it, and as we do.
    let both = |name: &String| match theirs(name) {
        other if other == *name => other,
        other => format!("{other} (here {name})"),
    };

    let mut difference = Difference::default();
    let mut values = Vec::new();
    for (name, param) in params.trainable.iter().chain(&params.buffers).filter(|(name, _)| !replaced(name)) {
        let expected = param.var().dims();
        match tensors.get(name) {
            None => difference.missing.push(format!("- {} {expected:?}", both(name))),
            Some(tensor) if tensor.dims() != expected => {
                if let ("conv1.weight", [theirs, .., 3 | 7]) = (name.as_str(), tensor.dims())
                    && *theirs == expected[0]
                {
                    difference.stem =
                        Some(if tensor.dims().ends_with(&[7]) { Stem::ImageNet } else { Stem::Cifar });
                }
                let dims = tensor.dims();
                difference.changed.push(format!("~ {} {expected:?}: {dims:?} in the file", both(name)));
            }
            Some(tensor) if !tensor.dtype().is_float() => {
                let dtype = tensor.dtype();
                difference.changed.push(format!("~ {}: expected floats, the file has {dtype:?}", both(name)));
            }
            Some(tensor) => values.push((name, param.var(), tensor)),
        }
    }
    for (name, dims) in &strange {
        difference.unexpected.push(format!("+ {name} {dims:?}"));
    }
    if !difference.is_empty() {
        difference.head = renamed_head(params, &strange);
        return Err(Error::Mismatch(format!("{}: {difference}", path.display())));
    }

    // Everything that can fail comes before the first tensor is set.
    let values = values
        .into_iter()
        .map(|(name, var, tensor)| {
            let tensor = tensor.to_dtype(params.dtype())?;
            match not_finite(&tensor)? {
                0 => Ok((var, tensor.to_device(params.device())?)),
                count => Err(Error::File(format!(
                    "{}: `{name}` has {count} of {} values that are not finite (NaN or infinite) – fetch the file again, \
                     or take weights from before that training diverged",
                    path.display(),
                    tensor.elem_count()
                ))),
            }
        })
        .collect::<Result<Vec<_>>>()?;
    for (var, tensor) in &values {
        var.set(tensor)?;
    }
    params.cast()?;
    for (name, count) in &params.counts {
        if let Some(value) = tensors.get(name).filter(|value| value.elem_count() == 1) {
            let value = value.flatten_all()?.to_dtype(DType::I64)?.to_vec1::<i64>()?[0];
            count.set(value.try_into().unwrap_or(0));
        }
    }
    Ok(LoadReport { loaded: values.len(), head: kept, ..report })
}

/// How many values of a float tensor are NaN or infinite.
fn not_finite(tensor: &Tensor) -> Result<usize> {
    let values = tensor.flatten_all()?;
    Ok(match values.dtype() {
        DType::F64 => values.to_vec1::<f64>()?.iter().filter(|value| !value.is_finite()).count(),
        _ => values.to_dtype(DType::F32)?.to_vec1::<f32>()?.iter().filter(|value| !value.is_finite()).count(),
    })
}

/// Writes tensors, contiguous and in their types, and the metadata. The same input gives the same bytes. The file appears
/// whole or not at all: it is written beside `path`, synced and renamed. [`Params::tensors`] gives a model's tensors.
///
/// # Errors
/// With the path, where it cannot be written.
pub fn save(
    tensors: &BTreeMap<String, Tensor>,
    path: &Path,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let fail = |source: std::io::Error| Error::Write { path: path.to_owned(), source };
    // Widest types first, so that each tensor is aligned; then by name. As the safetensors library does.
    let mut order: Vec<(&String, &Tensor)> = tensors.iter().collect();
    order.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.dtype().size_in_bytes()));
    // The library's own writer keeps metadata in a hash map, whose order changes from run to run: the header is ours.
    let mut header = serde_json::Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".into(), json!(metadata));
    }
    let mut end = 0;
    for (name, tensor) in &order {
        let start = end;
        end += tensor.elem_count() * tensor.dtype().size_in_bytes();
        let dtype = safetensors::Dtype::from(tensor.dtype());
        header.insert(
            (*name).clone(),
            json!({ "dtype": dtype, "shape": tensor.dims(), "data_offsets": [start, end] }),
        );
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = Path::new(&beside);
    let write = || -> Result<()> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(beside).map_err(fail)?);
        file.write_all(&(header.len() as u64).to_le_bytes()).map_err(fail)?;
        file.write_all(&header).map_err(fail)?;
        for (_, tensor) in &order {
            let tensor = tensor.to_device(&Device::Cpu)?.contiguous()?;
            file.write_all(&safetensors::View::data(&tensor)).map_err(fail)?;
        }
        let file = file.into_inner().map_err(|error| fail(error.into_error()))?;
        file.sync_all().map_err(fail)?;
        std::fs::rename(beside, path).map_err(fail)
    };
    write().inspect_err(|_| {
        // The first error is the one to report.
        let _ = std::fs::remove_file(beside);
    })
}

/// Words of a file, as a message can bear them.
pub(crate) fn shown(words: &str) -> String {
    let short: String = words.chars().take(120).collect();
    if short.len() < words.len() { short + "…" } else { short }
}

/// What is to be said of a head that the file lacks, or that differs from the file's in the number of classes alone.
fn other_head(params: &Params, tensors: &BTreeMap<String, Tensor>) -> Option<String> {
    let head: Vec<_> = params.trainable.iter().filter(|(_, param)| param.stage() == "head").collect();
    if !head.is_empty() && head.iter().all(|(name, _)| !tensors.contains_key(*name)) {
        return Some("the file has no head".to_owned());
    }
    let pairs = head
        .iter()
        .map(|(name, param)| Some((tensors.get(*name)?.dims(), param.var().dims())))
        .collect::<Option<Vec<_>>>()?;
    let (theirs, ours) = (pairs.first()?.0.first()?, pairs.first()?.1.first()?);
    let only_classes = |(file, here): &(&[usize], &[usize])| {
        file.len() == here.len() && file[0] == *theirs && here[0] == *ours && file[1..] == here[1..]
    };
    if theirs == ours || !pairs.iter().all(only_classes) {
        return None;
    }
    let name = head[0].0.split('.').next().unwrap_or_default();
    Some(format!("head {name}: {theirs} classes in the file, {ours} here"))
}

/// What the file calls the head and what it is called here, where all that is strange in the file has the head's tensors, but for
/// the number of classes.
fn renamed_head(params: &Params, strange: &[(String, Vec<usize>)]) -> Option<(String, String)> {
    let head: Vec<_> = params.trainable.iter().filter(|(_, param)| param.stage() == "head").collect();
    let (theirs, ours) = (strange.first()?.0.rsplit_once('.')?.0, head.first()?.0.rsplit_once('.')?.0);
    let fits = |(name, dims): &(String, Vec<usize>)| {
        let ours = name.strip_prefix(theirs).map(|rest| format!("{ours}{rest}"));
        let like = head.iter().find(|(name, _)| Some(*name) == ours.as_ref());
        like.is_some_and(|(_, param)| {
            let here = param.var().dims();
            here.len() == dims.len() && here[1..] == dims[1..]
        })
    };
    (strange.len() == head.len() && strange.iter().all(fits)).then(|| (theirs.to_owned(), ours.to_owned()))
}

#[cfg(test)]
mod tests;
