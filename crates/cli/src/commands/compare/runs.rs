//! Where predictions come from: CSVs, runs' folders, checkpoints.

use super::super::{checkpoint, run_of};
use crate::arguments::Compare;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tallow_metrics::Predictions;
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::{Calibration, Error, evaluate, part};

/// A model: its runs, by their seeds where all are known.
pub struct Model {
    pub name: String,
    pub paths: Vec<PathBuf>,
    pub runs: Vec<Predictions>,
    /// How the probabilities of each run are calibrated.
    pub calibrated: Vec<Calibrated>,
    seeds: Option<Vec<u64>>,
}

/// Whether probabilities are as a network gave them.
#[derive(Clone, Debug, PartialEq)]
pub enum Calibrated {
    /// Of a CSV it is not known.
    Unknown,
    No,
    /// They were written down before the checkpoint was calibrated.
    NotYet,
    By(String),
}

impl Model {
    /// Whether both have one run of each of the same seeds: several, else there is nothing to pair.
    pub fn is_paired_with(&self, other: &Model) -> bool {
        self.runs.len() > 1 && self.seeds.is_some() && self.seeds == other.seeds
    }

    /// What to say of its probabilities, where that is known: of each run, if they differ.
    pub fn calibration(&self) -> Option<String> {
        let mut ways: Vec<&Calibrated> = Vec::new();
        for way in &self.calibrated {
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        let said: Vec<&str> = ways.into_iter().filter_map(Calibrated::said).collect();
        (!said.is_empty()).then(|| format!("{}: {}", self.name, said.join("; ")))
    }

    pub fn as_json(&self) -> Value {
        json!({
            "name": self.name,
            "runs": self.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
            "seeds": self.seeds,
            "calibrated": self.calibrated.iter().map(Calibrated::as_json).collect::<Vec<_>>(),
        })
    }
}

impl Calibrated {
    fn said(&self) -> Option<&str> {
        match self {
            Calibrated::Unknown => None,
            Calibrated::No => Some("not calibrated"),
            Calibrated::NotYet => Some(
                "its predictions.csv is as the network gave it; its calibration is used with --split validation",
            ),
            Calibrated::By(how) => Some(how),
        }
    }

    fn as_json(&self) -> Value {
        match self {
            Calibrated::Unknown => Value::Null,
            Calibrated::No | Calibrated::NotYet => false.into(),
            Calibrated::By(how) => how.as_str().into(),
        }
    }
}

/// The models of the command line, at least two.
pub fn models(arguments: &Compare, registry: &Registry, progress: &Progress) -> anyhow::Result<Vec<Model>> {
    let of: Vec<Vec<PathBuf>> = if arguments.runs.is_empty() {
        vec![arguments.a.clone(), arguments.b.clone()]
    } else {
        arguments.runs.iter().map(|run| vec![run.clone()]).collect()
    };
    if of.len() < 2 {
        let path = of[0][0].display();
        let remedy = format!("name one more, such as: tallow compare {path} OTHER");
        return Err(Error::recipe(format!("{path}: expected at least two models, got one; {remedy}")).into());
    }
    let names = names(&of);
    let read = |path: &Path| predictions(path, arguments, registry, progress);
    of.into_iter().zip(names).map(|(paths, name)| model(name, paths, read)).collect()
}

fn model(
    name: String,
    paths: Vec<PathBuf>,
    read: impl Fn(&Path) -> anyhow::Result<(Predictions, Calibrated)>,
) -> anyhow::Result<Model> {
    let mut runs = Vec::new();
    for path in paths {
        let run = read(&path)?;
        runs.push((seed(&path), path, run));
    }
    let seeds: Option<Vec<u64>> = runs.iter().map(|(seed, ..)| *seed).collect();
    if seeds.is_some() {
        runs.sort_by_key(|(seed, ..)| *seed);
    }
    let seeds = seeds.map(|mut seeds| {
        seeds.sort_unstable();
        seeds
    });
    // Two runs of one seed pair with none.
    let seeds = seeds.filter(|seeds| seeds.windows(2).all(|pair| pair[0] < pair[1]));
    let (paths, found): (Vec<_>, Vec<_>) = runs.into_iter().map(|(_, path, run)| (path, run)).unzip();
    let (runs, calibrated) = found.into_iter().unzip();
    Ok(Model { name, paths, runs, calibrated, seeds })
}

fn predictions(
    path: &Path,
    arguments: &Compare,
    registry: &Registry,
    progress: &Progress,
) -> anyhow::Result<(Predictions, Calibrated)> {
    let mistake = |problem: String| Err(Error::recipe(format!("{}: {problem}", path.display())).into());
    if let Some(split) = arguments.split.as_deref() {
        if path.extension().is_some_and(|end| end == "csv") {
            return mistake("is a CSV, of which --split evaluates no part; name the checkpoint".to_owned());
        }
        let open = if arguments.uncalibrated {
            tallow_train::Model::open_uncalibrated
        } else {
            tallow_train::Model::open
        };
        let model = open(&checkpoint(path)?, &[], None, registry, progress)?;
        let data = part(&model.plan, split, progress)?;
        let how = model.calibration.as_ref().filter(|found| found.probabilities.is_some());
        let how =
            how.map_or(Calibrated::No, |found| Calibrated::By(format!("calibrated by {}", found.describe())));
        return Ok((evaluate(&model, &data, split, progress)?, how));
    }
    if path.is_file() && !path.ends_with("model.safetensors") {
        return Ok((Predictions::read_csv(path).map_err(Error::from)?, Calibrated::Unknown));
    }
    if !path.exists() {
        return mistake("is not there; name a CSV of predictions, or the folder of a run".to_owned());
    }
    let place = if path.is_dir() && path.join("predictions.csv").is_file() {
        path.to_owned()
    } else {
        checkpoint(path)?
    };
    let write = format!("write them: tallow eval {} --predictions x.csv", path.display());
    if place.ends_with("last") {
        return mistake(format!("the predictions beside it are those of `best`; {write}"));
    }
    let held = [place.as_path(), run_of(&place)].map(|folder| folder.join("predictions.csv"));
    match held.iter().find(|file| file.is_file()) {
        Some(file) => {
            let folder = file.parent().unwrap_or(Path::new("."));
            let is_calibrated =
                [folder, &folder.join("best")].iter().any(|place| place.join(Calibration::FILE).is_file());
            let how = if is_calibrated { Calibrated::NotYet } else { Calibrated::No };
            Ok((Predictions::read_csv(file).map_err(Error::from)?, how))
        }
        None => mistake(format!("holds no predictions.csv; {write}, or name a --split")),
    }
}

/// The seed that the recipe of a run says, also of a file in its folder.
fn seed(path: &Path) -> Option<u64> {
    let folder = if path.is_file() { path.parent()? } else { path };
    let text = std::fs::read_to_string(folder.join("recipe.yaml")).ok()?;
    tallow_train::value_of(&text).ok()?.get("seed")?.as_u64()
}

/// What models are called, so that each is told from the others.
fn names(models: &[Vec<PathBuf>]) -> Vec<String> {
    settings(models).unwrap_or_else(|| ends(models))
}

/// Of several runs of a sweep each, what their folders have in common: `policy=mixup, 3 runs`.
fn settings(models: &[Vec<PathBuf>]) -> Option<Vec<String>> {
    let setting = |path: &PathBuf| {
        let mut said = parts(path);
        said.retain(|part| is_said(part) && !part.starts_with("seed=") && !part.starts_with("fold="));
        said.join("/")
    };
    let name = |paths: &Vec<PathBuf>| {
        let first = setting(&paths[0]);
        let is_common =
            paths.len() > 1 && !first.is_empty() && paths.iter().all(|path| setting(path) == first);
        is_common.then(|| format!("{first}, {} runs", paths.len()))
    };
    models.iter().map(name).collect::<Option<Vec<_>>>().filter(|names| are_told_apart(names))
}

/// The shortest end of each first path that tells it from the others, with all that a sweep's folders say of it; of several runs
/// their number too.
fn ends(models: &[Vec<PathBuf>]) -> Vec<String> {
    let all: Vec<Vec<String>> = models.iter().map(|paths| parts(&paths[0])).collect();
    let ends = |length: usize| -> Vec<String> {
        all.iter().map(|parts| parts[parts.len().saturating_sub(length)..].join("/")).collect()
    };
    let said = |parts: &Vec<String>| {
        parts.iter().position(|part| is_said(part)).map_or(1, |first| parts.len() - first)
    };
    let least = all.iter().map(said).max().unwrap_or(1);
    let most = all.iter().map(Vec::len).max().unwrap_or(1);
    let length = (least..=most).find(|length| are_told_apart(&ends(*length))).unwrap_or(most);
    let name = |(end, paths): (String, &Vec<PathBuf>)| match paths.len() {
        1 => end,
        runs => format!("{end} and {} more", runs - 1),
    };
    ends(length).into_iter().zip(models).map(name).collect()
}

/// Those of a path that tell what it is of.
fn parts(path: &Path) -> Vec<String> {
    let path = if path.ends_with("predictions.csv") { path.parent().unwrap_or(path) } else { path };
    let is_csv = path.extension().is_some_and(|end| end == "csv");
    let path = if is_csv { path.with_extension("") } else { path.to_owned() };
    path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
}

/// Of a folder in a sweep, such as `policy=mixup` and `seed=1`.
fn is_said(part: &str) -> bool {
    part.contains('=')
}

fn are_told_apart(names: &[String]) -> bool {
    names.iter().enumerate().all(|(at, name)| !name.is_empty() && !names[..at].contains(name))
}

#[cfg(test)]
mod tests {
    use super::names;
    use std::path::PathBuf;

    fn of(models: &[&[&str]]) -> Vec<String> {
        names(&models.iter().map(|paths| paths.iter().map(PathBuf::from).collect()).collect::<Vec<_>>())
    }

    #[test]
    fn names_are_the_ends_that_differ() {
        assert_eq!(of(&[&["runs/a"], &["runs/b"]]), ["a", "b"]);
        assert_eq!(of(&[&["a.csv"], &["x/b.csv"]]), ["a", "b"]);
        assert_eq!(of(&[&["a/predictions.csv"], &["b/predictions.csv"]]), ["a", "b"]);
        assert_eq!(of(&[&["one/best"], &["two/best"]]), ["one/best", "two/best"]);
        assert_eq!(of(&[&["v1.5"], &["v1.6"]]), ["v1.5", "v1.6"]);
        assert_eq!(of(&[&["a", "b"], &["c", "d", "e"]]), ["a and 1 more", "c and 2 more"]);
        assert_eq!(of(&[&["a"], &["a"]]), ["a", "a"]);
        // What a sweep's folders say stays together.
        let cells = [["s/policy=none/seed=1"], ["t/policy=mixup/seed=2"]];
        assert_eq!(of(&[&cells[0], &cells[1]]), ["policy=none/seed=1", "policy=mixup/seed=2"]);
        let best = [["s/policy=none/seed=1/best"], ["t/policy=mixup/seed=1/best"]];
        assert_eq!(of(&[&best[0], &best[1]]), ["policy=none/seed=1/best", "policy=mixup/seed=1/best"]);
        let seeds = |policy: &str| [1, 2].map(|seed| format!("s/policy={policy}/seed={seed}"));
        let (none, mixup) = (seeds("none"), seeds("mixup"));
        let (none, mixup) = (none.each_ref().map(String::as_str), mixup.each_ref().map(String::as_str));
        assert_eq!(of(&[&none, &mixup]), ["policy=none, 2 runs", "policy=mixup, 2 runs"]);
    }
}
