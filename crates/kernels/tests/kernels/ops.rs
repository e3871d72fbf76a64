//! Every op against finite differences, its fallback, and its f64 self.

use crate::support;
use crate::support::{beside, check, numbers, positive};
use candle_core::{DType, Device, Result, Tensor, Var};
use tallow_kernels::*;

#[test]
fn convolution() -> Result<()> {
    // (rows, channels, height, width), (out, kernel height, kernel width), (stride, padding, dilation, groups)
    let cases = [
        ((1, 1, 1, 1), (1, 1, 1), (1, 0, 1, 1)),
        ((2, 3, 5, 7), (4, 3, 3), (1, 1, 1, 1)),
        ((3, 2, 8, 5), (3, 3, 3), (2, 1, 1, 1)),
        ((2, 3, 9, 6), (2, 7, 7), (2, 3, 1, 1)),
        ((2, 4, 6, 7), (6, 1, 1), (1, 0, 1, 1)),
        ((2, 4, 7, 6), (6, 1, 1), (2, 0, 1, 1)),
        ((1, 4, 5, 4), (2, 1, 1), (1, 1, 1, 2)),
        ((2, 4, 7, 6), (6, 3, 3), (1, 1, 1, 2)),
        ((2, 6, 6, 9), (4, 3, 2), (2, 0, 1, 2)),
        ((2, 3, 9, 8), (2, 3, 3), (1, 2, 2, 1)),
        ((2, 3, 9, 8), (2, 2, 3), (2, 2, 3, 1)),
        ((2, 5, 6, 7), (5, 3, 3), (1, 1, 1, 5)),
        ((2, 3, 8, 7), (6, 3, 3), (2, 1, 1, 3)),
        ((1, 3, 9, 7), (3, 5, 3), (1, 2, 2, 3)),
        ((5, 3, 7, 7), (3, 5, 5), (1, 2, 1, 3)),
        ((2, 3, 9, 18), (3, 5, 5), (2, 2, 1, 3)),
        ((3, 2, 8, 6), (2, 3, 3), (2, 1, 1, 2)),
        ((3, 2, 2, 3), (2, 3, 3), (1, 3, 1, 2)),
        ((5, 2, 2, 2), (3, 3, 3), (1, 1, 1, 1)),
        ((3, 2, 1, 1), (2, 3, 3), (1, 1, 1, 1)),
        ((3, 2, 4, 4), (2, 4, 4), (4, 0, 1, 1)),
        ((2, 2, 17, 13), (3, 3, 3), (3, 1, 1, 1)),
        ((2, 16, 17, 13), (32, 3, 3), (1, 1, 1, 1)),
        ((7, 33, 6, 5), (17, 3, 3), (1, 1, 1, 1)),
        ((2, 16, 8, 8), (16, 3, 3), (1, 0, 1, 1)),
        ((2, 16, 8, 9), (16, 3, 3), (1, 2, 1, 1)),
        ((2, 128, 9, 8), (160, 3, 3), (1, 1, 1, 1)),
    ];
    for ((r, c, h, w), (o, kh, kw), (stride, padding, dilation, groups)) in cases {
        let conv = Conv { stride, padding, dilation, groups };
        let inputs = [numbers(&[r, c, h, w], 1), numbers(&[o, c / groups, kh, kw], 2)];
        let case = format!("{:?} {:?} {conv:?}", (r, c, h, w), (o, kh, kw));
        check(&case, &inputs, |t| conv2d(&t[0], &t[1], conv))?;
    }
    Ok(())
}

#[test]
fn convolution_refuses() {
    let refused = |x: &[usize], w: &[usize], conv: Conv| {
        conv2d(&numbers(x, 1), &numbers(w, 2), conv).unwrap_err().to_string()
    };
    assert!(refused(&[1, 1, 2, 2], &[1, 1, 3, 3], Conv::default()).contains("larger than the padded input"));
    assert!(refused(&[1, 3, 4, 4], &[1, 2, 3, 3], Conv::default()).contains("expected a weight"));
    assert!(
        refused(&[1, 3, 4, 4], &[4, 1, 1, 1], Conv { groups: 3, ..Conv::default() })
            .contains("divisible by 3")
    );
    assert!(
        refused(&[1, 3, 4, 4], &[4, 3, 1, 1], Conv { stride: 0, ..Conv::default() }).contains("at least 1")
    );
    assert!(refused(&[3, 4, 4], &[4, 3, 1, 1], Conv::default()).contains("expected (R, C, H, W)"));
}

#[test]
fn normalisation() -> Result<()> {
    for shape in [&[2, 3, 4, 5][..], &[2, 1, 1, 1], &[1, 2, 1, 2], &[5, 3], &[3, 2, 7, 7], &[2, 5, 3, 1]] {
        for training in [Stats::BatchAndUpdate, Stats::Batch, Stats::Running] {
            for (with_residual, relu) in [(false, false), (false, true), (true, false), (true, true)] {
                let c = shape[1];
                let mut inputs = vec![numbers(shape, 3), numbers(&[c], 4), numbers(&[c], 5)];
                if with_residual {
                    inputs.push(numbers(shape, 6));
                }
                check(
                    &format!("{shape:?} {training:?} residual {with_residual} relu {relu}"),
                    &inputs,
                    |t| {
                        let stats = RunningStats {
                            mean: Var::from_tensor(&beside(&numbers(&[c], 7), &t[0])?)?,
                            var: Var::from_tensor(&beside(&positive(&[c], 8), &t[0])?)?,
                        };
                        batch_norm(&t[0], support::norm(&t[1], &t[2], &stats, training), t.get(3), relu)
                    },
                )?;
            }
        }
    }
    Ok(())
}

/// x = 1, 2, 3, 6: mean 3, biased variance 14/4 = 3.5, unbiased 14/3.
#[test]
fn running_statistics() -> Result<()> {
    let x = Tensor::new(&[[1.0f64], [2.0], [3.0], [6.0]], &Device::Cpu)?;
    let one = Tensor::ones(1, DType::F64, &Device::Cpu)?;
    let zero = one.zeros_like()?;
    for (training, mean, var) in [
        (Stats::BatchAndUpdate, 0.9 * 10.0 + 0.1 * 3.0, 0.9 * 20.0 + 0.1 * 14.0 / 3.0),
        (Stats::Batch, 10.0, 20.0),
        (Stats::Running, 10.0, 20.0),
    ] {
        for fallback in [false, true] {
            let stats = RunningStats {
                mean: Var::from_tensor(&(&one * 10.0)?)?,
                var: Var::from_tensor(&(&one * 20.0)?)?,
            };
            let norm = BatchNorm { eps: 0.0, ..support::norm(&one, &zero, &stats, training) };
            let y = support::on(fallback, || batch_norm(&x, norm, None, false))?;
            support::near(
                &[stats.mean.to_vec1::<f64>()?[0], stats.var.to_vec1::<f64>()?[0]],
                &[mean, var],
                1e-12,
            );
            let (m, v): (f64, f64) = if training == Stats::Running { (10.0, 20.0) } else { (3.0, 3.5) };
            let expected: Vec<f64> = [1.0, 2.0, 3.0, 6.0].iter().map(|x| (x - m) / v.sqrt()).collect();
            support::near(&y.flatten_all()?.to_vec1()?, &expected, 1e-12);
        }
    }
    let lone = x.narrow(0, 0, 1)?;
    let stats = RunningStats { mean: Var::from_tensor(&zero)?, var: Var::from_tensor(&one)? };
    let norm = support::norm(&one, &zero, &stats, Stats::BatchAndUpdate);
    let error = batch_norm(&lone, norm, None, false).unwrap_err().to_string();
    assert!(error.contains("one number per channel") && error.contains("raise the batch"), "{error}");
    batch_norm(&lone, BatchNorm { stats: Stats::Running, ..norm }, None, false)?;
    Ok(())
}

/// A large mean does not swallow the variance: x = 1e4 + {−1, 1} in f32 has variance 1.
#[test]
fn variance_of_shifted_values() -> Result<()> {
    let x: Vec<f32> = (0..64).map(|i| 1e4 + if i % 2 == 0 { -1.0 } else { 1.0 }).collect();
    let x = Tensor::from_vec(x, (4, 1, 4, 4), &Device::Cpu)?;
    let (one, zero) =
        (Tensor::ones(1, DType::F32, &Device::Cpu)?, Tensor::zeros(1, DType::F32, &Device::Cpu)?);
    let stats = RunningStats { mean: Var::from_tensor(&zero)?, var: Var::from_tensor(&one)? };
    let norm =
        BatchNorm { eps: 0.0, momentum: 1.0, ..support::norm(&one, &zero, &stats, Stats::BatchAndUpdate) };
    let y = batch_norm(&x, norm, None, false)?.flatten_all()?.to_vec1::<f32>()?;
    assert!(
        y.iter().enumerate().all(|(i, y)| (y - if i % 2 == 0 { -1.0 } else { 1.0 }).abs() < 1e-5),
        "{y:?}"
    );
    Ok(())
}

#[test]
fn hard_activations() -> Result<()> {
    for shape in [&[3, 5, 2][..], &[1], &[2, 3, 41, 37]] {
        let x = [(numbers(shape, 1) * 3.0)?];
        check(&format!("hard_swish {shape:?}"), &x, |t| hard_swish(&t[0]))?;
        check(&format!("hard_sigmoid {shape:?}"), &x, |t| hard_sigmoid(&t[0]))?;
    }
    // The bends: PyTorch's values and gradients.
    let x = [-4.0, -3.0, 0.0, 3.0, 4.0];
    for fallback in [false, true] {
        let both = |f: fn(&Tensor) -> Result<Tensor>| -> Result<_> {
            let x = Var::new(&x, &Device::Cpu)?;
            support::on(fallback, || {
                let y = f(x.as_tensor())?;
                let gradient = backward(&y.sum_all()?)?.get(&x).unwrap().to_vec1::<f64>()?;
                Ok((y.to_vec1::<f64>()?, gradient))
            })
        };
        let sixth = 1.0 / 6.0;
        assert_eq!(both(hard_swish)?, (vec![0.0, 0.0, 0.0, 3.0, 4.0], vec![0.0, 0.0, 0.5, 1.0, 1.0]));
        assert_eq!(both(hard_sigmoid)?, (vec![0.0, 0.0, 0.5, 1.0, 1.0], vec![0.0, 0.0, sixth, 0.0, 0.0]));
        let nan = Tensor::new(&[f32::NAN], &Device::Cpu)?;
        for f in [hard_swish, hard_sigmoid] {
            assert!(support::on(fallback, || f(&nan))?.to_vec1::<f32>()?[0].is_nan());
        }
    }
    Ok(())
}

#[test]
fn smooth_activations() -> Result<()> {
    for shape in [&[3, 5, 2][..], &[1], &[2, 3, 41, 37]] {
        let x = [(numbers(shape, 1) * 3.0)?];
        check(&format!("silu {shape:?}"), &x, |t| silu(&t[0]))?;
        check(&format!("sigmoid {shape:?}"), &x, |t| sigmoid(&t[0]))?;
        check(&format!("relu6 {shape:?}"), &x, |t| relu6(&t[0]))?;
    }
    let ends = Tensor::new(&[f32::NAN, -1000.0, 1000.0], &Device::Cpu)?;
    for fallback in [false, true] {
        let of = |f: fn(&Tensor) -> Result<Tensor>| support::on(fallback, || f(&ends)?.to_vec1::<f32>());
        let (s, l, r) = (of(silu)?, of(sigmoid)?, of(relu6)?);
        assert!(s[0].is_nan() && l[0].is_nan() && r[0].is_nan());
        assert!(s[1].abs() < 1e-34 && s[2] == 1000.0 && l[1] < 1e-37 && l[2] == 1.0, "{s:?} {l:?}");
        assert_eq!(r[1..], [0.0, 6.0]);
        // PyTorch's gradient at the bends is 0.
        let x = Var::new(&[0.0, 3.0, 6.0], &Device::Cpu)?;
        let gradients = support::on(fallback, || backward(&relu6(x.as_tensor())?.sum_all()?))?;
        assert_eq!(gradients.get(&x).unwrap().to_vec1::<f64>()?, [0.0, 1.0, 0.0]);
    }
    Ok(())
}

#[test]
fn residual_sums() -> Result<()> {
    for shape in [&[4, 3, 5, 2][..], &[4], &[4, 70_001]] {
        let inputs = [numbers(shape, 1), numbers(shape, 2)];
        check(&format!("sum {shape:?}"), &inputs, |t| add_scaled(&t[0], &t[1], None))?;
        let factors = [1.25, 0.0, -2.0, 1.0];
        check(&format!("sum of scaled rows {shape:?}"), &inputs, |t| {
            add_scaled(&t[0], &t[1], Some(&factors))
        })?;
    }
    for fallback in [false, true] {
        let x = Tensor::new(&[[1.0f32], [2.0]], &Device::Cpu)?;
        let nan = Tensor::new(&[[f32::NAN], [3.0]], &Device::Cpu)?;
        let y = support::on(fallback, || add_scaled(&x, &nan, Some(&[0.0, 2.0])))?;
        assert_eq!(y.to_vec2::<f32>()?, [[1.0], [8.0]]);
    }
    assert!(add_scaled(&numbers(&[2, 3], 1), &numbers(&[3, 2], 1), None).is_err());
    assert!(add_scaled(&numbers(&[2, 3], 1), &numbers(&[2, 3], 1), Some(&[1.0])).is_err());
    Ok(())
}

#[test]
fn channels_side_by_side_and_shifted() -> Result<()> {
    let parts = [numbers(&[3, 2, 4, 5], 1), numbers(&[3, 1, 4, 5], 2), numbers(&[3, 4, 4, 5], 3)];
    check("concat", &parts, |t| concat_channels(&[&t[0], &t[1], &t[2]]))?;
    check("concat of one", &parts[..1], |t| concat_channels(&[&t[0]]))?;
    check("concat of one twice", &parts[..1], |t| concat_channels(&[&t[0], &t[0]]))?;
    assert!(concat_channels(&[&numbers(&[3, 2, 4], 1), &numbers(&[3, 2, 5], 1)]).is_err());
    assert!(concat_channels(&[]).is_err());
    for shape in [[1, 1, 1, 1], [2, 3, 7, 5], [3, 40, 4, 8]] {
        let inputs = [numbers(&shape, 1), numbers(&shape[1..2], 2)];
        check(&format!("add_channels {shape:?}"), &inputs, |t| add_channels(&t[0], &t[1]))?;
    }
    assert!(add_channels(&numbers(&[1, 2, 3, 3], 1), &numbers(&[3], 1)).is_err());
    Ok(())
}

#[test]
fn channels_scaled() -> Result<()> {
    for shape in [[1, 1, 1, 1], [2, 3, 7, 5], [3, 2, 4, 8], [2, 5, 9, 11]] {
        let inputs = [numbers(&shape, 1), numbers(&shape[..2], 2)];
        check(&format!("scale_channels {shape:?}"), &inputs, |t| scale_channels(&t[0], &t[1]))?;
        // Squeeze-and-excitation: the factors are made of what they scale.
        check(&format!("gate {shape:?}"), &inputs[..1], |t| {
            scale_channels(&t[0], &hard_sigmoid(&global_avg_pool(&t[0])?)?)
        })?;
    }
    let refused =
        |x: &[usize], s: &[usize]| scale_channels(&numbers(x, 1), &numbers(s, 2)).unwrap_err().to_string();
    assert!(refused(&[2, 3, 4, 4], &[3, 2]).contains("expected (R, C, H, W)"));
    assert!(refused(&[2, 3, 4], &[2, 3]).contains("expected (R, C, H, W)"));
    Ok(())
}

#[test]
fn rectifier() -> Result<()> {
    check("relu", &[numbers(&[3, 5, 2], 1)], |t| relu(&t[0]))?;
    for fallback in [false, true] {
        let x = Var::new(&[-1.0f32, 0.0, 2.0], &Device::Cpu)?;
        let grads = support::on(fallback, || backward(&relu(x.as_tensor())?.sum_all()?))?;
        assert_eq!(grads.get(&x).unwrap().to_vec1::<f32>()?, [0.0, 0.0, 1.0]);
    }
    Ok(())
}

#[test]
fn pooling() -> Result<()> {
    for (shape, kernel, stride, padding) in [
        ([1, 1, 1, 1], 1, 1, 0),
        ([2, 3, 8, 7], 3, 2, 1),
        ([2, 3, 7, 9], 2, 2, 0),
        ([1, 2, 5, 6], 3, 1, 1),
        ([1, 2, 6, 5], 2, 3, 1),
        ([1, 2, 9, 9], 5, 3, 2),
        ([2, 2, 1, 3], 2, 1, 1),
        ([2, 2, 4, 4], 1, 2, 0),
    ] {
        let x = [numbers(&shape, 9)];
        let case = format!("{shape:?} kernel {kernel} stride {stride} padding {padding}");
        check(&format!("max {case}"), &x, |t| max_pool2d(&t[0], kernel, stride, padding))?;
        for include in [false, true] {
            check(&format!("avg {case} {include}"), &x, |t| {
                avg_pool2d(&t[0], kernel, stride, padding, include)
            })?;
        }
    }
    for shape in [[1, 1, 1, 1], [2, 3, 7, 5], [3, 2, 4, 4]] {
        check(&format!("global {shape:?}"), &[numbers(&shape, 10)], |t| global_avg_pool(&t[0]))?;
    }
    for (shape, kernel, stride) in [([2, 3, 7, 4], 2, 2), ([1, 2, 1, 5], 2, 2), ([2, 1, 8, 9], 3, 2)] {
        let case = format!("avg ceil {shape:?} {kernel} {stride}");
        check(&case, &[numbers(&shape, 9)], |t| avg_pool2d_ceil(&t[0], kernel, stride))?;
    }
    for (shape, size) in [([2, 3, 2, 2], (7, 7)), ([1, 2, 9, 5], (4, 5)), ([2, 1, 1, 3], (2, 1))] {
        let case = format!("adaptive {shape:?} {size:?}");
        check(&case, &[numbers(&shape, 9)], |t| adaptive_avg_pool2d(&t[0], size))?;
    }
    assert!(avg_pool2d_ceil(&numbers(&[1, 1, 4, 4], 1), 1, 2).is_err());
    assert!(max_pool2d(&numbers(&[1, 1, 4, 4], 1), 3, 2, 2).is_err());
    assert!(max_pool2d(&numbers(&[1, 1, 2, 2], 1), 3, 2, 0).is_err());
    Ok(())
}

/// Ties and −∞: the gradient goes to the first maximum in row order.
#[test]
fn first_maximum() -> Result<()> {
    for fallback in [false, true] {
        let x = Var::new(&[[[[1.0f32, 3.0, 3.0], [3.0, 0.0, 3.0], [2.0, 2.0, 2.0]]]], &Device::Cpu)?;
        let grads = support::on(fallback, || backward(&max_pool2d(x.as_tensor(), 3, 2, 1)?.sum_all()?))?;
        // windows: rows 0–1 × columns 0–1 → (0, 1); columns 1–2 → (0, 1); rows 1–2 → (1, 0) and (1, 2)
        let expected = [0.0, 2.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        assert_eq!(grads.get(&x).unwrap().flatten_all()?.to_vec1::<f32>()?, expected);
    }
    Ok(())
}

#[test]
fn fully_connected() -> Result<()> {
    for (r, d, o) in [(1, 1, 1), (3, 5, 2), (70, 33, 65), (600, 230, 110)] {
        let inputs = [numbers(&[r, d], 1), numbers(&[o, d], 2), numbers(&[o], 3)];
        check(&format!("{r} {d} {o} bias"), &inputs, |t| linear(&t[0], &t[1], Some(&t[2])))?;
        check(&format!("{r} {d} {o}"), &inputs[..2], |t| linear(&t[0], &t[1], None))?;
    }
    assert!(linear(&numbers(&[2, 3], 1), &numbers(&[2, 4], 2), None).is_err());
    Ok(())
}

#[test]
fn losses() -> Result<()> {
    for (r, c) in [(1, 1), (1, 4), (5, 3), (4, 7)] {
        let weights: Vec<f64> = (0..c).map(|i| 0.5 + i as f64).collect();
        let targets = positive(&[r, c], 12);
        for weights in [None, Some(&weights[..])] {
            check(&format!("cross-entropy {r} {c}"), &[(numbers(&[r, c], 11) * 4.0)?], |t| {
                soft_cross_entropy(&t[0], &beside(&targets, &t[0])?, weights)
            })?;
            for gamma in [0.0, 0.5, 1.0, 2.0] {
                if c == 1 && gamma > 0.0 {
                    continue; // p = 1 exactly: candle's powf has no gradient there
                }
                check(&format!("focal {r} {c} {gamma}"), &[(numbers(&[r, c], 11) * 4.0)?], |t| {
                    focal_loss(&t[0], &beside(&targets, &t[0])?, gamma, weights)
                })?;
            }
        }
    }
    // Huge logits: the second class has log p = −2000.
    let z = Var::new(&[[1000.0f32, -1000.0]], &Device::Cpu)?;
    let t = Tensor::new(&[[0.0f32, 1.0]], &Device::Cpu)?;
    for fallback in [false, true] {
        let loss = support::on(fallback, || soft_cross_entropy(z.as_tensor(), &t, None))?;
        assert_eq!(loss.to_scalar::<f32>()?, 2000.0);
        assert_eq!(backward(&loss)?.get(&z).unwrap().to_vec2::<f32>()?, [[1.0, -1.0]]);
    }
    Ok(())
}

#[test]
fn mixing() -> Result<()> {
    let cases: [Vec<Vec<(u32, f64)>>; 4] = [
        vec![vec![(0, 1.0)]],
        vec![vec![(1, 0.3), (0, 0.7)], vec![(2, 1.0)], vec![], vec![(0, 0.2), (0, 0.3), (2, 0.5)]],
        vec![(0..3).map(|j| (j, 1.0 / 3.0)).collect(); 5],
        (0..9).map(|i| (0..9).map(|j| (j, f64::from(i * 9 + j) / 100.0)).collect()).collect(),
    ];
    for entries in &cases {
        let rows = 1 + entries.iter().flatten().map(|e| e.0 as usize).max().unwrap();
        for shape in [vec![rows, 5], vec![rows], vec![rows, 3, 41, 37]] {
            check(&format!("{entries:?} {shape:?}"), &[numbers(&shape, 13)], |t| mix_rows(entries, &t[0]))?;
        }
    }
    // 9 × 240,016 numbers of f32 are 8.6 MB: written past the caches, from the first whole line.
    check("large", &[numbers(&[9, 240_016], 13)], |t| mix_rows(&cases[cases.len() - 1], &t[0]))?;
    assert!(mix_rows(&[vec![(2, 1.0)]], &numbers(&[2, 2], 1)).is_err());
    assert!(mix_rows(&[vec![(0, f64::NAN)]], &numbers(&[2, 2], 1)).is_err());
    for wrong in [(2, 1.0), (0, f64::NAN), (1, f64::INFINITY)] {
        let mut many = vec![vec![(0, 0.1); 9]; 20];
        many[17][4] = wrong;
        for dtype in [DType::F32, DType::F64] {
            let error = mix_rows(&many, &numbers(&[2, 60], 1).to_dtype(dtype)?).unwrap_err().to_string();
            assert!(error.contains("row 17 takes"), "{error}");
        }
    }
    Ok(())
}
