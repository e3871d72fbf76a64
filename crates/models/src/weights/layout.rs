//! Whose names a file of weights has, and the same tensors by ours.

use crate::{ModelSpec, Params};
use candle_core::Tensor;
use std::collections::BTreeMap;

/// A file's tensors by our names.
pub(super) struct Named {
    pub tensors: BTreeMap<String, Tensor>,
    /// Names, in the file, of what we have no place for, with the shapes.
    pub strange: Vec<(String, Vec<usize>)>,
    /// Our name → the file's.
    pub theirs: fn(&str) -> String,
}

impl Named {
    /// A file in our names.
    pub fn ours(params: &Params, tensors: BTreeMap<String, Tensor>) -> Named {
        named(params, tensors, str::to_owned)
    }
}

/// Programs around a model put their own names before those of its tensors: `DataParallel`, `torch.compile`, Lightning.
const WRAPPERS: [&str; 3] = ["module.", "_orig_mod.", "model."];

/// Takes off what all names begin with, if a wrapper put it there.
pub(super) fn unwrapped(
    mut tensors: BTreeMap<String, Tensor>,
    notes: &mut Vec<String>,
) -> BTreeMap<String, Tensor> {
    let all = |tensors: &BTreeMap<String, Tensor>, prefix: &str| {
        !tensors.is_empty() && tensors.keys().all(|name| name.starts_with(prefix))
    };
    while let Some(prefix) = WRAPPERS.into_iter().find(|prefix| all(&tensors, prefix)) {
        notes.push(format!("all names in the file begin with `{prefix}`: taken off"));
        tensors =
            tensors.into_iter().map(|(name, tensor)| (name[prefix.len()..].to_owned(), tensor)).collect();
    }
    tensors
}

/// The tensors by our names: the file is ours, torchvision's or timm's, whichever has most of its names.
pub(super) fn recognise(
    params: &Params,
    spec: &ModelSpec,
    tensors: BTreeMap<String, Tensor>,
    notes: &mut Vec<String>,
) -> Named {
    let ours: fn(&str) -> String = str::to_owned;
    let mut best = (None, ours, found(params, &tensors, ours));
    for (library, peer) in [("torchvision", spec.torchvision), ("timm", spec.timm)] {
        let Some(peer) = peer else { continue };
        let count = found(params, &tensors, peer.tensor);
        if count > best.2 {
            best = (Some(library), peer.tensor, count);
        }
    }
    if let Some(library) = best.0 {
        notes.push(format!("the names of its tensors are {library}'s"));
    }
    named(params, tensors, best.1)
}

/// How many of the model's tensors a file has under these names.
fn found(params: &Params, tensors: &BTreeMap<String, Tensor>, theirs: fn(&str) -> String) -> usize {
    let names = params.trainable.keys().chain(params.buffers.keys());
    names.filter(|name| tensors.contains_key(&theirs(name))).count()
}

fn named(params: &Params, mut tensors: BTreeMap<String, Tensor>, theirs: fn(&str) -> String) -> Named {
    let names = params.trainable.keys().chain(params.buffers.keys()).chain(params.counts.keys());
    let ours = names.filter_map(|name| Some((name.clone(), tensors.remove(&theirs(name))?))).collect();
    let strange = tensors.into_iter().filter(|(name, _)| !is_derived(name));
    let strange = strange.map(|(name, tensor)| (name, tensor.dims().to_vec())).collect();
    Named { tensors: ours, strange, theirs }
}

/// Counts that a model may do without, and constants of a network's geometry that some libraries save: indices into tables
/// of relative positions, masks of shifted windows.
fn is_derived(name: &str) -> bool {
    ["num_batches_tracked", "relative_position_index", "attn_mask"].iter().any(|end| name.ends_with(end))
}
