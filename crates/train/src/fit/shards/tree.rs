//! Sums over shards, always added in the same order: by a binary tree whose leaves are the shards, wherever each of them is.

use super::super::optimizer::Gradients;
use crate::Result;
use crate::run::Shards;
use candle_core::{DType, Device, Storage, Tensor};
use std::collections::HashMap;
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
pub fn summed(shards: Shards, ranks: &dyn Ranks, lane: usize, own: Vec<Gradients>) -> Result<Gradients> {
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
    let len = tops[0].values().map(Tensor::elem_count).sum::<usize>();
    let of_rank = |rank: usize| rank * len / shards.ranks..(rank + 1) * len / shards.ranks;
    let mut parts = vec![Vec::new(); shards.ranks];
    tops.iter().try_for_each(|top| write(top, of_rank, &mut parts))?;
    let arrived = ranks.exchange_on(lane, parts)?;
    let own = sum_of_parts(shards, of_rank(shards.rank).len(), &arrived)?;
    drop(arrived);
    let mut all = Vec::with_capacity(len);
    for (rank, bytes) in ranks.gather_on(lane, own)?.iter().enumerate() {
        all.extend(numbers(bytes, of_rank(rank).len())?);
    }
    let mut at = 0;
    let tensor = |(name, like): (String, Tensor)| {
        let part = &all[at..at + like.elem_count()];
        at += part.len();
        Ok((name, Tensor::from_slice(part, like.shape(), like.device())?))
    };
    tops.swap_remove(0).into_iter().map(tensor).collect()
}

/// Appends the numbers of all gradients, one after another, to the parts of those ranks that add them up.
fn write(
    gradients: &Gradients,
    of_rank: impl Fn(usize) -> Range<usize>,
    parts: &mut [Vec<u8>],
) -> Result<()> {
    let mut at = 0;
    for gradient in gradients.values() {
        let gradient = gradient.to_device(&Device::Cpu)?.contiguous()?.to_dtype(DType::F32)?;
        let (storage, layout) = gradient.storage_and_layout();
        let (Storage::Cpu(storage), Some((from, to))) = (&*storage, layout.contiguous_offsets()) else {
            unreachable!("was brought to the CPU");
        };
        let numbers = &storage.as_slice::<f32>()?[from..to];
        for (rank, part) in parts.iter_mut().enumerate() {
            let of_rank = of_rank(rank);
            let (from, to) = (of_rank.start.max(at), of_rank.end.min(at + numbers.len()));
            if from < to {
                part.extend_from_slice(bytemuck::cast_slice(&numbers[from - at..to - at]));
            }
        }
        at += numbers.len();
    }
    Ok(())
}

/// The sums of `width` numbers over all shards, of which each rank sent those of its subtrees.
fn sum_of_parts(shards: Shards, width: usize, arrived: &[Vec<u8>]) -> Result<Vec<u8>> {
    /// So many at once, which stay in the cache.
    const BLOCK: usize = 4096;
    let mut known: HashMap<Range<usize>, &[u8]> = HashMap::new();
    for (rank, bytes) in arrived.iter().enumerate() {
        let tops = subtrees(0..shards.count, &shards.of(rank));
        let _of_this_length = numbers(bytes, tops.len() * width)?;
        known.extend(tops.into_iter().zip(bytes.chunks_exact(4 * width.max(1))));
    }
    let mut sums = Vec::with_capacity(4 * width);
    for from in (0..width).step_by(BLOCK) {
        let to = (from + BLOCK).min(width);
        let mut block = |range: &Range<usize>| {
            let bytes = known.get(range)?;
            numbers(&bytes[4 * from..4 * to], to - from).ok().map(Iterator::collect)
        };
        let mut add = |mut left: Vec<f32>, right: Vec<f32>| {
            left.iter_mut().zip(&right).for_each(|(left, right)| *left += *right);
            Ok(left)
        };
        let block: Vec<f32> = sum(0..shards.count, &mut block, &mut add)?;
        sums.extend_from_slice(bytemuck::cast_slice(&block));
    }
    Ok(sums)
}

/// `len` numbers that a rank sent.
fn numbers(bytes: &[u8], len: usize) -> Result<impl Iterator<Item = f32>> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if (numbers.len(), rest.len()) != (len, 0) {
        let problem = format!("a rank sent {} bytes of gradients, expected {}", bytes.len(), 4 * len);
        return Err(tallow_ranks::Error(problem).into());
    }
    Ok(numbers.iter().map(|number| f32::from_ne_bytes(*number)))
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

    fn flat(gradients: &Gradients) -> Vec<f32> {
        gradients.values().flat_map(|x| x.flatten_all().unwrap().to_vec1::<f32>().unwrap()).collect()
    }

    fn of_ranks(count: usize, ranks: usize) -> Vec<Vec<f32>> {
        std::thread::scope(|scope| {
            let rank = |thread: tallow_ranks::Thread| {
                scope.spawn(move || {
                    let shards = Shards { count, ranks, rank: thread.index() };
                    let thread: Arc<dyn Ranks> = Arc::new(thread);
                    let sums = summed(shards, &*thread, 0, shards.own().map(gradients).collect()).unwrap();
                    flat(&sums)
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
            let in_order = (0..count).map(|shard| flat(&gradients(shard)));
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
