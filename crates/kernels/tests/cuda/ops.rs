//! Activations, softmax, the loss, mixing and masks, at odd sizes.

use crate::bench::{Bench, Op, near, normal};
use candle_core::{DType, Result, Tensor};
use tallow_kernels::{
    blend_masks, count_kernels, gelu, global_avg_pool, hard_sigmoid, hard_swish, mix_rows, paste_boxes, relu,
    relu6, sigmoid, silu, soft_cross_entropy, softmax,
};

pub fn all() -> Result<()> {
    let bench = Bench::new()?;
    activations(&bench)?;
    rows(&bench)?;
    losses(&bench)?;
    mixing(&bench)?;
    masks(&bench)?;
    others(&bench)
}

fn op<'a>(name: String, inputs: Vec<Tensor>, launches: [&'a [&'a str]; 2]) -> Op<'a> {
    Op { name, variables: inputs.len(), inputs, launches, tolerance: 2e-5, bf16: true, in_f32: 0..0 }
}

fn activations(bench: &Bench) -> Result<()> {
    type F = fn(&Tensor) -> Result<Tensor>;
    let all: [(&str, F); 7] = [
        ("relu", relu),
        ("relu6", relu6),
        ("sigmoid", sigmoid),
        ("silu", silu),
        ("gelu", gelu),
        ("hard_sigmoid", hard_sigmoid),
        ("hard_swish", hard_swish),
    ];
    for (name, f) in all {
        let kernels = [format!("{name}_forward"), format!("{name}_backward")];
        let launches = [&[kernels[0].as_str()][..], &[kernels[1].as_str()][..]];
        for shape in [&[5][..], &[3, 1031]] {
            let x = (normal(shape, 1) * 3.0)?;
            bench.check(&op(format!("{name} of {shape:?}"), vec![x], launches), |x| f(&x[0]))?;
        }
    }
    Ok(())
}

fn rows(bench: &Bench) -> Result<()> {
    let launches: [&[&str]; 2] = [&["softmax_forward"], &["softmax_backward"]];
    for shape in [&[3, 5][..], &[9, 33], &[2, 3, 300]] {
        bench.check(&op(format!("softmax of {shape:?}"), vec![normal(shape, 2)], launches), |x| {
            softmax(&x[0])
        })?;
    }
    // Columns of a matrix, and the last rows of a tensor: copied, and read where they are.
    let columns = op("softmax of columns".into(), vec![normal(&[7, 5], 3)], launches);
    bench.check(&columns, |x| softmax(&x[0].t()?))?;
    let last = op("softmax of the last rows".into(), vec![normal(&[7, 5], 3)], launches);
    bench.check(&last, |x| softmax(&x[0].narrow(0, 3, 4)?))
}

fn losses(bench: &Bench) -> Result<()> {
    let launches: [&[&str]; 2] = [&["loss_rows", "mean_of"], &["loss_backward"]];
    for (r, c, weighted) in [(7, 5, false), (7, 5, true), (300, 11, false)] {
        let weights: Vec<f64> = (0..c).map(|i| 0.5 + i as f64).collect();
        let weights = weighted.then_some(&weights[..]);
        let inputs = vec![normal(&[r, c], 4), softmax(&normal(&[r, c], 5))?];
        let name = format!("soft_cross_entropy of {r}×{c}, weighted: {weighted}");
        let op = Op { variables: 1, in_f32: 1..2, ..op(name, inputs, launches) };
        bench.check(&op, |x| soft_cross_entropy(&x[0], &x[1], weights))?;
    }
    Ok(())
}

fn mixing(bench: &Bench) -> Result<()> {
    let entries = |n: usize, rows: usize, each: usize| -> Vec<Vec<(u32, f64)>> {
        let share = |i: usize, k: usize| (((i * 7 + k * 3) % rows) as u32, 1.0 / (1.0 + (i + k) as f64));
        (0..n).map(|i| (0..each).map(|k| share(i, k)).collect()).collect()
    };
    let (sparse, dense): (&[&str], &[&str]) = (&["mix_rows_sparse"], &["mix_rows_dense"]);
    for (rows, n, each, launches) in [
        (5, 5, 2, [sparse, sparse]),
        (9, 4, 1, [sparse, sparse]),
        (3, 2, 0, [sparse, sparse]),
        (11, 11, 11, [dense, dense]),
    ] {
        let entries = entries(n, rows, each);
        let name = format!("mix_rows of {rows} to {n}, {each} shares");
        bench.check(&op(name, vec![normal(&[rows, 3, 29], 6)], launches), |x| mix_rows(&entries, &x[0]))?;
    }
    Ok(())
}

fn masks(bench: &Bench) -> Result<()> {
    let (r, c, h, w) = (4, 3, 5, 7);
    let partner = [2, 2, 3, 0];
    let x = || vec![normal(&[r, c, h, w], 7)];
    let paste: [&[&str]; 2] = [&["paste_forward"], &["paste_backward"]];
    let blend: [&[&str]; 2] = [&["blend_forward"], &["blend_backward"]];
    let boxes = [(1, 4, 2, 7), (0, 5, 0, 1), (2, 2, 0, 7), (0, 3, 3, 6)];
    let mask = |k: usize| (0..h * w).map(|i| ((i * 5 + k) % 8) as f32 / 8.0).collect::<Vec<_>>();
    let masks: Vec<Vec<f32>> = (0..r).map(mask).collect();
    for count in [1, r] {
        bench.check(&op(format!("paste_boxes, {count}"), x(), paste), |x| {
            paste_boxes(&x[0], &partner, &boxes[..count])
        })?;
        bench.check(&op(format!("blend_masks, {count}"), x(), blend), |x| {
            blend_masks(&x[0], &partner, &masks[..count])
        })?;
    }
    Ok(())
}

/// f64 has no kernel of ours: it is composed, where a device has such numbers.
fn others(bench: &Bench) -> Result<()> {
    if bench.device.is_metal() {
        return Ok(());
    }
    let x = normal(&[2, 3, 4, 5], 8);
    let double = x.to_dtype(DType::F64)?.to_device(&bench.device)?;
    let (y, count) = count_kernels(|| global_avg_pool(&double));
    assert_eq!(count, 0, "f64 is composed");
    near("global_avg_pool in f64", &y?, &global_avg_pool(&x)?, 1e-5)
}
