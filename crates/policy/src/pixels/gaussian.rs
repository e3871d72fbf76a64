//! Gaussian blur by two passes in single precision, mirrored at the border.

use crate::pixels::region::{PaddingMode, source};

/// A Gaussian, e^(−d² / 2σ²), at the whole distances d around 0; `length` odd, the sum 1.
pub fn weights(length: u32, sigma: f64) -> Vec<f32> {
    let radius = i64::from(length / 2);
    let raw: Vec<f64> = (-radius..=radius).map(|d| (-0.5 * (d as f64 / sigma).powi(2)).exp()).collect();
    let sum: f64 = raw.iter().sum();
    raw.into_iter().map(|weight| (weight / sum) as f32).collect()
}

/// Values (height, width, N), convolved along rows, then along columns.
pub fn blur<const N: usize>(values: &[f32], (width, height): (u32, u32), weights: &[f32]) -> Vec<f32> {
    let radius = (weights.len() / 2) as i64;
    let mirrored =
        |place: i64, n: u32| source(place, n, PaddingMode::Reflect).expect("mirrored, always inside");
    let columns: Vec<usize> = (-radius..i64::from(width) + radius).map(|x| mirrored(x, width) * N).collect();
    let stride = width as usize * N;
    let mut across = vec![0.0; values.len()];
    let mut wider = Vec::with_capacity(columns.len() * N);
    for (row, out) in values.chunks_exact(stride).zip(across.chunks_exact_mut(stride)) {
        wider.clear();
        columns.iter().for_each(|x| wider.extend_from_slice(&row[*x..*x + N]));
        for (k, weight) in weights.iter().enumerate() {
            add(out, &wider[k * N..], *weight);
        }
    }
    let mut blurred = vec![0.0; values.len()];
    for (y, out) in (0..).zip(blurred.chunks_exact_mut(stride)) {
        for (k, weight) in (-radius..).zip(weights) {
            add(out, &across[mirrored(y + k, height) * stride..], *weight);
        }
    }
    blurred
}

fn add(sums: &mut [f32], values: &[f32], weight: f32) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
}
