//! `report.html`: one file with everything a reader needs to judge a run; no network, no scripts.

use crate::markup::{base64, escape};
use crate::palette::{self, THEME};
use crate::plot::STYLE;
use crate::sheet::{png, present, thumbnail, words};
use crate::table::share;
use crate::{Chart, Epoch, Error, Headline, Line, Result, Sheet, Tile, heatmap};
use std::fmt::Write;
use std::path::Path;
use tallow_metrics::{ClassSummary, Summary};

/// What a report shows. Empty parts are left out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Such as the recipe's name.
    pub title: String,
    /// One sentence: model, weights, policy, data.
    pub subject: String,
    /// What the metrics are of, such as `validation split, epoch 17 (best macro_f1)`.
    pub evaluated: String,
    /// The first one is shown first.
    pub headline: Vec<Headline>,
    /// From [`history`](crate::history).
    pub epochs: Vec<Epoch>,
    /// The epoch whose weights were kept, marked in the curves.
    pub best_epoch: Option<u64>,
    /// The per-class table and the confusion.
    pub summary: Option<Summary>,
    /// A batch as the network saw it.
    pub batch: Option<Sheet>,
    pub data: DataNotes,
    /// The resolved recipe, as YAML.
    pub recipe: String,
    /// (name, value): device, time, seed, version, commit …
    pub facts: Vec<(String, String)>,
}

/// What is to be known of the data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataNotes {
    pub splits: Vec<SplitNote>,
    /// Sentences: where it came from, how it was split, what the leak check found.
    pub notes: Vec<String>,
    /// (id, what is wrong) of images that could not be decoded.
    pub broken: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SplitNote {
    pub name: String,
    pub images: u64,
    /// Lesions or patients, where known.
    pub groups: Option<u64>,
    /// Images of each class, in the order of the report's classes; or empty.
    pub per_class: Vec<u64>,
}

impl Report {
    /// Writes the file under a temporary name, then renames it.
    ///
    /// # Errors
    /// What [`html`](Self::html) answers; [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let beside = path.with_extension("html.tmp");
        std::fs::write(&beside, self.html()?).map_err(Error::io(&beside))?;
        std::fs::rename(&beside, path).map_err(Error::io(path))
    }

    /// The page; well-formed as XML but for its doctype.
    ///
    /// # Errors
    /// A picture that cannot be encoded.
    pub fn html(&self) -> Result<String> {
        let classes = self.summary.as_ref().map_or(&[][..], |summary| &summary.per_class);
        let names: Vec<String> = classes.iter().map(|class| class.class.clone()).collect();
        let sections = [
            ("results", "Results", headline(&self.headline)),
            ("training", "Training", self.curves()),
            (
                "classes",
                "Per class",
                self.summary.as_ref().map_or(String::new(), |summary| per_class(summary, &names)),
            ),
            ("batch", "A training batch", self.batch.as_ref().map_or(Ok(String::new()), batch)?),
            ("data", "Data", data(&names, &self.data)),
            ("run", "Run", facts(&self.facts)),
            ("recipe", "Recipe", if self.recipe.is_empty() { String::new() } else { recipe(&self.recipe) }),
        ];
        let sections: Vec<_> = sections.into_iter().filter(|(.., body)| !body.is_empty()).collect();
        let title = escape(&self.title);
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\
             <title>{title}</title><style>{THEME}{STYLE}{PAGE}</style></head>\n<body><main><header><h1>{title}</h1>"
        );
        paragraph(&mut out, "subject", &self.subject);
        out.push_str("<nav>");
        for (id, name, _) in &sections {
            let _ = write!(out, "<a href=\"#{id}\">{name}</a> ");
        }
        out.push_str("</nav></header>\n");
        for (id, name, body) in &sections {
            let _ = write!(out, "<section id=\"{id}\"><h2>{name}</h2>");
            if matches!(*id, "results" | "classes") {
                paragraph(&mut out, "note", &self.evaluated);
            }
            let _ = writeln!(out, "{body}</section>");
        }
        out.push_str("</main></body></html>\n");
        Ok(out)
    }

    fn curves(&self) -> String {
        if self.epochs.is_empty() {
            return String::new();
        }
        let line = |name: &str, of: &dyn Fn(&Epoch) -> Option<f64>| {
            let points = self.epochs.iter().map(|epoch| (epoch.epoch as f64, of(epoch).unwrap_or(f64::NAN)));
            Line { name: name.into(), points: points.collect() }
        };
        let mut losses = vec![line("training", &|epoch| Some(epoch.train_loss))];
        if self.epochs.iter().any(|epoch| epoch.val_loss.is_some()) {
            losses.push(line("validation", &|epoch| epoch.val_loss));
        }
        let mut names: Vec<&String> = Vec::new();
        for (name, _) in self.epochs.iter().flat_map(|epoch| &epoch.metrics) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let value = |epoch: &Epoch, name: &String| {
            epoch.metrics.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
        };
        let metrics = names.iter().map(|name| line(&spoken(name), &|epoch| value(epoch, name)));
        let rate = vec![line("learning rate", &|epoch| Some(epoch.lr))];
        let mark = self.best_epoch.map(|epoch| (epoch as f64, format!("kept: {epoch}")));
        let mut out = String::from("<div class=\"charts\">");
        for (title, lines) in
            [("Loss", losses), ("Validation metrics", metrics.collect()), ("Learning rate", rate)]
        {
            if !lines.is_empty() {
                let chart = Chart { title: title.into(), x: "epoch".into(), lines, mark: mark.clone() };
                let _ = write!(out, "<figure>{}</figure>", chart.inline());
            }
        }
        out + "</div>"
    }
}

const PAGE: &str = include_str!("html/page.css");

fn paragraph(out: &mut String, class: &str, text: &str) {
    if !text.is_empty() {
        let _ = write!(out, "<p class=\"{class}\">{}</p>", escape(text));
    }
}

/// `macro_f1` as people say it.
fn spoken(name: &str) -> String {
    let words = name.split('_').map(|word| match word {
        "f1" => "F1".into(),
        "auroc" => "AUROC".into(),
        "mcc" => "MCC".into(),
        word => word.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn headline(metrics: &[Headline]) -> String {
    if metrics.is_empty() {
        return String::new();
    }
    let mut out = String::from("<dl class=\"tiles\">");
    for metric in metrics {
        let _ =
            write!(out, "<div><dt>{}</dt><dd>{}</dd> ", escape(&spoken(&metric.name)), share(metric.value));
        if let Some((low, high)) = metric.interval {
            let _ = write!(out, "<dd class=\"interval\">[{}, {}]</dd>", share(low), share(high));
        }
        if !metric.note.is_empty() {
            let _ = write!(out, "<dd class=\"small\">{}</dd>", escape(&metric.note));
        }
        out.push_str("</div>");
    }
    out + "</dl>"
}

fn class_table(classes: &[ClassSummary]) -> String {
    if classes.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "<div class=\"scroll\"><table><thead><tr><th>class</th><th class=\"n\">precision</th><th class=\"n\">recall</th>\
         <th class=\"n\">specificity</th><th class=\"n\">F1</th><th class=\"n\">AUROC</th><th class=\"n\">support</th></tr></thead><tbody>",
    );
    for class in classes {
        let _ = write!(out, "<tr><th>{}</th>", escape(&class.class));
        for value in [class.precision, class.recall, class.specificity, class.f1, class.auroc] {
            let filled = if value.is_finite() { value.clamp(0., 1.) * 100. } else { 0. };
            let _ = write!(out, "<td class=\"n bar\" style=\"--v:{filled:.1}%\">{}</td>", share(value));
        }
        let _ = write!(out, "<td class=\"n\">{}</td></tr>", class.support);
    }
    out + "</tbody></table></div>"
}

/// The table and, beside it where there is room, the confusion.
fn per_class(summary: &Summary, names: &[String]) -> String {
    let map = heatmap::inline(names, &summary.confusion);
    // As wide as drawn, or as the page allows.
    let width = map.split("viewBox=\"0 0 ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("400");
    format!(
        "<div class=\"pair\">{}<div class=\"map\" style=\"max-width:{width}px\"><figure>{map}</figure>\
         <p class=\"note\">Counts, shaded by the share of the true class.</p></div></div>",
        class_table(&summary.per_class)
    )
}

fn batch(sheet: &Sheet) -> Result<String> {
    let mut out = String::new();
    paragraph(&mut out, "note", &sheet.title);
    out.push_str("<div class=\"sheet\">");
    for tile in &sheet.tiles {
        out.push_str(&figure(tile, &sheet.classes)?);
    }
    Ok(out + "</div>")
}

fn figure(tile: &Tile, classes: &[String]) -> Result<String> {
    let image = &tile.image;
    let largest = image.width.max(image.height);
    let small = if largest > 160 { thumbnail(image, 160)? } else { image.clone() };
    let sharp = if largest < 80 { " class=\"sharp\"" } else { "" };
    let text = words(&tile.shares, classes)
        .iter()
        .map(|word| word.replace(' ', "\u{a0}"))
        .collect::<Vec<_>>()
        .join(" ");
    let mut out = format!(
        "<figure><img{sharp} width=\"{}\" height=\"{}\" alt=\"{}\" src=\"data:image/png;base64,{}\"/>",
        small.width,
        small.height,
        escape(&text),
        base64(&png(&small)?)
    );
    let present = present(&tile.shares);
    if !present.is_empty() {
        out.push_str("<div class=\"shares\">");
        for (class, share) in &present {
            let [r, g, b] = palette::class(*class);
            let _ = write!(
                out,
                "<i style=\"flex:{share:.3};background:rgb({r},{g},{b})\" title=\"{} {share:.3}\"></i>",
                escape(&classes[*class])
            );
        }
        out.push_str("</div>");
    }
    out.push_str("<figcaption>");
    if !tile.note.is_empty() {
        let _ = write!(out, "<small>{}</small> ", escape(&tile.note));
    }
    let _ = write!(out, "{}</figcaption></figure>", escape(&text));
    Ok(out)
}

fn data(classes: &[String], data: &DataNotes) -> String {
    let mut out = String::new();
    if !data.splits.is_empty() {
        let grouped = data.splits.iter().any(|split| split.groups.is_some());
        let counted = data.splits.iter().any(|split| !split.per_class.is_empty());
        let columns: &[String] = if counted { classes } else { &[] };
        out.push_str("<div class=\"scroll\"><table><thead><tr><th>split</th><th class=\"n\">images</th>");
        if grouped {
            out.push_str("<th class=\"n\">groups</th>");
        }
        for class in columns {
            let _ = write!(out, "<th class=\"n\">{}</th>", escape(class));
        }
        out.push_str("</tr></thead><tbody>");
        for split in &data.splits {
            let _ = write!(out, "<tr><th>{}</th><td class=\"n\">{}</td>", escape(&split.name), split.images);
            if grouped {
                let groups = split.groups.map_or("–".into(), |groups| groups.to_string());
                let _ = write!(out, "<td class=\"n\">{groups}</td>");
            }
            for at in 0..columns.len() {
                let count = split.per_class.get(at).map_or("–".into(), u64::to_string);
                let _ = write!(out, "<td class=\"n\">{count}</td>");
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table></div>");
    }
    data.notes.iter().for_each(|note| paragraph(&mut out, "plain", note));
    if !data.broken.is_empty() {
        let count = data.broken.len();
        let images = if count == 1 { "image" } else { "images" };
        let _ = write!(out, "<details><summary>{count} broken {images}, left out</summary><ul>");
        for (id, problem) in &data.broken {
            let _ = write!(out, "<li><code>{}</code> {}</li>", escape(id), escape(problem));
        }
        out.push_str("</ul></details>");
    }
    out
}

fn facts(facts: &[(String, String)]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let mut out = String::from("<dl class=\"facts\">");
    for (name, value) in facts {
        let _ = write!(out, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
    }
    out + "</dl>"
}

/// YAML with its comments subdued.
fn recipe(text: &str) -> String {
    let mut out = String::from("<pre>");
    for line in text.trim_end().lines() {
        let comment = if line.trim_start().starts_with('#') { Some(0) } else { line.find(" # ") };
        let (code, rest) = line.split_at(comment.unwrap_or(line.len()));
        out.push_str(&escape(code));
        if !rest.is_empty() {
            let _ = write!(out, "<i>{}</i>", escape(rest));
        }
        out.push('\n');
    }
    out + "</pre>"
}

#[cfg(test)]
mod tests;
