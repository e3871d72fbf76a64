//! `calibration.json` of a checkpoint: how its probabilities are made honest, and what is decided by them.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use tallow_metrics::{Calibrator, ClassSets, Costs, Threshold};

/// What was fitted to a checkpoint's predictions, all of it optional but for where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Names the bytes of `model.safetensors`: with other weights it means nothing.
    pub weights: String,
    /// Class names, in label order.
    pub classes: Vec<String>,
    pub fitted_on: FittedOn,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probabilities: Option<Calibrator>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
    /// `costs[truth][decision]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub costs: Option<Costs>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sets: Option<ClassSets>,
    /// An image whose largest probability is lower is left to a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
}

/// The images that it was fitted to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedOn {
    /// `validation` or `test`; empty where it is not known.
    pub part: String,
    pub images: u64,
    /// The part's manifest: ids, labels and groups.
    pub data: String,
}

impl Calibration {
    /// Its name in a checkpoint's folder.
    pub const FILE: &str = "calibration.json";

    /// That of a checkpoint's folder, if it has one.
    ///
    /// # Errors
    /// A file that is damaged, or was fitted to other weights or classes.
    pub fn read(folder: &Path, classes: &[String]) -> Result<Option<Calibration>> {
        let path = folder.join(Calibration::FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let wrong = |problem: String| {
            let remedy = "calibrate the checkpoint again (tallow calibrate), or remove the file";
            Error::Data(format!("{}: {problem}; {remedy}", path.display()))
        };
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        let found: Calibration = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if found.classes != classes {
            let (theirs, ours) = (found.classes.join(", "), classes.join(", "));
            return Err(wrong(format!("is of the classes {theirs}, the checkpoint of {ours}")));
        }
        found.check().map_err(|error| wrong(error.to_string()))?;
        if found.weights != weights_of(folder)? {
            return Err(wrong("was fitted to other weights than model.safetensors".to_owned()));
        }
        Ok(Some(found))
    }

    /// Writes it into a checkpoint's folder, for the weights there: under a temporary name, then renamed.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let bound = Calibration { weights: weights_of(folder)?, ..self.clone() };
        let (path, beside) = (folder.join(Calibration::FILE), folder.join(".calibration.new"));
        let text = serde_json::to_string_pretty(&bound).expect("numbers and names") + "\n";
        fs::write(&beside, text).map_err(Error::io(&beside))?;
        fs::rename(&beside, &path).map_err(Error::io(&path))
    }

    /// Takes it out of a checkpoint's folder; whether there was one.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn remove(folder: &Path) -> Result<bool> {
        let path = folder.join(Calibration::FILE);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io(&path)(error)),
        }
    }

    fn check(&self) -> tallow_metrics::Result<()> {
        let classes = self.classes.len();
        self.probabilities.as_ref().map_or(Ok(()), |found| found.check(classes))?;
        for Threshold { class, at } in &self.thresholds {
            if !(self.classes.contains(class) && at.is_finite() && *at > 0.0) {
                let problem =
                    format!("threshold {at} of `{class}`: expected a number above 0 of one of the classes");
                return Err(tallow_metrics::Error::Argument(problem));
            }
        }
        self.costs.as_ref().map_or(Ok(()), |costs| costs.check(classes))?;
        self.sets.as_ref().map_or(Ok(()), |sets| sets.check(classes))
    }

    /// Whether it decides otherwise than by the largest probability.
    pub fn decides(&self) -> bool {
        !self.thresholds.is_empty() || self.costs.is_some() || self.least.is_some()
    }

    /// What is decided of an image by its calibrated probabilities; `None` where it is left to a person. Costs, if there are
    /// any, decide; else of the classes that reach their thresholds the one that exceeds it most; else, of the classes without a
    /// threshold, the most probable.
    pub fn decide(&self, row: &[f64]) -> Option<usize> {
        let best = |classes: &mut dyn Iterator<Item = usize>, of: &dyn Fn(usize) -> f64| {
            classes.reduce(|best, class| if of(class) > of(best) { class } else { best })
        };
        let probability = |class: usize| row[class];
        let most = best(&mut (0..row.len()), &probability)?;
        if self.least.is_some_and(|least| row[most] < least) {
            return None;
        }
        if let Some(costs) = &self.costs {
            return Some(costs.decide(row));
        }
        let threshold =
            |class: usize| self.thresholds.iter().find(|of| of.class == self.classes[class]).map(|of| of.at);
        let excess = |class: usize| threshold(class).map_or(f64::NEG_INFINITY, |at| row[class] / at);
        let called = best(&mut (0..row.len()), &excess).filter(|&class| excess(class) >= 1.0);
        // Where every class has a threshold and none reaches it, the most probable.
        called
            .or_else(|| best(&mut (0..row.len()).filter(|&class| threshold(class).is_none()), &probability))
            .or(Some(most))
    }

    /// `temperature 1.43, fitted on 120 images of the validation part`.
    pub fn describe(&self) -> String {
        let how = match &self.probabilities {
            Some(Calibrator::Temperature { temperature }) => format!("temperature {temperature:.3}"),
            Some(Calibrator::Vector { .. }) => "a weight and a bias for each class".to_owned(),
            Some(Calibrator::Isotonic { .. }) => "isotonic functions".to_owned(),
            None => "nothing changed".to_owned(),
        };
        let FittedOn { part, images, .. } = &self.fitted_on;
        let part = if part.is_empty() { String::new() } else { format!(" of the {part} part") };
        format!("{how}, fitted on {}{part}", tallow_data::counted(*images as usize, "image"))
    }
}

/// Names the bytes of a checkpoint's weights.
fn weights_of(folder: &Path) -> Result<String> {
    let path = folder.join("model.safetensors");
    Ok(tallow_data::fingerprint(&fs::read(&path).map_err(Error::io(&path))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration() -> Calibration {
        Calibration {
            weights: String::new(),
            classes: ["a", "b", "c"].map(str::to_owned).to_vec(),
            fitted_on: FittedOn { part: "validation".to_owned(), images: 9, data: String::new() },
            probabilities: Some(Calibrator::Temperature { temperature: 2.0 }),
            thresholds: Vec::new(),
            costs: None,
            sets: None,
            least: None,
        }
    }

    #[test]
    fn decisions_by_hand() {
        let mut found = calibration();
        assert!(!found.decides());
        assert_eq!(found.decide(&[0.2, 0.5, 0.3]), Some(1));
        // c is called from .25 on; below it, it is never called.
        found.thresholds = vec![Threshold { class: "c".into(), at: 0.25 }];
        assert_eq!([0.3, 0.25, 0.2].map(|c| found.decide(&[0.1, 0.9 - c, c])), [Some(2), Some(2), Some(1)]);
        found.thresholds[0].at = 0.9;
        assert_eq!(found.decide(&[0.15, 0.05, 0.8]), Some(0));
        // Of several, the one that exceeds its threshold most.
        found.thresholds =
            vec![Threshold { class: "a".into(), at: 0.1 }, Threshold { class: "c".into(), at: 0.5 }];
        assert_eq!(found.decide(&[0.2, 0.2, 0.6]), Some(0));
        // All have one, none reaches it.
        found.thresholds = ["a", "b", "c"].map(|class| Threshold { class: class.into(), at: 0.9 }).to_vec();
        assert_eq!(found.decide(&[0.2, 0.3, 0.5]), Some(2));
        found.least = Some(0.6);
        assert_eq!([0.5, 0.7].map(|c| found.decide(&[0.0, 1.0 - c, c])), [None, Some(2)]);
        let unequal = vec![vec![0.0, 1.0, 1.0], vec![9.0, 0.0, 9.0], vec![1.0, 1.0, 0.0]];
        found = Calibration { costs: Some(Costs::new(unequal, 3).unwrap()), ..calibration() };
        assert_eq!(found.decide(&[0.7, 0.2, 0.1]), Some(1));
    }

    #[test]
    fn a_file_holds_for_its_weights_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (place, classes) = (folder.path(), calibration().classes);
        fs::write(place.join("model.safetensors"), "weights").unwrap();
        assert_eq!(Calibration::read(place, &classes).unwrap(), None);
        calibration().write(place).unwrap();
        let found = Calibration::read(place, &classes).unwrap().unwrap();
        assert_eq!(Calibration { weights: String::new(), ..found }, calibration());
        let refused = |classes: &[String]| Calibration::read(place, classes).unwrap_err().to_string();
        assert!(refused(&classes[..2]).contains("is of the classes a, b, c, the checkpoint of a, b;"));
        fs::write(place.join("model.safetensors"), "others").unwrap();
        assert!(refused(&classes).contains("was fitted to other weights than model.safetensors; calibrate"));
        let stranger = Threshold { class: "d".into(), at: 0.5 };
        Calibration { thresholds: vec![stranger], ..calibration() }.write(place).unwrap();
        assert!(refused(&classes).contains("threshold 0.5 of `d`"));
        fs::write(place.join(Calibration::FILE), "{").unwrap();
        assert!(refused(&classes).contains("calibration.json: EOF"));
        assert!(Calibration::remove(place).unwrap() && !Calibration::remove(place).unwrap());
    }
}
