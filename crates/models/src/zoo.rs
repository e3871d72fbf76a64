//! The list of models, and how one is found by name.

use crate::{Network, Params, Result, cifar_resnet, convnext, mobilenet_v3, resnet, swin, vit};
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
    /// Hub ids of weights known to fit.
    pub weights: &'static [&'static str],
    /// Makes the network and its tensors in a store that holds no other.
    pub build: fn(&mut Params, &ModelOptions) -> Result<Network>,
}

/// A network in another library. Tensors pair by name, and hold the same elements in the same order; a 1×1 convolution may be a
/// linear layer there.
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
        weights: &[],
        build,
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
    &cifar_resnet::RESNET20,
    &cifar_resnet::RESNET32,
    &cifar_resnet::RESNET56,
    &mobilenet_v3::LARGE,
    &mobilenet_v3::SMALL,
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
