//! A metric of all classes, or a number of single ones: `macro_f1`, `recall[MEL]`.

use crate::metric::Form;
use crate::ranking::Area;
use crate::resample::{Clusters, Scorers, defined, percentiles};
use crate::{Better, Confusion, Error, Metric, Predictions, Resampling, Result, find};

/// A number of predictions of certain classes.
#[derive(Clone, Debug)]
pub struct Score {
    /// As in `--metrics macro_f1,recall[MEL]`.
    pub name: String,
    /// Formula, and what is done with absent classes.
    pub summary: &'static str,
    pub better: Better,
    pub(crate) of: Of,
}

/// What a score is a function of.
#[derive(Clone, Debug)]
pub(crate) enum Of {
    Metric(Metric),
    /// The mean over some classes.
    Classes(ClassForm, Vec<usize>),
}

/// A number of one class against the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ClassForm {
    Counts(fn(&Confusion, usize) -> f64),
    Area(Area),
}

/// A number that every class has. All are better higher.
#[derive(Clone, Copy, Debug)]
pub struct ClassMetric {
    /// As in `recall[MEL]`.
    pub name: &'static str,
    pub summary: &'static str,
    form: ClassForm,
}

/// Every number of a class.
pub const CLASS_METRICS: &[ClassMetric] = &[
    ClassMetric {
        name: "recall",
        summary: "sensitivity, TP / (TP + FN); 0 if the class is absent",
        form: ClassForm::Counts(Confusion::recall),
    },
    ClassMetric {
        name: "specificity",
        summary: "TN / (TN + FP); 0 if every image is of the class",
        form: ClassForm::Counts(Confusion::specificity),
    },
    ClassMetric {
        name: "precision",
        summary: "positive predictive value, TP / (TP + FP); 0 if the class is never predicted",
        form: ClassForm::Counts(Confusion::precision),
    },
    ClassMetric {
        name: "npv",
        summary: "negative predictive value, TN / (TN + FN); 0 if the class is always predicted",
        form: ClassForm::Counts(Confusion::negative_predictive_value),
    },
    ClassMetric {
        name: "f1",
        summary: "2 TP / (2 TP + FP + FN); 0 if the class is absent and never predicted",
        form: ClassForm::Counts(Confusion::f1),
    },
    ClassMetric {
        name: "f2",
        summary: "5 TP / (5 TP + 4 FN + FP); 0 if the class is absent and never predicted",
        form: ClassForm::Counts(|confusion, class| confusion.f_beta(class, 2.0)),
    },
    ClassMetric {
        name: "auroc",
        summary: "area under the ROC curve against the rest; undefined without images on either side",
        form: ClassForm::Area(Area::Roc),
    },
    ClassMetric {
        name: "average_precision",
        summary: "Σ (R_k − R_(k−1)) P_k against the rest; 0 if the class is absent",
        form: ClassForm::Area(Area::Precision),
    },
    ClassMetric {
        name: "sensitivity_at_90_specificity",
        summary: "sensitivity of the lowest threshold with a specificity of at least 0.9; undefined without images on either side",
        form: ClassForm::Area(Area::SensitivityAt(0.9)),
    },
];

impl From<&Metric> for Score {
    fn from(metric: &Metric) -> Score {
        Score {
            name: metric.name.to_owned(),
            summary: metric.summary,
            better: metric.better,
            of: Of::Metric(*metric),
        }
    }
}

impl Score {
    /// Of one class, or the mean over several: `auroc[MEL,SK]`.
    pub(crate) fn of_classes(metric: &str, of: &[usize], classes: &[String]) -> Score {
        let metric = CLASS_METRICS.iter().find(|known| known.name == metric).expect("listed above");
        let names: Vec<&str> = of.iter().map(|&class| &*classes[class]).collect();
        Score {
            name: format!("{}[{}]", metric.name, names.join(",")),
            summary: metric.summary,
            better: Better::Higher,
            of: Of::Classes(metric.form, of.to_vec()),
        }
    }

    /// The score of that name.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name that is none, with those that are.
    pub fn named(name: &str, classes: &[String]) -> Result<Score> {
        if let Some(metric) = find(name) {
            return Ok(Score::from(metric));
        }
        let of_class = name.strip_suffix(']').and_then(|name| name.split_once('['));
        let Some((metric, of)) = of_class else {
            let known: Vec<&str> = crate::METRICS.iter().map(|metric| metric.name).collect();
            let sets: Vec<&str> = crate::METRIC_SETS.iter().map(|set| set.name).collect();
            return Err(Error::Argument(format!(
                "`{name}` is no metric; expected one of {}, a set, one of {}, or a number of a class, such as recall[{}]",
                known.join(", "),
                sets.join(", "),
                classes.first().map_or("", |class| class)
            )));
        };
        if !CLASS_METRICS.iter().any(|known| known.name == metric) {
            let known: Vec<&str> = CLASS_METRICS.iter().map(|metric| metric.name).collect();
            return Err(Error::Argument(format!(
                "`{name}`: classes have no `{metric}`; expected one of {}",
                known.join(", ")
            )));
        }
        let Some(class) = classes.iter().position(|class| class == of) else {
            let known = classes.join(", ");
            return Err(Error::Argument(format!("`{name}`: `{of}` is no class; expected one of {known}")));
        };
        Ok(Score::of_classes(metric, &[class], classes))
    }

    /// The score of `predictions`, which must be valid ([`Predictions::validate`]).
    pub fn of(&self, predictions: &Predictions) -> f64 {
        match &self.of {
            Of::Metric(metric) => (metric.of)(predictions),
            Of::Classes(form, classes) => {
                let confusion = || Confusion::of(predictions);
                let of = |class: &usize| match form {
                    ClassForm::Counts(of) => of(&confusion(), *class),
                    ClassForm::Area(area) => area.of_class(predictions, *class),
                };
                classes.iter().map(of).sum::<f64>() / classes.len() as f64
            }
        }
    }

    /// Whether it is the area that DeLong's test is of.
    pub(crate) fn is_auroc(&self) -> bool {
        matches!(self.of, Of::Metric(Metric { form: Form::Areas(Area::Roc, false), .. }))
    }
}

/// [`crate::intervals`] of scores.
///
/// # Errors
/// As [`crate::interval`].
pub fn intervals_of_scores(
    predictions: &Predictions,
    scores: &[Score],
    how: &Resampling,
) -> Result<Vec<(f64, f64)>> {
    how.check()?;
    predictions.validate()?;
    let clusters = Clusters::of(predictions, how.by_group);
    let scorers = [Scorers::of_draws(scores, predictions, &clusters)];
    let values = how.bootstrap(&clusters, &scorers, |_, scores, lane| {
        scores[0].values.iter().map(|lanes| lanes[lane]).collect::<Vec<f64>>()
    });
    let of = |at: usize| percentiles(&defined(values.iter().map(|values| values[at]).collect()), how.level);
    Ok((0..scores.len()).map(of).collect())
}

#[cfg(test)]
mod tests {
    use tallow_seed::Seed;

    use super::{CLASS_METRICS, Of, Score, intervals_of_scores};
    use crate::random::random;
    use crate::resample::{Clusters, Scorers};
    use crate::{Better, Resampling, Summary, find};

    #[test]
    fn names_are_of_metrics_or_of_a_class() {
        let p = random(60, 3, true, 2);
        let of = |name: &str| Score::named(name, &p.classes).unwrap().of(&p);
        assert_eq!(of("macro_f1"), (find("macro_f1").unwrap().of)(&p));
        let summary = Summary::of(&p);
        for (class, numbers) in summary.per_class.iter().enumerate() {
            let of = |name: &str| of(&format!("{name}[c{class}]"));
            assert_eq!([of("recall"), of("specificity")], [numbers.recall, numbers.specificity]);
            assert_eq!([of("precision"), of("f1")], [numbers.precision, numbers.f1]);
            assert_eq!([of("auroc"), of("average_precision")], [numbers.auroc, numbers.average_precision]);
        }
        let mean = Score::of_classes("auroc", &[0, 2], &p.classes);
        assert_eq!(mean.name, "auroc[c0,c2]");
        assert_eq!(mean.of(&p), (summary.per_class[0].auroc + summary.per_class[2].auroc) / 2.0);
        assert_eq!(Score::named("brier", &p.classes).unwrap().better, Better::Lower);
        let error = |name: &str| Score::named(name, &p.classes).unwrap_err().to_string();
        assert!(error("macro-f1").starts_with("`macro-f1` is no metric; expected one of accuracy, micro_f1"));
        assert!(error("macro-f1").ends_with("such as recall[c0]"));
        assert!(
            error("kappa[c0]").starts_with("`kappa[c0]`: classes have no `kappa`; expected one of recall")
        );
        assert_eq!(error("f1[c9]"), "`f1[c9]`: `c9` is no class; expected one of c0, c1, c2");
    }

    /// Of two classes too, where a mean area reads only one.
    #[test]
    fn scores_of_draws_are_those_of_the_drawn_rows() {
        for classes in [2, 4] {
            let p = random(80, classes, true, 6);
            let of = |class: usize| CLASS_METRICS.iter().map(move |metric| (metric.name, vec![class]));
            let scores: Vec<Score> = of(0)
                .chain(of(1))
                .chain([("auroc", vec![0, 1])])
                .map(|(name, of)| Score::of_classes(name, &of, &p.classes))
                .chain([Score::from(find("auroc").unwrap())])
                .collect();
            let how = Resampling { resamples: 30, level: 0.9, by_group: true, seed: Seed::new(2) };
            let clusters = Clusters::of(&p, true);
            let scorers = [Scorers::of_draws(&scores, &p, &clusters)];
            how.bootstrap(&clusters, &scorers, |seed, found, lane| {
                let (mut drawn, mut images) = (Vec::new(), Vec::new());
                clusters.draw(&mut seed.rng(), &mut drawn);
                let rows = p.resampled(clusters.images_of(&drawn, &mut images));
                for (score, found) in scores.iter().zip(&found[0].values) {
                    let (got, expected) = (found[lane], score.of(&rows));
                    let both = got.is_nan() && expected.is_nan();
                    assert!(both || (got - expected).abs() < 1e-12, "{}: {got} {expected}", score.name);
                }
            });
            let ends = intervals_of_scores(&p, &scores, &how).unwrap();
            let last = scores.len() - 1;
            assert!(matches!(scores[last].of, Of::Metric(_)));
            assert_eq!(ends[last], crate::interval(&p, find("auroc").unwrap(), &how).unwrap());
            assert!(ends.iter().all(|(low, high)| low <= high), "{ends:?}");
        }
    }
}
