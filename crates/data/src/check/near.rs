//! Pictures that are nearly the same: saved again, resized, cut a little, mirrored or turned.

use std::collections::HashSet;
use std::sync::Arc;

use super::align::correlation;
use super::cache::Alike;
use super::candidates::candidates;
use super::look::Look;
use super::signature::Signer;
use crate::Result;
use crate::identical::in_threads;

/// The least probability with which a pair is told.
pub const LEAST: f64 = 0.5;

/// A side, in pixels, below which pictures have few details to be told apart by: they have a curve of their own.
pub const COARSE: u32 = 48;

/// 1 / (1 + exp(−(a + b · correlation))): of pictures of 48 pixels or more, and of smaller ones.
const CURVES: [(f64, f64); 2] = [(-49.6, 57.0), (-49.0, 57.0)];

/// That two pictures are one, by the correlation of their details; `side` is the shortest of their sides.
///
/// A logistic curve through the gap between planted copies and the different images that look most alike (`docs/data_check.md`): of such
/// pairs, copies and others as many, not of all pairs.
pub fn probability(correlation: f64, side: u32) -> f64 {
    let (a, b) = CURVES[usize::from(side < COARSE)];
    1.0 / (1.0 + (-(a + b * correlation)).exp())
}

/// The near ones of pictures with different pixels, and how many pairs were looked at closer. `progress` hears of each picture.
///
/// # Errors
/// None of its own.
pub fn compare(
    looks: &[Arc<Look>],
    workers: usize,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<(Vec<Alike>, usize)> {
    let mut known = HashSet::new();
    let distinct: Vec<&Look> =
        looks.iter().map(|look| &**look).filter(|look| known.insert(look.pixels)).collect();
    let small: Vec<&[u8]> = distinct.iter().map(|look| &*look.small).collect();
    let candidates = candidates(&small, workers, progress)?;
    let signer = Signer::new();
    let found = in_threads(candidates.len(), workers, |at| {
        let (a, b) = candidates[at];
        Ok(correlation(&signer, small[a as usize], small[b as usize]))
    })?;
    let pairs = candidates.iter().zip(found).filter_map(|((a, b), correlation)| {
        let (a, b) = (distinct[*a as usize], distinct[*b as usize]);
        let side = a.shorter_side().min(b.shorter_side());
        let (correlation, probability) = (correlation as f32, probability(correlation, side) as f32);
        let pair = Alike { pictures: [a.pixels, b.pixels], correlation, probability };
        (f64::from(probability) >= LEAST).then_some(pair)
    });
    Ok((pairs.collect(), candidates.len()))
}
