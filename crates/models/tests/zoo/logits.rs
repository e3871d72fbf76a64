//! Logits in evaluation, of every network that a test on two cores can afford.

#[path = "../../../../tests/golden/formula.rs"]
mod formula;

use crate::{golden, numbers};
use candle_core::{DType, Device, Tensor};
use formula::{formula, unit};
use tallow_models::{MODELS, Mode, ModelOptions, Params};

/// `tests/golden/zoo.py` says which, and how weights and images are made.
#[test]
fn logits_are_torchvisions_and_timms() {
    let (golden, mut seen) = (golden(), 0);
    for spec in MODELS {
        let Some(expected) = golden[spec.name].get("logits") else { continue };
        let expected: Vec<f64> = expected
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|row| row.as_array().unwrap())
            .map(|v| v.as_f64().unwrap())
            .collect();
        let (side, classes) = if spec.input == 32 { (32, 10) } else { (64, 1000) };
        let mut params = Params::blank(DType::F64, &Device::Cpu);
        let options = ModelOptions { input: Some(side), ..ModelOptions::new(classes) };
        let network = (spec.build)(&mut params, &options).unwrap();
        for (name, param) in params.trainable.iter().chain(&params.buffers) {
            let shape = param.var().dims();
            let mut values = formula(name, shape);
            if spec.name.starts_with("efficientnet") && shape.len() == 1 && name.ends_with("weight") {
                values.iter_mut().for_each(|value| *value *= 0.9);
            }
            param.var().set(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap();
        }
        let shape = [2, 3, side, side];
        let values = unit("images", shape.iter().product()).into_iter().map(|u| u * 3f64.sqrt()).collect();
        let images = Tensor::from_vec(values, &shape, &Device::Cpu).unwrap();
        let found = numbers(&network.forward(&images, &Mode::Eval).unwrap().narrow(1, 0, 8).unwrap());
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let far =
            norm(&mut found.iter().zip(&expected).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied());
        assert!(far <= 1e-9, "{}: {far:e}", spec.name);
        seen += 1;
    }
    assert!(seen >= 35, "{seen}");
}
