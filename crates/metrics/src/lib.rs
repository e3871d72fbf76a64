//! Confusion, F1 and its kin, ranking metrics; dimension, distances and classes of points. No tensors, never a mixed target.
//!
//! Every metric is scikit-learn's (1.9), to 1e-12, under three rules that scikit-learn leaves to its caller:
//!
//! - `labels` is the list of classes, whatever is present in the data;
//! - `zero_division` is 0: a precision, recall, F1, specificity or average precision without a denominator is 0,
//!   and takes part in macro averages;
//! - what scikit-learn calls undefined (AUROC of a class without positives or without negatives, kappa of a single
//!   class, anything of no images) is NaN, which JSON shows as `null`; macro and weighted AUROC average the classes
//!   where it is defined.
//!
//! ```
//! use tallow_metrics::{METRICS, Predictions, find};
//!
//! let mut predictions = Predictions::new(&["benign".to_owned(), "malignant".to_owned()]);
//! predictions.push("lesion1", None, 0, &[0.9, 0.1])?;
//! predictions.push("lesion2", None, 1, &[0.4, 0.6])?;
//! predictions.push("lesion3", None, 1, &[0.7, 0.3])?;
//! let recall = (find("balanced_accuracy").expect("listed").of)(&predictions);
//! assert_eq!(recall, 0.75); // mean of 1 / 1 and 1 / 2
//! for metric in METRICS {
//!     println!("{}: {}", metric.name, (metric.of)(&predictions));
//! }
//! # Ok::<(), tallow_metrics::Error>(())
//! ```

mod calibrate;
mod class_interval;
mod compare;
mod confusion;
mod curves;
mod decide;
mod dimension;
mod error;
mod file;
mod grouped;
mod interval;
mod metric;
mod normal;
mod points;
mod predictions;
mod probability;
mod proportion;
#[cfg(test)]
mod random;
mod ranking;
mod resample;
mod score;
mod separation;
mod sets;
mod spectrum;
mod subgroups;
mod summary;

pub use calibrate::{CalibrationMethod, Calibrator, Rising, cross_fitted};
pub use class_interval::{ClassIntervals, intervals_by_class};
pub use compare::{
    Comparison, DeLong, NonInferiority, RunsInterval, compare, compare_runs, comparisons, delong, holm,
    intervals_of_runs, mean, standard_deviation,
};
pub use confusion::{Average, Confusion};
pub use curves::{
    ClassCurves, Curves, PrecisionRecallPoint, ReliabilityBin, RocPoint, precision_recall_curve, reliability,
    roc_curve,
};
pub use decide::{Called, ClassSets, Costs, Goal, Risk, Risks, SetScore, Threshold};
pub use dimension::local_dimension;
pub use error::{Error, Result};
pub use file::quoted;
pub use interval::{has_interval, interval, intervals, thin_classes};
pub use metric::{Better, METRICS, Metric, find};
pub use points::Points;
pub use predictions::Predictions;
pub use probability::{brier, classwise_ece, ece, equal_mass_ece, log_loss};
pub use proportion::{f1_interval, wilson};
pub use ranking::{
    auroc, auroc_of_class, auroc_weighted, average_precision, average_precision_of_class,
    average_precision_weighted, top_k_accuracy,
};
pub use resample::Resampling;
pub use score::{CLASS_METRICS, ClassMetric, Score, intervals_of_scores};
pub use separation::{ClassSeparation, Separation};
pub use sets::{METRIC_SETS, MetricSet, ranking_scores, scores};
pub use subgroups::Subgroups;
pub use summary::{ClassSummary, Summary};
