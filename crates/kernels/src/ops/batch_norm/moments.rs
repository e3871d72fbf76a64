//! Mean and variance of the channels of a batch, and the running ones.

use super::{RunningStats, Sizes};
use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::Shared;
use crate::cpu::planes::sum;
use crate::cpu::simd::vectorized;
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
