//! Two-dimensional convolution, by the way that suits the sizes.
//!
//! | sizes | way |
//! |---|---|
//! | one input channel a group | shifted rows; f32, 3×3 and 5×5 at stride 1 and 2 in registers, from padded rows |
//! | f32, several channels a group | groups put together to sixteen channels, each such block by a way below |
//! | f32, 3×3 at stride 1, channels in sixteens | Winograd's F(4×4, 3×3); maps of 2×2 by nine products |
//! | f32, any other kernel or stride, one group, channels in sixteens | a product that reads the input where it is |
//! | the rest: 1×1 at stride 1, f64, odd numbers of channels | products of `gemm` with the column matrix, tile by tile |

mod depthwise;
mod direct;
pub mod gpu;
mod grouped;
mod im2col;
mod lanes;
mod on_gpu;
mod product;
mod taps;
#[cfg(test)]
mod tests;
mod two;
mod winograd;

pub use depthwise::depthwise_last;

use crate::cpu::element::{Element, as_f32, tensor, view};
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{Result, Tensor, bail};

/// How a kernel slides: the same along both axes; `padding` zeros on every side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
    pub groups: usize,
}

impl Default for Conv {
    fn default() -> Conv {
        Conv { stride: 1, padding: 0, dilation: 1, groups: 1 }
    }
}

/// y[r, o, i, j] = Σ_(c, u, v) x[r, c, i·stride + u·dilation − padding, j·stride + v·dilation − padding] · weight[o, c, u, v].
///
/// `x` (R, C, H, W), `weight` (O, C / groups, kh, kw) → (R, O, H', W') with H' = ⌊(H + 2·padding − dilation·(kh − 1) − 1) / stride⌋ + 1;
/// output channel o sees the input channels of its group only. Differentiable in both.
///
/// # Errors
/// Fails on shapes that do not fit, on a kernel larger than the padded input, and on operands of two types.
pub fn conv2d(x: &Tensor, weight: &Tensor, conv: Conv) -> Result<Tensor> {
    apply("conv2d", Conv2d(Geometry::new(x, weight, conv)?), &[x, weight])
}

/// The sizes of one convolution.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    pub r: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
    pub o: usize,
    pub kh: usize,
    pub kw: usize,
    pub oh: usize,
    pub ow: usize,
    pub conv: Conv,
}

impl Geometry {
    /// Of `x` (R, C, H, W) and `weight` (O, C / groups, kh, kw).
    ///
    /// # Errors
    /// Fails where [`conv2d`] does.
    pub fn new(x: &Tensor, weight: &Tensor, conv: Conv) -> Result<Geometry> {
        let (Ok((r, c, h, w)), Ok((o, cg, kh, kw))) = (x.dims4(), weight.dims4()) else {
            bail!(
                "conv2d: expected (R, C, H, W) and (O, C/groups, kh, kw), got {:?} and {:?}",
                x.shape(),
                weight.shape()
            );
        };
        let Conv { stride, padding, dilation, groups } = conv;
        if stride == 0 || dilation == 0 || groups == 0 {
            bail!("conv2d: expected stride, dilation and groups of at least 1, got {conv:?}");
        }
        if r == 0 {
            bail!("conv2d: expected at least one row, got none");
        }
        if c != cg * groups || o % groups != 0 || o * kh * kw * cg == 0 {
            bail!(
                "conv2d: expected a weight (O, {c}/{groups}, kh, kw) with O divisible by {groups}, got {:?}",
                weight.shape()
            );
        }
        let size = |n: usize, k: usize| {
            (n + 2 * padding).checked_sub(dilation * (k - 1) + 1).map(|n| n / stride + 1)
        };
        let (Some(oh), Some(ow)) = (size(h, kh), size(w, kw)) else {
            bail!(
                "conv2d: the kernel ({kh}×{kw}, dilation {dilation}) is larger than the padded input ({h}×{w}, padding {padding})"
            );
        };
        Ok(Geometry { r, c, h, w, o, kh, kw, oh, ow, conv })
    }

    /// Input and output channels of one group.
    pub fn group(&self) -> (usize, usize) {
        (self.c / self.conv.groups, self.o / self.conv.groups)
    }

    /// Rows of the column matrix: numbers under one position of the kernel in one group.
    pub fn k(&self) -> usize {
        self.group().0 * self.kh * self.kw
    }

    pub fn input(&self) -> usize {
        self.r * self.c * self.h * self.w
    }

    pub fn output(&self) -> usize {
        self.r * self.o * self.oh * self.ow
    }

    pub fn weight(&self) -> usize {
        self.o * self.k()
    }

    fn depthwise(&self) -> bool {
        self.group().0 == 1 && self.conv.groups > 1
    }
}

/// Part of a batch's maps: images `n0..n1`, rows `r0..r1` of each.
#[derive(Clone, Copy)]
struct Chunk {
    n0: usize,
    n1: usize,
    r0: usize,
    r1: usize,
}

struct Conv2d(Geometry);

impl Op for Conv2d {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::Conv2d(self.0.conv))
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let g = self.0;
        let y = run_forward(&view::<T>(&x[0])?, &view::<T>(&x[1])?, &g);
        let backward = Conv2dBackward { x: x[0].clone(), weight: x[1].clone(), g };
        Output::cpu(y, (g.r, g.o, g.oh, g.ow), backward)
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let g = self.0;
        let y = on_gpu::forward(&here, [x[0], x[1]], &g)?;
        let backward = Conv2dBackward { x: x[0].detach(), weight: x[1].detach(), g };
        Ok(Some(Output::new(here.storage(y)?, (g.r, g.o, g.oh, g.ow), backward)))
    }

    /// candle's input gradient takes the remainder of the height for the width's, so both are cut to 0 first.
    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let (g, Conv { stride, padding, dilation, groups }) = (&self.0, self.0.conv);
        let used = |n: usize, k: usize| (n - 1) * stride + dilation * (k - 1) + 1;
        let padded = x[0].pad_with_zeros(2, padding, padding)?.pad_with_zeros(3, padding, padding)?;
        let cut = padded.narrow(2, 0, used(g.oh, g.kh))?.narrow(3, 0, used(g.ow, g.kw))?;
        cut.contiguous()?.conv2d(&x[1].contiguous()?, 0, stride, dilation, groups)
    }
}

/// The three computations, by the way that suits the sizes.
macro_rules! by_way {
    ($name:ident, $f:ident, $direct:ident) => {
        fn $name<T: Element>(a: &[T], b: &[T], g: &Geometry) -> Vec<T> {
            if g.depthwise() {
                return depthwise::$f(a, b, g);
            }
            let (Some(x), Some(y)) = (as_f32(a), as_f32(b)) else { return im2col::$f(a, b, g) };
            if grouped::fits(g) {
                cast(grouped::$f(x, y, g))
            } else if two::fits(g) {
                cast(two::$f(x, y, g))
            } else if winograd::fits(g) {
                cast(winograd::$f(x, y, g))
            } else if direct::$direct(g) {
                cast(direct::$f(x, y, g))
            } else {
                im2col::$f(a, b, g)
            }
        }
    };
}

by_way!(run_forward, forward, fits_output);
by_way!(run_input_gradient, input_gradient, fits_input);
by_way!(run_weight_gradient, weight_gradient, fits_output);

fn cast<T: Element>(x: Vec<f32>) -> Vec<T> {
    let mut x = Some(x);
    let any: &mut dyn std::any::Any = &mut x;
    any.downcast_mut::<Option<Vec<T>>>().and_then(Option::take).expect("T is f32")
}

struct Conv2dBackward {
    x: Tensor,
    weight: Tensor,
    g: Geometry,
}

impl Backward for Conv2dBackward {
    fn cpu<T: Element>(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (x, weight, dy) = (view::<T>(&self.x)?, view::<T>(&self.weight)?, view::<T>(&grad)?);
        let g = &self.g;
        let dx = wanted[0].then(|| tensor(run_input_gradient(&dy, &weight, g), self.x.shape()));
        let dw = wanted[1].then(|| tensor(run_weight_gradient(&dy, &x, g), self.weight.shape()));
        Ok(vec![dx, dw])
    }

    fn gpu(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (here, g) = (Here::of_gradient(&grad)?, &self.g);
        let dx = wanted[0].then(|| on_gpu::input_gradient(&here, [&grad, &self.weight], g)).transpose()?;
        let dw = wanted[1].then(|| on_gpu::weight_gradient(&here, [&self.x, &grad], g)).transpose()?;
        Ok(vec![dx, dw])
    }
}
