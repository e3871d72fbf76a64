//! Pooling with padding and any stride.

pub mod gpu;

use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::{Shared, filled};
use crate::cpu::planes;
use crate::dispatch::{Op, apply, host};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{Result, Tensor, bail};

/// y[i, j] = max over u, v < kernel of x[i·stride + u − padding, j·stride + v − padding], positions outside x left out.
///
/// `x` (R, C, H, W) → (R, C, H', W') with H' = ⌊(H + 2·padding − kernel) / stride⌋ + 1. The gradient goes to the first
/// maximum in row order, as in PyTorch; a NaN is the maximum.
///
/// # Errors
/// Fails on a kernel larger than the padded input, or less than twice the padding.
pub fn max_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    apply("max_pool2d", MaxPool(Window::new("max_pool2d", x, kernel, stride, padding)?), &[x])
}

/// y[i, j] = Σ over u, v < kernel of x[i·stride + u − padding, j·stride + v − padding] / n, positions outside x being 0.
///
/// n is kernel² with `count_include_pad`, else the number of positions inside x. Shapes as [`max_pool2d`].
///
/// # Errors
/// Fails where [`max_pool2d`] does.
pub fn avg_pool2d(
    x: &Tensor,
    kernel: usize,
    stride: usize,
    padding: usize,
    count_include_pad: bool,
) -> Result<Tensor> {
    let window = Window::new("avg_pool2d", x, kernel, stride, padding)?;
    apply("avg_pool2d", AvgPool { window, count_include_pad, ceil: false }, &[x])
}

/// [`avg_pool2d`] without padding whose last window may hang over the edge: the mean of what it covers. H' = ⌈(H − kernel) / stride⌉ + 1:
/// torch's `AvgPool2d(kernel, stride, ceil_mode=True, count_include_pad=False)`.
///
/// # Errors
/// Fails on a kernel that is 0 or less than the stride.
pub fn avg_pool2d_ceil(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    let window = Window::hanging(x, kernel, stride)?;
    apply("avg_pool2d_ceil", AvgPool { window, count_include_pad: false, ceil: true }, &[x])
}

/// Mean over H and W: (R, C, H, W) → (R, C).
///
/// # Errors
/// Fails where x is no (R, C, H, W) with a position.
pub fn global_avg_pool(x: &Tensor) -> Result<Tensor> {
    let (r, c, h, w) = x.dims4()?;
    if h * w == 0 {
        bail!("global_avg_pool: expected a map of at least one position, got {:?}", x.shape());
    }
    apply("global_avg_pool", GlobalAvgPool { r, c, h, w }, &[x])
}

/// The sizes of one pooling.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    r: usize,
    c: usize,
    h: usize,
    w: usize,
    oh: usize,
    ow: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Window {
    /// Of `x` (R, C, H, W); errors begin with `op`.
    ///
    /// # Errors
    /// Fails where [`max_pool2d`] does.
    pub fn new(op: &str, x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Window> {
        let (r, c, h, w) = x.dims4()?;
        if kernel == 0 || stride == 0 || 2 * padding > kernel {
            bail!(
                "{op}: expected kernel and stride of at least 1 and padding of at most kernel/2, got {kernel}, {stride}, {padding}"
            );
        }
        let size = |n: usize| (n + 2 * padding).checked_sub(kernel).filter(|_| n > 0).map(|n| n / stride + 1);
        let (Some(oh), Some(ow)) = (size(h), size(w)) else {
            bail!("{op}: the kernel ({kernel}) is larger than the padded input ({h}×{w}, padding {padding})");
        };
        Ok(Window { r, c, h, w, oh, ow, kernel, stride, padding })
    }

    /// Of [`avg_pool2d_ceil`].
    ///
    /// # Errors
    /// Fails where that does.
    pub fn hanging(x: &Tensor, kernel: usize, stride: usize) -> Result<Window> {
        let (r, c, h, w) = x.dims4()?;
        if stride == 0 || kernel < stride || h * w == 0 {
            bail!(
                "avg_pool2d_ceil: expected maps and a kernel of at least the stride, got {:?}, {kernel} and {stride}",
                x.shape()
            );
        }
        let size = |n: usize| n.saturating_sub(kernel).div_ceil(stride) + 1;
        Ok(Window { r, c, h, w, oh: size(h), ow: size(w), kernel, stride, padding: 0 })
    }

    /// Input positions start..end under the window at output position `i`, along an axis of `n`.
    #[inline]
    fn span(&self, i: usize, n: usize) -> (usize, usize) {
        let start = (i * self.stride).saturating_sub(self.padding);
        (start, (i * self.stride + self.kernel - self.padding).min(n))
    }

    /// A map for every map of `plane` numbers of `x`, given to `f` with it.
    fn maps<T: Element>(
        &self,
        x: &[T],
        (plane, map): (usize, usize),
        f: impl Fn(usize, &[T], &mut [T]) + Send + Sync,
    ) -> Vec<T> {
        filled(self.r * self.c, map, 16384 / (self.h * self.w), |p0, y: &mut [T]| {
            for (i, y) in y.chunks_exact_mut(map).enumerate() {
                f(p0 + i, &x[(p0 + i) * plane..][..plane], y);
            }
        })
    }

    fn shape_in(&self) -> (usize, usize, usize, usize) {
        (self.r, self.c, self.h, self.w)
    }

    fn shape_out(&self) -> (usize, usize, usize, usize) {
        (self.r, self.c, self.oh, self.ow)
    }

    /// Numbers of one map of the input and of the output.
    fn sizes(&self) -> (usize, usize) {
        (self.h * self.w, self.oh * self.ow)
    }

    /// `f(output position, rows, columns)` in row order.
    #[inline(always)]
    fn each(&self, mut f: impl FnMut(usize, (usize, usize), (usize, usize))) {
        for i in 0..self.oh {
            let rows = self.span(i, self.h);
            for j in 0..self.ow {
                f(i * self.ow + j, rows, self.span(j, self.w));
            }
        }
    }

    /// x padded by `fill`, seen through each of the kernel's positions.
    fn views(&self, x: &Tensor, fill: f64) -> Result<Vec<Tensor>> {
        let mut x = x.clone();
        for (dim, n, out) in [(2, self.h, self.oh), (3, self.w, self.ow)] {
            // As far as the last window reaches.
            let after = ((out - 1) * self.stride + self.kernel).saturating_sub(self.padding + n);
            for (size, last) in [(self.padding, false), (after, true)].into_iter().filter(|edge| edge.0 > 0) {
                let mut dims = x.dims().to_vec();
                dims[dim] = size;
                let edge = host(vec![fill; dims.iter().product()], dims, &x)?;
                x = if last { Tensor::cat(&[&x, &edge], dim)? } else { Tensor::cat(&[&edge, &x], dim)? };
            }
        }
        let steps = |start: usize, n: usize| {
            let ids: Vec<u32> = (0..n).map(|i| (start + i * self.stride) as u32).collect();
            Tensor::from_vec(ids, n, x.device())
        };
        let mut views = Vec::new();
        for u in 0..self.kernel {
            let rows = x.index_select(&steps(u, self.oh)?, 2)?;
            for v in 0..self.kernel {
                views.push(rows.index_select(&steps(v, self.ow)?, 3)?);
            }
        }
        Ok(views)
    }

    #[inline]
    fn count(&self, rows: (usize, usize), columns: (usize, usize), padding: bool) -> f64 {
        let inside = (rows.1 - rows.0) * (columns.1 - columns.0);
        if padding { (self.kernel * self.kernel) as f64 } else { inside as f64 }
    }
}

struct MaxPool(Window);

impl Op for MaxPool {
    fn record(&self) -> Option<record::Op> {
        let Window { kernel, stride, padding, .. } = self.0;
        Some(record::Op::MaxPool { kernel, stride, padding })
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let window = self.0;
        let (plane, map) = window.sizes();
        let mut places = vec![0u32; window.r * window.c * map];
        let out = Shared::new(&mut places);
        let y = window.maps(&view::<T>(&x[0])?, (plane, map), |p, x, y| {
            // SAFETY: one map per plane.
            let places = unsafe { out.slice(p * map, map) };
            window.each(|at, rows, columns| {
                let (mut best, mut place) = (x[rows.0 * window.w + columns.0], rows.0 * window.w + columns.0);
                for row in rows.0..rows.1 {
                    let line = &x[row * window.w..][columns.0..columns.1];
                    for (j, &v) in line.iter().enumerate() {
                        #[allow(clippy::eq_op)] // NaN
                        if v > best || v != v {
                            (best, place) = (v, row * window.w + columns.0 + j);
                        }
                    }
                }
                (y[at], places[at]) = (best, place as u32);
            });
        });
        let backward = MaxPoolBackward { window, places: tensor(places, window.r * window.c * map) };
        Output::cpu(y, (window.r, window.c, window.oh, window.ow), backward)
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let window = self.0;
        let (y, places) = gpu::max_forward(&here, &here.buffer(x[0])?, window)?;
        let backward = MaxPoolBackward { window, places: here.tensor(places, window.shape_out())? };
        Ok(Some(Output::new(here.storage(y)?, window.shape_out(), backward)))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let mut views = self.0.views(x[0], f64::NEG_INFINITY)?.into_iter();
        let first = views.next().expect("a kernel has a position");
        views.try_fold(first, |best, view| {
            let better = (view.gt(&best)? + view.ne(&view)?)?; // NaN ≠ NaN
            better.where_cond(&view, &best)
        })
    }
}

struct MaxPoolBackward {
    window: Window,
    /// Where in its plane each maximum was.
    places: Tensor,
}

impl Backward for MaxPoolBackward {
    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (plane, map) = self.window.sizes();
        let places = view::<u32>(&self.places)?;
        let places = &*places;
        let dx = self.window.maps(&view::<T>(&grad)?, (map, plane), |p, dy, dx| {
            dx.fill(T::zero());
            dy.iter().zip(&places[p * map..]).for_each(|(dy, at)| dx[*at as usize] += *dy);
        });
        Ok(vec![Some(tensor(dx, self.window.shape_in()))])
    }

    fn gpu(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let dx = gpu::max_backward(&here, &here.buffer(&grad)?, &here.buffer(&self.places)?, self.window)?;
        Ok(vec![Some(here.tensor(dx, self.window.shape_in())?)])
    }
}

#[derive(Clone, Copy)]
struct AvgPool {
    window: Window,
    count_include_pad: bool,
    ceil: bool,
}

impl Op for AvgPool {
    fn record(&self) -> Option<record::Op> {
        let AvgPool { window: Window { kernel, stride, padding, .. }, count_include_pad, ceil } = *self;
        Some(record::Op::AvgPool { kernel, stride, padding, count_include_pad, ceil })
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let window = self.window;
        let y = window.maps(&view::<T>(&x[0])?, window.sizes(), |_, x, y| {
            window.each(|at, rows, columns| {
                let mut sum = T::zero();
                for row in rows.0..rows.1 {
                    x[row * window.w..][columns.0..columns.1].iter().for_each(|x| sum += *x);
                }
                y[at] = sum / T::from_f64(window.count(rows, columns, self.count_include_pad));
            });
        });
        Output::cpu(y, (window.r, window.c, window.oh, window.ow), AvgPoolBackward(*self))
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let y = gpu::avg_forward(&here, &here.buffer(x[0])?, self.window, self.count_include_pad)?;
        Ok(Some(Output::new(here.storage(y)?, self.window.shape_out(), AvgPoolBackward(*self))))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let window = &self.window;
        let mut views = window.views(x[0], 0.0)?.into_iter();
        let first = views.next().expect("a kernel has a position");
        let sum = views.try_fold(first, |sum, view| sum + view)?;
        let mut counts = vec![0.0; window.oh * window.ow];
        window
            .each(|at, rows, columns| counts[at] = 1.0 / window.count(rows, columns, self.count_include_pad));
        sum.broadcast_mul(&host(counts, (1, 1, window.oh, window.ow), x[0])?)
    }
}

struct AvgPoolBackward(AvgPool);

impl Backward for AvgPoolBackward {
    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let AvgPool { window, count_include_pad, .. } = self.0;
        let (plane, map) = window.sizes();
        let dx = window.maps(&view::<T>(&grad)?, (map, plane), |_, dy, dx| {
            dx.fill(T::zero());
            window.each(|at, rows, columns| {
                let share = dy[at] / T::from_f64(window.count(rows, columns, count_include_pad));
                for row in rows.0..rows.1 {
                    dx[row * window.w..][columns.0..columns.1].iter_mut().for_each(|dx| *dx += share);
                }
            });
        });
        Ok(vec![Some(tensor(dx, window.shape_in()))])
    }

    fn gpu(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (here, AvgPool { window, count_include_pad, .. }) = (Here::of_gradient(&grad)?, self.0);
        let dx = gpu::avg_backward(&here, &here.buffer(&grad)?, window, count_include_pad)?;
        Ok(vec![Some(here.tensor(dx, window.shape_in())?)])
    }
}

#[derive(Clone, Copy)]
struct GlobalAvgPool {
    r: usize,
    c: usize,
    h: usize,
    w: usize,
}

impl Op for GlobalAvgPool {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::GlobalAvgPool)
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let GlobalAvgPool { r, c, h, w } = *self;
        let (xs, plane) = (view::<T>(&x[0])?, h * w);
        let xs = &*xs;
        let y = filled(r * c, 1, 32768 / plane, |p0, y| {
            for (y, x) in y.iter_mut().zip(xs[p0 * plane..].chunks_exact(plane)) {
                *y = planes::sum(x, |x| x) / T::from_f64(plane as f64);
            }
        });
        Output::cpu(y, (r, c), GlobalAvgPoolBackward(*self))
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let y = gpu::global_forward(&here, &here.buffer(x[0])?, self.h * self.w)?;
        Ok(Some(Output::new(here.storage(y)?, (self.r, self.c), GlobalAvgPoolBackward(*self))))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        x[0].flatten_from(2)?.mean(2)
    }
}

struct GlobalAvgPoolBackward(GlobalAvgPool);

impl Backward for GlobalAvgPoolBackward {
    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let GlobalAvgPool { r, c, h, w } = self.0;
        let (dy, plane) = (view::<T>(&grad)?, h * w);
        let dy = &*dy;
        let dx = filled(r * c, plane, 32768 / plane, |p0, dx| {
            for (dx, dy) in dx.chunks_exact_mut(plane).zip(&dy[p0..]) {
                dx.fill(*dy / T::from_f64(plane as f64));
            }
        });
        Ok(vec![Some(tensor(dx, (r, c, h, w)))])
    }

    fn gpu(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (here, GlobalAvgPool { r, c, h, w }) = (Here::of_gradient(&grad)?, self.0);
        let dx = gpu::global_backward(&here, &here.buffer(&grad)?, h * w)?;
        Ok(vec![Some(here.tensor(dx, (r, c, h, w))?)])
    }
}
