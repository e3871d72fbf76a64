//! Scaled dot-product attention of packed queries, keys and values, within images or within their windows.

mod core;
pub mod gpu;
mod groups;
mod on_gpu;

use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::{Shared, each, fold_parts, unfilled};
use crate::dispatch::{Op, apply, host};
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{D, Result, Tensor, bail};
use core::{Core, Heads};
use groups::Groups;
use std::sync::Arc;

/// softmax(q·kᵀ / √d)·v for every head, the tokens of an image among themselves.
///
/// `qkv` (R, L, 3·heads·d), each token's queries of all heads, then keys, then values → (R, L, heads·d). Differentiable.
///
/// # Errors
/// Fails on a shape that does not fit, and on the CPU where qkv is neither f32 nor f64.
///
/// Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.
pub fn attention(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let Some((r, l, d)) = qkv
        .dims3()
        .ok()
        .filter(|(r, l, _)| r * l > 0)
        .and_then(|(r, l, width)| Some((r, l, part(width, heads)?)))
    else {
        bail!("attention: expected (R, L, 3·{heads}·d), not empty, got {:?}", qkv.shape());
    };
    let recorded = record::Op::Attention { heads };
    apply(
        "attention",
        Attention { recorded, heads: Heads { heads, d }, groups: Arc::new(Groups::whole(r, l)) },
        &[qkv],
    )
}

/// The same within windows of a map, with a bias: softmax(q·kᵀ / √d + bias + mask)·v.
///
/// `qkv` (R, H, W, 3·heads·d), `bias` (heads, window², window²), H and W multiples of `window` → (R, H, W, heads·d). The map is
/// rolled by `shift` upwards and to the left before it is cut and back afterwards; a pair of tokens that the roll made
/// neighbours has the mask −100, any other 0. A side of one window is not rolled. Differentiable in qkv and bias.
///
/// # Errors
/// Fails on shapes that do not fit, on a shift of at least the window, and on operands of two types.
///
/// Source: Liu et al. 2021, arXiv:2103.14030, section 3.2; torchvision 0.29 `shifted_window_attention`.
pub fn window_attention(
    qkv: &Tensor,
    heads: usize,
    bias: &Tensor,
    window: usize,
    shift: usize,
) -> Result<Tensor> {
    let Some((r, h, w, d)) = qkv
        .dims4()
        .ok()
        .filter(|(r, h, w, _)| r * h * w > 0)
        .and_then(|(r, h, w, width)| Some((r, h, w, part(width, heads)?)))
    else {
        bail!("window_attention: expected (R, H, W, 3·{heads}·d), not empty, got {:?}", qkv.shape());
    };
    let s = window * window;
    if s == 0 || h % window != 0 || w % window != 0 || shift >= window || bias.dims() != [heads, s, s] {
        bail!(
            "window_attention: expected sides that are multiples of {window}, a shift below it and a bias ({heads}, {s}, {s}), \
             got {:?}, {shift} and {:?}",
            qkv.shape(),
            bias.shape()
        );
    }
    let recorded = record::Op::WindowAttention { heads, window, shift };
    let groups = Arc::new(Groups::windows(r, (h, w), window, shift));
    apply("window_attention", Attention { recorded, heads: Heads { heads, d }, groups }, &[qkv, bias])
}

/// What [`window_attention`] makes of a map (H, W): its tokens window by window, and the mask (windows, window², window²).
pub fn windows(map: (usize, usize), window: usize, shift: usize) -> (Vec<u32>, Vec<f64>) {
    let groups = Groups::windows(1, map, window, shift);
    (groups.places(), groups.mask())
}

/// d of a width 3·heads·d.
fn part(width: usize, heads: usize) -> Option<usize> {
    (heads > 0 && width > 0 && width.is_multiple_of(3 * heads)).then(|| width / (3 * heads))
}

/// Parts of the bias's gradient at most.
const PARTS: usize = 16;

/// `f(head, part, first group, past the last)`: every head of every group once, in tasks that the sizes alone decide.
fn tasks(groups: usize, heads: usize, f: impl Fn(usize, usize, usize, usize) + Send + Sync) {
    let size = groups.div_ceil(PARTS);
    let parts = groups.div_ceil(size);
    each(parts * heads, |i| {
        let part = i / heads;
        f(i % heads, part, part * size, ((part + 1) * size).min(groups));
    });
}

struct Attention {
    recorded: record::Op,
    heads: Heads,
    groups: Arc<Groups>,
}

impl Op for Attention {
    fn record(&self) -> Option<record::Op> {
        Some(self.recorded.clone())
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let (groups, heads, tokens) = (&*self.groups, self.heads, self.groups.tokens());
        let (mut y, mut logs) = (unfilled::<T>(tokens * heads.width()), unfilled::<T>(tokens * heads.heads));
        let (qkv, bias) = (view::<T>(&x[0])?, x.get(1).map(view::<T>).transpose()?);
        let core = Core { qkv: &qkv, bias: bias.as_deref(), heads, groups };
        let (out, out_logs) = (Shared::new(&mut y), Shared::new(&mut logs));
        tasks(groups.count(), heads.heads, |head, _, start, end| {
            for group in start..end {
                // SAFETY: each group and head is one task's.
                unsafe { core.forward(group, head, out, out_logs) };
            }
        });
        let mut shape = x[0].dims().to_vec();
        *shape.last_mut().expect("rank 3 or 4") = heads.width();
        let backward = AttentionBackward {
            qkv: x[0].clone(),
            bias: x.get(1).cloned(),
            heads,
            groups: self.groups.clone(),
            logs: tensor(logs, tokens * heads.heads),
        };
        Output::cpu(y, shape, backward)
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        on_gpu::forward(x, self.heads, &self.groups)
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let (qkv, groups, Heads { heads, d }) = (x[0], &*self.groups, self.heads);
        let (n, s) = (groups.count(), groups.size());
        let tokens = qkv.reshape((groups.tokens(), 3 * heads * d))?;
        let order = Tensor::new(groups.places(), qkv.device())?;
        let parts = tokens.index_select(&order, 0)?.reshape((n, s, 3, heads, d))?.permute((2, 0, 3, 1, 4))?;
        let pick = |i: usize| parts.get(i)?.contiguous(); // (n, heads, s, d)
        let mut scores = (pick(0)?.matmul(&pick(1)?.t()?.contiguous()?)? * (d as f64).powf(-0.5))?;
        if let Some(bias) = x.get(1) {
            scores = scores.broadcast_add(bias)?.broadcast_add(&host(groups.mask(), (n, 1, s, s), qkv)?)?;
        }
        let e = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
        let shares = e.broadcast_div(&e.sum_keepdim(D::Minus1)?)?;
        let y = shares.matmul(&pick(2)?)?.transpose(1, 2)?.contiguous()?.reshape((n * s, heads * d))?;
        let mut shape = qkv.dims().to_vec();
        *shape.last_mut().expect("rank 3 or 4") = heads * d;
        // Back to where the tokens were.
        y.index_select(&Tensor::new(groups.back(), qkv.device())?, 0)?.reshape(shape)
    }
}

struct AttentionBackward {
    qkv: Tensor,
    bias: Option<Tensor>,
    heads: Heads,
    groups: Arc<Groups>,
    /// Of each group, head and token in it: ln Σ_j e^score.
    logs: Tensor,
}

impl Backward for AttentionBackward {
    fn reads_result(&self) -> bool {
        true
    }

    fn cpu<T: Element>(
        &self,
        grad: Tensor,
        wanted: &[bool],
        result: Option<&Tensor>,
    ) -> Result<OperandGradients> {
        let (groups, heads) = (&*self.groups, self.heads);
        let y = view::<T>(result.expect("kept, as it is read"))?;
        let (qkv, dy, logs) = (view::<T>(&self.qkv)?, view::<T>(&grad)?, view::<T>(&self.logs)?);
        let (y, dy, logs) = (&*y, &*dy, &*logs);
        let bias = self.bias.as_ref().map(view::<T>).transpose()?;
        let core = Core { qkv: &qkv, bias: bias.as_deref(), heads, groups };
        let square = groups.size() * groups.size();
        let want_bias = wanted.get(1) == Some(&true);
        let parts = groups.count().div_ceil(groups.count().div_ceil(PARTS));
        let mut sums = vec![T::zero(); if want_bias { parts * heads.heads * square } else { 0 }];
        let mut dqkv = unfilled::<T>(qkv.len());
        let (shared, out) = (Shared::new(&mut sums), Shared::new(&mut dqkv));
        tasks(groups.count(), heads.heads, |head, part, start, end| {
            let mut dbias = want_bias.then(|| {
                // SAFETY: one part of one head is one task's.
                unsafe { shared.slice((part * heads.heads + head) * square, square) }
            });
            for group in start..end {
                // SAFETY: each group and head is one task's.
                unsafe { core.backward(group, head, (y, dy), logs, out, dbias.as_deref_mut()) };
            }
        });
        let mut grads = vec![Some(tensor(dqkv, self.qkv.shape()))];
        if let Some(bias) = &self.bias {
            grads
                .push(want_bias.then(|| tensor(fold_parts(sums, parts, heads.heads * square), bias.shape())));
        }
        Ok(grads)
    }
}
