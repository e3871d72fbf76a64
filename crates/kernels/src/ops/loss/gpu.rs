//! Soft cross-entropy and focal loss on a GPU.

use crate::gpu::{Device, Kind, Memory, Source, Storage, arguments, size};
use candle_core::Result;

pub static SOURCE: Source = Source::new("loss", 256, include_str!("gpu.cc"));

/// The loss (1 number, f32), and its slope by the logits (rows, classes), f32. Targets are f32; gamma is 0 for the cross-entropy.
///
/// # Errors
/// Those of the device.
pub fn forward<D: Device>(
    device: &D,
    logits: &D::Buffer,
    targets: &D::Buffer,
    class_weights: Option<&[f64]>,
    (classes, gamma): (usize, f64),
) -> Result<(D::Buffer, D::Buffer)> {
    let (storage, rows) = (Storage::of(logits)?, logits.count() / classes);
    let weights = match class_weights {
        Some(weights) => {
            let of: Vec<u64> = weights.iter().map(|w| w.to_bits()).collect();
            device.kept_floats(("class weights", &of), || weights.iter().map(|w| *w as f32).collect())?
        }
        None => device.kept_floats(("ones", &[classes as u64]), || vec![1.0; classes])?,
    };
    let losses = device.empty(Kind::F32, rows)?;
    let slope = device.empty(Kind::F32, logits.count())?;
    size(logits.count())?;
    let mut arguments = arguments![logits, targets, &weights, &losses, &slope];
    arguments.extend(arguments![size(rows)?, size(classes)?, gamma as f32]);
    SOURCE.launch(device, ("loss_rows", storage), SOURCE.by_team(rows)?, arguments)?;
    let loss = device.empty(Kind::F32, 1)?;
    SOURCE.launch(device, ("mean_of", storage), [1, 1], arguments![&losses, &loss, size(rows)?])?;
    Ok((loss, slope))
}

/// The gradient of the logits from the slope, and that of the loss (1 number).
///
/// # Errors
/// Those of the device.
pub fn backward<D: Device>(
    device: &D,
    slope: &D::Buffer,
    factor: &D::Buffer,
    storage: Storage,
) -> Result<D::Buffer> {
    let n = slope.count();
    let dz = device.empty(storage.kind(), n)?;
    SOURCE.launch(
        device,
        ("loss_backward", storage),
        SOURCE.wide(n)?,
        arguments![slope, factor, &dz, size(n)?],
    )?;
    Ok(dz)
}
