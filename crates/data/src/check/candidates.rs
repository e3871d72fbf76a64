//! Pairs worth a closer look: for each picture, whole and cut in a few ways, the others whose signatures are most alike.
//!
//! Every pair is compared, so none is missed by an index: 51 products for each of 14 forms, sixteen pictures at a time.

use std::collections::BTreeSet;

use super::signature::{CROPS, ENDS, KEPT, Signature, Signer, transpose};
use crate::Result;
use crate::identical::in_threads;

/// A cosine below which no pair is looked at closer.
pub const LEAST_SCORE: f32 = 0.9;

/// Neighbours of a picture that are looked at closer.
pub const NEIGHBOURS: usize = 10;

/// Pictures side by side: two vector registers of AVX2, one of AVX-512.
const LANES: usize = 16;

/// Blocks of [`LANES`] pictures that stay in the processor's cache while some queries pass over them.
const TILE: usize = 32;
const QUERIES: usize = 32;

type Block = [[f32; LANES]; KEPT];

/// Pairs (a, b), a < b, of small pictures, in order.
///
/// # Errors
/// None of its own.
pub fn candidates(
    small: &[&[u8]],
    workers: usize,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<(u32, u32)>> {
    let signer = Signer::new();
    let whole = in_threads(small.len(), workers, |at| Ok(signer.sign(small[at], CROPS[0])))?;
    let blocks: Vec<Block> = whole
        .chunks(LANES)
        .map(|pictures| {
            std::array::from_fn(|at| {
                std::array::from_fn(|lane| pictures.get(lane).map_or(0.0, |signature| signature[at]))
            })
        })
        .collect();
    let score = scorer();
    let batches = small.len().div_ceil(QUERIES);
    let found = in_threads(batches, workers, |batch| {
        let first = batch * QUERIES;
        let queries: Vec<usize> = (first..small.len().min(first + QUERIES)).collect();
        let forms: Vec<Vec<[Signature; 2]>> = queries
            .iter()
            .map(|&at| {
                let crops = CROPS.iter().map(|crop| signer.sign(small[at], *crop));
                crops.map(|signature| [signature, transpose(&signature)]).collect()
            })
            .collect();
        let mut nearest: Vec<Vec<(f32, u32)>> = vec![Vec::new(); queries.len()];
        for (tile, blocks) in blocks.chunks(TILE).enumerate() {
            for ((&query, forms), nearest) in queries.iter().zip(&forms).zip(&mut nearest) {
                for (at, block) in blocks.iter().enumerate() {
                    let base = (tile * TILE + at) * LANES;
                    let scores = score(forms, block);
                    if scores.iter().all(|score| *score < LEAST_SCORE) {
                        continue;
                    }
                    for (lane, score) in scores.into_iter().enumerate() {
                        if base + lane != query && base + lane < small.len() {
                            keep(nearest, score, (base + lane) as u32);
                        }
                    }
                }
            }
        }
        progress(queries.len());
        let pairs = queries.iter().zip(nearest).flat_map(|(&query, nearest)| {
            let query = query as u32;
            nearest.into_iter().map(move |(_, other)| (query.min(other), query.max(other)))
        });
        Ok(pairs.collect::<Vec<_>>())
    })?;
    let pairs: BTreeSet<(u32, u32)> = found.into_iter().flatten().collect();
    Ok(pairs.into_iter().collect())
}

/// The best few, best first; of equal ones the earlier.
fn keep(nearest: &mut Vec<(f32, u32)>, score: f32, other: u32) {
    let place = nearest.partition_point(|(known, _)| *known >= score);
    if score >= LEAST_SCORE && place < NEIGHBOURS {
        nearest.insert(place, (score, other));
        nearest.truncate(NEIGHBOURS);
    }
}

/// The best score of some forms of a picture, each with its transposed, against each picture of a block.
type Scorer = fn(&[[Signature; 2]], &Block) -> [f32; LANES];

fn scorer() -> Scorer {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") {
            return |forms, block| {
                // SAFETY: the processor has it.
                unsafe { with_avx512(forms, block) }
            };
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            return |forms, block| {
                // SAFETY: the processor has both.
                unsafe { with_avx2(forms, block) }
            };
        }
    }
    scores::<false>
}

/// # Safety
/// The processor has AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn with_avx512(forms: &[[Signature; 2]], block: &Block) -> [f32; LANES] {
    scores::<true>(forms, block)
}

/// # Safety
/// The processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2(forms: &[[Signature; 2]], block: &Block) -> [f32; LANES] {
    scores::<true>(forms, block)
}

/// FUSED is for processors that multiply and add in one instruction; elsewhere that is a slow call. No closures: they would be compiled
/// without the processor's features.
#[inline(always)]
fn scores<const FUSED: bool>(forms: &[[Signature; 2]], block: &Block) -> [f32; LANES] {
    let mut best = [f32::MIN; LANES];
    let [first, second, third, _] = ENDS;
    for [a, b] in forms {
        let even = products::<FUSED>(&a[..first], &b[..first], &block[..first]);
        let across = products::<FUSED>(&a[first..second], &b[first..second], &block[first..second]);
        let down = products::<FUSED>(&a[second..third], &b[second..third], &block[second..third]);
        let both = products::<FUSED>(&a[third..], &b[third..], &block[third..]);
        for turned in 0..2 {
            let (even, across, down, both) = (&even[turned], &across[turned], &down[turned], &both[turned]);
            for (lane, best) in best.iter_mut().enumerate() {
                // The best of even ± across ± down + (their product) both.
                let same = even[lane] + both[lane] + (across[lane] + down[lane]).abs();
                let other = even[lane] - both[lane] + (across[lane] - down[lane]).abs();
                let of = if same > other { same } else { other };
                *best = if of > *best { of } else { *best };
            }
        }
    }
    best
}

/// Σ of a, and of its transposed b, with each picture of a block, over coefficients of one parity.
#[inline(always)]
fn products<const FUSED: bool>(a: &[f32], b: &[f32], block: &[[f32; LANES]]) -> [[f32; LANES]; 2] {
    let (mut first, mut second) = ([0.0f32; LANES], [0.0f32; LANES]);
    for ((a, b), values) in a.iter().zip(b).zip(block) {
        for (lane, value) in values.iter().enumerate() {
            if FUSED {
                first[lane] = a.mul_add(*value, first[lane]);
                second[lane] = b.mul_add(*value, second[lane]);
            } else {
                first[lane] += a * value;
                second[lane] += b * value;
            }
        }
    }
    [first, second]
}

#[cfg(test)]
mod tests {
    use super::super::look::SIDE;
    use super::super::signature::{Turn, best_turn};
    use super::*;

    /// Smooth noise; the same seed gives the same picture.
    fn picture(seed: u64) -> Vec<u8> {
        let mut rng = tallow_seed::Seed::new(seed).rng();
        let waves: Vec<[f64; 4]> = (0..9)
            .map(|_| [rng.uniform() * 14.0, rng.uniform() * 14.0, rng.uniform() * 6.3, rng.uniform()])
            .collect();
        let level = |at: usize| {
            let (x, y) = ((at % SIDE) as f64 / SIDE as f64, (at / SIDE) as f64 / SIDE as f64);
            waves.iter().map(|[a, b, c, d]| d * (a * x - b * y + c).sin()).sum::<f64>()
        };
        (0..SIDE * SIDE).map(|at| (128.0 + 15.0 * level(at)) as u8).collect()
    }

    #[test]
    fn scores_are_those_of_one_pair_after_the_other() {
        let signer = Signer::new();
        let sign = |seed| signer.sign(&picture(seed), CROPS[0]);
        let block: Block = std::array::from_fn(|at| std::array::from_fn(|lane| sign(lane as u64)[at]));
        let seeds = [20, 21, 22];
        let forms: Vec<[Signature; 2]> = seeds.map(|seed| [sign(seed), transpose(&sign(seed))]).to_vec();
        let expected: Vec<f32> = (0..LANES as u64)
            .map(|other| {
                seeds.map(|seed| best_turn(&sign(seed), &sign(other)).0).into_iter().fold(f32::MIN, f32::max)
            })
            .collect();
        for found in [scorer()(&forms, &block), scores::<false>(&forms, &block)] {
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
    }

    #[test]
    fn a_turned_copy_is_a_candidate_whatever_the_threads() {
        let mut pictures: Vec<Vec<u8>> = (0..150).map(picture).collect();
        let turn = Turn { transposed: true, mirrored: false, upside_down: true };
        pictures.push(turn.apply(&pictures[70], SIDE));
        pictures.push(vec![9; SIDE * SIDE]);
        let small: Vec<&[u8]> = pictures.iter().map(Vec::as_slice).collect();
        let found = candidates(&small, 1, &|_| {}).unwrap();
        assert!(found.contains(&(70, 150)), "{found:?}");
        assert!(found.len() < 200 && found.iter().all(|(_, b)| *b < 151), "{}: {found:?}", found.len());
        assert_eq!(found, candidates(&small, 3, &|_| {}).unwrap());
    }
}
