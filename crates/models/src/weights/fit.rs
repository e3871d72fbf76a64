//! Tensors of another shape, made to fit as timm makes them.

use crate::{ModelSpec, Params, Result};
use candle_core::{D, DType, Device, Tensor};
use std::collections::BTreeMap;

/// Shapes that differ in sides of 1 become ours; with `adapt`, other image channels and other grids of positions too.
pub(super) fn fit(
    params: &Params,
    spec: &ModelSpec,
    tensors: &mut BTreeMap<String, Tensor>,
    adapt: bool,
    notes: &mut Vec<String>,
) -> Result<()> {
    let first = format!("{}.weight", spec.first_conv);
    let mut reshaped = 0;
    for (name, param) in params.trainable.iter().chain(&params.buffers) {
        let Some(tensor) = tensors.get(name) else { continue };
        let (ours, theirs) = (param.var().dims(), tensor.dims().to_vec());
        if let Some(shape) = same_but_for_ones(&theirs, ours).filter(|shape| *shape != theirs) {
            tensors.insert(name.clone(), tensor.reshape(shape)?);
            reshaped += 1;
        } else if let Some((shape, ones)) = theirs.split_at_checked(ours.len())
            && !ones.is_empty()
            && ones.iter().all(|n| *n == 1)
        {
            // A head of other classes, which is a convolution there.
            tensors.insert(name.clone(), tensor.reshape(shape)?);
        } else if !adapt || theirs == ours || !tensor.dtype().is_float() {
        } else if let (true, [_, here, ..], [_, there, ..]) = (*name == first, ours, &theirs[..])
            && theirs.len() == 4
            && here != there
            && (theirs[0], &theirs[2..]) == (ours[0], &ours[2..])
        {
            let how = if *here == 1 { "summed" } else { "repeated and scaled" };
            notes.push(format!(
                "first convolution {}, channels: {there} in the file, {here} here: {how}, as timm does",
                spec.first_conv
            ));
            tensors.insert(name.clone(), adapt_input(tensor, *here)?);
        } else if let ([1, here, width], [1, there, other], true) =
            (ours, &theirs[..], name.ends_with("pos_embed") || name.ends_with("pos_embedding"))
            && width == other
            && let (Some((before, old)), Some((prefix, new))) = (grid(*there), grid(*here))
            && before == prefix
        {
            notes.push(format!(
                "position embeddings {name}: {old} by {old} in the file, {new} by {new} here: resampled, as timm does"
            ));
            tensors.insert(name.clone(), resample_positions(tensor, prefix, new)?);
        }
    }
    if reshaped > 0 {
        notes.push(format!("of the same elements in another shape in the file: {reshaped} tensor(s)"));
    }
    Ok(())
}

/// `ours`, if `theirs` differs from it in sides of 1 alone, or one is a linear layer of all that the other, a convolution, sees
/// of its maps: the elements are then in the same order.
fn same_but_for_ones(theirs: &[usize], ours: &[usize]) -> Option<Vec<usize>> {
    let more = |dims: &[usize]| dims.iter().copied().filter(|n| *n != 1).collect::<Vec<_>>();
    let flat = |linear: &[usize], convolution: &[usize]| match (linear, convolution) {
        ([o, i], [other, sides @ ..]) => {
            sides.len() == 3 && o == other && *i == sides.iter().product::<usize>()
        }
        _ => false,
    };
    (more(theirs) == more(ours) || flat(theirs, ours) || flat(ours, theirs)).then(|| ours.to_vec())
}

/// The prefix (class and distillation tokens, 0 to 2) and the side of a square grid of that many positions: no two squares
/// above 1 are 1 or 2 apart.
fn grid(positions: usize) -> Option<(usize, usize)> {
    (0..=2).find_map(|prefix| {
        let side = positions.checked_sub(prefix)?.isqrt();
        (side > 1 && side * side + prefix == positions).then_some((prefix, side))
    })
}

/// A convolution (O, I, h, w) for `channels` others: Σ over I for one, else the channels repeated in order and scaled by
/// I / channels. Source: timm 1.0 `adapt_input_conv`, whose I is 3.
///
/// # Errors
/// A weight that is no convolution's.
pub fn adapt_input(weight: &Tensor, channels: usize) -> Result<Tensor> {
    let theirs = weight.dim(1)?;
    if channels == 1 {
        return Ok(weight.to_dtype(DType::F64)?.sum_keepdim(1)?.to_dtype(weight.dtype())?);
    }
    let indices: Vec<u32> = (0..channels).map(|channel| (channel % theirs) as u32).collect();
    let repeated = weight.index_select(&Tensor::new(indices, &Device::Cpu)?, 1)?;
    let scaled = (repeated.to_dtype(DType::F64)? * (theirs as f64 / channels as f64))?;
    Ok(scaled.to_dtype(weight.dtype())?)
}

/// Position embeddings (1, prefix + s², width) for a grid of `side`²: the prefix as it is, the grid resampled by the
/// antialiased bicubic filter (a = −1/2) of `torch.nn.functional.interpolate`, in f64. Source: timm 1.0
/// `resample_abs_pos_embed`.
///
/// # Errors
/// A shape other than (1, prefix + s², width).
pub fn resample_positions(positions: &Tensor, prefix: usize, side: usize) -> Result<Tensor> {
    let (_, count, width) = positions.dims3()?;
    let old = (count - prefix).isqrt();
    let grid = positions.narrow(1, prefix, old * old)?.to_dtype(DType::F64)?.reshape((old, old * width))?;
    let weights = bicubic(old, side)?;
    // Rows, then columns.
    let grid = weights.matmul(&grid.contiguous()?)?.reshape((side, old, width))?;
    let grid = weights.broadcast_left(side)?.contiguous()?.matmul(&grid.contiguous()?)?;
    let grid = grid.reshape((1, side * side, width))?.to_dtype(positions.dtype())?;
    Ok(Tensor::cat(&[&positions.narrow(1, 0, prefix)?, &grid], D::Minus2)?)
}

/// The matrix (to, from) that resamples a line.
fn bicubic(from: usize, to: usize) -> Result<Tensor> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let kernel = |x: f64| match x.abs() {
        x if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        x if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
        _ => 0.0,
    };
    let mut matrix = vec![0.0; to * from];
    for (row, weights) in matrix.chunks_mut(from).enumerate() {
        let centre = scale * (row as f64 + 0.5);
        let first = (centre - 2.0 * stretch + 0.5).max(0.0) as usize;
        let end = ((centre + 2.0 * stretch + 0.5) as usize).min(from);
        for (index, weight) in weights.iter_mut().enumerate().take(end).skip(first) {
            *weight = kernel((index as f64 - centre + 0.5) / stretch);
        }
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
    }
    Ok(Tensor::from_vec(matrix, (to, from), &Device::Cpu)?)
}
