//! The arithmetic of a draw: its shares, and the mixed values. No randomness.

use crate::{Mask, Mixing, PatchSource, Rect, Shares};
use candle_core::{Result, Tensor};
use tallow_kernels::{blend_masks, mix_rows, paste_boxes, paste_resized};

/// The shares of a draw on `inputs` rows of images or maps of `size`, or what is wrong with the draw. The shares of a
/// `Masked` are the means of its mask.
pub(crate) fn shares(
    mixing: &Mixing,
    inputs: usize,
    size: Option<(usize, usize)>,
) -> std::result::Result<Shares, String> {
    match mixing {
        Mixing::Keep => Ok(Shares::identity(inputs)),
        Mixing::Rows(shares) => shares.problem(inputs).map_or_else(|| Ok(shares.clone()), Err),
        Mixing::Masked { partner, mask, source } => {
            let size = size.ok_or("a mask needs images or maps, (R, C, H, W); place it at an earlier tap")?;
            if partner.len() != inputs || partner.iter().any(|&j| j as usize >= inputs) {
                return Err(format!("expected one partner for each of {inputs} rows, got {partner:?}"));
            }
            let masses = mask.masses(size)?;
            if masses.len() != 1 && masses.len() != inputs {
                return Err(format!(
                    "expected one mask or one for each of {inputs} rows, got {}",
                    masses.len()
                ));
            }
            if *source == PatchSource::Resized && !matches!(mask, Mask::Boxes(_)) {
                return Err("the whole partner goes into a rectangle, not into a soft mask".to_owned());
            }
            Ok(Shares::pairs(partner, |row| 1.0 - masses[row % masses.len()]))
        }
    }
}

/// The mixed values, (R, …) → (R_out, …), of a draw that [`shares`] accepted. Differentiable in `values`.
pub(crate) fn composite(mixing: &Mixing, values: &Tensor) -> Result<Tensor> {
    match mixing {
        Mixing::Keep => Ok(values.clone()),
        Mixing::Rows(shares) => mix_rows(shares.rows(), values),
        Mixing::Masked { partner, mask: Mask::Soft(masks), .. } => blend_masks(values, partner, masks),
        Mixing::Masked { partner, mask: Mask::Boxes(boxes), source } => {
            let sides = |rect: &Rect| (rect.top, rect.bottom, rect.left, rect.right);
            let boxes: Vec<_> = boxes.iter().map(sides).collect();
            match source {
                PatchSource::Aligned => paste_boxes(values, partner, &boxes),
                PatchSource::Resized => paste_resized(values, partner, &boxes),
            }
        }
    }
}

impl Mask {
    /// The mean of each mask, in [0, 1].
    fn masses(&self, (height, width): (usize, usize)) -> std::result::Result<Vec<f64>, String> {
        let pixels = height * width;
        match self {
            Mask::Boxes(boxes) => boxes
                .iter()
                .map(|rect| {
                    let inside = rect.top <= rect.bottom
                        && rect.bottom <= height
                        && rect.left <= rect.right
                        && rect.right <= width;
                    if inside {
                        Ok(rect.area() as f64 / pixels as f64)
                    } else {
                        Err(format!("expected a rectangle inside {height}×{width}, got {rect:?}"))
                    }
                })
                .collect(),
            Mask::Soft(masks) => masks
                .iter()
                .map(|mask| {
                    if mask.len() != pixels {
                        return Err(format!(
                            "expected masks of {height}×{width}, got one of {} pixels",
                            mask.len()
                        ));
                    }
                    if let Some(x) = mask.iter().find(|x| !(0.0..=1.0).contains(*x)) {
                        return Err(format!("expected masks from 0 to 1, got {x}"));
                    }
                    Ok(mask.iter().map(|&x| f64::from(x)).sum::<f64>() / pixels as f64)
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn images(rows: usize, height: usize, width: usize) -> Tensor {
        let values: Vec<f64> = (0..rows * 2 * height * width).map(|i| i as f64).collect();
        Tensor::from_vec(values, (rows, 2, height, width), &Device::Cpu).unwrap()
    }

    fn rect(top: usize, bottom: usize, left: usize, right: usize) -> Rect {
        Rect { top, bottom, left, right }
    }

    fn paste_of(partner: &[u32], mask: Mask, source: PatchSource) -> Mixing {
        Mixing::Masked { partner: partner.to_vec(), mask, source }
    }

    fn flat(values: &Tensor) -> Vec<f64> {
        values.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_box_is_pasted_and_counted() {
        let mixing = paste_of(&[1, 0], Mask::Boxes(vec![rect(0, 1, 1, 3)]), PatchSource::Aligned);
        let shares = shares(&mixing, 2, Some((2, 3))).unwrap();
        assert_eq!(shares.row(0), [(0, 1.0 - 2.0 / 6.0), (1, 1.0 - (1.0 - 2.0 / 6.0))]);
        let mixed = flat(&composite(&mixing, &images(2, 2, 3)).unwrap());
        // Row 0, both channels: 0 to 11; row 1: 12 to 23.
        assert_eq!(mixed[..12], [0., 13., 14., 3., 4., 5., 6., 19., 20., 9., 10., 11.]);
        assert_eq!(mixed[12..18], [12., 1., 2., 15., 16., 17.]);
    }

    #[test]
    fn one_box_for_each_row() {
        let mixing =
            paste_of(&[1, 1], Mask::Boxes(vec![rect(0, 1, 0, 1), rect(0, 0, 0, 0)]), PatchSource::Aligned);
        assert_eq!(shares(&mixing, 2, Some((1, 2))).unwrap().dense(), [0.5, 0.5, 0.0, 1.0]);
        assert_eq!(flat(&composite(&mixing, &images(2, 1, 2)).unwrap()), [4., 1., 6., 3., 4., 5., 6., 7.]);
    }

    #[test]
    fn a_soft_mask_weighs_each_pixel() {
        let mixing = paste_of(&[1, 0], Mask::Soft(vec![vec![0.0, 0.5]]), PatchSource::Aligned);
        assert_eq!(shares(&mixing, 2, Some((1, 2))).unwrap().dense(), [0.75, 0.25, 0.25, 0.75]);
        // pixel 1: .5 · 1 + .5 · 5 = 3, and so on
        assert_eq!(flat(&composite(&mixing, &images(2, 1, 2)).unwrap()), [0., 3., 2., 5., 4., 3., 6., 5.]);
    }

    #[test]
    fn the_whole_partner_is_resized() {
        let mixing = paste_of(&[1, 0], Mask::Boxes(vec![rect(0, 2, 0, 2)]), PatchSource::Resized);
        let mixed = composite(&mixing, &images(2, 4, 4)).unwrap();
        let corner: Vec<Vec<f64>> = mixed.get(0).unwrap().get(0).unwrap().to_vec2().unwrap();
        // 4 → 2, triangle of width 2: weights (3, 3, 1)/7 along each axis: columns at 5/7 and 16/7, rows four times that.
        let expected = |y: f64, x: f64| 32.0 + 4.0 * y + x;
        for (y, at_y) in [5.0 / 7.0, 16.0 / 7.0].into_iter().enumerate() {
            for (x, at_x) in [5.0 / 7.0, 16.0 / 7.0].into_iter().enumerate() {
                assert!((corner[y][x] - expected(at_y, at_x)).abs() < 1e-12);
            }
        }
        assert_eq!(corner[0][2..], [2.0, 3.0]);
        assert_eq!(corner[3], [12.0, 13.0, 14.0, 15.0]);
    }

    #[test]
    fn wrong_draws_are_named() {
        let size = Some((2, 2));
        let of = |partner: &[u32], mask, size| {
            shares(&paste_of(partner, mask, PatchSource::Aligned), 2, size).unwrap_err()
        };
        let whole = || Mask::Boxes(vec![rect(0, 2, 0, 2)]);
        assert!(of(&[0], whole(), size).contains("one partner for each of 2 rows"));
        assert!(of(&[0, 2], whole(), size).contains("one partner for each of 2 rows"));
        assert!(of(&[0, 1], whole(), None).contains("needs images or maps"));
        assert!(of(&[0, 1], Mask::Boxes(vec![rect(0, 3, 0, 2)]), size).contains("inside 2×2"));
        assert!(of(&[0, 1], Mask::Boxes(vec![]), size).contains("one mask or one for each"));
        assert!(of(&[0, 1], Mask::Soft(vec![vec![0.0; 3]]), size).contains("3 pixels"));
        assert!(of(&[0, 1], Mask::Soft(vec![vec![1.5; 4]]), size).contains("got 1.5"));
    }
}
