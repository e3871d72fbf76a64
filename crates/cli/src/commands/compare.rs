//! `compare A B …`: models on the same images, by what they predicted.

mod page;
mod runs;
#[cfg(feature = "board")]
mod section;
mod table;

use super::writable;
use crate::arguments::Compare;
use runs::{Calibrated, Model, models};
#[cfg(feature = "board")]
pub use section::section;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;
pub use table::{interval, number, p};
use tallow_data::counted;
use tallow_metrics::{
    Better, Comparison, METRICS, Metric, NonInferiority, Predictions, Resampling, Score, comparisons, find,
    has_interval, holm, ranking_scores, thin_classes,
};
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_seed::Seed;
use tallow_train::Error;

/// All that is shown of one metric.
struct Found<'a> {
    metric: &'a Score,
    how: Resampling,
    seed: u64,
    models: &'a [Model],
    /// Of each model but the first, against the first.
    against: Vec<Against>,
}

struct Against {
    comparison: Comparison,
    /// The permutation test's, corrected where there are several comparisons.
    p_holm: Option<f64>,
    margin: Option<NonInferiority>,
}

pub fn compare(arguments: &Compare, registry: &Registry) -> anyhow::Result<()> {
    if let Some(path) = &arguments.html {
        writable("--html", path)?;
    }
    let how = resampling(arguments)?;
    let mut models = models(arguments, registry, &Progress::stderr())?;
    let (metrics, how) = settings(arguments, &mut models, how)?;
    let found = found(arguments, &metrics, &models, how)?;
    if let Some(path) = &arguments.html {
        page::page(&found).write(path)?;
        eprintln!("{}", path.display());
    }
    let text = if arguments.json {
        serde_json::to_string_pretty(&as_json(&found))? + "\n"
    } else {
        let table = if arguments.markdown {
            table::markdown
        } else if arguments.latex {
            table::latex
        } else {
            table::text
        };
        found.iter().map(table).collect::<Vec<_>>().join("\n")
    };
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// How images are drawn; whether by group is known once they are read.
fn resampling(arguments: &Compare) -> Result<Resampling, Error> {
    let how = Resampling {
        resamples: arguments.resamples,
        level: arguments.level,
        by_group: false,
        seed: Seed::new(arguments.seed),
    };
    how.check().map_err(|error| mistake("", error))?;
    Ok(how)
}

/// By what these models are compared, and how they are drawn.
fn settings(
    arguments: &Compare,
    models: &mut [Model],
    how: Resampling,
) -> Result<(Vec<Score>, Resampling), Error> {
    let metrics = ranking_scores(&arguments.metric, &models[0].runs[0].classes)
        .map_err(|error| Error::recipe(format!("--metric: {error}")))?;
    Ok((metrics, Resampling { by_group: share_groups(models), ..how }))
}

/// The metric that `--metric` names.
pub fn metric(name: &str) -> Result<&'static Metric, Error> {
    find(name).ok_or_else(|| {
        let names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        Error::recipe(format!("--metric {name}: expected a metric, one of {}", names.join(", ")))
    })
}

/// A group that one run knows is known of the image in all of them; whether there are any.
fn share_groups(models: &mut [Model]) -> bool {
    let known = models.iter().flat_map(|model| &model.runs).flat_map(|run| run.ids.iter().zip(&run.groups));
    let known: HashMap<String, String> =
        known.filter_map(|(id, group)| Some((id.clone(), group.clone()?))).collect();
    for run in models.iter_mut().flat_map(|model| &mut model.runs) {
        for (id, group) in run.ids.iter().zip(&mut run.groups) {
            if group.is_none() {
                *group = known.get(id).cloned();
            }
        }
    }
    !known.is_empty()
}

/// By each metric, over the same resamples.
fn found<'a>(
    arguments: &Compare,
    metrics: &'a [Score],
    models: &'a [Model],
    how: Resampling,
) -> Result<Vec<Found<'a>>, Error> {
    let of = |metric| Found { metric, how, seed: arguments.seed, models, against: Vec::new() };
    let mut found: Vec<Found> = metrics.iter().map(of).collect();
    let first = &models[0];
    for model in &models[1..] {
        let (a, b): (Vec<&Predictions>, Vec<&Predictions>) =
            (first.runs.iter().collect(), model.runs.iter().collect());
        let failed = |error| mistake(&format!("{} and {}: ", first.name, model.name), error);
        let compared = comparisons(&a, &b, first.is_paired_with(model), metrics, &how).map_err(failed)?;
        for (found, comparison) in found.iter_mut().zip(compared) {
            let (better, name) = (found.metric.better, &found.metric.name);
            let is_bounded = has_interval(name);
            if !is_bounded && arguments.margin.is_some() {
                let problem = "resampling alone raises it, so that it has no interval; leave --margin or this metric out";
                return Err(Error::recipe(format!("--margin of {name}: {problem}")));
            }
            let comparison = if is_bounded { comparison } else { comparison.without_interval() };
            let margin = arguments.margin.map(|margin| comparison.non_inferiority(margin, better));
            let margin = margin.transpose().map_err(failed)?;
            found.against.push(Against { comparison, p_holm: None, margin });
        }
    }
    for against in found.iter_mut().map(|found| &mut found.against).filter(|against| against.len() > 1) {
        let p: Vec<f64> = against.iter().map(|against| against.comparison.p_permutation).collect();
        against.iter_mut().zip(holm(&p)).for_each(|(against, p)| against.p_holm = Some(p));
    }
    Ok(found)
}

/// An argument out of its range is a mistake of the command, all else one of the data, which has a place.
fn mistake(place: &str, error: tallow_metrics::Error) -> Error {
    match error {
        tallow_metrics::Error::Argument(problem) => Error::recipe(format!("--{problem}")),
        other => Error::Data(format!("{place}{other}")),
    }
}

impl Found<'_> {
    fn is_lower_better(&self) -> bool {
        self.metric.better == Better::Lower
    }

    /// What was drawn, such as `120 groups of 400 images`.
    fn units(&self) -> String {
        let Comparison { images, units, .. } = self.against[0].comparison;
        if self.how.by_group {
            format!("{} of {}", counted(units, "group"), counted(images, "image"))
        } else {
            counted(images, "image")
        }
    }

    /// How intervals and p-values came about.
    fn method(&self) -> Vec<String> {
        let Resampling { resamples, level, .. } = self.how;
        let percent = (1e10 * level).round() / 1e8;
        let several = self.models.iter().any(|model| model.runs.len() > 1);
        let paired = self.models[1..].iter().all(|model| self.models[0].is_paired_with(model));
        let seeds = match (several, paired) {
            (false, _) => "",
            (true, false) => " and the runs",
            (true, true) => " and the runs, in pairs of one seed",
        };
        let name = &self.metric.name;
        let mut lines = vec![match has_interval(name) {
            true => format!(
                "difference: of the row and the first, with its {percent} % percentile bootstrap interval over {}{seeds}, \
                 {resamples} resamples",
                self.units()
            ),
            false => format!(
                "difference: of the row and the first; resampling alone raises {name}, so that it has no interval"
            ),
        }];
        let is_tested = self.against.iter().any(|against| !against.comparison.p_permutation.is_nan());
        lines.push(match is_tested {
            true => format!("p: paired permutation test, two-sided, {resamples} swaps of {}", self.over()),
            false => "p: none, as it swaps runs, and one model has more of them".to_owned(),
        });
        if has_interval(name) {
            lines.extend(thin_classes(&self.models[0].runs[0], self.how.by_group));
        }
        lines.extend(self.calibrations());
        if self.against.len() > 1 {
            lines.push(format!("Holm: p corrected for {} comparisons", self.against.len()));
        }
        lines
    }

    fn over(&self) -> &'static str {
        if self.how.by_group { "groups" } else { "images" }
    }

    /// How probabilities are calibrated, where some are.
    fn calibrations(&self) -> Vec<String> {
        let all = || self.models.iter().flat_map(|model| &model.calibrated);
        if !all().any(|way| matches!(way, Calibrated::By(_) | Calibrated::NotYet)) {
            return Vec::new();
        }
        let mut lines: Vec<String> = self.models.iter().filter_map(Model::calibration).collect();
        let is_by = |way: &Calibrated| matches!(way, Calibrated::By(_));
        if all().any(is_by) && !all().all(is_by) {
            lines.push(
                "warning: some of these are calibrated and others are not; calibrate all, or compare with --uncalibrated"
                    .to_owned(),
            );
        }
        lines
    }

    /// What else is known of each comparison, by the name of its model.
    fn all_notes(&self) -> Vec<(String, String)> {
        let others = self.models[1..].iter().zip(&self.against);
        let of = |(model, against): (&Model, &Against)| {
            self.notes(model, against).into_iter().map(|note| (model.name.clone(), note)).collect::<Vec<_>>()
        };
        others.flat_map(of).collect()
    }

    /// What else is known of a comparison.
    fn notes(&self, model: &Model, against: &Against) -> Vec<String> {
        let first = &self.models[0].name;
        let mut notes = Vec::new();
        let c = &against.comparison;
        if let (Some(p), Some(only_a), Some(only_b)) = (c.p_mcnemar, c.only_a, c.only_b) {
            let independent = if self.how.by_group { ", each image by itself" } else { "" };
            notes.push(format!(
                "only {first} is right about {}, only {} about {only_b}: McNemar's p {}{independent}",
                counted(only_a, "image"),
                model.name,
                table::p(p)
            ));
        }
        if let Some(p) = c.p_delong {
            notes.push(match p.is_nan() {
                true => format!("no DeLong's test: it needs two {} of each class", self.over()),
                false => format!("DeLong's p {}", table::p(p)),
            });
        }
        if c.is_alike() {
            notes.push("no resample differs: these runs say nothing of how the models differ".to_owned());
        }
        if let Some(margin) = &against.margin {
            let verdict = if margin.non_inferior { "not inferior" } else { "not shown to be not inferior" };
            notes.push(format!(
                "{verdict} by a margin of {}: the interval's worse end is {:+.4}, one-sided p {}",
                margin.margin,
                margin.bound,
                p(margin.p)
            ));
        }
        notes
    }
}

/// Of several metrics a list.
fn as_json(found: &[Found]) -> Value {
    match found {
        [only] => of_metric(only),
        several => json!({ "metrics": several.iter().map(of_metric).collect::<Vec<_>>() }),
    }
}

fn of_metric(found: &Found) -> Value {
    let first = &found.models[0];
    let comparison = |(model, against): (&Model, &Against)| {
        let mut json = serde_json::to_value(&against.comparison).expect("numbers");
        json["name_a"] = json!(first.name);
        json["name_b"] = json!(model.name);
        json["paired_seeds"] = json!(first.is_paired_with(model));
        if let Some(p) = against.p_holm {
            json["p_holm"] = json!(p);
        }
        if let Some(margin) = &against.margin {
            json["non_inferiority"] = json!(margin);
        }
        json
    };
    let comparisons: Vec<Value> = found.models[1..].iter().zip(&found.against).map(comparison).collect();
    let mut json = json!({
        "metric": found.metric.name,
        "better": if found.is_lower_better() { "lower" } else { "higher" },
        "method": "percentile bootstrap, paired permutation test",
        "level": found.how.level,
        "resamples": found.how.resamples,
        "seed": found.seed,
        "over": if found.how.by_group { "groups" } else { "images" },
        "models": found.models.iter().map(Model::as_json).collect::<Vec<_>>(),
        "comparisons": comparisons,
    });
    // Of one comparison the numbers are at hand.
    if let [only] = &comparisons[..]
        && let (Some(only), Some(json)) = (only.as_object(), json.as_object_mut())
    {
        json.extend(only.clone());
    }
    json
}
