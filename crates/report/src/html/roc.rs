//! Every threshold of every class, and what a confidence is worth.

use super::Report;
use super::shell::note;
use crate::palette::LINES;
use crate::table::share;
use crate::{Curve, Reliability, UnitSquare};
use maud::{Markup, PreEscaped, html};
use tallow_data::counted;
use tallow_metrics::{ClassCurves, Curves, ReliabilityBin};

/// Names of classes that a sentence has.
const NAMED: usize = 5;

impl Report {
    pub(super) fn roc(&self, curves: &Curves) -> Markup {
        let shown = shown(curves);
        let drawn = !shown.is_empty();
        html! {
            (note(&self.evaluated))
            div.charts.squares {
                @if drawn {
                    figure { (PreEscaped(roc(&shown).inline())) figcaption { (of_roc(curves, shown.len())) } }
                    figure {
                        (PreEscaped(precision_recall(&shown).inline()))
                        figcaption {
                            "Average precision (AP) is the area below; by chance it is the class's share of the images. Dots: as of the ROC."
                        }
                    }
                }
                figure {
                    (PreEscaped(Reliability { title: "Calibration".into(), bins: curves.reliability.clone() }.inline()))
                    figcaption { (of_calibration(curves)) }
                }
            }
        }
    }
}

fn of_roc(curves: &Curves, shown: usize) -> String {
    let known = curves.per_class.iter().filter(|class| !class.roc.is_empty()).count();
    let mut said = "Each class against the rest. Dots: the decision for the most probable class.".to_owned();
    if known > shown {
        said += &format!(
            " Drawn are the {shown} of {known} classes with the lowest AUROC; the table has them all."
        );
    }
    let absent: Vec<&str> = curves.per_class.iter().filter(|class| class.roc.is_empty()).map(name).collect();
    if !absent.is_empty() {
        let first = absent[..absent.len().min(NAMED)].join(", ");
        let more = absent.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        said += &format!(" Without an image, and so without a curve: {first}{more}.");
    }
    said
}

fn name(class: &ClassCurves) -> &str {
    &class.summary.class
}

/// The classes that have curves, in their order: all of eight, else the eight of the lowest AUROC, as many as lines are told apart.
fn shown(curves: &Curves) -> Vec<&ClassCurves> {
    let mut known: Vec<(usize, &ClassCurves)> =
        curves.per_class.iter().enumerate().filter(|(_, class)| !class.roc.is_empty()).collect();
    known.sort_by(|a, b| a.1.summary.auroc.total_cmp(&b.1.summary.auroc));
    known.truncate(LINES);
    known.sort_by_key(|(at, _)| *at);
    known.into_iter().map(|(_, class)| class).collect()
}

fn roc(shown: &[&ClassCurves]) -> UnitSquare {
    let curve = |class: &&ClassCurves| {
        let of = &class.summary;
        let decision = format!("recall {}, specificity {}", share(of.recall), share(of.specificity));
        Curve {
            name: of.class.clone(),
            value: share(of.auroc),
            points: class.roc.iter().map(|at| (at.false_positive_rate, at.true_positive_rate)).collect(),
            dot: Some(((1. - of.specificity, of.recall), decision)),
        }
    };
    UnitSquare {
        title: "ROC".into(),
        x: "false positive rate, 1 − specificity".into(),
        y: "true positive rate, recall".into(),
        value: "AUROC".into(),
        diagonal: true,
        curves: shown.iter().map(curve).collect(),
    }
}

fn precision_recall(shown: &[&ClassCurves]) -> UnitSquare {
    let curve = |class: &&ClassCurves| {
        let of = &class.summary;
        let decision = format!("recall {}, precision {}", share(of.recall), share(of.precision));
        // A class that is never called has no precision.
        let is_called = of.precision > 0. || of.recall > 0.;
        Curve {
            name: of.class.clone(),
            value: share(of.average_precision),
            points: steps(class),
            dot: is_called.then_some(((of.recall, of.precision), decision)),
        }
    };
    UnitSquare {
        title: "Precision–recall".into(),
        x: "recall".into(),
        y: "precision".into(),
        value: "AP".into(),
        diagonal: false,
        curves: shown.iter().map(curve).collect(),
    }
}

/// From one recall to the next at the precision of the next, so that the area below is the average precision.
fn steps(class: &ClassCurves) -> Vec<(f64, f64)> {
    let mut recall = 0.;
    let step = |at: &tallow_metrics::PrecisionRecallPoint| {
        let from = std::mem::replace(&mut recall, at.recall);
        [(from, at.precision), (at.recall, at.precision)]
    };
    class.precision_recall.iter().flat_map(step).collect()
}

fn of_calibration(curves: &Curves) -> String {
    let images: u64 = curves.reliability.iter().map(|bin| bin.images).sum();
    let sum = |bin: &ReliabilityBin| if bin.images == 0 { 0. } else { bin.images as f64 * bin.confidence };
    let confidence = curves.reliability.iter().map(sum).sum::<f64>() / images as f64;
    let (gap, verdict) = match confidence - curves.accuracy {
        gap if gap > 0. => (gap, "surer than right"),
        gap => (-gap, "less sure than right"),
    };
    format!(
        "On the diagonal a confidence is as often right as it says, below it less often. Lines: Wilson's 95 % intervals, which take \
         images as independent. Mean confidence {}, accuracy {}: {verdict} by {}. Calibration error of {}: {} in {} bins of equal width \
         (ECE), {} in bins of equal mass, {} as the mean over the classes' probabilities (classwise).",
        share(confidence),
        share(curves.accuracy),
        share(gap),
        counted(images as usize, "image"),
        share(curves.ece),
        curves.reliability.len(),
        share(curves.equal_mass_ece),
        share(curves.classwise_ece),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::check;
    use tallow_metrics::Predictions;
    use tallow_seed::Seed;

    fn predictions(images: u32, classes: usize, present: u32) -> Predictions {
        let mut rng = Seed::new(3).fold("predictions", 0).rng();
        let names: Vec<String> = (0..classes).map(|class| format!("class <{class}>")).collect();
        let mut predictions = Predictions::new(&names);
        for index in 0..images {
            let label = rng.below(present);
            let mut alphas = vec![0.3; classes];
            alphas[label as usize] += 0.7;
            predictions.push(&index.to_string(), None, label, &rng.dirichlet(&alphas)).unwrap();
        }
        predictions
    }

    fn page(predictions: &Predictions) -> String {
        let report = Report { curves: Some(Curves::of(predictions)), ..Report::default() };
        let html = report.html().unwrap();
        check(html.strip_prefix("<!DOCTYPE html>\n").unwrap()).unwrap();
        html
    }

    #[test]
    fn every_class_has_its_curves_and_its_areas() {
        let predictions = predictions(300, 4, 3);
        let html = page(&predictions);
        let curves = Curves::of(&predictions);
        for class in &curves.per_class[..3] {
            let (name, of) = (class.summary.class.replace('<', "&lt;").replace('>', "&gt;"), &class.summary);
            for said in [
                format!("{name}: AUROC {}", share(of.auroc)),
                format!("{name}: AP {}", share(of.average_precision)),
            ] {
                assert_eq!(html.matches(&said).count(), 1, "{said}");
            }
            assert!(html.contains(&format!(
                "{name}: recall {}, specificity {}",
                share(of.recall),
                share(of.specificity)
            )));
        }
        assert!(html.contains("Without an image, and so without a curve: class &lt;3&gt;."));
        for number in [curves.ece, curves.classwise_ece, curves.equal_mass_ece, curves.accuracy] {
            assert!(html.contains(&share(number)), "{number}");
        }
        assert!(!html.contains("Drawn are") && !html.contains("NaN"));
    }

    /// What is drawn is the area that the legend names.
    #[test]
    fn steps_hold_the_average_precision() {
        for class in &Curves::of(&predictions(200, 3, 3)).per_class {
            let area: f64 = steps(class).windows(2).map(|pair| (pair[1].0 - pair[0].0) * pair[1].1).sum();
            assert!((area - class.summary.average_precision).abs() < 1e-12, "{area}");
        }
    }

    #[test]
    fn many_images_and_many_classes_stay_small() {
        let predictions = predictions(10_000, 100, 100);
        let html = page(&predictions);
        assert!(html.len() < 120_000, "{}", html.len());
        assert!(
            html.contains("Drawn are the 8 of 100 classes with the lowest AUROC; the table has them all.")
        );
        let curves = Curves::of(&predictions);
        let mut areas: Vec<f64> = curves.per_class.iter().map(|class| class.summary.auroc).collect();
        areas.sort_by(f64::total_cmp);
        let mut drawn: Vec<f64> = shown(&curves).iter().map(|class| class.summary.auroc).collect();
        drawn.sort_by(f64::total_cmp);
        assert_eq!(drawn, areas[..8]);
    }

    /// Of one class there is nothing to tell apart, but a confidence.
    #[test]
    fn one_class_has_no_curve() {
        let html = page(&predictions(9, 2, 1));
        assert!(!html.contains("AUROC") && html.contains("images, of 9"), "{html}");
        let empty = page(&predictions(0, 2, 1));
        assert!(!empty.contains("NaN"));
    }
}
