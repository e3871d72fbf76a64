//! The ops of transformers against finite differences, their fallbacks, and their f64 selves.

use crate::support::{all, check, flat, near, numbers, on};
use candle_core::{DType, Device, Result, Tensor, Var};
use tallow_kernels::*;

#[test]
fn layers_normalised() -> Result<()> {
    for shape in [&[1, 2][..], &[5, 3], &[2, 3, 16], &[2, 7, 5, 33], &[1, 1, 97], &[70, 96]] {
        let c = shape[shape.len() - 1];
        let inputs = [numbers(shape, 1), numbers(&[c], 2), numbers(&[c], 3)];
        check(&format!("layer_norm {shape:?}"), &inputs, |t| layer_norm(&t[0], &t[1], &t[2], 1e-5))?;
    }
    // 1, 2, 3, 6: mean 3, variance 3.5.
    let x = Tensor::new(&[[1.0f64, 2.0, 3.0, 6.0]], &Device::Cpu)?;
    let (w, b) = (Tensor::new(&[1.0f64, 2.0, 1.0, 1.0], &Device::Cpu)?, (x.get(0)? * 0.0)?);
    let s = 4f64.sqrt();
    near(&flat(&layer_norm(&x, &w, &b, 0.5)?), &[-2.0 / s, -2.0 / s, 0.0, 3.0 / s], 1e-12);
    // A large mean does not swallow the variance.
    let x: Vec<f32> = (0..64).map(|i| 1e4 + if i % 2 == 0 { -1.0 } else { 1.0 }).collect();
    let (one, zero) =
        (Tensor::ones(64, DType::F32, &Device::Cpu)?, Tensor::zeros(64, DType::F32, &Device::Cpu)?);
    let y = flat(&layer_norm(&Tensor::from_vec(x, (1, 64), &Device::Cpu)?, &one, &zero, 0.0)?);
    assert!(y.iter().all(|y| (y.abs() - 1.0).abs() < 1e-4), "{y:?}");
    assert!(layer_norm(&numbers(&[2, 3], 1), &numbers(&[2], 1), &numbers(&[3], 1), 1e-5).is_err());
    Ok(())
}

#[test]
fn gaussian_error_units() -> Result<()> {
    for shape in [&[1][..], &[3, 5, 7], &[2, 40_000]] {
        check(&format!("gelu {shape:?}"), &[(numbers(shape, 1) * 2.0)?], |t| gelu(&t[0]))?;
    }
    // torch 2.15: F.gelu of these, and its derivative.
    let x = Var::new(&[-6.0f64, -1.0, 0.0, 0.5, 3.0], &Device::Cpu)?;
    for fallback in [false, true] {
        let (y, dx) = on(fallback, || -> Result<_> {
            let y = gelu(x.as_tensor())?;
            Ok((flat(&y), flat(backward(&y.sum_all()?)?.get(&x).unwrap())))
        })?;
        let torch = [-5.919_525_869_2e-9, -0.158_655_253_931, 0.0, 0.345_731_230_637, 2.995_950_305_911];
        near(&y, &torch, 1e-9);
        near(&dx, &[-3.546_870_945e-8, -0.083_315_470_8, 0.5, 0.867_495_124_7, 1.011_945_647_2], 1e-7);
    }
    Ok(())
}

#[test]
fn shares_of_one() -> Result<()> {
    for shape in [&[1][..], &[3, 2], &[2, 3, 17], &[4, 49], &[2, 5000]] {
        check(&format!("softmax {shape:?}"), &[(numbers(shape, 1) * 3.0)?], |t| softmax(&t[0]))?;
    }
    // e^1000 is past f32: the largest is taken off first. ln 3 apart: 3/4 and 1/4.
    let x = Tensor::new(&[[1000.0f32, 1000.0 - 3f32.ln()], [-200.0, 200.0]], &Device::Cpu)?;
    for fallback in [false, true] {
        near(&flat(&on(fallback, || softmax(&x))?), &[0.75, 0.25, 0.0, 1.0], 1e-4);
    }
    Ok(())
}

#[test]
fn tokens_of_an_image() -> Result<()> {
    for (r, l, heads, d) in [(1, 1, 1, 1), (2, 5, 3, 4), (3, 17, 2, 7), (1, 50, 2, 32), (18, 3, 1, 2)] {
        let qkv = numbers(&[r, l, 3 * heads * d], 1);
        check(&format!("{r} × {l}, {heads} heads of {d}"), &[qkv], |t| attention(&t[0], heads))?;
    }
    // One token: its own value. Equal keys: the mean of the values.
    let qkv = Tensor::new(&[[[9.0f64, 0.0, 1.0], [5.0, 0.0, 4.0]]], &Device::Cpu)?;
    near(&flat(&attention(&qkv, 1)?), &[2.5, 2.5], 1e-12);
    assert!(attention(&numbers(&[2, 3, 8], 1), 3).is_err());
    Ok(())
}

#[test]
fn tokens_of_windows() -> Result<()> {
    for (r, (h, w), heads, d, window, shift) in [
        (1, (2, 2), 1, 1, 2, 1), // one window: never rolled
        (2, (4, 6), 2, 3, 2, 1),
        (2, (4, 6), 2, 3, 2, 0),
        (1, (3, 9), 1, 4, 3, 1), // rolled to the side alone
        (3, (14, 14), 1, 8, 7, 3),
    ] {
        let s = window * window;
        let inputs = [numbers(&[r, h, w, 3 * heads * d], 1), numbers(&[heads, s, s], 2)];
        check(&format!("{r} × {h}×{w}, windows of {window} by {shift}"), &inputs, |t| {
            window_attention(&t[0], heads, &t[1], window, shift)
        })?;
    }
    let refused = |dims: &[usize], window: usize, shift: usize| {
        let bias = numbers(&[1, window * window, window * window], 2);
        window_attention(&numbers(dims, 1), 1, &bias, window, shift).unwrap_err().to_string()
    };
    assert!(refused(&[1, 4, 5, 3], 2, 0).contains("multiples of 2"));
    assert!(refused(&[1, 4, 4, 3], 2, 2).contains("a shift below it"));
    Ok(())
}

#[test]
fn axes_rearranged() -> Result<()> {
    let x = numbers(&[2, 3, 4, 6], 1);
    let cases: [(&[usize], &[usize], &[usize]); 5] = [
        (&[2, 3, 24], &[0, 2, 1], &[2, 4, 6, 3]),
        (&[2, 3, 2, 2, 3, 2], &[0, 2, 4, 1, 3, 5], &[2, 6, 12]),
        (&[2, 3, 2, 2, 6], &[4, 3, 2, 1, 0], &[6, 2, 2, 3, 2]),
        (&[6, 24], &[0, 1], &[144]),
        (&[2, 1, 72], &[1, 2, 0], &[72, 2]),
    ];
    for (dims, order, shape) in cases {
        check(&format!("{dims:?} {order:?}"), std::slice::from_ref(&x), |t| {
            rearrange(&t[0], dims, order, shape)
        })?;
    }
    let wide = numbers(&[2, 33, 5, 37], 2);
    check("channels last", std::slice::from_ref(&wide), |t| channels_last(&t[0]))?;
    assert_eq!(flat(&channels_first(&channels_last(&wide)?)?), flat(&wide));
    assert_eq!(flat(&channels_last(&wide)?), flat(&wide.permute((0, 2, 3, 1))?.contiguous()?));
    assert!(rearrange(&x, &[2, 3, 24], &[0, 2, 2], &[144]).is_err());
    assert!(rearrange(&x, &[2, 3, 23], &[0, 2, 1], &[138]).is_err());
    Ok(())
}

#[test]
fn blocks_of_an_axis() -> Result<()> {
    let x = [numbers(&[2, 5, 3, 4], 1)];
    for axis in 0..4 {
        let n = x[0].dims()[axis];
        for (start, length) in [(0, 1), (1, n - 1), (n - 1, 1), (0, n)] {
            let case = format!("narrow {axis} {start} {length}");
            check(&case, &x, |t| relu(&narrow(&t[0], axis, start, length)?))?;
        }
        check(&format!("select {axis}"), &x, |t| select(&t[0], axis, n - 1))?;
        for (before, after) in [(0, 2), (3, 0), (1, 1)] {
            check(&format!("pad {axis} {before} {after}"), &x, |t| pad(&t[0], axis, before, after))?;
        }
    }
    for (start, length) in [(0, 0), (2, 4), (6, 1)] {
        assert!(narrow(&x[0], 1, start, length).is_err());
    }
    assert!(select(&x[0], 1, 5).is_err() && pad(&x[0], 4, 1, 1).is_err());
    Ok(())
}

#[test]
fn scaled_layers() -> Result<()> {
    for shape in [&[1, 1][..], &[3, 5], &[3, 4, 17], &[3, 2, 5, 40]] {
        let (rows, c) = (shape[0], shape[shape.len() - 1]);
        let inputs = [numbers(shape, 1), numbers(shape, 2), numbers(&[c], 3)];
        let factors: Vec<f64> = [0.0, 1.25, 2.0][3 - rows..].to_vec();
        for factors in [None, Some(&factors[..])] {
            check(&format!("{shape:?} {factors:?}"), &inputs, |t| layer_scale(&t[0], &t[1], &t[2], factors))?;
        }
    }
    // A dropped row's branch may be anything.
    let x = Tensor::new(&[[1.0f64], [2.0]], &Device::Cpu)?;
    let branch = Tensor::new(&[[f64::NAN], [3.0]], &Device::Cpu)?;
    let one = Tensor::ones(1, DType::F64, &Device::Cpu)?;
    assert_eq!(flat(&layer_scale(&x, &branch, &one, Some(&[0.0, 2.0]))?), [1.0, 8.0]);
    assert!(layer_scale(&x, &branch, &one, Some(&[1.0])).is_err());
    Ok(())
}

#[test]
fn class_tokens() -> Result<()> {
    for (r, l, d) in [(1, 1, 1), (3, 5, 7), (2, 4, 33)] {
        let inputs = [numbers(&[r, l, d], 1), numbers(&[d], 2), numbers(&[l + 1, d], 3)];
        check(&format!("{r} {l} {d}"), &inputs, |t| class_token(&t[0], &t[1], &t[2]))?;
    }
    Ok(())
}

#[test]
fn fully_connected_sequences() -> Result<()> {
    for (shape, o) in [(&[2, 3, 5][..], 4), (&[1, 2, 3, 7], 1), (&[3, 700, 3], 5)] {
        let d = shape[shape.len() - 1];
        let inputs = [numbers(shape, 1), numbers(&[o, d], 2), numbers(&[o], 3)];
        check(&format!("{shape:?} {o}"), &inputs, |t| linear(&t[0], &t[1], Some(&t[2])))?;
    }
    Ok(())
}

/// A block of a transformer with few and with many rows.
fn block(t: &[Tensor]) -> Result<Tensor> {
    let normed = layer_norm(&t[0], &t[1], &t[2], 1e-5)?;
    let mixed = window_attention(&linear(&normed, &t[3], None)?, 2, &t[4], 3, 1)?;
    let joined = layer_scale(&t[0], &mixed, &t[1], Some(&[0.0, 1.5, 1.0]))?;
    channels_first(&softmax(&gelu(&joined)?)?)
}

#[test]
fn threads_change_no_bit() -> Result<()> {
    let c = 8;
    let shapes: [&[usize]; 5] = [&[3, 30, 30, c], &[c], &[c], &[3 * c, c], &[2, 9, 9]];
    let inputs: Vec<Tensor> =
        shapes.iter().enumerate().map(|(i, shape)| numbers(shape, 30 + i as u64)).collect();
    let case = |threads: usize| -> Vec<Vec<f64>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| on(false, || all(&inputs, DType::F32, block).unwrap()))
    };
    let one = case(1);
    for threads in [2, 4] {
        for (part, (a, b)) in case(threads).iter().zip(&one).enumerate() {
            assert!(
                a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()),
                "{threads} threads, part {part}"
            );
        }
    }
    Ok(())
}

#[test]
fn depthwise_with_channels_last() -> Result<()> {
    for (r, h, w, c, k) in [
        (1, 1, 1, 1, 1),
        (2, 3, 5, 4, 3),
        (2, 5, 9, 3, 7),
        (2, 4, 11, 16, 7),
        (1, 17, 9, 32, 7),
        (1, 2, 3, 24, 7),
    ] {
        let inputs = [numbers(&[r, h, w, c], 1), numbers(&[c, 1, k, k], 2), numbers(&[c], 3)];
        check(&format!("{r}×{h}×{w}×{c}, {k}×{k}"), &inputs, |t| depthwise_last(&t[0], &t[1], &t[2]))?;
    }
    assert!(
        depthwise_last(&numbers(&[1, 4, 4, 2], 1), &numbers(&[2, 1, 2, 2], 2), &numbers(&[2], 3)).is_err()
    );
    Ok(())
}
