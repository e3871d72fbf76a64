//! A whole step.

use crate::bench::{Bench, near, normal};
use crate::stand_in::new_lines;
use candle_core::{DType, Device, Result, Tensor, Var};
use std::collections::BTreeMap;
use tallow_kernels::{
    Sgd, backward, gelu, layer_norm, linear, mix_rows, sgd_steps, soft_cross_entropy, softmax,
};

/// What the stand-in is asked for in a step of the network below, by kind: kernels of candle's and of ours with their type, and what is
/// no kernel. A number that grows is time on a GPU; `badd`, `bmul`, `const_set` and `fill` are candle's way backward through a `linear` without a bias.
const TABLE: [(&str, usize); 23] = [
    ("add_channels_f32", 1),
    ("alloc", 54),
    ("badd_f32", 7),
    ("bmul_f32", 3),
    ("column_chunks_f32", 1),
    ("column_sums_f32", 1),
    ("const_set_f32", 2),
    ("fast_sum_f32", 1),
    ("fill", 7),
    ("gelu_backward_f32", 1),
    ("gelu_forward_f32", 1),
    ("layer_norm_chunks_f32", 1),
    ("layer_norm_forward_f32", 1),
    ("layer_norm_gradients_f32", 1),
    ("layer_norm_input_f32", 1),
    ("loss_backward_f32", 1),
    ("loss_rows_f32", 1),
    ("mean_of_f32", 1),
    ("mix_rows_sparse_f32", 2),
    ("product", 6),
    ("read", 1),
    ("sgd_f32", 1),
    ("upload", 11),
];

/// mixup, linear, layer norm, GELU, linear, cross-entropy; SGD.
struct Network {
    vars: Vec<Var>,
    velocities: Vec<Var>,
}

impl Network {
    fn new(device: &Device) -> Result<Network> {
        let shapes: [&[usize]; 5] = [&[9, 6], &[9], &[9], &[4, 9], &[4]];
        let made =
            |(i, shape): (usize, &&[usize])| Var::from_tensor(&normal(shape, i as u64).to_device(device)?);
        let vars = shapes.iter().enumerate().map(made).collect::<Result<Vec<_>>>()?;
        let zero = |var: &Var| Var::zeros(var.shape(), DType::F32, device);
        let velocities = vars.iter().map(zero).collect::<Result<_>>()?;
        Ok(Network { vars, velocities })
    }

    fn step(&self, x: &Tensor, targets: &Tensor) -> Result<f32> {
        let pairs: Vec<Vec<(u32, f64)>> = (0..5).map(|i| vec![(i, 0.7), ((i + 1) % 5, 0.3)]).collect();
        let [w1, scale, shift, w2, b2] = std::array::from_fn(|i| self.vars[i].as_tensor());
        let hidden = gelu(&layer_norm(&linear(&mix_rows(&pairs, x)?, w1, None)?, scale, shift, 1e-5)?)?;
        let loss = soft_cross_entropy(&linear(&hidden, w2, Some(b2))?, &mix_rows(&pairs, targets)?, None)?;
        let value = loss.detach();
        let gradients = backward(loss)?;
        let rows = self.vars.iter().zip(&self.velocities);
        let rows: Vec<_> = rows.map(|(var, v)| (var, gradients.get(var).expect("reached"), v)).collect();
        sgd_steps(&rows, Sgd { lr: 0.1, momentum: 0.9, nesterov: false, decay: 0.0 })?;
        value.to_scalar()
    }
}

pub fn step() -> Result<()> {
    let bench = Bench::new()?;
    let (x, targets) = (normal(&[5, 6], 1), softmax(&normal(&[5, 4], 2))?);
    let (on_x, on_targets) = (x.to_device(&bench.device)?, targets.to_device(&bench.device)?);
    let (cpu, gpu) = (Network::new(&Device::Cpu)?, Network::new(&bench.device)?);
    for step in 0..3 {
        new_lines();
        let (want, got) = (cpu.step(&x, &targets)?, gpu.step(&on_x, &on_targets)?);
        assert!((got - want).abs() < 1e-5 * want.abs(), "step {step}: loss {got}, on the CPU {want}");
        // The first step also makes the number that stands for all variables.
        if let Some(lines) = new_lines().filter(|_| step > 0) {
            let mut counts = BTreeMap::new();
            for line in &lines {
                let words: Vec<&str> = line.split(' ').collect();
                let kind = match words[0] {
                    "launch" => words[1],
                    "free" => continue, // as often as `alloc`, which the end shows
                    kind => kind,
                };
                *counts.entry(kind).or_insert(0) += 1;
            }
            assert_eq!(counts.into_iter().collect::<Vec<_>>(), TABLE, "step {step}");
        }
    }
    for (i, (cpu, gpu)) in cpu.vars.iter().zip(&gpu.vars).enumerate() {
        near(&format!("parameter {i} after three steps"), gpu, cpu, 1e-5)?;
    }
    Ok(())
}
