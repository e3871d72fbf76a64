//! A checkpoint in other libraries' layouts: the names are theirs, and where Python has the libraries, so are the logits.

use crate::program::{Desk, root, tensors};
use std::process::Command;

/// `values.npy`: (3, 3, 16, 16) of normalised values, a wave.
pub fn values(desk: &Desk) {
    let wave = (0..3 * 3 * 16 * 16).map(|i| (0.37 * i as f32 + 0.01 * (i % 97) as f32).sin()).collect();
    let values = candle_core::Tensor::from_vec(wave, (3, 3, 16, 16), &candle_core::Device::Cpu).unwrap();
    values.write_npy(desk.path("values.npy")).unwrap();
}

/// One step of a network, its logits of `values.npy` in `logits.csv`.
fn train(desk: &Desk, model: &str) {
    values(desk);
    let name = format!("model.name={model}");
    desk.train(&["tiny.yaml", &name, "length=1 steps", "--out", "run"]).ok();
    desk.write("logits.csv", desk.tallow(&["predict", "run", "values.npy", "--logits"]).ok().out);
}

/// A Python that has the libraries: `TALLOW_PYTHON`, or `python3`.
fn python(libraries: &str) -> Option<String> {
    let python = std::env::var("TALLOW_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let import = format!("import {libraries}");
    let there = Command::new(&python).args(["-c", &import]).output().is_ok_and(|said| said.status.success());
    if !there {
        eprintln!("{python} lacks one of {libraries}: logits were not compared");
    }
    there.then_some(python)
}

/// The library's logits of an exported folder are ours.
fn compare(desk: &Desk, folder: &str) {
    let Some(python) = python("timm, torchvision, safetensors") else { return };
    let script = root().join("tests/interop.py");
    let said = Command::new(python)
        .arg(script)
        .args([desk.path(folder), desk.path("values.npy"), desk.path("logits.csv")])
        .output()
        .expect("Python starts");
    assert!(said.status.success(), "{folder}: {}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn timm_and_torchvision_load_what_is_exported() {
    let desk = Desk::new();
    train(&desk, "resnet18");
    let ours = tensors(&desk.path("run/best/model.safetensors"));
    for library in ["timm", "torchvision", "candle"] {
        let said = desk.tallow(&["export", "run", "--to", library, library]).ok();
        let file = if library == "candle" { "load.rs" } else { "load.py" };
        assert_eq!(desk.names(library), ["config.json", file, "model.safetensors"]);
        assert!(
            said.out.contains("model.safetensors")
                && said.out.contains(&desk.read(&format!("{library}/{file}")))
        );
        // A plain ResNet has the same names everywhere.
        assert_eq!(tensors(&desk.path(library).join("model.safetensors")), ours);
    }
    desk.tallow(&["export", "run", "--to", "onnx", "onnx"]).ok();
    assert_eq!(desk.names("onnx"), ["config.json", "load.py", "model.onnx"]);
    if python("onnxruntime").is_some() {
        compare(&desk, "onnx");
    }
    let config = desk.json("timm/config.json");
    assert_eq!(
        (config["architecture"].as_str(), config["num_classes"].as_u64()),
        (Some("resnet18"), Some(7))
    );
    assert_eq!(config["pretrained_cfg"]["first_conv"], "conv1");
    compare(&desk, "timm");
    compare(&desk, "torchvision");
    // What was exported for one library is weights for the next training, whatever the file.
    let said = desk.train(&["tiny.yaml", "model.name=resnet18", "model.weights=timm", "--dry-run"]).ok();
    assert!(said.err.contains("mean and std are those of timm/config.json"), "{}", said.err);
}

#[test]
fn names_that_differ_are_theirs() {
    let desk = Desk::new();
    train(&desk, "mobilenet_v3_small");
    let spec = tallow_models::find("mobilenet_v3_small").unwrap();
    for (library, peer) in [("timm", spec.timm), ("torchvision", spec.torchvision)] {
        let peer = peer.expect(library);
        desk.tallow(&["export", "run", "--to", library, library]).ok();
        let theirs = tensors(&desk.path(library).join("model.safetensors"));
        for (name, values) in tensors(&desk.path("run/best/model.safetensors")) {
            assert_eq!(theirs[&(peer.tensor)(&name)], values, "{name}");
        }
        assert_eq!(desk.json(&format!("{library}/config.json"))["num_classes"], 7);
        compare(&desk, library);
        // And they are recognised on the way back.
        let weights = format!("model.weights={library}");
        desk.train(&["tiny.yaml", "model.name=mobilenet_v3_small", &weights, "--dry-run"]).ok();
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
    desk.tallow(&["export", "stem", "--to", "candle", "out"]).ok();
    assert!(desk.read("out/load.rs").contains("stem: Some(Stem::Cifar), "));
}
