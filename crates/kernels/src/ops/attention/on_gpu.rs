//! Attention on a GPU: our kernels around candle's products.

use super::core::Heads;
use super::gpu::{self, Tokens};
use super::groups::Groups;
use crate::cpu::element::Element;
use crate::gpu::{Buffer, Device, Here};
use crate::graph::{Backward, OperandGradients, Output};
use crate::ops::{block, softmax, sums};
use candle_core::{Result, Tensor, bail};
use std::sync::Arc;

impl Heads {
    fn scale(&self) -> f64 {
        (self.d as f64).powf(-0.5)
    }

    fn tokens(&self, groups: &Groups, parts: usize) -> Tokens {
        Tokens { parts, groups: groups.count(), heads: self.heads, s: groups.size(), d: self.d }
    }
}

/// On the device: the token at each place of each group, and the place of each token.
fn order(here: &Here, groups: &Groups) -> Result<[Buffer; 2]> {
    let places = here.kept_words(("attention places", groups.sizes()), || groups.places())?;
    Ok([places, here.kept_words(("attention back", groups.sizes()), || groups.back())?])
}

/// Of qkv, and the bias where there is one.
pub(super) fn forward(x: &[&Tensor], heads: Heads, groups: &Arc<Groups>) -> Result<Option<Output>> {
    let Some(here) = Here::of(x[0]) else { return Ok(None) };
    let (n, s, all) = (groups.count(), groups.size(), heads.tokens(groups, 3));
    let [places, at] = order(&here, groups)?;
    let parts = gpu::split(&here, &here.buffer(x[0])?, &places, all)?;
    let parts = here.tensor(parts, (3, n, heads.heads, s, heads.d))?;
    let scores = here.buffer(&parts.get(0)?.matmul(&parts.get(1)?.t()?)?)?;
    let shares = match x.get(1) {
        None => softmax::gpu::forward(&here, &scores, s, heads.scale())?,
        Some(bias) => {
            let regions = || groups.all_regions();
            let regions = here.kept_words(("window regions", groups.sizes()), regions)?;
            let bias = here.floats_of(bias)?;
            gpu::window_softmax(&here, &scores, (&bias, &regions), (heads.heads, s), heads.scale())?
        }
    };
    let shares = here.tensor(shares, (n, heads.heads, s, s))?;
    let y = here.buffer(&shares.matmul(&parts.get(2)?)?)?;
    let y = gpu::join(&here, &y, &at, Tokens { parts: 1, ..all })?;
    let mut shape = x[0].dims().to_vec();
    *shape.last_mut().expect("rank 3 or 4") = heads.width();
    let bias = x.get(1).map(|bias| bias.dims().to_vec());
    let backward = OnGpu { parts, shares, bias, shape: x[0].dims().to_vec(), heads, groups: groups.clone() };
    Ok(Some(Output::new(here.storage(y)?, shape, backward)))
}

struct OnGpu {
    /// Queries, keys and values (3, groups, heads, s, d).
    parts: Tensor,
    shares: Tensor,
    /// The shape of the bias.
    bias: Option<Vec<usize>>,
    /// That of qkv.
    shape: Vec<usize>,
    heads: Heads,
    groups: Arc<Groups>,
}

impl Backward for OnGpu {
    fn cpu<T: Element>(&self, _: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        bail!("attention: expected a gradient where the forward pass ran, got one on the CPU")
    }

    fn gpu(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (here, heads, groups) = (Here::of_gradient(&grad)?, self.heads, &*self.groups);
        let (n, s, scale) = (groups.count(), groups.size(), heads.scale());
        let [places, at] = order(&here, groups)?;
        let dy = gpu::split(&here, &here.buffer(&grad)?, &places, heads.tokens(groups, 1))?;
        let dy = here.tensor(dy, (n, heads.heads, s, heads.d))?;
        let [q, k, v] = [self.parts.get(0)?, self.parts.get(1)?, self.parts.get(2)?];
        let dshares = here.buffer(&dy.matmul(&v.t()?)?)?;
        let dscores = softmax::gpu::backward(&here, &here.buffer(&self.shares)?, &dshares, s, scale)?;
        let bias = match &self.bias {
            Some(shape) if wanted[1] => {
                // The scale is the scores' alone.
                let sum = sums::columns(&here, &dscores, heads.heads * s * s)?;
                let sum = here.tensor(sum, &shape[..])?.affine(1.0 / scale, 0.0)?;
                Some(sum.to_dtype(grad.dtype())?)
            }
            _ => None,
        };
        let dscores = here.tensor(dscores, self.shares.shape())?;
        let parts = [dscores.matmul(&k)?, dscores.t()?.matmul(&q)?, self.shares.t()?.matmul(&dy)?];
        let [dq, dk, dv] = parts.each_ref().map(|part| here.buffer(part));
        let parts = block::gpu::concat(&here, &[&dq?, &dk?, &dv?], 1)?;
        let dqkv = gpu::join(&here, &parts, &at, heads.tokens(groups, 3))?;
        let mut gradients = vec![Some(here.tensor(dqkv, &self.shape[..])?)];
        gradients.extend(self.bias.is_some().then_some(bias));
        Ok(gradients)
    }
}
