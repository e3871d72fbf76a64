//! Normalisations, pooling, convolution, and updates of parameters.

use crate::bench::{Bench, Op, launched, near, normal};
use crate::stand_in::new_lines;
use candle_core::{DType, Device, Result, Tensor, Var};
use tallow_kernels::{
    AdamW, BatchNorm, Conv, RunningStats, Sgd, Stats, adamw_steps, avg_pool2d, avg_pool2d_ceil, batch_norm,
    cast_updates, clip_grads, conv2d, count_kernels, ema_updates, global_avg_pool, grad_norm, layer_norm,
    max_pool2d, sgd_steps,
};

pub fn all() -> Result<()> {
    let bench = Bench::new()?;
    layer_norms(&bench)?;
    batch_norms(&bench)?;
    pools(&bench)?;
    convolutions(&bench)?;
    updates(&bench, |_| false)?;
    updates(&bench, |i| i % 2 == 0)?;
    casts(&bench)
}

fn op<'a>(name: String, inputs: Vec<Tensor>, launches: [&'a [&'a str]; 2]) -> Op<'a> {
    Op { name, variables: inputs.len(), inputs, launches, tolerance: 3e-5, bf16: true, in_f32: 0..0 }
}

fn layer_norms(bench: &Bench) -> Result<()> {
    let launches: [&[&str]; 2] =
        [&["layer_norm_forward"], &["layer_norm_input", "layer_norm_chunks", "layer_norm_gradients"]];
    for (rows, n) in [(1, 5), (9, 33), (70, 8)] {
        let inputs = vec![(normal(&[rows, n], 1) + 2.0)?, normal(&[n], 2), normal(&[n], 3)];
        let op = Op { in_f32: 1..3, ..op(format!("layer_norm {rows}×{n}"), inputs, launches) };
        bench.check(&op, |x| layer_norm(&x[0], &x[1], &x[2], 1e-5))?;
    }
    Ok(())
}

fn batch_norms(bench: &Bench) -> Result<()> {
    let batch = ["batch_norm_chunks", "batch_norm_moments", "batch_norm_apply"];
    let running = ["batch_norm_inverse", "batch_norm_apply"];
    let back = ["batch_norm_slopes", "batch_norm_gradients", "batch_norm_input"];
    let back_through_relu = ["relu_backward", back[0], back[1], back[2]];
    for (r, c, h, w) in [(5, 3, 1, 1), (2, 37, 5, 5), (3, 2, 37, 41)] {
        for stats in [Stats::BatchAndUpdate, Stats::Batch, Stats::Running] {
            for (residual, relu) in [(false, false), (false, true), (true, false), (true, true)] {
                let forward: &[&str] = if stats == Stats::Running { &running } else { &batch };
                let backward: &[&str] = if residual && relu { &back_through_relu } else { &back };
                let shape = [r, c, h, w];
                let mut inputs = vec![(normal(&shape, 4) + 0.3)?, normal(&[c], 5), normal(&[c], 6)];
                inputs.extend(residual.then(|| normal(&shape, 7)));
                let name = format!("batch_norm of {shape:?}, {stats:?}, residual {residual}, relu {relu}");
                let op = Op { in_f32: 1..3, ..op(name.clone(), inputs, [forward, backward]) };
                let (mean, var) = (normal(&[c], 8), (normal(&[c], 9).sqr()? + 0.5)?);
                let kept = |device: &Device| -> Result<RunningStats> {
                    let on = |x: &Tensor| Var::from_tensor(&x.to_device(device)?);
                    Ok(RunningStats { mean: on(&mean)?, var: on(&var)? })
                };
                let (cpu, gpu) = (kept(&Device::Cpu)?, kept(&bench.device)?);
                bench.check(&op, |x| {
                    let running = if x[0].device().is_cpu() { &cpu } else { &gpu };
                    let norm =
                        BatchNorm { weight: &x[1], bias: &x[2], running, stats, eps: 1e-5, momentum: 0.1 };
                    batch_norm(&x[0], norm, x.get(3), relu)
                })?;
                near(&format!("{name}: running mean"), &gpu.mean, &cpu.mean, 1e-6)?;
                near(&format!("{name}: running variance"), &gpu.var, &cpu.var, 3e-6)?;
            }
        }
    }
    Ok(())
}

fn pools(bench: &Bench) -> Result<()> {
    let max: [&[&str]; 2] = [&["max_pool_forward"], &["max_pool_backward"]];
    let avg: [&[&str]; 2] = [&["avg_pool_forward"], &["avg_pool_backward"]];
    let global: [&[&str]; 2] = [&["global_avg_pool_forward"], &["global_avg_pool_backward"]];
    for (h, w, kernel, stride, padding) in [(5, 7, 2, 2, 0), (13, 9, 3, 2, 1), (6, 6, 3, 1, 1)] {
        let x = || vec![normal(&[2, 5, h, w], 1)];
        let name = |what: &str| format!("{what} of {h}×{w}, {kernel}, {stride}, {padding}");
        bench.check(&op(name("max_pool2d"), x(), max), |x| max_pool2d(&x[0], kernel, stride, padding))?;
        for padded in [false, true] {
            bench.check(&op(name("avg_pool2d"), x(), avg), |x| {
                avg_pool2d(&x[0], kernel, stride, padding, padded)
            })?;
        }
        bench.check(&op(name("avg_pool2d_ceil"), x(), avg), |x| avg_pool2d_ceil(&x[0], kernel, stride))?;
        bench.check(&op(name("global_avg_pool"), x(), global), |x| global_avg_pool(&x[0]))?;
    }
    Ok(())
}

fn convolutions(bench: &Bench) -> Result<()> {
    let depthwise: [&[&str]; 2] =
        [&["depthwise_forward"], &["depthwise_input", "depthwise_chunks", "depthwise_weight"]];
    for (sizes, kernel, conv) in [
        ((2, 3, 3, 9, 7), (3, 3), conv(1, 1, 1, 3)),
        ((1, 2, 6, 8, 11), (3, 3), conv(2, 1, 1, 2)),
        ((3, 2, 2, 12, 9), (5, 3), conv(1, 2, 2, 2)),
    ] {
        convolution(bench, (sizes, kernel, conv), depthwise)?;
    }
    if cfg!(feature = "cudnn") {
        let launches: [&[&str]; 2] = [&["convolution_forward"], &["convolution_input", "convolution_weight"]];
        return CONVOLUTIONS.iter().try_for_each(|case| convolution(bench, *case, launches));
    }
    by_columns(bench)
}

/// Where cuDNN is not built in, or takes none of them.
pub fn columns() -> Result<()> {
    by_columns(&Bench::new()?)
}

fn by_columns(bench: &Bench) -> Result<()> {
    for (sizes, kernel, conv) in CONVOLUTIONS {
        let pointwise = kernel == (1, 1) && conv.stride == 1;
        let launches: [&[&str]; 2] = if pointwise {
            [&["block_into"], &["column_chunks", "column_sums"]]
        } else {
            [&["im2col", "block_into"], &["col2im", "im2col", "column_chunks", "column_sums"]]
        };
        convolution(bench, (sizes, kernel, conv), launches)?;
    }
    Ok(())
}

/// (R, C, O, H, W), kernel, and the rest.
type Convolution = ((usize, usize, usize, usize, usize), (usize, usize), Conv);

const CONVOLUTIONS: [Convolution; 5] = [
    ((2, 3, 4, 9, 7), (3, 3), conv(1, 1, 1, 1)),
    ((1, 4, 6, 8, 11), (3, 2), conv(2, 1, 1, 2)),
    ((3, 6, 4, 12, 9), (3, 3), conv(1, 2, 2, 2)),
    ((2, 5, 3, 4, 4), (1, 1), conv(1, 0, 1, 1)),
    ((2, 5, 3, 5, 5), (1, 1), conv(2, 0, 1, 1)),
];

const fn conv(stride: usize, padding: usize, dilation: usize, groups: usize) -> Conv {
    Conv { stride, padding, dilation, groups }
}

fn convolution(
    bench: &Bench,
    ((r, c, o, h, w), (kh, kw), conv): Convolution,
    launches: [&[&str]; 2],
) -> Result<()> {
    let inputs = vec![normal(&[r, c, h, w], 1), normal(&[o, c / conv.groups, kh, kw], 2)];
    let name = format!("conv2d of {c} to {o} channels, {kh}×{kw}, {conv:?}");
    bench.check(&op(name, inputs, launches), |x| conv2d(&x[0], &x[1], conv))
}

/// Nine parameters: two launches, of seven and of two; or of four, and of five whose gradients are bf16.
fn updates(bench: &Bench, in_bf16: impl Fn(usize) -> bool) -> Result<()> {
    let sizes = [1, 7, 4096, 4097, 10_000, 33, 2, 64, 129];
    // Parameters, gradients, and two averages of each, on a device.
    let made = |device: &Device| -> Result<Vec<[Var; 4]>> {
        let one = |(i, n): (usize, &usize)| -> Result<[Var; 4]> {
            let of = |k: u64| normal(&[*n], 10 * i as u64 + k).to_device(device);
            let var = |x: Tensor| Var::from_tensor(&x);
            let gradient = match (in_bf16(i), device.is_cpu()) {
                (false, _) => of(2)?,
                (true, true) => of(2)?.to_dtype(DType::BF16)?.to_dtype(DType::F32)?,
                (true, false) => of(2)?.to_dtype(DType::BF16)?,
            };
            Ok([var(of(1)?)?, var(gradient)?, var(of(3)?)?, var(of(4)?.sqr()?)?])
        };
        sizes.iter().enumerate().map(one).collect()
    };
    let (cpu, gpu) = (made(&Device::Cpu)?, made(&bench.device)?);
    let sgd = Sgd { lr: 0.1, momentum: 0.9, nesterov: true, decay: 1e-2 };
    let adamw = AdamW { lr: 1e-2, beta1: 0.9, beta2: 0.99, eps: 1e-8, decay: 1e-2, coupled: false, step: 3 };
    let run = |all: &[[Var; 4]]| -> Result<f64> {
        let three: Vec<_> = all.iter().map(|[p, g, m, _]| (p, g.as_tensor(), m)).collect();
        sgd_steps(&three, sgd)?;
        let four: Vec<_> = all.iter().map(|[p, g, m, v]| (p, g.as_tensor(), m, v)).collect();
        adamw_steps(&four, adamw)?;
        adamw_steps(&four, AdamW { coupled: true, ..adamw })?;
        let two: Vec<_> = all.iter().map(|[p, _, m, _]| (m, p.as_tensor())).collect();
        ema_updates(&two, 0.99)?;
        let mut gradients: Vec<_> = all.iter().map(|[_, g, ..]| g.as_detached_tensor()).collect();
        let norm = grad_norm(&gradients.iter().collect::<Vec<_>>())?;
        clip_grads(&mut gradients.iter_mut().collect::<Vec<_>>(), 0.5 * norm)?;
        Ok(norm)
    };
    let want = run(&cpu)?;
    new_lines();
    let (got, count) = count_kernels(|| run(&gpu));
    let got = got?;
    assert_eq!(count, 6, "each update is one kernel's, for all parameters");
    if let Some(lines) = new_lines() {
        let norm = ["squares", "squares", "norm"];
        let updates = ["sgd", "sgd", "adamw", "adamw", "adamw", "adamw", "average", "average"];
        assert_eq!(launched(&lines), [&updates[..], &norm, &norm, &["clip", "clip"]].concat());
        let reads: Vec<_> = lines.iter().filter(|line| line.starts_with("read ")).collect();
        assert_eq!(reads, ["read 4"], "the norm alone is read");
    }
    assert!((got - want).abs() < 1e-5 * want, "grad_norm: {got}, on the CPU {want}");
    for (i, (cpu, gpu)) in cpu.iter().zip(&gpu).enumerate() {
        for (part, (cpu, gpu)) in ["parameter", "gradient", "m", "v"].into_iter().zip(cpu.iter().zip(gpu)) {
            // A gradient is cut in its own type.
            let tolerance = if part == "gradient" && in_bf16(i) { 1.0 / 128.0 } else { 1e-5 };
            near(&format!("updates: {part} {i}"), gpu, cpu, tolerance)?;
        }
    }
    Ok(())
}

fn casts(bench: &Bench) -> Result<()> {
    let values = [5, 4097].map(|n| normal(&[n], n as u64));
    let on = values.iter().map(|x| x.to_device(&bench.device)).collect::<Result<Vec<_>>>()?;
    let copy = |x: &Tensor| Var::zeros(x.shape(), DType::BF16, &bench.device);
    let copies = on.iter().map(copy).collect::<Result<Vec<_>>>()?;
    new_lines();
    cast_updates(&copies.iter().zip(&on).collect::<Vec<_>>())?;
    if let Some(lines) = new_lines() {
        assert_eq!(launched(&lines), ["cast"]);
    }
    for (copy, value) in copies.iter().zip(&values) {
        near("a copy in bf16", copy, &value.to_dtype(DType::BF16)?.to_dtype(DType::F32)?, 0.0)?;
    }
    Ok(())
}
