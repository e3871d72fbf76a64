//! Training images divided into those that are learned from and those that judge.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_yaml::{Mapping, Value};
use tallow_seed::Seed;

use crate::error::{Mistakes, first_few};
use crate::part::Part;
use crate::readers::csv::CsvFile;
use crate::subset::Groups;
use crate::{Dataset, Decoded, Encoded, Error, Grouping, Options, Result, Subset, identical, suggestion};

mod assign;
mod elsewhere;
mod leak;

pub use elsewhere::ELSEWHERE;
pub use leak::{check_disjoint, groups_across};

/// What a group is where nothing but copies of one image makes one: no patient or lesion is known.
pub const COPIES: &str = "copies";

/// How the training part is divided. The validation part is the official one where a recipe has no rule at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    pub rule: Rule,
    /// The groups that stay whole, and where they come from; a dataset's own stay whole also where it is `None`.
    pub group: Option<Grouping>,
    /// Each class in the same proportions on each side.
    pub stratified: bool,
    /// Whether the rule stands in the place of a validation part that the source has.
    pub replace: bool,
}

/// What decides on which side an image is.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// A CSV with the columns `image` and `split` (`train`, `val`, or `test`: on neither side).
    File(PathBuf),
    /// The share of the images that validate, between 0 and 1.
    Validation(f64),
    /// Part `fold` (from 0) of `folds` equal ones validates. The parts of all folds together are the dataset.
    Fold { folds: u32, fold: u32 },
    /// The source's own parts stay; only groups are named.
    Official,
}

/// Both sides, in the dataset's order.
pub struct Divided {
    pub train: Arc<Subset>,
    pub validation: Arc<Subset>,
}

impl Split {
    pub const KEYS: [&str; 7] = ["file", "validation", "folds", "fold", "group", "stratified", "replace"];

    /// From a recipe's `data.split`. `file` wins over `folds`, and `folds` over `validation`.
    ///
    /// # Errors
    /// Every mistake: unknown keys, values out of range, no rule.
    pub fn parse(value: &Value) -> std::result::Result<Split, Vec<Error>> {
        let Value::Mapping(map) = value else {
            let example = "{ validation: 0.15 }, { folds: 5, fold: 0 } or { file: split.csv }";
            let problem = format!("expected {example}, got {}", crate::options::shown(value));
            return Err(vec![Error::option("split", problem)]);
        };
        let prefixed: Mapping = map
            .iter()
            .map(|(key, value)| (Value::from(format!("split.{}", text(key))), value.clone()))
            .collect();
        let options = Options::new(prefixed, Seed::new(0));
        let mut errors: Vec<Error> = map.keys().filter_map(|key| unknown(&text(key))).collect();
        let mut keep = |error| errors.push(error);
        let file = options.path("split.file").map_err(&mut keep).ok().flatten();
        let group = map.get("group").and_then(|group| Grouping::parse(group).map_err(&mut keep).ok());
        let stratified = options.flag("split.stratified").map_err(&mut keep).ok().flatten().unwrap_or(true);
        let replace = options.flag("split.replace").map_err(&mut keep).ok().flatten().unwrap_or(false);
        let validation = validation(&options).map_err(&mut keep).ok().flatten();
        let fold = fold(&options).map_err(&mut keep).ok().flatten();
        let official = group.is_some().then_some(Rule::Official);
        let rule = file.map(Rule::File).or(fold).or(validation).or(official);
        match rule {
            Some(rule) if errors.is_empty() => Ok(Split { rule, group, stratified, replace }),
            None if errors.is_empty() => {
                let problem =
                    "expected one of `validation`, `folds` with `fold`, `file` and `group`, got none";
                Err(vec![Error::option("split", problem)])
            }
            _ => Err(errors),
        }
    }
}

/// Divides the training part.
///
/// Groups stay whole; an image without a group is a group of its own. Groups are shuffled by `seed`, taken from the largest to
/// the smallest, and each goes to the side where it raises Σ_c (n_c − w·N_c)² / (w·N_c) least: n_c images of class c there so
/// far, N_c in all, w the side's share. For single images this is Webster's method, within one image of the exact
/// share in each class; a class too small for the share stays in training.
///
/// # Errors
/// [`Error::Leak`] where a file puts a group on two sides; [`Error::Option`] for a `group` that the dataset does not have,
/// and for a side without images; [`Error::Invalid`], or [`Error::Several`], for a file that names an image twice, names
/// one that is not in the dataset, or leaves one out.
pub fn divide(dataset: Arc<dyn Dataset>, split: &Split, known: &Decoded, seed: Seed) -> Result<Divided> {
    let dataset = match &split.group {
        Some(grouping) => grouping.apply(dataset)?,
        None => dataset,
    };
    // A file says of every image where it belongs.
    let dataset = if matches!(split.rule, Rule::File(_)) { dataset } else { whole_copies(dataset, known)? };
    let sides = match &split.rule {
        Rule::File(path) => from_file(&*dataset, path)?,
        Rule::Validation(share) => {
            let parts = assign::assign(&*dataset, &[1.0 - share, *share], split.stratified, seed);
            parts.into_iter().map(|part| if part == 1 { Part::Validation } else { Part::Train }).collect()
        }
        Rule::Fold { folds, fold } => {
            let shares = vec![1.0 / f64::from(*folds); *folds as usize];
            let parts = assign::assign(&*dataset, &shares, split.stratified, seed);
            parts.into_iter().map(|part| if part == *fold { Part::Validation } else { Part::Train }).collect()
        }
        Rule::Official => unreachable!("parts that are there are not divided"),
    };
    if let Rule::File(path) = &split.rule {
        leak::check_sides(&*dataset, &sides, path)?;
    }
    let rows = |wanted: Part, name: &str| {
        let indices: Vec<u32> =
            (0..sides.len() as u32).filter(|&index| sides[index as usize] == wanted).collect();
        if indices.is_empty() {
            let problem = format!("leaves no image for {name} of the {} there are", sides.len());
            return Err(match &split.rule {
                Rule::File(path) => {
                    let word = if wanted == Part::Train { "train" } else { "val" };
                    Error::invalid(path.display(), format!("{problem} – write `{word}` beside some of them"))
                }
                _ => {
                    Error::option("split", format!("{problem} – give it a larger share, or take more images"))
                }
            });
        }
        Ok(Arc::new(Subset::new(dataset.clone(), indices)))
    };
    Ok(Divided { train: rows(Part::Train, "training")?, validation: rows(Part::Validation, "validation")? })
}

fn text(key: &Value) -> String {
    crate::options::shown(key).trim_matches('`').to_string()
}

fn unknown(key: &str) -> Option<Error> {
    (!Split::KEYS.contains(&key)).then(|| {
        let near = match crate::elsewhere(key, ELSEWHERE) {
            Some(ours) => format!("; in its place: {ours}"),
            None => suggestion(key, Split::KEYS),
        };
        Error::option(format!("split.{key}"), format!("no such key{near}"))
    })
}

fn validation(options: &Options) -> Result<Option<Rule>> {
    match options.number("split.validation")? {
        Some(share) if share > 0.0 && share < 1.0 => Ok(Some(Rule::Validation(share))),
        Some(share) => {
            let problem = format!("expected a share of the images between 0 and 1, got {share}");
            Err(Error::option("split.validation", problem))
        }
        None => Ok(None),
    }
}

fn fold(options: &Options) -> Result<Option<Rule>> {
    match (options.integer("split.folds")?, options.integer("split.fold")?) {
        (None, None) => Ok(None),
        (Some(folds), _) if !(2..=10_000).contains(&folds) => {
            Err(Error::option("split.folds", format!("expected 2 folds or more, got {folds}")))
        }
        (Some(folds), Some(fold)) if fold >= folds => {
            let problem = format!("expected a fold from 0 to {}, got {fold}", folds - 1);
            Err(Error::option("split.fold", problem))
        }
        (Some(folds), Some(fold)) => Ok(Some(Rule::Fold { folds: folds as u32, fold: fold as u32 })),
        (Some(_), None) => {
            Err(Error::option("split.fold", "expected the fold that validates, from 0; got none"))
        }
        (None, Some(_)) => Err(Error::option("split.folds", "expected the number of folds, got none")),
    }
}

/// The dataset with images of the same bytes in one group, together with the groups that they are in: a copy on the other side
/// would be learned and judged by. Images that are drawn, or in memory, are not compared.
fn whole_copies(dataset: Arc<dyn Dataset>, known: &Decoded) -> Result<Arc<dyn Dataset>> {
    if dataset.is_empty() || matches!(dataset.image(0)?, Encoded::Pixels(_) | Encoded::Deep { .. }) {
        return Ok(dataset);
    }
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let copies = identical(&[("", &*dataset)], known, workers)?;
    if copies.0.is_empty() {
        return Ok(dataset);
    }
    let index: HashMap<&str, usize> = (0..dataset.len()).map(|index| (dataset.id(index), index)).collect();
    // Each row leads towards the first of its group.
    let mut leads: Vec<usize> = (0..dataset.len()).collect();
    fn first(leads: &mut [usize], mut row: usize) -> usize {
        while leads[row] != row {
            leads[row] = leads[leads[row]];
            row = leads[row];
        }
        row
    }
    let mut join = |a: usize, b: usize| {
        let (a, b) = (first(&mut leads, a), first(&mut leads, b));
        leads[a.max(b)] = a.min(b);
    };
    let mut of_group: HashMap<&str, usize> = HashMap::new();
    for row in 0..dataset.len() {
        if let Some(group) = dataset.group(row) {
            join(*of_group.entry(group).or_insert(row), row);
        }
    }
    for set in &copies.0 {
        set.windows(2).for_each(|pair| join(index[pair[0].id.as_str()], index[pair[1].id.as_str()]));
    }
    let firsts: Vec<usize> = (0..dataset.len()).map(|row| first(&mut leads, row)).collect();
    let mut sizes = vec![0; dataset.len()];
    firsts.iter().for_each(|&first| sizes[first] += 1);
    let of = |row: usize| {
        let name = || {
            dataset
                .group(firsts[row])
                .map_or_else(|| format!("copies of {}", dataset.id(firsts[row])), str::to_owned)
        };
        (sizes[firsts[row]] > 1 || dataset.group(row).is_some()).then(name)
    };
    let name = dataset.group_name().unwrap_or(COPIES).to_owned();
    let place = dataset.group_place().unwrap_or_default().to_owned();
    let groups = Groups { name, place, of: (0..dataset.len()).map(of).collect() };
    Ok(Arc::new(Subset::grouped(dataset, groups)))
}

fn from_file(dataset: &dyn Dataset, path: &Path) -> Result<Vec<Part>> {
    if !path.is_file() {
        let remedy =
            "write a CSV with the columns `image` and `split`, or name another with data.split.file=…";
        return Err(Error::missing(path.display(), "no such split file", remedy));
    }
    let csv = CsvFile::read(path)?;
    let mut mistakes = Mistakes::default();
    let mut column =
        |name| mistakes.take(csv.column(name, "a split file has the columns `image` and `split`"));
    let (Some(image), Some(split)) = (column("image"), column("split")) else {
        return Err(mistakes.end().expect_err("a column is missing"));
    };
    let index: HashMap<&str, usize> = (0..dataset.len()).map(|index| (dataset.id(index), index)).collect();
    // The side, if it is one, and the line.
    let mut sides: Vec<Option<(Option<Part>, u64)>> = vec![None; dataset.len()];
    let mut strangers = Vec::new();
    for (line, fields) in csv.rows() {
        let id = fields.get(image);
        let mut wrong = |problem: String| mistakes.push(csv.wrong(line, format!("{id}: {problem}")));
        let word = fields.get(split);
        let side = Part::parse(word);
        if side.is_none() {
            let remedy = "write one of them, or `test` to use the image on neither side";
            wrong(format!("expected train, val or test, got `{word}` – {remedy}"));
        }
        match index.get(id) {
            None if side == Some(Part::Test) => {}
            None => strangers.push(format!("{id} (line {line})")),
            Some(&at) => match sides[at] {
                Some((_, first)) => wrong(format!(
                    "expected one row for an image, got two – the other is in line {first}; keep one"
                )),
                None => sides[at] = Some((side, line)),
            },
        }
    }
    if !strangers.is_empty() {
        mistakes.push(Error::invalid(
            path.display(),
            format!(
                "{} of {} images are not in the training part: {} – name images as it does (its first is `{}`), or take the \
                 rows out",
                strangers.len(),
                csv.len(),
                first_few(&strangers),
                dataset.id(0)
            ),
        ));
    }
    let left_out: Vec<&str> =
        (0..dataset.len()).filter(|&index| sides[index].is_none()).map(|index| dataset.id(index)).collect();
    if !left_out.is_empty() {
        mistakes.push(Error::invalid(
            path.display(),
            format!(
                "expected every training image, {} of {} are left out: {} – give them a side, or `test` to use them on neither",
                left_out.len(),
                dataset.len(),
                first_few(&left_out)
            ),
        ));
    }
    mistakes.end()?;
    Ok(sides.into_iter().flatten().filter_map(|(side, _)| side).collect())
}

#[cfg(test)]
mod tests;
