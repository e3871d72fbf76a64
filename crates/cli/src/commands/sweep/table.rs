//! The report of a sweep: for a terminal of 80 columns, and in Markdown.

use crate::commands::compare::{interval, number, p};
use crate::wrap::{WIDTH, wrapped};
use std::fmt::Write;
use tallow_data::counted;
use tallow_report::{ellipsis, numbered};
use tallow_train::sweep::{Judgement, MetricResults, SettingResults};

/// Metrics that a terminal has room for.
const SHOWN: usize = 3;

/// Those that come after the one that settings are ranked by.
const USUAL: [&str; 3] = ["balanced_accuracy", "macro_f1", "auroc"];

/// What the first table is.
const OVER_RUNS: &str = "Mean ± standard deviation over runs:";

/// Columns, and a row of texts for each setting.
struct Grid {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

pub fn text(found: &Judgement) -> String {
    let usual = USUAL.into_iter().filter(|name| *name != found.metric);
    let metrics: Vec<&str> = std::iter::once(found.metric).chain(usual).take(SHOWN).collect();
    let mut out = format!("{}\n\n{OVER_RUNS}\n\n", wrapped(&subject(found), 0));
    let mut is_cut = aligned(&over_runs(found, &metrics), &mut out);
    out += &format!("\n{}\n\n", wrapped(&whole_title(found), 0));
    is_cut |= aligned(&wholes(found, &metrics), &mut out);
    if !found.comparisons.is_empty() {
        out += &format!("\n{}\n\n", wrapped(&comparison_title(found), 0));
        is_cut |= aligned(&comparisons(found), &mut out);
    }
    if is_cut {
        out += &format!("\n{}", numbered(found.settings.iter().map(|setting| &*setting.name)));
    }
    for line in method(found) {
        out += &format!("\n{}", wrapped(&line, 0));
    }
    out + "\n"
}

pub fn markdown(found: &Judgement, command: &str) -> String {
    let mut metrics: Vec<&str> = vec![found.metric];
    metrics.extend(found.settings[0].metrics.keys().filter(|name| **name != found.metric));
    let mut out = format!("# {}\n\n{}\n\n    {command}\n", found.recipe, subject(found));
    let mut section = |title: &str, grid: &Grid| {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let _ = write!(
            out,
            "\n{title}\n\n{}|---|{}\n",
            line(&grid.columns),
            "---:|".repeat(grid.columns.len() - 1)
        );
        grid.rows.iter().for_each(|row| out += &line(row));
    };
    section(OVER_RUNS, &over_runs(found, &metrics));
    section(&whole_title(found), &wholes(found, &metrics));
    if !found.comparisons.is_empty() {
        section(&comparison_title(found), &comparisons(found));
    }
    section("Cells:", &cells(found));
    for line in method(found) {
        let _ = write!(out, "\n{line}\n");
    }
    out
}

/// What was run.
fn subject(found: &Judgement) -> String {
    let seeds: Vec<String> = found.seeds.iter().map(u64::to_string).collect();
    let noun = if seeds.len() == 1 { "seed" } else { "seeds" };
    let folds = found.folds.map_or(String::new(), |folds| format!(", {}", counted(folds, "fold")));
    let varied = if found.keys.is_empty() {
        String::new()
    } else {
        format!("{} of {}, ", counted(found.settings.len(), "setting"), found.keys.join(", "))
    };
    format!(
        "{}: {varied}{noun} {}{folds}; {} part, best epoch of each run",
        found.recipe,
        seeds.join(", "),
        found.part
    )
}

fn whole_title(found: &Judgement) -> String {
    let (is_test, has_folds) = (found.part == "test", found.folds.is_some());
    let what = match (has_folds, is_test, found.seeds.len() > 1) {
        (true, true, true) => "Mean over seeds and folds",
        (true, true, false) => "Mean over folds",
        (true, false, true) => "All folds of a seed together, mean over seeds",
        (true, false, false) => "All folds together",
        (false, _, true) => "Mean over seeds",
        (false, _, false) => "The run",
    };
    format!("{what}, with its {} % interval over {}:", percent(found.level), over(found))
}

fn comparison_title(found: &Judgement) -> String {
    format!("{} against {}, {} is better:", found.metric, found.against, found.better)
}

/// What is drawn, and swapped.
fn over(found: &Judgement) -> String {
    let done = found.settings.iter().map(|setting| setting.seeds.len()).max().unwrap_or(0);
    let runs = match (found.folds.is_some() && found.part == "test", done) {
        (true, _) => " and runs",
        (false, 0 | 1) => "",
        (false, _) => " and seeds",
    };
    format!("{}{runs}", found.over)
}

/// How the numbers came about, and what is missing.
fn method(found: &Judgement) -> Vec<String> {
    let mut lines: Vec<String> = found.notes.iter().map(|note| format!("note: {note}")).collect();
    let resamples = found.resamples;
    lines.push(format!("interval: percentile bootstrap over {}, {resamples} resamples", over(found)));
    if !found.comparisons.is_empty() {
        lines.push(format!(
            "p: paired permutation test of the networks that were trained, two-sided, {resamples} swaps of {}; Holm: corrected for {}",
            found.over,
            counted(found.comparisons.len(), "comparison")
        ));
        let fewest = found.comparisons.iter().map(|against| against.seeds.len()).min();
        lines.push(match fewest {
            Some(..=1) => "a comparison of one seed: its interval and p are of these networks, and say nothing of what another seed would give".to_owned(),
            _ => "the interval of a difference is of the recipes, as the seeds are in it; p is not".to_owned(),
        });
        if found.against_best {
            lines.push(format!(
                "{} was chosen by the numbers that the others are held against: its lead is less than it seems",
                found.against
            ));
        }
    }
    lines
}

fn percent(level: f64) -> f64 {
    (1e10 * level).round() / 1e8
}

/// The name of a setting behind its rank.
fn ranked((at, setting): (usize, &SettingResults)) -> String {
    format!("{} {}", at + 1, setting.name)
}

fn over_runs(found: &Judgement, metrics: &[&str]) -> Grid {
    let columns = [found_keys(found), "runs".to_owned()].into_iter();
    let row = |(at, setting): (usize, &SettingResults)| {
        let runs = if setting.runs == setting.of {
            setting.runs.to_string()
        } else {
            format!("{} of {}", setting.runs, setting.of)
        };
        let value = |name: &&str| {
            let MetricResults { mean, sd, .. } = setting.metrics[*name];
            if sd.is_nan() {
                number(mean, false)
            } else {
                format!("{} ± {}", number(mean, false), number(sd, false))
            }
        };
        [ranked((at, setting)), runs].into_iter().chain(metrics.iter().map(value)).collect()
    };
    Grid {
        columns: columns.chain(metrics.iter().map(|name| (*name).to_owned())).collect(),
        rows: found.settings.iter().enumerate().map(row).collect(),
    }
}

fn wholes(found: &Judgement, metrics: &[&str]) -> Grid {
    let row = |(at, setting): (usize, &SettingResults)| {
        let value = |name: &&str| match setting.metrics[*name].whole {
            None => "–".to_owned(),
            Some(of) if of.low.is_nan() => share(of.mean),
            Some(of) => format!("{} [{}, {}]", share(of.mean), share(of.low), share(of.high)),
        };
        std::iter::once(ranked((at, setting))).chain(metrics.iter().map(value)).collect()
    };
    Grid {
        columns: std::iter::once(found_keys(found))
            .chain(metrics.iter().map(|name| (*name).to_owned()))
            .collect(),
        rows: found.settings.iter().enumerate().map(row).collect(),
    }
}

fn comparisons(found: &Judgement) -> Grid {
    let row = |(at, setting): (usize, &SettingResults)| {
        let against = found.comparisons.iter().find(|against| against.name == setting.name);
        let mut row = vec![ranked((at, setting))];
        match against {
            Some(against) => {
                let c = &against.comparison;
                row.extend([
                    against.seeds.len().to_string(),
                    number(c.difference, true),
                    interval(c.low, c.high),
                    p(c.p_permutation),
                    p(against.p_holm),
                ]);
            }
            None => row.extend(["", "", "", "", ""].map(str::to_owned)),
        }
        row
    };
    let columns = ["seeds", "difference", "interval", "p", "Holm"].map(str::to_owned);
    Grid {
        columns: std::iter::once(found_keys(found)).chain(columns).collect(),
        rows: found.settings.iter().enumerate().map(row).collect(),
    }
}

fn cells(found: &Judgement) -> Grid {
    let columns = ["cell", "folder", "state", "epoch", "images", found.metric].map(str::to_owned).to_vec();
    let row = |cell: &tallow_train::sweep::CellResults| {
        let shown = |number: Option<u64>| number.map_or("–".to_owned(), |number| number.to_string());
        vec![
            cell.cell.to_string(),
            cell.folder.clone(),
            cell.state.to_owned(),
            shown(cell.epoch),
            shown(cell.images.map(|images| images as u64)),
            number(cell.metrics.get(found.metric).copied().unwrap_or(f64::NAN), false),
        ]
    };
    Grid { columns, rows: found.cells.iter().map(row).collect() }
}

/// What stands above the settings: the last parts of the keys, where these tell them apart.
fn found_keys(found: &Judgement) -> String {
    let ends: Vec<&str> = found.keys.iter().map(|key| key.rsplit('.').next().unwrap_or(key)).collect();
    let are_told_apart = (1..ends.len()).all(|at| !ends[..at].contains(&ends[at]));
    match are_told_apart {
        _ if ends.is_empty() => "recipe".to_owned(),
        true => ends.join(", "),
        false => found.keys.join(", "),
    }
}

/// Three digits, without the 0 before the point.
fn share(value: f64) -> String {
    if value.is_nan() {
        return "–".to_owned();
    }
    let text = format!("{value:.3}");
    text.strip_prefix('0').map_or(text.clone(), str::to_owned)
}

/// Appends a grid in columns; the first is cut where the others leave it no room, and whether one was is returned.
fn aligned(grid: &Grid, out: &mut String) -> bool {
    let all = || std::iter::once(&grid.columns).chain(&grid.rows);
    let width = |at: usize| all().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let rest: usize = (1..grid.columns.len()).map(|at| 2 + width(at)).sum();
    let first = width(0).min(WIDTH.saturating_sub(rest).max(8));
    for row in all() {
        let mut line = format!("{:<first$}", ellipsis(&row[0], first));
        for (at, text) in row.iter().enumerate().skip(1) {
            let _ = write!(line, "  {text:>width$}", width = width(at));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    grid.rows.iter().any(|row| row[0].chars().count() > first)
}
