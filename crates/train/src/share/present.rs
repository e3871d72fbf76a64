//! From a fitted run to what people look at: the final table and `report.html`.

use super::shown::shown_of_run;
use crate::Result;
use crate::fit::{Fitted, Folder, LossKind};
use crate::inspect::{Subject, sheets};
use crate::run::{Run, device_name, keys};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tallow_data::{COPIES, counted};
use tallow_metrics::{
    Average, Better, ClassIntervals, Confusion, Curves, Metric, Predictions, Resampling, Score, Summary,
    f1_interval, has_interval, intervals_by_class as bootstrapped, intervals_of_scores, wilson,
};
use tallow_report::{DataNotes, Headline, PerGroup, Report, history};

/// The metrics at the top of a table or report.
pub const HEADLINE: [&str; 8] = [
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

/// Numbers with their intervals.
pub struct Measured {
    pub headline: Vec<Headline>,
    /// In the order of the classes; empty where nothing can be drawn.
    pub per_class: Vec<ClassIntervals>,
}

/// The headline metrics with 95 % intervals: percentile bootstrap over groups where there are any (an image without one
/// is its own), else over images; `group` is what a group is, such as `lesion_id`. The calibration error has none: resampling
/// alone raises it, so that its percentiles need not hold its value.
pub fn headline(predictions: &Predictions, group: Option<&str>) -> Vec<Headline> {
    measured(predictions, group).headline
}

/// The headline metrics, and the intervals of the numbers of each class, over the same resamples.
pub fn measured(predictions: &Predictions, group: Option<&str>) -> Measured {
    let (how, basis) = resampling(predictions, group);
    let metrics: Vec<&Metric> = HEADLINE.iter().filter_map(|name| tallow_metrics::find(name)).collect();
    let (ends, per_class) = bootstrapped(predictions, &metrics, &how).ok().unzip();
    let line = |(at, metric): (usize, &&Metric)| {
        let ends = ends.as_ref().map(|ends| ends[at]).filter(|_| has_interval(metric.name));
        Headline {
            name: metric.name.to_owned(),
            value: (metric.of)(predictions),
            interval: ends.filter(|(low, high)| low.is_finite() && high.is_finite()),
            basis: basis.clone(),
            note: faultless(predictions, metric.name).unwrap_or_else(|| note(metric).to_owned()),
        }
    };
    Measured {
        headline: metrics.iter().enumerate().map(line).collect(),
        per_class: per_class.unwrap_or_default(),
    }
}

/// Scores that were asked for, with intervals as [`headline`] has, or without.
pub fn scored(
    predictions: &Predictions,
    scores: &[Score],
    group: Option<&str>,
    with_intervals: bool,
) -> Vec<Headline> {
    let (how, basis) = resampling(predictions, group);
    let ends = with_intervals.then(|| intervals_of_scores(predictions, scores, &how).ok()).flatten();
    let line = |(at, score): (usize, &Score)| {
        let ends = ends.as_ref().map(|ends| ends[at]).filter(|_| has_interval(&score.name));
        Headline {
            name: score.name.clone(),
            value: score.of(predictions),
            interval: ends.filter(|(low, high)| low.is_finite() && high.is_finite()),
            basis: basis.clone(),
            note: faultless(predictions, &score.name).unwrap_or_else(|| {
                if score.better == Better::Lower { "lower is better" } else { "" }.to_owned()
            }),
        }
    };
    scores.iter().enumerate().map(line).collect()
}

/// How predictions are resampled, and what intervals say of it.
fn resampling(predictions: &Predictions, group: Option<&str>) -> (Resampling, String) {
    let (units, by_group) = units(predictions);
    let over = if by_group { groups(units, group) } else { counted(units, "image") };
    let how = Resampling { resamples: RESAMPLES, level: LEVEL, by_group, seed: keys::bootstrap() };
    (how, format!("95 % percentile bootstrap over {over}"))
}

/// The headline metrics without intervals, for many images.
pub fn without_intervals(summary: &Summary) -> Vec<Headline> {
    let metrics = HEADLINE.iter().filter_map(|name| tallow_metrics::find(name));
    let line = |metric: &Metric| Headline {
        name: metric.name.to_owned(),
        value: summary.metric(metric.name).unwrap_or(f64::NAN),
        note: note(metric).to_owned(),
        ..Headline::default()
    };
    metrics.map(line).collect()
}

/// Of a metric that counts errors where there are none: resamples have none either, and their percentiles say nothing.
fn faultless(predictions: &Predictions, metric: &str) -> Option<String> {
    let counts = ["accuracy", "micro_f1", "macro_f1", "weighted_f1", "balanced_accuracy"];
    let confusion = Confusion::of(predictions);
    if !counts.contains(&metric) || confusion.total() == 0 || confusion.correct() < confusion.total() {
        return None;
    }
    // Images of a lesion are not independent: what is drawn is counted.
    let (units, _) = units(predictions);
    let (low, _) = wilson(units as u64, units as u64, LEVEL).ok()?;
    Some(format!("accuracy ≥ {low:.3} (Wilson)"))
}

/// What a reader must know of a metric: which way it is better, where that is down.
fn note(metric: &Metric) -> &'static str {
    match (metric.name, metric.better) {
        ("ece", _) => "lower is better; top class, 15 bins",
        (_, Better::Lower) => "lower is better",
        (_, Better::Higher) => "",
    }
}

/// So many groups by their name: of `lesion_id` lesions.
fn groups(count: usize, name: Option<&str>) -> String {
    let Some(name) = name else { return counted(count, "group") };
    let of = name.strip_suffix("_id").unwrap_or("");
    match (name, of) {
        (COPIES, _) => format!("{} of copies", counted(count, "set")),
        ("group", _) => counted(count, "group"),
        (_, of) if !of.is_empty() && of.bytes().all(|byte| byte.is_ascii_lowercase()) => counted(count, of),
        _ => format!("{} ({name})", counted(count, "group")),
    }
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
        "by_formula": by_formula(predictions),
    })
}

/// Intervals that count images as independent, beside those of the bootstrap: Wilson's of accuracy, Takahashi's of micro and macro F1.
fn by_formula(predictions: &Predictions) -> Value {
    let confusion = Confusion::of(predictions);
    let line = |method: &str, ends: tallow_metrics::Result<(f64, f64)>| {
        ends.map_or(Value::Null, |ends| json!({ "method": method, "interval": ends }))
    };
    json!({
        "accuracy": line("Wilson", wilson(confusion.correct(), confusion.total(), LEVEL)),
        "micro_f1": line("Takahashi", f1_interval(&confusion, Average::Micro, LEVEL)),
        "macro_f1": line("Takahashi", f1_interval(&confusion, Average::Macro, LEVEL)),
    })
}

/// Adds the intervals of each class to `per_class` of a summary in JSON.
pub fn add_class_intervals(json: &mut Value, per_class: &[ClassIntervals]) {
    let classes = json["per_class"].as_array_mut().into_iter().flatten();
    classes.zip(per_class).for_each(|(class, intervals)| class["intervals"] = json!(intervals));
}

/// Metrics of whole groups, where groups have several images, all of one label.
fn per_group(predictions: &Predictions, group: Option<&str>) -> Option<PerGroup> {
    const METRICS: [&str; 3] = ["balanced_accuracy", "macro_f1", "auroc"];
    let (averaged, _) = predictions.averaged_by_group().ok()?;
    if averaged.len() == predictions.len() || group == Some(COPIES) {
        return None;
    }
    let mut headline = headline(&averaged, group);
    headline.retain(|line| METRICS.contains(&&*line.name));
    Some(PerGroup { groups: described(&averaged, group), headline })
}

/// So many groups by their name, and images without one.
pub fn described(averaged: &Predictions, group: Option<&str>) -> String {
    let alone = averaged.groups.iter().filter(|group| group.is_none()).count();
    let groups = groups(averaged.len() - alone, group);
    if alone == 0 { groups } else { format!("{groups} and {} of none", counted(alone, "image")) }
}

/// How many units a bootstrap draws, and whether they are groups.
fn units(predictions: &Predictions) -> (usize, bool) {
    let groups: BTreeSet<&String> = predictions.groups.iter().flatten().collect();
    let alone = (0..predictions.len()).filter(|&image| predictions.group(image).is_none()).count();
    (groups.len() + alone, !groups.is_empty())
}

/// Why a run ended before its length; `None` where it did not.
pub fn ending(run: &Run, fitted: &Fitted) -> Option<String> {
    let patience = run.plan().patience.filter(|_| fitted.stopped_early)?;
    Some(format!(
        "stopped after epoch {}: no better {} since epoch {} (early_stop.patience {patience})",
        fitted.epochs,
        run.plan().select.name,
        fitted.best.epoch
    ))
}

/// Writes `report.html` into the run's folder.
///
/// # Errors
/// Logs that cannot be read, a batch whose images cannot, a file that cannot be written.
pub fn report(run: &Run, folder: &Folder, fitted: &Fitted) -> Result<()> {
    let plan = run.plan();
    let weights =
        plan.model.weights.as_ref().map_or("from scratch".to_owned(), |w| format!("from {}", w.describe()));
    let policy = plan.preset.as_deref().unwrap_or("branches of its own");
    let group = run.data.validation.group_name();
    let measured = measured(&fitted.predictions, group);
    let report = Report {
        title: plan.name.clone(),
        subject: format!(
            "{} {weights}, policy {policy}, data {}.",
            plan.model.spec.name, plan.data.source.name
        ),
        evaluated: format!("validation part, epoch {} (best {})", fitted.best.epoch, plan.select.name),
        ending: ending(run, fitted).map_or(String::new(), |ending| sentence(&ending)),
        headline: measured.headline,
        per_group: per_group(&fitted.predictions, group),
        mistakes: Some(shown_of_run(run, folder, &fitted.predictions)),
        training_loss: training_loss(run),
        epochs: history(&folder.path)?,
        best_epoch: Some(fitted.best.epoch),
        summary: Some(fitted.summary.clone()),
        intervals: measured.per_class,
        subgroups: Vec::new(),
        curves: Some(Curves::of(&fitted.predictions)),
        // The first branch that mixes, where there is one.
        batch: sheets(Subject::of(run), 0, 24)?.into_iter().min_by_key(|one| !one.mixed).map(|one| one.sheet),
        data: DataNotes {
            splits: run.data.splits(),
            notes: fitted.warnings.iter().chain(&run.warnings).chain(&run.notes).cloned().collect(),
            broken: Vec::new(),
        },
        recipe: run.model.recipe(),
        facts: facts(run, fitted),
    };
    Ok(report.write(&folder.path.join("report.html"))?)
}

/// What the mean in the log is of.
fn training_loss(run: &Run) -> String {
    let (plan, loss) = (run.plan(), &run.loss);
    let mut parts = vec![match loss.kind {
        LossKind::CrossEntropy => "cross-entropy".to_owned(),
        LossKind::Focal { gamma } => format!("focal loss (γ = {gamma})"),
    }];
    parts.push("augmented images".to_owned());
    let branches: Vec<_> = plan.policy.running().collect();
    if branches.iter().any(|branch| !branch.nodes.is_empty()) {
        parts.push(format!("soft targets of {}", plan.preset.as_deref().unwrap_or("its mixes")));
    }
    if branches.len() > 1 {
        parts.push(format!("a weighted sum over {}", counted(branches.len(), "branch")));
    }
    if loss.smoothing > 0.0 {
        parts.push(format!("label smoothing {}", loss.smoothing));
    }
    if loss.class_weights.is_some() {
        parts.push("class weights".to_owned());
    }
    sentence(&format!("{}; mean over the steps of an epoch, lower is better", parts.join(", ")))
}

/// With a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_their_name() {
        let of = [Some("lesion_id"), Some("patient_id"), Some("Fall Nr."), Some(COPIES), None];
        let many = of.map(|name| groups(2, name));
        assert_eq!(many, ["2 lesions", "2 patients", "2 groups (Fall Nr.)", "2 sets of copies", "2 groups"]);
        assert_eq!([groups(1, of[0]), groups(1, of[3])], ["1 lesion", "1 set of copies"]);
    }

    #[test]
    fn no_error_is_no_certainty() {
        let mut predictions = Predictions::new(&["a", "b"].map(str::to_owned));
        for index in 0..12 {
            let of_b = f64::from(index % 2);
            predictions.push(&index.to_string(), None, index % 2, &[1.0 - of_b, of_b]).unwrap();
        }
        let note = |predictions: &Predictions, name: &str| {
            headline(predictions, None).into_iter().find(|line| line.name == name).unwrap().note
        };
        // 12 / (12 + 1.959964²) = 0.757506
        let said = "accuracy ≥ 0.758 (Wilson)";
        assert_eq!(note(&predictions, "balanced_accuracy"), said);
        assert_eq!(note(&predictions, "auroc"), "");
        // Of three groups: 3 / (3 + 1.959964²).
        let groups = (0..12).map(|index| Some((index / 4).to_string())).collect();
        let grouped = Predictions { groups, ..predictions.clone() };
        assert_eq!(note(&grouped, "micro_f1"), "accuracy ≥ 0.439 (Wilson)");
        predictions.push("wrong", None, 0, &[0.0, 1.0]).unwrap();
        assert_eq!(note(&predictions, "balanced_accuracy"), "");
    }

    #[test]
    fn sentences() {
        assert_eq!(
            (sentence("stopped after epoch 3"), sentence("")),
            ("Stopped after epoch 3.".into(), String::new())
        );
    }
}
