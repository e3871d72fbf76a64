//! A page of charts and tables: one file, no network, no scripts.

use crate::html::shell::{Part, document, note, scroll};
use crate::{Bars, Chart, Error, Intervals, Result, Scatter};
use maud::{Markup, PreEscaped, html};
use std::path::Path;

/// A title, a sentence, sections.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub title: String,
    pub subject: String,
    pub sections: Vec<Section>,
}

/// Tables first, then figures side by side.
#[derive(Clone, Debug, Default)]
pub struct Section {
    pub title: String,
    pub note: String,
    pub tables: Vec<Grid>,
    pub figures: Vec<Figure>,
}

#[derive(Clone, Debug)]
pub enum Figure {
    Bars(Bars),
    Chart(Chart),
    Intervals(Intervals),
    Scatter(Scatter),
}

/// A table whose first column is names. Cells between 0 and 1 are shaded if `shaded`. Where the columns are the rows again and
/// their names are long, rows are numbered and columns have the numbers.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    pub caption: String,
    pub columns: Vec<String>,
    /// Each: a name, then a text for each further column.
    pub rows: Vec<Vec<String>>,
    pub shaded: bool,
}

/// A longer name of a column widens it.
const LONG: usize = 8;

impl Page {
    /// Writes the file under a temporary name, then renames it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let beside = path.with_extension("html.tmp");
        std::fs::write(&beside, self.html()).map_err(Error::io(&beside))?;
        std::fs::rename(&beside, path).map_err(Error::io(path))
    }

    pub fn html(&self) -> String {
        let part = |(at, section): (usize, &Section)| Part {
            id: format!("s{at}"),
            title: section.title.clone(),
            body: section.body(),
        };
        document(&self.title, &self.subject, self.sections.iter().enumerate().map(part).collect())
    }
}

impl Section {
    pub(crate) fn body(&self) -> Markup {
        html! {
            (note(&self.note))
            @if !self.tables.is_empty() { div.grids { @for grid in &self.tables { (grid.html()) } } }
            @if !self.figures.is_empty() {
                div.charts.many { @for figure in &self.figures { figure { (PreEscaped(figure.inline())) } } }
            }
        }
    }
}

impl Figure {
    fn inline(&self) -> String {
        match self {
            Figure::Bars(bars) => bars.inline(),
            Figure::Chart(chart) => chart.inline(),
            Figure::Intervals(intervals) => intervals.inline(),
            Figure::Scatter(scatter) => scatter.inline(),
        }
    }
}

impl Grid {
    pub(crate) fn html(&self) -> Markup {
        let columns = self.columns.get(1..).unwrap_or_default();
        let is_square = columns.iter().eq(self.rows.iter().filter_map(|row| row.first()));
        let is_numbered = is_square && columns.iter().any(|name| name.chars().count() > LONG);
        let name =
            |at: usize, name: &str| if is_numbered { format!("{} {name}", at + 1) } else { name.to_owned() };
        let table = html! {
            table.stack[!is_square] {
                @if !self.caption.is_empty() { caption { (self.caption) } }
                thead {
                    tr {
                        th { (self.columns.first().map_or("", String::as_str)) }
                        @for (at, column) in columns.iter().enumerate() {
                            @if is_numbered { th.n title=(column) { (at + 1) } } @else { th.n { (column) } }
                        }
                    }
                }
                tbody {
                    @for (at, row) in self.rows.iter().enumerate() {
                        tr {
                            th { (name(at, row.first().map_or("", String::as_str))) }
                            @for (text, column) in row.iter().skip(1).zip(columns) { (self.cell(text, column)) }
                        }
                    }
                }
            }
        };
        scroll(if self.caption.is_empty() { "table" } else { &self.caption }, table)
    }

    fn cell(&self, text: &str, column: &str) -> Markup {
        match text.parse::<f64>() {
            Ok(share) if self.shaded => {
                let tint = 70. * share.clamp(0., 1.).sqrt();
                let style = format!("background:color-mix(in srgb,var(--heat) {tint:.0}%,transparent)");
                html! { td.n.shade style=(style) { (text) } }
            }
            _ => html! { td.n data-name=(column) { (text) } },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::check;

    fn grid(columns: &[&str], rows: &[&[&str]]) -> Grid {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        let rows = rows.iter().map(|row| texts(row)).collect();
        Grid { caption: "<c>".into(), columns: texts(columns), rows, shaded: true }
    }

    #[test]
    fn well_formed_and_escaped() {
        let grid = grid(&["a", "b"], &[&["0.5", "0.25"], &["x", "–"]]);
        let figures = vec![Figure::Chart(Chart::default()), Figure::Scatter(Scatter::default())];
        let section = Section { title: "s & t".into(), note: "n".into(), tables: vec![grid], figures };
        let page = Page { title: "γ".into(), subject: "why".into(), sections: vec![section] };
        let html = page.html();
        check(html.split_once('\n').unwrap().1).unwrap();
        // √.25 · 70 = 35; names and dashes are not shaded.
        assert!(html.contains("var(--heat) 35%,transparent)\">0.25</td>"), "{html}");
        assert_eq!((html.matches("shade\"").count(), html.matches("<figure>").count()), (1, 2));
    }

    #[test]
    fn long_names_are_columns_by_their_numbers() {
        let long = ["melanocytic nevus", "melanoma"];
        let of = |names: [&str; 2]| {
            grid(&["", names[0], names[1]], &[&[names[0], "1", "0"], &[names[1], "0", "1"]])
                .html()
                .into_string()
        };
        let html = of(long);
        assert!(html.contains("<th class=\"n\" title=\"melanocytic nevus\">1</th>"), "{html}");
        assert!(html.contains("<th>2 melanoma</th>"), "{html}");
        let html = of(["NV", "MEL"]);
        assert!(html.contains("<th class=\"n\">NV</th>") && html.contains("<th>MEL</th>"), "{html}");
    }

    /// On a narrow screen a row of other columns becomes a block, each number below its name.
    #[test]
    fn cells_know_their_column() {
        let html =
            Grid { shaded: false, ..grid(&["policy", "entropy"], &[&["none", "0.5"]]) }.html().into_string();
        assert!(
            html.contains("<table class=\"stack\">") && html.contains("data-name=\"entropy\">0.5</td>"),
            "{html}"
        );
    }
}
