//! From what is known of runs to their pages.

use super::answer::address;
use super::times::{ago, utc};
use super::{super::train::quoted, Served};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::SystemTime;
use tallow_data::counted;
use tallow_report::board::{Checkpoints, Index, Row, RunPage, Tone};
use tallow_report::{Chart, Line};
use tallow_train::watch::{Standing, Watch, Watched};

/// So many lines of what a run said are shown.
const SAID: usize = 40;

pub fn index(board: &Served, filter: &str) -> String {
    board.reader.look(|watch, is_whole| all(watch, is_whole, filter)).html()
}

fn all(watch: &Watch, is_whole: bool, filter: &str) -> Index {
    let mut runs: Vec<&Watched> = watch.runs().collect();
    runs.sort_by_key(|run| Reverse(since(run)));
    let filter = filter.trim();
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let is_wanted = |row: &Row| words.iter().all(|word| row.words().contains(word));
    let note = match (runs.len(), is_whole) {
        (0, true) => "There is no run here yet. Train one: tallow train recipes/quickstart.yaml",
        (_, false) => "Logs are still being read.",
        _ => "",
    };
    Index {
        folder: watch.folder().display().to_string(),
        filter: filter.to_owned(),
        runs: runs.len(),
        rows: runs.into_iter().map(row).filter(is_wanted).collect(),
        pages: watch.pages().map(|name| (name.to_owned(), address("/page/", name))).collect(),
        note: note.to_owned(),
    }
}

/// When it was begun, else when it changed last.
fn since(run: &Watched) -> Option<SystemTime> {
    run.begun.or_else(|| run.changed())
}

/// The metric that a run is selected by.
pub fn metric(run: &Watched) -> String {
    run.recipe.as_ref().and_then(|recipe| recipe.get("select")).unwrap_or_else(|| "macro_f1".to_owned())
}

pub fn row(run: &Watched) -> Row {
    let (group, name) = run.name.split_once('/').unwrap_or(("", &run.name));
    let metric = metric(run);
    let curve = run.records.of(&metric);
    let (standing, tone) = standing(run);
    let age = run.changed().and_then(|changed| changed.elapsed().ok());
    let is_open = !matches!(run.standing, Standing::Finished | Standing::Unread);
    let about = |path: &str| run.recipe.as_ref().and_then(|recipe| recipe.get(path));
    let policy =
        run.recipe.as_ref().map(|recipe| recipe.policy.clone().unwrap_or("branches of its own".to_owned()));
    let named = |name: &str, value: Option<String>| value.map(|value| format!("{name} {value}"));
    let parts = [
        about("model.name"),
        policy,
        about("data.name"),
        named("seed", about("seed")),
        named("device", about("device")),
    ];
    Row {
        group: group.to_owned(),
        name: name.to_owned(),
        link: address("/run/", &run.name),
        id: run.name.clone(),
        about: parts.into_iter().flatten().collect::<Vec<_>>().join(", "),
        standing,
        tone,
        when: age.filter(|_| is_open).map_or(String::new(), |age| format!("last step {}", ago(age))),
        epoch: epoch(run),
        best: run.best().map(|best| (best.value, best.epoch)),
        last: curve.and_then(|curve| curve.last()),
        loss: run.records.loss.last(),
        speed: run.images_per_second().map_or(String::new(), |speed| format!("{speed:.0} img/s")),
        left: run.left().map_or(String::new(), tallow_report::duration),
        begun: run.begun.map_or(String::new(), utc),
        curve: curve.map_or(Vec::new(), |curve| curve.points()),
        metric,
    }
}

fn epoch(run: &Watched) -> String {
    match (run.records.epoch, run.length().0) {
        (0, _) => String::new(),
        (epoch, Some(epochs)) => format!("{epoch} of {epochs}"),
        (epoch, None) => epoch.to_string(),
    }
}

fn standing(run: &Watched) -> (String, Tone) {
    let (mut text, mut tone) = match run.standing {
        Standing::Training => (run.standing.name().to_owned(), Tone::Live),
        Standing::Finished => {
            let (epochs, steps) = run.length();
            let is_short = steps.is_some_and(|steps| run.records.step < steps)
                && epochs.is_some_and(|epochs| run.records.epochs < epochs);
            (if is_short { "stopped early".to_owned() } else { run.standing.name().to_owned() }, Tone::Good)
        }
        Standing::Failed => (run.standing.name().to_owned(), Tone::Bad),
        Standing::Interrupted | Standing::Unread => (run.standing.name().to_owned(), Tone::Still),
    };
    if let Some(epoch) = run.diverged() {
        text += &format!(", diverged in epoch {epoch}");
        tone = Tone::Bad;
    }
    (text, tone)
}

/// `None` where there is no such run.
pub fn run(board: &Served, name: &str) -> Option<String> {
    board.reader.look(|watch, _| watch.run(name).map(one)).map(|page| page.html())
}

fn one(run: &Watched) -> RunPage {
    let recipe = run.recipe.as_ref();
    let said = &run.said[run.said.len().saturating_sub(SAID)..];
    let place = quoted(&run.folder);
    let mut commands = vec![format!("tallow eval {place}")];
    if matches!(run.standing, Standing::Failed | Standing::Interrupted) && run.position.is_some() {
        commands.push(format!("tallow train {place} --resume"));
    }
    let mut row = row(run);
    if let Some(process) = run.process {
        row.when += &format!(", process {process}");
    }
    RunPage {
        row,
        report: run.has_report.then(|| address("/report/", &run.name)),
        warnings: warnings(run),
        charts: charts(run),
        said: said.to_vec(),
        checkpoints: checkpoints(run),
        recipe: recipe.map_or_else(Default::default, |recipe| [recipe.short.clone(), recipe.text.clone()]),
        commands,
    }
}

/// What it warned of, each once, and what is odd about its files.
fn warnings(run: &Watched) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in &run.said {
        if let Some(warning) = line.strip_prefix("warning: ").or(line.strip_prefix("error: "))
            && !found.iter().any(|known| known == warning)
        {
            found.push(warning.to_owned());
        }
    }
    if run.records.damaged > 0 {
        let lines = counted(run.records.damaged, "line");
        found.push(format!("{lines} of metrics.jsonl are no records, and were left out"));
    }
    found
}

/// A title, its curves by their names in the log, and what they are called.
type Plot<'a> = (&'a str, Vec<(&'a str, String)>);

/// As its report has them over epochs, then over steps.
fn charts(run: &Watched) -> Vec<Chart> {
    let records = &run.records;
    let known = ["train_loss", "val_loss", "lr"];
    let metrics =
        records.series.iter().map(|series| series.name.as_str()).filter(|name| !known.contains(name));
    let plots: [Plot; 4] = [
        ("Training loss", vec![("train_loss", "training loss".into())]),
        ("Validation log loss", vec![("val_loss", "validation log loss".into())]),
        ("Validation metrics", metrics.map(|name| (name, tallow_report::spoken(name))).collect()),
        ("Learning rate", vec![("lr", "learning rate".into())]),
    ];
    let mark = run.best().map(|best| (best.epoch as f64, format!("best: {}", best.epoch)));
    let of_epochs = plots.into_iter().map(|(title, curves)| {
        let line = |(name, spoken): (&str, String)| {
            let curve = records.series.iter().find(|series| series.name == name)?;
            Some(Line { name: spoken, points: curve.curve.points() })
        };
        let lines = curves.into_iter().filter_map(line).collect();
        Chart { title: title.to_owned(), x: "epoch".into(), lines, mark: mark.clone() }
    });
    let of_steps = [("Loss of every step", &records.loss), ("Learning rate of every step", &records.lr)];
    let of_steps = of_steps.into_iter().map(|(title, curve)| Chart {
        title: title.to_owned(),
        x: "step".into(),
        lines: vec![Line { name: title.to_lowercase(), points: curve.points() }],
        mark: None,
    });
    let has_finite =
        |chart: &Chart| chart.lines.iter().any(|line| line.points.iter().any(|point| point.1.is_finite()));
    of_epochs.chain(of_steps).filter(has_finite).collect()
}

/// The numbers at the top of a `metrics.json`.
pub fn numbers(metrics: Option<&Value>) -> Vec<(String, f64)> {
    let all = metrics.and_then(Value::as_object).into_iter().flatten();
    all.filter(|(name, _)| *name != "images")
        .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
        .collect()
}

fn checkpoints(run: &Watched) -> Checkpoints {
    let [best, last] = [0, 1].map(|at| numbers(run.metrics[at].as_ref()));
    let of_last: HashMap<&String, f64> = last.iter().map(|(name, value)| (name, *value)).collect();
    let mut rows: Vec<(String, [Option<f64>; 2])> =
        best.iter().map(|(name, value)| (name.clone(), [Some(*value), of_last.get(name).copied()])).collect();
    let missing = last.iter().filter(|(name, _)| !best.iter().any(|(known, _)| known == name));
    rows.extend(missing.map(|(name, value)| (name.clone(), [None, Some(*value)])));
    Checkpoints { rows }
}
