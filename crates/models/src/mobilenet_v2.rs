//! MobileNetV2, torchvision's: inverted residual blocks without squeeze-and-excitation, ReLU6, dropout 0.2.
//!
//! The taps `stage1` … `stage4` end at 1/4, 1/8, 1/16 and 1/32 of the side; `stem` ends at 1/2 and holds the first block. The
//! last 1×1 convolution is part of `stage4`; the head is dropout, in [`Mode::Train`](crate::Mode) only, and a linear layer.
//!
//! Source: Sandler et al. 2018, arXiv:1801.04381, table 2; torchvision 0.29 `models/mobilenetv2.py`.

use crate::layers::{Chain, Dropout, GlobalPool, Linear};
use crate::mobile::{Activation, ConvNorm, Form, InvertedResidual, Pieces, timm_by_blocks};
use crate::zoo::{imagenet, own_stem};
use crate::{Init, Layer, ModelOptions, ModelSpec, Network, Params, Peer, Result, Stage};

pub const MOBILENET_V2: ModelSpec = ModelSpec {
    taps: &["input", "stem", "stage1", "stage2", "stage3", "stage4", "penultimate"],
    first_conv: "features.0.0",
    classifier: "classifier.1",
    torchvision: Peer::same("mobilenet_v2"),
    timm: Some(Peer { name: "mobilenetv2_100", tensor: timm }),
    weights: &["timm/mobilenetv2_100.ra_in1k"],
    ..imagenet("mobilenet_v2", "Sandler et al. 2018, arXiv:1801.04381; torchvision 0.29", build)
};

/// Expansion, channels out, blocks, stride of the first.
const STAGES: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];
const FEATURES: usize = 1280;

fn timm(name: &str) -> String {
    match name.strip_prefix("classifier.1.") {
        Some(leaf) => format!("classifier.{leaf}"),
        None => timm_by_blocks(name, &STAGES.map(|stage| stage.2), |_| ["conv_head".into(), "bn2".into()]),
    }
}

fn build(params: &mut Params, options: &ModelOptions) -> Result<Network> {
    own_stem(options, "MobileNetV2", "3×3 at stride 2")?;
    let form = Form { kernel: 1, stride: 1, groups: 1, norm: (1e-5, 0.1), activation: Activation::Relu6 };
    let mut pieces = Pieces::new(params);
    let mut channels = 32;
    let first = Form { kernel: 3, stride: 2, ..form };
    pieces.push(ConvNorm::new(params, "features.0", (options.channels, channels), first)?);
    let mut index = 1;
    for (expansion, output, blocks, stride) in STAGES {
        for i in 0..blocks {
            let stride = if i == 0 { stride } else { 1 };
            pieces.begin(params, stride);
            let name = format!("features.{index}.conv");
            let expanded = expansion * channels;
            let mut inner: Vec<Box<dyn Layer>> = Vec::new();
            if expansion != 1 {
                inner.push(Box::new(ConvNorm::new(
                    params,
                    &format!("{name}.0"),
                    (channels, expanded),
                    form,
                )?));
            }
            let depthwise = Form { kernel: 3, stride, groups: expanded, ..form };
            let at = format!("{name}.{}", inner.len());
            inner.push(Box::new(ConvNorm::new(params, &at, (expanded, expanded), depthwise)?));
            let names = [0, 1].map(|i| format!("{name}.{}", inner.len() + i));
            let project = Form { activation: Activation::Identity, ..form };
            let project = ConvNorm::named(params, [&names[0], &names[1]], (expanded, output), project)?;
            let residual = stride == 1 && channels == output;
            pieces.push(InvertedResidual { inner: Chain(inner), project, residual, depth: None });
            channels = output;
            index += 1;
        }
    }
    pieces.push(ConvNorm::new(params, &format!("features.{index}"), (channels, FEATURES), form)?);
    let mut stages = pieces.stages();
    stages.push(Stage { name: "penultimate".into(), layer: Box::new(GlobalPool) });
    params.begin_stage("head");
    let init = (Init::Normal(0.01), Init::Zeros);
    let linear = Linear::with(params, "classifier.1", (FEATURES, options.classes), init)?;
    Ok(Network::new(stages, Dropout { name: "classifier.0", rate: 0.2 }.then(linear)))
}
