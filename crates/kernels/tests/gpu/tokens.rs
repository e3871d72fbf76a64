//! What networks of tokens and residual blocks are made of, on the emulated GPU and on the CPU.

use crate::bench::{Bench, flat, gradients, normal};
use candle_core::{Device as Cpu, Result, Tensor};
use tallow_kernels::gpu::Device;
use tallow_kernels::launches::attention::{self, Tokens};
use tallow_kernels::launches::{add_channels, add_scaled, class_token, scale_channels, softmax, sums};

/// (R, C, H, W): less than a group, several channels to a group of chunks, more chunks than a team has lanes.
const MAPS: [[usize; 4]; 3] = [[3, 5, 2, 3], [2, 37, 9, 31], [2, 1, 260, 260]];

/// Biases of channels that come second, and last.
pub fn biases(bench: &Bench) -> Result<()> {
    for shape in MAPS {
        let [_, c, h, w] = shape;
        let ((x, on), bias) = (bench.normal(&shape, 1)?, normal(&[c], 2));
        let on_bias = bench.floats(&bias)?;
        let y = add_channels::forward(bench.device, &on, &on_bias, h * w)?;
        bench.near("add_channels", &y, &tallow_kernels::add_channels(&x, &bias)?, 1e-6)?;
        let (last, on_last) = bench.values(&tallow_kernels::channels_last(&x)?)?;
        let y = add_channels::forward(bench.device, &on_last, &on_bias, 1)?;
        bench.near("bias of a linear layer", &y, &last.broadcast_add(&bias)?, 1e-6)?;
    }
    Ok(())
}

/// The gradients of such biases.
pub fn sums_of(bench: &Bench) -> Result<()> {
    for shape in MAPS {
        let [_, c, h, w] = shape;
        let (x, bias) = (normal(&shape, 1), normal(&[c], 2));
        let (dy, on_dy) = bench.normal(&shape, 3)?;
        let want = gradients(&[&bias], &dy, |bias| tallow_kernels::add_channels(&x, &bias[0]))?;
        bench.near("channels", &sums::channels(bench.device, &on_dy, (c, h * w))?, &want[0], 1e-5)?;
        let (_, on_last) = bench.values(&tallow_kernels::channels_last(&dy)?)?;
        bench.near("columns", &sums::columns(bench.device, &on_last, c)?, &want[0], 1e-5)?;
    }
    // Products of rows, two to a factor; a NaN whose factor is 0.
    let mut numbers = flat(&normal(&[6, 7], 4))?;
    numbers[14..28].fill(f32::NAN);
    let (x, on_x) = bench.values(&Tensor::from_vec(numbers, (6, 7), &Cpu::Cpu)?)?;
    let (other, on_other) = bench.normal(&[6, 7], 5)?;
    let factors = bench.device.floats(&[0.5, 0.0, 2.0])?;
    let found = sums::products(bench.device, (&on_x, &on_other), sums::Factors::Of(&factors), 7)?;
    let part =
        |row: usize, factor: f64| ((x.narrow(0, row, 2)? * other.narrow(0, row, 2)?)? * factor)?.sum(0);
    bench.near("products", &found, &(part(0, 0.5)? + part(4, 2.0)?)?, 1e-5)
}

pub fn scales(bench: &Bench) -> Result<()> {
    for shape in MAPS {
        let [r, c, ..] = shape;
        let ((x, on), (scale, on_scale)) = (bench.normal(&shape, 1)?, bench.normal(&[r, c], 4)?);
        let f = |x: &[Tensor]| tallow_kernels::scale_channels(&x[0], &x[1]);
        let y = scale_channels::forward(bench.device, &on, &on_scale)?;
        bench.near("scale_channels", &y, &f(&[x.clone(), scale.clone()])?, 1e-6)?;
        let (dy, on_dy) = bench.normal(&shape, 3)?;
        let want = gradients(&[&x, &scale], &dy, f)?;
        let [dx, dscale] = scale_channels::backward(bench.device, (&on, &on_scale), &on_dy)?;
        bench.near("scale_channels, x", &dx, &want[0], 1e-6)?;
        bench.near("scale_channels, scale", &dscale, &want[1], 1e-5)?;
    }
    Ok(())
}

/// Ends of residual blocks; a row of NaN whose factor is 0.
pub fn residuals(bench: &Bench) -> Result<()> {
    for (r, l, c) in [(3, 1, 4), (4, 70, 19), (2, 5, 300)] {
        let shape = [r, l, c];
        let (x, on) = bench.normal(&shape, 1)?;
        let mut numbers = flat(&normal(&shape, 2))?;
        let row = numbers.len() / r;
        numbers[row..2 * row].fill(f32::NAN);
        let (branch, on_branch) = bench.values(&Tensor::from_vec(numbers, &shape, &Cpu::Cpu)?)?;
        let (whole, on_whole) = bench.normal(&shape, 3)?;
        let factors: Vec<f64> = (0..r).map(|i| if i == 1 { 0.0 } else { 1.25 }).collect();
        let on_factors = bench.device.floats(&factors.iter().map(|f| *f as f32).collect::<Vec<_>>())?;
        let (dy, on_dy) = bench.normal(&shape, 4)?;

        let y = add_scaled::forward(bench.device, (&on, &on_whole), None)?;
        bench.near("add", &y, &tallow_kernels::add_scaled(&x, &whole, None)?, 1e-6)?;
        let f = |x: &[Tensor]| tallow_kernels::add_scaled(&x[0], &x[1], Some(&factors));
        let y = add_scaled::forward(bench.device, (&on, &on_branch), Some(&on_factors))?;
        bench.near("add_scaled", &y, &f(&[x.clone(), branch.clone()])?, 1e-6)?;
        let want = gradients(&[&x, &branch], &dy, f)?;
        bench.near(
            "add_scaled, branch",
            &add_scaled::backward(bench.device, &on_dy, &on_factors)?,
            &want[1],
            1e-6,
        )?;

        let scale = normal(&[c], 5);
        let on_scale = bench.floats(&scale)?;
        for factors in [None, Some(&factors[..])] {
            let given = factors.map(|_| &on_factors);
            let (branch, on_branch) =
                if factors.is_some() { (&branch, &on_branch) } else { (&whole, &on_whole) };
            let f = |x: &[Tensor]| tallow_kernels::layer_scale(&x[0], &x[1], &x[2], factors);
            let y = add_scaled::layer_scale(bench.device, (&on, on_branch), &on_scale, given)?;
            bench.near("layer_scale", &y, &f(&[x.clone(), branch.clone(), scale.clone()])?, 1e-6)?;
            let want = gradients(&[&x, branch, &scale], &dy, f)?;
            let [db, ds] =
                add_scaled::layer_scale_backward(bench.device, (on_branch, &on_dy), &on_scale, given)?;
            bench.near("layer_scale, branch", &db, &want[1], 1e-6)?;
            bench.near("layer_scale, scale", &ds, &want[2], 1e-5)?;
        }
    }
    Ok(())
}

pub fn class_tokens(bench: &Bench) -> Result<()> {
    for (r, l, d) in [(1, 1, 1), (3, 4, 7), (40, 17, 33)] {
        let (x, on) = bench.normal(&[r, l, d], 1)?;
        let (token, positions) = (normal(&[d], 2), normal(&[l + 1, d], 3));
        let (on_token, on_positions) = (bench.floats(&token)?, bench.floats(&positions)?);
        let f = |x: &[Tensor]| tallow_kernels::class_token(&x[0], &x[1], &x[2]);
        let y = class_token::forward(bench.device, &on, &on_token, &on_positions)?;
        bench.near("class_token", &y, &f(&[x.clone(), token.clone(), positions.clone()])?, 1e-6)?;
        let (dy, on_dy) = bench.normal(&[r, l + 1, d], 4)?;
        let want = gradients(&[&x, &token, &positions], &dy, f)?;
        let found = class_token::backward(bench.device, &on_dy, ((l + 1) * d, d))?;
        for ((what, found), want) in ["x", "token", "positions"].into_iter().zip(&found).zip(&want) {
            bench.near(&format!("class_token, {what}"), found, want, 1e-5)?;
        }
    }
    Ok(())
}

/// Windows of a map that was rolled: each kernel alone, and with the products between them the op.
pub fn attentions(bench: &Bench) -> Result<()> {
    for ((r, h, w), window, shift, (heads, d)) in
        [((2, 4, 6), 2, 1, (3, 5)), ((1, 8, 8), 4, 0, (1, 8)), ((3, 7, 7), 7, 3, (2, 4))]
    {
        let (s, width) = (window * window, heads * d);
        let (order, mask) = tallow_kernels::windows((h, w), window, shift);
        let (tokens, per_image) = (r * h * w, h * w / s);
        let groups = tokens / s;
        let places: Vec<u32> =
            (0..r).flat_map(|image| order.iter().map(move |token| (image * h * w) as u32 + token)).collect();
        let mut at = vec![0u32; tokens];
        places.iter().zip(0..).for_each(|(token, place)| at[*token as usize] = place);
        // A region is the first token that no mask parts from this one.
        let region = |row: usize| mask[row * s..][..s].iter().position(|m| *m == 0.0).unwrap() as u32;
        let regions = bench.device.words(&(0..per_image * s).map(region).collect::<Vec<_>>())?;
        let (on_places, on_at) = (bench.device.words(&places)?, bench.device.words(&at)?);
        let shape = Tokens { parts: 3, groups, heads, s, d };

        let (qkv, on) = bench.normal(&[r, h, w, 3 * width], 1)?;
        let split = attention::split(bench.device, &on, &on_places, shape)?;
        let rows = qkv.reshape((tokens, 3 * width))?.index_select(&Tensor::new(places, &Cpu::Cpu)?, 0)?;
        let parts = rows.reshape((groups, s, 3, heads, d))?.permute((2, 0, 3, 1, 4))?.contiguous()?;
        bench.same("split", &split, &parts)?;
        bench.same("join", &attention::join(bench.device, &split, &on_at, shape)?, &qkv)?;

        let [q, k, v] = [0, 1, 2].map(|part| parts.get(part));
        let scores = q?.matmul(&k?.t()?.contiguous()?)?;
        let (scores, on_scores) = bench.values(&scores)?;
        let scale = (d as f64).powf(-0.5);
        let bias = normal(&[heads, s, s], 2);
        let masks =
            Tensor::new(mask, &Cpu::Cpu)?.to_dtype(candle_core::DType::F32)?.reshape((per_image, s, s))?;
        let masks = masks.unsqueeze(0)?.broadcast_as((r, per_image, s, s))?.contiguous()?;
        let masked =
            (&scores * scale)?.broadcast_add(&bias)?.broadcast_add(&masks.reshape((groups, 1, s, s))?)?;
        let on_bias = bench.floats(&bias)?;
        let shares =
            attention::window_softmax(bench.device, &on_scores, (&on_bias, &regions), (heads, s), scale)?;
        bench.near("window_softmax", &shares, &tallow_kernels::softmax(&masked)?, 3e-6)?;

        let shares = Tensor::from_vec(bench.read(&shares), (groups, heads, s, s), &Cpu::Cpu)?;
        let (_, on_y) = bench.values(&shares.matmul(&v?)?)?;
        let y = attention::join(bench.device, &on_y, &on_at, Tokens { parts: 1, ..shape })?;
        let want = tallow_kernels::window_attention(&qkv, heads, &bias, window, shift)?;
        // In bf16 scores and shares are rounded on the way.
        let rounding = if bench.storage == tallow_kernels::gpu::Storage::Bf16 { 4e-2 } else { 3e-6 };
        bench.near("window_attention", &y, &want, rounding)?;

        // The bias's gradient: that of the softmax, over all groups.
        let (_, on_dy) = bench.normal(&[groups, heads, s, s], 3)?;
        let (_, on_shares) = bench.values(&shares)?;
        let dz = softmax::backward(bench.device, &on_shares, &on_dy, s, 1.0)?;
        let dbias = sums::columns(bench.device, &dz, heads * s * s)?;
        let dz = Tensor::from_vec(bench.read(&dz), (groups, heads, s, s), &Cpu::Cpu)?;
        bench.near("gradient of the bias", &dbias, &dz.sum(0)?, 1e-5)?;
    }
    Ok(())
}
