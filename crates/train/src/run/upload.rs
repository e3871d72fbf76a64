//! Bytes become tensors once: here. And tensors pictures again, for people.

use candle_core::{DType, Device, Result, Tensor};
use tallow_data::{Image, Pixels};

/// The model's input statistics, per channel, of values in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    pub mean: [f64; 3],
    pub std: [f64; 3],
}

impl Statistics {
    /// bytes (R, H, W, 3) → values (R, 3, H, W) = (byte / 255 − mean) / std; a GPU with kernels of ours is sent the bytes, and makes
    /// the same values of them.
    ///
    /// # Errors
    /// Those of the device.
    pub fn upload(&self, pixels: &Pixels, dtype: DType, device: &Device) -> Result<Tensor> {
        let (rows, height, width) = (pixels.rows, pixels.height, pixels.width);
        let (sizes, statistics) = ([rows, height, width], (self.mean, self.std));
        if let Some(values) = tallow_kernels::upload_bytes(&pixels.bytes, sizes, statistics, dtype, device)? {
            return Ok(values);
        }
        let table: [[f32; 256]; 3] = std::array::from_fn(|channel| {
            std::array::from_fn(|byte| {
                ((byte as f64 / 255.0 - self.mean[channel]) / self.std[channel]) as f32
            })
        });
        let area = height * width;
        let mut values = vec![0f32; rows * 3 * area];
        for (image, planes) in pixels.bytes.chunks_exact(3 * area).zip(values.chunks_exact_mut(3 * area)) {
            let (red, rest) = planes.split_at_mut(area);
            let (green, blue) = rest.split_at_mut(area);
            for (((pixel, r), g), b) in image.chunks_exact(3).zip(red).zip(green).zip(blue) {
                *r = table[0][pixel[0] as usize];
                *g = table[1][pixel[1] as usize];
                *b = table[2][pixel[2] as usize];
            }
        }
        Tensor::from_vec(values, (rows, 3, height, width), device)?.to_dtype(dtype)
    }

    /// values (R, 3, H, W) → pictures: the inverse of the upload, rounded and clamped to bytes.
    ///
    /// # Errors
    /// Values of another shape.
    pub fn download(&self, values: &Tensor) -> Result<Vec<Image>> {
        let (rows, _, height, width) = values.dims4()?;
        let values = values.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let area = height * width;
        let byte = |channel: usize, value: f32| {
            let value = f64::from(value) * self.std[channel] + self.mean[channel];
            (255.0 * value).round().clamp(0.0, 255.0) as u8
        };
        let picture = |row: usize| {
            let planes = &values[row * 3 * area..(row + 1) * 3 * area];
            let pixels = (0..area).flat_map(|at| (0..3).map(move |c| (c, planes[c * area + at])));
            let pixels = pixels.map(|(channel, value)| byte(channel, value)).collect();
            Image { width: width as u32, height: height as u32, pixels }
        };
        Ok((0..rows).map(picture).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_normalised_planes() -> Result<()> {
        let pixels = Pixels { rows: 1, height: 1, width: 2, bytes: vec![0, 51, 255, 102, 153, 204] };
        let statistics = Statistics { mean: [0.5, 0.0, 1.0], std: [0.5, 0.1, 2.0] };
        let values = statistics.upload(&pixels, DType::F64, &Device::Cpu)?;
        assert_eq!(values.dims(), [1, 3, 1, 2]);
        let got = values.flatten_all()?.to_vec1::<f64>()?;
        // red: (0 − .5) / .5, (.4 − .5) / .5; green: .2 / .1, .6 / .1; blue: (1 − 1) / 2, (.8 − 1) / 2
        for (g, e) in got.iter().zip([-1.0, -0.2, 2.0, 6.0, 0.0, -0.1]) {
            assert!((g - e).abs() < 1e-6, "{got:?}");
        }
        Ok(())
    }
}
