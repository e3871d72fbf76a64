//! A metric of some of the images of predictions: what does not depend on which is computed once.
//!
//! Equal to the metric of the drawn rows, in the order of the draw: sums add the same numbers in the same order.

mod classes;

use super::Draw;
use crate::metric::Form;
use crate::probability::{BINS, bin, class_gap, gap, in_equal_masses};
use crate::ranking::{self, Area};
use crate::{Confusion, Metric, Predictions};

pub(crate) use classes::{ClassNumbers, ClassScorer};

/// A metric of predictions, ready for draws of them.
pub(crate) struct Scorer {
    classes: usize,
    form: Prepared,
}

enum Prepared {
    /// The cell of the confusion that each image is in.
    Counts { cells: Vec<u32>, of: fn(&Confusion) -> f64 },
    /// The number whose mean it is.
    Mean(Vec<f64>),
    /// Bin and right − confidence of each image, once or for each class.
    Bins(Vec<Vec<(u32, f64)>>),
    /// The order of the images by confidence, whether the next one's is another; right − confidence of each.
    Masses { order: Vec<(u32, bool)>, gaps: Vec<f64> },
    /// The order of the images by the score of each class; of two classes, of class 1.
    Areas { labels: Vec<u32>, orders: Vec<Order>, area: Area, weighted: bool },
}

impl Scorer {
    pub(crate) fn new(metric: &Metric, predictions: &Predictions) -> Scorer {
        let classes = predictions.classes.len();
        let images = 0..predictions.len();
        let label = |image: usize| predictions.labels[image];
        let form = match metric.form {
            Form::Counts(of) => {
                let cell = |image| label(image) * classes as u32 + predictions.predicted(image);
                Prepared::Counts { cells: images.map(cell).collect(), of }
            }
            Form::Mean(of) => Prepared::Mean(
                images.map(|image| of(predictions.row(image), label(image) as usize)).collect(),
            ),
            Form::Bins { classwise } => {
                let binned = |(p, gap)| (bin(p) as u32, gap);
                Prepared::Bins(if classwise {
                    let of = |class| {
                        images.clone().map(|image| binned(class_gap(predictions, image, class))).collect()
                    };
                    (0..classes).map(of).collect()
                } else {
                    vec![images.map(|image| binned(gap(predictions, image))).collect()]
                })
            }
            Form::Masses => {
                let (confidences, gaps): (Vec<f64>, Vec<f64>) =
                    images.map(|image| gap(predictions, image)).unzip();
                let confidence = |image: u32| confidences[image as usize];
                let mut order: Vec<u32> = (0..predictions.len() as u32).collect();
                order.sort_unstable_by(|&a, &b| confidence(a).total_cmp(&confidence(b)));
                let last = |at: usize| {
                    order.get(at + 1).is_none_or(|&next| confidence(next) != confidence(order[at]))
                };
                let order = order.iter().enumerate().map(|(at, &image)| (image, last(at))).collect();
                Prepared::Masses { order, gaps }
            }
            Form::Areas(area, weighted) => {
                let order = |class| Order::of(predictions, class);
                let orders = if classes == 2 { vec![order(1)] } else { (0..classes).map(order).collect() };
                Prepared::Areas { labels: predictions.labels.clone(), orders, area, weighted }
            }
        };
        Scorer { classes, form }
    }

    /// The metric of the images of a draw.
    pub(crate) fn of(&self, draw: &Draw) -> f64 {
        let drawn = draw.images.len() as f64;
        match &self.form {
            Prepared::Counts { cells, of } => {
                let mut counts = vec![0; self.classes * self.classes];
                draw.images.iter().for_each(|&image| counts[cells[image as usize] as usize] += 1);
                of(&Confusion::from_counts(self.classes, counts))
            }
            Prepared::Mean(terms) => {
                draw.images.iter().map(|&image| terms[image as usize]).sum::<f64>() / drawn
            }
            Prepared::Bins(sets) => {
                let of = |images: &Vec<(u32, f64)>| {
                    let mut gaps = [0.0; BINS];
                    for &image in &draw.images {
                        let (bin, gap) = images[image as usize];
                        gaps[bin as usize] += gap;
                    }
                    gaps.iter().map(|gap| gap.abs()).sum::<f64>() / drawn
                };
                sets.iter().map(of).sum::<f64>() / sets.len() as f64
            }
            Prepared::Masses { order, gaps } => {
                let mut images = order.iter();
                let tied = std::iter::from_fn(|| {
                    let (mut count, mut gap) = (0, 0.0);
                    for &(image, last) in images.by_ref() {
                        let times = draw.times[image as usize];
                        count += u64::from(times);
                        gap += f64::from(times) * gaps[image as usize];
                        if last {
                            return Some((count, gap));
                        }
                    }
                    None
                });
                in_equal_masses(tied, draw.images.len() as u64)
            }
            Prepared::Areas { labels, orders, area, weighted } => {
                let mut supports = vec![0; self.classes];
                draw.images.iter().for_each(|&image| supports[labels[image as usize] as usize] += 1);
                ranking::mean(self.classes, *weighted, |class| {
                    let order = if self.classes == 2 { &orders[0] } else { &orders[class] };
                    let positives = supports[class];
                    (
                        area.of(order.thresholds(draw), positives, draw.images.len() as u64 - positives),
                        positives,
                    )
                })
            }
        }
    }
}

/// Images by descending score of a class: the image, whether it is of the class, whether the next one's score is another.
struct Order(Vec<u32>);

const POSITIVE: u32 = 1;
const LAST: u32 = 2;

impl Order {
    fn of(predictions: &Predictions, class: usize) -> Order {
        let score = |image: u32| predictions.row(image as usize)[class];
        let mut images: Vec<u32> = (0..predictions.len() as u32).collect();
        images.sort_unstable_by(|&a, &b| score(b).total_cmp(&score(a)));
        let entry = |at: usize| {
            let image = images[at];
            let positive = predictions.labels[image as usize] as usize == class;
            let last = images.get(at + 1).is_none_or(|&next| score(next) != score(image));
            image << 2 | if last { LAST } else { 0 } | if positive { POSITIVE } else { 0 }
        };
        Order((0..images.len()).map(entry).collect())
    }

    /// Of each different score, in descending order, how many of the drawn images are of the class and how many are not;
    /// perhaps none of both.
    fn thresholds(&self, draw: &Draw) -> impl Iterator<Item = (u32, u32)> {
        let mut entries = self.0.iter();
        std::iter::from_fn(move || {
            let (mut hits, mut all) = (0, 0);
            for &entry in entries.by_ref() {
                let times = u32::from(draw.times[(entry >> 2) as usize]);
                all += times;
                hits += times * (entry & POSITIVE);
                if entry & LAST != 0 {
                    return Some((hits, all - hits));
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests;
