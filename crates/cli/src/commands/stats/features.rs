//! What trainings made of the classes: cohesion and separability of features.

use super::three;
use crate::commands::checkpoint;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use tallow_data::counted;
use tallow_metrics::Separation;
use tallow_policy::Registry;
use tallow_report::{Chart, Figure, Grid, Line, Progress, Section, ellipsis};
use tallow_train::stats::separation;
use tallow_train::{Error, Model, Plan, part};

/// Bins of the cosine, of equal width over −1 to 1.
const BINS: usize = 80;

pub struct Features {
    name: String,
    /// Class names, in label order.
    classes: Vec<String>,
    found: Separation,
}

/// Of the validation part of a plan, in the features of each checkpoint.
pub fn of(
    checkpoints: &[PathBuf],
    plan: &Plan,
    registry: &Registry,
    progress: &Progress,
) -> Result<Vec<Features>, Error> {
    if checkpoints.is_empty() {
        return Ok(Vec::new());
    }
    let data = part(plan, "validation", progress)?;
    let one = |folder: &PathBuf| {
        let model = Model::open_uncalibrated(&checkpoint(folder)?, &[], None, registry, progress)?;
        let name = folder.display().to_string();
        let found = separation(&model, &data, "features", progress)?;
        Ok(Features { name, classes: model.classes, found })
    };
    checkpoints.iter().map(one).collect()
}

pub fn as_json(all: &[Features]) -> Value {
    let one = |of: &Features| {
        let classes = of.classes.iter().zip(&of.found.classes).map(|(name, class)| {
            let class = class.as_ref();
            json!({
                "name": name,
                "images": class.map_or(0, |class| class.points),
                "cohesion": class.map(|class| class.cohesion),
                "separability": class.map(|class| class.separability),
            })
        });
        json!({
            "name": of.name,
            "images": of.found.own.len(),
            "cohesion": of.found.cohesion(),
            "separability": of.found.separability(),
            "silhouette": of.found.silhouette,
            "classes": classes.collect::<Vec<_>>(),
        })
    };
    all.iter().map(one).collect()
}

pub fn table(all: &[Features]) -> String {
    let Some(first) = all.first() else { return String::new() };
    let mut out = format!(
        "\nfeatures of {} validation images\n{:<40} {:>9} {:>13} {:>11}\n",
        first.found.own.len(),
        "checkpoint",
        "cohesion",
        "separability",
        "silhouette"
    );
    for of in all {
        let name = ellipsis(&of.name, 40);
        let numbers = of.numbers();
        let _ = writeln!(out, "{name:<40} {:>9} {:>13} {:>11}", numbers[0], numbers[1], numbers[2]);
    }
    out
}

impl Features {
    fn numbers(&self) -> [String; 3] {
        [self.found.cohesion(), self.found.separability(), self.found.silhouette].map(three)
    }
}

/// None where no checkpoint was given.
pub fn section(all: &[Features]) -> Option<Section> {
    let first = all.first()?;
    let row = |of: &Features| {
        let numbers = of.numbers();
        [of.name.clone()].into_iter().chain(numbers).collect()
    };
    let grid = Grid {
        columns: ["checkpoint", "cohesion", "separability", "silhouette"].map(str::to_owned).to_vec(),
        rows: all.iter().map(row).collect(),
        ..Grid::default()
    };
    let note = format!(
        "Features z at the penultimate tap of {} of the validation part, μ the mean of a class. Cohesion: mean over \
         classes of the mean of cos(z, μ of its class). Separability: mean over pairs of classes of 1 − cos(μ, μ′). Silhouette: \
         mean of (b − a) / max(a, b), a the mean Euclidean distance within the class, b that to the nearest other class. \
         SynerMix's words for what its two mixes are to raise; the formulas are ours. The curves are the shares of the images by \
         their cosine to the mean of their own class, and to that of the nearest other.",
        counted(first.found.own.len(), "image")
    );
    Some(Section {
        title: "Cohesion and separability".into(),
        note,
        tables: std::iter::once(grid).chain(all.iter().map(classes)).collect(),
        figures: all.iter().map(cosines).collect(),
    })
}

fn classes(of: &Features) -> Grid {
    let row = |(name, class): (&String, &Option<tallow_metrics::ClassSeparation>)| {
        let class = class.as_ref()?;
        let numbers = [class.points.to_string(), three(class.cohesion), three(class.separability)];
        Some([name.clone()].into_iter().chain(numbers).collect())
    };
    Grid {
        caption: of.name.clone(),
        columns: ["class", "images", "cohesion", "separability"].map(str::to_owned).to_vec(),
        rows: of.classes.iter().zip(&of.found.classes).filter_map(row).collect(),
        ..Grid::default()
    }
}

/// Shares of the images by the cosine to the mean of their own class, and of the nearest other.
fn cosines(of: &Features) -> Figure {
    let bin = |cosine: f64| (((cosine + 1.0) / 2.0 * BINS as f64) as usize).min(BINS - 1);
    let all = [("own class", &of.found.own), ("nearest other class", &of.found.nearest_other)];
    let all = all.map(|(name, cosines)| {
        let mut shares = vec![0.0; BINS];
        let there = cosines.iter().filter(|cosine| cosine.is_finite());
        there.for_each(|&cosine| shares[bin(cosine)] += 1.0 / cosines.len() as f64);
        (name, shares)
    });
    // Relu leaves no negative cosines: the bins that nobody is in are not drawn.
    let first = (0..BINS).find(|&bin| all.iter().any(|(_, shares)| shares[bin] > 0.0)).unwrap_or(0);
    let middle = |bin: usize| (bin as f64 + 0.5) / BINS as f64 * 2.0 - 1.0;
    let line = |(name, shares): (&str, Vec<f64>)| Line {
        name: name.to_owned(),
        points: (first.saturating_sub(1)..BINS).map(|bin| (100.0 * middle(bin), shares[bin])).collect(),
    };
    let (title, x) = (ellipsis(&of.name, 48), "100 · cosine to the mean of a class".to_owned());
    Figure::Chart(Chart { title, x, lines: all.into_iter().map(line).collect(), mark: None })
}
