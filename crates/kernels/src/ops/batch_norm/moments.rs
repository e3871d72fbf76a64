//! Mean and variance of the channels of a batch, and the running ones.

use super::{RunningStats, Sizes};
use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::Shared;
use crate::cpu::planes::sum;
use crate::cpu::simd::vectorized;
use crate::shards::{Shard, received, sent};
use candle_core::Result;

/// Count, mean and Σ (x − mean)² of some numbers of a channel.
type Sums = (f64, f64, f64);

/// Mean and biased variance of each channel of a batch, and how many numbers they are of.
pub(super) struct Moments<T> {
    pub mean: Vec<T>,
    pub var: Vec<T>,
    pub count: f64,
}

/// Of each channel: each plane's own, put together in f64 in the order of the batch (Chan, Golub & LeVeque 1979), so that x is read from
/// memory once and nothing cancels. Those of shards are put together in their order in the same way.
pub(super) fn moments<T: Element>(x: &[T], sizes: Sizes, shard: Option<&dyn Shard>) -> Result<Moments<T>> {
    let mut sums = own::<T>(x, sizes);
    if let Some(shard) = shard {
        let flat: Vec<f64> = sums.iter().flat_map(|&(count, mean, square)| [count, mean, square]).collect();
        sums.fill((0.0, 0.0, 0.0));
        for bytes in shard.gather(sent(&flat))? {
            let other = received::<f64>("batch_norm", &bytes, flat.len())?;
            let other = other.as_chunks::<3>().0;
            sums.iter_mut()
                .zip(other)
                .for_each(|(sums, &[count, mean, square])| add(sums, (count, mean, square)));
        }
    }
    let mean = sums.iter().map(|(_, mean, _)| T::from_f64(*mean)).collect();
    let var = sums.iter().map(|(count, _, square)| T::from_f64(square / count)).collect();
    Ok(Moments { mean, var, count: sums[0].0 })
}

/// Adds the numbers of another part.
#[inline(always)]
fn add((count, mean, square): &mut Sums, (n, m, s): Sums) {
    let old = *count;
    *count += n;
    let delta = m - *mean;
    *mean += delta * n / *count;
    *square += s + delta * delta * old * n / *count;
}

fn own<T: Element>(x: &[T], sizes: Sizes) -> Vec<Sums> {
    let mut all = vec![(0.0, 0.0, 0.0); sizes.c];
    let out = Shared::new(&mut all);
    let plane = sizes.plane;
    sizes.channels(|c0, c1| {
        // SAFETY: one block of channels per task.
        let sums = unsafe { out.slice(c0, c1 - c0) };
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
                    add(&mut sums[c - c0], (plane as f64, m, s));
                }
            },
        );
    });
    all
}

/// The running statistics after a batch of these.
pub(super) fn update<T: Element>(
    stats: &RunningStats,
    Moments { mean, var, count }: &Moments<T>,
    momentum: f64,
) -> Result<()> {
    for (running, batch, factor) in [(&stats.mean, mean, 1.0), (&stats.var, var, count / (count - 1.0))] {
        let next: Vec<T> = {
            let old = view::<T>(running.as_tensor())?;
            let mix =
                |(old, batch): (&T, &T)| (1.0 - momentum) * old.to_f64() + momentum * factor * batch.to_f64();
            old.iter().zip(batch).map(mix).map(T::from_f64).collect()
        };
        running.set(&tensor(next, mean.len()))?;
    }
    Ok(())
}
