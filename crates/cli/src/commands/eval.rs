//! `eval CHECKPOINT`: metrics of a part of the data.

use super::checkpoint;
use crate::arguments::Eval;
use std::io::Write;
use tallow_metrics::Summary;
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::{Error, Model, evaluate, headline, part};

pub fn eval(arguments: &Eval, registry: &Registry) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    let place = checkpoint(&arguments.checkpoint)?;
    let model = Model::open(&place, &arguments.overrides, registry, &progress)?;
    let data = part(&model.plan, &arguments.split, &progress)?;
    if data.classes() != model.classes {
        let (here, there) = (data.classes().join(", "), model.classes.join(", "));
        return Err(
            Error::Data(format!("the data has the classes {here}; the checkpoint knows {there}")).into()
        );
    }
    let predictions = evaluate(&model, &data, &arguments.split, &progress)?;
    if let Some(path) = &arguments.predictions {
        predictions.write_csv(path)?;
    }
    let summary = Summary::of(&predictions);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&summary)?)?;
    } else {
        writeln!(out, "{}: {} part, {} images\n", place.display(), arguments.split, predictions.len())?;
        writeln!(out, "{}", tallow_report::table(&summary.per_class, &headline(&predictions)))?;
    }
    Ok(())
}
