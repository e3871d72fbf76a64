//! What a model said of a dataset.

use crate::{Error, Result};

/// How far a row's sum may be from 1: single-precision softmax over a thousand classes stays well within.
const TOLERANCE: f64 = 1e-3;

/// What a model said of a dataset: everything this crate computes is a function of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// Class names, in label order.
    pub classes: Vec<String>,
    /// Of each image; none at all, nor groups, where images have no names.
    pub ids: Vec<String>,
    /// Lesion or patient of each image, where known.
    pub groups: Vec<Option<String>>,
    pub labels: Vec<u32>,
    /// Row-major (len, classes), rows sum to 1.
    pub probabilities: Vec<f64>,
}

impl Predictions {
    /// No images yet.
    pub fn new(classes: &[String]) -> Predictions {
        Predictions { classes: classes.to_vec(), ..Predictions::default() }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The name of image `index`, empty where images have none.
    pub fn id(&self, index: usize) -> &str {
        self.ids.get(index).map_or("", String::as_str)
    }

    /// The group of image `index`, where known.
    pub fn group(&self, index: usize) -> Option<&str> {
        self.groups.get(index)?.as_deref()
    }

    /// The probabilities of image `index`, (classes).
    pub fn row(&self, index: usize) -> &[f64] {
        &self.probabilities[index * self.classes.len()..][..self.classes.len()]
    }

    /// Every image's probabilities, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        // A dataset without classes has no images either; `max` only keeps `chunks` from panicking.
        self.probabilities.chunks_exact(self.classes.len().max(1))
    }

    /// argmax of row `index`; ties go to the lowest class, as numpy's.
    pub fn predicted(&self, index: usize) -> u32 {
        let row = self.row(index);
        (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best }) as u32
    }

    /// Adds an image after checking its label and probabilities.
    ///
    /// # Errors
    /// The label has no class, or the probabilities are not those of [`Predictions::validate`].
    pub fn push(&mut self, id: &str, group: Option<&str>, label: u32, probabilities: &[f64]) -> Result<()> {
        check(&self.classes, id, group, label, probabilities)?;
        self.ids.push(id.to_owned());
        self.groups.push(group.map(str::to_owned));
        self.labels.push(label);
        self.probabilities.extend_from_slice(probabilities);
        Ok(())
    }

    /// Adds an image to those without names; `id` is for an error.
    pub(crate) fn push_unnamed(&mut self, id: &str, label: u32, probabilities: &[f64]) -> Result<()> {
        check(&self.classes, id, None, label, probabilities)?;
        self.labels.push(label);
        self.probabilities.extend_from_slice(probabilities);
        Ok(())
    }

    /// Adds the images of `other`, which must have the same classes.
    ///
    /// # Errors
    /// [`Error::Shape`] for other classes; what [`Predictions::validate`] finds in `other`.
    pub fn extend(&mut self, other: &Predictions) -> Result<()> {
        if self.classes != other.classes {
            let (ours, theirs) = (self.classes.join(", "), other.classes.join(", "));
            return Err(Error::Shape(format!("expected the classes {ours}, got {theirs}")));
        }
        other.validate()?;
        self.ids.extend_from_slice(&other.ids);
        self.groups.extend_from_slice(&other.groups);
        self.labels.extend_from_slice(&other.labels);
        self.probabilities.extend_from_slice(&other.probabilities);
        Ok(())
    }

    /// Checks that the columns are of one length, that class names are different and not empty, that every label has
    /// a class and that every row is finite, within [0, 1] and sums to 1 ± 0.001.
    ///
    /// # Errors
    /// Names the first image at fault.
    pub fn validate(&self) -> Result<()> {
        let (images, classes) = (self.labels.len(), self.classes.len());
        let shape = |what: &str, expected: usize, got: usize| {
            Err(Error::Shape(format!(
                "{what}: expected {expected} for {images} images of {classes} classes, got {got}"
            )))
        };
        let unnamed = self.ids.is_empty() && self.groups.is_empty();
        if self.ids.len() != images && !unnamed {
            return shape("ids", images, self.ids.len());
        }
        if self.groups.len() != images && !unnamed {
            return shape("groups", images, self.groups.len());
        }
        if self.probabilities.len() != images * classes {
            return shape("probabilities", images * classes, self.probabilities.len());
        }
        for (index, class) in self.classes.iter().enumerate() {
            if class.is_empty() {
                return Err(Error::Shape(format!("class {index} has an empty name; expected a name")));
            }
            if self.classes[..index].contains(class) {
                return Err(Error::Shape(format!(
                    "class `{class}` is listed twice; expected different names"
                )));
            }
        }
        for index in 0..images {
            check(&self.classes, self.id(index), self.group(index), self.labels[index], self.row(index))?;
        }
        Ok(())
    }

    /// The images at `indices`, which may repeat, without ids and groups: all that a metric reads.
    #[cfg(test)]
    pub(crate) fn resampled(&self, indices: &[u32]) -> Predictions {
        let mut probabilities = Vec::with_capacity(indices.len() * self.classes.len());
        for &index in indices {
            probabilities.extend_from_slice(self.row(index as usize));
        }
        Predictions {
            classes: self.classes.clone(),
            ids: vec![String::new(); indices.len()],
            groups: vec![None; indices.len()],
            labels: indices.iter().map(|&index| self.labels[index as usize]).collect(),
            probabilities,
        }
    }
}

/// One image's row: a class for the label, a distribution over the classes.
fn check(classes: &[String], id: &str, group: Option<&str>, label: u32, row: &[f64]) -> Result<()> {
    let wrong = |problem: String| Err(Error::Row { id: id.to_owned(), problem });
    if row.len() != classes.len() {
        return wrong(format!("expected {} probabilities, one per class, got {}", classes.len(), row.len()));
    }
    if label as usize >= classes.len() {
        return wrong(format!(
            "expected a label below {}, the number of classes, got {label}",
            classes.len()
        ));
    }
    if group == Some("") {
        return wrong("expected the name of a group or none, got an empty one".to_owned());
    }
    for (class, &p) in classes.iter().zip(row) {
        if !p.is_finite() {
            return wrong(format!(
                "expected a finite probability of `{class}`, got {p}; did the training diverge?"
            ));
        }
        if !(0.0..=1.0).contains(&p) {
            return wrong(format!(
                "expected a probability of `{class}` from 0 to 1, got {p}; apply softmax to logits first"
            ));
        }
    }
    let sum: f64 = row.iter().sum();
    if (sum - 1.0).abs() > TOLERANCE {
        return wrong(format!(
            "expected probabilities that sum to 1 ± {TOLERANCE}, got {sum}; apply softmax first"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Predictions;

    fn classes() -> Vec<String> {
        ["cat", "dog", "eel"].map(str::to_owned).to_vec()
    }

    #[test]
    fn ties_go_to_the_lowest_class() {
        let mut p = Predictions::new(&classes());
        p.push("a", None, 0, &[0.2, 0.4, 0.4]).unwrap();
        p.push("b", Some("g"), 1, &[1.0 / 3.0; 3]).unwrap();
        p.push("c", None, 2, &[0.1, 0.2, 0.7]).unwrap();
        assert_eq!([0, 1, 2].map(|i| p.predicted(i)), [1, 0, 2]);
        assert_eq!((p.len(), p.rows().len()), (3, 3));
        assert_eq!(p.row(2), [0.1, 0.2, 0.7]);
        p.validate().unwrap();
    }

    #[test]
    fn a_wrong_row_is_refused_by_its_id_and_leaves_nothing() {
        let mut p = Predictions::new(&classes());
        let mut error = |label, row: &[f64]| p.push("isic_7", None, label, row).unwrap_err().to_string();
        assert_eq!(
            error(0, &[0.5, 0.5]),
            "predictions of `isic_7`: expected 3 probabilities, one per class, got 2"
        );
        assert_eq!(
            error(3, &[0.2, 0.3, 0.5]),
            "predictions of `isic_7`: expected a label below 3, the number of classes, got 3"
        );
        assert!(error(0, &[f64::NAN, 0.5, 0.5]).contains("expected a finite probability of `cat`, got NaN"));
        assert!(
            error(0, &[-0.5, 1.0, 0.5]).contains("expected a probability of `cat` from 0 to 1, got -0.5")
        );
        assert!(error(0, &[0.5, 0.25, 0.125]).contains("sum to 1 ± 0.001, got 0.875"));
        assert!(p.is_empty() && p.ids.is_empty() && p.probabilities.is_empty());
        assert!(
            p.push("a", Some(""), 0, &[1.0, 0.0, 0.0]).unwrap_err().to_string().contains("got an empty one")
        );
        p.push("fine", None, 0, &[0.3334, 0.3334, 0.3334]).unwrap(); // sums to 1.0002
    }

    #[test]
    fn validate_sees_what_was_written_past_push() {
        let mut p = Predictions::new(&classes());
        p.push("a", None, 0, &[1.0, 0.0, 0.0]).unwrap();
        let broken = |change: fn(&mut Predictions)| {
            let mut p = p.clone();
            change(&mut p);
            p.validate().unwrap_err().to_string()
        };
        assert!(broken(|p| p.probabilities[0] = 0.5).starts_with("predictions of `a`: "));
        assert!(broken(|p| p.ids.clear()).starts_with("predictions: ids: expected 1"));
        assert!(broken(|p| p.groups.push(None)).starts_with("predictions: groups: expected 1"));
        assert!(
            broken(|p| p.probabilities.truncate(2)).starts_with("predictions: probabilities: expected 3")
        );
        assert!(broken(|p| p.classes[1] = "cat".into()).contains("class `cat` is listed twice"));
        assert!(broken(|p| p.classes[1].clear()).contains("class 1 has an empty name"));
    }

    #[test]
    fn extend_wants_the_same_classes() {
        let mut p = Predictions::new(&classes());
        p.push("a", None, 0, &[1.0, 0.0, 0.0]).unwrap();
        let more = p.clone();
        p.extend(&more).unwrap();
        assert_eq!((p.len(), p.ids.join("")), (2, "aa".to_owned()));
        let other = Predictions::new(&classes()[..2]);
        let error = p.extend(&other).unwrap_err().to_string();
        assert_eq!(error, "predictions: expected the classes cat, dog, eel, got cat, dog");
    }
}
