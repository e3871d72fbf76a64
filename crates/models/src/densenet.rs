//! DenseNet-121, 161, 169 and 201, torchvision's: each layer sees what all before it in its block made.
//!
//! `stem` ends after the pooling, at 1/4 of the side; `stage1` … `stage4` are the dense blocks, each but the first with the
//! transition before it. The last norm and its relu belong to `penultimate`.
//!
//! Source: Huang et al. 2017, arXiv:1608.06993, table 1; torchvision 0.29 `models/densenet.py`.

use crate::layers::{BatchNorm, Conv, Linear};
use crate::preact::NormPool;
use crate::zoo::{imagenet, own_stem};
use crate::{Init, Layer, Mode, ModelOptions, ModelSpec, Network, Outline, Params, Peer, Result, Stage};
use candle_core::Tensor;

macro_rules! densenet {
    ($constant:ident, $name:literal, $stem:literal, $growth:literal, $blocks:expr, [$($weights:literal),*]) => {
        pub const $constant: ModelSpec = ModelSpec {
            taps: &["input", "stem", "stage1", "stage2", "stage3", "stage4", "penultimate"],
            first_conv: "features.conv0",
            classifier: "classifier",
            torchvision: Peer::same($name),
            timm: Peer::same($name),
            weights: &[$(concat!("timm/", $name, ".", $weights)),*],
            ..imagenet($name, "Huang et al. 2017, arXiv:1608.06993; torchvision 0.29", |params, options| {
                build(params, options, $stem, $growth, $blocks)
            })
        };
    };
}

densenet!(DENSENET121, "densenet121", 64, 32, [6, 12, 24, 16], ["tv_in1k", "ra_in1k"]);
densenet!(DENSENET161, "densenet161", 96, 48, [6, 12, 36, 24], ["tv_in1k"]);
densenet!(DENSENET169, "densenet169", 64, 32, [6, 12, 32, 32], ["tv_in1k"]);
densenet!(DENSENET201, "densenet201", 64, 32, [6, 12, 48, 32], ["tv_in1k"]);

fn build(
    params: &mut Params,
    options: &ModelOptions,
    stem: usize,
    growth: usize,
    blocks: [usize; 4],
) -> Result<Network> {
    own_stem(options, "DenseNet", "7×7 at stride 2, and a maximum")?;
    params.begin_stage("stem");
    let mut channels = stem;
    let stem = StemLayer {
        conv: conv(params, "features.conv0", (options.channels, channels), (7, 2, 3))?,
        norm: BatchNorm::new(params, "features.norm0", channels)?,
    };
    let mut stages = vec![Stage { name: "stem".into(), layer: Box::new(stem) }];
    for (count, i) in blocks.into_iter().zip(1..) {
        let name = format!("stage{i}");
        params.begin_stage(&name);
        let transition = if i > 1 {
            let name = format!("features.transition{}", i - 1);
            let norm = BatchNorm::new(params, &format!("{name}.norm"), channels)?;
            let conv = conv(params, &format!("{name}.conv"), (channels, channels / 2), (1, 1, 0))?;
            channels /= 2;
            Some((norm, conv))
        } else {
            None
        };
        let mut layers = Vec::new();
        for j in 1..=count {
            let name = format!("features.denseblock{i}.denselayer{j}");
            layers.push(DenseLayer::new(params, &name, (channels, growth))?);
            channels += growth;
        }
        stages.push(Stage { name, layer: Box::new(DenseBlock { transition, layers }) });
    }
    params.begin_stage("penultimate");
    let last = NormPool { norm: BatchNorm::new(params, "features.norm5", channels)? };
    stages.push(Stage { name: "penultimate".into(), layer: Box::new(last) });
    params.begin_stage("head");
    let init = (Init::Uniform(1.0 / (channels as f64).sqrt()), Init::Zeros);
    let head = Linear::with(params, "classifier", (channels, options.classes), init)?;
    Ok(Network::new(stages, Box::new(head)))
}

fn conv(
    params: &mut Params,
    name: &str,
    channels: (usize, usize),
    geometry: (usize, usize, usize),
) -> Result<Conv> {
    Conv::with(params, name, channels, geometry, 1, Init::KaimingNormalFanIn)
}

/// Convolution, norm, relu, the 3×3 maximum at stride 2.
struct StemLayer {
    conv: Conv,
    norm: BatchNorm,
}

impl Layer for StemLayer {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let values = self.norm.forward(&self.conv.forward(values, mode)?, mode, None, true)?;
        Ok(tallow_kernels::max_pool2d(&values, 3, 2, 1)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let mut outline = self.conv.outline(row)?;
        outline.shape[1..].iter_mut().for_each(|n| *n = n.div_ceil(2));
        Some(outline)
    }
}

/// conv2(relu(norm2(conv1(relu(norm1(x)))))): 1×1 to four times the growth, 3×3 to the growth.
struct DenseLayer {
    norms: [BatchNorm; 2],
    convs: [Conv; 2],
}

impl DenseLayer {
    fn new(params: &mut Params, name: &str, (input, growth): (usize, usize)) -> Result<DenseLayer> {
        Ok(DenseLayer {
            norms: [
                BatchNorm::new(params, &format!("{name}.norm1"), input)?,
                BatchNorm::new(params, &format!("{name}.norm2"), 4 * growth)?,
            ],
            convs: [
                conv(params, &format!("{name}.conv1"), (input, 4 * growth), (1, 1, 0))?,
                conv(params, &format!("{name}.conv2"), (4 * growth, growth), (3, 1, 1))?,
            ],
        })
    }
}

impl Layer for DenseLayer {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let values = self.norms[0].forward(values, mode, None, true)?;
        let values = self.norms[1].forward(&self.convs[0].forward(&values, mode)?, mode, None, true)?;
        self.convs[1].forward(&values, mode)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let first = self.convs[0].outline(row)?;
        let second = self.convs[1].outline(&first.shape)?;
        Some(first.then(second))
    }
}

/// The transition (norm, relu, 1×1 to half the channels, 2×2 mean), where there is one; then layers, each given what came in
/// beside all that was made.
struct DenseBlock {
    transition: Option<(BatchNorm, Conv)>,
    layers: Vec<DenseLayer>,
}

impl Layer for DenseBlock {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let mut values = match &self.transition {
            Some((norm, conv)) => {
                let values = conv.forward(&norm.forward(values, mode, None, true)?, mode)?;
                tallow_kernels::avg_pool2d(&values, 2, 2, 0, true)?
            }
            None => values.clone(),
        };
        for layer in &self.layers {
            let made = layer.forward(&values, mode)?;
            values = tallow_kernels::concat_channels(&[&values, &made])?;
        }
        Ok(values)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let mut outline = Outline { shape: row.to_vec(), macs: 0 };
        if let Some((_, conv)) = &self.transition {
            outline = conv.outline(row)?;
            outline.shape[1..].iter_mut().for_each(|n| *n /= 2);
        }
        for layer in &self.layers {
            let made = layer.outline(&outline.shape)?;
            outline.shape[0] += made.shape[0];
            outline.macs += made.macs;
        }
        Some(outline).filter(|outline| !outline.shape.contains(&0))
    }
}
