//! What stands around attention's products on a GPU: tokens to heads and back, and the softmax of windows. The products are the
//! vendor's; the gradient of the softmax is that of [`softmax`](crate::softmax), and the bias's is the sum of that over groups.

use crate::gpu::{Device, Memory, Source, Storage, arguments, size, sizes};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("attention", 256, include_str!("gpu.cc"));

/// `groups` of `s` tokens, each of `parts` times `heads`·`d` numbers.
#[derive(Debug, Clone, Copy)]
pub struct Tokens {
    pub parts: usize,
    pub groups: usize,
    pub heads: usize,
    pub s: usize,
    pub d: usize,
}

/// Tokens (groups·s, parts·heads·d) → (parts, groups, heads, s, d); the gradient of [`join`]. `places` is the token at each
/// place of each group.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn split<D: Device>(device: &D, x: &D::Buffer, places: &D::Buffer, tokens: Tokens) -> Result<D::Buffer> {
    moved(device, "attention_split", x, places, tokens)
}

/// (parts, groups, heads, s, d) → tokens; the gradient of [`split`]. `at` is the place of each token.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn join<D: Device>(device: &D, x: &D::Buffer, at: &D::Buffer, tokens: Tokens) -> Result<D::Buffer> {
    moved(device, "attention_join", x, at, tokens)
}

fn moved<D: Device>(
    device: &D,
    kernel: &'static str,
    x: &D::Buffer,
    order: &D::Buffer,
    tokens: Tokens,
) -> Result<D::Buffer> {
    let Tokens { parts, groups, heads, s, d } = tokens;
    let n = parts * groups * heads * s * d;
    if n == 0 || x.count() != n || order.count() != groups * s {
        bail!("attention: expected {tokens:?}, got {} numbers and {} places", x.count(), order.count());
    }
    SOURCE.each(device, kernel, &[x, order], n, sizes([parts, groups, heads, s, d])?)
}

/// softmax(scale · scores + bias + mask): scores (groups, heads, s, s), bias (heads, s, s) in f32, and the regions (windows of an image, s)
/// that tokens come from.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn window_softmax<D: Device>(
    device: &D,
    scores: &D::Buffer,
    (bias, regions): (&D::Buffer, &D::Buffer),
    (heads, s): (usize, usize),
    scale: f64,
) -> Result<D::Buffer> {
    let n = scores.count();
    let windows = regions.count() / s.max(1);
    if heads * s * windows == 0
        || n == 0
        || !n.is_multiple_of(heads * s * s)
        || bias.count() != heads * s * s
        || regions.count() != windows * s
    {
        bail!(
            "window_attention: expected scores of {heads} heads and {s} tokens, got {n}, {} and {} numbers",
            bias.count(),
            regions.count()
        );
    }
    let y = device.empty(scores.kind(), n)?;
    size(n)?;
    let mut arguments = arguments![scores, bias, regions, &y];
    arguments.extend(sizes([n / s, s, heads, windows])?);
    arguments.extend(arguments![scale as f32]);
    SOURCE.launch(device, ("window_softmax", Storage::of(scores)?), SOURCE.by_team(n / s)?, arguments)?;
    Ok(y)
}
