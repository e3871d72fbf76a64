//! From an evaluation to a page like the report of a run.

use super::present::{Measured, sentence};
use super::shown::shown;
use crate::Result;
use crate::run::{Model, device_name, split_note};
use std::path::Path;
use std::sync::Arc;
use tallow_data::{Dataset, manifest};
use tallow_metrics::{Curves, Predictions, Summary};
use tallow_report::{DataNotes, Division, Report};

/// What was evaluated, and what came of it.
pub struct Evaluated<'a> {
    /// Such as a checkpoint's folder.
    pub name: &'a str,
    /// Of the data: `test`.
    pub part: &'a str,
    /// The network; of several, the first.
    pub model: &'a Model,
    pub data: &'a Arc<dyn Dataset>,
    /// Of every image.
    pub images: &'a Predictions,
    /// What is counted: the same, or groups.
    pub rows: &'a Predictions,
    /// How many they are, in words.
    pub what: &'a str,
    pub summary: &'a Summary,
    pub measured: &'a Measured,
    pub subgroups: Vec<Division>,
    /// How images were asked about, and by what their probabilities were calibrated.
    pub notes: Vec<String>,
}

impl Evaluated<'_> {
    /// Writes the page.
    ///
    /// # Errors
    /// A picture that cannot be encoded, a file that cannot be written.
    pub fn write(self, path: &Path) -> Result<()> {
        let Evaluated { model, part, what, images, rows, .. } = self;
        let mut mistakes = shown(model, self.data, images, if part == "all" { "" } else { part });
        if !self.notes.is_empty() && !mistakes.maps.is_empty() {
            mistakes.maps += " The maps are of one look by the first network, without a calibration.";
        }
        let facts = [
            ("device", device_name(&model.device)),
            ("parameters", model.params.size().to_string()),
            ("tallow", format!("{} ({})", crate::VERSION, crate::COMMIT)),
            ("data manifest", manifest(&**self.data)),
        ];
        let report = Report {
            subject: format!("{}, data {}.", model.plan.model.spec.name, model.plan.data.source.name),
            title: self.name.to_owned(),
            evaluated: format!("{part} part: {what}"),
            headline: self.measured.headline.clone(),
            mistakes: Some(mistakes),
            summary: Some(self.summary.clone()),
            intervals: self.measured.per_class.clone(),
            subgroups: self.subgroups,
            curves: Some(Curves::of(rows)),
            data: DataNotes {
                splits: vec![split_note(part, &**self.data)],
                notes: self.notes.iter().map(|note| sentence(note)).collect(),
                broken: Vec::new(),
            },
            recipe: model.recipe(),
            facts: facts.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            ..Report::default()
        };
        Ok(report.write(path)?)
    }
}
