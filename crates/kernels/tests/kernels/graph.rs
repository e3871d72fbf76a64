//! What ops do together: graphs with candle's ops among ours, threads, updates in place.

use crate::support::{all, check, flat, near, norm, numbers, on};
use candle_core::{DType, Device, Result, Tensor, Var};
use tallow_kernels::*;

const CONV: Conv = Conv { stride: 1, padding: 1, dilation: 1, groups: 1 };

fn stats(c: usize, dtype: DType) -> Result<RunningStats> {
    let zeros = Tensor::zeros(c, dtype, &Device::Cpu)?;
    Ok(RunningStats { mean: Var::from_tensor(&zeros)?, var: Var::from_tensor(&(zeros + 1.0)?)? })
}

/// A residual block whose values are read by several ops of ours and of candle's.
fn block(t: &[Tensor]) -> Result<Tensor> {
    let y = conv2d(&t[0], &t[1], CONV)?;
    let stats = stats(4, y.dtype())?;
    let norm = norm(&t[2], &t[3], &stats, Stats::BatchAndUpdate);
    let y = batch_norm(&y, norm, None, true)?;
    let z = conv2d(&y, &t[4], CONV)?;
    let z = batch_norm(&z, norm, Some(&y), true)?;
    let doubled = (z.affine(2.0, 0.5)? * &y)?; // candle's ops on results of ours
    let pooled = max_pool2d(&(doubled + &z)?, 3, 2, 1)?;
    let mixed = mix_rows(&[vec![(0, 0.3), (1, 0.7)], vec![(1, 1.0)]], &pooled.transpose(2, 3)?)?;
    let pasted = paste_boxes(&mixed, &[1, 0], &[(0, 1, 1, 3)])?;
    let rows = (global_avg_pool(&pasted)? + global_avg_pool(&pooled)?)?;
    linear(&rows, &t[5], None)
}

fn block_inputs() -> Vec<Tensor> {
    let shapes: [&[usize]; 6] = [&[2, 3, 6, 5], &[4, 3, 3, 3], &[4], &[4], &[4, 4, 3, 3], &[3, 4]];
    shapes.iter().enumerate().map(|(i, shape)| numbers(shape, 30 + i as u64)).collect()
}

#[test]
fn mixed_graph() -> Result<()> {
    check("block", &block_inputs(), block)
}

#[test]
fn backward_twice_and_partly() -> Result<()> {
    on(false, || {
        let x = Var::from_tensor(&numbers(&[2, 3, 4, 4], 1))?;
        let w = numbers(&[2, 3, 3, 3], 2); // not tracked
        let y = conv2d(&x, &w, CONV)?;
        let (a, b) = (relu(&y)?, global_avg_pool(&y)?);
        let (a, b) = (a.sum_all()?, b.sum_all()?);
        let one = flat(backward(&a)?.get(&x).unwrap());
        let two = flat(backward(&b)?.get(&x).unwrap());
        let again = flat(backward(&a)?.get(&x).unwrap());
        let both = flat(backward(&(a + b)?)?.get(&x).unwrap());
        assert_eq!(one, again);
        near(&both, &one.iter().zip(&two).map(|(a, b)| a + b).collect::<Vec<_>>(), 1e-12);
        Ok(())
    })
}

/// Every gradient is handed over once, whole, and in the order of the walk: those of the norm, which is applied twice, after both.
#[test]
fn gradients_are_handed_over_when_they_are_whole() -> Result<()> {
    on(false, || {
        let variables: Vec<Var> = block_inputs().iter().map(Var::from_tensor).collect::<Result<_>>()?;
        let tensors: Vec<Tensor> = variables.iter().map(|x| x.as_tensor().clone()).collect();
        // One use more of the last convolution, by candle's ops alone.
        let loss = (block(&tensors)?.sqr()?.sum_all()? + tensors[4].sqr()?.sum_all()?)?;
        let expected = backward(&loss)?;
        let mut twice = Gradients::default();
        twice.add_times(&loss, 0.5)?;
        let mut order = Vec::new();
        twice.finish_times(loss, 0.5, |variable, gradient| {
            let at = variables.iter().position(|x| x.id() == variable).expect("one of these");
            near(&flat(&gradient), &flat(expected.get(&variables[at]).unwrap()), 1e-12);
            order.push(at);
            Ok(())
        })?;
        assert_eq!(order, [5, 4, 2, 3, 0, 1]);
        assert!(variables.iter().all(|x| twice.get(x).is_none()));
        Ok(())
    })
}

/// A variable seen by ours and by candle's ops, twice each: 2x + 2x + 3 + 3 for Σ relu(x)² · 2 + 6x at x > 0; several losses add up.
#[test]
fn gradients_of_variables_add_up() -> Result<()> {
    on(false, || {
        let x = Var::new(&[1.0f64, 2.0], &Device::Cpu)?;
        let squares = || relu(&x)?.sqr()?.sum_all();
        let loss = (((squares()? + squares()?)? + (x.as_tensor() * 3.0)?.sum_all()?)?
            + (x.as_tensor() * 3.0)?.sum_all()?)?;
        assert_eq!(flat(backward(&loss)?.get(&x).unwrap()), [10.0, 14.0]);
        let mut both = Gradients::default();
        both.add(&loss)?;
        both.add(&squares()?)?;
        assert_eq!(flat(both.get(&x).unwrap()), [12.0, 18.0]);
        assert_eq!(flat(&both.remove(&x).unwrap()), [12.0, 18.0]);
        assert!(both.get(&x).is_none());
        Ok(())
    })
}

/// A result of candle's that two ops of ours consume gets one gradient: 1 + 2x of x = 3v, and goes on once.
#[test]
fn candles_results_between_ours() -> Result<()> {
    let v = Var::new(&[1.0f64, 2.0], &Device::Cpu)?;
    let x = (relu(&v)? * 3.0)?;
    let loss = (relu(&x)?.sqr()?.sum_all()? + relu(&x)?.sum_all()?)?;
    assert_eq!(flat(backward(loss)?.get(&v).unwrap()), [21.0, 39.0]); // 3·(6v + 1)
    Ok(())
}

/// A loss given away, whose graph is freed as it is walked, gives what one that is kept gives.
#[test]
fn given_losses() -> Result<()> {
    let x = Var::from_tensor(&numbers(&[2, 3, 4, 4], 1))?;
    let loss = || softmax(&relu(&x)?)?.sqr()?.sum_all();
    let kept = loss()?;
    let gradient = |walked: Gradients| flat(walked.get(&x).unwrap());
    assert_eq!(gradient(backward(&kept)?), gradient(backward(loss()?)?));
    assert_eq!(gradient(backward(&kept)?), gradient(backward(kept)?));
    Ok(())
}

/// A loss times a number, with and without the product in the graph, to the bit.
#[test]
fn losses_times_numbers() -> Result<()> {
    let x = Var::from_tensor(&numbers(&[3, 4], 1).to_dtype(DType::F32)?)?;
    let targets = softmax(&numbers(&[3, 4], 2).to_dtype(DType::F32)?)?;
    let loss = || soft_cross_entropy(&relu(&x)?, &targets, None);
    for factor in [1.0, 0.3, 1.0 / 3.0] {
        let mut times = Gradients::default();
        times.add_times(loss()?, factor)?;
        let product = backward((loss()? * factor)?)?;
        assert_eq!(flat(times.get(&x).unwrap()), flat(product.get(&x).unwrap()), "{factor}");
    }
    Ok(())
}

/// Forward and gradient count one each; the scope of compositions is this thread's, and ends with a panic too.
#[test]
fn routes_and_counts() -> Result<()> {
    let x = Var::new(&[1.0f64, -2.0], &Device::Cpu)?;
    let pass = || backward(relu(&x)?.sum_all()?).map(|_| ());
    let (done, kernels) = count_kernels(pass);
    done?;
    assert_eq!(kernels, 2);
    let other = || std::thread::scope(|s| s.spawn(|| count_kernels(pass).1).join().unwrap());
    assert_eq!(composed(|| (count_kernels(pass).1, other())), (0, 2));
    let failed = std::panic::catch_unwind(|| composed(|| panic!("as tests do")));
    assert!(failed.is_err());
    assert_eq!(count_kernels(pass).1, 2);
    Ok(())
}

/// What no kernel takes is named, under compositions too.
#[test]
fn types_are_checked() -> Result<()> {
    for fallback in [false, true] {
        let refused =
            |x: &Tensor, y: &Tensor| on(fallback, || add_scaled(x, y, None)).unwrap_err().to_string();
        let x = numbers(&[2, 3], 1);
        let (half, single) = (x.to_dtype(DType::BF16)?, x.to_dtype(DType::F32)?);
        let error = refused(&half, &half);
        assert!(
            error.contains("add_scaled: no kernel on the CPU takes BF16 – expected f32 or f64"),
            "{error}"
        );
        assert!(refused(&x, &single).contains("expected one type, got F64 and F32 – cast one with to_dtype"));
        let var = Var::from_tensor(&half)?;
        assert!(on(fallback, || ema_update(&var, &half, 0.5)).is_err());
        assert!(on(fallback, || grad_norm(&[&half])).is_err());
    }
    Ok(())
}

/// candle's own `backward` would lose them: it says what to call instead, and the next walk is whole.
#[test]
fn candles_backward_is_refused() -> Result<()> {
    on(false, || {
        let x = Var::new(&[1.0f64, 2.0], &Device::Cpu)?;
        let loss = relu(&x)?.sum_all()?;
        let error = loss.backward().map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("tallow_kernels::backward"), "{error}");
        assert_eq!(flat(backward(&loss)?.get(&x).unwrap()), [1.0, 1.0]);
        Ok(())
    })
}

/// Without a tracked operand there is no graph; a detached result is a constant.
#[test]
fn gradients_as_candles_optimizers_take_them() -> Result<()> {
    let x = Var::new(&[[1f32, -2.0], [3.0, 4.0]], &Device::Cpu)?;
    let store = backward(relu(&x)?.affine(3.0, 0.0)?.sum_all()?)?.into_grad_store()?;
    assert_eq!(store.get(&x).expect("reached").to_vec2::<f32>()?, [[3.0, 0.0], [3.0, 3.0]]);
    assert_eq!(store.get_ids().count(), 1);
    Ok(())
}

#[test]
fn no_graph() -> Result<()> {
    on(false, || {
        let (x, w) = (numbers(&[1, 3, 4, 4], 1), Var::from_tensor(&numbers(&[2, 3, 3, 3], 2))?);
        assert!(!conv2d(&x, &w.as_detached_tensor(), CONV)?.track_op());
        let y = conv2d(&x, &w, CONV)?;
        assert!(y.track_op() && !relu(&y.detach())?.track_op());
        Ok(())
    })
}

/// 1, 2 and 4 threads give the same bits: losses, gradients and updates.
#[test]
fn threads_change_no_bit() -> Result<()> {
    let case = |threads: usize| -> Vec<Vec<f64>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            on(false, || {
                let mut out = all(&block_inputs(), DType::F32, block).unwrap();
                let conv = |x: &[usize], w: &[usize], conv: Conv| {
                    all(&[numbers(x, 1), numbers(w, 2)], DType::F32, |t| conv2d(&t[0], &t[1], conv)).unwrap()
                };
                out.extend(conv(&[9, 16, 17, 19], &[32, 16, 3, 3], CONV));
                out.extend(conv(&[13, 96, 8, 8], &[96, 96, 3, 3], CONV));
                out.extend(conv(&[9, 8, 17, 19], &[12, 8, 3, 3], Conv { stride: 2, ..CONV }));
                out.extend(conv(&[9, 24, 7, 7], &[40, 24, 1, 1], Conv { padding: 0, ..CONV }));
                out.extend(conv(&[5, 12, 9, 9], &[12, 1, 3, 3], Conv { groups: 12, ..CONV }));
                out.extend(conv(&[5, 99, 7, 7], &[99, 1, 5, 5], Conv { padding: 2, groups: 99, ..CONV }));
                out.extend(conv(&[3, 32, 40, 40], &[32, 1, 3, 3], Conv { stride: 2, groups: 32, ..CONV }));
                let big = numbers(&[100_003], 3).to_dtype(DType::F32).unwrap();
                out.push(vec![grad_norm(&[&big, &big]).unwrap()]);
                out
            })
        })
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
fn updates_in_place() -> Result<()> {
    for fallback in [false, true] {
        on(fallback, || -> Result<()> {
            let average = Var::from_tensor(&Tensor::new(&[1.0f64, 2.0], &Device::Cpu)?)?;
            ema_update(&average, &Tensor::new(&[3.0f64, 0.0], &Device::Cpu)?, 0.75)?;
            near(&flat(&average), &[1.5, 1.5], 1e-15); // 1 + 0.25·(3 − 1), 2 + 0.25·(0 − 2)
            let a = Tensor::new(&[[3.0f32, 0.0], [0.0, 4.0]], &Device::Cpu)?;
            let b = Tensor::new(12.0f64, &Device::Cpu)?;
            near(&[grad_norm(&[&a, &b])?], &[13.0], 1e-12); // 9 + 16 + 144 = 169
            let mut a = a.t()?;
            scale(&mut a, 0.5)?;
            near(&flat(&a), &[1.5, 0.0, 0.0, 2.0], 1e-15);
            let wrong =
                sgd_step(&average, &b, &average, Sgd { lr: 0.1, momentum: 0.0, nesterov: false, decay: 0.0 });
            assert!(wrong.is_err());
            Ok(())
        })?;
    }
    Ok(())
}

/// torch's Adam: the decay is the gradient's, and then it is AdamW's step without one; to the bit.
#[test]
fn coupled_decay_is_of_the_gradient() -> Result<()> {
    for dtype in [DType::F64, DType::F32] {
        let given = |seed| numbers(&[40_001], seed).to_dtype(dtype);
        let options =
            AdamW { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, decay: 0.05, coupled: true, step: 3 };
        let after = |fallback, options: AdamW, decayed: bool| -> Result<Vec<Vec<f64>>> {
            let (param, m) = (Var::from_tensor(&given(1)?)?, Var::from_tensor(&given(2)?)?);
            let v = Var::from_tensor(&given(3)?.sqr()?)?;
            let mut grad = given(4)?;
            if decayed {
                grad = (grad + (given(1)? * 0.05)?)?;
            }
            on(fallback, || adamw_step(&param, &grad, &m, &v, options))?;
            Ok([param, m, v].iter().map(|var| flat(var)).collect())
        };
        let want = after(false, AdamW { decay: 0.0, coupled: false, ..options }, true)?;
        assert!(after(false, options, false)? == want, "{dtype:?}");
        assert!(after(false, AdamW { coupled: false, ..options }, false)? != want, "{dtype:?}");
        let tolerance = if dtype == DType::F64 { 1e-14 } else { 1e-6 };
        after(true, options, false)?.iter().zip(&want).for_each(|(got, want)| near(got, want, tolerance));
    }
    Ok(())
}

/// ‖(3, 4)‖ = 5 is what counts, and nothing changes at or below the norm that is asked for.
#[test]
fn gradients_are_cut_to_a_norm() -> Result<()> {
    for fallback in [false, true] {
        let (mut a, mut b) =
            (Tensor::new(&[3f64, 0.0], &Device::Cpu)?, Tensor::new(&[0f64, 4.0], &Device::Cpu)?);
        let norm = on(fallback, || grad_norm_tensor(&[&a, &b]))?;
        assert_eq!((norm.rank(), norm.to_scalar::<f64>()?), (0, 5.0));
        on(fallback, || clip_grads(&mut [&mut a, &mut b], 5.1))?;
        assert_eq!((flat(&a), flat(&b)), (vec![3.0, 0.0], vec![0.0, 4.0]));
        on(fallback, || clip_grads(&mut [&mut a, &mut b], 1.0))?;
        near(&[flat(&a), flat(&b)].concat(), &[0.6, 0.0, 0.0, 0.8], 1e-6);
        on(fallback, || clip_grads(&mut [], 1.0))?;
    }
    Ok(())
}

/// Results are freed with their graph: the second of two equal steps leaves no more than the first.
#[test]
fn graphs_are_freed() -> Result<()> {
    on(false, || {
        let resident = || -> u64 {
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap_or("0 0");
            line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
        };
        let x = numbers(&[16, 16, 64, 64], 1).to_dtype(DType::F32)?; // 4 MiB a result
        let w = Var::from_tensor(&numbers(&[16, 16, 3, 3], 2).to_dtype(DType::F32)?)?;
        let step = || -> Result<()> {
            let mut y = conv2d(&x, &w, CONV)?;
            for _ in 0..3 {
                y = relu(&conv2d(&y, &w, CONV)?)?;
            }
            backward(&y.sum_all()?).map(|_| ())
        };
        step()?;
        let before = resident();
        (0..10).try_for_each(|_| step())?;
        let grown = resident().saturating_sub(before);
        assert!(grown < 150 << 10, "ten steps of 28 MiB left {grown} KiB");
        Ok(())
    })
}
