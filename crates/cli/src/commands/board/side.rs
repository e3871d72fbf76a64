//! Several runs side by side.

use super::Served;
use super::answer::Asked;
use super::compared::Contender;
use super::pages::{metric, numbers, row};
use crate::commands::train::quoted;
use std::path::Path;
use tallow_data::counted;
use tallow_metrics::METRICS;
use tallow_report::board::{MOST, Side, SideRun};
use tallow_train::watch::{Recipe, Watch, Watched, differences};

pub fn page(board: &Served, asked: &Asked) -> String {
    let (mut side, contenders) = board.reader.look(|watch, _| gathered(watch, asked));
    // Not under the reader's lock: it takes seconds.
    if let Some(metric) = side.metric.clone().filter(|_| contenders.len() > 1) {
        side.comparison = Some(board.compared.of(&contenders, &metric));
    }
    side.html()
}

fn gathered(watch: &Watch, asked: &Asked) -> (Side, Vec<Contender>) {
    let (mut notes, mut runs): (Vec<String>, Vec<&Watched>) = (Vec::new(), Vec::new());
    for name in asked.all("run") {
        match watch.run(name) {
            Some(run) if !runs.iter().any(|known| known.name == run.name) => runs.push(run),
            Some(_) => {}
            None => notes.push(format!("{name}: is not here, or not any more")),
        }
    }
    if runs.len() > MOST {
        notes.push(format!(
            "{} are marked; the first {MOST} are shown, as more lines are not told apart",
            counted(runs.len(), "run")
        ));
        runs.truncate(MOST);
    }
    let asked_for = asked.one("metric").filter(|name| tallow_metrics::find(name).is_some());
    // The one that they are selected by stands first.
    let first = asked_for.map(str::to_owned).or_else(|| runs.first().map(|run| metric(run)));
    let mut metrics: Vec<String> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    metrics.sort_by_key(|name| Some(name) != first.as_ref());
    let contenders: Vec<Contender> = runs
        .iter()
        .map(|run| Contender { place: run.folder.clone(), predictions: run.predictions() })
        .collect();
    let recipes: Vec<&Recipe> = runs.iter().filter_map(|run| run.recipe.as_ref()).collect();
    let side = Side {
        differences: if recipes.len() == runs.len() { differences(&recipes) } else { Vec::new() },
        metrics,
        metric: asked_for.map(str::to_owned),
        comparison: None,
        command: command(&contenders, first.as_deref()),
        notes,
        runs: runs.into_iter().map(one).collect(),
    };
    (side, contenders)
}

fn command(contenders: &[Contender], metric: Option<&str>) -> String {
    if contenders.len() < 2 {
        return String::new();
    }
    let places: Vec<String> = contenders.iter().map(|one| quoted(&one.place)).collect();
    // The recipe says it, which may be anybody's.
    let metric = quoted(Path::new(metric.unwrap_or("macro_f1")));
    format!("tallow compare {} --metric {metric}", places.join(" "))
}

fn one(run: &Watched) -> SideRun {
    let records = &run.records;
    let epochs = records.series.iter().map(|series| (series.name.clone(), series.curve.points()));
    SideRun {
        row: row(run),
        steps: vec![("loss of every step".to_owned(), records.loss.points())],
        epochs: epochs.collect(),
        metrics: numbers(run.metrics[0].as_ref()),
    }
}
