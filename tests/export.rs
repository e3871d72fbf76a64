//! A checkpoint in other libraries' layouts: the names are theirs, and where Python has the libraries, so are the logits.

use crate::program::{Desk, root, tensors};
use candle_core::{Device, Tensor};
use std::process::Command;
use tallow_models::Mode;

/// What `--to candle` writes beside the weights.
#[path = "../crates/train/src/share/export/load.rs"]
mod load;

/// `values.npy`: (3, 3, side, side) of normalised values, a wave.
pub fn values(desk: &Desk, side: usize) {
    let wave = (0..3 * 3 * side * side).map(|i| (0.37 * i as f32 + 0.01 * (i % 97) as f32).sin()).collect();
    let values = Tensor::from_vec(wave, (3, 3, side, side), &Device::Cpu).unwrap();
    values.write_npy(desk.path("values.npy")).unwrap();
}

/// One step of a network on images of `side` pixels, its logits of `values.npy` in `logits.csv`.
fn train(desk: &Desk, model: &str, side: usize) {
    values(desk, side);
    let model = format!("model={{ name: {model}, input: {side} }}");
    let [images, evaluation] =
        ["images", "evaluation"].map(|key| format!("{key}=[{{ resize: [{side}, {side}] }}]"));
    let few = ["data.images=14", "data.batch=7", "length=1 steps", "--out", "run"];
    desk.train(&[&["tiny.yaml", &model, &images, &evaluation], &few[..]].concat()).ok();
    desk.write("logits.csv", desk.tallow(&["predict", "run", "values.npy", "--logits"]).ok().out);
}

const ONNX: &str = "onnxruntime, numpy, PIL";
const TORCH: &str = "timm, torchvision, safetensors, PIL";

/// A Python that has the libraries: `TALLOW_PYTHON`, which must have onnxruntime, or `python3`.
fn python(libraries: &str) -> Option<String> {
    let named = std::env::var("TALLOW_PYTHON");
    let must = named.is_ok() && libraries == ONNX;
    let python = named.unwrap_or_else(|_| "python3".to_owned());
    let import = format!("import {libraries}");
    let there = Command::new(&python).args(["-c", &import]).output().is_ok_and(|said| said.status.success());
    assert!(
        there || !must,
        "TALLOW_PYTHON={python} lacks one of {libraries}: install it, or unset the variable"
    );
    if !there {
        eprintln!("{python} lacks one of {libraries}: logits were not compared");
    }
    there.then_some(python)
}

/// The library's logits of an exported folder are ours.
fn compare(desk: &Desk, folder: &str, libraries: &str) {
    interop(desk, libraries, [folder, "values.npy", "logits.csv"]);
}

fn interop(desk: &Desk, libraries: &str, [folder, what, expected]: [&str; 3]) {
    let Some(python) = python(libraries) else { return };
    let script = root().join("tests/interop.py");
    let said = Command::new(python)
        .arg(script)
        .args([desk.path(folder), desk.path(what), desk.path(expected)])
        .output()
        .expect("Python starts");
    assert!(said.status.success(), "{folder}: {}", String::from_utf8_lossy(&said.stderr));
}

/// `image.png`: a bright disc with stripes on dark ground, wider than high.
fn image(desk: &Desk) {
    let picture = image::RgbImage::from_fn(90, 70, |x, y| {
        let (dx, dy) = (f64::from(x) - 47.0, f64::from(y) - 33.0);
        let wave = (f64::from(x) * 0.9 + f64::from(y) * 0.35).sin() * 40.0;
        let light = if dx.hypot(dy) < 27.0 { 170.0 + wave } else { 12.0 };
        image::Rgb([light as u8, (light * 0.8) as u8, (light * 0.6 + dy.abs()) as u8])
    });
    picture.save(desk.path("image.png")).unwrap();
}

/// A path of an image is enough for `load.py`, whatever the evaluation: what timm's words cannot say, several crops, and
/// image policies that draw nothing (of ours all but CLAHE, which is OpenCV's).
#[test]
fn the_loader_prepares_images_as_the_evaluation_does() {
    let evaluations = [
        ("[ { resize: 26 }, { center_crop: 16 } ]", "", false),
        (
            "[ { resize: { size: [20, 24], interpolation: bicubic } }, { center_crop: {} } ]",
            "evaluation_crops=9",
            true,
        ),
        (
            "[ { field_of_view: { darkness: 0.7 } }, { color_constancy: {} }, { grayscale: {} }, { autocontrast: {} }, { resize: {} } ]",
            "",
            true,
        ),
        (
            "[ { resize: {} }, { equalize: {} }, { posterize: 6 }, { solarize: 200 }, { invert: {} } ]",
            "",
            true,
        ),
    ];
    for (evaluation, crops, is_ours_alone) in evaluations {
        let desk = Desk::new();
        image(&desk);
        let evaluation = format!("evaluation={evaluation}");
        let mut words = vec![
            "tiny.yaml",
            &evaluation,
            "data.images=14",
            "data.batch=7",
            "length=2 steps",
            "--out",
            "run",
        ];
        words.extend((!crops.is_empty()).then_some(crops));
        desk.train(&words).ok();
        desk.tallow(&["export", "run", "--to", "onnx", "onnx"]).ok();
        let path = desk.path("image.png");
        desk.write("predictions.csv", desk.tallow(&["predict", "run", path.to_str().unwrap()]).ok().out);
        interop(&desk, ONNX, ["onnx", "image.png", "predictions.csv"]);
        // The same is said in words, and in the file itself, which may go its own way.
        let prepared = desk.json("onnx/config.json")["tallow"]["preprocessing"].clone();
        assert_eq!(prepared["crops_per_side"].as_u64(), Some(if crops.is_empty() { 1 } else { 3 }));
        let bytes = std::fs::read(desk.path("onnx/model.onnx")).unwrap();
        let text = prepared.to_string();
        assert!(bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");
        let readme = desk.read("onnx/README.md");
        assert_eq!(readme.contains("timm's own transform"), is_ours_alone, "{readme}");
        for step in prepared["steps"].as_array().unwrap() {
            let name = step.as_object().unwrap().keys().next().unwrap();
            let words = match name.as_str() {
                "resize" => "resized",
                "center_crop" if crops.is_empty() => "cropped to 16 × 16 pixels",
                "center_crop" => "9 crops of 16 × 16 pixels",
                name => name,
            };
            assert!(readme.contains(words), "{words}: {readme}");
        }
    }
}

#[test]
fn timm_and_torchvision_load_what_is_exported() {
    let desk = Desk::new();
    train(&desk, "resnet18", 32);
    let ours = tensors(&desk.path("run/best/model.safetensors"));
    for library in ["timm", "torchvision", "candle"] {
        let said = desk.tallow(&["export", "run", "--to", library, library]).ok();
        let file = if library == "candle" { "load.rs" } else { "load.py" };
        assert_eq!(desk.names(library), ["README.md", "config.json", file, "model.safetensors"]);
        let loader = desk.read(&format!("{library}/{file}"));
        // What makes the network is shown; what prepares images is in the file.
        let (_, shown) = said.out.split_once("\n\n").unwrap();
        assert!(
            said.out.contains("model.safetensors") && loader.starts_with(shown) && shown.lines().count() > 8,
            "{shown}"
        );
        assert!(!loader.contains(desk.path("").to_str().unwrap()), "a folder may be moved: {loader}");
        // A plain ResNet has the same names everywhere.
        assert_eq!(tensors(&desk.path(library).join("model.safetensors")), ours);
    }
    desk.tallow(&["export", "run", "--to", "onnx", "onnx"]).ok();
    assert_eq!(desk.names("onnx"), ["README.md", "config.json", "load.py", "model.onnx"]);
    compare(&desk, "onnx", ONNX);
    let config = desk.json("timm/config.json");
    assert_eq!(
        (config["architecture"].as_str(), config["num_classes"].as_u64()),
        (Some("resnet18"), Some(7))
    );
    assert_eq!(config["pretrained_cfg"]["first_conv"], "conv1");
    compare(&desk, "timm", TORCH);
    compare(&desk, "torchvision", TORCH);
    // What was exported for one library is weights for the next training, whatever the file.
    desk.tallow(&["eval", "timm"])
        .complains(2, &["timm: holds weights alone", "export", "model.weights=timm"]);
    let said = desk
        .train(&[
            "tiny.yaml",
            "model.name=resnet18",
            "model.weights=timm",
            "model.input=32",
            "images=[ { resize: [32, 32] } ]",
            "evaluation=[ { resize: [32, 32] } ]",
            "--dry-run",
        ])
        .ok();
    assert!(said.err.contains("mean and std are those of timm/config.json"), "{}", said.err);
}

/// Another stem, and what a loader must know of it.
#[test]
fn the_loader_for_candle_gives_our_logits() {
    let desk = Desk::new();
    values(&desk, 16);
    let stem = ["tiny.yaml", "model.name=resnet18", "model.stem=cifar", "length=1 steps", "--out", "run"];
    desk.train(&stem).ok();
    let csv = desk.tallow(&["predict", "run", "values.npy", "--logits"]).ok().out;
    desk.tallow(&["export", "run", "--to", "candle", "out"]).ok();
    assert_eq!(desk.read("out/load.rs"), include_str!("../crates/train/src/share/export/load.rs"));
    let (config, network) = load::load(&desk.path("out")).unwrap();
    let images = Tensor::read_npy(desk.path("values.npy")).unwrap();
    let logits: Vec<Vec<f32>> = network.forward(&images, &Mode::Eval).unwrap().to_vec2().unwrap();
    let said = csv.lines().skip(1).map(|line| line.split(',').rev().take(config.classes).collect::<Vec<_>>());
    let said: Vec<Vec<f32>> =
        said.map(|cells| cells.iter().rev().map(|cell| cell.parse().unwrap()).collect()).collect();
    assert_eq!((said.len(), said[0].len()), (3, 7));
    for (said, here) in said.iter().flatten().zip(logits.iter().flatten()) {
        assert!((said - here).abs() < 1e-5, "{said} {here}");
    }
}

#[test]
fn names_that_differ_are_theirs() {
    let desk = Desk::new();
    train(&desk, "mobilenet_v3_small", 32);
    let spec = tallow_models::find("mobilenet_v3_small").unwrap();
    for (library, peer) in [("timm", spec.timm), ("torchvision", spec.torchvision)] {
        let peer = peer.expect(library);
        desk.tallow(&["export", "run", "--to", library, library]).ok();
        let theirs = tensors(&desk.path(library).join("model.safetensors"));
        for (name, values) in tensors(&desk.path("run/best/model.safetensors")) {
            assert_eq!(theirs[&(peer.tensor)(&name)], values, "{name}");
        }
        assert_eq!(desk.json(&format!("{library}/config.json"))["num_classes"], 7);
        compare(&desk, library, TORCH);
        // And they are recognised on the way back.
        let weights = format!("model.weights={library}");
        let model = ["model.name=mobilenet_v3_small", "model.input=32", "images=[ { resize: [32, 32] } ]"];
        let evaluation = "evaluation=[ { resize: [32, 32] } ]";
        desk.train(&[&["tiny.yaml", &weights, evaluation, "--dry-run"], &model[..]].concat()).ok();
    }
}

/// Shapes that differ, positions and windows of one size, a network that timm must be told of.
#[test]
fn every_kind_of_network_loads_in_timm_and_torchvision() {
    if python(TORCH).is_none() {
        return;
    }
    for (model, side) in [
        ("swin_t", 224),
        ("convnext_tiny", 64),
        ("vit_tiny_patch16_224", 32),
        ("efficientnet_v2_s", 64),
        ("densenet121", 32),
    ] {
        let (desk, spec) = (Desk::new(), tallow_models::find(model).unwrap());
        train(&desk, model, side);
        for (library, peer) in [("timm", spec.timm), ("torchvision", spec.torchvision)] {
            if peer.is_some() {
                desk.tallow(&["export", "run", "--to", library, library]).ok();
                compare(&desk, library, TORCH);
            }
        }
    }
}

#[test]
fn what_cannot_be_exported_says_so() {
    let desk = Desk::new();
    desk.train(&["tiny.yaml", "length=1 steps", "--out", "run"]).ok();
    let refused = |arguments: &[&str], words: &[&str]| {
        desk.tallow(&[&["export", "run"], arguments].concat()).complains(2, words);
    };
    refused(&["--to", "timm", "out"], &["--to timm: timm has no resnet20", "--to candle"]);
    assert!(!desk.path("out").exists());
    refused(&["--to", "candle", "run"], &["run: is a file, or a folder that is not empty", "name a folder"]);
    let stem = ["tiny.yaml", "model.name=resnet18", "model.stem=cifar", "length=1 steps", "--out", "stem"];
    desk.train(&stem).ok();
    let said = desk.tallow(&["export", "stem", "--to", "torchvision", "out"]);
    said.complains(2, &["torchvision has no resnet18 with the stem `cifar`"]);
}
