//! ResNet-18 to 152, torchvision's: bottleneck v1.5 (the stride is in the 3×3 convolution), torchvision's tensor names.
//!
//! Source: He et al. 2016, arXiv:1512.03385; torchvision 0.29 `models/resnet.py`.

use crate::layers::{BatchNorm, Chain, Conv, GlobalPool, Linear};
use crate::zoo::imagenet;
use crate::{Layer, Mode, ModelOptions, ModelSpec, Network, Outline, Params, Peer, Result, Stage, Stem};
use candle_core::Tensor;

const SOURCE: &str = "He et al. 2016, arXiv:1512.03385; torchvision 0.29";
const TAPS: &[&str] = &["input", "stem", "stage1", "stage2", "stage3", "stage4", "penultimate"];

/// A model of this family: torchvision's 224 px, ImageNet's mean and standard deviation.
macro_rules! resnet {
    ($constant:ident, $name:literal, $block:ident, $blocks:expr, [$($weights:literal),* $(,)?]) => {
        pub const $constant: ModelSpec = ModelSpec {
            taps: TAPS,
            has_stems: true,
            first_conv: "conv1",
            classifier: "fc",
            torchvision: Peer::same($name),
            timm: Peer::same($name),
            weights: &[$(concat!("timm/", $name, ".", $weights)),*],
            ..imagenet($name, SOURCE, |params, options| build(params, options, Block::$block, $blocks))
        };
    };
}

resnet!(
    RESNET18,
    "resnet18",
    Basic,
    [2, 2, 2, 2],
    ["tv_in1k", "a1_in1k", "a2_in1k", "a3_in1k", "gluon_in1k"]
);
resnet!(
    RESNET34,
    "resnet34",
    Basic,
    [3, 4, 6, 3],
    ["tv_in1k", "a1_in1k", "a2_in1k", "a3_in1k", "gluon_in1k"]
);
resnet!(
    RESNET50,
    "resnet50",
    Bottleneck,
    [3, 4, 6, 3],
    ["tv_in1k", "tv2_in1k", "a1_in1k", "a2_in1k", "a3_in1k", "gluon_in1k"]
);
resnet!(
    RESNET101,
    "resnet101",
    Bottleneck,
    [3, 4, 23, 3],
    ["tv_in1k", "tv2_in1k", "a1_in1k", "a2_in1k", "a3_in1k", "gluon_in1k"]
);
resnet!(
    RESNET152,
    "resnet152",
    Bottleneck,
    [3, 8, 36, 3],
    ["tv_in1k", "tv2_in1k", "a1_in1k", "a2_in1k", "a3_in1k", "gluon_in1k"]
);

#[derive(Clone, Copy)]
enum Block {
    Basic,
    Bottleneck,
}

impl Block {
    /// Channels at the output for `width` inside.
    fn expansion(self) -> usize {
        match self {
            Block::Basic => 1,
            Block::Bottleneck => 4,
        }
    }
}

fn build(params: &mut Params, options: &ModelOptions, block: Block, blocks: [usize; 4]) -> Result<Network> {
    let stem = options.stem.unwrap_or(Stem::ImageNet);
    params.begin_stage("stem");
    let (kernel, stride) = match stem {
        Stem::ImageNet => (7, 2),
        Stem::Cifar => (3, 1),
    };
    let stem = StemLayer {
        conv: Conv::new(params, "conv1", (options.channels, 64), (kernel, stride, kernel / 2))?,
        norm: BatchNorm::new(params, "bn1", 64)?,
        pool: stem == Stem::ImageNet,
    };
    let mut stages = vec![Stage { name: "stem".into(), layer: Box::new(stem) }];
    let mut channels = 64;
    for (i, count) in blocks.into_iter().enumerate() {
        let (width, name) = (64 << i, format!("stage{}", i + 1));
        params.begin_stage(&name);
        let mut chain = Vec::new();
        for j in 0..count {
            let stride = if i > 0 && j == 0 { 2 } else { 1 };
            chain.push(Residual::new(
                params,
                &format!("layer{}.{j}", i + 1),
                block,
                channels,
                width,
                stride,
            )?);
            channels = width * block.expansion();
        }
        stages.push(Stage { name, layer: Box::new(Chain(chain)) });
    }
    stages.push(Stage { name: "penultimate".into(), layer: Box::new(GlobalPool) });
    params.begin_stage("head");
    let head = Linear::new(params, "fc", (channels, options.classes))?;
    Ok(Network { stages, head: Box::new(head) })
}

/// Convolution, norm, relu and, with the ImageNet stem, the 3×3 maximum at stride 2.
struct StemLayer {
    conv: Conv,
    norm: BatchNorm,
    pool: bool,
}

impl Layer for StemLayer {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let values = self.norm.forward(&self.conv.forward(values, mode)?, mode, None, true)?;
        Ok(if self.pool { tallow_kernels::max_pool2d(&values, 3, 2, 1)? } else { values })
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let mut outline = self.conv.outline(row)?;
        if self.pool {
            // ⌊(n + 2 · 1 − 3) / 2⌋ + 1
            outline.shape[1..].iter_mut().for_each(|n| *n = n.div_ceil(2));
        }
        Some(outline)
    }
}

/// relu(body(x) + shortcut(x)): the body is convolutions with norms, relu between them; the shortcut is the identity,
/// or a 1×1 convolution with norm where the shape changes.
struct Residual {
    body: Vec<(Conv, BatchNorm)>,
    shortcut: Option<(Conv, BatchNorm)>,
}

impl Residual {
    fn new(
        params: &mut Params,
        name: &str,
        block: Block,
        input: usize,
        width: usize,
        stride: usize,
    ) -> Result<Residual> {
        let output = width * block.expansion();
        let body = match block {
            Block::Basic => vec![((input, width), (3, stride, 1)), ((width, width), (3, 1, 1))],
            Block::Bottleneck => {
                vec![
                    ((input, width), (1, 1, 0)),
                    ((width, width), (3, stride, 1)),
                    ((width, output), (1, 1, 0)),
                ]
            }
        };
        let body = body
            .into_iter()
            .zip(1..)
            .map(|((channels, geometry), i)| {
                let conv = Conv::new(params, &format!("{name}.conv{i}"), channels, geometry)?;
                Ok((conv, BatchNorm::new(params, &format!("{name}.bn{i}"), channels.1)?))
            })
            .collect::<Result<_>>()?;
        let shortcut = if stride != 1 || input != output {
            let conv = Conv::new(params, &format!("{name}.downsample.0"), (input, output), (1, stride, 0))?;
            Some((conv, BatchNorm::new(params, &format!("{name}.downsample.1"), output)?))
        } else {
            None
        };
        Ok(Residual { body, shortcut })
    }
}

impl Layer for Residual {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let ((last, last_norm), first) = self.body.split_last().expect("a block has convolutions");
        let mut inner = values.clone();
        for (conv, norm) in first {
            inner = norm.forward(&conv.forward(&inner, mode)?, mode, None, true)?;
        }
        let shortcut = match &self.shortcut {
            Some((conv, norm)) => norm.forward(&conv.forward(values, mode)?, mode, None, false)?,
            None => values.clone(),
        };
        last_norm.forward(&last.forward(&inner, mode)?, mode, Some(&shortcut), true)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let mut outline = Outline { shape: row.to_vec(), macs: 0 };
        for (conv, _) in &self.body {
            let next = conv.outline(&outline.shape)?;
            outline = Outline { shape: next.shape, macs: outline.macs + next.macs };
        }
        if let Some((conv, _)) = &self.shortcut {
            outline.macs += conv.outline(row)?.macs;
        }
        Some(outline)
    }
}
