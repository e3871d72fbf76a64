//! What MobileNetV2, MobileNetV3 and EfficientNet are built of: convolution with norm and activation, squeeze-and-excitation,
//! inverted residual blocks; and timm's names of their tensors.

use crate::layers::{BatchNorm, Chain, Conv, StochasticDepth};
use crate::{Init, Layer, Mode, Outline, Param, Params, Result, Stage};
use candle_core::Tensor;

#[derive(Clone, Copy, PartialEq)]
pub enum Activation {
    Identity,
    Relu,
    Relu6,
    HardSwish,
    Silu,
}

/// How a [`ConvNorm`] slides, and what comes after its convolution.
#[derive(Clone, Copy)]
pub struct Form {
    pub kernel: usize,
    pub stride: usize,
    pub groups: usize,
    /// (ε, momentum) of the norm.
    pub norm: (f64, f64),
    pub activation: Activation,
}

/// activation(norm(conv(x))), padded so that stride 1 keeps the sides.
pub struct ConvNorm {
    conv: Conv,
    norm: BatchNorm,
    activation: Activation,
}

impl ConvNorm {
    /// The convolution is `{name}.0`, the norm `{name}.1`.
    pub fn new(params: &mut Params, name: &str, channels: (usize, usize), form: Form) -> Result<ConvNorm> {
        ConvNorm::named(params, [&format!("{name}.0"), &format!("{name}.1")], channels, form)
    }

    /// The same with names of one's own.
    pub fn named(
        params: &mut Params,
        [conv, norm]: [&str; 2],
        channels: (usize, usize),
        form: Form,
    ) -> Result<ConvNorm> {
        let geometry = (form.kernel, form.stride, form.kernel / 2);
        Ok(ConvNorm {
            conv: Conv::grouped(params, conv, channels, geometry, form.groups)?,
            norm: BatchNorm::with(params, norm, channels.1, form.norm)?,
            activation: form.activation,
        })
    }

    /// activation(norm(conv(x)) + residual).
    fn forward_with(&self, values: &Tensor, mode: &Mode, residual: Option<&Tensor>) -> Result<Tensor> {
        let relu = self.activation == Activation::Relu;
        let values = self.norm.forward(&self.conv.forward(values, mode)?, mode, residual, relu)?;
        Ok(match self.activation {
            Activation::Identity | Activation::Relu => values,
            Activation::Relu6 => tallow_kernels::relu6(&values)?,
            Activation::HardSwish => tallow_kernels::hard_swish(&values)?,
            Activation::Silu => tallow_kernels::silu(&values)?,
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

/// Layers, 1×1 to the channels out; plus x where the shape stays, by stochastic depth where there is any.
pub struct InvertedResidual {
    pub inner: Chain<Box<dyn Layer>>,
    pub project: ConvNorm,
    pub residual: bool,
    pub depth: Option<StochasticDepth>,
}

impl Layer for InvertedResidual {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let inner = self.inner.forward(values, mode)?;
        let draws = self.depth.is_some() && matches!(mode, Mode::Train { .. });
        if !self.residual {
            self.project.forward(&inner, mode)
        } else if draws || self.project.activation != Activation::Identity {
            let branch = self.project.forward(&inner, mode)?;
            match &self.depth {
                Some(depth) => depth.forward(values, &branch, mode),
                None => Ok(tallow_kernels::add_scaled(values, &branch, None)?),
            }
        } else {
            // In one pass with the norm.
            self.project.forward_with(&inner, mode, Some(values))
        }
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let inner = self.inner.outline(row)?;
        let project = self.project.outline(&inner.shape)?;
        Some(inner.then(project))
    }
}

/// What squeezes and what gates.
#[derive(Clone, Copy)]
pub enum Gate {
    /// ReLU and hard sigmoid: MobileNetV3.
    Hard,
    /// SiLU and sigmoid: EfficientNet.
    Smooth,
}

/// x · gate(fc2(activation(fc1(mean of x over the map)))), a factor per channel.
pub struct SqueezeExcitation {
    squeeze: Pointwise,
    excite: Pointwise,
    gate: Gate,
}

impl SqueezeExcitation {
    pub fn new(
        params: &mut Params,
        name: &str,
        (channels, inner): (usize, usize),
        gate: Gate,
    ) -> Result<SqueezeExcitation> {
        Ok(SqueezeExcitation {
            squeeze: Pointwise::new(params, &format!("{name}.fc1"), (channels, inner))?,
            excite: Pointwise::new(params, &format!("{name}.fc2"), (inner, channels))?,
            gate,
        })
    }
}

impl Layer for SqueezeExcitation {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let rows = self.squeeze.forward(&tallow_kernels::global_avg_pool(values)?, mode)?;
        let rows = match self.gate {
            Gate::Hard => tallow_kernels::relu(&rows)?,
            Gate::Smooth => tallow_kernels::silu(&rows)?,
        };
        let rows = self.excite.forward(&rows, mode)?;
        let factors = match self.gate {
            Gate::Hard => tallow_kernels::hard_sigmoid(&rows)?,
            Gate::Smooth => tallow_kernels::sigmoid(&rows)?,
        };
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

/// The multiple of 8 nearest to n, at least 8 and at least 0.9 n.
pub fn divisible(n: f64) -> usize {
    let near = ((n + 4.0) as usize / 8 * 8).max(8);
    if (near as f64) < 0.9 * n { near + 8 } else { near }
}

/// `stem`, then stages that begin where the side is halved.
pub struct Pieces(Vec<(String, Vec<Box<dyn Layer>>)>);

impl Pieces {
    /// `stem` has begun.
    pub fn new(params: &mut Params) -> Pieces {
        params.begin_stage("stem");
        Pieces(vec![("stem".into(), Vec::new())])
    }

    /// What is made from now on belongs to a new stage if `stride` is 2.
    pub fn begin(&mut self, params: &mut Params, stride: usize) {
        if stride == 2 {
            let name = format!("stage{}", self.0.len());
            params.begin_stage(&name);
            self.0.push((name, Vec::new()));
        }
    }

    pub fn push(&mut self, layer: impl Layer + 'static) {
        self.0.last_mut().expect("the stem is there").1.push(Box::new(layer));
    }

    pub fn stages(self) -> Vec<Stage> {
        self.0.into_iter().map(|(name, layers)| Stage { name, layer: Box::new(Chain(layers)) }).collect()
    }
}

/// timm's name of what torchvision calls `features.{i}. …`, where timm's stages have these numbers of blocks, each of which
/// torchvision counts; what comes after them is `rest(i − blocks)`.
pub fn timm_by_blocks(name: &str, stages: &[usize], rest: impl Fn(usize) -> [String; 2]) -> String {
    let Some((index, inside)) = name.strip_prefix("features.").and_then(|name| name.split_once('.')) else {
        return name.to_owned();
    };
    let index: usize = index.parse().unwrap_or(0);
    if index == 0 {
        return conv_norm(inside, ["conv_stem", "bn1"]);
    }
    let mut block = index - 1;
    for (stage, count) in stages.iter().enumerate() {
        if block < *count {
            return format!("blocks.{stage}.{block}.{}", timm_block(inside, stage > 0));
        }
        block -= count;
    }
    let [conv, norm] = rest(block);
    conv_norm(inside, [&conv, &norm])
}

/// `0.weight` → `{conv}.weight`, `1.bias` → `{norm}.bias`.
pub fn conv_norm(inside: &str, [conv, norm]: [&str; 2]) -> String {
    let (part, leaf) = inside.split_once('.').unwrap_or((inside, ""));
    format!("{}.{leaf}", if part == "0" { conv } else { norm })
}

/// timm's name of a tensor of an inverted residual block, `block.…` (MobileNetV3, EfficientNet) or `conv.…` (MobileNetV2) by
/// torchvision; `expands` where the block begins with a 1×1 convolution.
pub fn timm_block(inside: &str, expands: bool) -> String {
    let parts: Vec<&str> = inside.split('.').collect();
    let names = |layer: usize| match (expands, layer) {
        (true, 0) => ["conv_pw", "bn1"],
        (true, 1) => ["conv_dw", "bn2"],
        (true, _) => ["conv_pwl", "bn3"],
        (false, 0) => ["conv_dw", "bn1"],
        (false, _) => ["conv_pw", "bn2"],
    };
    match parts[..] {
        [_, _, "fc1", leaf] => format!("se.conv_reduce.{leaf}"),
        [_, _, "fc2", leaf] => format!("se.conv_expand.{leaf}"),
        [_, layer, part, leaf] => conv_norm(&format!("{part}.{leaf}"), names(layer.parse().unwrap_or(0))),
        // MobileNetV2's last convolution and its norm are no pair of their own.
        [_, layer, leaf] => {
            let last = if expands { "2" } else { "1" };
            conv_norm(&format!("{}.{leaf}", u8::from(layer != last)), names(2))
        }
        _ => inside.to_owned(),
    }
}
