//! The ops of layers on the emulated GPU and on the CPU: normalisations, pooling, convolution.

use crate::bench::{Bench, flat, gradients, normal};
use candle_core::{Device, Result, Tensor, Var};
use tallow_kernels::gpu::Storage;
use tallow_kernels::launches::activation::{self, Activation};
use tallow_kernels::launches::batch_norm::{self, Layer, Planes};
use tallow_kernels::launches::conv::{self, Geometry};
use tallow_kernels::launches::pool::{self, Window};
use tallow_kernels::launches::{layer_norm, sums};
use tallow_kernels::{BatchNorm, Conv, RunningStats, Stats};

/// Weights around 1 and biases around 0, some channels scaled by a negative number.
fn scales(c: usize, seed: u64) -> Result<[Tensor; 2]> {
    Ok([((normal(&[c], seed) * 0.7)? + 0.4)?, normal(&[c], seed + 1)])
}

pub fn batch_norms(bench: &Bench) -> Result<()> {
    // (R, C, H, W): one number of each image, several channels of less than a group, two chunks, more chunks than a team has lanes.
    let sizes = [(5, 3, 1, 1), (2, 37, 5, 5), (3, 2, 37, 41), (2, 1, 260, 260)];
    for (i, (r, c, h, w)) in sizes.into_iter().enumerate() {
        for stats in [Stats::BatchAndUpdate, Stats::Batch, Stats::Running] {
            for (residual, relu) in [(false, false), (false, true), (true, false), (true, true)] {
                let large = r * c * h * w > 10_000;
                if large && (stats != Stats::BatchAndUpdate || residual != relu) {
                    continue; // minutes, and nothing new
                }
                batch_norm_case(bench, (r, c, h, w), stats, (residual, relu), i as u64)?;
            }
        }
    }
    // Far from 0: what is left of the variance of squares would be noise.
    let x = ((normal(&[3, 1, 40, 40], 9) * 0.5)? + 1000.0)?;
    let (weight, bias) = (Tensor::new(&[1f32], &Device::Cpu)?, Tensor::new(&[0f32], &Device::Cpu)?);
    let running = [bench.floats(&bias)?, bench.floats(&weight)?];
    let (on_w, on_b) = (bench.floats(&weight)?, bench.floats(&bias)?);
    let layer = Layer {
        weight: &on_w,
        bias: &on_b,
        running: [&running[0], &running[1]],
        stats: Stats::BatchAndUpdate,
        eps: 1e-5,
        momentum: 1.0,
    };
    let (x, on) = bench.values(&x)?;
    batch_norm::forward(bench.device, &on, Planes { c: 1, plane: 1600 }, &layer, None, false)?;
    let numbers: Vec<f64> = flat(&x)?.into_iter().map(f64::from).collect();
    let mean = numbers.iter().sum::<f64>() / 4800.0;
    let var = numbers.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 4799.0;
    bench.near("variance far from 0", &running[1], &Tensor::new(&[var as f32], &Device::Cpu)?, 1e-4)
}

fn batch_norm_case(
    bench: &Bench,
    (r, c, h, w): (usize, usize, usize, usize),
    stats: Stats,
    (with_residual, relu): (bool, bool),
    seed: u64,
) -> Result<()> {
    let what = |part: &str| format!("batch_norm {r}×{c}×{h}×{w}, {stats:?}, {with_residual}, {relu}: {part}");
    let (x, on) = bench.values(&(normal(&[r, c, h, w], seed) + 0.3)?)?;
    let [weight, bias] = scales(c, 20)?;
    let (residual, on_residual) = bench.normal(&[r, c, h, w], seed + 40)?;
    let (mean, var) = (normal(&[c], 60), (normal(&[c], 61).sqr()? + 0.5)?);
    let running = RunningStats { mean: Var::from_tensor(&mean)?, var: Var::from_tensor(&var)? };
    let (eps, momentum) = (1e-5, 0.1);
    let layers = |x: &[Tensor], stats| {
        let norm = BatchNorm { weight: &x[1], bias: &x[2], running: &running, stats, eps, momentum };
        tallow_kernels::batch_norm(&x[0], norm, x.get(3), relu)
    };
    let mut operands = vec![&x, &weight, &bias];
    operands.extend(with_residual.then_some(&residual));
    let y = layers(&operands.iter().map(|x| (*x).clone()).collect::<Vec<_>>(), stats)?;

    let (on_w, on_b) = (bench.floats(&weight)?, bench.floats(&bias)?);
    let on_running = [bench.floats(&mean)?, bench.floats(&var)?];
    let layer =
        Layer { weight: &on_w, bias: &on_b, running: [&on_running[0], &on_running[1]], stats, eps, momentum };
    let planes = Planes { c, plane: h * w };
    let kept = with_residual.then_some(&on_residual);
    let normalised = batch_norm::forward(bench.device, &on, planes, &layer, kept, relu)?;
    bench.near(&what("y"), &normalised.y, &y, 3e-6)?;
    bench.near(&what("running mean"), &on_running[0], running.mean.as_tensor(), 1e-6)?;
    bench.near(&what("running var"), &on_running[1], running.var.as_tensor(), 3e-6)?;

    // ReLU's gate looks at rounded numbers where it reads the result: dy is 0 where the two could differ.
    let (dy, _) = bench.normal(&[r, c, h, w], seed + 80)?;
    let near_zero = y.abs()?.lt(1e-3)?.to_dtype(candle_core::DType::F32)?;
    let off =
        if relu { (y.gt(0.0)?.to_dtype(candle_core::DType::F32)? * &near_zero)? } else { y.zeros_like()? };
    let (dy, on_dy) = bench.values(&(&dy * off.affine(-1.0, 1.0)?)?)?;
    let frozen = if stats == Stats::BatchAndUpdate { Stats::Batch } else { stats };
    let want = gradients(&operands, &dy, |x| layers(x, frozen))?;
    let passed = if with_residual && relu {
        activation::backward(bench.device, Activation::Relu, &on_dy, &normalised.y)?
    } else {
        on_dy
    };
    let gate = relu && !with_residual;
    let moments = [normalised.mean.as_ref().unwrap_or(&on_running[0]), &normalised.inverse];
    let [dx, dw, db] =
        batch_norm::backward(bench.device, (&on, &passed), planes, (&on_w, &on_b), moments, (stats, gate))?;
    bench.near(&what("dx"), &dx, &want[0], 2e-5)?;
    bench.near(&what("dweight"), &dw, &want[1], 2e-5)?;
    bench.near(&what("dbias"), &db, &want[2], 2e-5)?;
    if with_residual {
        bench.near(&what("dresidual"), &passed, &want[3], 0.0)?;
    }
    Ok(())
}

pub fn layer_norms(bench: &Bench) -> Result<()> {
    // Less than a team, more than one, more columns than a group, several chunks of rows.
    for (rows, n) in [(1, 5), (9, 33), (3, 300), (70, 8)] {
        let (x, on) = bench.values(&(normal(&[rows, n], 1) + 2.0)?)?;
        let [weight, bias] = scales(n, 2)?;
        let (on_w, on_b) = (bench.floats(&weight)?, bench.floats(&bias)?);
        let (y, moments) = layer_norm::forward(bench.device, &on, (&on_w, &on_b), 1e-5)?;
        bench.near("layer_norm", &y, &tallow_kernels::layer_norm(&x, &weight, &bias, 1e-5)?, 3e-6)?;
        let (dy, on_dy) = bench.normal(&[rows, n], 4)?;
        let want =
            gradients(&[&x, &weight, &bias], &dy, |x| tallow_kernels::layer_norm(&x[0], &x[1], &x[2], 1e-5))?;
        let got = layer_norm::backward(bench.device, (&on, &on_dy), &on_w, &moments)?;
        for ((part, got), want) in ["dx", "dweight", "dbias"].into_iter().zip(&got).zip(&want) {
            bench.near(&format!("layer_norm {rows}×{n}: {part}"), got, want, 1e-5)?;
        }
    }
    Ok(())
}

pub fn pools(bench: &Bench) -> Result<()> {
    // (H, W, kernel, stride, padding).
    for (h, w, kernel, stride, padding) in
        [(5, 7, 2, 2, 0), (13, 9, 3, 2, 1), (6, 6, 3, 1, 1), (11, 4, 3, 3, 0), (1, 1, 1, 1, 0)]
    {
        let shape = [2, 5, h, w];
        let mut numbers = flat(&normal(&shape, 1))?;
        let last = numbers.len() - 1;
        numbers[0] = numbers[last / 2]; // equal numbers: the first of two maxima
        numbers.iter_mut().for_each(|v| *v = (*v * 4.0).round() / 4.0);
        let (x, on) = bench.values(&Tensor::from_vec(numbers, &shape, &Device::Cpu)?)?;
        let window = Window::new("pool", &x, kernel, stride, padding)?;
        let (y, places) = pool::max_forward(bench.device, &on, window)?;
        let max = |x: &Tensor| tallow_kernels::max_pool2d(x, kernel, stride, padding);
        bench.same("max_pool2d", &y, &max(&x)?)?;
        let (dy, on_dy) = bench.normal(max(&x)?.dims(), 2)?;
        let dx = pool::max_backward(bench.device, &on_dy, &places, window)?;
        bench.near("max_pool2d gradient", &dx, &gradients(&[&x], &dy, |x| max(&x[0]))?[0], 1e-6)?;
        for padded in [false, true] {
            let avg = |x: &Tensor| tallow_kernels::avg_pool2d(x, kernel, stride, padding, padded);
            bench.near(
                "avg_pool2d",
                &pool::avg_forward(bench.device, &on, window, padded)?,
                &avg(&x)?,
                1e-6,
            )?;
            let dx = pool::avg_backward(bench.device, &on_dy, window, padded)?;
            bench.near("avg_pool2d gradient", &dx, &gradients(&[&x], &dy, |x| avg(&x[0]))?[0], 1e-6)?;
        }
        let ceil = |x: &Tensor| tallow_kernels::avg_pool2d_ceil(x, kernel, stride);
        if stride > 1 {
            let window = Window::hanging(&x, kernel, stride)?;
            bench.near(
                "avg_pool2d_ceil",
                &pool::avg_forward(bench.device, &on, window, false)?,
                &ceil(&x)?,
                1e-6,
            )?;
            let (dy, on_dy) = bench.normal(ceil(&x)?.dims(), 3)?;
            let dx = pool::avg_backward(bench.device, &on_dy, window, false)?;
            bench.near("avg_pool2d_ceil gradient", &dx, &gradients(&[&x], &dy, |x| ceil(&x[0]))?[0], 1e-6)?;
        }
        for out in [(1, 1), (3, 2), (7, 7)] {
            let f = |x: &Tensor| tallow_kernels::adaptive_avg_pool2d(x, out);
            let y = pool::adaptive_forward(bench.device, &on, (h, w), out)?;
            bench.near("adaptive_avg_pool2d", &y, &f(&x)?, 1e-6)?;
            let (dy, on_dy) = bench.normal(&[2, 5, out.0, out.1], 5)?;
            let dx = pool::adaptive_backward(bench.device, &on_dy, (h, w), out)?;
            bench.near(
                "adaptive_avg_pool2d gradient",
                &dx,
                &gradients(&[&x], &dy, |x| f(&x[0]))?[0],
                1e-6,
            )?;
        }
        let y = pool::global_forward(bench.device, &on, h * w)?;
        bench.near("global_avg_pool", &y, &tallow_kernels::global_avg_pool(&x)?, 1e-6)?;
        let (dy, on_dy) = bench.normal(&[2, 5], 4)?;
        let dx = pool::global_backward(bench.device, &on_dy, h * w)?;
        let want = &gradients(&[&x], &dy, |x| tallow_kernels::global_avg_pool(&x[0]))?[0];
        bench.near("global_avg_pool gradient", &dx, want, 1e-6)?;
    }
    let (x, on) = bench.values(&Tensor::new(&[[[[1f32, f32::NAN, 3.0, 2.0]]]], &Device::Cpu)?)?;
    let (y, _) = pool::max_forward(bench.device, &on, Window::new("pool", &x, 1, 1, 0)?)?;
    bench.same("max_pool2d of NaN", &y, &x)
}

pub fn convolutions(bench: &Bench) -> Result<()> {
    let depthwise = |stride, padding, dilation, groups| Conv { stride, padding, dilation, groups };
    // (R, C, O, H, W, kh, kw): a multiplier, stride, dilation, a large kernel, two chunks of outputs.
    let cases = [
        ((2, 3, 3, 9, 7), (3, 3), depthwise(1, 1, 1, 3)),
        ((1, 2, 6, 8, 11), (3, 3), depthwise(2, 1, 1, 2)),
        ((3, 2, 2, 12, 9), (5, 3), depthwise(1, 2, 2, 2)),
        ((1, 1, 1, 10, 10), (7, 7), depthwise(3, 3, 1, 1)),
        ((2, 1, 1, 48, 50), (1, 2), depthwise(1, 0, 1, 1)),
    ];
    for ((r, c, o, h, w), (kh, kw), options) in cases {
        let what = |part: &str| format!("depthwise {r}×{c}×{h}×{w} to {o}, {kh}×{kw}, {options:?}: {part}");
        let (x, on) = bench.normal(&[r, c, h, w], 1)?;
        let (weight, on_weight) = bench.normal(&[o, 1, kh, kw], 2)?;
        let f = |x: &[Tensor]| tallow_kernels::conv2d(&x[0], &x[1], options);
        let y = f(&[x.clone(), weight.clone()])?;
        let g = Geometry::new(&x, &weight, options)?;
        bench.near(&what("y"), &conv::depthwise(bench.device, &on, &on_weight, &g)?, &y, 3e-6)?;
        let (dy, on_dy) = bench.normal(y.dims(), 3)?;
        let want = gradients(&[&x, &weight], &dy, f)?;
        bench.near(
            &what("dx"),
            &conv::depthwise_input(bench.device, &on_dy, &on_weight, &g)?,
            &want[0],
            3e-6,
        )?;
        bench.near(
            &what("dweight"),
            &conv::depthwise_weight(bench.device, &on, &on_dy, &g)?,
            &want[1],
            1e-5,
        )?;
    }
    for ((r, h, w, c), k) in [((2, 5, 4, 3), 3), ((1, 9, 8, 37), 7), ((3, 12, 11, 2), 5), ((1, 2, 2, 1), 1)] {
        let what = |part: &str| format!("depthwise_last {r}×{h}×{w}×{c}, {k}×{k}: {part}");
        let (x, on) = bench.normal(&[r, h, w, c], 1)?;
        let (weight, on_weight) = bench.normal(&[c, 1, k, k], 2)?;
        let bias = normal(&[c], 3);
        let (f, last) = (
            |x: &[Tensor]| tallow_kernels::depthwise_last(&x[0], &x[1], &x[2]),
            conv::Last { r, h, w, c, k },
        );
        let y = conv::depthwise_last(bench.device, &on, (&on_weight, &bench.floats(&bias)?), last)?;
        bench.near(&what("y"), &y, &f(&[x.clone(), weight.clone(), bias.clone()])?, 3e-6)?;
        let (dy, on_dy) = bench.normal(&[r, h, w, c], 4)?;
        let want = gradients(&[&x, &weight, &bias], &dy, f)?;
        let [dx, dweight] = conv::depthwise_last_backward(bench.device, (&on, &on_weight), &on_dy, last)?;
        bench.near(&what("dx"), &dx, &want[0], 3e-6)?;
        bench.near(&what("dweight"), &dweight, &want[1], 1e-5)?;
        bench.near(&what("dbias"), &sums::columns(bench.device, &on_dy, c)?, &want[2], 1e-5)?;
    }
    // The column matrix times the weight is the convolution, and so are its gradients.
    for (kernel, stride, padding, dilation) in [(3, 1, 1, 1), (3, 2, 1, 1), (2, 2, 0, 2), (1, 1, 0, 1)] {
        let (r, c, o, h, w) = (2, 3, 4, 9, 10);
        let (x, on) = bench.normal(&[r, c, h, w], 4)?;
        let weight = normal(&[o, c, kernel, kernel], 5);
        let options = Conv { stride, padding, dilation, groups: 1 };
        let f = |x: &[Tensor]| tallow_kernels::conv2d(&x[0], &weight, options);
        let y = f(std::slice::from_ref(&x))?;
        let g = Geometry::new(&x, &weight, options)?;
        let columns = bench.read(&conv::im2col(bench.device, &on, &g)?);
        let (k, places) = (c * kernel * kernel, y.dim(2)? * y.dim(3)?);
        let columns = Tensor::from_vec(columns, (r, k, places), &Device::Cpu)?;
        let flat_weight = weight.reshape((o, k))?;
        let product = flat_weight.broadcast_matmul(&columns)?;
        let product = bench.floats(&product.reshape(y.dims())?)?;
        bench.near("columns times weight", &product, &y, 3e-6)?;
        let dy = normal(y.dims(), 6);
        let want = &gradients(&[&x], &dy, f)?[0];
        let slope = flat_weight.t()?.broadcast_matmul(&dy.reshape((r, o, places))?)?;
        let (_, on_slope) = bench.values(&slope.contiguous()?)?;
        let dx = conv::col2im(bench.device, &on_slope, &g)?;
        // In bf16 the columns' gradients are rounded before they are summed.
        let rounding = if bench.storage == Storage::Bf16 { 2e-2 } else { 3e-6 };
        bench.near("gradient by columns", &dx, want, rounding)?;
    }
    Ok(())
}
