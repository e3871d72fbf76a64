//! The list of models, and how one is found by name.

use crate::{
    Error, Network, Params, Result, cifar_resnet, convnext, densenet, efficientnet, mobilenet_v2,
    mobilenet_v3, preact, resnet, swin, vgg, vit,
};
use serde::{Deserialize, Serialize};

/// A model as the zoo knows it.
pub struct ModelSpec {
    pub name: &'static str,
    /// Paper, and the code that the network equals.
    pub source: &'static str,
    /// Default side of the square input, pixels.
    pub input: usize,
    /// `input`, then the stages: what [`Network::taps`] of a built one gives.
    pub taps: &'static [&'static str],
    /// The stem when the options leave it open.
    pub stem: Stem,
    /// Whether there is a choice of stems.
    pub has_stems: bool,
    /// Of the training images, per channel, in [0, 1]; weights with a `config.json` bring their own.
    pub mean: [f64; 3],
    pub std: [f64; 3],
    /// Of the evaluation's resize: `bilinear` or `bicubic`.
    pub interpolation: &'static str,
    /// Side of the centre crop over the side that the image is resized to.
    pub crop: f64,
    /// The layers that a change of image channels or of classes makes anew: timm's `first_conv` and `classifier`.
    pub first_conv: &'static str,
    pub classifier: &'static str,
    /// The same network elsewhere, where there is one. Tensors have one of the two's names.
    pub torchvision: Option<Peer>,
    pub timm: Option<Peer>,
    /// What timm's constructor has to be told to make this network: `model_args` of a `config.json`.
    pub timm_arguments: &'static [(&'static str, f64)],
    /// Hub ids of weights known to fit, all trained on ImageNet: what `model.weights: imagenet` stands for is the first.
    pub weights: &'static [&'static str],
    /// Makes the network and its tensors in a store that holds no other.
    pub build: fn(&mut Params, &ModelOptions) -> Result<Network>,
}

/// A network in another library. Tensors pair by name, and hold the same elements in the same order; a convolution here may
/// be a linear layer there, and the other way round.
#[derive(Clone, Copy)]
pub struct Peer {
    pub name: &'static str,
    /// Our name of a tensor → theirs.
    pub tensor: fn(&str) -> String,
}

impl Peer {
    /// A peer that gives its tensors our names.
    pub const fn same(name: &'static str) -> Option<Peer> {
        Some(Peer { name, tensor: str::to_owned })
    }
}

/// What a spec of 224 px, trained on ImageNet in torchvision's way, has in common with others; taps, layers, peers and
/// weights are for the family to fill in.
pub(crate) const fn imagenet(
    name: &'static str,
    source: &'static str,
    build: fn(&mut Params, &ModelOptions) -> Result<Network>,
) -> ModelSpec {
    ModelSpec {
        name,
        source,
        input: 224,
        taps: &[],
        stem: Stem::ImageNet,
        has_stems: false,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        interpolation: "bilinear",
        crop: 0.875,
        first_conv: "",
        classifier: "",
        torchvision: None,
        timm: None,
        timm_arguments: &[],
        weights: &[],
        build,
    }
}

/// The same of a spec of 32 px for CIFAR, three stages and `fc`: CIFAR-10's mean and standard deviation over all pixels of the
/// training images, and evaluations that see the whole image.
pub(crate) const fn cifar(
    name: &'static str,
    source: &'static str,
    build: fn(&mut Params, &ModelOptions) -> Result<Network>,
) -> ModelSpec {
    ModelSpec {
        input: 32,
        taps: &["input", "stem", "stage1", "stage2", "stage3", "penultimate"],
        stem: Stem::Cifar,
        mean: [0.4914, 0.4822, 0.4465],
        std: [0.2470, 0.2435, 0.2616],
        crop: 1.0,
        first_conv: "conv1",
        classifier: "fc",
        ..imagenet(name, source, build)
    }
}

/// Errs where the options ask for the CIFAR stem of a family that has its own, `what`, only.
pub(crate) fn own_stem(options: &ModelOptions, family: &str, what: &str) -> Result<()> {
    match options.stem {
        Some(Stem::Cifar) => Err(Error::Option(format!(
            "stem: {family} has its own only ({what}) – leave `stem` out, or take resnet18 for a CIFAR stem"
        ))),
        _ => Ok(()),
    }
}

/// What a recipe can choose about a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelOptions {
    pub classes: usize,
    /// Of the image: 3 for RGB.
    pub channels: usize,
    /// `None`: the model's own.
    pub stem: Option<Stem>,
    /// Side of the square images, pixels, where the network has positions of its own; `None`: the model's.
    pub input: Option<usize>,
}

impl ModelOptions {
    pub fn new(classes: usize) -> ModelOptions {
        ModelOptions { classes, channels: 3, stem: None, input: None }
    }
}

/// The first layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stem {
    /// The family's own. ResNet's: 7×7 convolution at stride 2, then 3×3 maximum at stride 2, a quarter of the side.
    ImageNet,
    /// 3×3 convolution at stride 1, no maximum: for 32 px.
    Cifar,
}

impl Stem {
    /// Every stem by its name in recipes, commands and `config.json`.
    pub const NAMED: [(&str, Stem); 2] = [("imagenet", Stem::ImageNet), ("cifar", Stem::Cifar)];

    pub fn name(self) -> &'static str {
        match self {
            Stem::ImageNet => "imagenet",
            Stem::Cifar => "cifar",
        }
    }
}

/// Every model.
pub const MODELS: &[&ModelSpec] = &[
    &resnet::RESNET18,
    &resnet::RESNET34,
    &resnet::RESNET50,
    &resnet::RESNET101,
    &resnet::RESNET152,
    &resnet::RESNEXT50,
    &resnet::RESNEXT101,
    &resnet::WIDE_RESNET50,
    &resnet::WIDE_RESNET101,
    &resnet::RESNET18D,
    &resnet::RESNET34D,
    &resnet::RESNET50D,
    &resnet::RESNET101D,
    &cifar_resnet::RESNET20,
    &cifar_resnet::RESNET32,
    &cifar_resnet::RESNET56,
    &cifar_resnet::RESNET110,
    &preact::PREACT18,
    &preact::WRN_16_4,
    &preact::WRN_40_2,
    &preact::WRN_28_10,
    &vgg::VGG11,
    &vgg::VGG13,
    &vgg::VGG16,
    &vgg::VGG19,
    &densenet::DENSENET121,
    &densenet::DENSENET161,
    &densenet::DENSENET169,
    &densenet::DENSENET201,
    &mobilenet_v2::MOBILENET_V2,
    &mobilenet_v3::LARGE,
    &mobilenet_v3::SMALL,
    &efficientnet::B0,
    &efficientnet::B1,
    &efficientnet::B2,
    &efficientnet::B3,
    &efficientnet::B4,
    &efficientnet::V2_S,
    &convnext::TINY,
    &convnext::SMALL,
    &convnext::BASE,
    &swin::TINY,
    &swin::SMALL,
    &vit::VIT_TINY,
    &vit::VIT_SMALL,
    &vit::VIT_BASE,
    &vit::DEIT_TINY,
    &vit::DEIT_SMALL,
    &vit::DEIT_BASE,
];

/// The model of this name.
pub fn find(name: &str) -> Option<&'static ModelSpec> {
    MODELS.iter().copied().find(|spec| spec.name == name)
}
