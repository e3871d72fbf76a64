//! Maps equal pytorch-grad-cam's; which taps have one. `tests/golden/cam.py` makes the file and says what is in it.

use super::*;
use crate::inspect::curve::formula::{formula, unit};
use crate::run::keys;
use std::collections::BTreeMap;
use std::path::Path;
use tallow_models::{ModelOptions, find, weights};

fn golden() -> BTreeMap<String, Tensor> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/cam/cam.safetensors");
    weights::read(&path).unwrap().tensors.into_iter().collect()
}

/// A network with the weights of the formula.
fn network(name: &str, side: usize, classes: usize, dtype: DType) -> (Params, Network) {
    let mut params = Params::new(keys::initial_weights(0), dtype, &Device::Cpu);
    let options = ModelOptions { input: Some(side), ..ModelOptions::new(classes) };
    let network = (find(name).unwrap().build)(&mut params, &options).unwrap();
    for (name, param) in params.trainable.iter().chain(&params.buffers) {
        let shape = param.var().dims();
        let values = Tensor::from_vec(formula(name, shape), shape, &Device::Cpu).unwrap();
        param.var().set(&values.to_dtype(dtype).unwrap()).unwrap();
    }
    (params, network)
}

/// The first two images of the formula's.
fn images(shape: [usize; 4]) -> Tensor {
    let values = unit("images", shape.iter().product()).into_iter().map(|u| u * 3f64.sqrt()).collect();
    Tensor::from_vec(values, &shape, &Device::Cpu).unwrap()
}

#[test]
fn maps_are_those_of_pytorch_grad_cam() {
    let golden = golden();
    let (mut seen, mut worst) = (0, 0f64);
    for (name, shape, classes) in [
        ("resnet18", [2, 3, 64, 64], 7),
        ("vit_tiny_patch16_224", [2, 3, 64, 64], 5),
        ("swin_t", [2, 3, 56, 64], 5),
    ] {
        for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 1e-4)] {
            let (_, network) = network(name, shape[2], classes, dtype);
            let images = images(shape).to_dtype(dtype).unwrap();
            for (key, theirs) in golden.iter().filter(|(key, _)| key.starts_with(&format!("{name}."))) {
                let (tap, method) = key[name.len() + 1..].split_once('.').unwrap();
                let Ok(method) = method.parse() else { continue };
                let ours = cams(&network, &images, &[1, 3], tap, method).unwrap();
                let theirs = theirs.flatten_from(1).unwrap().to_vec2::<f64>().unwrap();
                for (ours, theirs) in ours.iter().zip(&theirs) {
                    assert_eq!(ours.values.len(), theirs.len(), "{key}");
                    let most = theirs.iter().copied().fold(0.0, f64::max);
                    let pairs = ours.values.iter().zip(theirs);
                    let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(apart <= tolerance * most, "{key}, {dtype:?}: {apart:e} apart, largest {most:e}");
                    worst = worst.max(apart / most / tolerance);
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen, 2 * 2 * 11);
    println!("the largest difference is {worst:.3} of the tolerance");
}

#[test]
fn a_map_is_scaled_as_pytorch_interpolates() {
    let golden = golden();
    let cam = |key: &str| {
        let theirs = golden[key].to_vec3::<f64>().unwrap();
        Cam { rows: theirs[0].len(), columns: theirs[0][0].len(), values: theirs[0].concat() }
    };
    let expected = golden["resnet18.stage2.over"].flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let over = cam("resnet18.stage2.gradcam").over(30, 21);
    assert_eq!(over.len(), expected.len());
    assert!(over.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
    assert_eq!(over.iter().copied().fold(0.0, f64::max), 1.0);
    // Nothing speaks for the class.
    assert_eq!(Cam { rows: 1, columns: 2, values: vec![0.0; 2] }.over(3, 2), [0.0; 6]);
}

#[test]
fn the_tap_is_the_last_that_the_logits_depend_on() {
    let (params, resnet) = network("resnet18", 64, 5, DType::F32);
    let found = |asked| tap(&resnet, &params, [3, 64, 64], asked).map_err(|error| error.to_string());
    assert_eq!(found(None).unwrap(), "stage4");
    assert_eq!(found(Some("stem")).unwrap(), "stem");
    let taps = "expected one of input, stem, stage1, stage2, stage3, stage4";
    for (asked, problem) in [("penultimate", "has no places"), ("stage5", "there is no such tap")] {
        let error = found(Some(asked)).unwrap_err();
        assert!(error.contains(&format!("--tap {asked}: {problem}")) && error.ends_with(taps), "{error}");
    }
    // At 32 pixels its last map is a single one.
    assert_eq!(tap(&resnet, &params, [3, 32, 32], None).unwrap(), "stage3");
    // What the head reads of a ViT is the class token.
    let (params, vit) = network("vit_tiny_patch16_224", 64, 5, DType::F32);
    let found = |asked| tap(&vit, &params, [3, 64, 64], asked).map_err(|error| error.to_string());
    assert_eq!(found(None).unwrap(), "stage3");
    let error = found(Some("stage4")).unwrap_err();
    assert!(error.contains("class token alone") && error.ends_with("input, stem, stage1, stage2, stage3"));
}
