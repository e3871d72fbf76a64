//! The numbers of each class of a draw: undefined where the draw has nothing to divide by, which of all images is 0.

use super::Order;
use crate::ranking::Area;
use crate::resample::Draw;
use crate::{Confusion, Predictions};

/// Numbers of each class against the rest, ready for draws.
pub(crate) struct ClassScorer {
    classes: usize,
    /// The cell of the confusion that each image is in.
    cells: Vec<u32>,
    orders: Vec<Order>,
}

/// Of one class in one draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ClassNumbers {
    pub precision: f64,
    pub recall: f64,
    pub specificity: f64,
    pub f1: f64,
    pub auroc: f64,
    /// Images of the class.
    pub support: u64,
}

impl ClassScorer {
    pub(crate) fn new(predictions: &Predictions) -> ClassScorer {
        let classes = predictions.classes.len();
        let cell = |image| predictions.labels[image] * classes as u32 + predictions.predicted(image);
        ClassScorer {
            classes,
            cells: (0..predictions.len()).map(cell).collect(),
            orders: (0..classes).map(|class| Order::of(predictions, class)).collect(),
        }
    }

    pub(crate) fn of(&self, draw: &Draw) -> Vec<ClassNumbers> {
        let mut counts = vec![0; self.classes * self.classes];
        draw.images.iter().for_each(|&image| counts[self.cells[image as usize] as usize] += 1);
        let confusion = Confusion::from_counts(self.classes, counts);
        let all = draw.images.len() as u64;
        let of_class = |(class, order): (usize, &Order)| {
            let (positives, predicted) = (confusion.support(class), confusion.predicted(class));
            let defined = |value: f64, denominator: u64| if denominator == 0 { f64::NAN } else { value };
            ClassNumbers {
                precision: defined(confusion.precision(class), predicted),
                recall: defined(confusion.recall(class), positives),
                specificity: defined(confusion.specificity(class), all - positives),
                f1: defined(confusion.f1(class), positives + predicted),
                auroc: Area::Roc.of(order.thresholds(draw), positives, all - positives),
                support: positives,
            }
        };
        self.orders.iter().enumerate().map(of_class).collect()
    }
}
