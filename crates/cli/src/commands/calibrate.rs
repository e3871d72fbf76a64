//! `calibrate CHECKPOINT`: probabilities made honest by images that were not learned from, and what is decided by them.

pub mod decided;
pub mod goals;
mod text;

use super::checkpoint;
use crate::arguments::Calibrate;
use decided::Decided;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use tallow_metrics::{
    CalibrationMethod, Calibrator, Called, ClassSets, Confusion, Predictions, Risk, Threshold, brier,
    classwise_ece, cross_fitted, ece, log_loss,
};
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_seed::Seed;
use tallow_train::{Calibration, Error, FittedOn, Model, evaluate, part};

/// Folds of the images that are calibrated by the others.
const FOLDS: u32 = 5;

/// A log loss that is so many times that of before is told; less may be noise.
const HARM: f64 = 1.01;

/// All that is shown and kept.
struct Found {
    name: String,
    calibration: Calibration,
    before: Scores,
    /// Of the images that were fitted to; `None` without a calibrator.
    after: Option<Scores>,
    /// Of images calibrated by the others, or why there are none.
    cross_fitted: Result<Scores, String>,
    /// Of each threshold, by itself.
    called: Vec<Called>,
    /// What all of it comes to.
    decided: Option<Decided>,
    sets: Option<Sets>,
    risk: Option<Risk>,
}

/// What sets of classes are like.
struct Sets {
    size: f64,
    empty: u64,
    /// How often the most probable class alone is right.
    right: f64,
}

struct Scores {
    log_loss: f64,
    brier: f64,
    ece: f64,
    classwise_ece: f64,
}

impl Scores {
    fn of(predictions: &Predictions) -> Scores {
        Scores {
            log_loss: log_loss(predictions),
            brier: brier(predictions),
            ece: ece(predictions),
            classwise_ece: classwise_ece(predictions),
        }
    }

    fn rows(&self) -> [(&'static str, f64); 4] {
        [
            ("log_loss", self.log_loss),
            ("brier", self.brier),
            ("ece", self.ece),
            ("classwise_ece", self.classwise_ece),
        ]
    }
}

pub fn calibrate(arguments: &Calibrate, registry: &Registry) -> anyhow::Result<()> {
    let subject = Subject::of(arguments)?;
    if arguments.remove {
        return remove(&subject);
    }
    let method = method(&arguments.method)?;
    let score = goals::set_score(&arguments.sets)?;
    let goals = goals::thresholds(&arguments.thresholds)?;
    goals::is_share("--coverage", arguments.coverage)?;
    goals::is_share("--max-risk", arguments.max_risk)?;
    let (predictions, fitted_on) = subject.predictions(arguments, registry)?;
    let costs = arguments.costs.as_ref().map(|path| goals::costs(path, &predictions.classes)).transpose()?;
    let asked =
        |error: tallow_metrics::Error| Error::recipe(format!("{}: {error}", arguments.subject.display()));

    let calibrator = method.map(|method| Calibrator::fit(method, &predictions)).transpose().map_err(asked)?;
    let calibrated = calibrator.as_ref().map(|found| found.predictions(&predictions));
    let honest = method.map(|method| cross_fitted(method, &predictions, FOLDS, Seed::new(0)));
    // What is decided is decided by these; thresholds and the rest are chosen by them, on these images.
    let used = calibrated.as_ref().unwrap_or(&predictions);
    // Sets promise something of other images: they are of probabilities that were not fitted to, where there are any.
    let unseen = honest.as_ref().and_then(|honest| honest.as_ref().ok()).unwrap_or(used);
    let choose = |(class, goal): &(String, _)| Threshold::choose(used, class, *goal);
    let thresholds: Vec<Threshold> = goals.iter().map(choose).collect::<Result<_, _>>().map_err(asked)?;
    let fit_sets = |coverage| ClassSets::fit(unseen, score, coverage, arguments.per_class);
    let sets = arguments.coverage.map(fit_sets).transpose().map_err(asked)?;
    let risk = arguments.max_risk.map(|most| goals::risk(used, most)).transpose()?;
    let calibration = Calibration {
        weights: String::new(),
        classes: predictions.classes.clone(),
        fitted_on,
        probabilities: calibrator,
        thresholds,
        costs,
        sets,
        least: risk.map(|risk| risk.at),
    };
    let found = Found {
        name: subject.name(),
        before: Scores::of(&predictions),
        after: calibrated.as_ref().map(Scores::of),
        cross_fitted: match &honest {
            Some(Ok(honest)) => Ok(Scores::of(honest)),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("nothing is fitted".to_owned()),
        },
        called: calibration.thresholds.iter().filter_map(|threshold| threshold.counts(used)).collect(),
        decided: Decided::of(&calibration, used),
        sets: calibration.sets.as_ref().map(|sets| sizes(sets, unseen)),
        risk,
        calibration,
    };
    let mut out = std::io::stdout().lock();
    match arguments.json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&as_json(&found))?)?,
        false => write!(out, "{}", text::text(&found))?,
    }
    match &subject {
        Subject::Checkpoint(place) if !arguments.dry_run => {
            found.calibration.write(place)?;
            let file = place.join(Calibration::FILE);
            eprintln!("written: {}; eval, predict and compare --split use it", file.display());
        }
        Subject::Checkpoint(_) => eprintln!("nothing is written (--dry-run)"),
        Subject::Csv(_) => eprintln!("nothing is written: predictions alone are calibrated for a look"),
    }
    Ok(())
}

/// What is calibrated.
enum Subject {
    Checkpoint(PathBuf),
    Csv(PathBuf),
}

impl Subject {
    fn of(arguments: &Calibrate) -> Result<Subject, Error> {
        let path = &arguments.subject;
        if path.is_file() && path.extension().is_some_and(|end| end == "csv") {
            let ignored = match (&*arguments.split, arguments.overrides.first()) {
                ("validation", None) => return Ok(Subject::Csv(path.clone())),
                ("validation", Some(text)) => text.clone(),
                (split, _) => format!("--split {split}"),
            };
            let problem =
                "a CSV holds the predictions of one part as they are; leave it out, or name a checkpoint";
            return Err(Error::recipe(format!("{ignored}: {problem}")));
        }
        if matches!(&*arguments.split, "train" | "all") {
            let problem =
                "a network is surer of images that it learned from; name a part that it did not see";
            return Err(Error::recipe(format!("--split {}: {problem}: validation or test", arguments.split)));
        }
        checkpoint(path).map(Subject::Checkpoint)
    }

    fn name(&self) -> String {
        let (Subject::Checkpoint(path) | Subject::Csv(path)) = self;
        path.display().to_string()
    }

    /// Uncalibrated, and where they come from.
    fn predictions(
        &self,
        arguments: &Calibrate,
        registry: &Registry,
    ) -> anyhow::Result<(Predictions, FittedOn)> {
        let progress = Progress::stderr();
        let (predictions, part, data) = match self {
            Subject::Csv(path) => {
                (Predictions::read_csv(path).map_err(Error::from)?, String::new(), String::new())
            }
            Subject::Checkpoint(place) => {
                // One that is damaged or stale is no obstacle to a new one.
                let model = Model::open_uncalibrated(place, &arguments.overrides, None, registry, &progress)?;
                let data = part(&model.plan, &arguments.split, &progress)?;
                let predictions = evaluate(&model, &data, &arguments.split, &progress)?;
                (predictions, arguments.split.clone(), tallow_data::manifest(&*data))
            }
        };
        let images = predictions.len() as u64;
        Ok((predictions, FittedOn { part, images, data }))
    }
}

fn remove(subject: &Subject) -> anyhow::Result<()> {
    let Subject::Checkpoint(place) = subject else {
        let problem = "is a CSV, which has no calibration; name a checkpoint";
        return Err(Error::recipe(format!("{}: {problem}", subject.name())).into());
    };
    match Calibration::remove(place)? {
        true => eprintln!("removed: {}", place.join(Calibration::FILE).display()),
        false => eprintln!("{}: there is no calibration to remove", place.display()),
    }
    Ok(())
}

fn method(name: &str) -> Result<Option<CalibrationMethod>, Error> {
    Ok(Some(match name {
        "temperature" => CalibrationMethod::Temperature,
        "vector" => CalibrationMethod::Vector,
        "isotonic" => CalibrationMethod::Isotonic,
        "none" => return Ok(None),
        _ => {
            let expected = "expected temperature, vector, isotonic or none";
            return Err(Error::recipe(format!("--method {name}: {expected}")));
        }
    }))
}

fn sizes(sets: &ClassSets, predictions: &Predictions) -> Sets {
    let sizes: Vec<usize> = predictions.rows().map(|row| sets.of(row).len()).collect();
    Sets {
        size: sizes.iter().sum::<usize>() as f64 / sizes.len() as f64,
        empty: sizes.iter().filter(|size| **size == 0).count() as u64,
        right: Confusion::of(predictions).accuracy(),
    }
}

fn as_json(found: &Found) -> Value {
    let mut json = json!({
        "images": found.calibration.fitted_on.images,
        "part": found.calibration.fitted_on.part,
        "data": found.calibration.fitted_on.data,
    });
    let temperature = match &found.calibration.probabilities {
        Some(Calibrator::Temperature { temperature }) => Some(*temperature),
        _ => None,
    };
    json["temperature"] = json!(temperature);
    for (name, value) in found.before.rows() {
        json[format!("{name}_before")] = json!(value);
    }
    for (name, value) in found.after.iter().flat_map(Scores::rows) {
        json[format!("{name}_after")] = json!(value);
    }
    for (name, value) in found.cross_fitted.iter().flat_map(Scores::rows) {
        json[format!("{name}_cross_fitted")] = json!(value);
    }
    let thresholds = found.calibration.thresholds.iter().zip(&found.called);
    let thresholds: Vec<Value> = thresholds
        .map(|(threshold, called)| {
            let rates: Vec<Value> = goals::rates(called)
                .into_iter()
                .map(|rate| {
                    let mut json = rate.as_json();
                    json["name"] = json!(rate.name);
                    json
                })
                .collect();
            json!({ "class": threshold.class, "at": threshold.at, "counts": called, "rates": rates })
        })
        .collect();
    json["thresholds"] = json!(thresholds);
    json["decided"] = json!(found.decided.as_ref().map(Decided::as_json));
    json["sets"] = json!(found.sets.as_ref().map(|sets| {
        json!({ "coverage": found.calibration.sets.as_ref().map(|sets| sets.coverage), "mean_size": sets.size, "empty": sets.empty })
    }));
    json["risk"] = json!(found.risk);
    json["calibration"] = json!(found.calibration);
    json["warnings"] = json!(found.warnings());
    json
}

impl Found {
    /// What does harm, or nothing.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Ok(cross) = &self.cross_fitted
            && cross.log_loss > HARM * self.before.log_loss
        {
            let remedy = match self.calibration.probabilities {
                Some(Calibrator::Temperature { .. }) => {
                    "there is little to mend, or there are too few images to fit to; leave them as they are (--method none)"
                }
                _ => "there are too few images to fit so much to; take --method temperature",
            };
            warnings.push(format!(
                "of images that were not fitted to, the log loss is worse than before ({:.4}, {:.4} before): {remedy}",
                cross.log_loss, self.before.log_loss
            ));
        }
        for (Threshold { class, .. }, called) in self.calibration.thresholds.iter().zip(&self.called) {
            let Called { hits, misses, false_alarms, rest } = *called;
            if misses + rest == 0 {
                warnings.push(format!("the threshold of {class} calls every image; ask for less"));
            } else if hits + false_alarms == 0 {
                warnings.push(format!("the threshold of {class} calls no image; ask for less"));
            }
        }
        warnings
    }
}
