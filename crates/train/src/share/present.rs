//! From a fitted run to what people look at: the final table and `report.html`.

use crate::Result;
use crate::fit::{Fitted, Folder};
use crate::inspect::{Subject, sheets};
use crate::run::{Run, device_name, keys};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tallow_metrics::{Metric, Predictions, interval};
use tallow_report::{DataNotes, Headline, Report, history};

/// The metrics at the top of a table or report.
const HEADLINE: [&str; 8] = [
    "balanced_accuracy",
    "macro_f1",
    "micro_f1",
    "weighted_f1",
    "auroc",
    "average_precision",
    "brier",
    "ece",
];

/// Bootstrap resamples of an interval: its ends then move by less than its third digit.
const RESAMPLES: u32 = 1000;
const LEVEL: f64 = 0.95;

/// The headline metrics with 95 % intervals: percentile bootstrap over groups where there are any (an image without one
/// is its own), else over images. The calibration error has none: resampling alone raises it, so that its percentiles need
/// not hold its value.
pub fn headline(predictions: &Predictions) -> Vec<Headline> {
    let (units, by_group) = units(predictions);
    let metric = |name: &&str| tallow_metrics::find(name);
    let line = |metric: &Metric| {
        let value = (metric.of)(predictions);
        if metric.name == "ece" {
            let note = "top class, 15 bins; lower is better".to_owned();
            return Headline { name: metric.name.to_owned(), value, interval: None, note };
        }
        Headline {
            name: metric.name.to_owned(),
            value,
            interval: interval(predictions, metric, RESAMPLES, LEVEL, by_group, keys::bootstrap())
                .ok()
                .filter(|(low, high)| low.is_finite() && high.is_finite()),
            note: format!("95 %, bootstrap over {units} {}", if by_group { "groups" } else { "images" }),
        }
    };
    HEADLINE.iter().filter_map(metric).map(line).collect()
}

/// The intervals of [`headline`] for programs: how they were made, and [low, high] of each metric that has one.
pub fn intervals(predictions: &Predictions, headline: &[Headline]) -> Value {
    let (units, by_group) = units(predictions);
    let ends = |line: &Headline| Some((line.name.clone(), json!(line.interval?)));
    let metrics: Map<String, Value> = headline.iter().filter_map(ends).collect();
    json!({
        "method": "percentile bootstrap",
        "level": LEVEL,
        "resamples": RESAMPLES,
        "over": if by_group { "groups" } else { "images" },
        "units": units,
        "metrics": metrics,
    })
}

/// How many units a bootstrap draws, and whether they are groups.
fn units(predictions: &Predictions) -> (usize, bool) {
    let groups: BTreeSet<&String> = predictions.groups.iter().flatten().collect();
    let alone = predictions.groups.iter().filter(|group| group.is_none()).count();
    (groups.len() + alone, !groups.is_empty())
}

/// Writes `report.html` into the run's folder.
///
/// # Errors
/// Logs that cannot be read, a file that cannot be written.
pub fn report(run: &Run, folder: &Folder, fitted: &Fitted) -> Result<()> {
    let plan = run.plan();
    let weights =
        plan.model.weights.as_ref().map_or("from scratch".to_owned(), |w| format!("from {}", w.describe()));
    let policy = plan.preset.as_deref().unwrap_or("branches of its own");
    let report = Report {
        title: plan.name.clone(),
        subject: format!(
            "{} {weights}, policy {policy}, data {}.",
            plan.model.spec.name, plan.data.source.name
        ),
        evaluated: format!("validation part, epoch {} (best {})", fitted.best.epoch, plan.select.name),
        headline: headline(&fitted.predictions),
        epochs: history(&folder.path)?,
        best_epoch: Some(fitted.best.epoch),
        summary: Some(fitted.summary.clone()),
        // The first branch that mixes, where there is one.
        batch: sheets(Subject::of(run), 0, 24)?.into_iter().min_by_key(|one| !one.mixed).map(|one| one.sheet),
        data: DataNotes {
            splits: run.data.splits(),
            notes: fitted.warnings.iter().chain(&run.warnings).chain(&run.notes).cloned().collect(),
            broken: Vec::new(),
        },
        recipe: run.recipe(),
        facts: facts(run, fitted),
    };
    Ok(report.write(&folder.path.join("report.html"))?)
}

fn facts(run: &Run, fitted: &Fitted) -> Vec<(String, String)> {
    let seconds = fitted.seconds;
    let facts = BTreeMap::from([
        ("1 device", device_name(&run.model.device)),
        ("2 time", time(seconds)),
        ("3 epochs, steps", format!("{}, {}", fitted.epochs, fitted.steps)),
        ("4 seed", run.plan().seed.to_string()),
        ("5 parameters", run.model.params.size().to_string()),
        ("6 tallow", format!("{} ({})", crate::VERSION, crate::COMMIT)),
        ("7 data manifest", run.data.manifest.clone()),
    ]);
    facts.into_iter().map(|(name, value)| (name[2..].to_owned(), value)).collect()
}

/// `5.4 s`, `12:03 min`.
fn time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    if seconds < 60.0 { format!("{seconds:.1} s") } else { format!("{}:{:02} min", whole / 60, whole % 60) }
}

/// The claim line of a recipe's head: what this run measured.
pub fn claim(run: &Run, fitted: &Fitted) -> String {
    let s = &fitted.last;
    format!(
        "validation after the last epoch: micro-F1 {:.3}, macro-F1 {:.3}, balanced accuracy {:.3}, AUROC {:.3} \
         (seed {}); {} on {}, tallow {} ({})",
        s.micro_f1,
        s.macro_f1,
        s.balanced_accuracy,
        s.auroc,
        run.plan().seed,
        time(fitted.seconds),
        device_name(&run.model.device),
        crate::VERSION,
        crate::COMMIT
    )
}
