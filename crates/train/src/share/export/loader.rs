//! The file beside exported weights that loads them, prepares images and runs; and the README that says so.

use super::preprocessing::Preprocessing;
use super::{Library, has_windows};
use crate::run::Model;
use std::fmt::Write;
use tallow_data::counted;
use tallow_models::Peer;

pub struct Loader {
    /// Of the file.
    pub name: &'static str,
    /// How the network is made.
    pub network: String,
    /// What follows: how images are prepared, and a program.
    rest: &'static str,
}

impl Loader {
    pub fn text(&self) -> String {
        format!("{}{}", self.network, self.rest)
    }
}

/// The folder of `load.py`, and what a loader needs beside its library.
const HERE: &str = "here = pathlib.Path(__file__).resolve().parent\n";
const IMPORTS: &str = "import csv\nimport json\nimport pathlib\nimport sys\n\nimport numpy as np\n";
const PICTURES: &str = "from PIL import Image, ImageOps\n";
const TORCH_RUN: &str = "\n\ndef run(values):\n    \"\"\"Logits (N, classes) of values as `prepare` makes them.\"\"\"\n    \
                         with torch.no_grad():\n        return model(torch.from_numpy(values)).numpy()\n";
const PREPARE: &str = concat!("\n\n", include_str!("prepare.py"));

impl Library {
    /// How a program loads what was written, wherever that lies then.
    pub(super) fn loader(self, model: &Model, peer: Peer) -> Loader {
        let (classes, name, side) = (model.classes.len(), peer.name, model.plan.model.input);
        let python = |network| Loader { name: "load.py", network, rest: PREPARE };
        match self {
            Library::Timm => python(format!(
                "# pip install timm pillow numpy\n{IMPORTS}import timm\nimport torch\n{PICTURES}\n{HERE}\
                 model = timm.create_model(f\"local-dir:{{here}}\", pretrained=True).eval()\n{TORCH_RUN}"
            )),
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
                python(format!(
                    "# pip install torchvision safetensors pillow numpy\n{IMPORTS}import torch\nimport torchvision\n{PICTURES}\
                     from safetensors.torch import load_file\n\n{HERE}\
                     model = torchvision.models.{name}(num_classes={classes}{size})\n\
                     missed = model.load_state_dict(load_file(here / \"model.safetensors\"){strict})\n{check}model.eval()\n{TORCH_RUN}"
                ))
            }
            Library::Onnx => python(format!(
                "# pip install onnxruntime pillow numpy\n{IMPORTS}import onnxruntime\n{PICTURES}\n{HERE}\
                 session = onnxruntime.InferenceSession(here / \"model.onnx\")\n\n\n\
                 def model(images):\n    \"\"\"Logits of float32 images (R, 3, {side}, {side}): values in [0, 1] less {mean:?}, over {std:?}.\"\"\"\n    \
                 return session.run(None, {{\"{input}\": images}})[0]\n\n\nrun = model\n",
                mean = model.config.mean,
                std = model.config.std,
                input = tallow_models::onnx::INPUT,
            )),
            Library::Candle => {
                Loader { name: "load.rs", network: include_str!("load.rs").to_owned(), rest: "" }
            }
        }
    }
}

/// What the folder is, how it is used, and what becomes of an image before the network sees it.
pub fn readme(to: Library, model: &Model, preprocessing: &Preprocessing, loader: &Loader) -> String {
    let (plan, classes) = (&model.plan, &model.classes);
    let mut text = format!(
        "# {} for {}\n\nTells {} apart; from tallow {} ({}).\n\n",
        plan.model.spec.name,
        to.name(),
        counted(classes.len(), "class"),
        crate::VERSION,
        crate::COMMIT
    );
    if to == Library::Candle {
        text += "`load.rs` loads the network: a module for a program of yours.\n";
    } else {
        let uncalibrated = if model.calibration.is_some() { " --uncalibrated" } else { "" };
        let libraries = loader.network.lines().next().unwrap_or_default().trim_start_matches("# ");
        let _ = write!(
            text,
            "```sh\n{libraries}\npython load.py IMAGE …   # probabilities as CSV, as `tallow predict{uncalibrated}` gives them\n```\n\n\
             Imported, `load.py` has `model`, `prepare(path)` and `probabilities(path)`.\n"
        );
    }
    let _ = write!(
        text,
        "\n## Images\n\nWhat becomes of an image before the network sees it; `config.json` has the same under \
         `tallow`, `preprocessing`:\n\n{}\n## Classes\n\nIn the order of the logits, from 0; softmax makes probabilities of them.\n\n",
        preprocessing.markdown()
    );
    for (at, class) in classes.iter().enumerate() {
        let _ = writeln!(text, "- {at}: {class}");
    }
    if let Some(calibration) = &model.calibration {
        let _ = write!(
            text,
            "\n## Calibration\n\n{}. It is in `calibration.json`, not in the network: with a temperature T, softmax(logits / T).\n",
            calibration.describe()
        );
    }
    text
}
