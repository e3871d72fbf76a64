//! The sum of gradients over ranks.

use super::{Clock, Times};
use crate::Result;
use crate::fit::Sums;
use crate::run::Shards;
use candle_core::{DType, Device, Tensor};
use std::sync::Arc;
use tallow_ranks::{Ranks, Traffic};

/// Sums over ranks, timed on this one.
pub struct Reduced {
    pub times: Times,
    /// In the timed repetitions.
    pub traffic: Traffic,
}

/// Adds up so many numbers of each rank, as a training with one shard a rank does with its gradients.
///
/// # Errors
/// A rank that does not answer.
pub fn reduce(ranks: &Arc<dyn Ranks>, numbers: usize, (warmup, steps): (usize, usize)) -> Result<Reduced> {
    let shards = Shards { count: ranks.count(), ranks: ranks.count(), rank: ranks.index() };
    /// Numbers of one parameter, 1 MiB.
    const PARAMETER: usize = 1 << 18;
    let own = |from: usize| Tensor::ones(PARAMETER.min(numbers - from), DType::F32, &Device::Cpu);
    let (mut times, mut before) = (Times::default(), ranks.traffic());
    for repetition in 0..warmup + steps {
        let gradients = (0..numbers).step_by(PARAMETER).map(own).collect::<candle_core::Result<Vec<_>>>()?;
        ranks.meet()?;
        if repetition == warmup {
            before = ranks.traffic();
        }
        let mut clock = Clock::start(&Device::Cpu)?;
        let sums = Sums::begin(shards, ranks.clone());
        let mut handing = sums.of(shards.rank);
        gradients.into_iter().enumerate().for_each(|(i, gradient)| handing.give(&i.to_string(), gradient));
        handing.end();
        sums.end()?;
        if repetition >= warmup {
            times.push(clock.lap()?);
        }
    }
    Ok(Reduced { times, traffic: ranks.traffic().since(before) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_add_up_together() {
        std::thread::scope(|scope| {
            for rank in tallow_ranks::threads(3) {
                scope.spawn(move || {
                    let rank: Arc<dyn Ranks> = Arc::new(rank);
                    let reduced = reduce(&rank, 10, (1, 3)).unwrap();
                    assert!(reduced.times.median() > 0.0);
                });
            }
        });
    }
}
