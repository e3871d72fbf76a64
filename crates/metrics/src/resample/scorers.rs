//! Metrics of some of the images of predictions: what does not depend on which is computed once.
//!
//! Equal to the metric of the drawn rows. Of images with replacement it is that to the bit, in the order of the draw: sums add the same
//! numbers in the same order.

mod classes;

use super::ranked::{Areas, Ranked, Thresholds};
use super::sums::Sums;
use super::{Batch, Clusters, LANES, Lanes};
use crate::metric::Form;
use crate::probability::{BINS, EqualMasses, bin, class_gap, gap};
use crate::ranking::{self, Area};
use crate::resample::cells::Cells;
use crate::score::{ClassForm, Of};
use crate::{Confusion, Predictions, Score};

pub(crate) use classes::ClassNumbers;

/// Metrics of predictions, ready for draws of them.
pub(crate) struct Scorers {
    metrics: Vec<Prepared>,
    cells: Option<Cells>,
    /// By class, where it is read.
    ranked: Vec<Option<Ranked>>,
    roc: bool,
    precision: bool,
    by_class: bool,
}

enum Prepared {
    Counts(fn(&Confusion) -> f64),
    /// The mean area, by support or not.
    Roc(bool),
    Precision(bool),
    /// Others, which need every threshold.
    Areas(Area, bool, Vec<Option<Thresholds>>),
    /// The mean over some classes.
    ClassCounts(fn(&Confusion, usize) -> f64, Vec<usize>),
    ClassRoc(Vec<usize>),
    ClassPrecision(Vec<usize>),
    ClassAreas(Area, Vec<Thresholds>),
    /// The number whose mean it is, to be added in the order of the draw.
    MeanInOrder(Vec<f64>),
    /// Bin and right − confidence of each image, once or for each class, to be added in the order of the draw.
    BinsInOrder(Vec<Vec<(u32, f64)>>),
    Mean(Sums),
    Bins(Vec<Sums>),
    Masses(Sums),
}

/// What a batch of draws is by some metrics.
pub(crate) struct Scores {
    /// In the order of the metrics.
    pub values: Vec<Lanes<f64>>,
    /// By class, where they were asked for.
    pub classes: Vec<Lanes<ClassNumbers>>,
}

impl Scorers {
    /// For draws of clusters with replacement.
    pub(crate) fn of_draws(metrics: &[Score], predictions: &Predictions, clusters: &Clusters) -> Scorers {
        Scorers::new(metrics, predictions, &clusters.rows(), true, false)
    }

    /// And the numbers of each class.
    pub(crate) fn by_class(metrics: &[Score], predictions: &Predictions, clusters: &Clusters) -> Scorers {
        Scorers::new(metrics, predictions, &clusters.rows(), true, true)
    }

    /// For swaps of clusters: `both` has the images of one model, then those of the other.
    pub(crate) fn of_swaps(metrics: &[Score], both: &Predictions, clusters: &Clusters) -> Scorers {
        Scorers::new(metrics, both, &clusters.rows_of_two(), false, false)
    }

    fn new(
        metrics: &[Score],
        predictions: &Predictions,
        rows: &[u32],
        in_order: bool,
        by_class: bool,
    ) -> Scorers {
        let classes = predictions.classes.len();
        let prepared = |metric: &Score| Prepared::new(&metric.of, predictions, rows, in_order);
        let metrics: Vec<Prepared> = metrics.iter().map(prepared).collect();
        let has = |is: fn(&Prepared) -> bool| metrics.iter().any(is);
        let roc = by_class || has(|of| matches!(of, Prepared::Roc(_) | Prepared::ClassRoc(_)));
        let precision = has(|of| matches!(of, Prepared::Precision(_) | Prepared::ClassPrecision(_)));
        let cells = by_class || has(|of| matches!(of, Prepared::Counts(_) | Prepared::ClassCounts(..)));
        let ranked = |class: usize| {
            let is_read = |of: &Prepared| match of {
                Prepared::Roc(_) | Prepared::Precision(_) => is_in_mean(class, classes),
                Prepared::ClassRoc(of) | Prepared::ClassPrecision(of) => of.contains(&class),
                _ => false,
            };
            let wanted = by_class || metrics.iter().any(is_read);
            wanted.then(|| Ranked::of(predictions, class, rows))
        };
        Scorers {
            cells: cells.then(|| Cells::of(predictions, rows)),
            ranked: (0..classes).map(ranked).collect(),
            metrics,
            roc,
            precision,
            by_class,
        }
    }

    /// Whether any metric asks for [`Scorers::in_order`].
    pub(crate) fn has_order(&self) -> bool {
        let of = |metric: &Prepared| matches!(metric, Prepared::MeanInOrder(_) | Prepared::BinsInOrder(_));
        self.metrics.iter().any(of)
    }

    pub(crate) fn scores(&self) -> Scores {
        Scores { values: vec![[f64::NAN; LANES]; self.metrics.len()], classes: Vec::new() }
    }

    /// Scores the images of one draw, in their order, by the metrics that depend on it.
    pub(crate) fn in_order(&self, images: &[u32], lane: usize, scores: &mut Scores) {
        for (metric, values) in self.metrics.iter().zip(&mut scores.values) {
            match metric {
                Prepared::MeanInOrder(terms) => {
                    let sum: f64 = images.iter().map(|&image| terms[image as usize]).sum();
                    values[lane] = sum / images.len() as f64;
                }
                Prepared::BinsInOrder(sets) => {
                    let of = |set: &Vec<(u32, f64)>| {
                        let mut gaps = [0.0; BINS];
                        for &image in images {
                            let (bin, gap) = set[image as usize];
                            gaps[bin as usize] += gap;
                        }
                        gaps.iter().map(|gap| gap.abs()).sum::<f64>() / images.len() as f64
                    };
                    values[lane] = sets.iter().map(of).sum::<f64>() / sets.len() as f64;
                }
                _ => {}
            }
        }
    }

    /// Scores a batch of draws by all other metrics.
    pub(crate) fn of(&self, batch: &Batch, scores: &mut Scores) {
        let confusions = self.cells.as_ref().map(|cells| cells.confusions(batch));
        let confusion = |lane: usize| &confusions.as_ref().expect("counted where they are read")[lane];
        let areas = |ranked: &Option<Ranked>| Some(ranked.as_ref()?.areas(batch, self.roc, self.precision));
        let areas: Vec<Option<Areas>> = self.ranked.iter().map(areas).collect();
        let classes = areas.len();
        let mean = |lane: usize, weighted, of: &dyn Fn(&Areas) -> &Lanes<f64>| {
            ranking::mean(classes, weighted, |class| {
                let areas = areas[class].as_ref().expect("ranked where it is read");
                (of(areas)[lane], areas.positives[lane])
            })
        };
        let mean_of = |of: &[usize], value: &dyn Fn(usize) -> f64| {
            of.iter().map(|&class| value(class)).sum::<f64>() / of.len() as f64
        };
        let area = |class: usize| areas[class].as_ref().expect("ranked where it is read");
        let per_image = |lane: usize, value: f64| value / f64::from(batch.images[lane]);
        for (metric, values) in self.metrics.iter().zip(&mut scores.values) {
            match metric {
                Prepared::MeanInOrder(_) | Prepared::BinsInOrder(_) => {}
                Prepared::Counts(of) => *values = std::array::from_fn(|lane| of(confusion(lane))),
                Prepared::Roc(weighted) => {
                    *values = std::array::from_fn(|lane| mean(lane, *weighted, &|areas| &areas.roc));
                }
                Prepared::Precision(weighted) => {
                    *values = std::array::from_fn(|lane| mean(lane, *weighted, &|areas| &areas.precision));
                }
                Prepared::Areas(area, weighted, thresholds) => {
                    let of = |thresholds: &Option<Thresholds>| Some(thresholds.as_ref()?.areas(*area, batch));
                    let areas: Vec<Option<Lanes<(f64, u64)>>> = thresholds.iter().map(of).collect();
                    let of = |lane: usize, class: usize| areas[class].expect("ranked where it is read")[lane];
                    *values = std::array::from_fn(|lane| {
                        ranking::mean(classes, *weighted, |class| of(lane, class))
                    });
                }
                Prepared::ClassCounts(of, classes) => {
                    *values =
                        std::array::from_fn(|lane| mean_of(classes, &|class| of(confusion(lane), class)));
                }
                Prepared::ClassRoc(of) => {
                    *values = std::array::from_fn(|lane| mean_of(of, &|class| area(class).roc[lane]));
                }
                Prepared::ClassPrecision(of) => {
                    *values = std::array::from_fn(|lane| mean_of(of, &|class| area(class).precision[lane]));
                }
                Prepared::ClassAreas(area, thresholds) => {
                    let areas: Vec<Lanes<(f64, u64)>> =
                        thresholds.iter().map(|of| of.areas(*area, batch)).collect();
                    *values = std::array::from_fn(|lane| {
                        areas.iter().map(|areas| areas[lane].0).sum::<f64>() / areas.len() as f64
                    });
                }
                Prepared::Mean(sums) => sums.each(batch, |_, sums| {
                    *values = std::array::from_fn(|lane| per_image(lane, sums[lane]));
                }),
                Prepared::Bins(sets) => {
                    let mut gaps = [0.0; LANES];
                    for set in sets {
                        set.each(batch, |_, sums| {
                            gaps.iter_mut().zip(sums).for_each(|(gap, sum)| *gap += sum.abs());
                        });
                    }
                    let of = |lane| per_image(lane, gaps[lane]) / sets.len() as f64;
                    *values = std::array::from_fn(of);
                }
                Prepared::Masses(sums) => {
                    let mut masses: Lanes<EqualMasses> =
                        std::array::from_fn(|lane| EqualMasses::of(u64::from(batch.images[lane])));
                    sums.each(batch, |counts, sums| {
                        let lanes = masses.iter_mut().zip(counts).zip(sums);
                        lanes.for_each(|((masses, count), sum)| masses.add(u64::from(count), sum));
                    });
                    *values = masses.map(|masses| masses.error());
                }
            }
        }
        if self.by_class {
            let of_class = |(class, areas): (usize, &Option<Areas>)| {
                let roc = &areas.as_ref().expect("all are ranked").roc;
                std::array::from_fn(|lane| ClassNumbers::of(confusion(lane), class, roc[lane]))
            };
            scores.classes = areas.iter().enumerate().map(of_class).collect();
        }
    }
}

/// Whether a mean area reads a class: of two classes it is that of the second.
fn is_in_mean(class: usize, classes: usize) -> bool {
    classes != 2 || class == 1
}

impl Prepared {
    fn new(of: &Of, predictions: &Predictions, rows: &[u32], in_order: bool) -> Prepared {
        let classes = predictions.classes.len();
        let thresholds = |class| Thresholds::of(predictions, class, rows);
        match of {
            Of::Metric(metric) => match metric.form {
                Form::Areas(area @ (Area::Partial(_) | Area::SensitivityAt(_)), weighted) => {
                    let of = |class| is_in_mean(class, classes).then(|| thresholds(class));
                    Prepared::Areas(area, weighted, (0..classes).map(of).collect())
                }
                form => Prepared::of_form(form, predictions, rows, in_order),
            },
            Of::Classes(ClassForm::Counts(counts), of) => Prepared::ClassCounts(*counts, of.clone()),
            Of::Classes(ClassForm::Area(Area::Roc), of) => Prepared::ClassRoc(of.clone()),
            Of::Classes(ClassForm::Area(Area::Precision), of) => Prepared::ClassPrecision(of.clone()),
            Of::Classes(ClassForm::Area(area), of) => {
                Prepared::ClassAreas(*area, of.iter().map(|&class| thresholds(class)).collect())
            }
        }
    }

    fn of_form(form: Form, predictions: &Predictions, rows: &[u32], in_order: bool) -> Prepared {
        let images = 0..predictions.len();
        let sums = |of: &dyn Fn(usize) -> (u32, f64)| {
            let image = |image| {
                let (bin, gap) = of(image);
                (bin, rows[image], gap)
            };
            Sums::by(images.clone().map(image).collect())
        };
        match form {
            Form::Counts(of) => Prepared::Counts(of),
            Form::Areas(Area::Precision, weighted) => Prepared::Precision(weighted),
            Form::Areas(_, weighted) => Prepared::Roc(weighted),
            Form::Mean(of) => {
                let term = |image: usize| of(predictions.row(image), predictions.labels[image] as usize);
                if in_order {
                    Prepared::MeanInOrder(images.map(term).collect())
                } else {
                    Prepared::Mean(sums(&|image| (0, term(image))))
                }
            }
            Form::Bins { classwise } => {
                let binned = |(p, gap)| (bin(p) as u32, gap);
                let of_image = |class: usize, image: usize| {
                    binned(if classwise {
                        class_gap(predictions, image, class)
                    } else {
                        gap(predictions, image)
                    })
                };
                let sets = 0..if classwise { predictions.classes.len() } else { 1 };
                if in_order {
                    let of = |set| images.clone().map(|image| of_image(set, image)).collect();
                    Prepared::BinsInOrder(sets.map(of).collect())
                } else {
                    Prepared::Bins(sets.map(|set| sums(&|image| of_image(set, image))).collect())
                }
            }
            Form::Masses => {
                let image = |image: usize| {
                    let (confidence, gap) = gap(predictions, image);
                    (confidence, rows[image], gap)
                };
                Prepared::Masses(Sums::by(images.map(image).collect()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
