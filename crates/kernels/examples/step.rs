//! Training steps of ResNet-18 or ResNet-50 (random weights and pixels) made of the kernels alone: images per second.
//!
//!     cargo run -p tallow-kernels --example step -- [resnet18|resnet50] [cifar|imagenet] [SIZE] [BATCH] [STEPS]

use candle_core::{DType, Device, Result, Tensor, Var};
use std::time::Instant;
use tallow_kernels::*;
use tallow_seed::Seed;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Default)]
struct Net {
    vars: Vec<Var>,
    convs: usize,
}

impl Net {
    fn var(&mut self, shape: &[usize], scale: f64) -> Result<Var> {
        let mut rng = Seed::new(1).fold("var", self.vars.len() as u64).rng();
        let data: Vec<f32> = (0..shape.iter().product()).map(|_| (rng.normal() * scale) as f32).collect();
        let var = Var::from_vec(data, shape, &Device::Cpu)?;
        self.vars.push(var.clone());
        Ok(var)
    }

    fn layer(&mut self, c: usize, o: usize, k: usize, stride: usize) -> Result<Layer> {
        self.convs += 1;
        let weight = self.var(&[o, c, k, k], (2.0 / (o * k * k) as f64).sqrt())?;
        let (gamma, beta) =
            (Var::ones(o, DType::F32, &Device::Cpu)?, Var::zeros(o, DType::F32, &Device::Cpu)?);
        self.vars.extend([gamma.clone(), beta.clone()]);
        let mean = Var::zeros(o, DType::F32, &Device::Cpu)?;
        let var = Var::ones(o, DType::F32, &Device::Cpu)?;
        Ok(Layer { weight, gamma, beta, stats: RunningStats { mean, var }, stride, padding: k / 2 })
    }
}

struct Layer {
    weight: Var,
    gamma: Var,
    beta: Var,
    stats: RunningStats,
    stride: usize,
    padding: usize,
}

impl Layer {
    fn forward(&self, x: &Tensor, residual: Option<&Tensor>, relu: bool) -> Result<Tensor> {
        let conv = Conv { stride: self.stride, padding: self.padding, ..Conv::default() };
        let y = conv2d(x, &self.weight, conv)?;
        let options = BatchNorm { eps: 1e-5, momentum: 0.1, training: Stats::BatchAndUpdate };
        batch_norm(&y, &self.gamma, &self.beta, &self.stats, options, residual, relu)
    }
}

struct Block {
    layers: Vec<Layer>,
    down: Option<Layer>,
}

impl Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let shortcut = self.down.as_ref().map_or(Ok(x.clone()), |d| d.forward(x, None, false))?;
        let (last, first) = self.layers.split_last().expect("a block has layers");
        let mut y = x.clone();
        for layer in first {
            y = layer.forward(&y, None, true)?;
        }
        last.forward(&y, Some(&shortcut), true)
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize, default: &str| args.get(i).cloned().unwrap_or(default.into());
    let (bottleneck, cifar) = (arg(0, "resnet18") == "resnet50", arg(1, "cifar") == "cifar");
    let size: usize = arg(2, "32").parse().expect("SIZE: a number");
    let batch: usize = arg(3, "128").parse().expect("BATCH: a number");
    let steps: usize = arg(4, "5").parse().expect("STEPS: a number");

    let mut net = Net::default();
    let stem = if cifar { net.layer(3, 64, 3, 1)? } else { net.layer(3, 64, 7, 2)? };
    let (mut blocks, mut c) = (Vec::new(), 64);
    let depths = if bottleneck { [3, 4, 6, 3] } else { [2, 2, 2, 2] };
    for (i, depth) in depths.into_iter().enumerate() {
        for j in 0..depth {
            let (width, stride) = (64 << i, if i > 0 && j == 0 { 2 } else { 1 });
            let out = if bottleneck { 4 * width } else { width };
            let layers = if bottleneck {
                vec![
                    net.layer(c, width, 1, 1)?,
                    net.layer(width, width, 3, stride)?,
                    net.layer(width, out, 1, 1)?,
                ]
            } else {
                vec![net.layer(c, width, 3, stride)?, net.layer(width, width, 3, 1)?]
            };
            let down = if c != out || stride > 1 { Some(net.layer(c, out, 1, stride)?) } else { None };
            blocks.push(Block { layers, down });
            c = out;
        }
    }
    let head = net.var(&[10, c], 0.01)?;
    let velocities: Vec<Var> =
        net.vars.iter().map(|v| Var::from_tensor(&v.zeros_like()?)).collect::<Result<_>>()?;

    let mut rng = Seed::new(2).rng();
    let pixels: Vec<f32> = (0..batch * 3 * size * size).map(|_| rng.normal() as f32).collect();
    let x = Tensor::from_vec(pixels, (batch, 3, size, size), &Device::Cpu)?;
    let targets: Vec<f32> =
        (0..batch * 10).map(|i| if i % 10 == (i / 10) % 10 { 1.0 } else { 0.0 }).collect();
    let targets = Tensor::from_vec(targets, (batch, 10), &Device::Cpu)?;

    let mut times = Vec::new();
    for step in 0..steps + 1 {
        let start = Instant::now();
        let mut y = stem.forward(&x, None, true)?;
        if !cifar {
            y = max_pool2d(&y, 3, 2, 1)?;
        }
        for block in &blocks {
            y = block.forward(&y)?;
        }
        let loss = soft_cross_entropy(&linear(&global_avg_pool(&y)?, &head, None)?, &targets, None)?;
        drop(y);
        let forward = start.elapsed().as_secs_f64();
        let grads = backward(&loss)?;
        let backward = start.elapsed().as_secs_f64() - forward;
        let options = Sgd { rate: 0.01, momentum: 0.9, nesterov: true, decay: 5e-4 };
        for (var, velocity) in net.vars.iter().zip(&velocities) {
            sgd_step(var, grads.get(var).expect("a gradient"), velocity, options)?;
        }
        drop(grads);
        let total = start.elapsed().as_secs_f64();
        let value = loss.to_scalar::<f32>()?;
        if step > 0 {
            times.push(total);
            eprintln!("loss {value:.4}  forward {forward:.3}  backward {backward:.3}  step {total:.3}");
        }
    }
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    println!("{:.1} images/s (median of {steps} steps, {} convolutions)", batch as f64 / median, net.convs);
    Ok(())
}
