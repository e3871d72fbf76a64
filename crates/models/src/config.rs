//! `config.json` in timm's layout: beside `model.safetensors` it makes a folder that timm loads as it is.
//!
//! Source: timm 1.0 `models/_hub.py` (`save_config_for_hf`) and `models/_pretrained.py`.

use crate::weights::shown;
use crate::{Error, ModelOptions, ModelSpec, Network, Result, Stem, find};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::Path;

/// What a `config.json` says of a model and its images.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub architecture: String,
    pub classes: usize,
    /// One per class, or empty.
    pub labels: Vec<String>,
    /// Channels, height, width.
    pub input: [usize; 3],
    /// Per channel, of values in [0, 1].
    pub mean: Vec<f64>,
    pub std: Vec<f64>,
    /// `bilinear` or `bicubic`.
    pub interpolation: String,
    /// Side of the centre crop over the side that the image is resized to.
    pub crop: f64,
    /// timm's: `center`, or `squash` for a resize of both sides.
    pub crop_mode: String,
    /// Where it is not the architecture's own.
    pub stem: Option<Stem>,
}

/// Bytes of the largest: names of 20,000 classes take one million.
const LARGEST: u64 = 4 << 20;
/// Bytes of a text in it.
const LONGEST_TEXT: usize = 200;

impl Config {
    /// For a model of the zoo with images of `side` pixels: the spec's mean and standard deviation (their average for
    /// other than three channels), its interpolation and crop.
    pub fn new(spec: &ModelSpec, options: &ModelOptions, side: usize, labels: &[String]) -> Config {
        let channels = |values: [f64; 3]| match options.channels {
            3 => values.to_vec(),
            other => vec![values.iter().sum::<f64>() / 3.0; other],
        };
        Config {
            architecture: spec.name.into(),
            classes: options.classes,
            labels: labels.to_vec(),
            input: [options.channels, side, side],
            mean: channels(spec.mean),
            std: channels(spec.std),
            interpolation: spec.interpolation.into(),
            // A CIFAR stem is for images of few pixels: all of them count.
            crop: if options.stem == Some(Stem::Cifar) { 1.0 } else { spec.crop },
            crop_mode: "center".into(),
            stem: options.stem.filter(|stem| *stem != spec.stem),
        }
    }

    /// What the network is built with.
    pub fn options(&self) -> ModelOptions {
        let [channels, side, _] = self.input;
        ModelOptions { classes: self.classes, channels, stem: self.stem, input: Some(side) }
    }

    /// The file. `extra` are top-level keys of our own, which timm keeps and ignores.
    ///
    /// timm has no CIFAR stem: the key `tallow` says what the architecture leaves out. Nor has it the CIFAR family, or
    /// torchvision's MobileNetV3 by these tensor names.
    pub fn to_json(&self, network: &Network, extra: Map<String, Value>) -> Value {
        let outline = network.outline(self.input).unwrap_or_default();
        let before = |back: usize| outline.len().checked_sub(back).map(|i| &outline[i].1.shape);
        // … last stage, penultimate, head
        let features = before(2).and_then(|shape| shape.first());
        let maps = before(3).filter(|shape| shape.len() == 3);
        let pool = maps.and_then(|shape| shape.get(1..));
        // A sequence's first token is the class token.
        let pooling = if before(3).is_some_and(|shape| shape.len() == 2) { "token" } else { "avg" };
        let (first_conv, classifier) =
            find(&self.architecture).map_or(("conv1", "fc"), |spec| (spec.first_conv, spec.classifier));
        let mut config = json!({
            "architecture": self.architecture,
            "num_classes": self.classes,
            "num_features": features,
            "global_pool": pooling,
        });
        let top = config.as_object_mut().expect("an object");
        if !self.labels.is_empty() {
            top.insert("label_names".into(), json!(self.labels));
        }
        if self.input[0] != 3 {
            top.insert("model_args".into(), json!({ "in_chans": self.input[0] }));
        }
        let pretrained = json!({
            "custom_load": false,
            "input_size": self.input,
            "fixed_input_size": false,
            "interpolation": self.interpolation,
            "crop_pct": self.crop,
            "crop_mode": self.crop_mode,
            "mean": self.mean,
            "std": self.std,
            "num_classes": self.classes,
            "pool_size": pool,
            "first_conv": first_conv,
            "classifier": classifier,
        });
        top.insert("pretrained_cfg".into(), pretrained);
        if let Some(stem) = self.stem {
            top.insert("tallow".into(), json!({ "stem": stem }));
        }
        top.extend(extra);
        config
    }

    /// Reads one of timm's or ours.
    ///
    /// # Errors
    /// With the path: a file that cannot be read, or a key that is missing or of another type.
    pub fn read(path: &Path) -> Result<Config> {
        let fail = |message: String| Error::File(format!("{}: {message}", path.display()));
        let text = crate::file::bytes(path, "the configuration", LARGEST)?;
        let json = serde_json::from_slice(&text)
            .map_err(|error| fail(format!("not JSON: {}", shown(&error.to_string()))))?;
        Config::from_json(&json).map_err(fail)
    }

    /// As [`Config::read`], of what a file says.
    ///
    /// # Errors
    /// The key that is missing or of another type, without a place.
    pub fn from_json(config: &Value) -> std::result::Result<Config, String> {
        // Older files have the inner keys on top.
        let key = |name: &str| {
            config["pretrained_cfg"].get(name).or_else(|| config.get(name)).unwrap_or(&Value::Null)
        };
        let fail = |name: &str, expected: &str| {
            format!("{name}: expected {expected}, got {}", shown(&key(name).to_string()))
        };
        let numbers = |name: &str| -> std::result::Result<Vec<f64>, String> {
            let list = key(name).as_array().ok_or_else(|| fail(name, "a list of numbers"))?;
            list.iter().map(|v| v.as_f64().ok_or_else(|| fail(name, "a list of numbers"))).collect()
        };
        let text = |name: &str| {
            let text = key(name).as_str().ok_or_else(|| fail(name, "a text"))?;
            // Errors bear it.
            if text.len() > LONGEST_TEXT {
                return Err(fail(name, &format!("a text of at most {LONGEST_TEXT} bytes")));
            }
            Ok(text.to_owned())
        };
        // timm: the outer number of classes wins.
        let classes = config.get("num_classes").unwrap_or(key("num_classes"));
        let classes = classes.as_u64().ok_or_else(|| fail("num_classes", "a number"))? as usize;
        let size = numbers("input_size")?;
        let [channels, height, width] = size[..] else {
            return Err(fail("input_size", "[channels, height, width]"));
        };
        let std = numbers("std")?;
        if !std.iter().all(|x| *x > 0.0) {
            return Err(fail("std", "numbers above 0"));
        }
        let labels = match key("label_names") {
            Value::Array(names) => names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            // Ids with gaps: {"3": "name"}.
            Value::Object(names) => {
                names.values().filter_map(|name| name.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        Ok(Config {
            architecture: text("architecture")?,
            classes,
            labels,
            input: [channels as usize, height as usize, width as usize],
            mean: numbers("mean")?,
            std,
            interpolation: text("interpolation")?,
            crop: key("crop_pct").as_f64().ok_or_else(|| fail("crop_pct", "a number"))?,
            crop_mode: if key("crop_mode").is_string() { text("crop_mode")? } else { "center".to_owned() },
            stem: match &config["tallow"]["stem"] {
                Value::Null => None,
                stem => Some(
                    Stem::deserialize(stem)
                        .map_err(|error| format!("tallow.stem: {}", shown(&error.to_string())))?,
                ),
            },
        })
    }
}

#[cfg(test)]
mod tests;
