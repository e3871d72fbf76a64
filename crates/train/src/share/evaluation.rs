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
pub struct Evaluation<'a> {
    /// Such as a checkpoint's folder.
    pub name: &'a str,
    /// What was evaluated, such as `test part, 897 images`.
    pub what: String,
    /// What is counted: images, or groups.
    pub rows: &'a Predictions,
    pub summary: &'a Summary,
    pub measured: &'a Measured,
    pub subgroups: Vec<Division>,
    /// How images were asked about, and by what their probabilities were calibrated.
    pub notes: Vec<String>,
    /// Of predictions that a file held nothing more is known.
    pub asked: Option<Asked<'a>>,
}

/// A network that was asked about images.
pub struct Asked<'a> {
    /// Of several, the first.
    pub model: &'a Model,
    pub data: &'a Arc<dyn Dataset>,
    /// Of the data: `test`.
    pub part: &'a str,
    /// What it said of every image.
    pub images: &'a Predictions,
}

impl Evaluation<'_> {
    /// Writes the page.
    ///
    /// # Errors
    /// A picture that cannot be encoded, a file that cannot be written.
    pub fn write(self, path: &Path) -> Result<()> {
        let mut report = Report {
            title: self.name.to_owned(),
            evaluated: self.what,
            headline: self.measured.headline.clone(),
            summary: Some(self.summary.clone()),
            intervals: self.measured.per_class.clone(),
            subgroups: self.subgroups,
            curves: Some(Curves::of(self.rows)),
            data: DataNotes {
                notes: self.notes.iter().map(|note| sentence(note)).collect(),
                ..DataNotes::default()
            },
            facts: vec![("tallow".to_owned(), format!("{} ({})", crate::VERSION, crate::COMMIT))],
            ..Report::default()
        };
        if let Some(asked) = self.asked {
            asked.add_to(&mut report);
        }
        Ok(report.write(path)?)
    }
}

impl Asked<'_> {
    fn add_to(&self, report: &mut Report) {
        let Asked { model, data, part, images } = self;
        let mut mistakes = shown(model, data, images, if *part == "all" { "" } else { part });
        if !report.data.notes.is_empty() && !mistakes.maps.is_empty() {
            mistakes.maps += " The maps are of one look by the first network, without a calibration.";
        }
        report.mistakes = Some(mistakes);
        report.subject = format!("{}, data {}.", model.plan.model.spec.name, model.plan.data.source.name);
        report.data.splits = vec![split_note(part, &***data)];
        report.recipe = model.recipe();
        let facts = [
            ("device", device_name(&model.device)),
            ("parameters", model.params.size().to_string()),
            ("data manifest", manifest(&***data)),
        ];
        report.facts.splice(0..0, facts.map(|(name, value)| (name.to_owned(), value)));
    }
}
