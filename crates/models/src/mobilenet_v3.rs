//! MobileNetV3 large and small, torchvision's: its blocks, tensor names, norms (ε = 1e-3, momentum 0.01) and dropout.
//!
//! The taps `stage1` … `stage4` end at 1/4, 1/8, 1/16 and 1/32 of the side, as ResNet's do; `stem` ends at 1/2. The last
//! 1×1 convolution is part of `stage4`; `penultimate` is pooling, the classifier's first linear layer and its hard swish
//! (1280 or 1024 features); the head is dropout and the last linear layer. Dropout acts in [`Mode::Train`] only.
//!
//! Source: Howard et al. 2019, arXiv:1905.02244, tables 1 and 2; torchvision 0.29 `models/mobilenetv3.py`.

use crate::layers::{BatchNorm, Chain, Conv, Dropout, GlobalPool, Linear};
use crate::zoo::imagenet;
use crate::{
    Error, Init, Layer, Mode, ModelOptions, ModelSpec, Network, Outline, Param, Params, Peer, Result, Stage,
    Stem,
};
use candle_core::Tensor;

pub const LARGE: ModelSpec =
    spec("mobilenet_v3_large", |params, options| build(params, options, LARGE_BLOCKS, 1280));
pub const SMALL: ModelSpec =
    spec("mobilenet_v3_small", |params, options| build(params, options, SMALL_BLOCKS, 1024));

const fn spec(name: &'static str, build: fn(&mut Params, &ModelOptions) -> Result<Network>) -> ModelSpec {
    ModelSpec {
        taps: &["input", "stem", "stage1", "stage2", "stage3", "stage4", "penultimate"],
        first_conv: "features.0.0",
        classifier: "classifier.3",
        torchvision: Peer::same(name),
        ..imagenet(name, "Howard et al. 2019, arXiv:1905.02244; torchvision 0.29", build)
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
    if options.stem == Some(Stem::Cifar) {
        return Err(Error::Option(
            "stem: MobileNetV3 has its own only (3×3 at stride 2) – leave `stem` out, or take resnet18 for a CIFAR stem"
                .into(),
        ));
    }
    params.begin_stage("stem");
    let mut channels = 16;
    let first = Conv::new(params, "features.0.0", (options.channels, channels), (3, 2, 1))?;
    let first = ConvNorm::new(params, "features.0", first, channels, HS)?;
    let mut pieces: Vec<(String, Vec<Box<dyn Layer>>)> = vec![("stem".into(), vec![Box::new(first)])];
    // A stage begins where the side is halved.
    for (block, i) in blocks.iter().zip(1..) {
        if block.5 == 2 {
            let name = format!("stage{}", pieces.len());
            params.begin_stage(&name);
            pieces.push((name, Vec::new()));
        }
        let layer = InvertedResidual::new(params, &format!("features.{i}.block"), channels, *block)?;
        pieces.last_mut().expect("the stem is there").1.push(Box::new(layer));
        channels = block.2;
    }
    let (name, wide) = (format!("features.{}", blocks.len() + 1), 6 * channels);
    let last = Conv::new(params, &format!("{name}.0"), (channels, wide), (1, 1, 0))?;
    let last = ConvNorm::new(params, &name, last, wide, HS)?;
    pieces.last_mut().expect("the stem is there").1.push(Box::new(last));
    let mut stages: Vec<Stage> =
        pieces.into_iter().map(|(name, layers)| Stage { name, layer: Box::new(Chain(layers)) }).collect();

    let init = (Init::Normal(0.01), Init::Zeros);
    params.begin_stage("penultimate");
    let linear = Linear::with(params, "classifier.0", (wide, hidden), init)?;
    stages.push(Stage { name: "penultimate".into(), layer: Box::new(Features { linear }) });
    params.begin_stage("head");
    let linear = Linear::with(params, "classifier.3", (hidden, options.classes), init)?;
    let dropout = Dropout { name: "classifier.2", rate: 0.2 };
    let head: Chain<Box<dyn Layer>> = Chain(vec![Box::new(dropout), Box::new(linear)]);
    Ok(Network { stages, head: Box::new(head) })
}

#[derive(Clone, Copy)]
enum Activation {
    Identity,
    Relu,
    HardSwish,
}

/// activation(norm(conv(x))).
struct ConvNorm {
    conv: Conv,
    norm: BatchNorm,
    activation: Activation,
}

impl ConvNorm {
    /// The norm is `{name}.1`; by torchvision the convolution is `{name}.0`.
    fn new(
        params: &mut Params,
        name: &str,
        conv: Conv,
        channels: usize,
        activation: Activation,
    ) -> Result<ConvNorm> {
        let norm = BatchNorm::with(params, &format!("{name}.1"), channels, (1e-3, 0.01))?;
        Ok(ConvNorm { conv, norm, activation })
    }

    /// activation(norm(conv(x)) + residual).
    fn forward_with(&self, values: &Tensor, mode: &Mode, residual: Option<&Tensor>) -> Result<Tensor> {
        let relu = matches!(self.activation, Activation::Relu);
        let values = self.norm.forward(&self.conv.forward(values, mode)?, mode, residual, relu)?;
        Ok(match self.activation {
            Activation::Identity | Activation::Relu => values,
            Activation::HardSwish => tallow_kernels::hard_swish(&values)?,
        })
    }
}

impl Layer for ConvNorm {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        self.forward_with(values, mode, None)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        self.conv.outline(row)
    }
}

/// 1×1 to `expanded` channels (left out where they are as many already), depthwise k×k, squeeze-and-excitation, 1×1 back
/// without activation; plus x where the shape stays.
struct InvertedResidual {
    inner: Chain<Box<dyn Layer>>,
    project: ConvNorm,
    residual: bool,
}

impl InvertedResidual {
    fn new(params: &mut Params, name: &str, input: usize, block: Block) -> Result<InvertedResidual> {
        let (kernel, expanded, output, squeeze, activation, stride) = block;
        let mut inner: Vec<Box<dyn Layer>> = Vec::new();
        if expanded != input {
            let name = format!("{name}.0");
            let conv = Conv::new(params, &format!("{name}.0"), (input, expanded), (1, 1, 0))?;
            inner.push(Box::new(ConvNorm::new(params, &name, conv, expanded, activation)?));
        }
        let at = format!("{name}.{}", inner.len());
        let conv = Conv::depthwise(params, &format!("{at}.0"), expanded, (kernel, stride, kernel / 2))?;
        inner.push(Box::new(ConvNorm::new(params, &at, conv, expanded, activation)?));
        if squeeze {
            let at = format!("{name}.{}", inner.len());
            inner.push(Box::new(SqueezeExcitation::new(params, &at, expanded)?));
        }
        let at = format!("{name}.{}", inner.len());
        let conv = Conv::new(params, &format!("{at}.0"), (expanded, output), (1, 1, 0))?;
        let project = ConvNorm::new(params, &at, conv, output, Activation::Identity)?;
        Ok(InvertedResidual { inner: Chain(inner), project, residual: stride == 1 && input == output })
    }
}

impl Layer for InvertedResidual {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let inner = self.inner.forward(values, mode)?;
        self.project.forward_with(&inner, mode, self.residual.then_some(values))
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let inner = self.inner.outline(row)?;
        let project = self.project.outline(&inner.shape)?;
        Some(Outline { shape: project.shape, macs: inner.macs + project.macs })
    }
}

/// x · hard_sigmoid(fc2(relu(fc1(mean of x over the map)))), a factor per channel.
struct SqueezeExcitation {
    squeeze: Pointwise,
    excite: Pointwise,
}

impl SqueezeExcitation {
    fn new(params: &mut Params, name: &str, channels: usize) -> Result<SqueezeExcitation> {
        let inner = divisible(channels / 4);
        Ok(SqueezeExcitation {
            squeeze: Pointwise::new(params, &format!("{name}.fc1"), (channels, inner))?,
            excite: Pointwise::new(params, &format!("{name}.fc2"), (inner, channels))?,
        })
    }
}

/// The multiple of 8 nearest to n, at least 8 and at least 0.9 n.
fn divisible(n: usize) -> usize {
    let near = ((n + 4) / 8 * 8).max(8);
    if 10 * near < 9 * n { near + 8 } else { near }
}

impl Layer for SqueezeExcitation {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let rows = tallow_kernels::global_avg_pool(values)?;
        let rows = tallow_kernels::relu(&self.squeeze.forward(&rows, mode)?)?;
        let factors = tallow_kernels::hard_sigmoid(&self.excite.forward(&rows, mode)?)?;
        Ok(tallow_kernels::scale_channels(values, &factors)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let macs = [&self.squeeze, &self.excite].iter().map(|fc| fc.weight.var().elem_count() as u64).sum();
        Some(Outline { shape: row.to_vec(), macs })
    }
}

/// A linear layer whose weight has the shape of a 1×1 convolution.
struct Pointwise {
    weight: Param,
    bias: Param,
}

impl Pointwise {
    /// `{name}.weight` (out, in, 1, 1), normal with variance 2 / out; `{name}.bias` 0.
    fn new(params: &mut Params, name: &str, (input, output): (usize, usize)) -> Result<Pointwise> {
        let shape = [output, input, 1, 1];
        let weight = params.parameter(&format!("{name}.weight"), &shape, Init::KaimingNormalFanOut)?;
        Ok(Pointwise { weight, bias: params.parameter(&format!("{name}.bias"), &[output], Init::Zeros)? })
    }

    /// (R, in) → (R, out).
    fn forward(&self, rows: &Tensor, mode: &Mode) -> Result<Tensor> {
        let weight = self.weight.tensor(mode).flatten_from(1)?;
        Ok(tallow_kernels::linear(rows, &weight, Some(&self.bias.tensor(mode)))?)
    }
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
