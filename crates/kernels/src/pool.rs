//! Pooling with padding and any stride.

use crate::element::{Element, by_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, pieces, unfilled};
use crate::record::{Op, step};
use crate::switch::{composed, host};
use candle_core::{Result, Tensor, bail};
use std::marker::PhantomData;

/// y[i, j] = max over u, v < kernel of x[i·stride + u − padding, j·stride + v − padding], positions outside x left out.
///
/// `x` (R, C, H, W) → (R, C, H', W') with H' = ⌊(H + 2·padding − kernel) / stride⌋ + 1. The gradient goes to the first
/// maximum in row order, as in PyTorch; a NaN is the maximum.
///
/// # Errors
/// A kernel larger than the padded input, or less than twice the padding.
pub fn max_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let window = Window::new("max_pool2d", x, kernel, stride, padding)?;
    step(Op::MaxPool { kernel, stride, padding }, &[x], || {
        if composed(x) {
            return window.composed_max(x);
        }
        by_dtype!(x.dtype(), run_max(x, window))
    })
}

/// y[i, j] = Σ over u, v < kernel of x[i·stride + u − padding, j·stride + v − padding] / n, positions outside x being 0.
///
/// n is kernel² with `count_include_pad`, else the number of positions inside x. Shapes and errors as [`max_pool2d`].
pub fn avg_pool2d(
    x: &Tensor,
    kernel: usize,
    stride: usize,
    padding: usize,
    count_include_pad: bool,
) -> Result<Tensor> {
    let window = Window::new("avg_pool2d", x, kernel, stride, padding)?;
    let op = Op::AvgPool { kernel, stride, padding, count_include_pad, ceil: false };
    step(op, &[x], || {
        if composed(x) {
            return window.composed_avg(x, count_include_pad);
        }
        by_dtype!(x.dtype(), run_avg(x, window, count_include_pad))
    })
}

/// [`avg_pool2d`] without padding whose last window may hang over the edge: the mean of what it covers. H' = ⌈(H − kernel) / stride⌉ + 1:
/// torch's `AvgPool2d(kernel, stride, ceil_mode=True, count_include_pad=False)`.
///
/// # Errors
/// A kernel that is 0 or less than the stride.
pub fn avg_pool2d_ceil(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    let (r, c, h, w) = x.dims4()?;
    if stride == 0 || kernel < stride || h * w == 0 {
        bail!(
            "avg_pool2d_ceil: expected maps and a kernel of at least the stride, got {:?}, {kernel} and {stride}",
            x.shape()
        );
    }
    let size = |n: usize| n.saturating_sub(kernel).div_ceil(stride) + 1;
    let window = Window { planes: r * c, h, w, oh: size(h), ow: size(w), kernel, stride, padding: 0 };
    let op = Op::AvgPool { kernel, stride, padding: 0, count_include_pad: false, ceil: true };
    step(op, &[x], || {
        if composed(x) {
            return window.composed_avg(x, false);
        }
        by_dtype!(x.dtype(), run_avg(x, window, false))
    })
}

/// Mean over H and W: (R, C, H, W) → (R, C).
pub fn global_avg_pool(x: &Tensor) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    if h * w == 0 {
        bail!("global_avg_pool: expected a map of at least one position, got {:?}", x.shape());
    }
    step(Op::GlobalAvgPool, &[x], || {
        if composed(x) {
            return x.flatten_from(2)?.mean(2);
        }
        by_dtype!(x.dtype(), run_global(x))
    })
}

#[derive(Clone, Copy)]
struct Window {
    planes: usize,
    h: usize,
    w: usize,
    oh: usize,
    ow: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Window {
    fn new(op: &str, x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Window> {
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
        Ok(Window { planes: r * c, h, w, oh, ow, kernel, stride, padding })
    }

    /// Input positions start..end under the window at output position `i`, along an axis of `n`.
    #[inline]
    fn span(&self, i: usize, n: usize) -> (usize, usize) {
        let start = (i * self.stride).saturating_sub(self.padding);
        (start, (i * self.stride + self.kernel - self.padding).min(n))
    }

    /// Planes per task.
    fn block(&self) -> usize {
        (16384 / (self.h * self.w)).max(1)
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

    fn out_dims(&self, x: &Tensor) -> Result<(usize, usize, usize, usize)> {
        Ok((x.dim(0)?, x.dim(1)?, self.oh, self.ow))
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

    fn composed_max(&self, x: &Tensor) -> Result<Tensor> {
        let mut views = self.views(x, f64::NEG_INFINITY)?.into_iter();
        let first = views.next().expect("a kernel has a position");
        views.try_fold(first, |best, view| {
            let better = (view.gt(&best)? + view.ne(&view)?)?; // NaN ≠ NaN
            better.where_cond(&view, &best)
        })
    }

    fn composed_avg(&self, x: &Tensor, count_include_pad: bool) -> Result<Tensor> {
        let mut views = self.views(x, 0.0)?.into_iter();
        let first = views.next().expect("a kernel has a position");
        let sum = views.try_fold(first, |sum, view| sum + view)?;
        let mut counts = vec![0.0; self.oh * self.ow];
        self.each(|at, rows, columns| counts[at] = 1.0 / self.count(rows, columns, count_include_pad));
        let counts = host(counts, (1, 1, self.oh, self.ow), x)?;
        sum.broadcast_mul(&counts)
    }

    #[inline]
    fn count(&self, rows: (usize, usize), columns: (usize, usize), padding: bool) -> f64 {
        let inside = (rows.1 - rows.0) * (columns.1 - columns.0);
        if padding { (self.kernel * self.kernel) as f64 } else { inside as f64 }
    }
}

fn run_max<T: Element>(x: &Tensor, window: Window) -> Result<Tensor> {
    let xc = x.contiguous()?;
    let (plane, map) = (window.h * window.w, window.oh * window.ow);
    let mut y = unfilled::<T>(window.planes * map);
    let mut places = vec![0u32; window.planes * map];
    {
        let xs = view::<T>(&xc)?;
        let xs: &[T] = &xs;
        let (out, out_places) = (Shared::new(&mut y), Shared::new(&mut places));
        pieces(window.planes, window.block(), |p0, p1| {
            for p in p0..p1 {
                let x = &xs[p * plane..][..plane];
                // SAFETY: one map per plane.
                let (y, places) = unsafe { (out.slice(p * map, map), out_places.slice(p * map, map)) };
                window.each(|at, rows, columns| {
                    let (mut best, mut place) =
                        (x[rows.0 * window.w + columns.0], rows.0 * window.w + columns.0);
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
            }
        });
    }
    node(&[x], y, window.out_dims(x)?, MaxGradient::<T> { window, places, element: PhantomData })
}

struct MaxGradient<T> {
    window: Window,
    /// Where in its plane each maximum was.
    places: Vec<u32>,
    element: PhantomData<T>,
}

impl<T: Element> Backward for MaxGradient<T> {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn gradients(&self, result: &Tensor, grad: Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let _ = result;
        let g = view::<T>(&grad)?;
        let dy: &[T] = &g;
        let (plane, map) = (self.window.h * self.window.w, self.window.oh * self.window.ow);
        let dx = per_plane(&self.window, |p, dx| {
            dx.fill(T::zero());
            let places = &self.places[p * map..][..map];
            dy[p * map..][..map].iter().zip(places).for_each(|(dy, at)| dx[*at as usize] += *dy);
        });
        debug_assert_eq!(dx.len(), self.window.planes * plane);
        Ok(vec![Some(input_like(dx, &grad, &self.window)?)])
    }
}

/// A gradient of the input, plane by plane.
fn per_plane<T: Element>(window: &Window, f: impl Fn(usize, &mut [T]) + Send + Sync) -> Vec<T> {
    let plane = window.h * window.w;
    let mut dx = unfilled(window.planes * plane);
    let out = Shared::new(&mut dx);
    pieces(window.planes, window.block(), |p0, p1| {
        for p in p0..p1 {
            // SAFETY: planes are disjoint.
            f(p, unsafe { out.slice(p * plane, plane) });
        }
    });
    dx
}

fn input_like<T: Element>(dx: Vec<T>, grad: &Tensor, window: &Window) -> Result<Tensor> {
    Ok(tensor(dx, (grad.dim(0)?, grad.dim(1)?, window.h, window.w)))
}

fn run_avg<T: Element>(x: &Tensor, window: Window, count_include_pad: bool) -> Result<Tensor> {
    let xc = x.contiguous()?;
    let (plane, map) = (window.h * window.w, window.oh * window.ow);
    let mut y = unfilled::<T>(window.planes * map);
    {
        let xs = view::<T>(&xc)?;
        let xs: &[T] = &xs;
        let out = Shared::new(&mut y);
        pieces(window.planes, window.block(), |p0, p1| {
            for p in p0..p1 {
                let x = &xs[p * plane..][..plane];
                // SAFETY: one map per plane.
                let y = unsafe { out.slice(p * map, map) };
                window.each(|at, rows, columns| {
                    let mut sum = T::zero();
                    for row in rows.0..rows.1 {
                        x[row * window.w..][columns.0..columns.1].iter().for_each(|x| sum += *x);
                    }
                    y[at] = sum / T::from_f64(window.count(rows, columns, count_include_pad));
                });
            }
        });
    }
    node(&[x], y, window.out_dims(x)?, AvgGradient::<T> { window, count_include_pad, element: PhantomData })
}

struct AvgGradient<T> {
    window: Window,
    count_include_pad: bool,
    element: PhantomData<T>,
}

impl<T: Element> Backward for AvgGradient<T> {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let g = view::<T>(&grad)?;
        let (dy, window, map): (&[T], _, _) = (&g, &self.window, self.window.oh * self.window.ow);
        let dx = per_plane(window, |p, dx| {
            dx.fill(T::zero());
            let dy = &dy[p * map..][..map];
            window.each(|at, rows, columns| {
                let share = dy[at] / T::from_f64(window.count(rows, columns, self.count_include_pad));
                for row in rows.0..rows.1 {
                    dx[row * window.w..][columns.0..columns.1].iter_mut().for_each(|dx| *dx += share);
                }
            });
        });
        Ok(vec![Some(input_like(dx, &grad, window)?)])
    }
}

fn run_global<T: Element>(x: &Tensor) -> Result<Tensor> {
    let (r, c, h, w) = x.dims4()?;
    let (xc, plane) = (x.contiguous()?, h * w);
    let mut y = unfilled::<T>(r * c);
    {
        let xs = view::<T>(&xc)?;
        let xs: &[T] = &xs;
        let out = Shared::new(&mut y);
        pieces(r * c, (32768 / plane).max(1), |p0, p1| {
            // SAFETY: pieces are disjoint.
            let y = unsafe { out.slice(p0, p1 - p0) };
            for (y, x) in y.iter_mut().zip(xs[p0 * plane..].chunks_exact(plane)) {
                *y = crate::batch_norm::sum(x, |x| x) / T::from_f64(plane as f64);
            }
        });
    }
    node(&[x], y, (r, c), GlobalGradient::<T> { h, w, element: PhantomData })
}

struct GlobalGradient<T> {
    h: usize,
    w: usize,
    element: PhantomData<T>,
}

impl<T: Element> Backward for GlobalGradient<T> {
    fn name(&self) -> &'static str {
        "global_avg_pool"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let (r, c) = grad.dims2()?;
        let plane = self.h * self.w;
        let mut dx = unfilled::<T>(r * c * plane);
        let dy = view::<T>(&grad)?;
        let (dy, out): (&[T], _) = (&dy, Shared::new(&mut dx));
        pieces(r * c, (32768 / plane).max(1), |p0, p1| {
            // SAFETY: pieces are disjoint.
            let dx = unsafe { out.slice(p0 * plane, (p1 - p0) * plane) };
            for (dx, dy) in dx.chunks_exact_mut(plane).zip(&dy[p0..p1]) {
                dx.fill(*dy / T::from_f64(plane as f64));
            }
        });
        Ok(vec![Some(tensor(dx, (r, c, self.h, self.w)))])
    }
}
