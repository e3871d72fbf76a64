//! The training over its epochs. Losses of different quantities have charts of their own.

use super::Report;
use super::results::spoken;
use crate::{Chart, Epoch, Line};
use maud::{Markup, PreEscaped, html};

const VALIDATION_LOSS: &str = "Mean −ln p of the true class, in nats, over the validation images without augmentation, mixes or class \
                               weights; lower is better.";

impl Report {
    /// (chart, what it shows)
    pub(super) fn charts(&self) -> Vec<(Chart, &str)> {
        let line = |name: &str, of: &dyn Fn(&Epoch) -> Option<f64>| {
            let points = self.epochs.iter().map(|epoch| (epoch.epoch as f64, of(epoch).unwrap_or(f64::NAN)));
            Line { name: name.into(), points: points.collect() }
        };
        let mut names: Vec<&String> = Vec::new();
        for (name, _) in self.epochs.iter().flat_map(|epoch| &epoch.metrics) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let value = |epoch: &Epoch, name: &String| {
            epoch.metrics.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
        };
        let metrics = names.iter().map(|name| line(&spoken(name), &|epoch| value(epoch, name)));
        let validated = self.epochs.iter().any(|epoch| epoch.val_loss.is_some());
        let all = [
            (
                "Training loss",
                vec![line("training loss", &|epoch| Some(epoch.train_loss))],
                &*self.training_loss,
            ),
            (
                "Validation log loss",
                if validated {
                    vec![line("validation log loss", &|epoch| epoch.val_loss)]
                } else {
                    Vec::new()
                },
                VALIDATION_LOSS,
            ),
            ("Validation metrics", metrics.collect(), "Higher is better."),
            (
                "Learning rate",
                vec![line("learning rate", &|epoch| Some(epoch.lr))],
                "At the end of each epoch.",
            ),
        ];
        let mark = self.best_epoch.map(|epoch| (epoch as f64, format!("kept: {epoch}")));
        let chart =
            |title: &str, lines| Chart { title: title.into(), x: "epoch".into(), lines, mark: mark.clone() };
        let all = all.into_iter().filter(|(_, lines, _)| !lines.is_empty());
        all.map(|(title, lines, caption)| (chart(title, lines), caption)).collect()
    }

    pub(super) fn curves(&self) -> Markup {
        html! {
            div.charts {
                @for (chart, caption) in self.charts() {
                    figure { (PreEscaped(chart.inline())) @if !caption.is_empty() { figcaption { (caption) } } }
                }
            }
        }
    }
}
