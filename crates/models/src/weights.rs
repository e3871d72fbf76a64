//! Weights as safetensors files, in torchvision's and timm's names, which are one for plain ResNets.

use crate::{Error, Params, Result, Stem};
use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// What becomes of a head whose classes are not the file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// An error.
    MustFit,
    /// It keeps its initial values.
    ReplaceIfClassesDiffer,
}

/// What [`load`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadReport {
    /// Parameters and buffers that were set.
    pub loaded: usize,
    /// Says so when the head kept its initial values.
    pub head: Option<String>,
    /// The file's own.
    pub metadata: BTreeMap<String, String>,
}

/// A file's tensors on the CPU, in the types they were written in, and its metadata.
pub struct Weights {
    pub tensors: BTreeMap<String, Tensor>,
    pub metadata: BTreeMap<String, String>,
}

/// Reads a safetensors file. Errs with the path where it is missing, truncated, or something else.
pub fn read(path: &Path) -> Result<Weights> {
    let fail = |message: String| Error::File(format!("{}: {message}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| fail(format!("cannot read the weights: {error}")))?;
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0x80, 0x02]) {
        return Err(fail(
            "a pickle of PyTorch, expected safetensors – in Python: \
             `safetensors.torch.save_file(torch.load(\"x.pth\"), \"x.safetensors\")`"
                .into(),
        ));
    }
    let broken = |error: safetensors::SafeTensorError| {
        fail(format!("not a whole safetensors file ({error}) – fetch or write it again"))
    };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
    let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(&bytes).map_err(broken)?.iter() {
        let tensor = view.load(&Device::Cpu).map_err(|error| fail(format!("tensor `{name}`: {error}")))?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(Weights { tensors, metadata })
}

/// Sets the parameters and buffers from a file, f16, bf16, f32 or f64, in the types of `params`. Every tensor must be
/// there with its shape, and no other, but for counts (`…num_batches_tracked`) and, as `head` allows, the head's.
/// Errs with the difference (`-` missing, `+` unexpected, `~` different) before anything is set.
pub fn load(params: &Params, path: &Path, head: Head) -> Result<LoadReport> {
    let Weights { tensors, metadata } = read(path)?;
    let kept = match head {
        Head::ReplaceIfClassesDiffer => other_head(params, &tensors),
        Head::MustFit => None,
    };
    let replaced =
        |name: &str| kept.is_some() && params.trainable.get(name).is_some_and(|p| p.stage() == "head");

    let mut difference = Difference::default();
    let mut values = Vec::new();
    for (name, param) in params.trainable.iter().chain(&params.buffers).filter(|(name, _)| !replaced(name)) {
        let expected = param.var().dims();
        match tensors.get(name) {
            None => difference.missing.push(format!("- {name} {expected:?}")),
            Some(tensor) if tensor.dims() != expected => {
                if let ("conv1.weight", [theirs, .., 3 | 7]) = (name.as_str(), tensor.dims())
                    && *theirs == expected[0]
                {
                    difference.stem =
                        Some(if tensor.dims().ends_with(&[7]) { Stem::ImageNet } else { Stem::Cifar });
                }
                difference.changed.push(format!("~ {name} {expected:?}: {:?} in the file", tensor.dims()));
            }
            Some(tensor) if !tensor.dtype().is_float() => {
                difference
                    .changed
                    .push(format!("~ {name}: expected floats, the file has {:?}", tensor.dtype()));
            }
            Some(tensor) => values.push((name, param.var(), tensor)),
        }
    }
    let known = |name: &String| params.trainable.contains_key(name) || params.buffers.contains_key(name);
    let is_count = |name: &String| name.ends_with("num_batches_tracked");
    for (name, tensor) in tensors.iter().filter(|(name, _)| !known(name) && !is_count(name)) {
        difference.unexpected.push(format!("+ {name} {:?}", tensor.dims()));
    }
    if !difference.is_empty() {
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
    for (name, count) in &params.counts {
        if let Some(value) = tensors.get(name).filter(|value| value.elem_count() == 1) {
            let value = value.flatten_all()?.to_dtype(DType::I64)?.to_vec1::<i64>()?[0];
            count.set(value.try_into().unwrap_or(0));
        }
    }
    Ok(LoadReport { loaded: values.len(), head: kept, metadata })
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
pub fn save(
    tensors: &BTreeMap<String, Tensor>,
    path: &Path,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let fail =
        |error: std::io::Error| Error::File(format!("{}: cannot write the weights: {error}", path.display()));
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

/// What to say of a head that differs from the file's in the number of classes alone.
fn other_head(params: &Params, tensors: &BTreeMap<String, Tensor>) -> Option<String> {
    let head: Vec<_> = params.trainable.iter().filter(|(_, param)| param.stage() == "head").collect();
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
    Some(format!("head {name}: {theirs} classes in the file, {ours} here: kept newly initialised"))
}

/// What a file lacks, has too much, or has otherwise.
#[derive(Default)]
struct Difference {
    missing: Vec<String>,
    unexpected: Vec<String>,
    changed: Vec<String>,
    /// The file's stem, where that is another.
    stem: Option<Stem>,
}

impl Difference {
    fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.changed.is_empty()
    }

    /// What kind of file this may be, from its names.
    fn guess(&self) -> Option<&'static str> {
        let all = |prefix: &str| {
            !self.unexpected.is_empty() && self.unexpected.iter().all(|line| line[2..].starts_with(prefix))
        };
        if all("module.") {
            Some("its names begin with `module.`, as DataParallel saves them; take that off")
        } else if all("resnet.") || all("classifier.") {
            Some("its names look like transformers' layout; expected torchvision's or timm's")
        } else {
            None
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        const SHOWN: usize = 12;
        write!(f, "the tensors do not fit the model (- missing, + unexpected, ~ different)")?;
        if let Some(guess) = self.guess() {
            write!(f, "; {guess}")?;
        }
        if let Some(stem) = self.stem {
            write!(
                f,
                "; the file's stem is another: write `stem: {}` below model (model.stem)",
                stem.name()
            )?;
        }
        for lines in [&self.missing, &self.unexpected, &self.changed] {
            for line in lines.iter().take(SHOWN) {
                write!(f, "\n  {line}")?;
            }
            if lines.len() > SHOWN {
                write!(f, "\n  {} … and {} more", &lines[0][..1], lines.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
