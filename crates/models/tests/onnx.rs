//! An exported network computes in onnxruntime what it computes here.
//!
//! Needs a Python with onnxruntime: the one that `TALLOW_PYTHON` names, which must have it, or `python3`, without which only the
//! writing is tested.

#[path = "../../../tests/golden/formula.rs"]
mod formula;

use candle_core::{DType, Device, Tensor};
use formula::{formula, unit};
use std::process::Command;
use tallow_models::{MODELS, Mode, ModelOptions, ModelSpec, Network, Params, onnx};
use tallow_seed::Seed;

/// Parameters of those that are not too large to write in a test: every family but VGG.
const LARGEST: usize = 30_000_000;

#[test]
fn every_network_is_the_same_in_onnxruntime() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = 0;
    for spec in MODELS {
        let side = side(spec);
        let Some((params, network)) = build(spec) else { continue };
        let image = [3, side, side];
        let file = onnx::onnx(&network, &params, image, &[("architecture", spec.name.into())]).unwrap();
        std::fs::write(folder.path().join(format!("{}.onnx", spec.name)), file).unwrap();
        // Other rows than the recorded pass had.
        let shape = [2, 3, side, side];
        let values: Vec<f64> = unit("images", shape.iter().product());
        let images = Tensor::from_vec(values.clone(), &shape, &Device::Cpu).unwrap();
        let logits = network.forward(&images.to_dtype(DType::F32).unwrap(), &Mode::Eval).unwrap();
        let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
        let pair = format!("{{\"shape\": {shape:?}, \"images\": {values:?}, \"logits\": {logits:?}}}");
        std::fs::write(folder.path().join(format!("{}.json", spec.name)), pair).unwrap();
        written += 1;
    }
    assert!(written >= 30, "{written}");

    let named = std::env::var("TALLOW_PYTHON").ok();
    let python = named.as_deref().unwrap_or("python3");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/onnxruntime_logits.py");
    let skipped = |why: String| {
        assert!(named.is_none(), "TALLOW_PYTHON={python}: {why}; install onnxruntime, or unset the variable");
        println!("skipped: {python}: {why}");
    };
    let output = match Command::new(python).arg(script).arg(folder.path()).output() {
        Err(error) => return skipped(error.to_string()),
        Ok(output) => output,
    };
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(77) {
        return skipped(text.into_owned());
    }
    println!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.lines().count(), written);
}

#[test]
fn what_is_not_recorded_is_named() {
    struct Doubled(Network);
    impl tallow_models::Layer for Doubled {
        fn forward(&self, values: &Tensor, mode: &Mode) -> tallow_models::Result<Tensor> {
            Ok((self.0.forward(values, mode)? * 2.0)?)
        }
    }
    let (params, network) = build(tallow_models::find("resnet20").unwrap()).unwrap();
    let network = Network::new(Vec::new(), Box::new(Doubled(network)));
    let error = onnx::onnx(&network, &params, [3, 32, 32], &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "onnx: the result reads a tensor [13, 7] that no recorded op made – apply an op of tallow_kernels in its place"
    );
}

fn side(spec: &ModelSpec) -> usize {
    spec.input.min(64)
}

/// With weights that make every part of the network count.
fn build(spec: &ModelSpec) -> Option<(Params, Network)> {
    let mut params = Params::new(Seed::new(0), DType::F32, &Device::Cpu);
    let network =
        (spec.build)(&mut params, &ModelOptions { input: Some(side(spec)), ..ModelOptions::new(7) }).unwrap();
    if params.size() > LARGEST {
        return None;
    }
    for (name, param) in params.trainable.iter().chain(&params.buffers) {
        let shape = param.var().dims();
        let mut values = formula(name, shape);
        // At 1 the values of the deeper ones grow until their gates are all 0 or 1, and rounding decides the logits.
        if spec.name.starts_with("efficientnet") && shape.len() == 1 && name.ends_with("weight") {
            values.iter_mut().for_each(|value| *value *= 0.9);
        }
        let values = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        param.var().set(&values.to_dtype(DType::F32).unwrap()).unwrap();
    }
    Some((params, network))
}
