//! Mean and variance of the channels of a batch, and the running ones.

use super::{RunningStats, Sizes};
use crate::element::{Element, tensor, view};
use crate::parallel::Shared;
use crate::simd::vectorized;
use candle_core::Result;

/// Mean and biased variance of each channel: each plane's own, put together in f64 in the order of the batch
/// (Chan, Golub & LeVeque 1979), so that x is read from memory once and nothing cancels.
pub(super) fn moments<T: Element>(x: &[T], sizes: Sizes) -> (Vec<T>, Vec<T>) {
    let (mut mean, mut var) = (vec![T::zero(); sizes.c], vec![T::zero(); sizes.c]);
    let (out_mean, out_var) = (Shared::new(&mut mean), Shared::new(&mut var));
    let plane = sizes.plane;
    sizes.channels(|c0, c1| {
        let mut sums = vec![(0.0f64, 0.0f64, 0.0f64); c1 - c0]; // (count, mean, Σ (x − mean)²)
        vectorized(
            #[inline(always)]
            || {
                for (c, at) in sizes.planes(c0, c1) {
                    let x = &x[at..][..plane];
                    let (m, s) = if plane == 1 {
                        (x[0].to_f64(), 0.0)
                    } else {
                        let m = sum(x, |x| x) / T::from_f64(plane as f64);
                        (m.to_f64(), sum(x, |x| (x - m) * (x - m)).to_f64())
                    };
                    let (count, mean, square) = &mut sums[c - c0];
                    let (old, n) = (*count, plane as f64);
                    *count += n;
                    let delta = m - *mean;
                    *mean += delta * n / *count;
                    *square += s + delta * delta * old * n / *count;
                }
            },
        );
        // SAFETY: one block of channels per task.
        let (mean, var) = unsafe { (out_mean.slice(c0, c1 - c0), out_var.slice(c0, c1 - c0)) };
        for (i, (count, m, s)) in sums.into_iter().enumerate() {
            (mean[i], var[i]) = (T::from_f64(m), T::from_f64(s / count));
        }
    });
    (mean, var)
}

/// Σ f(x[i]), in 32 lanes.
#[inline(always)]
pub(crate) fn sum<T: Element>(x: &[T], f: impl Fn(T) -> T) -> T {
    let mut lanes = [T::zero(); 32];
    let mut chunks = x.chunks_exact(32);
    for chunk in &mut chunks {
        (0..32).for_each(|i| lanes[i] += f(chunk[i]));
    }
    // A loop: `for_each` on what is left stays a call, compiled without the vectors.
    for (lane, x) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += f(*x);
    }
    fold(lanes)
}

#[inline(always)]
pub(super) fn fold<T: Element>(lanes: [T; 32]) -> T {
    lanes.iter().fold(T::zero(), |sum, lane| sum + *lane)
}

pub(super) fn update<T: Element>(
    stats: &RunningStats,
    mean: &[T],
    var: &[T],
    sizes: Sizes,
    momentum: f64,
) -> Result<()> {
    let n = sizes.count() as f64;
    for (running, batch, factor) in [(&stats.mean, mean, 1.0), (&stats.var, var, n / (n - 1.0))] {
        let next: Vec<T> = {
            let old = view::<T>(running.as_tensor())?;
            let mix =
                |(old, batch): (&T, &T)| (1.0 - momentum) * old.to_f64() + momentum * factor * batch.to_f64();
            old.iter().zip(batch).map(mix).map(T::from_f64).collect()
        };
        running.set(&tensor(next, sizes.c))?;
    }
    Ok(())
}
