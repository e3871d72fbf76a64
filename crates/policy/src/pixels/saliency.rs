//! Where an image draws the eye, at the resolution of 64 pixels at most.

use crate::pixels::fourier::{Complex, transform};
use candle_core::{DType, Device, Result, Tensor};

/// (height, width).
type Size = (usize, usize);

/// Values (R, C, H, W), read row by row.
pub struct Maps(Tensor);

/// The longest side of a map: Hou and Zhang's scale. Finer structure is texture, not an object.
const SIDE: usize = 64;
/// Standard deviation of the smoothing in sides: 2.5 of 64 pixels, as in Hou and Zhang's program.
const SIGMA: f64 = 2.5 / 64.0;

impl Maps {
    /// One copy from the device; none of f32 on the host.
    ///
    /// # Errors
    /// Values of other than four dimensions.
    pub fn of(values: &Tensor) -> Result<Maps> {
        values.dims4()?;
        Ok(Maps(values.to_device(&Device::Cpu)?.to_dtype(DType::F32)?))
    }

    /// The mean of a row's channels, and its size: each pixel is the mean of the pixels under it.
    ///
    /// # Errors
    /// Values that are not finite.
    pub fn mean(&self, row: usize) -> Result<(Vec<f64>, Size)> {
        let channels = self.0.dim(1)? as f64;
        self.reduced(row, |sum, value| sum + value, |sum| sum / channels)
    }

    /// √(Σ_c v²) over a row's channels, and its size.
    ///
    /// # Errors
    /// Values that are not finite.
    pub fn norm(&self, row: usize) -> Result<(Vec<f64>, Size)> {
        self.reduced(row, |sum, value| sum + value * value, f64::sqrt)
    }

    fn reduced(
        &self,
        row: usize,
        add: impl Fn(f64, f64) -> f64,
        end: impl Fn(f64) -> f64,
    ) -> Result<(Vec<f64>, Size)> {
        let (_, _, height, width) = self.0.dims4()?;
        let values: Vec<f32> = self.0.get(row)?.flatten_all()?.to_vec1()?;
        let mut pixels = vec![0.0; height * width];
        for plane in values.chunks_exact(height * width) {
            pixels.iter_mut().zip(plane).for_each(|(sum, value)| *sum = add(*sum, f64::from(*value)));
        }
        let small = (height.min(SIDE), width.min(SIDE));
        let columns: Vec<usize> = (0..width).map(|x| x * small.1 / width).collect();
        let (mut sums, mut counts) = (vec![0.0; small.0 * small.1], vec![0.0; small.0 * small.1]);
        for (y, line) in pixels.chunks_exact(width).enumerate() {
            let first = y * small.0 / height * small.1;
            for (sum, x) in line.iter().zip(&columns) {
                sums[first + x] += end(*sum);
                counts[first + x] += 1.0;
            }
        }
        let map: Vec<f64> = sums.iter().zip(counts).map(|(sum, count)| sum / count).collect();
        if map.iter().any(|value| !value.is_finite()) {
            candle_core::bail!("no saliency in row {row}: its values are not finite");
        }
        Ok((map, small))
    }
}

/// |F⁻¹(exp(L − L̄ + i·arg F(x)))|², L = ln |F(x)|, L̄ its mean over 3×3 neighbours, round the torus of frequencies.
/// Frequencies without amplitude have no phase and are left out: an even image is salient nowhere but on average.
///
/// Source: Hou, Zhang, Saliency detection: a spectral residual approach, CVPR 2007.
pub fn spectral_residual(image: &[f64], size: Size) -> Vec<f64> {
    let mut spectrum: Vec<Complex> = image.iter().map(|&x| (x, 0.0)).collect();
    transform(&mut spectrum, size, false);
    let amplitudes: Vec<f64> = spectrum.iter().map(|z| z.0.hypot(z.1)).collect();
    // The rounding of a transform of f64 is far below, and structure that an eye sees far above.
    let least = 1e-9 * amplitudes.iter().fold(0.0, |a: f64, b| a.max(*b)).max(f64::MIN_POSITIVE);
    let logs: Vec<f64> = amplitudes.iter().map(|a| a.max(least).ln()).collect();
    let (height, width) = size;
    for y in 0..height {
        let line = |y: usize| &logs[y % height * width..][..width];
        let (above, here, below) = (line(y + height - 1), line(y), line(y + 1));
        let three: Vec<f64> = (0..width).map(|x| above[x] + here[x] + below[x]).collect();
        for x in 0..width {
            let mean = (three[(x + width - 1) % width] + three[x] + three[(x + 1) % width]) / 9.0;
            let (z, amplitude) = (&mut spectrum[y * width + x], amplitudes[y * width + x]);
            let scale = if amplitude > least { (here[x] - mean).exp() / amplitude } else { 0.0 };
            *z = (z.0 * scale, z.1 * scale);
        }
    }
    transform(&mut spectrum, size, true);
    spectrum.into_iter().map(|z| z.0 * z.0 + z.1 * z.1).collect()
}

/// Convolved with a Gaussian of σ = 2.5 pixels of 64 along each side, 0 beyond the border.
pub fn smoothed(map: &[f64], (height, width): Size) -> Vec<f64> {
    let kernel = |side: usize| -> Vec<f64> {
        let weigh = |distance: usize| (-0.5 * (distance as f64 / (SIGMA * side as f64)).powi(2)).exp();
        let weights: Vec<f64> = (0..side).map(weigh).collect();
        let sum = 2.0 * weights.iter().sum::<f64>() - 1.0;
        weights.into_iter().map(|weight| weight / sum).collect()
    };
    // Along the columns, whole rows at a time; then the same of the transposed map.
    let along = |map: &[f64], (height, width): Size| -> Vec<f64> {
        let weights = kernel(height);
        let mut out = vec![0.0; height * width];
        for (y, out) in out.chunks_exact_mut(width).enumerate() {
            for (from, row) in map.chunks_exact(width).enumerate() {
                let weight = weights[y.abs_diff(from)];
                out.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        (0..height * width).map(|at| out[at % height * width + at / height]).collect()
    };
    along(&along(map, (height, width)), (width, height))
}

/// The pixel of an image of `size` at the largest value of the map; of those that differ by no more than rounding, the one
/// nearest to the middle.
pub fn peak(map: &[f64], small: Size, size: Size) -> (usize, usize) {
    let most = map.iter().fold(0.0, |a: f64, b| a.max(*b));
    let off = |at: usize| {
        let off = |at: usize, side: usize| (2 * at + 1).abs_diff(side) as f64 / side as f64;
        off(at / small.1, small.0).hypot(off(at % small.1, small.1))
    };
    let best = (0..map.len())
        .filter(|&at| map[at] >= most * (1.0 - 1e-9))
        .min_by(|&a, &b| off(a).total_cmp(&off(b)));
    let best = best.unwrap_or(0);
    let middle = |at: usize, small: usize, side: usize| (2 * at + 1) * side / (2 * small);
    (middle(best / small.1, small.0, size.0), middle(best % small.1, small.1, size.1))
}
