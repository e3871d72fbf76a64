//! ConvNeXt, torchvision's: depthwise 7×7, layer norm, a perceptron at every position, layer scale (1e-6), stochastic depth in
//! training.
//!
//! Tensors have torchvision's names. Rows at the taps are maps (C, H, W), though the blocks keep features last; the norm and 2×2
//! convolution that halve the map belong to the stage that they begin; `penultimate` is the mean over the map and its norm.
//!
//! Source: Liu et al. 2022, arXiv:2201.03545; torchvision 0.29 `models/convnext.py`.

use crate::layers::{Chain, GlobalPool, Linear, StochasticDepth};
use crate::sequence::{Embedding, LayerNorm, Mlp, NARROW, Patches};
use crate::zoo::{imagenet, own_stem};
use crate::{
    Init, Layer, Mode, ModelOptions, ModelSpec, Network, Outline, Param, Params, Peer, Result, Stage,
};
use candle_core::Tensor;
use tallow_kernels::{channels_first, channels_last, depthwise_last};

/// A model of this family: torchvision's side before the crop, blocks, width of the first stage, stochastic depth.
macro_rules! convnext {
    ($constant:ident, $name:literal, $resize:literal, $depths:expr, $width:literal, $rate:literal) => {
        pub const $constant: ModelSpec = ModelSpec {
            taps: &["input", "stem", "stage1", "stage2", "stage3", "stage4", "penultimate"],
            crop: 224.0 / $resize,
            first_conv: "features.0.0",
            classifier: "classifier.2",
            torchvision: Peer::same($name),
            timm: Some(Peer { name: $name, tensor: timms }),
            weights: &[concat!("timm/", $name, ".fb_in1k")],
            ..imagenet($name, "Liu et al. 2022, arXiv:2201.03545; torchvision 0.29", |params, options| {
                build(params, options, $depths, $width, $rate)
            })
        };
    };
}

convnext!(TINY, "convnext_tiny", 236.0, [3, 3, 9, 3], 96, 0.1);
convnext!(SMALL, "convnext_small", 230.0, [3, 3, 27, 3], 96, 0.4);
convnext!(BASE, "convnext_base", 232.0, [3, 3, 27, 3], 128, 0.5);

/// torchvision's name of a tensor → timm's.
fn timms(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    let stage = |piece: &str| piece.parse::<usize>().unwrap_or(0) / 2;
    match parts[..] {
        ["features", "0", layer, end] => format!("stem.{layer}.{end}"),
        ["features", piece, block, "layer_scale"] => {
            format!("stages.{}.blocks.{block}.gamma", stage(piece))
        }
        ["features", piece, block, "block", layer, end] => {
            let layer = match layer {
                "0" => "conv_dw",
                "2" => "norm",
                "3" => "mlp.fc1",
                _ => "mlp.fc2",
            };
            format!("stages.{}.blocks.{block}.{layer}.{end}", stage(piece))
        }
        ["features", piece, layer, end] => format!("stages.{}.downsample.{layer}.{end}", stage(piece)),
        ["classifier", "0", end] => format!("head.norm.{end}"),
        ["classifier", _, end] => format!("head.fc.{end}"),
        _ => name.to_owned(),
    }
}

const EPS: f64 = 1e-6;

fn build(
    params: &mut Params,
    options: &ModelOptions,
    depths: [usize; 4],
    width: usize,
    rate: f64,
) -> Result<Network> {
    own_stem(options, "ConvNeXt", "patches of 4 px")?;
    params.begin_stage("stem");
    let stem = Embedding {
        patches: Patches::new(params, "features.0.0", (options.channels, width), 4, NARROW)?,
        norm: LayerNorm::new(params, "features.0.1", width, EPS)?,
    };
    let mut stages = vec![Stage { name: "stem".into(), layer: Box::new(stem) }];
    let count: usize = depths.iter().sum();
    let mut done = 0;
    for (i, depth) in depths.into_iter().enumerate() {
        let name = format!("stage{}", i + 1);
        params.begin_stage(&name);
        let features = width << i;
        let halving = match i {
            0 => None,
            _ => {
                let at = format!("features.{}", 2 * i);
                let norm = LayerNorm::new(params, &format!("{at}.0"), features / 2, EPS)?;
                Some((norm, Patches::new(params, &format!("{at}.1"), (features / 2, features), 2, NARROW)?))
            }
        };
        let blocks = (0..depth)
            .map(|j| {
                let rate = rate * (done + j) as f64 / (count - 1) as f64;
                Block::new(params, &format!("features.{}.{j}", 2 * i + 1), features, rate)
            })
            .collect::<Result<Vec<_>>>()?;
        done += depth;
        stages.push(Stage { name, layer: Box::new(Piece { halving, blocks, features }) });
    }
    params.begin_stage("penultimate");
    let norm = LayerNorm::new(params, "classifier.0", width << 3, EPS)?;
    let pool: Chain<Box<dyn Layer>> = Chain(vec![Box::new(GlobalPool), Box::new(norm)]);
    stages.push(Stage { name: "penultimate".into(), layer: Box::new(pool) });
    params.begin_stage("head");
    let head = Linear::with(params, "classifier.2", (width << 3, options.classes), NARROW)?;
    Ok(Network::new(stages, Box::new(head)))
}

/// A stage: what halves the map, and blocks.
struct Piece {
    halving: Option<(LayerNorm, Patches)>,
    blocks: Vec<Block>,
    features: usize,
}

impl Layer for Piece {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let values = channels_last(values)?;
        let values = match &self.halving {
            Some((norm, patches)) => patches.of_positions(&norm.forward(&values, mode)?, mode)?,
            None => values,
        };
        let values = self.blocks.iter().try_fold(values, |values, block| block.forward(&values, mode))?;
        Ok(channels_first(&values)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let (shape, halving) = match &self.halving {
            Some((_, patches)) => patches.outline(row)?,
            None => (row.try_into().ok()?, 0),
        };
        let [features, height, width] = shape;
        let block = height * width * features * (49 + 8 * features);
        (features == self.features)
            .then(|| Outline { shape: shape.to_vec(), macs: halving + (self.blocks.len() * block) as u64 })
    }
}

/// x + scale · mlp(norm(depthwise(x))), left out at times.
struct Block {
    weight: Param,
    bias: Param,
    norm: LayerNorm,
    mlp: Mlp,
    scale: Param,
    depth: StochasticDepth,
}

impl Block {
    fn new(params: &mut Params, name: &str, features: usize, rate: f64) -> Result<Block> {
        let at = |what: &str| format!("{name}.{what}");
        Ok(Block {
            weight: params.parameter(&at("block.0.weight"), &[features, 1, 7, 7], NARROW.0)?,
            bias: params.parameter(&at("block.0.bias"), &[features], NARROW.1)?,
            norm: LayerNorm::new(params, &at("block.2"), features, EPS)?,
            mlp: Mlp::new(params, [&at("block.3"), &at("block.5")], features, 4 * features)?,
            scale: params.without_decay(&at("layer_scale"), &[features, 1, 1], Init::Constant(1e-6))?,
            depth: StochasticDepth { name: at("stochastic_depth"), rate },
        })
    }

    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let branch = depthwise_last(values, &self.weight.tensor(mode), &self.bias.tensor(mode))?;
        let branch = self.mlp.forward(&self.norm.forward(&branch, mode)?, mode)?;
        let factors = self.depth.factors(values.dim(0)?, mode);
        let scale = self.scale.tensor(mode).flatten_all()?;
        Ok(tallow_kernels::layer_scale(values, &branch, &scale, factors.as_deref())?)
    }
}
