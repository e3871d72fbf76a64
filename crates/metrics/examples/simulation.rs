//! Whether intervals cover and tests err as often as they say: `cargo run -p tallow-metrics --example simulation [WORLDS]`
//! prints the tables of docs/evidence.md.
//!
//! A world is 300 images of 150 lesions and three classes. Lesions and images are hard or easy for every model alike; each model
//! adds noise of its own, and each run of a model a skill of its own. Equal models differ by chance alone, so that their true
//! difference is 0; that of a better model is the mean over worlds.

use tallow_metrics::{Comparison, METRICS, Metric, Predictions, Resampling, compare, compare_runs, delong};
use tallow_seed::{Rng, Seed};

const METRIC_NAMES: [&str; 4] = ["accuracy", "macro_f1", "auroc", "log_loss"];
const RESAMPLES: u32 = 400;

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let worlds = std::env::args().nth(1).map_or(Ok(1000), |text| text.parse())?;
    println!("{worlds} worlds, {RESAMPLES} resamples; 95 % intervals, tests at 5 %\n");
    single_runs(worlds)?;
    several_runs(worlds)
}

/// One run of each model.
fn single_runs(worlds: u64) -> Result<(), Failed> {
    println!(
        "| metric | covers, equal | covers, better | covers, by image | permutation errs | by image | DeLong errs | by image |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for metric in metrics() {
        let mut equal = Vec::new();
        let mut better = Vec::new();
        let (mut by_image, mut delongs) = (Vec::new(), [0.0; 2]);
        for world in 0..worlds {
            let seed = Seed::new(world);
            let (a, b) = (one(seed, "a", 1.0)?, one(seed, "b", 1.0)?);
            equal.push(compare(&a, &b, metric, &how(seed, true))?);
            by_image.push(compare(&a, &b, metric, &how(seed, false))?);
            better.push(compare(&a, &one(seed, "b", 1.5)?, metric, &how(seed, true))?);
            for (errs, by_group) in delongs.iter_mut().zip([true, false]) {
                *errs += share(delong(&a, &b, by_group)?.p <= 0.05, worlds);
            }
        }
        let truth = better.iter().map(|one| one.difference).sum::<f64>() / worlds as f64;
        let delong = |errs: f64| if metric.name == "auroc" { percent(errs) } else { "–".to_owned() };
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            metric.name,
            percent(covers(&equal, 0.0)),
            percent(covers(&better, truth)),
            percent(covers(&by_image, 0.0)),
            percent(errs(&equal)),
            percent(errs(&by_image)),
            delong(delongs[0]),
            delong(delongs[1]),
        );
    }
    Ok(())
}

/// Several runs of each of two equal models, whose skills differ from run to run.
fn several_runs(worlds: u64) -> Result<(), Failed> {
    println!("\n| runs of each | interval covers | permutation errs | one run against one: covers |");
    println!("|---:|---:|---:|---:|");
    let metric = metrics().find(|metric| metric.name == "macro_f1").expect("listed");
    for count in [2, 3, 5, 10] {
        let (mut all, mut first) = (Vec::new(), Vec::new());
        for world in 0..worlds {
            let seed = Seed::new(world);
            let runs = |model: &str| -> Result<Vec<Predictions>, Failed> {
                let run = |index| {
                    let skill = 1.0 + 0.15 * seed.fold(model, index).rng().normal();
                    one(seed, &format!("{model}{index}"), skill)
                };
                (0..count).map(run).collect()
            };
            let (a, b) = (runs("a")?, runs("b")?);
            first.push(compare(&a[0], &b[0], metric, &how(seed, true))?);
            let (a, b): (Vec<_>, Vec<_>) = (a.iter().collect(), b.iter().collect());
            all.push(compare_runs(&a, &b, false, metric, &how(seed, true))?);
        }
        println!(
            "| {count} | {} | {} | {} |",
            percent(covers(&all, 0.0)),
            percent(errs(&all)),
            percent(covers(&first, 0.0))
        );
    }
    Ok(())
}

fn metrics() -> impl Iterator<Item = &'static Metric> {
    METRICS.iter().filter(|metric| METRIC_NAMES.contains(&metric.name))
}

fn how(seed: Seed, by_group: bool) -> Resampling {
    Resampling { resamples: RESAMPLES, level: 0.95, by_group, seed: seed.fold("resampling", 0) }
}

fn covers(comparisons: &[Comparison], truth: f64) -> f64 {
    let worlds = comparisons.len() as u64;
    comparisons.iter().map(|one| share(one.low <= truth && truth <= one.high, worlds)).sum()
}

fn errs(comparisons: &[Comparison]) -> f64 {
    let worlds = comparisons.len() as u64;
    comparisons.iter().map(|one| share(one.p_permutation <= 0.05, worlds)).sum()
}

fn share(is: bool, of: u64) -> f64 {
    if is { 1.0 / of as f64 } else { 0.0 }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A run of a model in the world of a seed.
fn one(seed: Seed, model: &str, skill: f64) -> Result<Predictions, Failed> {
    let mut predictions = Predictions::new(&["a", "b", "c"].map(str::to_owned));
    let (mut world, mut own) = (seed.fold("world", 0).rng(), seed.fold("model", 0).fold(model, 0).rng());
    for lesion in 0..150 {
        let label = world.below(3);
        let shared = three(&mut world);
        let of_model = three(&mut own); // images of one lesion are wrong together
        for image in 0..2 {
            let (alike, noise) = (three(&mut world), three(&mut own));
            let mut row: Vec<f64> =
                (0..3).map(|c| 0.7 * (shared[c] + of_model[c]) + 0.4 * (alike[c] + noise[c])).collect();
            row[label as usize] += skill;
            row.iter_mut().for_each(|logit| *logit = logit.exp());
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= sum);
            predictions.push(&format!("{lesion}_{image}"), Some(&lesion.to_string()), label, &row)?;
        }
    }
    Ok(predictions)
}

fn three(rng: &mut Rng) -> [f64; 3] {
    [rng.normal(), rng.normal(), rng.normal()]
}
