//! Sums over shards, always added in the same order: by a binary tree whose leaves are the shards, wherever each of them is.

use super::super::optimizer::Gradients;
use crate::Result;
use crate::run::Shards;
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use std::ops::Range;
use tallow_ranks::Ranks;

/// The sum of the leaves of `range`, two subtrees at a time. `whole` gives that of a range where it is known.
fn sum<T>(
    range: Range<usize>,
    whole: &mut impl FnMut(&Range<usize>) -> Option<T>,
    add: &mut impl FnMut(T, T) -> Result<T>,
) -> Result<T> {
    if let Some(value) = whole(&range) {
        return Ok(value);
    }
    let (left, right) = halves(&range);
    let left = sum(left, whole, add)?;
    let right = sum(right, whole, add)?;
    add(left, right)
}

/// The subtrees of a range of more than one leaf.
fn halves(range: &Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = range.start + range.len().next_power_of_two() / 2;
    (range.start..middle, middle..range.end)
}

/// The largest subtrees of `range` whose leaves are all in `own`.
fn subtrees(range: Range<usize>, own: &Range<usize>) -> Vec<Range<usize>> {
    if range.end <= own.start || own.end <= range.start {
        Vec::new()
    } else if own.start <= range.start && range.end <= own.end {
        vec![range]
    } else {
        let (left, right) = halves(&range);
        [subtrees(left, own), subtrees(right, own)].concat()
    }
}

/// The sums of gradients over the shards of all ranks, given those of the shards that are here, in their order.
///
/// Each rank adds up a part of every gradient, of which the others send it theirs, and sends the sums to all: as many bytes as by a ring.
///
/// # Errors
/// Those of the ops; a rank that does not answer.
pub fn summed(shards: Shards, ranks: &dyn Ranks, own: Vec<Gradients>) -> Result<Gradients> {
    let mut leaves: Vec<Option<Gradients>> = own.into_iter().map(Some).collect();
    let begin = shards.own().start;
    let mut tops = Vec::new();
    for top in subtrees(0..shards.count, &shards.own()) {
        let mut leaf = |range: &Range<usize>| {
            (range.len() == 1).then(|| leaves[range.start - begin].take().expect("each once"))
        };
        tops.push(sum(top, &mut leaf, &mut added)?);
    }
    if shards.ranks == 1 {
        return Ok(tops.swap_remove(0));
    }
    let flat: Vec<Vec<f32>> = tops.iter().map(flat).collect::<Result<_>>()?;
    let len = flat[0].len();
    let segment = |rank: usize| rank * len / shards.ranks..(rank + 1) * len / shards.ranks;
    let part = |rank: usize| {
        let mut bytes = Vec::with_capacity(4 * flat.len() * segment(rank).len());
        flat.iter().for_each(|top| bytes.extend_from_slice(bytemuck::cast_slice(&top[segment(rank)])));
        bytes
    };
    let arrived = ranks.exchange((0..shards.ranks).map(part).collect())?;
    drop(flat);
    let width = segment(shards.rank).len();
    let mut known: Vec<(Range<usize>, Vec<f32>)> = Vec::new();
    for (rank, bytes) in arrived.iter().enumerate() {
        let tops = subtrees(0..shards.count, &shards.of(rank));
        let numbers = numbers(bytes, tops.len() * width)?;
        known.extend(
            tops.into_iter().enumerate().map(|(i, top)| (top, numbers[i * width..][..width].to_vec())),
        );
    }
    let mut whole = |range: &Range<usize>| {
        let place = known.iter().position(|(top, _)| top == range)?;
        Some(known.swap_remove(place).1)
    };
    let mut add = |mut left: Vec<f32>, right: Vec<f32>| {
        left.par_iter_mut().zip(&right).with_min_len(1 << 14).for_each(|(left, right)| *left += *right);
        Ok(left)
    };
    let segment_sum = sum(0..shards.count, &mut whole, &mut add)?;
    let mut all = Vec::with_capacity(len);
    for (rank, bytes) in ranks.gather(bytemuck::cast_slice(&segment_sum).to_vec())?.iter().enumerate() {
        all.extend(numbers(bytes, segment(rank).len())?);
    }
    let mut at = 0;
    let tensor = |(name, like): (String, Tensor)| {
        let part = &all[at..at + like.elem_count()];
        at += part.len();
        Ok((name, Tensor::from_slice(part, like.shape(), &Device::Cpu)?))
    };
    tops.swap_remove(0).into_iter().map(tensor).collect()
}

fn numbers(bytes: &[u8], len: usize) -> Result<Vec<f32>> {
    if bytes.len() != 4 * len {
        let problem = format!("a rank sent {} bytes of gradients, expected {}", bytes.len(), 4 * len);
        return Err(tallow_ranks::Error(problem).into());
    }
    let mut numbers = vec![0.0; len];
    bytemuck::cast_slice_mut(&mut numbers).copy_from_slice(bytes);
    Ok(numbers)
}

/// Two sets of gradients of the same parameters, added.
pub fn added(left: Gradients, mut right: Gradients) -> Result<Gradients> {
    let pair = |(name, left): (String, Tensor)| {
        let sum = match right.remove(&name) {
            Some(right) => (left + right)?,
            None => left,
        };
        Ok((name, sum))
    };
    let mut sums = left.into_iter().map(pair).collect::<Result<Gradients>>()?;
    sums.append(&mut right);
    Ok(sums)
}

/// All numbers, in the order of the names.
fn flat(gradients: &Gradients) -> Result<Vec<f32>> {
    let mut all = Vec::with_capacity(gradients.values().map(Tensor::elem_count).sum());
    for gradient in gradients.values() {
        all.extend(gradient.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn subtrees_of_all_ranks_are_all_leaves() {
        assert_eq!(halves(&(0..8)), (0..4, 4..8));
        assert_eq!(halves(&(4..7)), (4..6, 6..7));
        assert_eq!(subtrees(0..8, &(0..3)), [0..2, 2..3]);
        assert_eq!(subtrees(0..8, &(2..5)), [2..4, 4..5]);
        assert_eq!(subtrees(0..5, &(1..5)), [1..2, 2..4, 4..5]);
    }

    /// Numbers whose sum depends on the order in which they are added.
    fn gradients(shard: usize) -> Gradients {
        let number =
            |i: usize| ((shard * 31 + i * 17) % 23) as f32 / 7.0 * 10f32.powi((shard % 5) as i32 - 2);
        let tensor = |len: usize, from: usize| {
            Tensor::from_vec((from..from + len).map(number).collect::<Vec<_>>(), len, &Device::Cpu).unwrap()
        };
        [("a".to_owned(), tensor(7, 0)), ("b".to_owned(), tensor(40, 7))].into_iter().collect()
    }

    fn of_ranks(count: usize, ranks: usize) -> Vec<Vec<f32>> {
        std::thread::scope(|scope| {
            let rank = |thread: tallow_ranks::Thread| {
                scope.spawn(move || {
                    let shards = Shards { count, ranks, rank: thread.index() };
                    let thread: Arc<dyn Ranks> = Arc::new(thread);
                    let sums = summed(shards, &*thread, shards.own().map(gradients).collect()).unwrap();
                    flat(&sums).unwrap()
                })
            };
            let threads: Vec<_> = tallow_ranks::threads(ranks).into_iter().map(rank).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn the_sum_is_the_same_for_any_number_of_ranks() {
        for count in [4, 7, 8] {
            let one = of_ranks(count, 1).remove(0);
            let in_order = (0..count).map(|shard| flat(&gradients(shard)).unwrap());
            let in_order = in_order.reduce(|sum, next| sum.iter().zip(next).map(|(a, b)| a + b).collect());
            let in_order = in_order.unwrap();
            assert!(one.iter().zip(&in_order).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs()));
            assert_ne!(one, in_order, "the order matters here, or this test shows nothing");
            for ranks in 2..=count.min(5) {
                for (rank, sums) in of_ranks(count, ranks).into_iter().enumerate() {
                    assert_eq!(sums, one, "{count} shards, rank {rank} of {ranks}");
                }
            }
        }
    }
}
