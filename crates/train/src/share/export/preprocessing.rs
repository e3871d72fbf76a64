//! What becomes of an image file before the network sees it: for the metadata, the README and the loader of an export.

use crate::plan::evaluation_nodes;
use crate::run::Model;
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use tallow_policy::Registry;

/// In words that another program can follow, every default written out.
pub struct Preprocessing {
    /// `{name: parameters}` each, in order.
    pub steps: Vec<Value>,
    /// The last step, a center_crop, becomes the square of this many crops, whose probabilities are averaged; 1: the crop in
    /// the middle.
    pub crops: u32,
    mean: Vec<f64>,
    std: Vec<f64>,
    input: [usize; 3],
    /// Whether timm's own transform, made from `config.json`, does the same.
    pub is_timms: bool,
}

impl Preprocessing {
    /// # Errors
    /// A `config.json` whose words are not known.
    pub fn of(model: &Model) -> Result<Preprocessing> {
        let (plan, config) = (&model.plan, &model.config);
        let input = plan.model.input;
        let theirs = evaluation_nodes(config).map(|nodes| written(&nodes, input, &plan.registry));
        let steps = match plan.resolved.get("evaluation").and_then(|list| list.as_sequence()) {
            Some(nodes) if plan.has_own_evaluation => written(nodes, input, &plan.registry),
            _ => theirs.clone().map_err(|problem| Error::Data(format!("config.json: {problem}")))?,
        };
        let crops = model.transforms.crops.unwrap_or(1);
        Ok(Preprocessing {
            is_timms: crops == 1 && theirs.is_ok_and(|theirs| same(&theirs, &steps, input)),
            steps,
            crops,
            mean: config.mean.clone(),
            std: config.std.clone(),
            input: config.input,
        })
    }

    /// `{"color": …, "steps": […], "crops_per_side": 1, "scale": 1/255, "mean": […], "std": […], "layout": …}`.
    pub fn json(&self) -> Value {
        let [channels, height, width] = self.input;
        json!({
            "color": "RGB, 8 bits, upright by EXIF",
            "steps": self.steps,
            "crops_per_side": self.crops,
            "scale": 1.0 / 255.0,
            "mean": self.mean,
            "std": self.std,
            "layout": format!("float32 (N, {channels}, {height}, {width}), channels red, green, blue"),
        })
    }

    /// One line for each step, as a list in Markdown.
    pub fn markdown(&self) -> String {
        let mut lines = vec!["decoded to RGB, 8 bits, turned upright by EXIF".to_owned()];
        for (at, step) in self.steps.iter().enumerate() {
            let is_last = at + 1 == self.steps.len();
            lines.push(if is_last && self.crops > 1 { self.crops(step) } else { words(step) });
        }
        lines.push("as numbers from 0 to 1: byte / 255".to_owned());
        lines.push(format!(
            "minus the mean {:?}, divided by the standard deviation {:?}, of red, green, blue",
            self.mean, self.std
        ));
        let [channels, height, width] = self.input;
        lines.push(format!("laid out as float32 (N, {channels}, {height}, {width})"));
        let numbered = lines.iter().zip(1..).map(|(line, at)| format!("{at}. {line}\n"));
        let mut text: String = numbered.collect();
        if !self.is_timms {
            text += "\ntimm's own transform, which it makes from `config.json`, is not quite the same: its words cannot say this.\n";
        }
        text
    }

    fn crops(&self, step: &Value) -> String {
        let n = self.crops;
        format!(
            "{} crops of {}, {n} × {n} from border to border, row by row: the network sees each, and their probabilities are averaged",
            n * n,
            sides(&step["center_crop"]["size"])
        )
    }
}

/// Every parameter of every policy is written out.
fn written(nodes: &[serde_yaml::Value], input: u32, registry: &Registry) -> Vec<Value> {
    let mut steps = Vec::new();
    for node in nodes {
        let Ok(Value::Object(node)) = serde_json::to_value(node) else { continue };
        if let Some(Value::Array(_)) = node.get("policies") {
            let inner = serde_yaml::to_value(&node["policies"]).unwrap_or_default();
            steps.extend(written(inner.as_sequence().map_or(&[], Vec::as_slice), input, registry));
            continue;
        }
        let Some((name, value)) = node.into_iter().next() else { continue };
        let given = parameters(&name, value, input, registry);
        steps.push(Value::Object(Map::from_iter([(name, Value::Object(given))])));
    }
    steps
}

/// Every parameter of the policy's card: as written, else its default. The first may stand alone.
fn parameters(name: &str, value: Value, input: u32, registry: &Registry) -> Map<String, Value> {
    let card = registry.find(name).map_or(&[][..], |spec| spec.parameters);
    let mut given = match (value, card.first()) {
        (Value::Object(given), _) => given,
        (Value::Null, _) => Map::new(),
        (alone, first) => Map::from_iter([(first.map_or("value", |first| first.0).to_owned(), alone)]),
    };
    for (parameter, range, _) in card {
        let default = match range.split(';').next() {
            Some(text) if text.starts_with("the model's input") => json!([input, input]),
            Some(text) => serde_yaml::from_str(text).unwrap_or_default(),
            None => Value::Null,
        };
        given.entry((*parameter).to_owned()).or_insert(default);
    }
    // A crop of one number is a square, a resize to one number is not.
    if name == "center_crop"
        && let Some(side) = given["size"].as_u64()
    {
        given["size"] = json!([side, side]);
    }
    given
}

/// A crop of all that a resize leaves changes nothing.
fn same(theirs: &[Value], ours: &[Value], input: u32) -> bool {
    let whole = json!({ "center_crop": { "size": [input, input] } });
    let to_input = |step: &Value| step["resize"]["size"] == json!([input, input]);
    let bare = |steps: &[Value]| match steps {
        [first, last] if to_input(first) && *last == whole => vec![first.clone()],
        steps => steps.to_vec(),
    };
    bare(theirs) == bare(ours)
}

fn words(step: &Value) -> String {
    let Some((name, given)) = step.as_object().and_then(|step| step.iter().next()) else {
        return String::new();
    };
    match name.as_str() {
        "resize" => {
            let filter = given["interpolation"].as_str().unwrap_or_default();
            let antialias = if filter == "nearest" { "" } else { ", antialiased as Pillow does" };
            let to = match given["size"].as_u64() {
                Some(side) => format!("the shorter side to {side} pixels, in proportion"),
                None => format!("to {}", sides(&given["size"])),
            };
            format!("resized {to}, {filter}{antialias}")
        }
        "center_crop" => format!("cropped to {} in the middle", sides(&given["size"])),
        name => format!("`{name}` with {given}"),
    }
}

/// `[height, width]` → `224 × 224 pixels (height × width)`.
fn sides(size: &Value) -> String {
    format!("{} × {} pixels (height × width)", size[0], size[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(yaml: &str) -> Vec<Value> {
        let value: serde_yaml::Value = serde_yaml::from_str(yaml).unwrap();
        written(value.as_sequence().unwrap(), 64, &Registry::builtin())
    }

    #[test]
    fn defaults_are_written_out() {
        let found = steps(
            "[ { resize: 72 }, { policies: [ { center_crop: {} }, { solarize: 9 } ] }, { grayscale: {} } ]",
        );
        let expected = json!([
            { "resize": { "size": 72, "interpolation": "bilinear" } },
            { "center_crop": { "size": [64, 64] } },
            { "solarize": { "threshold": 9 } },
            { "grayscale": {} },
        ]);
        assert_eq!(json!(found), expected);
        // Every policy that can stand under `evaluation`, by its card.
        let found = steps(
            "[ { clahe: 2 }, { clahe: { tiles: 4 } }, { color_constancy: {} }, { field_of_view: 0.2 } ]",
        );
        let expected = json!([
            { "clahe": { "clip_limit": 2, "tiles": 8 } },
            { "clahe": { "tiles": 4, "clip_limit": [1, 4] } },
            { "color_constancy": { "norm": 6 } },
            { "field_of_view": { "margin": 0.2, "darkness": 0.3 } },
        ]);
        assert_eq!(json!(found), expected);
        let found = steps("[ { resize: { size: [60, 80], interpolation: bicubic } }, { center_crop: 50 } ]");
        assert_eq!(found[0]["resize"]["size"], json!([60, 80]));
        assert_eq!(found[1], json!({ "center_crop": { "size": [50, 50] } }));
    }

    #[test]
    fn in_words() {
        let said: Vec<String> =
            steps("[ { resize: 72 }, { resize: {} }, { center_crop: {} } ]").iter().map(words).collect();
        assert_eq!(
            said[0],
            "resized the shorter side to 72 pixels, in proportion, bilinear, antialiased as Pillow does"
        );
        assert_eq!(
            said[1],
            "resized to 64 × 64 pixels (height × width), bilinear, antialiased as Pillow does"
        );
        assert_eq!(said[2], "cropped to 64 × 64 pixels (height × width) in the middle");
    }

    #[test]
    fn what_timm_does_is_the_same_where_its_words_suffice() {
        let is_same = |a: &str, b: &str| same(&steps(a), &steps(b), 64);
        assert!(is_same(
            "[ { resize: 72 }, { center_crop: 64 } ]",
            "[ { resize: 72 }, { center_crop: {} } ]"
        ));
        assert!(is_same("[ { resize: {} } ]", "[ { resize: [64, 64] }, { center_crop: 64 } ]"));
        assert!(!is_same(
            "[ { resize: 71 }, { center_crop: 64 } ]",
            "[ { resize: 72 }, { center_crop: 64 } ]"
        ));
        assert!(!is_same("[ { resize: {} } ]", "[ { resize: {} }, { equalize: {} } ]"));
    }
}
