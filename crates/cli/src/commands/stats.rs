//! `stats RECIPE`: what policies do to data and to features, in numbers; `stats --points FILE.npy`: the dimension of any points.

mod features;
mod page;

use super::{bench, plan, refused, writable};
use crate::arguments::Stats;
use candle_core::{DType, Tensor};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use tallow_data::counted;
use tallow_metrics::{Points, local_dimension};
use tallow_policy::{Policy, Registry};
use tallow_report::{Progress, ellipsis};
use tallow_train::stats::{PolicyStats, stats as collect};
use tallow_train::{Error, Plan};

pub fn stats(arguments: &Stats, registry: &Registry) -> anyhow::Result<()> {
    let Some(recipe) = &arguments.recipe else {
        let file = arguments.points.as_deref().expect("clap asks for one of the two");
        return points(file, arguments.neighbours.unwrap_or(8), arguments.json);
    };
    let progress = Progress::stderr();
    let plan = plan(recipe, &arguments.overrides, registry, &progress)?;
    let others = others(&arguments.policies, &plan, registry)?;
    if let Some(out) = &arguments.out {
        ready(out)?;
    }
    let name = plan.name.clone();
    let features = features::of(&arguments.checkpoint, &plan, registry, &progress)?;
    let found = collect(plan, &others, arguments.batches as usize, &progress)?;
    if let Some(out) = &arguments.out {
        let mut page = page::page(&name, &found, registry)?;
        page.sections.splice(1..1, features::section(&features));
        page.write(out)?;
        eprintln!("{}", out.display());
    }
    let text = if arguments.json {
        let mut json = as_json(&name, &found);
        if !features.is_empty() {
            json["checkpoints"] = features::as_json(&features);
        }
        serde_json::to_string_pretty(&json)? + "\n"
    } else {
        table(&name, &found) + &features::table(&features)
    };
    Ok(std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes())?)
}

/// The policies of `--policies`; commas part names, not the parameters of a mix.
fn others(given: &[String], plan: &Plan, registry: &Registry) -> Result<Vec<Policy>, Error> {
    let parts = given.iter().flat_map(|text| match text.contains('{') {
        true => vec![text.as_str()],
        false => text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
    });
    let mut policies = Vec::new();
    for text in parts {
        let policy = bench::policy("--policies", text, registry)?;
        let taps = policy.check_taps(plan.model.spec.name, plan.model.spec.taps);
        if !taps.is_empty() {
            return Err(bench::mistakes(&format!("--policies {text}"), taps));
        }
        policies.push(policy);
    }
    Ok(policies)
}

/// Makes the folders above a page. Refuses one that cannot be written.
fn ready(path: &Path) -> Result<(), Error> {
    if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("html")) {
        let remedy =
            format!("the page is written as HTML; name one: --out {}", path.with_extension("html").display());
        return Err(Error::recipe(format!("--out {}: {remedy}", path.display())));
    }
    if let Some(Err(error)) = path.parent().map(std::fs::create_dir_all) {
        return Err(refused("--out", path, error));
    }
    writable("--out", path)
}

fn as_json(name: &str, found: &tallow_train::stats::Stats) -> Value {
    let policy = |policy: &PolicyStats| {
        json!({
            "name": policy.name,
            "label_entropy": policy.label_entropy(),
            "effective_classes": policy.label_entropy().exp(),
            "own_mass": policy.own_mass(),
            "intrinsic_dimension": { "k8": policy.dimension(0), "k128": policy.dimension(1) },
            "nearest_real": policy.nearest(),
            "milliseconds": policy.milliseconds,
            "class_shares": policy.confusion(),
        })
    };
    json!({
        "recipe": name,
        "batches": found.batches,
        "images": found.images,
        "classes": found.classes,
        "nearest_other": found.spacing,
        "policies": found.policies.iter().map(policy).collect::<Vec<_>>(),
    })
}

fn table(name: &str, found: &tallow_train::stats::Stats) -> String {
    let mut out = format!(
        "{name}: {}, {}, {}; an image and the nearest other: {:.4}\n\n",
        counted(found.batches, "batch"),
        counted(found.images, "image"),
        counted(found.classes.len(), "class"),
        found.spacing
    );
    let _ = writeln!(
        out,
        "{:<24} {:>7} {:>7} {:>6} {:>7} {:>8} {:>7} {:>7}",
        "policy", "entropy", "classes", "own", "dim. k8", "dim.k128", "nearest", "ms"
    );
    for policy in &found.policies {
        let dimension = |which| policy.dimension(which).map_or("–".to_owned(), |d| format!("{d:.2}"));
        let _ = writeln!(
            out,
            "{:<24} {:>7.3} {:>7.2} {:>6.3} {:>7} {:>8} {:>7.4} {:>7.2}",
            ellipsis(&policy.name, 24),
            policy.label_entropy(),
            policy.label_entropy().exp(),
            policy.own_mass(),
            dimension(0),
            dimension(1),
            policy.nearest(),
            policy.milliseconds
        );
    }
    if found.policies.iter().any(|policy| policy.dimension(1).is_none()) {
        out.push_str("\n–: a dimension needs more images than neighbours; ask for more --batches\n");
    }
    if is_numbered(&found.classes) && found.policies.len() > 1 {
        out.push('\n');
        out += &tallow_report::numbered(found.classes.iter().map(String::as_str));
    }
    for policy in found.policies.iter().skip(1) {
        let _ = writeln!(
            out,
            "\n{}: share of each class (column) in the labels of a class (row)",
            ellipsis(&policy.name, 24)
        );
        out += &pairs(&found.classes, &policy.confusion());
    }
    out
}

/// Up to nine classes have columns; where a name is too long for one, their numbers do.
fn is_numbered(classes: &[String]) -> bool {
    classes.len() <= 9 && classes.iter().any(|class| class.chars().count() > 6)
}

/// All shares of up to nine classes; of more, the ten largest between two.
fn pairs(classes: &[String], shares: &[Vec<f64>]) -> String {
    let mut out = String::new();
    if classes.len() <= 9 {
        let _ = write!(out, "{:<10}", "");
        let name = |at: usize| if is_numbered(classes) { (at + 1).to_string() } else { classes[at].clone() };
        (0..classes.len()).for_each(|at| out += &format!(" {:>6}", name(at)));
        out.push('\n');
        for (at, row) in shares.iter().enumerate() {
            let _ = write!(out, "{:<10}", name(at));
            row.iter().for_each(|share| out += &format!(" {:>6}", three(*share)));
            out.push('\n');
        }
        return out;
    }
    let between =
        (0..classes.len()).flat_map(|i| (0..classes.len()).map(move |j| (i, j))).filter(|(i, j)| i != j);
    let mut between: Vec<_> = between.filter(|(i, j)| shares[*i][*j] > 0.0).collect();
    between.sort_by(|a, b| shares[b.0][b.1].total_cmp(&shares[a.0][a.1]));
    for (i, j) in between.into_iter().take(10) {
        let (from, to) = (ellipsis(&classes[i], 30), ellipsis(&classes[j], 30));
        let _ = writeln!(out, "{from:<30} {to:<30} {:>6}", three(shares[i][j]));
    }
    out
}

fn three(share: f64) -> String {
    if share.is_nan() { "–".to_owned() } else { format!("{share:.3}") }
}

fn points(file: &Path, neighbours: usize, json: bool) -> anyhow::Result<()> {
    let refuse = |problem: String| Error::recipe(format!("--points {}: {problem}", file.display()));
    if !file.is_file() {
        return Err(refuse("no such file; name a .npy of points (N, D)".to_owned()).into());
    }
    let values = Tensor::read_npy(file)
        .map_err(|error| refuse(format!("not read as .npy ({error}); write it with numpy.save")))?;
    let [rows, dims] = values.dims()[..] else {
        let problem = format!("expected points (N, D), got {:?}; reshape it to two axes", values.dims());
        return Err(refuse(problem).into());
    };
    if neighbours < 2 || neighbours >= rows {
        let problem = format!(
            "--neighbours {neighbours}: expected from 2 to less than the {rows} points of {}",
            file.display()
        );
        return Err(Error::recipe(problem).into());
    }
    let values = values.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    let points = Points::new(rows, values).map_err(|error| refuse(error.to_string()))?;
    let found = local_dimension(&points, &[neighbours]).map_err(|error| refuse(error.to_string()))?.remove(0);
    let mean = found.iter().sum::<usize>() as f64 / rows as f64;
    let mut out = String::new();
    if json {
        let object = json!({ "points": rows, "coordinates": dims, "neighbours": neighbours, "mean": mean, "pointwise": found });
        out = serde_json::to_string(&object)? + "\n";
    } else {
        let _ = writeln!(
            out,
            "{rows} points of {dims} coordinates, {neighbours} neighbours: mean {mean:.3}\n\ndimension   points"
        );
        for dimension in 0..=found.iter().copied().max().unwrap_or(0) {
            let count = found.iter().filter(|d| **d == dimension).count();
            if count > 0 {
                let _ = writeln!(out, "{dimension:>9} {count:>8}");
            }
        }
    }
    Ok(std::io::Write::write_all(&mut std::io::stdout().lock(), out.as_bytes())?)
}
