//! Several runs: their curves in one plot each, in what their recipes differ, and whether one is better.

use super::frame::{back, live, page, section};
use super::index::Row;
use super::run::{charts, texts};
use crate::html::spoken;
use crate::table::share;
use crate::{Chart, Line, Section};
use maud::{Markup, html};

/// More lines are not told apart.
pub const MOST: usize = crate::palette::LINES;

/// Several runs side by side; the order is that of their colours.
#[derive(Clone, Debug, Default)]
pub struct Side {
    pub runs: Vec<SideRun>,
    /// Values in which the recipes differ, by their paths.
    pub differences: Vec<(String, Vec<Option<String>>)>,
    /// All by which runs can be compared, and by which they are.
    pub metrics: Vec<String>,
    pub metric: Option<String>,
    /// What came of it, or why nothing did.
    pub comparison: Option<Result<Section, String>>,
    /// How the same is asked for in a shell.
    pub command: String,
    /// What else is to be said: runs that are not there, or too many.
    pub notes: Vec<String>,
}

/// Points by the name of what they are of.
pub type Curves = Vec<(String, Vec<(f64, f64)>)>;

#[derive(Clone, Debug, Default)]
pub struct SideRun {
    pub row: Row,
    /// Its curves, by their names; over steps, then over epochs.
    pub steps: Curves,
    pub epochs: Curves,
    /// Metrics of its best checkpoint.
    pub metrics: Vec<(String, f64)>,
}

impl Side {
    pub fn html(&self) -> String {
        let names = self.names();
        let title = if names.is_empty() { "Side by side".to_owned() } else { names.join(", ") };
        let header = html! {
            h1 { "Side by side" }
            @if !names.is_empty() { p.subject { (title) } }
            (back())
        };
        let body = html! {
            @for note in &self.notes { p.ending { (note) } }
            @if self.runs.is_empty() { p { "Mark runs in the list of all runs, then choose “side by side”." } }
            @else {
                (live("table", self.table(&names)))
                (section("compare", "Is one better?", self.compare()))
                (live("curves", section("plots", "Curves", charts(&self.charts(&names)))))
                (section("recipes", "Recipes", self.recipes(&names)))
            }
        };
        page(&title, header, body)
    }

    fn names(&self) -> Vec<String> {
        shortened(&self.runs.iter().map(|run| run.row.id.as_str()).collect::<Vec<_>>())
    }

    /// Of each quantity that a run has; a run without it keeps its colour.
    fn charts(&self, names: &[String]) -> Vec<Chart> {
        let of = |x: &str, all: &dyn Fn(&SideRun) -> &Curves| -> Vec<Chart> {
            let mut quantities: Vec<&String> = Vec::new();
            for (name, _) in self.runs.iter().flat_map(all) {
                if !quantities.contains(&name) {
                    quantities.push(name);
                }
            }
            let line = |quantity: &String, run: &SideRun, name: &String| {
                let points =
                    all(run).iter().find(|(name, _)| name == quantity).map(|(_, points)| points.clone());
                Line { name: name.clone(), points: points.unwrap_or_default() }
            };
            let lines = |quantity: &String| {
                self.runs.iter().zip(names).map(|(run, name)| line(quantity, run, name)).collect()
            };
            let chart = |quantity: &&String| Chart {
                title: heading(quantity),
                x: x.into(),
                lines: lines(quantity),
                mark: None,
            };
            quantities.iter().map(chart).collect()
        };
        let mut charts = of("epoch", &|run| &run.epochs);
        charts.extend(of("step", &|run| &run.steps));
        charts
    }

    fn table(&self, names: &[String]) -> Markup {
        let mut metrics: Vec<&String> = Vec::new();
        for (name, _) in self.runs.iter().flat_map(|run| &run.metrics) {
            if !metrics.contains(&name) {
                metrics.push(name);
            }
        }
        // Metrics are rows: there are more of them than runs.
        let of = |metric: &str, run: &SideRun| {
            run.metrics.iter().find(|(name, _)| name == metric).map(|(_, value)| share(*value))
        };
        let row = |name: String, text: &dyn Fn(&SideRun) -> Option<String>| {
            let cells = self.runs.iter().map(|run| text(run).unwrap_or("–".into())).collect();
            (name, cells)
        };
        let mut rows: Vec<(String, Vec<String>)> = vec![
            row("state".into(), &|run| Some(run.row.standing.clone())),
            row("best epoch".into(), &|run| run.row.best.map(|(_, epoch)| epoch.to_string())),
        ];
        rows.extend(metrics.iter().map(|metric| row(spoken(metric), &|run| of(metric, run))));
        section(
            "metrics",
            "Best checkpoints",
            html! {
                p.note { "Of the validation part, by the weights that are kept as best." }
                (texts("of the best checkpoints", names, &rows))
                ul.links { @for (run, name) in self.runs.iter().zip(names) { li { a href=(run.row.link) { (name) } } } }
            },
        )
    }

    fn compare(&self) -> Markup {
        let is_chosen = |name: &String| self.metric.as_ref() == Some(name);
        html! {
            form.tools action="/side" method="get" {
                @for run in &self.runs { input type="hidden" name="run" value=(run.row.id); }
                label for="metric" { "by" }
                select #metric name="metric" {
                    @for name in &self.metrics { option value=(name) selected[is_chosen(name)] { (name) } }
                }
                button type="submit" { "compare" }
            }
            @match &self.comparison {
                None => p.note { "Paired statistics of the predictions that the runs kept: the first run against the others." },
                Some(Ok(found)) => div.found { (found.body()) },
                Some(Err(problem)) => p.ending { (problem) },
            }
            @if !self.command.is_empty() { pre { (self.command) } }
        }
    }

    fn recipes(&self, names: &[String]) -> Markup {
        let texts_of = |values: &[Option<String>]| {
            values.iter().map(|value| value.clone().unwrap_or("–".into())).collect()
        };
        let rows: Vec<(String, Vec<String>)> =
            self.differences.iter().map(|(path, values)| (path.clone(), texts_of(values))).collect();
        html! {
            @if rows.is_empty() { p.note { "They do not differ." } }
            @else { (texts("key", names, &rows)) }
        }
    }
}

/// The title of a plot, by the name of a column.
pub(super) fn heading(name: &str) -> String {
    let words = match name {
        "train_loss" => "training loss".to_owned(),
        "val_loss" => "validation log loss".to_owned(),
        "lr" => "learning rate".to_owned(),
        other => spoken(other),
    };
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// Names without the folders that all have in common, before and behind what differs.
pub fn shortened(names: &[&str]) -> Vec<String> {
    let parts: Vec<Vec<&str>> = names.iter().map(|name| name.split('/').collect()).collect();
    let least = parts.iter().map(Vec::len).min().unwrap_or(0);
    let same = |of: &dyn Fn(&Vec<&str>, usize) -> String, most: usize| {
        (0..most).take_while(|at| parts.windows(2).all(|pair| of(&pair[0], *at) == of(&pair[1], *at))).count()
    };
    let before = same(&|parts, at| parts[at].to_owned(), least.saturating_sub(1));
    let behind = same(&|parts, at| parts[parts.len() - 1 - at].to_owned(), least.saturating_sub(1 + before));
    parts.iter().map(|parts| parts[before..parts.len() - behind].join("/")).collect()
}
