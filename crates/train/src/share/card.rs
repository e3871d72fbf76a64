//! The model card: README.md for the hub, of what was measured.

use super::export::Preprocessing;
use super::publish::PublishOptions;
use crate::plan::Weights;
use crate::run::{Data, Model};
use serde_yaml::{Mapping, Value};
use std::collections::BTreeSet;
use std::fmt::Write;
use tallow_data::counted;
use tallow_metrics::Summary;
use tallow_policy::Registry;
use tallow_report::Headline;

/// What a card is written from.
pub struct Card<'a> {
    pub options: &'a PublishOptions,
    pub model: &'a Model,
    /// The architecture's name in timm, where timm loads the weights.
    pub timm: Option<&'a str>,
    pub headline: &'a [Headline],
    pub summary: Option<&'a Summary>,
    pub data: Option<&'a Data>,
    pub registry: &'a Registry,
    /// Of the recipe, where it named one.
    pub preset: Option<&'a str>,
    pub has_report: bool,
    pub preprocessing: &'a Preprocessing,
}

const SEAL: &str = "<!-- written by tallow publish; fingerprint of the text above: ";

/// A card with the mark by which `is_sealed` knows that nobody has changed it.
pub fn sealed(text: &str) -> String {
    format!("{text}\n{SEAL}{} -->\n", tallow_data::fingerprint(text.as_bytes()))
}

/// Whether `card` was written by `tallow publish` and not changed since.
pub fn is_sealed(card: &[u8]) -> bool {
    let card = String::from_utf8_lossy(card);
    card.rsplit_once(&format!("\n{SEAL}")).is_some_and(|(text, _)| sealed(text) == card)
}

/// The licences of known data, as their pages state them.
fn license_of(source: &str) -> Option<&'static str> {
    Some(match source {
        "isic2018" => "CC BY-NC 4.0, as the challenge's page states",
        "medmnist" => "CC BY 4.0, but for DermaMNIST, which is CC BY-NC 4.0",
        "synthetic" => "drawn by a program; no one's data",
        "fashion_mnist" => "MIT",
        _ => return None,
    })
}

/// (metric of ours, the hub's type, average)
const TYPES: [(&str, &str, Option<&str>); 8] = [
    ("accuracy", "accuracy", None),
    ("macro_f1", "f1", Some("macro")),
    ("micro_f1", "f1", Some("micro")),
    ("weighted_f1", "f1", Some("weighted")),
    ("auroc", "roc_auc", Some("macro")),
    ("average_precision", "average_precision", Some("macro")),
    ("balanced_accuracy", "balanced_accuracy", None),
    ("brier", "brier_score", None),
];

fn map(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Mapping(Mapping::from_iter(pairs.into_iter().map(|(key, value)| (Value::from(key), value))))
}

fn list<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::Sequence(items.into_iter().map(Into::into).collect())
}

impl Card<'_> {
    pub fn text(&self) -> String {
        let mut card = format!("---\n{}---\n\n# {}\n", self.head(), self.title());
        let parts = [
            self.subject(),
            self.measures(),
            self.calibration(),
            self.dataset(),
            self.policy(),
            self.usage(),
            self.limits(),
        ];
        for part in parts {
            card += "\n";
            card += &part;
        }
        card
    }

    fn title(&self) -> &str {
        self.options.repository.rsplit('/').next().unwrap_or(&self.options.repository)
    }

    fn source(&self) -> &'static str {
        self.model.plan.data.source.name
    }

    fn preset(&self) -> &str {
        self.preset.unwrap_or("branches of its own")
    }

    /// The YAML head; nothing in it is null, which the hub refuses.
    fn head(&self) -> String {
        let mut tags = vec!["image-classification", "tallow"];
        tags.extend(self.timm.map(|_| "timm"));
        tags.extend(self.preset);
        let mut pairs = vec![
            ("tags", list(tags)),
            ("pipeline_tag", "image-classification".into()),
            ("library_name", if self.timm.is_some() { "timm" } else { "tallow" }.into()),
        ];
        pairs.extend(self.options.license.as_deref().map(|license| ("license", license.into())));
        if let Some(Weights::Hub(id)) = &self.model.plan.model.weights {
            pairs.push(("base_model", id.split('@').next().unwrap_or(id).into()));
        }
        let known: Vec<_> = self
            .headline
            .iter()
            .filter(|line| line.value.is_finite())
            .filter_map(|line| Some((line, TYPES.iter().find(|(name, ..)| *name == line.name)?)))
            .collect();
        let kinds: BTreeSet<&str> = known.iter().map(|(_, (_, kind, _))| *kind).collect();
        pairs.push(("metrics", list(kinds)));
        if !known.is_empty() {
            let metrics = known.iter().map(|(line, (name, kind, average))| {
                let mut pairs =
                    vec![("type", (*kind).into()), ("name", (*name).into()), ("value", line.value.into())];
                pairs.extend(average.map(|average| ("args", map([("average", average.into())]))));
                map(pairs)
            });
            let task =
                map([("type", "image-classification".into()), ("name", "Image Classification".into())]);
            let dataset = map([
                ("type", self.source().into()),
                ("name", self.source().into()),
                ("split", "validation".into()),
            ]);
            let result = map([("task", task), ("dataset", dataset), ("metrics", list(metrics))]);
            let index = map([("name", self.title().into()), ("results", list([result]))]);
            pairs.push(("model-index", list([index])));
        }
        serde_yaml::to_string(&map(pairs)).expect("a YAML value is written")
    }

    fn subject(&self) -> String {
        let (plan, classes) = (&self.model.plan, &self.model.classes);
        let weights = match &plan.model.weights {
            Some(weights) => format!("from the weights `{}`", weights.describe()),
            None => "from scratch".to_owned(),
        };
        format!(
            "{} with {:.2} M parameters for images of {side}×{side} pixels, trained {weights} by \
             tallow {} ({}) on {}, policy {}. It tells {} apart: {}.\n\n**Not for diagnosis.** No use on people was tested.\n",
            plan.model.spec.name,
            self.model.params.size() as f64 / 1e6,
            crate::VERSION,
            crate::COMMIT,
            self.source(),
            self.preset(),
            counted(classes.len(), "class"),
            classes.join(", "),
            side = plan.model.input,
        )
    }

    fn measures(&self) -> String {
        let mut text = "## What was measured\n\nOn the validation part".to_owned();
        if let Some(summary) = self.summary {
            write!(text, ", {}", counted(summary.images, "image")).expect("a string takes it");
        }
        let select = self.model.plan.select.name;
        text += &format!(
            ". The epoch was chosen by {select} on these same images, so that the numbers flatter the model a little.\n\n\
             | metric | value | 95 % interval |\n|---|---|---|\n"
        );
        for line in self.headline {
            let interval =
                line.interval.map_or("–".to_owned(), |(low, high)| format!("{low:.4} to {high:.4}"));
            text += &format!("| {} | {} | {interval} |\n", line.name, number(line.value));
        }
        let notes: BTreeSet<&str> = self
            .headline
            .iter()
            .filter(|line| line.interval.is_some())
            .map(|line| line.basis.as_str())
            .collect();
        if !notes.is_empty() {
            text += &format!("\nIntervals: {}.\n", notes.into_iter().collect::<Vec<_>>().join("; "));
        }
        if let Some(summary) = self.summary {
            text += "\n| class | images | precision | recall | specificity | F1 | AUROC |\n|---|---|---|---|---|---|---|\n";
            for class in &summary.per_class {
                let numbers =
                    [class.precision, class.recall, class.specificity, class.f1, class.auroc].map(number);
                text += &format!("| {} | {} | {} |\n", class.class, class.support, numbers.join(" | "));
            }
        }
        if self.has_report {
            text += "\n`report.html` has the curves, the confusion and a batch as the network saw it.\n";
        }
        text
    }

    fn calibration(&self) -> String {
        let of =
            |name: &str| self.headline.iter().find(|line| line.name == name).map(|line| number(line.value));
        let (Some(ece), Some(brier)) = (of("ece"), of("brier")) else {
            return "## Calibration\n\nNot measured.\n".to_owned();
        };
        format!(
            "## Calibration\n\nExpected calibration error {ece} (top class, 15 bins), Brier score {brier}, of the probabilities as \
             they come out of softmax. {}\n",
            self.calibrated()
        )
    }

    /// What makes the probabilities honest, in a sentence.
    fn calibrated(&self) -> String {
        match self.model.calibration.as_ref().filter(|found| found.probabilities.is_some()) {
            Some(found) => format!(
                "`calibration.json` makes them anew ({}); `tallow predict` and `eval` do so unless told otherwise (`--uncalibrated`), \
                 other programs must do it themselves.",
                found.describe()
            ),
            None => "No temperature was fitted.".to_owned(),
        }
    }

    fn dataset(&self) -> String {
        let source = self.model.plan.data.source;
        let license = self.options.data_license.as_deref().or(license_of(source.name));
        let license =
            license.unwrap_or("not known to the program that wrote this; ask where the data come from");
        let mut text =
            format!("## Data\n\n`{}`: {}. Licence of the data: {license}.\n", source.name, source.summary);
        let Some(data) = self.data else {
            return text
                + "\nThe data were not at hand when this was written: parts and leaks could not be looked at again.\n";
        };
        text += "\n| part | images | groups | per class |\n|---|---|---|---|\n";
        for split in data.splits() {
            let groups = split.groups.map_or("–".to_owned(), |groups| groups.to_string());
            let classes = data.train.classes().iter().zip(&split.per_class);
            let classes: Vec<String> = classes.map(|(class, count)| format!("{class} {count}")).collect();
            text += &format!("| {} | {} | {groups} | {} |\n", split.name, split.images, classes.join(", "));
        }
        text += "\n";
        for note in &data.notes {
            text += &format!("- {note}\n");
        }
        text + "- counted when this was written; the same ids, labels and groups as in the training, by their fingerprint\n"
    }

    fn policy(&self) -> String {
        let plan = &self.model.plan;
        let part = |key: &'static str| Some(map([(key, plan.resolved.get(key)?.clone())]));
        let graph: Vec<Value> = ["images", "branches"].into_iter().filter_map(part).collect();
        let mut names = BTreeSet::new();
        graph.iter().for_each(|value| named(value, &mut names));
        let text: String = graph.iter().filter_map(|value| serde_yaml::to_string(value).ok()).collect();
        let mut out =
            format!("## Augmentation\n\nPolicy: {}.\n\n```yaml\n{text}```\n\nSources:\n\n", self.preset());
        let specs = names.iter().filter_map(|name| self.registry.find(name));
        for spec in specs {
            out += &format!("- `{}`: {}\n", spec.name, spec.source);
        }
        out
    }

    fn usage(&self) -> String {
        let repository = &self.options.repository;
        let mut text = format!(
            "## Use\n\nIn tallow, with the images prepared as in the evaluation:\n\n```sh\n\
             tallow predict \"$(tallow pull {repository})\" images/ > predictions.csv\n\
             tallow train recipe.yaml model.weights=hub:{repository}\n```\n"
        );
        match self.timm {
            Some(_) => {
                text += &format!(
                    "\nIn timm:\n\n```python\nimport timm\n\nmodel = timm.create_model(\"hf-hub:{repository}\", pretrained=True).eval()\n\
                     transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))\n\
                     probabilities = model(transform(image).unsqueeze(0)).softmax(-1)  # in the order of model.pretrained_cfg[\"label_names\"]\n```\n"
                );
            }
            None => text += "\ntimm has no such network.\n",
        }
        text += &format!(
            "\nImages are prepared like this (`tallow`, `preprocessing` in `config.json`):\n\n{}",
            self.preprocessing.markdown()
        );
        text + "\n`recipe.yaml` is the whole recipe: `train recipe.yaml` trains it again.\n"
    }

    fn limits(&self) -> String {
        format!(
            "## Intended use and limits\n\nFor research on image classification and on augmentation. The numbers above hold for images \
             made, chosen and labelled as those of `{}`, in the same shares of classes; for other devices, people and places nothing \
             was measured. It gives one of its {} classes to every image, also to one of none of them. It is no medical device, is not \
             for diagnosis, and must not decide about a person.\n",
            self.source(),
            self.model.classes.len()
        )
    }
}

/// Four digits; – where undefined.
fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { "–".to_owned() }
}

/// Every key of a value: policies are keys.
fn named(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Mapping(pairs) => pairs.iter().for_each(|(key, value)| {
            names.extend(key.as_str().map(str::to_owned));
            named(value, names);
        }),
        Value::Sequence(items) => items.iter().for_each(|item| named(item, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_known_by_its_seal_until_it_is_changed() {
        let card = sealed("# a net\n\ntext");
        assert!(is_sealed(card.as_bytes()));
        assert!(!is_sealed(card.replace("text", "my text").as_bytes()));
        assert!(!is_sealed(b"# a net") && !is_sealed(b""));
        assert!(!is_sealed(format!("{card}more").as_bytes()));
    }
}
