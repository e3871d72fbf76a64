//! `eval PREDICTIONS.csv`: what some program, perhaps this one, said of images.

use super::{Evaluated, files_writable, groups_are_of_one_label, looked, scores};
use crate::arguments::Eval;
use tallow_metrics::Predictions;
use tallow_report::Progress;
use tallow_train::Error;

pub fn evaluated(arguments: &Eval, progress: &Progress) -> anyhow::Result<Evaluated> {
    let path = &arguments.subject;
    if let Some(asked) = of_networks(arguments) {
        let problem = "is a CSV of predictions, and asks no network; name the checkpoint";
        return Err(Error::recipe(format!("{asked}: {} {problem}", path.display())).into());
    }
    files_writable(arguments)?;
    // Names are most of the memory; a bootstrap needs the groups.
    let named = !arguments.no_intervals
        || arguments.by_group
        || arguments.predictions.is_some()
        || !arguments.subgroups.is_empty();
    let read = if named { Predictions::read_csv } else { Predictions::read_csv_unnamed };
    let images = read(path).map_err(Error::from)?;
    if images.is_empty() {
        return Err(Error::Data(format!("{}: expected predictions, got none", path.display())).into());
    }
    if arguments.by_group {
        groups_are_of_one_label(&images, "name them in the column group")?;
    }
    Ok(Evaluated {
        name: path.display().to_string(),
        part: None,
        network: None,
        scores: scores(arguments, &images.classes)?,
        subgroups: looked(arguments, &images.ids, &images.groups, progress)?,
        images,
        group: None,
        calibration: None,
        calibrated: None,
        views: None,
    })
}

/// The first argument that only a network can follow.
fn of_networks(arguments: &Eval) -> Option<String> {
    let flag = |given: bool, name: &str| given.then(|| name.to_owned());
    flag(arguments.split.is_some(), "--split")
        .or_else(|| flag(arguments.uncalibrated, "--uncalibrated"))
        .or_else(|| flag(arguments.asking.tta.is_some(), "--tta"))
        .or_else(|| flag(!arguments.asking.with.is_empty(), "--with"))
        .or_else(|| arguments.overrides.first().cloned())
}
