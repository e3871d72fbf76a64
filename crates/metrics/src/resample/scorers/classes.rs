//! The numbers of each class of a draw: undefined where the draw has nothing to divide by, which of all images is 0.

use crate::Confusion;

/// Of one class in one draw, against the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ClassNumbers {
    pub precision: f64,
    pub recall: f64,
    pub specificity: f64,
    pub f1: f64,
    pub auroc: f64,
}

impl ClassNumbers {
    pub(super) fn of(confusion: &Confusion, class: usize, auroc: f64) -> ClassNumbers {
        let (positives, predicted) = (confusion.support(class), confusion.predicted(class));
        let defined = |value: f64, denominator: u64| if denominator == 0 { f64::NAN } else { value };
        ClassNumbers {
            precision: defined(confusion.precision(class), predicted),
            recall: defined(confusion.recall(class), positives),
            specificity: defined(confusion.specificity(class), confusion.total() - positives),
            f1: defined(confusion.f1(class), positives + predicted),
            auroc,
        }
    }
}
