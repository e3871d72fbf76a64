//! Each op on the emulated GPU and on the CPU: odd sizes, below and above a group, and enough for several groups.

use crate::bench::{Bench, flat, gradients, normal};
use crate::{copies, layers, tokens};
use candle_core::{Device, Result, Tensor, Var};
use tallow_kernels::gpu::{Kind, Memory, Storage};
use tallow_kernels::launches::activation::Activation;
use tallow_kernels::launches::composite::{Maps, Region};
use tallow_kernels::launches::{activation, composite, loss, mix_rows, optimizer, softmax, upload};
use tallow_kernels::{AdamW, Sgd};

/// A case, and the source that it is of.
pub type Case = (&'static str, fn(&Bench) -> Result<()>);

pub const CASES: [Case; 19] = [
    ("mix_rows", mixed_rows),
    ("composite", composites),
    ("upload", uploads),
    ("activation", activations),
    ("softmax", softmaxes),
    ("loss", losses),
    ("optimizer", optimizers),
    ("batch_norm", layers::batch_norms),
    ("layer_norm", layers::layer_norms),
    ("pool", layers::pools),
    ("conv", layers::convolutions),
    ("block", copies::blocks),
    ("rearrange", copies::rearranged),
    ("add_channels", tokens::biases),
    ("scale_channels", tokens::scales),
    ("sums", tokens::sums_of),
    ("add_scaled", tokens::residuals),
    ("class_token", tokens::class_tokens),
    ("attention", tokens::attentions),
];

fn mixed_rows(bench: &Bench) -> Result<()> {
    let entries = |n: usize, rows: usize, each: usize| -> Vec<Vec<(u32, f64)>> {
        let share = |i: usize, k: usize| (((i * 7 + k * 3) % rows) as u32, 1.0 / (1.0 + (i + k) as f64));
        (0..n).map(|i| (0..each).map(|k| share(i, k)).collect()).collect()
    };
    // Pairs of mixup, all shares of ζ-mixup, fewer rows out than in, a row without shares, more rows than a tile is deep.
    let mut cases =
        vec![(entries(5, 5, 2), 5, 300), (entries(11, 9, 9), 9, 257), (entries(17, 40, 40), 40, 31)];
    cases.push((vec![vec![], vec![(1, 0.5), (1, 0.25)], vec![(0, -1.0)]], 2, 1));
    for (i, (entries, rows, width)) in cases.iter().enumerate() {
        let what = format!("mix_rows {i}");
        let (x, on) = bench.normal(&[*rows, *width], i as u64)?;
        let y = mix_rows::forward(bench.device, entries, &on, *rows)?;
        bench.near(&what, &y, &tallow_kernels::mix_rows(entries, &x)?, 1e-6)?;
        let (dy, on_dy) = bench.normal(&[entries.len(), *width], 50 + i as u64)?;
        let dx = &gradients(&[&x], &dy, |x| tallow_kernels::mix_rows(entries, &x[0]))?[0];
        let mut transposed = vec![Vec::new(); *rows];
        for (row, entries) in entries.iter().enumerate() {
            entries.iter().for_each(|(of, share)| transposed[*of as usize].push((row as u32, *share)));
        }
        let back = mix_rows::forward(bench.device, &transposed, &on_dy, entries.len())?;
        bench.near(&format!("{what} gradient"), &back, dx, 1e-6)?;
    }
    Ok(())
}

fn composites(bench: &Bench) -> Result<()> {
    let (r, c, h, w) = (4, 3, 13, 9);
    let maps = Maps { r, c, h, w };
    let partner = [2, 0, 0, 3];
    let (x, on) = bench.normal(&[r, c, h, w], 1)?;
    let (dy, on_dy) = bench.normal(&[r, c, h, w], 2)?;
    let boxes = [(1, 7, 2, 9), (0, 13, 0, 9), (4, 4, 1, 5), (12, 13, 8, 9)];
    for boxes in [&boxes[..], &boxes[..1]] {
        let f = |x: &Tensor| tallow_kernels::paste_boxes(x, &partner, boxes);
        let region = Region::Boxes(boxes);
        bench.same(
            "paste_boxes",
            &composite::forward(bench.device, &on, maps, &partner, region)?,
            &f(&x)?,
        )?;
        let dx = composite::backward(bench.device, &on_dy, maps, &partner, region)?;
        bench.near("paste_boxes gradient", &dx, &gradients(&[&x], &dy, |x| f(&x[0]))?[0], 1e-6)?;
    }
    for boxes in [&boxes[..], &boxes[..1]] {
        let f = |x: &Tensor| tallow_kernels::paste_resized(x, &partner, boxes);
        let region = Region::Resized(boxes);
        let y = composite::forward(bench.device, &on, maps, &partner, region)?;
        bench.near("paste_resized", &y, &f(&x)?, 1e-6)?;
        let dx = composite::backward(bench.device, &on_dy, maps, &partner, region)?;
        bench.near("paste_resized gradient", &dx, &gradients(&[&x], &dy, |x| f(&x[0]))?[0], 1e-6)?;
    }
    let mask = |row: usize| (0..h * w).map(|i| ((i * 31 + row * 17) % 101) as f32 / 100.0).collect();
    let masks: Vec<Vec<f32>> = (0..r).map(mask).collect();
    for masks in [&masks[..], &masks[..1]] {
        let f = |x: &Tensor| tallow_kernels::blend_masks(x, &partner, masks);
        let region = Region::Masks(masks);
        bench.near(
            "blend_masks",
            &composite::forward(bench.device, &on, maps, &partner, region)?,
            &f(&x)?,
            1e-6,
        )?;
        let dx = composite::backward(bench.device, &on_dy, maps, &partner, region)?;
        bench.near("blend_masks gradient", &dx, &gradients(&[&x], &dy, |x| f(&x[0]))?[0], 1e-6)?;
    }
    Ok(())
}

fn uploads(bench: &Bench) -> Result<()> {
    let (h, w, rows, columns) = (21, 30, 17, 19);
    let bytes: Vec<u8> = (0..3 * 3 * h * w).map(|i| (i * 73 % 256) as u8).collect();
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let crop = |top, left, mirrored| upload::Crop { top, left, mirrored };
    let crops = [crop(0, 0, false), crop(4, 11, true), crop(2, 3, true)];
    let mut want = Vec::new();
    for (image, crop) in crops.iter().enumerate() {
        for channel in 0..3 {
            for y in 0..rows {
                for x in 0..columns {
                    let x = crop.left + if crop.mirrored { columns - 1 - x } else { x };
                    let byte = bytes[((image * h + crop.top + y) * w + x) * 3 + channel];
                    want.push(((f64::from(byte) / 255.0 - mean[channel]) / std[channel]) as f32);
                }
            }
        }
    }
    let on = crate::emulation::Buffer::new(Kind::U8, bytes);
    let got = upload::upload(bench.device, &on, (h, w), &crops, (rows, columns), (mean, std), bench.storage)?;
    bench.same("upload", &got, &Tensor::new(want, &Device::Cpu)?)?;
    let beyond = upload::upload(
        bench.device,
        &on,
        (h, w),
        &[crop(5, 0, false); 3],
        (rows, columns),
        (mean, std),
        bench.storage,
    );
    assert!(beyond.is_err());
    Ok(())
}

fn activations(bench: &Bench) -> Result<()> {
    type Ours = fn(&Tensor) -> Result<Tensor>;
    let all: [(Activation, Ours, f32); 7] = [
        (Activation::Relu, tallow_kernels::relu, 0.0),
        (Activation::Relu6, tallow_kernels::relu6, 0.0),
        (Activation::Sigmoid, tallow_kernels::sigmoid, 1e-6),
        (Activation::Silu, tallow_kernels::silu, 1e-6),
        (Activation::Gelu, tallow_kernels::gelu, 1e-6),
        (Activation::HardSigmoid, tallow_kernels::hard_sigmoid, 1e-6),
        (Activation::HardSwish, tallow_kernels::hard_swish, 1e-6),
    ];
    for (kind, ours, tolerance) in all {
        // One number, less than a group, several groups whose last is not full.
        for n in [1, 255, 2 * 1024 + 3] {
            let mut numbers = flat(&(normal(&[n], n as u64) * 4.0)?)?;
            for (place, edge) in numbers.iter_mut().skip(1).zip([0.0, -0.0, 3.0, -3.0, 6.0, 20.0, -20.0]) {
                *place = edge;
            }
            let (x, on) = bench.values(&Tensor::new(numbers, &Device::Cpu)?)?;
            let (dy, on_dy) = bench.normal(&[n], 7)?;
            let (y, on_y) = (ours(&x)?, activation::forward(bench.device, kind, &on)?);
            bench.near(&format!("{kind:?}"), &on_y, &y, tolerance)?;
            let read = if kind == Activation::Relu { &on_y } else { &on };
            let dx = activation::backward(bench.device, kind, &on_dy, read)?;
            bench.near(
                &format!("{kind:?} gradient"),
                &dx,
                &gradients(&[&x], &dy, |x| ours(&x[0]))?[0],
                tolerance,
            )?;
        }
        let edges = Tensor::new(&[f32::NAN, f32::INFINITY, 1e-40, -1e-40], &Device::Cpu)?;
        let (edges, on) = bench.values(&edges)?;
        bench.same("NaN", &activation::forward(bench.device, kind, &on)?, &ours(&edges)?).or_else(
            |error| {
                // Smooth ones are near at the smallest numbers.
                if tolerance == 0.0 { Err(error) } else { nan_and_infinity(bench, kind, &on) }
            },
        )?;
    }
    Ok(())
}

fn nan_and_infinity(bench: &Bench, kind: Activation, on: &crate::emulation::Buffer) -> Result<()> {
    let y = bench.read(&activation::forward(bench.device, kind, on)?);
    let top = if matches!(kind, Activation::Sigmoid | Activation::HardSigmoid) { 1.0 } else { f32::INFINITY };
    assert!(y[0].is_nan() && y[1] == top, "{kind:?}: {y:?}");
    Ok(())
}

fn softmaxes(bench: &Bench) -> Result<()> {
    for (rows, n) in [(1, 1), (7, 5), (9, 33), (17, 100)] {
        let (x, on) = bench.values(&(normal(&[rows, n], 3) * 5.0)?)?;
        let (dy, on_dy) = bench.normal(&[rows, n], 4)?;
        let y = softmax::forward(bench.device, &on, n, 1.0)?;
        bench.near("softmax", &y, &tallow_kernels::softmax(&x)?, 2e-6)?;
        let half = softmax::forward(bench.device, &on, n, 0.5)?;
        bench.near("softmax, scaled", &half, &tallow_kernels::softmax(&(&x * 0.5)?)?, 2e-6)?;
        // Its gradient reads the result as it is stored.
        let y = Tensor::from_vec(bench.read(&y), (rows, n), &Device::Cpu)?;
        let mean = (&y * &dy)?.sum_keepdim(1)?;
        let want = (&y * dy.broadcast_sub(&mean)?)?;
        let (_, on_y) = bench.values(&y)?;
        bench.near(
            "softmax gradient",
            &softmax::backward(bench.device, &on_y, &on_dy, n, 1.0)?,
            &want,
            2e-6,
        )?;
        if bench.storage == Storage::F32 {
            let dx = &gradients(&[&x], &dy, |x| tallow_kernels::softmax(&x[0]))?[0];
            bench.near(
                "softmax's own gradient",
                &softmax::backward(bench.device, &on_y, &on_dy, n, 1.0)?,
                dx,
                2e-6,
            )?;
        }
    }
    Ok(())
}

fn losses(bench: &Bench) -> Result<()> {
    for (rows, classes, weighted) in [(1, 2, false), (9, 7, true), (33, 40, false), (300, 3, true)] {
        let (z, on) = bench.values(&(normal(&[rows, classes], 5) * 1.5)?)?;
        let mut t = flat(&tallow_kernels::softmax(&normal(&[rows, classes], 6))?)?;
        t[0] = 0.0;
        let t = Tensor::from_vec(t, (rows, classes), &Device::Cpu)?;
        let weights: Option<Vec<f64>> = weighted.then(|| (0..classes).map(|c| 0.5 + c as f64).collect());
        for gamma in [0.0, 0.5, 2.0] {
            let weights = weights.as_deref();
            let f = |z: &Tensor| match gamma {
                0.0 => tallow_kernels::soft_cross_entropy(z, &t, weights),
                _ => tallow_kernels::focal_loss(z, &t, gamma, weights),
            };
            let what = format!("loss, gamma {gamma}, {rows}×{classes}");
            let (loss, slope) =
                loss::forward(bench.device, &on, &bench.floats(&t)?, weights, (classes, gamma))?;
            bench.near(&what, &loss, &f(&z)?, 2e-6)?;
            let factor = Tensor::new(0.37f32, &Device::Cpu)?;
            let want = &gradients(&[&z], &factor, |z| f(&z[0]))?[0];
            let dz = loss::backward(bench.device, &slope, &bench.floats(&factor)?, bench.storage)?;
            bench.near(&format!("{what}: gradient"), &dz, want, 1e-5)?;
        }
    }
    Ok(())
}

/// Ten tensors, two lists: small, a piece, a piece and one more, and none.
const SIZES: [usize; 10] = [1, 3, 4096, 4097, 0, 255, 10_000, 64, 300, 5];

fn optimizers(bench: &Bench) -> Result<()> {
    let tensors =
        |seed: u64| SIZES.iter().enumerate().map(move |(i, n)| normal(&[*n], seed + 100 * i as u64));
    let on = |tensors: &[Tensor]| tensors.iter().map(|x| bench.floats(x)).collect::<Result<Vec<_>>>();
    let start: Vec<Tensor> = tensors(1).collect();
    let grads = tensors(2).map(|x| bench.values(&x)).collect::<Result<Vec<_>>>()?;
    let other: Vec<Tensor> = tensors(3).collect();
    let positive: Vec<Tensor> = tensors(4).map(|x| x.sqr()).collect::<Result<_>>()?;
    let vars = |tensors: &[Tensor]| tensors.iter().map(Var::from_tensor).collect::<Result<Vec<_>>>();
    let near = |what: &str, got: &[crate::emulation::Buffer], want: &[Var]| -> Result<()> {
        let pairs = got.iter().zip(want).filter(|(got, _)| got.count() > 0);
        { pairs }.try_for_each(|(got, want)| bench.near(what, got, want.as_tensor(), 1e-6))
    };
    for nesterov in [false, true] {
        let options = Sgd { lr: 0.1, momentum: 0.9, nesterov, decay: 5e-4 };
        let (p, v, on_p, on_v) = (vars(&start)?, vars(&other)?, on(&start)?, on(&other)?);
        let rows: Vec<_> = (0..SIZES.len()).map(|i| [&on_p[i], &grads[i].1, &on_v[i]]).collect();
        optimizer::sgd(bench.device, &rows, options)?;
        for i in (0..SIZES.len()).filter(|i| SIZES[*i] > 0) {
            tallow_kernels::sgd_step(&p[i], &grads[i].0, &v[i], options)?;
        }
        near("sgd: param", &on_p, &p)?;
        near("sgd: velocity", &on_v, &v)?;
    }
    for coupled in [false, true] {
        let options = AdamW { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.05, coupled, step: 3 };
        let (p, m, v) = (vars(&start)?, vars(&other)?, vars(&positive)?);
        let (on_p, on_m, on_v) = (on(&start)?, on(&other)?, on(&positive)?);
        let rows: Vec<_> = (0..SIZES.len()).map(|i| [&on_p[i], &grads[i].1, &on_m[i], &on_v[i]]).collect();
        optimizer::adamw(bench.device, &rows, options)?;
        for i in (0..SIZES.len()).filter(|i| SIZES[*i] > 0) {
            tallow_kernels::adamw_step(&p[i], &grads[i].0, &m[i], &v[i], options)?;
        }
        near("adamw: param", &on_p, &p)?;
        near("adamw: m", &on_m, &m)?;
        near("adamw: v", &on_v, &v)?;
    }
    let (average, on_average) = (vars(&other)?, on(&other)?);
    let values = on(&start)?;
    let rows: Vec<_> = (0..SIZES.len()).map(|i| [&on_average[i], &values[i]]).collect();
    optimizer::ema(bench.device, &rows, 0.9)?;
    for i in (0..SIZES.len()).filter(|i| SIZES[*i] > 0) {
        tallow_kernels::ema_update(&average[i], &start[i], 0.9)?;
    }
    near("ema", &on_average, &average)?;
    let norm = optimizer::norm(bench.device, &grads.iter().map(|grad| &grad.1).collect::<Vec<_>>())?;
    let want = tallow_kernels::grad_norm(&grads.iter().map(|grad| &grad.0).collect::<Vec<_>>())?;
    bench.near("grad_norm", &norm, &Tensor::new(want as f32, &Device::Cpu)?, 1e-6)?;

    // Gradients in place: halved; made as long as asked, and left where they are no longer than that; then parameters as layers read them.
    let places = grads.iter().map(|grad| Ok(bench.values(&grad.0)?.1)).collect::<Result<Vec<_>>>()?;
    let list: Vec<&crate::emulation::Buffer> = places.iter().collect();
    let are = |what: &str, factor: f64| {
        let pairs = places.iter().zip(&grads).filter(|(got, _)| got.count() > 0);
        { pairs }.try_for_each(|(got, (grad, _))| bench.near(what, got, &(grad * factor)?, 1e-6))
    };
    optimizer::clip(bench.device, &list, &norm, want * 1.01)?;
    are("clip, not above", 1.0)?;
    optimizer::clip(bench.device, &list, &norm, 1.0)?;
    are("clip", 1.0 / (want + 1e-6))?;
    optimizer::scale(bench.device, &list, 0.5 * want)?;
    // Twice rounded in bf16.
    if bench.storage == Storage::F32 {
        are("scale", 0.5)?;
    }
    let rows: Vec<_> = (0..SIZES.len()).map(|i| [&values[i], &places[i]]).collect();
    optimizer::cast(bench.device, &rows)?;
    let pairs = places.iter().zip(&start).filter(|(got, _)| got.count() > 0);
    { pairs }.try_for_each(|(got, want)| bench.same("cast", got, want))
}
