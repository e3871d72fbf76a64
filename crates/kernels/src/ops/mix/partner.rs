//! Rows that take of one partner each: checks, and the loops over channels.

use crate::cpu::element::Element;
use crate::cpu::parallel::filled;
use candle_core::{Result, Tensor, bail};

/// (top, bottom, left, right) in pixels, bottom and right excluded.
pub(super) type Bounds = (usize, usize, usize, usize);

pub(super) fn check_boxes(op: &str, values: &Tensor, boxes: &[Bounds]) -> Result<()> {
    let (_, _, h, w) = values.dims4()?;
    if let Some(b) = boxes.iter().find(|(t, b, l, r)| t > b || *b > h || l > r || *r > w) {
        bail!("{op}: expected top ≤ bottom ≤ {h} and left ≤ right ≤ {w}, got {b:?}");
    }
    Ok(())
}

/// A partner for each row, and one region or one for each row.
pub(super) fn check_partners(op: &str, values: &Tensor, partner: &[u32], count: usize) -> Result<()> {
    let r = values.dim(0)?;
    if partner.len() != r
        || partner.iter().any(|p| *p as usize >= r)
        || (count != 1 && count != r)
        || values.elem_count() == 0
    {
        bail!(
            "{op}: expected {r} partners below {r} and 1 or {r} regions, got {} partners and {count} regions",
            partner.len()
        );
    }
    Ok(())
}

/// Each channel of each row, from its own and its partner's: `f(row, own, partner's, result)`.
pub(super) fn gather<T: Element>(
    x: &[T],
    partner: &[u32],
    (c, plane): (usize, usize),
    f: impl Fn(usize, &[T], &[T], &mut [T]) + Send + Sync,
) -> Vec<T> {
    filled(partner.len() * c, plane, 1, |at, y| {
        let (i, channel) = (at / c, at % c);
        let other = &x[(partner[i] as usize * c + channel) * plane..][..plane];
        f(i, &x[at * plane..][..plane], other, y);
    })
}

/// The transpose: `own(row, dy, dx)` writes what a row's result gives the row itself, `other(row, dy, dx)` adds what it gives
/// the partner.
pub(super) fn scatter<T: Element>(
    dy: &[T],
    partner: &[u32],
    (c, plane): (usize, usize),
    own: impl Fn(usize, &[T], &mut [T]) + Send + Sync,
    other: impl Fn(usize, &[T], &mut [T]) + Send + Sync,
) -> Vec<T> {
    // For each row, the rows whose partner it is.
    let mut sources = vec![Vec::new(); partner.len()];
    partner.iter().enumerate().for_each(|(i, j)| sources[*j as usize].push(i));
    filled(partner.len() * c, plane, 1, |at, dx: &mut [T]| {
        let (i, channel) = (at / c, at % c);
        own(i, &dy[at * plane..][..plane], dx);
        for &source in &sources[i] {
            other(source, &dy[(source * c + channel) * plane..][..plane], dx);
        }
    })
}
