//! A checkpoint in the layout of another library, with all that a program needs to use it.

mod loader;
mod preprocessing;

use crate::fit::checkpoint::{read, write};
use crate::recipe::resolved::heading;
use crate::run::{Calibration, Model};
use crate::{Error, Result};
use candle_core::{Device, Tensor};
pub use preprocessing::Preprocessing;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tallow_models::{Peer, Stem};
use tallow_policy::Registry;
use tallow_report::Progress;

/// The library whose layout is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    Timm,
    Torchvision,
    /// Our names, which [`tallow_models`] reads.
    Candle,
    /// One file with the evaluation pass in it.
    Onnx,
}

impl Library {
    pub const NAMED: [(&str, Library); 4] = [
        ("timm", Library::Timm),
        ("torchvision", Library::Torchvision),
        ("candle", Library::Candle),
        ("onnx", Library::Onnx),
    ];

    pub fn name(self) -> &'static str {
        Library::NAMED.iter().find(|(_, library)| *library == self).map_or("", |(name, _)| name)
    }

    /// The same network there.
    ///
    /// # Errors
    /// A network or a stem that the library does not have, an image too small for its windows.
    pub fn peer(self, model: &Model) -> std::result::Result<Peer, String> {
        let (spec, options, side) = (model.plan.model.spec, &model.options, model.plan.model.input);
        let peer = match self {
            Library::Candle | Library::Onnx => return Ok(Peer { name: spec.name, tensor: str::to_owned }),
            Library::Timm => spec.timm,
            Library::Torchvision => spec.torchvision,
        };
        let lacks = |what: &str| format!("{} has no {what}; write --to candle", self.name());
        match peer {
            None => Err(lacks(spec.name)),
            Some(_) if options.stem.is_some_and(|stem| stem != spec.stem) => {
                let stem = options.stem.map_or("", Stem::name);
                Err(lacks(&format!("{} with the stem `{stem}`", spec.name)))
            }
            // timm makes windows smaller where a map is, and has other tables then; ours and torchvision's stay at 7.
            Some(_) if self == Library::Timm && side < 224 && has_windows(model) => Err(lacks(&format!(
                "{} with windows of 7 for images of {side} px, only from 224 on",
                spec.name
            ))),
            // timm pools after its 7×7 convolution, ours before the linear layer: one where the last map is of 7 at most.
            Some(_) if self == Library::Timm && side >= 256 && spec.name.starts_with("vgg") => {
                Err(lacks(&format!("{} that pools images of {side} px alike, only up to 255", spec.name)))
            }
            Some(peer) => Ok(peer),
        }
    }
}

/// What was written.
pub struct Exported {
    /// In the order of writing.
    pub files: Vec<PathBuf>,
    /// How a program loads the network.
    pub loader: String,
}

/// Writes `model.safetensors` (or `model.onnx`), `config.json`, a file that loads them, prepares images and runs, and a README to
/// `out`, which must be empty or not there.
///
/// # Errors
/// A network that the library does not have; a folder that holds something; files that are damaged or cannot be written.
pub fn export(place: &Path, to: Library, out: &Path, registry: &Registry) -> Result<Exported> {
    let model = Model::open(place, &[], Some(Device::Cpu), registry, &Progress::hidden())?;
    let peer = to.peer(&model);
    let peer = peer.map_err(|problem| Error::recipe(format!("--to {}: {problem}", to.name())))?;
    if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) || out.is_file() {
        let problem = "is a file, or a folder that is not empty; name a folder that is not there yet";
        return Err(Error::recipe(format!("{}: {problem}", out.display())));
    }
    fs::create_dir_all(out).map_err(Error::io(out))?;
    let preprocessing = Preprocessing::of(&model)?;
    let mut files = match to {
        Library::Onnx => write_onnx(&model, &preprocessing, place, out)?,
        _ => write_model(&model, place, to, peer, out)?,
    };
    let loader = to.loader(&model, peer);
    let readme = loader::readme(to, &model, &preprocessing, &loader);
    for (name, text) in [(loader.name, loader.text()), ("README.md", readme)] {
        write(&out.join(name), text.as_bytes())?;
        files.push(out.join(name));
    }
    if let Some(calibration) = &model.calibration {
        let text = serde_json::to_string_pretty(calibration).expect("numbers and names") + "\n";
        write(&out.join(Calibration::FILE), text.as_bytes())?;
        files.push(out.join(Calibration::FILE));
    }
    Ok(Exported { files, loader: loader.network })
}

/// `model.safetensors` and `config.json` in the names and shapes of a library.
///
/// # Errors
/// Files that are damaged or cannot be written.
pub fn write_model(model: &Model, place: &Path, to: Library, peer: Peer, out: &Path) -> Result<Vec<PathBuf>> {
    let metadata = tallow_models::weights::read(&place.join("model.safetensors"))?.metadata;
    let recipe = read(place, "recipe.yaml")?;
    let mut tensors = BTreeMap::new();
    for (ours, tensor) in model.params.tensors()? {
        let theirs = (peer.tensor)(&ours);
        let tensor = shaped(to, &theirs, tensor)?;
        tensors.insert(theirs, tensor);
    }
    let (weights, config) = (out.join("model.safetensors"), out.join("config.json"));
    tallow_models::weights::save(&tensors, &weights, &metadata)?;
    let mut text = describe(model, &recipe, to, peer, &tensors);
    text["tallow"]["preprocessing"] = Preprocessing::of(model)?.json();
    write_json(&config, &text)?;
    Ok(vec![weights, config])
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value).expect("JSON is written");
    write(path, format!("{text}\n").as_bytes())
}

/// `model.onnx` and `config.json`.
fn write_onnx(
    model: &Model,
    preprocessing: &Preprocessing,
    place: &Path,
    out: &Path,
) -> Result<Vec<PathBuf>> {
    let config = &model.config;
    let prepared = preprocessing.json();
    let properties = [
        ("architecture", config.architecture.clone()),
        ("labels", json!(config.labels).to_string()),
        ("mean", json!(config.mean).to_string()),
        ("std", json!(config.std).to_string()),
        ("scale", prepared["scale"].to_string()),
        ("layout", prepared["layout"].as_str().unwrap_or_default().to_owned()),
        ("output", format!("logits (N, {}), softmax gives the probabilities of `labels`", config.classes)),
        ("preprocessing", prepared.to_string()),
    ];
    let bytes = tallow_models::onnx::onnx(&model.network, &model.params, config.input, &properties)?;
    let file = out.join("model.onnx");
    write(&file, &bytes)?;
    let text = read(place, "config.json")?;
    let parsed = serde_json::from_str(&text);
    let mut config: Value = parsed
        .map_err(|error| Error::Checkpoint(format!("{}: {error}", place.join("config.json").display())))?;
    config["tallow"]["preprocessing"] = prepared;
    write_json(&out.join("config.json"), &config)?;
    Ok(vec![file, out.join("config.json")])
}

/// Whether the network attends within windows.
fn has_windows(model: &Model) -> bool {
    model.params.trainable.keys().any(|name| name.ends_with("relative_position_bias_table"))
}

/// The same elements in the shape that the library has for them: a few layers are convolutions of 1×1 or scales by channel there.
fn shaped(to: Library, name: &str, tensor: Tensor) -> Result<Tensor> {
    let dims = tensor.dims().to_vec();
    let shape = match (to, &dims[..]) {
        (Library::Timm, &[o, i]) if name == "conv_head.weight" || name == "pre_logits.fc2.weight" => {
            vec![o, i, 1, 1]
        }
        (Library::Timm, &[o, i]) if name == "pre_logits.fc1.weight" && i % 49 == 0 => vec![o, i / 49, 7, 7],
        (Library::Timm, &[c, 1, 1]) if name.ends_with(".gamma") => vec![c],
        (Library::Torchvision, &[c]) if name.ends_with(".layer_scale") => vec![c, 1, 1],
        _ => return Ok(tensor),
    };
    Ok(tensor.reshape(shape)?)
}

/// timm's `config.json`, under the name and layers that timm knows.
fn describe(
    model: &Model,
    recipe: &str,
    to: Library,
    peer: Peer,
    tensors: &BTreeMap<String, Tensor>,
) -> Value {
    let spec = model.plan.model.spec;
    let (recipe, policy) = heading(recipe).unwrap_or_default();
    let training = json!({ "architecture": spec.name, "recipe": recipe, "policy": policy });
    let mut config = model.config.to_json(&model.network, Map::new());
    config["training"] = training;
    if to != Library::Timm {
        return config;
    }
    let layer = |ours: &str| {
        let theirs = (peer.tensor)(&format!("{ours}.weight"));
        theirs.strip_suffix(".weight").map_or(theirs.clone(), str::to_owned)
    };
    config["architecture"] = json!(peer.name);
    config["pretrained_cfg"]["first_conv"] = json!(layer(spec.first_conv));
    config["pretrained_cfg"]["classifier"] = json!(layer(spec.classifier));
    for (argument, value) in spec.timm_arguments {
        config["model_args"][argument] = json!(value);
    }
    // Positions are of one size of image: timm then makes the network for it.
    let fixed =
        tensors.keys().any(|name| name == "pos_embed" || name.ends_with("relative_position_bias_table"));
    config["pretrained_cfg"]["fixed_input_size"] = json!(fixed);
    config
}
