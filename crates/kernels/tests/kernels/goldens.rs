//! PyTorch's results, made by `tests/golden/kernels.py`, in f64 to 1e-10.

use crate::support;
use crate::support::{flat, near};
use candle_core::{Device, Result, Tensor, Var};
use serde_json::Value;
use tallow_kernels::*;

/// The script's `numbers`.
fn numbers(shape: &[usize], seed: u64) -> Tensor {
    let n: usize = shape.iter().product();
    let data: Vec<f64> =
        (0..n as u64).map(|i| ((i * 7919 + seed * 104729) % 1009) as f64 / 504.5 - 1.0).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/kernels/kernels.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect(path)).expect("JSON")
}

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).expect("a list of numbers")
}

fn agree(case: &Value, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<()> {
    for fallback in [false, true] {
        support::on(fallback, || -> Result<()> {
            let vars: Vec<Var> = inputs.iter().map(Var::from_tensor).collect::<Result<_>>()?;
            let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
            let y = f(&tensors)?;
            near(&flat(&y), &list::<f64>(&case["result"]), 1e-10);
            let grads = backward(&(&y * numbers(y.dims(), 99))?.sum_all()?)?;
            for (i, var) in vars.iter().enumerate() {
                near(&flat(grads.get(var).expect("a gradient")), &list::<f64>(&case["gradients"][i]), 1e-10);
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn convolutions() -> Result<()> {
    let golden = golden();
    let cases = golden["conv2d"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let [stride, padding, dilation, groups] = list::<usize>(&case["conv"])[..] else {
            panic!("four numbers")
        };
        let inputs = [numbers(&list::<usize>(&case["x"]), 1), numbers(&list::<usize>(&case["weight"]), 2)];
        agree(case, &inputs, |t| conv2d(&t[0], &t[1], Conv { stride, padding, dilation, groups }))?;
    }
    Ok(())
}

#[test]
fn batch_norms() -> Result<()> {
    let golden = golden();
    for (case, training) in
        golden["batch_norm"].as_array().unwrap().iter().zip([Stats::BatchAndUpdate, Stats::Running])
    {
        let inputs =
            [numbers(&[2, 3, 4, 5], 3), numbers(&[3], 4), numbers(&[3], 5), numbers(&[2, 3, 4, 5], 6)];
        let (mean, var) = (numbers(&[3], 7), (numbers(&[3], 8) + 2.0)?);
        agree(case, &inputs, |t| {
            let stats = RunningStats { mean: Var::from_tensor(&mean)?, var: Var::from_tensor(&var)? };
            let norm = support::norm(&t[1], &t[2], &stats, training);
            let y = batch_norm(&t[0], norm, Some(&t[3]), true)?;
            near(&flat(&stats.mean), &list::<f64>(&case["mean"]), 1e-10);
            near(&flat(&stats.var), &list::<f64>(&case["var"]), 1e-10);
            Ok(y)
        })?;
    }
    Ok(())
}

#[test]
fn pools() -> Result<()> {
    let golden = golden();
    let cases = golden["pool"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let [kernel, stride, padding] = list::<usize>(&case["window"])[..] else { panic!("three numbers") };
        let include = case["include"].as_bool().unwrap();
        agree(case, &[numbers(&[2, 2, 7, 6], 9)], |t| match case["kind"].as_str() {
            Some("max") => max_pool2d(&t[0], kernel, stride, padding),
            _ => avg_pool2d(&t[0], kernel, stride, padding, include),
        })?;
    }
    let x = [numbers(&[2, 2, 7, 6], 9)];
    agree(&golden["avg_ceil"], &x, |t| avg_pool2d_ceil(&t[0], 2, 2))?;
    agree(&golden["adaptive"], &x, |t| adaptive_avg_pool2d(&t[0], (5, 4)))
}

#[test]
fn gates() -> Result<()> {
    let golden = golden();
    let x = (numbers(&[2, 3, 4, 5], 30) * 5.0)?;
    agree(&golden["hard_swish"], std::slice::from_ref(&x), |t| hard_swish(&t[0]))?;
    agree(&golden["hard_sigmoid"], std::slice::from_ref(&x), |t| hard_sigmoid(&t[0]))?;
    agree(&golden["silu"], std::slice::from_ref(&x), |t| silu(&t[0]))?;
    agree(&golden["sigmoid"], std::slice::from_ref(&x), |t| sigmoid(&t[0]))?;
    agree(&golden["relu6"], std::slice::from_ref(&x), |t| relu6(&t[0]))?;
    agree(&golden["scale_channels"], &[x, numbers(&[2, 3], 31)], |t| scale_channels(&t[0], &t[1]))
}

#[test]
fn pasted_rows() -> Result<()> {
    let golden = golden();
    let cases = golden["paste_resized"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let partner: Vec<u32> = list(&case["partner"]);
        let boxes: Vec<(usize, usize, usize, usize)> = list(&case["boxes"]);
        agree(case, &[numbers(&list::<usize>(&case["x"]), 32)], |t| paste_resized(&t[0], &partner, &boxes))?;
    }
    Ok(())
}

#[test]
fn cross_entropies() -> Result<()> {
    let golden = golden();
    let targets = (numbers(&[5, 4], 12) + 1.25)?;
    let targets = targets.broadcast_div(&targets.sum_keepdim(1)?)?;
    for case in golden["cross_entropy"].as_array().unwrap() {
        let weights: Option<Vec<f64>> = serde_json::from_value(case["weights"].clone()).unwrap();
        agree(case, &[(numbers(&[5, 4], 11) * 4.0)?], |t| {
            soft_cross_entropy(&t[0], &targets, weights.as_deref())
        })?;
    }
    Ok(())
}

#[test]
fn optimizers() -> Result<()> {
    let golden = golden();
    let zeros = || Var::from_tensor(&numbers(&[7], 20).zeros_like()?);
    for fallback in [false, true] {
        support::on(fallback, || -> Result<()> {
            for case in golden["sgd"].as_array().unwrap() {
                let (param, velocity) = (Var::from_tensor(&numbers(&[7], 20))?, zeros()?);
                let nesterov = case["nesterov"].as_bool().unwrap();
                for (i, expected) in case["steps"].as_array().unwrap().iter().enumerate() {
                    let options = Sgd { lr: 0.1, momentum: 0.9, nesterov, decay: 5e-4 };
                    sgd_step(&param, &numbers(&[7], 21 + i as u64), &velocity, options)?;
                    near(&flat(&param), &list::<f64>(expected), 1e-10);
                }
            }
            let (param, m, v) = (Var::from_tensor(&numbers(&[7], 20))?, zeros()?, zeros()?);
            for (i, expected) in golden["adamw"]["steps"].as_array().unwrap().iter().enumerate() {
                let options = AdamW {
                    lr: 0.1,
                    beta1: 0.9,
                    beta2: 0.99,
                    eps: 1e-8,
                    decay: 0.05,
                    coupled: false,
                    step: i + 1,
                };
                adamw_step(&param, &numbers(&[7], 21 + i as u64), &m, &v, options)?;
                near(&flat(&param), &list::<f64>(expected), 1e-10);
            }
            Ok(())
        })?;
    }
    Ok(())
}
