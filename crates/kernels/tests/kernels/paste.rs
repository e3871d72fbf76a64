//! Pasting parts of rows, and whole rows resized, against finite differences, the fallback, and f64.

use crate::support::{self, check, numbers, positive};
use candle_core::{DType, Result};
use tallow_kernels::*;

#[test]
fn pasting() -> Result<()> {
    let x = [numbers(&[3, 2, 4, 5], 14)];
    for partner in [[2, 0, 1], [0, 1, 2], [1, 1, 1]] {
        for boxes in [vec![(1, 3, 0, 2)], vec![(0, 4, 0, 5), (2, 2, 1, 4), (3, 4, 4, 5)]] {
            check(&format!("{partner:?} {boxes:?}"), &x, |t| paste_boxes(&t[0], &partner, &boxes))?;
        }
        let mask = |seed| {
            positive(&[20], seed).to_dtype(DType::F32).unwrap().affine(0.3, 0.0).unwrap().to_vec1().unwrap()
        };
        for masks in [vec![mask(1)], vec![mask(2), mask(3), vec![1.0; 20]]] {
            check(&format!("{partner:?} masks {}", masks.len()), &x, |t| {
                blend_masks(&t[0], &partner, &masks)
            })?;
        }
    }
    assert!(paste_boxes(&x[0], &[0, 1], &[(0, 1, 0, 1)]).is_err());
    assert!(paste_boxes(&x[0], &[0, 1, 3], &[(0, 1, 0, 1)]).is_err());
    assert!(paste_boxes(&x[0], &[0, 1, 2], &[(0, 5, 0, 1)]).is_err());
    assert!(blend_masks(&x[0], &[0, 1, 2], &[vec![2.0; 20]]).is_err());
    Ok(())
}

#[test]
fn pasting_whole_rows() -> Result<()> {
    let x = [numbers(&[3, 2, 7, 19], 14)];
    for partner in [[2, 0, 1], [0, 1, 2], [1, 1, 1]] {
        // Shrunk, of one side's length, of one pixel, whole, empty.
        for boxes in [
            vec![(1, 4, 2, 14)],
            vec![(0, 7, 0, 5), (6, 7, 18, 19), (2, 6, 0, 19)],
            vec![(0, 7, 0, 19), (3, 3, 1, 4), (0, 2, 1, 1)],
        ] {
            check(&format!("{partner:?} {boxes:?}"), &x, |t| paste_resized(&t[0], &partner, &boxes))?;
        }
    }
    let whole = paste_resized(&x[0], &[1, 2, 0], &[(0, 7, 0, 19)])?;
    support::near(&support::flat(&whole.get(0)?), &support::flat(&x[0].get(1)?), 1e-15);
    let refused =
        |partner: &[u32], boxes: &[_]| paste_resized(&x[0], partner, boxes).unwrap_err().to_string();
    assert!(refused(&[0, 1], &[(0, 1, 0, 1)]).contains("expected 3 partners below 3"));
    assert!(refused(&[0, 1, 3], &[(0, 1, 0, 1)]).contains("expected 3 partners below 3"));
    assert!(refused(&[0, 1, 2], &[(0, 8, 0, 1)]).contains("bottom ≤ 7"));
    assert!(refused(&[0, 1, 2], &[(0, 1, 0, 1); 2]).contains("1 or 3 regions"));
    Ok(())
}
