//! Where predictions come from: CSVs, runs' folders, checkpoints.

use super::super::{checkpoint, run_of};
use crate::arguments::Compare;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tallow_metrics::Predictions;
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::{Error, evaluate, part};

/// A model: its runs, by their seeds where all are known.
pub struct Model {
    pub name: String,
    pub paths: Vec<PathBuf>,
    pub runs: Vec<Predictions>,
    seeds: Option<Vec<u64>>,
}

impl Model {
    /// Whether both have one run of each of the same seeds: several, else there is nothing to pair.
    pub fn is_paired_with(&self, other: &Model) -> bool {
        self.runs.len() > 1 && self.seeds.is_some() && self.seeds == other.seeds
    }

    pub fn as_json(&self) -> Value {
        json!({
            "name": self.name,
            "runs": self.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
            "seeds": self.seeds,
        })
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
    let read = |path: &Path| predictions(path, arguments.split.as_deref(), registry, progress);
    of.into_iter().zip(names).map(|(paths, name)| model(name, paths, read)).collect()
}

fn model(
    name: String,
    paths: Vec<PathBuf>,
    read: impl Fn(&Path) -> anyhow::Result<Predictions>,
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
    let (paths, runs) = runs.into_iter().map(|(_, path, run)| (path, run)).unzip();
    Ok(Model { name, paths, runs, seeds })
}

fn predictions(
    path: &Path,
    split: Option<&str>,
    registry: &Registry,
    progress: &Progress,
) -> anyhow::Result<Predictions> {
    let mistake = |problem: String| Err(Error::recipe(format!("{}: {problem}", path.display())).into());
    if let Some(split) = split {
        if path.extension().is_some_and(|end| end == "csv") {
            return mistake("is a CSV, of which --split evaluates no part; name the checkpoint".to_owned());
        }
        let model = tallow_train::Model::open(&checkpoint(path)?, &[], None, registry, progress)?;
        let data = part(&model.plan, split, progress)?;
        return Ok(evaluate(&model, &data, split, progress)?);
    }
    if path.is_file() && !path.ends_with("model.safetensors") {
        return Ok(Predictions::read_csv(path).map_err(Error::from)?);
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
        Some(file) => Ok(Predictions::read_csv(file).map_err(Error::from)?),
        None => mistake(format!("holds no predictions.csv; {write}, or name a --split")),
    }
}

/// The seed that the recipe of a run says, also of a file in its folder.
fn seed(path: &Path) -> Option<u64> {
    let folder = if path.is_file() { path.parent()? } else { path };
    let text = std::fs::read_to_string(folder.join("recipe.yaml")).ok()?;
    tallow_train::value_of(&text).ok()?.get("seed")?.as_u64()
}

/// Of each model the shortest end of its first path that tells it from the others; of several runs their number too.
fn names(models: &[Vec<PathBuf>]) -> Vec<String> {
    let parts = |path: &Path| -> Vec<String> {
        let path = if path.ends_with("predictions.csv") { path.parent().unwrap_or(path) } else { path };
        let is_csv = path.extension().is_some_and(|end| end == "csv");
        let path = if is_csv { path.with_extension("") } else { path.to_owned() };
        path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
    };
    let parts: Vec<Vec<String>> = models.iter().map(|paths| parts(&paths[0])).collect();
    let end = |parts: &Vec<String>, length: usize| parts[parts.len().saturating_sub(length)..].join("/");
    let longest = parts.iter().map(Vec::len).max().unwrap_or(1);
    let is_told_apart = |length: &usize| {
        let ends: Vec<String> = parts.iter().map(|parts| end(parts, *length)).collect();
        ends.iter().enumerate().all(|(at, name)| !name.is_empty() && !ends[..at].contains(name))
    };
    let length = (1..=longest).find(is_told_apart).unwrap_or(longest);
    let name = |(parts, paths): (&Vec<String>, &Vec<PathBuf>)| match paths.len() {
        1 => end(parts, length),
        runs => format!("{} and {} more", end(parts, length), runs - 1),
    };
    parts.iter().zip(models).map(name).collect()
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
    }
}
