//! `eval CHECKPOINT`: metrics of a part of the data.

use super::{checkpoint, writable};
use crate::arguments::Eval;
use std::io::Write;
use tallow_metrics::Summary;
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::{Model, evaluate, headline, intervals, part};

pub fn eval(arguments: &Eval, registry: &Registry) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    let place = checkpoint(&arguments.checkpoint)?;
    if let Some(path) = &arguments.predictions {
        writable("--predictions", path)?;
    }
    let model = Model::open(&place, &arguments.overrides, None, registry, &progress)?;
    let data = part(&model.plan, &arguments.split, &progress)?;
    let predictions = evaluate(&model, &data, &arguments.split, &progress)?;
    if let Some(path) = &arguments.predictions {
        predictions.write_csv(path)?;
    }
    let summary = Summary::of(&predictions);
    let headline = headline(&predictions);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let mut json = serde_json::to_value(&summary)?;
        json["intervals"] = intervals(&predictions, &headline);
        writeln!(out, "{}", serde_json::to_string_pretty(&json)?)?;
    } else {
        writeln!(out, "{}: {} part, {} images\n", place.display(), arguments.split, predictions.len())?;
        write!(out, "{}", tallow_report::table(&summary.per_class, &headline))?;
    }
    Ok(())
}
