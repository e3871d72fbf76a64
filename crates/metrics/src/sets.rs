//! What challenges and recommendations measure by, as named sets of scores.

use crate::{Error, Result, Score, find};

/// Scores that belong together; the first is what is ranked by.
pub struct MetricSet {
    /// As in `--metrics isic2018`.
    pub name: &'static str,
    /// What is ranked by, what else is in it, and where that is from.
    pub summary: &'static str,
    scores: fn(&[String]) -> Result<Vec<Score>>,
}

/// Every set, in the order in which they are listed.
pub const METRIC_SETS: &[MetricSet] = &[
    MetricSet {
        name: "isic2016",
        summary: "ISIC 2016, task 3: average precision of the class malignant; accuracy, and its AUROC, sensitivity and specificity. https://challenge.isic-archive.com/landing/2016/39/",
        scores: |classes| {
            let malignant = one_of(classes, MALIGNANT)?;
            let of = |name| Score::of_classes(name, &[malignant], classes);
            let [precision, auroc] = ["average_precision", "auroc"].map(of);
            let [recall, specificity] = ["recall", "specificity"].map(of);
            Ok(vec![precision, overall("accuracy"), auroc, recall, specificity])
        },
    },
    MetricSet {
        name: "isic2017",
        summary: "ISIC 2017, task 3: mean AUROC of melanoma and seborrheic keratosis, each against the rest; AUROC and average precision of both. https://challenge.isic-archive.com/landing/2017/44",
        scores: |classes| {
            let both = [one_of(classes, MELANOMA)?, one_of(classes, SEBORRHEIC_KERATOSIS)?];
            let mut scores = vec![Score::of_classes("auroc", &both, classes)];
            scores.extend(each(&["auroc", "average_precision"], &both, classes));
            Ok(scores)
        },
    },
    MetricSet {
        name: "isic2018",
        summary: "ISIC 2018, task 3: balanced accuracy, the mean sensitivity over classes; accuracy, mean AUROC, and sensitivity, specificity and AUROC of each class. https://challenge.isic-archive.com/landing/2018/47",
        scores: balanced,
    },
    MetricSet {
        name: "isic2019",
        summary: "ISIC 2019: as isic2018; the unknown class, where there is one, counts as one more. https://challenge.isic-archive.com/landing/2019",
        scores: balanced,
    },
    MetricSet {
        name: "isic2020",
        summary: "ISIC 2020: AUROC of the class malignant; its average precision, sensitivity and specificity. https://challenge.isic-archive.com/landing/2020",
        scores: |classes| {
            let malignant = one_of(classes, MALIGNANT)?;
            Ok(each(&["auroc", "average_precision", "recall", "specificity"], &[malignant], classes))
        },
    },
    MetricSet {
        name: "medmnist",
        summary: "MedMNIST: AUROC, the mean over classes, of two classes that of the second; accuracy. Yang et al. 2023, https://doi.org/10.1038/s41597-022-01721-8",
        scores: |_| Ok(vec![overall("auroc"), overall("accuracy")]),
    },
    MetricSet {
        name: "metrics_reloaded",
        summary: "Metrics Reloaded, image-level classification: balanced accuracy and Matthews' correlation; of each class sensitivity, specificity, predictive values, F1, AUROC, average precision, sensitivity at a specificity of 0.9; Brier score, log loss, calibration errors. With an order of classes add quadratic_kappa; with unequal costs, `tallow calibrate --costs`. Maier-Hein et al. 2024, https://doi.org/10.1038/s41592-023-02151-z",
        scores: |classes| {
            let names = ["balanced_accuracy", "mcc", "auroc", "average_precision"];
            let calibration = ["brier", "log_loss", "ece", "classwise_ece"];
            let mut scores: Vec<Score> = names.into_iter().map(overall).collect();
            let of_classes = [
                "recall",
                "specificity",
                "precision",
                "npv",
                "f1",
                "auroc",
                "average_precision",
                "sensitivity_at_90_specificity",
            ];
            scores.extend(each(&of_classes, &(0..classes.len()).collect::<Vec<_>>(), classes));
            scores.extend(calibration.into_iter().map(overall));
            Ok(scores)
        },
    },
];

/// Names that the classes have in the challenges' files and in sets of classes made from them; case, spaces and hyphens do not matter.
const MALIGNANT: &[&str] = &["malignant"];
const MELANOMA: &[&str] = &["melanoma", "mel"];
const SEBORRHEIC_KERATOSIS: &[&str] = &["seborrheic_keratosis", "sk"];

impl MetricSet {
    /// Of predictions of these classes; the first is what is ranked by.
    ///
    /// # Errors
    /// [`Error::Argument`] for classes without one that the set is about.
    pub fn scores(&self, classes: &[String]) -> Result<Vec<Score>> {
        (self.scores)(classes).map_err(|error| Error::Argument(format!("{}: {error}", self.name)))
    }
}

/// What `names`, metrics, sets and numbers of classes between commas, stand for, each once.
///
/// # Errors
/// [`Error::Argument`] for a name that is none, or a set that does not fit the classes.
pub fn scores(names: &str, classes: &[String]) -> Result<Vec<Score>> {
    all(names, classes, usize::MAX)
}

/// As [`scores`], but of a set only what is ranked by.
///
/// # Errors
/// As [`scores`].
pub fn ranking_scores(names: &str, classes: &[String]) -> Result<Vec<Score>> {
    all(names, classes, 1)
}

/// At most so many of each set.
fn all(names: &str, classes: &[String], most: usize) -> Result<Vec<Score>> {
    let mut found: Vec<Score> = Vec::new();
    for name in listed(names) {
        let more = match METRIC_SETS.iter().find(|set| set.name == name) {
            Some(set) => set.scores(classes)?,
            None => vec![Score::named(name, classes)?],
        };
        for score in more.into_iter().take(most) {
            if found.iter().all(|known| known.name != score.name) {
                found.push(score);
            }
        }
    }
    if found.is_empty() {
        return Err(Error::Argument(format!("expected metrics, such as macro_f1,auroc, got `{names}`")));
    }
    Ok(found)
}

/// Between commas, but for those in brackets.
fn listed(names: &str) -> impl Iterator<Item = &str> {
    let mut within = false;
    let part = move |c: char| {
        within = c == '[' || (within && c != ']');
        c == ',' && !within
    };
    names.split(part).map(str::trim).filter(|name| !name.is_empty())
}

fn overall(name: &str) -> Score {
    Score::from(find(name).expect("a metric of the list"))
}

/// Each number of each class, class by class.
fn each(names: &[&str], of: &[usize], classes: &[String]) -> Vec<Score> {
    let of_class = |&class: &usize| names.iter().map(move |name| Score::of_classes(name, &[class], classes));
    of.iter().flat_map(of_class).collect()
}

fn balanced(classes: &[String]) -> Result<Vec<Score>> {
    let mut scores: Vec<Score> =
        ["balanced_accuracy", "accuracy", "auroc"].into_iter().map(overall).collect();
    scores.extend(each(
        &["recall", "specificity", "auroc"],
        &(0..classes.len()).collect::<Vec<_>>(),
        classes,
    ));
    Ok(scores)
}

/// The class of one of these names.
fn one_of(classes: &[String], names: &[&str]) -> Result<usize> {
    let plain = |name: &str| name.to_lowercase().replace([' ', '-'], "_");
    classes.iter().position(|class| names.contains(&&*plain(class))).ok_or_else(|| {
        Error::Argument(format!(
            "expected a class {}, got {} – name the classes as the challenge does, or choose metrics without it",
            names.join(" or "),
            classes.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::{METRIC_SETS, scores};
    use crate::random::random;
    use crate::{METRICS, Predictions, Summary};

    fn named(names: &[&str]) -> Predictions {
        let mut p = random(90, names.len(), false, 3);
        p.classes = names.iter().map(|name| (*name).to_owned()).collect();
        p
    }

    fn names(asked: &str, p: &Predictions) -> Vec<String> {
        scores(asked, &p.classes).unwrap().into_iter().map(|score| score.name).collect()
    }

    #[test]
    fn the_first_is_the_challenges_score() {
        let first = |set: &str, p: &Predictions| scores(set, &p.classes).unwrap()[0].of(p);
        // In either order of the classes.
        for (order, malignant) in [(["benign", "malignant"], 1), (["Malignant", "benign"], 0)] {
            let p = named(&order);
            let of = &Summary::of(&p).per_class[malignant];
            assert_eq!((first("isic2016", &p), first("isic2020", &p)), (of.average_precision, of.auroc));
        }
        let p = named(&["melanoma", "nevus", "seborrheic keratosis"]);
        let summary = Summary::of(&p);
        let [mel, sk] = [0, 2].map(|class| summary.per_class[class].auroc);
        assert_eq!(first("isic2017", &p), (mel + sk) / 2.0);
        for set in ["isic2018", "isic2019", "metrics_reloaded"] {
            assert_eq!(first(set, &p), summary.balanced_accuracy);
        }
        let medmnist: Vec<f64> = scores("medmnist", &p.classes).unwrap().iter().map(|s| s.of(&p)).collect();
        assert_eq!(medmnist, [summary.auroc, summary.accuracy]);
    }

    #[test]
    fn lists_are_of_sets_metrics_and_classes() {
        let p = named(&["MEL", "SK"]);
        assert_eq!(
            names("isic2017, mcc,recall[SK],mcc,", &p),
            [
                "auroc[MEL,SK]",
                "auroc[MEL]",
                "average_precision[MEL]",
                "auroc[SK]",
                "average_precision[SK]",
                "mcc",
                "recall[SK]"
            ]
        );
        let ranking = super::ranking_scores("isic2017,isic2018", &p.classes).unwrap();
        assert_eq!(
            ranking.iter().map(|score| &*score.name).collect::<Vec<_>>(),
            ["auroc[MEL,SK]", "balanced_accuracy"]
        );
        assert!(scores(" ,", &p.classes).unwrap_err().to_string().ends_with("got ` ,`"));
        assert_eq!(names("metrics_reloaded", &p).len(), 4 + 2 * 8 + 4);
        assert_eq!(names("isic2018", &p).len(), 3 + 2 * 3);
        // What a list says can be typed: a class may have a comma.
        let p = named(&["a, b", "c"]);
        assert_eq!(names("recall[a, b],auroc", &p), ["recall[a, b]", "auroc"]);
    }

    #[test]
    fn a_set_that_does_not_fit_says_which_class_it_wants() {
        let error = |set: &str| scores(set, &named(&["MEL", "NV", "BKL"]).classes).unwrap_err().to_string();
        assert_eq!(
            error("isic2017"),
            "isic2017: expected a class seborrheic_keratosis or sk, got MEL, NV, BKL – name the classes as the challenge \
             does, or choose metrics without it"
        );
        assert!(error("isic2020").starts_with("isic2020: expected a class malignant, got MEL"));
        assert!(error("isic2021").starts_with("`isic2021` is no metric;"));
        for (at, set) in METRIC_SETS.iter().enumerate() {
            assert!(METRIC_SETS[..at].iter().all(|other| other.name != set.name));
            assert!(METRICS.iter().all(|metric| metric.name != set.name), "{}", set.name);
            assert!(set.summary.contains("https://"), "{}", set.name);
        }
    }
}
