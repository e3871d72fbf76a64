//! EfficientNet-B0 to B4 and EfficientNetV2-S, torchvision's: inverted residual blocks with squeeze-and-excitation, or (V2's
//! first) with a plain convolution; SiLU; stochastic depth of single rows that grows with depth up to 0.2; dropout.
//!
//! The taps `stage1` … `stage4` end at 1/4, 1/8, 1/16 and 1/32 of the side; `stem` ends at 1/2 and holds the blocks before.
//! The last 1×1 convolution is part of `stage4`; the head is dropout and a linear layer. What draws, draws in
//! [`Mode::Train`](crate::Mode) only. B0 to B4 are timm's, tensor by tensor; V2-S is where timm's norms have ε = 1e-3, which
//! `timm_arguments` ask for.
//!
//! Source: Tan and Le 2019, arXiv:1905.11946; 2021, arXiv:2104.00298, table 4; torchvision 0.29 `models/efficientnet.py`.

use crate::layers::{Chain, Dropout, GlobalPool, Linear, StochasticDepth};
use crate::mobile::{
    Activation, ConvNorm, Form, Gate, InvertedResidual, Pieces, SqueezeExcitation, conv_norm, divisible,
    timm_block,
};
use crate::zoo::{imagenet, own_stem};
use crate::{Init, Layer, ModelOptions, ModelSpec, Network, Params, Peer, Result, Stage};

/// What tells the members of the family apart.
#[derive(Clone, Copy)]
struct Family {
    stages: &'static [Row],
    /// Factors of channels and of blocks.
    scale: (f64, f64),
    dropout: f64,
    /// ε of the norms.
    eps: f64,
    /// Channels of the last 1×1 convolution; four times the last stage's where there are none.
    features: Option<usize>,
}

/// Whether the expansion and the depthwise convolution are one, expansion, kernel, stride of the first, channels out, blocks.
type Row = (bool, usize, usize, usize, usize, usize);

const B: &[Row] = &[
    (false, 1, 3, 1, 16, 1),
    (false, 6, 3, 2, 24, 2),
    (false, 6, 5, 2, 40, 2),
    (false, 6, 3, 2, 80, 3),
    (false, 6, 5, 1, 112, 3),
    (false, 6, 5, 2, 192, 4),
    (false, 6, 3, 1, 320, 1),
];

const V2_SMALL: &[Row] = &[
    (true, 1, 3, 1, 24, 2),
    (true, 4, 3, 2, 48, 4),
    (true, 4, 3, 2, 64, 4),
    (false, 4, 3, 2, 128, 6),
    (false, 6, 3, 1, 160, 9),
    (false, 6, 3, 2, 256, 15),
];

const fn b(width: f64, depth: f64, dropout: f64) -> Family {
    Family { stages: B, scale: (width, depth), dropout, eps: 1e-5, features: None }
}

macro_rules! b {
    ($constant:ident, $name:literal, $side:literal, $resized:literal, $family:expr, [$($weights:literal),*]) => {
        pub const $constant: ModelSpec = ModelSpec {
            input: $side,
            interpolation: "bicubic",
            crop: $side as f64 / $resized as f64,
            timm: Some(Peer { name: $name, tensor: timm }),
            weights: &[$(concat!("timm/", $name, ".", $weights)),*],
            ..spec($name, "Tan and Le 2019, arXiv:1905.11946; torchvision 0.29", |params, options| {
                build(params, options, $family)
            })
        };
    };
}

b!(B0, "efficientnet_b0", 224, 256, b(1.0, 1.0, 0.2), ["ra_in1k", "ra4_e3600_r224_in1k"]);
b!(B1, "efficientnet_b1", 240, 256, b(1.0, 1.1, 0.2), ["ft_in1k", "ra4_e3600_r240_in1k"]);
b!(B2, "efficientnet_b2", 288, 288, b(1.1, 1.2, 0.3), ["ra_in1k"]);
b!(B3, "efficientnet_b3", 300, 320, b(1.2, 1.4, 0.3), ["ra2_in1k"]);
b!(B4, "efficientnet_b4", 380, 384, b(1.4, 1.8, 0.4), ["ra2_in1k"]);

pub const V2_S: ModelSpec = ModelSpec {
    input: 384,
    crop: 1.0,
    timm: Some(Peer { name: "efficientnetv2_s", tensor: timm_v2 }),
    timm_arguments: &[("bn_eps", 1e-3)],
    ..spec("efficientnet_v2_s", "Tan and Le 2021, arXiv:2104.00298; torchvision 0.29", |params, options| {
        let (stages, scale) = (V2_SMALL, (1.0, 1.0));
        build(params, options, Family { stages, scale, dropout: 0.2, eps: 1e-3, features: Some(1280) })
    })
};

const fn spec(
    name: &'static str,
    source: &'static str,
    build: fn(&mut Params, &ModelOptions) -> Result<Network>,
) -> ModelSpec {
    ModelSpec {
        taps: &["input", "stem", "stage1", "stage2", "stage3", "stage4", "penultimate"],
        first_conv: "features.0.0",
        classifier: "classifier.1",
        torchvision: Peer::same(name),
        ..imagenet(name, source, build)
    }
}

fn timm(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    match parts[..] {
        ["classifier", _, leaf] => format!("classifier.{leaf}"),
        ["features", "0", part, leaf] => conv_norm(&format!("{part}.{leaf}"), ["conv_stem", "bn1"]),
        // The convolution after the blocks has no block inside.
        ["features", _, part, leaf] => conv_norm(&format!("{part}.{leaf}"), ["conv_head", "bn2"]),
        ["features", stage, block, ..] => {
            let number = stage.parse::<usize>().unwrap_or(1) - 1;
            format!("blocks.{number}.{block}.{}", timm_block(&parts[3..].join("."), stage != "1"))
        }
        _ => name.to_owned(),
    }
}

/// V2-S: the blocks of its first three stages have one plain convolution, or two.
fn timm_v2(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    match parts[..] {
        ["features", stage @ ("1" | "2" | "3"), block, "block", layer, part, leaf] => {
            let names = match (stage, layer) {
                ("1", _) => ["conv", "bn1"],
                (_, "0") => ["conv_exp", "bn1"],
                _ => ["conv_pwl", "bn2"],
            };
            let number = stage.parse::<usize>().unwrap_or(1) - 1;
            format!("blocks.{number}.{block}.{}", conv_norm(&format!("{part}.{leaf}"), names))
        }
        _ => timm(name),
    }
}

fn build(params: &mut Params, options: &ModelOptions, family: Family) -> Result<Network> {
    own_stem(options, "EfficientNet", "3×3 at stride 2")?;
    let form =
        Form { kernel: 1, stride: 1, groups: 1, norm: (family.eps, 0.1), activation: Activation::Silu };
    let (width, depth) = family.scale;
    let scaled = |channels: usize| divisible(channels as f64 * width);
    let blocks = |count: usize| (count as f64 * depth).ceil() as usize;
    let total: usize = family.stages.iter().map(|row| blocks(row.5)).sum();
    let mut pieces = Pieces::new(params);
    let mut channels = scaled(if family.features.is_some() { 24 } else { 32 });
    let first = Form { kernel: 3, stride: 2, ..form };
    pieces.push(ConvNorm::new(params, "features.0", (options.channels, channels), first)?);
    let mut made = 0;
    for (stage, (fused, expansion, kernel, stride, output, count)) in
        family.stages.iter().copied().enumerate()
    {
        let output = scaled(output);
        for i in 0..blocks(count) {
            let stride = if i == 0 { stride } else { 1 };
            pieces.begin(params, stride);
            let name = format!("features.{}.{i}", stage + 1);
            let sizes = (channels, expansion * channels, output);
            let (form, name) = (Form { kernel, stride, ..form }, &name);
            let (inner, project) = match fused {
                true => fused_layers(params, name, sizes, form)?,
                false => layers(params, name, sizes, form)?,
            };
            let rate = 0.2 * made as f64 / total as f64;
            let residual = stride == 1 && channels == output;
            let depth = Some(StochasticDepth { name: format!("{name}.stochastic_depth"), rate });
            pieces.push(InvertedResidual { inner: Chain(inner), project, residual, depth });
            channels = output;
            made += 1;
        }
    }
    let features = family.features.unwrap_or(4 * channels);
    let name = format!("features.{}", family.stages.len() + 1);
    pieces.push(ConvNorm::new(params, &name, (channels, features), form)?);
    let mut stages = pieces.stages();
    stages.push(Stage { name: "penultimate".into(), layer: Box::new(GlobalPool) });
    params.begin_stage("head");
    let init = (Init::Uniform(1.0 / (options.classes as f64).sqrt()), Init::Zeros);
    let linear = Linear::with(params, "classifier.1", (features, options.classes), init)?;
    Ok(Network::new(stages, Dropout { name: "classifier.0", rate: family.dropout }.then(linear)))
}

type Layers = (Vec<Box<dyn Layer>>, ConvNorm);

/// 1×1 to the expanded channels where there are more, depthwise, squeeze-and-excitation to a quarter of the block's input; 1×1.
fn layers(
    params: &mut Params,
    name: &str,
    (input, expanded, output): (usize, usize, usize),
    form: Form,
) -> Result<Layers> {
    let plain = Form { kernel: 1, stride: 1, ..form };
    let mut inner: Vec<Box<dyn Layer>> = Vec::new();
    if expanded != input {
        let name = format!("{name}.block.0");
        inner.push(Box::new(ConvNorm::new(params, &name, (input, expanded), plain)?));
    }
    let at = format!("{name}.block.{}", inner.len());
    let depthwise = Form { groups: expanded, ..form };
    inner.push(Box::new(ConvNorm::new(params, &at, (expanded, expanded), depthwise)?));
    let at = format!("{name}.block.{}", inner.len());
    let squeezed = (input / 4).max(1);
    inner.push(Box::new(SqueezeExcitation::new(params, &at, (expanded, squeezed), Gate::Smooth)?));
    let at = format!("{name}.block.{}", inner.len());
    let project = Form { activation: Activation::Identity, ..plain };
    Ok((inner, ConvNorm::new(params, &at, (expanded, output), project)?))
}

/// k×k to the expanded channels, 1×1; a k×k alone, with its activation, where there is no expansion.
fn fused_layers(
    params: &mut Params,
    name: &str,
    (input, expanded, output): (usize, usize, usize),
    form: Form,
) -> Result<Layers> {
    if expanded == input {
        return Ok((Vec::new(), ConvNorm::new(params, &format!("{name}.block.0"), (input, output), form)?));
    }
    let expand = ConvNorm::new(params, &format!("{name}.block.0"), (input, expanded), form)?;
    let project = Form { kernel: 1, stride: 1, activation: Activation::Identity, ..form };
    let project = ConvNorm::new(params, &format!("{name}.block.1"), (expanded, output), project)?;
    Ok((vec![Box::new(expand)], project))
}
