//! MobileNetV3 large and small, torchvision's: its blocks, tensor names, norms (ε = 1e-3, momentum 0.01) and dropout.
//!
//! The taps `stage1` … `stage4` end at 1/4, 1/8, 1/16 and 1/32 of the side, as ResNet's do; `stem` ends at 1/2. The last
//! 1×1 convolution is part of `stage4`; `penultimate` is pooling, the classifier's first linear layer and its hard swish
//! (1280 or 1024 features); the head is dropout and the last linear layer. Dropout acts in [`Mode::Train`] only.
//!
//! timm's nets of the paper have norms of ε = 1e-5, and torchvision's of 1e-3: `timm_arguments` ask timm for the latter, and then
//! the logits are the same; timm's weights were trained with the former.
//!
//! Source: Howard et al. 2019, arXiv:1905.02244, tables 1 and 2; torchvision 0.29 `models/mobilenetv3.py`.

use crate::layers::{Chain, Dropout, GlobalPool, Linear};
use crate::mobile::{
    Activation, ConvNorm, Form, Gate, InvertedResidual, Pieces, SqueezeExcitation, divisible, timm_by_blocks,
};
use crate::zoo::{imagenet, own_stem};
use crate::{Init, Layer, Mode, ModelOptions, ModelSpec, Network, Outline, Params, Peer, Result, Stage};
use candle_core::Tensor;

pub const LARGE: ModelSpec = ModelSpec {
    timm: Some(Peer { name: "mobilenetv3_large_100", tensor: |name| timm(name, &[1, 2, 3, 4, 2, 3]) }),
    ..spec("mobilenet_v3_large", |params, options| build(params, options, LARGE_BLOCKS, 1280))
};
pub const SMALL: ModelSpec = ModelSpec {
    timm: Some(Peer { name: "mobilenetv3_small_100", tensor: |name| timm(name, &[1, 2, 3, 2, 3]) }),
    ..spec("mobilenet_v3_small", |params, options| build(params, options, SMALL_BLOCKS, 1024))
};

const fn spec(name: &'static str, build: fn(&mut Params, &ModelOptions) -> Result<Network>) -> ModelSpec {
    ModelSpec {
        taps: &["input", "stem", "stage1", "stage2", "stage3", "stage4", "penultimate"],
        first_conv: "features.0.0",
        classifier: "classifier.3",
        torchvision: Peer::same(name),
        timm_arguments: &[("bn_eps", 1e-3)],
        ..imagenet(name, "Howard et al. 2019, arXiv:1905.02244; torchvision 0.29", build)
    }
}

/// timm's stages have these numbers of blocks; its last 1×1 convolution is a stage of its own.
fn timm(name: &str, stages: &[usize]) -> String {
    match name.split_once('.') {
        Some(("classifier", rest)) => match rest.split_once('.') {
            Some(("0", leaf)) => format!("conv_head.{leaf}"),
            Some((_, leaf)) => format!("classifier.{leaf}"),
            None => name.to_owned(),
        },
        _ => timm_by_blocks(name, stages, |_| {
            ["conv", "bn1"].map(|layer| format!("blocks.{}.0.{layer}", stages.len()))
        }),
    }
}

/// Kernel, expanded channels, channels out, whether squeeze-and-excitation, activation, stride.
type Block = (usize, usize, usize, bool, Activation, usize);

const RE: Activation = Activation::Relu;
const HS: Activation = Activation::HardSwish;

const LARGE_BLOCKS: &[Block] = &[
    (3, 16, 16, false, RE, 1),
    (3, 64, 24, false, RE, 2),
    (3, 72, 24, false, RE, 1),
    (5, 72, 40, true, RE, 2),
    (5, 120, 40, true, RE, 1),
    (5, 120, 40, true, RE, 1),
    (3, 240, 80, false, HS, 2),
    (3, 200, 80, false, HS, 1),
    (3, 184, 80, false, HS, 1),
    (3, 184, 80, false, HS, 1),
    (3, 480, 112, true, HS, 1),
    (3, 672, 112, true, HS, 1),
    (5, 672, 160, true, HS, 2),
    (5, 960, 160, true, HS, 1),
    (5, 960, 160, true, HS, 1),
];

const SMALL_BLOCKS: &[Block] = &[
    (3, 16, 16, true, RE, 2),
    (3, 72, 24, false, RE, 2),
    (3, 88, 24, false, RE, 1),
    (5, 96, 40, true, HS, 2),
    (5, 240, 40, true, HS, 1),
    (5, 240, 40, true, HS, 1),
    (5, 120, 48, true, HS, 1),
    (5, 144, 48, true, HS, 1),
    (5, 288, 96, true, HS, 2),
    (5, 576, 96, true, HS, 1),
    (5, 576, 96, true, HS, 1),
];

fn build(params: &mut Params, options: &ModelOptions, blocks: &[Block], hidden: usize) -> Result<Network> {
    own_stem(options, "MobileNetV3", "3×3 at stride 2")?;
    let form = Form { kernel: 1, stride: 1, groups: 1, norm: (1e-3, 0.01), activation: HS };
    let mut pieces = Pieces::new(params);
    let mut channels = 16;
    let first = Form { kernel: 3, stride: 2, ..form };
    pieces.push(ConvNorm::new(params, "features.0", (options.channels, channels), first)?);
    for (block, i) in blocks.iter().zip(1..) {
        pieces.begin(params, block.5);
        pieces.push(inverted(params, &format!("features.{i}.block"), channels, *block, form)?);
        channels = block.2;
    }
    let (name, wide) = (format!("features.{}", blocks.len() + 1), 6 * channels);
    pieces.push(ConvNorm::new(params, &name, (channels, wide), form)?);
    let mut stages = pieces.stages();

    let init = (Init::Normal(0.01), Init::Zeros);
    params.begin_stage("penultimate");
    let linear = Linear::with(params, "classifier.0", (wide, hidden), init)?;
    stages.push(Stage { name: "penultimate".into(), layer: Box::new(Features { linear }) });
    params.begin_stage("head");
    let linear = Linear::with(params, "classifier.3", (hidden, options.classes), init)?;
    Ok(Network::new(stages, Dropout { name: "classifier.2", rate: 0.2 }.then(linear)))
}

/// 1×1 to the expanded channels (left out where they are as many already), depthwise k×k, squeeze-and-excitation to a quarter,
/// 1×1 back without activation.
fn inverted(
    params: &mut Params,
    name: &str,
    input: usize,
    block: Block,
    form: Form,
) -> Result<InvertedResidual> {
    let (kernel, expanded, output, squeeze, activation, stride) = block;
    let form = Form { activation, ..form };
    let mut inner: Vec<Box<dyn Layer>> = Vec::new();
    if expanded != input {
        inner.push(Box::new(ConvNorm::new(params, &format!("{name}.0"), (input, expanded), form)?));
    }
    let at = format!("{name}.{}", inner.len());
    let depthwise = Form { kernel, stride, groups: expanded, ..form };
    inner.push(Box::new(ConvNorm::new(params, &at, (expanded, expanded), depthwise)?));
    if squeeze {
        let at = format!("{name}.{}", inner.len());
        let squeezed = divisible((expanded / 4) as f64);
        inner.push(Box::new(SqueezeExcitation::new(params, &at, (expanded, squeezed), Gate::Hard)?));
    }
    let at = format!("{name}.{}", inner.len());
    let project = Form { activation: Activation::Identity, ..form };
    let project = ConvNorm::new(params, &at, (expanded, output), project)?;
    let residual = stride == 1 && input == output;
    Ok(InvertedResidual { inner: Chain(inner), project, residual, depth: None })
}

/// Pooling, the classifier's first linear layer, hard swish.
struct Features {
    linear: Linear,
}

impl Layer for Features {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let values = self.linear.forward(&GlobalPool.forward(values, mode)?, mode)?;
        Ok(tallow_kernels::hard_swish(&values)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        self.linear.outline(&GlobalPool.outline(row)?.shape)
    }
}
