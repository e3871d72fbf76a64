//! Swin transformers, torchvision's: attention within windows of 7×7, rolled by 3 in every other block, with a bias for each relative
//! position; norm before each branch (ε = 1e-5); stochastic depth in training.
//!
//! Tensors have torchvision's names. Rows at the taps are maps (C, H, W), as everywhere, though the blocks keep features last; the
//! merging of patches belongs to the stage that it begins; `penultimate` is the norm and the mean over the map.
//!
//! Source: Liu et al. 2021, arXiv:2103.14030; torchvision 0.29 `models/swin_transformer.py`.

use crate::layers::{Linear, StochasticDepth};
use crate::sequence::{Embedding, LayerNorm, Mlp, NARROW, Patches, block_macs};
use crate::zoo::{imagenet, own_stem};
use crate::{
    Init, Layer, Mode, ModelOptions, ModelSpec, Network, Outline, Param, Params, Peer, Result, Stage,
};
use candle_core::{Device, Tensor};
use std::sync::OnceLock;
use tallow_kernels::{
    channels_first, channels_last, global_avg_pool, linear, narrow, pad, rearrange, window_attention,
};

pub const TINY: ModelSpec = ModelSpec {
    crop: 224.0 / 232.0,
    timm: Some(Peer { name: "swin_tiny_patch4_window7_224", tensor: timms }),
    weights: &["timm/swin_tiny_patch4_window7_224.ms_in1k"],
    ..spec("swin_t", |params, options| build(params, options, [2, 2, 6, 2], 0.2))
};
pub const SMALL: ModelSpec = ModelSpec {
    crop: 224.0 / 246.0,
    timm: Some(Peer { name: "swin_small_patch4_window7_224", tensor: timms }),
    weights: &["timm/swin_small_patch4_window7_224.ms_in1k"],
    ..spec("swin_s", |params, options| build(params, options, [2, 2, 18, 2], 0.3))
};

const fn spec(name: &'static str, build: fn(&mut Params, &ModelOptions) -> Result<Network>) -> ModelSpec {
    ModelSpec {
        taps: &["input", "stem", "stage1", "stage2", "stage3", "stage4", "penultimate"],
        interpolation: "bicubic",
        first_conv: "features.0.0",
        classifier: "head",
        torchvision: Peer::same(name),
        ..imagenet(name, "Liu et al. 2021, arXiv:2103.14030; torchvision 0.29", build)
    }
}

/// torchvision's name of a tensor → timm's.
fn timms(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    match parts[..] {
        ["features", "0", "0", end] => format!("patch_embed.proj.{end}"),
        ["features", "0", "2", end] => format!("patch_embed.norm.{end}"),
        ["features", piece, what @ ("norm" | "reduction"), end] => {
            format!("layers.{}.downsample.{what}.{end}", piece.parse::<usize>().unwrap_or(0) / 2)
        }
        ["features", piece, block, ref rest @ ..] => {
            let stage = piece.parse::<usize>().unwrap_or(0) / 2;
            let rest = rest.join(".").replace("mlp.0.", "mlp.fc1.").replace("mlp.3.", "mlp.fc2.");
            format!("layers.{stage}.blocks.{block}.{rest}")
        }
        ["head", end] => format!("head.fc.{end}"),
        _ => name.to_owned(),
    }
}

const PATCH: usize = 4;
const WINDOW: usize = 7;
const WIDTH: usize = 96;
/// Features of one head.
const HEAD: usize = 32;
const EPS: f64 = 1e-5;

fn build(params: &mut Params, options: &ModelOptions, depths: [usize; 4], rate: f64) -> Result<Network> {
    own_stem(options, "Swin", "patches of 4 px")?;
    params.begin_stage("stem");
    let init = Patches::torchs((options.channels, PATCH));
    let stem = Embedding {
        patches: Patches::new(params, "features.0.0", (options.channels, WIDTH), PATCH, init)?,
        norm: LayerNorm::new(params, "features.0.2", WIDTH, EPS)?,
    };
    let mut stages = vec![Stage { name: "stem".into(), layer: Box::new(stem) }];
    let count: usize = depths.iter().sum();
    let mut done = 0;
    for (i, depth) in depths.into_iter().enumerate() {
        let name = format!("stage{}", i + 1);
        params.begin_stage(&name);
        let features = WIDTH << i;
        let merging = match i {
            0 => None,
            _ => Some(Merging::new(params, &format!("features.{}", 2 * i), features / 2)?),
        };
        let blocks = (0..depth)
            .map(|j| {
                let rate = rate * (done + j) as f64 / (count - 1) as f64;
                let shift = if j % 2 == 0 { 0 } else { WINDOW / 2 };
                Block::new(params, &format!("features.{}.{j}", 2 * i + 1), features, shift, rate)
            })
            .collect::<Result<Vec<_>>>()?;
        done += depth;
        stages.push(Stage { name, layer: Box::new(Piece { merging, blocks, features }) });
    }
    params.begin_stage("penultimate");
    let features = WIDTH << 3;
    let norm = LayerNorm::new(params, "norm", features, EPS)?;
    stages.push(Stage { name: "penultimate".into(), layer: Box::new(Pool { norm }) });
    params.begin_stage("head");
    let head = Linear::with(params, "head", (features, options.classes), NARROW)?;
    Ok(Network::new(stages, Box::new(head)))
}

/// A stage: the merging that it begins with, and blocks.
struct Piece {
    merging: Option<Merging>,
    blocks: Vec<Block>,
    features: usize,
}

impl Layer for Piece {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let values = channels_last(values)?;
        let values = match &self.merging {
            Some(merging) => merging.forward(&values, mode)?,
            None => values,
        };
        let values = self.blocks.iter().try_fold(values, |values, block| block.forward(&values, mode))?;
        Ok(channels_first(&values)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let [channels, height, width] = *row else { return None };
        let merges = self.merging.is_some();
        if channels << usize::from(merges) != self.features || height * width == 0 {
            return None;
        }
        let halved = |n: usize| if merges { n.div_ceil(2) } else { n };
        let (height, width) = (halved(height), halved(width));
        let merging = if merges { height * width * 2 * self.features * self.features } else { 0 };
        // Queries, keys, values and projection see the map as it was padded.
        let padded = height.next_multiple_of(WINDOW) * width.next_multiple_of(WINDOW);
        let features = self.features;
        let attention = block_macs(padded, WINDOW * WINDOW, features, 0);
        let mlp = (height * width * 8 * features * features) as u64;
        let macs = merging as u64 + self.blocks.len() as u64 * (attention + mlp);
        Some(Outline { shape: vec![features, height, width], macs })
    }
}

/// (R, H, W, C) → (R, H/2, W/2, 2C): four neighbours one after the other, normed, and a linear layer.
struct Merging {
    norm: LayerNorm,
    reduction: Param,
}

impl Merging {
    fn new(params: &mut Params, name: &str, features: usize) -> Result<Merging> {
        let weight = format!("{name}.reduction.weight");
        Ok(Merging {
            norm: LayerNorm::new(params, &format!("{name}.norm"), 4 * features, EPS)?,
            reduction: params.parameter(&weight, &[2 * features, 4 * features], NARROW.0)?,
        })
    }

    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let values = padded(values, 2)?;
        let (r, h, w, c) = values.dims4()?;
        // Of the four: column by column.
        let dims = [r, h / 2, 2, w / 2, 2, c];
        let merged = rearrange(&values, &dims, &[0, 1, 3, 4, 2, 5], &[r, h / 2, w / 2, 4 * c])?;
        Ok(linear(&self.norm.forward(&merged, mode)?, &self.reduction.tensor(mode), None)?)
    }
}

/// (R, H, W, C) with zeros below and to the right, so that the sides are multiples of `size`.
fn padded(values: &Tensor, size: usize) -> Result<Tensor> {
    let (_, h, w, _) = values.dims4()?;
    let missing = |n: usize| n.next_multiple_of(size) - n;
    Ok(pad(&pad(values, 1, 0, missing(h))?, 2, 0, missing(w))?)
}

/// x + attention(norm(x)), then x + mlp(norm(x)), either branch left out at times.
struct Block {
    norms: [LayerNorm; 2],
    qkv: Linear,
    projection: Linear,
    table: Param,
    /// The table's row for each pair of tokens, where the table is; made at the first pass.
    index: OnceLock<Tensor>,
    mlp: Mlp,
    depths: [StochasticDepth; 2],
    heads: usize,
    shift: usize,
}

impl Block {
    fn new(params: &mut Params, name: &str, features: usize, shift: usize, rate: f64) -> Result<Block> {
        let at = |what: &str| format!("{name}.{what}");
        let heads = features / HEAD;
        let table = at("attn.relative_position_bias_table");
        let positions = (2 * WINDOW - 1) * (2 * WINDOW - 1);
        Ok(Block {
            norms: [
                LayerNorm::new(params, &at("norm1"), features, EPS)?,
                LayerNorm::new(params, &at("norm2"), features, EPS)?,
            ],
            qkv: Linear::with(params, &at("attn.qkv"), (features, 3 * features), NARROW)?,
            projection: Linear::with(params, &at("attn.proj"), (features, features), NARROW)?,
            table: params.without_decay(&table, &[positions, heads], Init::Normal(0.02))?,
            index: OnceLock::new(),
            mlp: Mlp::new(params, [&at("mlp.0"), &at("mlp.3")], features, 4 * features)?,
            depths: ["attn", "mlp"].map(|branch| StochasticDepth { name: at(branch), rate }),
            heads,
            shift,
        })
    }

    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let branch = self.attention(&self.norms[0].forward(values, mode)?, mode)?;
        let values = self.depths[0].forward(values, &branch, mode)?;
        let branch = self.mlp.forward(&self.norms[1].forward(&values, mode)?, mode)?;
        self.depths[1].forward(&values, &branch, mode)
    }

    fn attention(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let (_, h, w, _) = values.dims4()?;
        let values = padded(values, WINDOW)?;
        let qkv = self.qkv.forward(&values, mode)?;
        let mixed = window_attention(&qkv, self.heads, &self.bias(mode)?, WINDOW, self.shift)?;
        let mixed = self.projection.forward(&mixed, mode)?;
        Ok(narrow(&narrow(&mixed, 1, 0, h)?, 2, 0, w)?)
    }

    /// (heads, window², window²): the table's row for how far each token is from each other.
    fn bias(&self, mode: &Mode) -> Result<Tensor> {
        let (n, table) = (WINDOW * WINDOW, self.table.tensor(mode));
        let index = match self.index.get() {
            Some(index) => index,
            None => {
                let made = Tensor::from_iter(rows(), &Device::Cpu)?.to_device(table.device())?;
                self.index.get_or_init(|| made)
            }
        };
        Ok(table.index_select(index, 0)?.t()?.contiguous()?.reshape((self.heads, n, n))?)
    }
}

/// The table's row for each pair of a window's tokens: how far they are from each other.
fn rows() -> impl Iterator<Item = u32> {
    let n = WINDOW * WINDOW;
    let apart = |i: usize, j: usize| WINDOW - 1 + i - j;
    (0..n * n).map(move |pair| {
        let (i, j) = (pair / n, pair % n);
        let (down, right) = (apart(i / WINDOW, j / WINDOW), apart(i % WINDOW, j % WINDOW));
        (down * (2 * WINDOW - 1) + right) as u32
    })
}

/// (R, C, H, W) → (R, C): the norm of every position, the mean over the map.
struct Pool {
    norm: LayerNorm,
}

impl Layer for Pool {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let normed = self.norm.forward(&channels_last(values)?, mode)?;
        Ok(global_avg_pool(&channels_first(&normed)?)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let [channels, _, _] = *row else { return None };
        Some(Outline { shape: vec![channels], macs: 0 })
    }
}
