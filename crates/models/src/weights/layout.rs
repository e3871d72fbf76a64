//! Whose names a file of weights has, and the same tensors by ours.

use crate::{ModelSpec, Params};
use candle_core::Tensor;
use std::collections::{BTreeMap, HashMap};

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

/// The tensors with prefixes of whole dotted segments replaced, each (from, to): of several that fit a name, the longest; of no
/// `to`, the rest of the name. An error says which begins no name, without the path.
pub(super) fn renamed(
    tensors: BTreeMap<String, Tensor>,
    renames: &[(String, String)],
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, Tensor>, String> {
    let begins = |name: &str, from: &str| {
        name.strip_prefix(from).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    for (from, _) in renames {
        if !tensors.keys().any(|name| begins(name, from)) {
            return Err(format!("no name in the file begins with `{from}`; {}", near(&tensors, from)));
        }
    }
    let (mut found, mut count) = (BTreeMap::new(), 0);
    for (name, tensor) in tensors {
        let fits = renames.iter().filter(|(from, _)| begins(&name, from)).max_by_key(|(from, _)| from.len());
        let fresh = fits.map_or(name.clone(), |(from, to)| {
            count += 1;
            let rest = &name[from.len()..];
            if to.is_empty() { rest.trim_start_matches('.').to_owned() } else { format!("{to}{rest}") }
        });
        if found.insert(fresh.clone(), tensor).is_some() {
            return Err(format!("two tensors of the file become `{fresh}`, such as {name}"));
        }
    }
    if count > 0 {
        notes.push(format!("renamed as model.rename says: {count} tensor(s)"));
    }
    Ok(found)
}

/// What names there are where a prefix leaves those of the file.
fn near(tensors: &BTreeMap<String, Tensor>, from: &str) -> String {
    let parts = |name: &str| name.split('.').map(str::to_owned).collect::<Vec<String>>();
    let wanted = parts(from);
    let common = |name: &[String]| name.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
    let names: Vec<Vec<String>> = tensors.keys().map(|name| parts(name)).collect();
    let deepest = names.iter().map(|name| common(name)).max().unwrap_or(0);
    let mut there: Vec<String> = names
        .iter()
        .filter(|name| common(name) == deepest)
        .map(|name| name[..name.len().min(deepest + 1)].join("."))
        .collect();
    there.dedup();
    const SHOWN: usize = 12;
    let more = if there.len() > SHOWN { ", …" } else { "" };
    there.truncate(SHOWN);
    format!("there are {}{more}", there.join(", "))
}

/// The tensors by our names: the file is ours, torchvision's or timm's, and its names begin as they are or behind a prefix
/// (`backbone.`, `encoder_q.`), whichever has most of the model's names. What does not have the prefix is left aside.
pub(super) fn recognise(
    params: &Params,
    spec: &ModelSpec,
    tensors: BTreeMap<String, Tensor>,
    notes: &mut Vec<String>,
) -> Named {
    let ours: fn(&str) -> String = str::to_owned;
    let mut libraries: Vec<Library> = vec![(None, ours)];
    libraries.extend(spec.torchvision.map(|peer| (Some("torchvision"), peer.tensor)));
    libraries.extend(spec.timm.map(|peer| (Some("timm"), peer.tensor)));
    let counts = found(params, &tensors, &libraries);
    let mut best = (None, ours, "", counts.get("").map_or(0, |counts| counts[0]));
    for (prefix, counts) in &counts {
        for (&(library, theirs), count) in libraries.iter().zip(counts) {
            if *count > best.3 {
                best = (library, theirs, prefix, *count);
            }
        }
    }
    let (library, theirs, prefix, _) = best;
    if let Some(library) = library {
        notes.push(format!("the names of its tensors are {library}'s"));
    }
    if prefix.is_empty() {
        return named(params, tensors, theirs);
    }
    let count = tensors.len();
    let prefix = prefix.to_owned();
    let inside = tensors
        .into_iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor)));
    let inside: BTreeMap<String, Tensor> = inside.collect();
    let aside = match count - inside.len() {
        0 => String::new(),
        others => format!(", {others} others left aside"),
    };
    notes.push(format!("the tensors are those under `{prefix}` in the file{aside}"));
    named(params, inside, theirs)
}

/// Whose names they are, if not ours; our name → theirs.
type Library = (Option<&'static str>, fn(&str) -> String);

/// What names in the file begin with, up to each of the first three dots, nothing first; and how many of the model's tensors the
/// file has behind it, by the names of each library.
fn found<'t>(
    params: &Params,
    tensors: &'t BTreeMap<String, Tensor>,
    libraries: &[Library],
) -> BTreeMap<&'t str, Vec<usize>> {
    let names = || params.trainable.keys().chain(params.buffers.keys());
    let mut wanted: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, (_, theirs)) in libraries.iter().enumerate() {
        for name in names() {
            wanted.entry(theirs(name)).or_insert_with(|| vec![0; libraries.len()])[at] += 1;
        }
    }
    let mut counts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for name in tensors.keys() {
        let ends = [0].into_iter().chain(name.match_indices('.').take(3).map(|(at, _)| at + 1));
        for (prefix, rest) in ends.map(|end| name.split_at(end)) {
            let counts = counts.entry(prefix).or_insert_with(|| vec![0; libraries.len()]);
            for (count, more) in counts.iter_mut().zip(wanted.get(rest).into_iter().flatten()) {
                *count += more;
            }
        }
    }
    counts
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
