//! Initial values, and which of the tensors decay.

use crate::{build, numbers};
use candle_core::{DType, Device};
use tallow_models::{ModelOptions, Params, find};
use tallow_seed::Seed;

#[test]
fn initial_values_are_torchvisions() {
    let (params, _) = build(find("resnet50").unwrap(), &ModelOptions::new(1000));
    for (name, param) in params.trainable.iter().chain(&params.buffers) {
        let (shape, values) = (param.var().dims(), numbers(param.var()));
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let largest = values.iter().fold(0f64, |a, b| a.max(b.abs()));
        match name.as_str() {
            "fc.weight" | "fc.bias" => {
                let bound = 1.0 / 2048f64.sqrt();
                assert!(largest <= bound && largest > 0.99 * bound, "{name}: {largest}");
                // Uniform: variance bound² / 3; the sample variance has the relative sd √(0.8 / n).
                assert!((variance / (bound * bound / 3.0) - 1.0).abs() < 5.0 * (0.8 / n).sqrt(), "{name}");
                assert!(mean.abs() < 5.0 * bound / (3.0 * n).sqrt(), "{name}: {mean}");
            }
            _ if shape.len() == 4 => {
                let expected = 2.0 / (shape[0] * shape[2] * shape[3]) as f64;
                assert!(
                    (variance / expected - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
                    "{name}: {variance} {expected}"
                );
                assert!(mean.abs() < 5.0 * (expected / n).sqrt(), "{name}: {mean}");
            }
            _ => {
                let one = name.ends_with("weight") || name.ends_with("running_var");
                assert!(values.iter().all(|&v| v == f64::from(u8::from(one))), "{name}");
            }
        }
    }
}

/// Normal: the sample variance has the relative sd √(2 / n).
#[test]
fn initial_values_of_mobilenet_v3_are_torchvisions() {
    let (params, _) = build(find("mobilenet_v3_small").unwrap(), &ModelOptions::new(1000));
    for (name, param) in params.trainable.iter().chain(&params.buffers) {
        let values = numbers(param.var());
        let variance = match *param.var().dims() {
            [output, _, height, width] => 2.0 / (output * height * width) as f64,
            [_, _] => 0.01 * 0.01,
            _ => {
                // 1-d weights are those of norms.
                let one = name.ends_with("weight") || name.ends_with("running_var");
                assert!(values.iter().all(|&v| v == f64::from(u8::from(one))), "{name}");
                continue;
            }
        };
        let n = values.len() as f64;
        let found = values.iter().map(|v| v * v).sum::<f64>() / n;
        assert!((found / variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{name}: {found} {variance}");
        assert!((values.iter().sum::<f64>() / n).abs() < 5.0 * (variance / n).sqrt(), "{name}");
    }
}

/// Normal with variance 2 / (in · kernel²).
#[test]
fn initial_values_of_densenet_are_torchvisions() {
    let (params, _) = build(find("densenet121").unwrap(), &ModelOptions::new(10));
    for (name, param) in &params.trainable {
        let [_, input, height, width] = *param.var().dims() else { continue };
        let (values, variance) = (numbers(param.var()), 2.0 / (input * height * width) as f64);
        let n = values.len() as f64;
        let found = values.iter().map(|v| v * v).sum::<f64>() / n;
        assert!((found / variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{name}: {found} {variance}");
    }
}

#[test]
fn initial_values_are_keyed_by_seed_and_name() {
    let spec = find("resnet20").unwrap();
    let first = |seed: u64, classes: usize| {
        let mut params = Params::new(Seed::new(seed), DType::F32, &Device::Cpu);
        (spec.build)(&mut params, &ModelOptions::new(classes)).unwrap();
        numbers(params.trainable["layer3.2.conv2.weight"].var())
    };
    assert_eq!(first(1, 10), first(1, 7));
    assert_ne!(first(1, 10), first(2, 10));
    let (params, _) = build(spec, &ModelOptions::new(10));
    let other = numbers(params.trainable["layer3.1.conv2.weight"].var());
    assert_ne!(numbers(params.trainable["layer3.2.conv2.weight"].var()), other);
}

#[test]
fn positions_and_scales_do_not_decay() {
    for (name, without) in [
        ("vit_tiny_patch16_224", ["cls_token", "pos_embed"]),
        ("swin_t", ["features.1.0.attn.relative_position_bias_table", "features.1.0.norm1.weight"]),
        ("convnext_tiny", ["features.1.0.layer_scale", "features.1.0.block.0.bias"]),
    ] {
        let (params, _) = build(find(name).unwrap(), &ModelOptions::new(5));
        assert!(without.iter().all(|tensor| !params.trainable[*tensor].decays()), "{name}");
        for (tensor, param) in &params.trainable {
            let norm = tensor.contains("norm") || param.var().rank() == 1;
            assert_eq!(
                !param.decays(),
                norm || without.iter().any(|w| tensor.ends_with(&w[w.len() - 9..])),
                "{tensor}"
            );
        }
    }
}

/// timm's and torchvision's: normal of 0.02; the embedding of patches as torch's convolutions; layer scale 1e-6.
#[test]
fn initial_values_of_transformers() {
    for name in ["vit_tiny_patch16_224", "swin_t", "convnext_tiny"] {
        let (params, _) = build(find(name).unwrap(), &ModelOptions::new(100));
        for (tensor, param) in &params.trainable {
            let values = numbers(param.var());
            let n = values.len() as f64;
            let sd = (values.iter().map(|v| v * v).sum::<f64>() / n).sqrt();
            let patches = name != "convnext_tiny"
                && (tensor.contains("patch_embed") || tensor.contains("features.0.0"));
            let expected = match tensor {
                _ if patches => 1.0 / (3.0f64 * if name == "swin_t" { 48.0 } else { 768.0 }).sqrt(),
                _ if tensor.ends_with("layer_scale") => 1e-6,
                _ if tensor == "cls_token" => 1e-6,
                _ if param.var().rank() > 1 => 0.02,
                _ if tensor.ends_with("weight") => 1.0,
                _ => 0.0,
            };
            // The relative sd of a sample's sd is 1 / √(2n).
            assert!(
                (sd - expected).abs() <= 5.0 * expected / (2.0 * n).sqrt(),
                "{name} {tensor}: {sd}, not {expected}"
            );
        }
    }
}
