//! All runs below a folder, by the folders that they are in.

use super::frame::{live, page, section};
use super::spark::spark;
use crate::html::shell::scroll;
use crate::html::spoken;
use crate::table::share;
use maud::{Markup, PreEscaped, html};

/// How a standing is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    Live,
    Good,
    Bad,
    #[default]
    Still,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Tone::Live => "dot live",
            Tone::Good => "dot good",
            Tone::Bad => "dot bad",
            Tone::Still => "dot",
        }
    }
}

/// A run, as far as it is known; what is not is empty.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The folder that it is in, and its name there.
    pub group: String,
    pub name: String,
    /// Its page, and the name by which it is asked for.
    pub link: String,
    pub id: String,
    /// Model, policy, seed, device.
    pub about: String,
    /// `training`, `finished` …, and what else is to be said, such as when the last step was.
    pub standing: String,
    pub tone: Tone,
    pub when: String,
    /// `2 of 15`
    pub epoch: String,
    /// What it is selected by.
    pub metric: String,
    /// The value, and its epoch.
    pub best: Option<(f64, u64)>,
    pub last: Option<f64>,
    pub loss: Option<f64>,
    pub speed: String,
    pub left: String,
    pub begun: String,
    /// The metric over epochs.
    pub curve: Vec<(f64, f64)>,
}

/// The page of all runs.
#[derive(Clone, Debug, Default)]
pub struct Index {
    pub folder: String,
    /// What runs must match, as it was typed.
    pub filter: String,
    /// How many runs there are, and how many of them are shown.
    pub runs: usize,
    /// In the order in which they are shown.
    pub rows: Vec<Row>,
    /// Names and addresses of pages that lie beside runs.
    pub pages: Vec<(String, String)>,
    /// What else is to be said: logs that are still being read, how to begin.
    pub note: String,
}

impl Index {
    pub fn html(&self) -> String {
        let title = format!("Runs in {}", self.folder);
        let header = html! {
            h1 { (title) }
            form.tools role="search" action="/" method="get" {
                label for="filter" { "only" }
                input #filter type="search" name="filter" value=(self.filter) placeholder="words of a name, a policy, a state" autocomplete="off";
                button type="submit" { "filter" }
            }
            form #side .tools action="/side" method="get" {
                button type="submit" { "side by side" }
                span.note { "the runs that are marked" }
            }
        };
        page(&title, header, live("runs", self.body()))
    }

    fn body(&self) -> Markup {
        let mut groups: Vec<(&str, Vec<&Row>)> = Vec::new();
        for row in &self.rows {
            match groups.iter_mut().find(|(name, _)| *name == row.group) {
                Some((_, rows)) => rows.push(row),
                None => groups.push((&row.group, vec![row])),
            }
        }
        html! {
            @if !self.note.is_empty() { p.note { (self.note) } }
            @if self.rows.len() < self.runs {
                p.note { (self.rows.len()) " of " (self.runs) " runs are shown" }
            }
            @for (name, rows) in &groups {
                (section(&format!("in:{name}"), if name.is_empty() { "Runs" } else { name }, table(name, rows)))
            }
            @if !self.pages.is_empty() {
                (section("pages", "Pages", html! { ul { @for (name, link) in &self.pages { li { a href=(link) { (name) } } } } }))
            }
        }
    }
}

fn table(name: &str, rows: &[&Row]) -> Markup {
    let table = html! {
        table.stack.runs {
            thead {
                tr {
                    th { "run" } th { "state" } th.n { "epoch" } th.n { "best" } th.n { "last" } th.n { "loss" }
                    th.n { "speed" } th.n { "left" } th { "begun" } th { "curve" }
                }
            }
            tbody { @for row in rows { (row.html()) } }
        }
    };
    scroll(&format!("runs in {}", if name.is_empty() { "the folder" } else { name }), table)
}

impl Row {
    /// All by which it is filtered.
    pub fn words(&self) -> String {
        format!("{} {} {}", self.id, self.about, self.standing).to_lowercase()
    }

    fn html(&self) -> Markup {
        let metric = spoken(&self.metric);
        let cell =
            |name: &str, text: String| html! { td.n.blank[text.is_empty()] data-name=(name) { (text) } };
        html! {
            tr data-words=(self.words()) {
                th {
                    span.pick {
                        input type="checkbox" form="side" name="run" value=(self.id) id={ "pick:" (self.id) } aria-label={ "mark " (self.id) };
                    }
                    a href=(self.link) { (self.name) }
                    @if !self.about.is_empty() { small { (self.about) } }
                }
                td.wide data-name="state" {
                    i class=(self.tone.class()) {} (self.standing)
                    @if !self.when.is_empty() { small { (self.when) } }
                }
                (cell("epoch", self.epoch.clone()))
                td.n.blank[self.best.is_none()] data-name={ "best " (metric) } {
                    @if let Some((value, epoch)) = self.best {
                        (share(value)) small { "epoch " (epoch) }
                    }
                }
                (cell("last", self.last.map_or(String::new(), share)))
                (cell("loss", self.loss.map_or(String::new(), share)))
                (cell("speed", self.speed.clone()))
                (cell("left", self.left.clone()))
                td.wide.blank[self.begun.is_empty()] data-name="begun" { (self.begun) }
                td.curve.blank[self.curve.len() < 2] data-name=(metric) { (PreEscaped(spark(&metric, &self.curve))) small.of { (metric) } }
            }
        }
    }
}
