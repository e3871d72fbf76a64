//! A page of charts and tables: one file, no network, no scripts.

use crate::markup::escape;
use crate::palette::THEME;
use crate::plot::STYLE;
use crate::{Bars, Chart, Error, Result, Scatter};
use std::fmt::Write;
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
    Scatter(Scatter),
}

/// A table whose first column is names. Cells between 0 and 1 are shaded if `shaded`.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    pub caption: String,
    pub columns: Vec<String>,
    /// Each: a name, then a text for each further column.
    pub rows: Vec<Vec<String>>,
    pub shaded: bool,
}

const STYLE_OF_PAGE: &str = include_str!("html/page.css");
const GRIDS: &str = ".grids{display:flex;flex-wrap:wrap;gap:1.2rem 2.5rem;margin-bottom:1rem}caption{text-align:left;\
                     font-weight:600;font-size:.88rem;padding-bottom:.2rem}.charts figure{max-width:34rem}.grids .shade{padding:.25rem .5rem}\
                     .grids>.scroll{min-width:0;max-width:100%}.grids thead th{white-space:normal;vertical-align:bottom}";

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

    /// The page; well-formed as XML but for its doctype.
    pub fn html(&self) -> String {
        let title = escape(&self.title);
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\
             <title>{title}</title><style>{THEME}{STYLE}{STYLE_OF_PAGE}{GRIDS}</style></head>\n\
             <body><main><header><h1>{title}</h1><p class=\"subject\">{}</p><nav>",
            escape(&self.subject)
        );
        for (at, section) in self.sections.iter().enumerate() {
            let _ = write!(out, "<a href=\"#s{at}\">{}</a> ", escape(&section.title));
        }
        out.push_str("</nav></header>\n");
        for (at, section) in self.sections.iter().enumerate() {
            let _ = write!(out, "<section id=\"s{at}\"><h2>{}</h2>", escape(&section.title));
            if !section.note.is_empty() {
                let _ = write!(out, "<p class=\"note\">{}</p>", escape(&section.note));
            }
            if !section.tables.is_empty() {
                out.push_str("<div class=\"grids\">");
                section.tables.iter().for_each(|grid| grid.write(&mut out));
                out.push_str("</div>");
            }
            if !section.figures.is_empty() {
                out.push_str("<div class=\"charts\">");
                for figure in &section.figures {
                    let svg = match figure {
                        Figure::Bars(bars) => bars.inline(),
                        Figure::Chart(chart) => chart.inline(),
                        Figure::Scatter(scatter) => scatter.inline(),
                    };
                    let _ = write!(out, "<figure>{svg}</figure>");
                }
                out.push_str("</div>");
            }
            out.push_str("</section>\n");
        }
        out.push_str("</main></body></html>\n");
        out
    }
}

impl Grid {
    fn write(&self, out: &mut String) {
        out.push_str("<div class=\"scroll\"><table>");
        if !self.caption.is_empty() {
            let _ = write!(out, "<caption>{}</caption>", escape(&self.caption));
        }
        out.push_str("<thead><tr>");
        for (at, column) in self.columns.iter().enumerate() {
            let _ = write!(out, "<th{}>{}</th>", if at == 0 { "" } else { " class=\"n\"" }, escape(column));
        }
        out.push_str("</tr></thead><tbody>");
        for row in &self.rows {
            out.push_str("<tr>");
            for (at, text) in row.iter().enumerate() {
                let _ = match (at, text.parse::<f64>()) {
                    (0, _) => write!(out, "<th>{}</th>", escape(text)),
                    (_, Ok(share)) if self.shaded => write!(
                        out,
                        "<td class=\"n shade\" style=\"background:color-mix(in srgb,var(--heat) {:.0}%,transparent)\">{}</td>",
                        70. * share.clamp(0., 1.).sqrt(),
                        escape(text)
                    ),
                    _ => write!(out, "<td class=\"n\">{}</td>", escape(text)),
                };
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table></div>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::check;

    #[test]
    fn well_formed_and_escaped() {
        let grid = Grid {
            caption: "<c>".into(),
            columns: vec!["a".into(), "b".into()],
            rows: vec![vec!["0.5".into(), "0.25".into()], vec!["x".into(), "–".into()]],
            shaded: true,
        };
        let figures = vec![Figure::Chart(Chart::default()), Figure::Scatter(Scatter::default())];
        let section = Section { title: "s & t".into(), note: "n".into(), tables: vec![grid], figures };
        let page = Page { title: "γ".into(), subject: "why".into(), sections: vec![section] };
        let html = page.html();
        check(html.split_once('\n').unwrap().1).unwrap();
        // √.25 · 70 = 35; names and dashes are not shaded.
        assert!(html.contains("var(--heat) 35%,transparent)\">0.25</td>"), "{html}");
        assert_eq!((html.matches("shade\"").count(), html.matches("<figure>").count()), (1, 2));
    }
}
