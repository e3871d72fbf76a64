//! Convolution on a GPU: depthwise by a kernel of ours, any other by the vendor's library, and where that does not take it as products
//! with the column matrix, some rows of the batch at a time.

use super::{Conv, Geometry, gpu};
use crate::gpu::{Buffer, Convolution, Here, Pass, Storage, tf32_is_allowed};
use crate::ops::{block, sums};
use candle_core::{Result, Tensor};

/// Numbers of the column matrix, or of weights by row, that are held at once: 256 MiB of f32.
const NUMBERS: usize = 1 << 26;

impl Geometry {
    fn asked(&self, pass: Pass, of: &Tensor) -> Convolution {
        let storage = Storage::of_type(of.dtype()).expect("there is no `Here` for others");
        let Geometry { r, c, h, w, o, kh, kw, oh, ow, conv } = *self;
        let Conv { stride, padding, dilation, groups } = conv;
        Convolution {
            pass,
            x: [r, c, h, w],
            w: [o, c / groups, kh, kw],
            y: [r, o, oh, ow],
            stride,
            padding,
            dilation,
            storage,
            channels_last: false,
            tf32: storage == Storage::F32 && tf32_is_allowed(),
        }
    }

    /// (R·groups, ·, positions): the operands of products by row and group.
    fn each(&self, rows: usize) -> (usize, usize, usize) {
        (rows * self.conv.groups, self.k(), self.oh * self.ow)
    }

    /// Rows of the batch that are computed at once, where a row takes `numbers`.
    fn cuts(&self, numbers: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (all, each) = (self.r, (NUMBERS / numbers).max(1));
        (0..all).step_by(each).map(move |start| (start, each.min(all - start)))
    }

    fn columns(&self) -> usize {
        self.conv.groups * self.k() * self.oh * self.ow
    }

    /// Numbers of weights that are copied for each row, see [`weights`].
    fn copies(&self) -> usize {
        if self.conv.groups > 1 { self.weight() } else { 0 }
    }
}

/// y of x and weight.
pub(super) fn forward(here: &Here, [x, weight]: [&Tensor; 2], g: &Geometry) -> Result<Buffer> {
    if g.depthwise() {
        return gpu::depthwise(here, &here.buffer(x)?, &here.buffer(weight)?, g);
    }
    if let Some(y) = here.convolve(g.asked(Pass::Forward, x), [x, weight])? {
        return Ok(y);
    }
    let of_cut = |(start, rows)| {
        here.buffer(&weights(weight, g, rows)?.matmul(&columns(here, x, g, (start, rows))?)?)
    };
    let cuts = g.cuts(g.columns().max(g.copies())).map(of_cut).collect::<Result<Vec<_>>>()?;
    block::gpu::concat(here, &cuts.iter().collect::<Vec<_>>(), 1)
}

/// dx of dy and weight.
pub(super) fn input_gradient(here: &Here, [dy, weight]: [&Tensor; 2], g: &Geometry) -> Result<Tensor> {
    let shape = (g.r, g.c, g.h, g.w);
    if g.depthwise() {
        return here.tensor(gpu::depthwise_input(here, &here.buffer(dy)?, &here.buffer(weight)?, g)?, shape);
    }
    if let Some(dx) = here.convolve(g.asked(Pass::Input, dy), [weight, dy])? {
        return here.tensor(dx, shape);
    }
    let of_cut = |(start, rows)| {
        let columns = weights(weight, g, rows)?.t()?.matmul(&by_group(dy, g, (start, rows))?)?;
        let dx = if pointwise(g) {
            columns
        } else {
            let dx = gpu::col2im(here, &here.buffer(&columns)?, &Geometry { r: rows, ..*g })?;
            here.tensor(dx, (rows, g.c, g.h, g.w))?
        };
        dx.reshape((rows, g.c, g.h, g.w))
    };
    let cuts = g.cuts(g.columns().max(g.copies())).map(of_cut).collect::<Result<Vec<_>>>()?;
    if let [all] = &cuts[..] { Ok(all.clone()) } else { Tensor::cat(&cuts, 0) }
}

/// dweight of x and dy.
pub(super) fn weight_gradient(here: &Here, [x, dy]: [&Tensor; 2], g: &Geometry) -> Result<Tensor> {
    let shape = (g.o, g.group().0, g.kh, g.kw);
    if g.depthwise() {
        return here.tensor(gpu::depthwise_weight(here, &here.buffer(x)?, &here.buffer(dy)?, g)?, shape);
    }
    if let Some(dw) = here.convolve(g.asked(Pass::Weight, x), [x, dy])? {
        return here.tensor(dw, shape);
    }
    let mut sum: Option<Tensor> = None;
    for cut in g.cuts(g.columns().max(g.weight())) {
        let by_row = by_group(dy, g, cut)?.matmul(&columns(here, x, g, cut)?.t()?)?;
        let part = here.tensor(sums::columns(here, &here.buffer(&by_row)?, g.weight())?, shape)?;
        sum = Some(match sum {
            Some(sum) => (sum + part)?,
            None => part,
        });
    }
    sum.expect("a batch has a row at least").to_dtype(x.dtype())
}

/// The column matrix is the input.
fn pointwise(g: &Geometry) -> bool {
    (g.kh, g.kw, g.conv.stride, g.conv.padding) == (1, 1, 1, 0)
}

/// The column matrix of rows of x: (rows·groups, K, positions).
fn columns(here: &Here, x: &Tensor, g: &Geometry, (start, rows): (usize, usize)) -> Result<Tensor> {
    let x = x.detach().narrow(0, start, rows)?;
    if pointwise(g) {
        return x.contiguous()?.reshape(g.each(rows));
    }
    let columns = gpu::im2col(here, &here.buffer(&x)?, &Geometry { r: rows, ..*g })?;
    here.tensor(columns, g.each(rows))
}

/// Rows of dy: (rows·groups, O / groups, positions).
fn by_group(dy: &Tensor, g: &Geometry, (start, rows): (usize, usize)) -> Result<Tensor> {
    let (n, _, positions) = g.each(rows);
    dy.detach().narrow(0, start, rows)?.contiguous()?.reshape((n, g.group().1, positions))
}

/// The weight for each row and group: (rows·groups, O / groups, K); in one group without a copy.
fn weights(weight: &Tensor, g: &Geometry, rows: usize) -> Result<Tensor> {
    let (n, k, _) = g.each(rows);
    let (groups, og) = (g.conv.groups, g.group().1);
    let weight = weight.detach().contiguous()?;
    if groups == 1 {
        return weight.reshape((1, og, k))?.broadcast_as((n, og, k));
    }
    weight.reshape((1, groups, og, k))?.broadcast_as((rows, groups, og, k))?.reshape((n, og, k))
}
