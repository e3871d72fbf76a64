//! The data of a plan: opened, divided, checked.

use super::copies::without_copies;
use super::readable::{content, readable, without};
use super::same::same;
use super::{keys, leaks};
use crate::plan::Plan;
use crate::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tallow_data::{
    Cache, Dataset, Decoded, Grouping, Options, Parts, Rule, Subset, Window, Windowed, counted,
};
use tallow_ranks::{Alone, Ranks};
use tallow_report::{Progress, SplitNote};

/// The parts of a dataset, disjoint by image and group.
pub struct Data {
    pub train: Arc<dyn Dataset>,
    pub validation: Arc<dyn Dataset>,
    pub test: Option<Arc<dyn Dataset>>,
    /// Fingerprint of the ids, labels and groups of all parts.
    pub manifest: String,
    /// Of what their images are made of, see [`tallow_data::content`]; `None` where they were not looked at, and of drawn ones.
    pub content: Option<String>,
    groups: HashMap<String, u32>,
    pub notes: Vec<String>,
}

impl Data {
    /// Opens, divides and checks the data of a plan.
    ///
    /// # Errors
    /// Data that are not there, broken, not divided, or with a group or an image on two sides.
    pub fn open(plan: &Plan, progress: &Progress) -> Result<Data> {
        Data::open_among(plan, progress, &Alone)
    }

    /// The same by several processes, each of which looks at some of the images.
    ///
    /// # Errors
    /// Those of [`Data::open`]; a rank that does not answer.
    pub fn open_among(plan: &Plan, progress: &Progress, ranks: &dyn Ranks) -> Result<Data> {
        let (mut parts, mut notes, mut decoded) = named(plan)?;
        let is_disjoint = leaks::disjoint(&parts, plan, &mut notes)?;
        if ranks.count() > 1 {
            let resolved = serde_yaml::to_string(&plan.resolved).unwrap_or_default();
            same(
                ranks,
                &[
                    ("build of the program", format!("{} {}", crate::VERSION, crate::COMMIT)),
                    ("recipe", tallow_data::fingerprint(resolved.as_bytes())),
                    ("data", manifest(&parts)),
                ],
            )?;
        }
        readable(&mut parts, &mut decoded, plan, progress, &mut notes, ranks)?;
        leaks::distinct(&parts, &decoded, plan, &mut notes)?;
        let content = content(&parts, plan, &decoded)?;
        Ok(Data { content, ..Data::of(parts, notes, is_disjoint)? })
    }

    /// The same without decoding an image, and what is wrong with images and can be told so: files that end early, copies.
    ///
    /// # Errors
    /// Data that are not there, not divided, or with a group on two sides.
    pub fn looked_at(plan: &Plan) -> Result<(Data, Vec<Error>)> {
        let (mut parts, mut notes, decoded) = named(plan)?;
        let is_disjoint = leaks::disjoint(&parts, plan, &mut notes)?;
        let look = |part: &dyn Dataset| Ok(tallow_data::truncated(part, plan.data.workers));
        let cut = without(&mut parts, plan, look, &mut notes).map(|whole| {
            if whole > 0 {
                notes.push(format!(
                    "{} looked at: begun as images are, and not cut short (a training decodes them)",
                    counted(whole, "file")
                ));
            }
        });
        let copies = leaks::distinct(&parts, &decoded, plan, &mut notes);
        Ok((
            Data::of(parts, notes, is_disjoint)?,
            [cut, copies].into_iter().filter_map(Result::err).collect(),
        ))
    }

    /// The same, without a look at the images.
    ///
    /// # Errors
    /// Data that are not there, not divided, or with a group on two sides.
    pub fn undecoded(plan: &Plan) -> Result<Data> {
        let (parts, mut notes, decoded) = named(plan)?;
        let is_disjoint = leaks::disjoint(&parts, plan, &mut notes)?;
        // What a plan allows is told wherever its data are described.
        if plan.data.allow_leak {
            leaks::distinct(&parts, &decoded, plan, &mut notes)?;
        }
        Data::of(parts, notes, is_disjoint)
    }

    fn of(parts: Named, mut notes: Vec<String>, is_disjoint: bool) -> Result<Data> {
        let has_groups =
            parts.iter().any(|(_, part)| part.group_name().is_some_and(|name| name != tallow_data::COPIES));
        let suggested = if has_groups { None } else { suggested(&parts) };
        let manifest = manifest(&parts);
        let mut parts = parts.into_iter().map(|(_, part)| part);
        let (Some(train), Some(validation), test) = (parts.next(), parts.next(), parts.next()) else {
            unreachable!("a division has both")
        };
        if train.is_empty() || validation.is_empty() {
            let (a, b) = (train.len(), validation.len());
            return Err(Error::Data(format!(
                "data: expected images in both parts, got train {a}, validation {b}"
            )));
        }
        let mut groups = HashMap::new();
        for group in (0..train.len()).filter_map(|index| train.group(index)) {
            let next = groups.len() as u32;
            groups.entry(group.to_owned()).or_insert(next);
        }
        let leak = match train.group_name().filter(|name| *name != tallow_data::COPIES) {
            Some(name) if is_disjoint => format!("no {name} is on two sides of the split (checked)"),
            Some(name) => format!("{name}: on two sides of the split, as allowed"),
            None => suggested.unwrap_or_else(|| {
                "no patient or lesion ids: images of one patient may be on both sides; name them by split.group, the source's own or \
                 { path: 'person(\\d+)_' }"
                    .to_owned()
            }),
        };
        notes.push(leak);
        Ok(Data { manifest, content: None, train, validation, test, groups, notes })
    }

    /// Images, groups, and images of each class of every part.
    pub fn splits(&self) -> Vec<SplitNote> {
        let parts = [
            ("train", Some(&self.train)),
            ("validation", Some(&self.validation)),
            ("test", self.test.as_ref()),
        ];
        parts.into_iter().filter_map(|(name, part)| Some(split_note(name, &**part?))).collect()
    }

    /// Images of each class in every part, as lines for a terminal.
    pub fn counts(&self) -> String {
        let splits = self.splits();
        let parts: Vec<(&str, &[u64])> =
            splits.iter().map(|split| (split.name.as_str(), &split.per_class[..])).collect();
        tallow_report::counts(self.train.classes(), &parts)
    }

    /// The group of each of these training images, interned.
    pub fn interned(&self, images: &[u32]) -> Vec<Option<u32>> {
        let group = |index: &u32| self.train.group(*index as usize).map(|group| self.groups[group]);
        images.iter().map(group).collect()
    }
}

/// A fingerprint of the ids, labels and groups of all parts.
fn manifest(parts: &Named) -> String {
    let manifests: Vec<String> = parts.iter().map(|(_, part)| tallow_data::manifest(&**part)).collect();
    tallow_data::fingerprint(manifests.join("-").as_bytes())
}

/// Images, groups, and images of each class of a part.
pub fn split_note(name: &str, part: &dyn Dataset) -> SplitNote {
    let mut per_class = vec![0; part.classes().len()];
    (0..part.len()).for_each(|index| per_class[part.label(index) as usize] += 1);
    let groups: HashSet<&str> = (0..part.len()).filter_map(|index| part.group(index)).collect();
    let groups = (!groups.is_empty()).then_some(groups.len() as u64);
    SplitNote { name: name.to_owned(), images: part.len() as u64, groups, per_class }
}

/// One part of a plan's data, by name, and what people should know of it as notes. Only its own images are decoded.
///
/// # Errors
/// A name that is none; a part that is not there, empty or broken.
pub fn part(plan: &Plan, name: &str, progress: &Progress) -> Result<Arc<dyn Dataset>> {
    let official = official(plan)?;
    let mut decoded = seen_before(&official);
    let known: Vec<&str> = [
        ("train", official.train.is_some()),
        (
            "validation",
            official.validation.is_some() || (official.train.is_some() && plan.data.split.is_some()),
        ),
        ("test", official.test.is_some()),
    ]
    .iter()
    .filter_map(|(name, is_there)| is_there.then_some(*name))
    .collect();
    let source = plan.data.source.name;
    let name = match name {
        "train" => "train",
        "validation" | "val" => "validation",
        "test" => "test",
        "all" => "all",
        other => {
            let problem = format!("--split: no part `{other}`; parts: train, validation, test, all");
            return Err(Error::recipe(problem));
        }
    };
    if name == "all" && (official.train.is_none() || official.validation.is_some() || official.test.is_some())
    {
        let problem =
            format!("--split all: {source} has parts of its own here; name one: {}", known.join(", "));
        return Err(Error::recipe(problem));
    }
    if name != "all" && !known.contains(&name) {
        let remedy = match known[..] {
            ["train"] => "take all of it (--split all), or divide it (data.split.validation=0.15)".to_owned(),
            _ => format!("parts: {}", known.join(", ")),
        };
        return Err(Error::recipe(format!("--split {name}: {source} has no {name} part here; {remedy}")));
    }
    let (parts, mut notes) = match (name, &plan.data.split, official) {
        // Neither moves with a split, nor needs one; groups that the split names are theirs too.
        ("all" | "test", _, Parts { train, test, notes, .. }) => {
            let part = if name == "all" { train } else { test }.expect("was found to be there");
            (vec![(name, regrouped(plan, part)?)], notes)
        }
        ("train", None, Parts { train: Some(train), validation: None, notes, .. }) => {
            (vec![(name, train)], notes)
        }
        (_, _, official) => {
            let (parts, mut notes) = divided(plan, official, &decoded)?;
            leaks::disjoint(&parts, plan, &mut notes)?;
            (parts, notes)
        }
    };
    let mut part: Vec<_> = parts.into_iter().filter(|(part, _)| *part == name).collect();
    readable(&mut part, &mut decoded, plan, progress, &mut notes, &Alone)?;
    notes.iter().for_each(|note| progress.note(note));
    let (_, part) = part.pop().expect("was found to be there");
    if part.is_empty() {
        return Err(Error::Data(format!("--split {name}: expected images, got none")));
    }
    Ok(part)
}

/// Datasets by name: train and validation, and test where there is one.
pub(super) type Named = Vec<(&'static str, Arc<dyn Dataset>)>;

/// The official parts of a plan's data.
fn official(plan: &Plan) -> Result<Parts> {
    // Sources that draw their images have their own seed; the split of a dataset must not move with the run's.
    let options = Options::new(plan.data.options.clone(), keys::source());
    let parts = plan.data.source.read(&options).map_err(|error| plan.place(error))?;
    let parts = chosen(plan, limited(plan, parts))?;
    windowed(plan, parts).map_err(|error| plan.place(error))
}

/// With the plan's limit of pixels.
fn limited(plan: &Plan, parts: Parts) -> Parts {
    let most = plan.data.max_pixels;
    if most == tallow_data::MAX_PIXELS {
        return parts;
    }
    parts.map(|part| Arc::new(Subset::limited(part, most)))
}

/// Without the classes that a plan leaves out.
fn chosen(plan: &Plan, parts: Parts) -> Result<Parts> {
    let (only, drop) = (&plan.data.only, &plan.data.drop);
    if only.is_empty() && drop.is_empty() {
        return Ok(parts);
    }
    let classes = parts.all().next().map_or(Vec::new(), |part| part.classes().to_vec());
    for (key, names) in [("only", only), ("drop", drop)] {
        if let Some(index) = names.iter().position(|name| !classes.contains(name)) {
            let (name, known) = (&names[index], classes.iter().map(String::as_str));
            let problem = format!("no class is called `{name}`{}", tallow_data::suggestion(name, known));
            return Err(plan.mistake(&format!("data.{key}[{index}]"), problem));
        }
    }
    let is_kept = |name: &str| {
        let is_in = |list: &Vec<String>| list.iter().any(|listed| listed == name);
        (only.is_empty() || is_in(only)) && !is_in(drop)
    };
    if classes.iter().filter(|name| is_kept(name)).count() < 2 {
        return Err(plan.mistake("data", "expected two classes or more after `only` and `drop`"));
    }
    Ok(parts.map(|part| Arc::new(Subset::of_classes(part, is_kept))))
}

/// With 16-bit pictures in 8 bits, as a plan says.
fn windowed(plan: &Plan, parts: Parts) -> tallow_data::Result<Parts> {
    let all: Vec<&dyn Dataset> = parts.all().map(|part| &**part).collect();
    let Some(value) = &plan.data.window else {
        tallow_data::check_depth(&all)?;
        return Ok(parts);
    };
    let window = Window::parse(value, &all)?;
    let mut parts = parts.map(|dataset| Arc::new(Windowed { dataset, window }));
    if let Window::Levels { min, max } = window {
        parts.notes.push(format!("16-bit pictures: level {min} is black, {max} white"));
    }
    Ok(parts)
}

/// The parts that a plan trains with, whatever is in two of them, what people should know, and what is known of the images.
pub(super) fn named(plan: &Plan) -> Result<(Named, Vec<String>, Decoded)> {
    let official = official(plan)?;
    let decoded = seen_before(&official);
    let (named, notes) = divided(plan, official, &decoded)?;
    Ok((named, notes, decoded))
}

/// What was seen of the images of some parts when they were trained with before.
fn seen_before(parts: &Parts) -> Decoded {
    let all: Vec<(&str, &dyn Dataset)> = parts.all().map(|part| ("", &**part)).collect();
    Decoded::of(&all, Cache::of_user())
}

/// The parts that a plan trains with, and the source's notes.
fn divided(plan: &Plan, parts: Parts, decoded: &Decoded) -> Result<(Named, Vec<String>)> {
    let source = plan.data.source.name;
    let whole = parts
        .train
        .ok_or_else(|| Error::Data(format!("data: {source} has no training part here; see data.root")))?;
    let regroup = |part: Arc<dyn Dataset>| regrouped(plan, part);
    let rule = plan.data.split.as_ref().filter(|split| split.rule != Rule::Official);
    if let (Some(split), Some(own)) = (rule, &parts.validation)
        && !split.replace
    {
        let problem = format!(
            "{source} has a validation part of its own here, of {}, which this rule would leave unused; take the rule \
             out, or write `replace: true` beside it",
            counted(own.len(), "image")
        );
        return Err(plan.mistake("data.split", problem));
    }
    let test = parts.test.map(regroup).transpose()?;
    let (train, validation): (Arc<dyn Dataset>, Arc<dyn Dataset>) = match (rule, parts.validation) {
        (Some(split), _) => {
            let divided = tallow_data::divide(whole, split, decoded, keys::split());
            let divided = divided.map_err(|error| plan.place(error))?;
            (divided.train, divided.validation)
        }
        (None, Some(validation)) => (regroup(whole)?, regroup(validation)?),
        (None, None) => {
            let remedy = "write, for example, split: { validation: 0.15 } below data";
            return Err(plan.mistake("data.split", format!("{source} has no validation part here; {remedy}")));
        }
    };
    let mut named = vec![("train", train), ("validation", validation)];
    named.extend(test.map(|test| ("test", test)));
    let mut notes = parts.notes;
    leaks::exclude(&mut named, plan, &mut notes)?;
    without_copies(&mut named, decoded, plan, &mut notes)?;
    Ok((named, notes))
}

/// What is to be said of groups that the names of images suggest, where the data have none.
fn suggested(parts: &Named) -> Option<String> {
    let named: Vec<(&str, &dyn Dataset)> = parts.iter().map(|(name, part)| (*name, &**part)).collect();
    let guess = tallow_data::groups_of_names(&named)?;
    let across = match (guess.leak.groups, &guess.leak.example) {
        (0, _) | (_, None) => "none of them is in two parts".to_owned(),
        (1, Some(example)) => format!("`{example}` is in two parts, which may be a leak"),
        (many, Some(example)) => {
            format!("{many} of them, such as `{example}`, are in two parts, which may be a leak")
        }
    };
    Some(format!(
        "no patient or lesion ids are given, but names suggest {}, such as `{}` of {}: {across}; if these are patients, write \
         split.group: {{ path: '{}' }}",
        counted(guess.groups, "group"),
        guess.example.1,
        guess.example.0,
        guess.pattern
    ))
}

/// A part with the groups that the plan finds in names or a file. The dataset's own are looked for in what is divided alone.
fn regrouped(plan: &Plan, part: Arc<dyn Dataset>) -> Result<Arc<dyn Dataset>> {
    match plan.data.split.as_ref().and_then(|split| split.group.as_ref()) {
        None | Some(Grouping::Own(_)) => Ok(part),
        Some(grouping) => grouping.apply(part).map_err(|error| plan.place(error)),
    }
}
