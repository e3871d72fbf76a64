//! How fast this machine decodes.

use std::time::{Duration, Instant};

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use tallow_seed::Seed;

use super::{decode, decode_within};
use crate::identical::in_threads;
use crate::{Dataset, Encoded, Error, Result};

/// How long it is tried.
const TRIAL: Duration = Duration::from_millis(700);
/// Of the JPEG.
const QUALITY: u8 = 90;

/// JPEGs of a size, of quality 90 with the detail of a photograph, decoded in a second by all processors together.
///
/// # Errors
/// [`Error::Image`] for a size that no JPEG has.
pub fn jpegs_per_second(width: u32, height: u32) -> Result<f64> {
    let encoded = photograph(width, height)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    let counts: Vec<Result<u32>> = std::thread::scope(|scope| {
        let decoded = || {
            let mut count = 0;
            while began.elapsed() < TRIAL {
                decode(&encoded)?;
                count += 1;
            }
            Ok(count)
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(decoded)).collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic while decoding")).collect()
    });
    let all = counts.into_iter().sum::<Result<u32>>()?;
    Ok(f64::from(all) / began.elapsed().as_secs_f64())
}

/// Images of a dataset, at most so many, from files to pixels in a second, on some threads.
///
/// # Errors
/// An image that cannot be read.
pub fn images_per_second(dataset: &dyn Dataset, most: usize, threads: usize) -> Result<f64> {
    let (count, began) = (dataset.len().min(most), Instant::now());
    in_threads(count, threads, |at| {
        decode_within(&dataset.image(at)?.load()?, dataset.max_pixels()).map(drop)
    })?;
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// Waves of many lengths, whose strength falls with them as a photograph's does, and some noise.
fn photograph(width: u32, height: u32) -> Result<Encoded> {
    let mut rng = Seed::new(1).rng();
    let waves: Vec<[f64; 4]> = (0..24)
        .map(|at| {
            let length = 600.0 / f64::from(1 + at);
            [rng.uniform() / length, rng.uniform() / length, rng.uniform(), 2.0 * length.sqrt()]
        })
        .collect();
    let turn = std::f64::consts::TAU;
    let pixel = |x: u32, y: u32| {
        let of = |[a, b, phase, strength]: &[f64; 4]| {
            strength * (turn * (a * f64::from(x) + b * f64::from(y) + phase)).sin()
        };
        let grey = 150.0 + 0.5 * waves.iter().map(of).sum::<f64>();
        [grey, 0.8 * grey, 0.7 * grey]
    };
    let image = RgbImage::from_fn(width, height, |x, y| {
        image::Rgb(pixel(x, y).map(|value| (value + 3.0 * rng.normal()).clamp(0.0, 255.0) as u8))
    });
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode_image(&image)
        .map_err(|error| Error::Image(error.to_string()))?;
    Ok(Encoded::Bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_measured_on_a_picture_with_detail() {
        assert!(jpegs_per_second(64, 48).unwrap() > 1.0);
        let Encoded::Bytes(bytes) = photograph(600, 450).unwrap() else { panic!("bytes") };
        // Dermoscopic JPEGs of 600 × 450 pixels have 200 to 400 kB at the highest quality, 40 to 100 at 90.
        assert!((20_000..200_000).contains(&bytes.len()), "{} bytes", bytes.len());
        assert!(jpegs_per_second(0, 4).is_err());
    }
}
