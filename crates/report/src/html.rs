//! `report.html`: one file with everything a reader needs to judge a run; no network, no scripts.

mod classes;
mod curves;
mod data;
mod pictures;
mod results;
mod roc;
pub(crate) mod shell;
mod subgroups;

use crate::{Epoch, Error, Headline, Result, Sheet};
use maud::{Markup, html};
pub use pictures::{Doubt, Mistake, Mistakes};
pub use results::spoken;
use shell::Part;
use std::path::Path;
pub use subgroups::{Division, DivisionPart};
use tallow_metrics::{ClassIntervals, Curves, Summary};

/// What a report shows. Empty parts are left out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Such as the recipe's name.
    pub title: String,
    /// One sentence: model, weights, policy, data.
    pub subject: String,
    /// What the metrics are of, such as `validation split, epoch 17 (best macro_f1)`.
    pub evaluated: String,
    /// Why the run ended before its length, as a sentence; or empty.
    pub ending: String,
    /// The first one is shown first.
    pub headline: Vec<Headline>,
    /// Of groups with several images, their mean probabilities counted as one.
    pub per_group: Option<PerGroup>,
    /// What was predicted wrong, and what was hardly decided.
    pub mistakes: Option<Mistakes>,
    /// From [`history`](crate::history).
    pub epochs: Vec<Epoch>,
    /// What the training loss is the mean of: targets, weights.
    pub training_loss: String,
    /// The epoch whose weights were kept, marked in the curves.
    pub best_epoch: Option<u64>,
    /// The per-class table and the confusion.
    pub summary: Option<Summary>,
    /// Of each class of the table; or none.
    pub intervals: Vec<ClassIntervals>,
    /// The metrics of the values of columns, such as sex or site.
    pub subgroups: Vec<Division>,
    /// ROC, precision–recall and calibration.
    pub curves: Option<Curves>,
    /// A batch as the network saw it.
    pub batch: Option<Sheet>,
    pub data: DataNotes,
    /// The resolved recipe, as YAML.
    pub recipe: String,
    /// (name, value): device, time, seed, version, commit …
    pub facts: Vec<(String, String)>,
}

/// The same where the images of a group, such as a lesion, are one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PerGroup {
    /// So many, such as `48 lesions`.
    pub groups: String,
    pub headline: Vec<Headline>,
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

    /// The page: results first, then what went wrong, then how it came to be.
    ///
    /// # Errors
    /// A picture that cannot be encoded.
    pub fn html(&self) -> Result<String> {
        let mut parts = Vec::new();
        let mut part = |id: &str, title: &str, body: Option<Markup>| {
            parts.extend(body.map(|body| Part { id: id.into(), title: title.into(), body }));
        };
        part("results", "Results", (!self.headline.is_empty()).then(|| self.results()));
        part("errors", "Worst errors", self.mistakes.as_ref().map(Mistakes::html).transpose()?);
        part("classes", "Per class", self.summary.as_ref().map(|summary| self.per_class(summary)));
        part(
            "subgroups",
            "Subgroups",
            (!self.subgroups.is_empty()).then(|| subgroups::subgroups(&self.subgroups)),
        );
        let curves =
            self.curves.as_ref().filter(|curves| curves.reliability.iter().any(|bin| bin.images > 0));
        part("roc", "ROC and calibration", curves.map(|curves| self.roc(curves)));
        part("training", "Training", (!self.epochs.is_empty()).then(|| self.curves()));
        part("batch", "A training batch", self.batch.as_ref().map(pictures::batch).transpose()?);
        part("data", "Data", self.data_table());
        part("run", "Run", (!self.facts.is_empty()).then(|| facts(&self.facts)));
        part("recipe", "Recipe", (!self.recipe.is_empty()).then(|| recipe(&self.recipe)));
        Ok(shell::document(&self.title, &self.subject, parts))
    }
}

fn facts(facts: &[(String, String)]) -> Markup {
    html! {
        dl.facts { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } }
    }
}

/// YAML with its comments subdued.
pub(crate) fn recipe(text: &str) -> Markup {
    let lines = text.trim_end().lines().map(|line| {
        let comment = if line.trim_start().starts_with('#') { Some(0) } else { line.find(" # ") };
        line.split_at(comment.unwrap_or(line.len()))
    });
    html! {
        pre { @for (code, comment) in lines { (code) @if !comment.is_empty() { i { (comment) } } "\n" } }
    }
}

#[cfg(test)]
mod tests;
