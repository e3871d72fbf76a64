//! A whole step.

use crate::bench::{Bench, flat, near, normal};
use crate::stand_in::new_lines;
use candle_core::{DType, Device, Result, Tensor, Var};
use std::collections::BTreeMap;
use tallow_kernels::{
    Sgd, backward, clip_grads, composed, ema_updates, focal_loss, gelu, layer_norm, linear, mix_rows, select,
    sgd_steps, soft_cross_entropy, softmax, upload_bytes, window_attention,
};

/// What the stand-in is asked for in a step of the network below, by kind: kernels of candle's and of ours with their type, and what is
/// no kernel; `function` is how often candle asks the driver for a kernel of its own. A number that grows is time on a GPU. Nothing is read; what is uploaded is the batch, its targets and, three times for
/// each of two, the draws of mixup.
const TABLE: [(&str, usize); 24] = [
    ("add_channels_f32", 2),
    ("alloc", 37),
    ("average_f32", 1),
    ("clip_f32", 1),
    ("column_chunks_f32", 2),
    ("column_sums_f32", 2),
    ("const_set_f32", 1),
    ("function", 1),
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
    ("norm_f32", 1),
    ("product", 5),
    ("sgd_f32", 1),
    ("squares_f32", 1),
    ("upload", 8),
    ("upload_f32", 1),
];

/// Bytes, mixup, linear, layer norm, GELU, linear, cross-entropy; gradients cut to a norm, SGD, an average.
struct Network {
    vars: Vec<Var>,
    velocities: Vec<Var>,
    averages: Vec<Var>,
}

/// Images of a pixel by two.
const SIZES: [usize; 3] = [5, 1, 2];

/// Of each step others.
fn pixels(step: usize) -> Vec<u8> {
    (0..5 * 6).map(|i| (i * 73 + step * 41) as u8).collect()
}

/// Their values, of the mean and std that the device is told.
fn values(bytes: &[u8], device: &Device) -> Result<Tensor> {
    if let Some(values) = upload_bytes(bytes, SIZES, STATISTICS, DType::F32, device)? {
        return Ok(values);
    }
    let (mean, std) = STATISTICS;
    let value = |byte: u8, channel| ((f64::from(byte) / 255.0 - mean[channel]) / std[channel]) as f32;
    let values = (0..bytes.len()).map(|i| {
        let (image, channel, pixel) = (i / 6, i / 2 % 3, i % 2);
        value(bytes[image * 6 + pixel * 3 + channel], channel)
    });
    Tensor::from_iter(values, device)?.reshape((5, 3, 1, 2))
}

const STATISTICS: ([f64; 3], [f64; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

impl Network {
    fn new(device: &Device) -> Result<Network> {
        let shapes: [&[usize]; 6] = [&[9, 6], &[9], &[9], &[9], &[4, 9], &[4]];
        let made =
            |(i, shape): (usize, &&[usize])| Var::from_tensor(&normal(shape, i as u64).to_device(device)?);
        let vars = shapes.iter().enumerate().map(made).collect::<Result<Vec<_>>>()?;
        let zero = |var: &Var| Var::zeros(var.shape(), DType::F32, device);
        let velocities = vars.iter().map(zero).collect::<Result<_>>()?;
        let averages = vars.iter().map(zero).collect::<Result<_>>()?;
        Ok(Network { vars, velocities, averages })
    }

    /// The loss, where it was computed.
    fn step(&self, bytes: &[u8], targets: &Tensor, device: &Device) -> Result<Tensor> {
        let (x, targets) = (values(bytes, device)?.flatten_from(1)?, targets.to_device(device)?);
        let pairs: Vec<Vec<(u32, f64)>> = (0..5).map(|i| vec![(i, 0.7), ((i + 1) % 5, 0.3)]).collect();
        let [w1, b1, scale, shift, w2, b2] = std::array::from_fn(|i| self.vars[i].as_tensor());
        let hidden = gelu(&layer_norm(&linear(&mix_rows(&pairs, &x)?, w1, Some(b1))?, scale, shift, 1e-5)?)?;
        let loss = soft_cross_entropy(&linear(&hidden, w2, Some(b2))?, &mix_rows(&pairs, &targets)?, None)?;
        let value = loss.detach();
        let mut gradients = backward(loss)?;
        let mut gradients: Vec<_> =
            self.vars.iter().map(|var| gradients.remove(var).expect("reached")).collect();
        clip_grads(&mut gradients.iter_mut().collect::<Vec<_>>(), 0.1)?;
        let rows = self.vars.iter().zip(&gradients).zip(&self.velocities);
        let rows: Vec<_> = rows.map(|((var, gradient), v)| (var, gradient, v)).collect();
        sgd_steps(&rows, Sgd { lr: 0.1, momentum: 0.9, nesterov: false, decay: 0.0 })?;
        let rows: Vec<_> =
            self.averages.iter().zip(&self.vars).map(|(a, var)| (a, var.as_tensor())).collect();
        ema_updates(&rows, 0.9)?;
        Ok(value)
    }
}

pub fn step() -> Result<()> {
    let bench = Bench::new()?;
    let targets = softmax(&normal(&[5, 4], 2))?;
    let (cpu, gpu) = (Network::new(&Device::Cpu)?, Network::new(&bench.device)?);
    let mut losses = Vec::new();
    for step in 0..3 {
        let bytes = pixels(step);
        let want = cpu.step(&bytes, &targets, &Device::Cpu)?;
        new_lines();
        let got = gpu.step(&bytes, &targets, &bench.device)?;
        losses.push((want, got));
        // The first step also makes what the others find on the device.
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
    let (want, got): (Vec<_>, Vec<_>) = losses.into_iter().unzip();
    near("the losses of three steps", &Tensor::stack(&got, 0)?, &Tensor::stack(&want, 0)?, 1e-5)?;
    for (what, cpu, gpu) in [("parameter", &cpu.vars, &gpu.vars), ("average", &cpu.averages, &gpu.averages)] {
        for (i, (cpu, gpu)) in cpu.iter().zip(gpu).enumerate() {
            near(&format!("{what} {i} after three steps"), gpu, cpu, 1e-5)?;
        }
    }
    Ok(())
}

/// Batches that nobody waits for between them: each place of memory that may not be moved is written several times, by longer and
/// shorter batches.
pub fn batches() -> Result<()> {
    let bench = Bench::new()?;
    let sizes = [40, 7, 90, 41, 40, 200, 3, 89, 1, 130];
    let bytes = |k: usize| (0..sizes[k] * 3).map(|i| (i * 31 + k * 17) as u8).collect::<Vec<_>>();
    let upload =
        |k: usize, device: &Device| upload_bytes(&bytes(k), [1, sizes[k], 1], STATISTICS, DType::F32, device);
    new_lines();
    let all = (0..sizes.len()).map(|k| upload(k, &bench.device)).collect::<Result<Vec<_>>>()?;
    if let Some(lines) = new_lines() {
        let all: Vec<_> = lines.iter().filter(|line| line.starts_with("upload ")).collect();
        // The table of values, and of each count of rows where images begin, once.
        let expected = ["upload 120", "upload 3072", "upload 12"].map(str::to_owned).into_iter();
        let others = sizes[1..].iter().map(|size| format!("upload {}", size * 3));
        assert_eq!(all, expected.chain(others).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    }
    let (mean, std) = STATISTICS;
    for (k, values) in all.into_iter().enumerate() {
        let values = flat(&values.expect("a GPU with kernels"))?;
        for (i, got) in values.iter().enumerate() {
            let (channel, pixel) = (i / sizes[k], i % sizes[k]);
            let byte = bytes(k)[pixel * 3 + channel];
            let want = ((f64::from(byte) / 255.0 - mean[channel]) / std[channel]) as f32;
            assert_eq!(got.to_bits(), want.to_bits(), "batch {k}, value {i}");
        }
    }
    assert!(upload(0, &Device::Cpu)?.is_none());
    assert!(composed(|| upload(0, &bench.device))?.is_none());
    Ok(())
}

/// The order of tokens and what they may see are on the device after the first pass; the second uploads nothing.
pub fn orders() -> Result<()> {
    let bench = Bench::new()?;
    let x = Var::from_tensor(&normal(&[2, 4, 4, 12], 1).to_device(&bench.device)?)?;
    let bias = normal(&[2, 4, 4], 2).to_device(&bench.device)?;
    let targets = softmax(&normal(&[2, 4], 3).to_device(&bench.device)?)?;
    let pass = |shift: usize| -> Result<()> {
        new_lines();
        let y = window_attention(x.as_tensor(), 2, &bias, 2, shift)?;
        let logits = select(&select(&y, 1, 0)?, 1, 0)?;
        backward(focal_loss(&logits, &targets, 2.0, Some(&[1.0, 2.0, 3.0, 4.0]))?).map(drop)
    };
    let uploads = || new_lines().map(|lines| lines.iter().filter(|line| line.starts_with("upload ")).count());
    for (shift, first) in [(0, 4), (1, 3), (0, 0), (1, 0)] {
        pass(shift)?;
        if let Some(uploads) = uploads() {
            assert_eq!(uploads, first, "shift {shift}");
        }
    }
    Ok(())
}
