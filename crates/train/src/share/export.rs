//! A checkpoint in the layout of another library.

use crate::fit::checkpoint::{read, write};
use crate::recipe::resolved::heading;
use crate::run::Model;
use crate::{Error, Result};
use candle_core::{Device, Tensor};
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

    /// How a program loads what was written, wherever that lies then, and the name of the file that says so.
    fn loader(self, model: &Model, peer: Peer) -> (&'static str, String) {
        let (classes, name, side) = (model.classes.len(), peer.name, model.plan.model.input);
        match self {
            Library::Timm => (
                "load.py",
                format!(
                    "# pip install timm\nimport pathlib\n\nimport timm\n\n{HERE}\
                     model = timm.create_model(f\"local-dir:{{here}}\", pretrained=True).eval()\n"
                ),
            ),
            Library::Torchvision => {
                let size =
                    if name.starts_with("vit_") { format!(", image_size={side}") } else { String::new() };
                // Of windows torchvision saves an index too, which its constructor makes.
                let (strict, check) = if has_windows(model) {
                    let check = "assert not missed.unexpected_keys\n\
                                 assert all(key.endswith(\"relative_position_index\") for key in missed.missing_keys)\n";
                    (", strict=False", check)
                } else {
                    ("", "")
                };
                (
                    "load.py",
                    format!(
                        "# pip install torchvision safetensors\nimport pathlib\n\nimport torchvision\n\
                         from safetensors.torch import load_file\n\n{HERE}\
                         model = torchvision.models.{name}(num_classes={classes}{size})\n\
                         missed = model.load_state_dict(load_file(here / \"model.safetensors\"){strict})\n{check}model.eval()\n"
                    ),
                )
            }
            Library::Onnx => (
                "load.py",
                format!(
                    "# pip install onnxruntime\nimport pathlib\n\nimport onnxruntime\n\n{HERE}\
                     session = onnxruntime.InferenceSession(here / \"model.onnx\")\n\n\n\
                     def model(images):\n    \"\"\"Logits of float32 images (R, 3, {side}, {side}): values in [0, 1] less {mean:?}, over {std:?}.\"\"\"\n    \
                     return session.run(None, {{\"{input}\": images}})[0]\n",
                    mean = model.config.mean,
                    std = model.config.std,
                    input = tallow_models::onnx::INPUT,
                ),
            ),
            Library::Candle => ("load.rs", include_str!("export/load.rs").to_owned()),
        }
    }
}

/// The folder of `load.py`.
const HERE: &str = "here = pathlib.Path(__file__).resolve().parent\n";

/// What was written.
pub struct Exported {
    /// In the order of writing.
    pub files: Vec<PathBuf>,
    /// How a program loads it.
    pub loader: String,
}

/// Writes `model.safetensors` (or `model.onnx`), `config.json` and a file that loads them to `out`, which must be empty or not there.
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
    let mut files = match to {
        Library::Onnx => write_onnx(&model, place, out)?,
        _ => write_model(&model, place, to, peer, out)?,
    };
    let (name, loader) = to.loader(&model, peer);
    write(&out.join(name), loader.as_bytes())?;
    files.push(out.join(name));
    Ok(Exported { files, loader })
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
    let text = serde_json::to_string_pretty(&describe(model, &recipe, to, peer, &tensors));
    let text = text.expect("JSON is written");
    write(&config, format!("{text}\n").as_bytes())?;
    Ok(vec![weights, config])
}

/// `model.onnx` and `config.json`.
fn write_onnx(model: &Model, place: &Path, out: &Path) -> Result<Vec<PathBuf>> {
    let config = &model.config;
    let properties = [
        ("architecture", config.architecture.clone()),
        ("labels", json!(config.labels).to_string()),
        ("mean", json!(config.mean).to_string()),
        ("std", json!(config.std).to_string()),
    ];
    let bytes = tallow_models::onnx::onnx(&model.network, &model.params, config.input, &properties)?;
    let (file, config) = (out.join("model.onnx"), out.join("config.json"));
    write(&file, &bytes)?;
    fs::copy(place.join("config.json"), &config).map_err(Error::io(place.join("config.json")))?;
    Ok(vec![file, config])
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
