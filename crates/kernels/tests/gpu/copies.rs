//! Copies on the emulated GPU and on the CPU: blocks of rows, permuted axes.

use crate::bench::{Bench, gradients};
use candle_core::{Result, Tensor};
use tallow_kernels::launches::{block, rearrange};

pub fn blocks(bench: &Bench) -> Result<()> {
    // (R, axis, inner), and what is taken of the axis: its begin, its end, its middle, one of it.
    for ((r, axis, inner), begin, length) in
        [((3, 7, 5), 0, 2), ((2, 9, 300), 4, 5), ((5, 11, 1), 3, 4), ((1, 2, 3), 1, 1)]
    {
        let (x, on) = bench.normal(&[r, axis, inner], 1)?;
        let f = |x: &Tensor| tallow_kernels::narrow(x, 1, begin, length);
        let y = block::part(bench.device, &on, axis * inner, begin * inner, length * inner)?;
        bench.same("narrow", &y, &f(&x)?)?;
        let (dy, on_dy) = bench.normal(&[r, length, inner], 2)?;
        let dx = block::padded(bench.device, &on_dy, length * inner, begin * inner, axis * inner)?;
        bench.same("narrow gradient", &dx, &gradients(&[&x], &dy, |x| f(&x[0]))?[0])?;
        let after = axis - begin - length;
        bench.same("pad", &dx, &tallow_kernels::pad(&dy, 1, begin, after)?)?;
        if length == 1 {
            bench.same("select", &y, &tallow_kernels::select(&x, 1, begin)?)?;
        }
        assert!(block::part(bench.device, &on, axis * inner, begin * inner + 1, axis * inner).is_err());
    }
    let part = |c: usize| bench.normal(&[3, c, 4, 4], c as u64);
    let ((a, on_a), (b, on_b), (c, on_c)) = (part(2)?, part(5)?, part(1)?);
    let y = block::concat(bench.device, &[&on_a, &on_b, &on_c], 3)?;
    bench.same("concat_channels", &y, &tallow_kernels::concat_channels(&[&a, &b, &c])?)?;
    let (dy, on_dy) = bench.normal(&[3, 8, 4, 4], 9)?;
    let joined = |x: &[Tensor]| tallow_kernels::concat_channels(&x.iter().collect::<Vec<_>>());
    let want = gradients(&[&a, &b, &c], &dy, joined)?;
    for (want, (begin, length)) in want.iter().zip([(0, 2), (2, 5), (7, 1)]) {
        let dx = block::part(bench.device, &on_dy, 8 * 16, begin * 16, length * 16)?;
        bench.same("concat_channels gradient", &dx, want)?;
    }
    Ok(())
}

/// Axes, and their order.
type Order = (&'static [usize], &'static [usize]);

pub fn rearranged(bench: &Bench) -> Result<()> {
    let cases: [Order; 8] = [
        // Transpositions of one plane and of several: below a tile, a tile and one more.
        (&[5, 7], &[1, 0]),
        (&[3, 33, 65], &[0, 2, 1]),
        (&[2, 64, 32], &[0, 2, 1]),
        // No transposition: planes change their places too, runs stay together, nothing moves.
        (&[4, 3, 5], &[1, 2, 0]),
        (&[3, 4, 5], &[1, 0, 2]),
        (&[3, 4, 5], &[2, 1, 0]),
        (&[6, 1, 9], &[0, 1, 2]),
        // Patches to rows, six axes.
        (&[2, 3, 4, 5, 2, 3], &[0, 2, 4, 3, 5, 1]),
    ];
    for (dims, order) in cases {
        let (x, on) = bench.normal(dims, 3)?;
        let shape: Vec<usize> = order.iter().map(|axis| dims[*axis]).collect();
        let want = tallow_kernels::rearrange(&x, dims, order, &shape)?;
        let y = rearrange::permute(bench.device, &on, dims, order)?;
        bench.same(&format!("{dims:?} in the order {order:?}"), &y, &want)?;
    }
    let (_, on) = bench.normal(&[128], 1)?;
    let apart = rearrange::permute(bench.device, &on, &[2; 7], &[6, 5, 4, 3, 2, 1, 0]);
    assert!(apart.err().unwrap().to_string().contains("at most 6 axes apart"));
    Ok(())
}
