//! ResNet-18 to 152, ResNeXt and Wide ResNet, torchvision's: bottleneck v1.5 (the stride is in the 3×3 convolution); and timm's
//! ResNet-D, whose stem is three 3×3 convolutions and whose shortcuts average before their 1×1 convolution.
//!
//! Tensor names are torchvision's, ResNet-D's are timm's; initial values are torchvision's for all.
//!
//! Source: He et al. 2016, arXiv:1512.03385; Xie et al. 2017, arXiv:1611.05431; Zagoruyko and Komodakis 2016, arXiv:1605.07146;
//! He et al. 2019, arXiv:1812.01187, figure 2; torchvision 0.29 and timm 1.0 `models/resnet.py`.

use crate::layers::{BatchNorm, Conv, GlobalPool, fc, residual_stages};
use crate::zoo::imagenet;
use crate::{
    Error, Layer, Mode, ModelOptions, ModelSpec, Network, Outline, Params, Peer, Result, Stage, Stem,
};
use candle_core::Tensor;

const TAPS: &[&str] = &["input", "stem", "stage1", "stage2", "stage3", "stage4", "penultimate"];

/// What tells the members of the family apart.
#[derive(Clone, Copy)]
struct Form {
    block: Block,
    /// Of each stage.
    blocks: [usize; 4],
    /// Of a bottleneck's 3×3 convolution.
    groups: usize,
    /// Channels of a bottleneck's 3×3 convolution in stage 1.
    width: usize,
    /// ResNet-D.
    deep: bool,
}

const BASIC: Form = Form { block: Block::Basic, blocks: [2, 2, 2, 2], groups: 1, width: 64, deep: false };
const BOTTLENECK: Form = Form { block: Block::Bottleneck, blocks: [3, 4, 6, 3], ..BASIC };
const DEEP: [usize; 4] = [3, 4, 23, 3];

/// A model of this family: torchvision's 224 px, ImageNet's mean and standard deviation.
macro_rules! resnet {
    ($constant:ident, $name:literal, $source:literal, $form:expr, $weights:tt) => {
        resnet!($constant, $name, concat!($source, "; torchvision 0.29"), $form, Peer::same($name), true, "conv1", $weights);
    };
    ($constant:ident, $name:literal, $source:expr, $form:expr, $torchvision:expr, $stems:literal, $conv:literal,
     [$($weights:literal),* $(,)?]) => {
        pub const $constant: ModelSpec = ModelSpec {
            taps: TAPS,
            has_stems: $stems,
            first_conv: $conv,
            classifier: "fc",
            torchvision: $torchvision,
            timm: Peer::same($name),
            weights: &[$(concat!("timm/", $name, ".", $weights)),*],
            ..imagenet($name, $source, |params, options| build(params, options, $form))
        };
    };
}

resnet!(
    RESNET18,
    "resnet18",
    "He et al. 2016, arXiv:1512.03385",
    BASIC,
    ["tv_in1k", "a1_in1k", "a2_in1k", "a3_in1k", "gluon_in1k"]
);
resnet!(
    RESNET34,
    "resnet34",
    "He et al. 2016, arXiv:1512.03385",
    Form { blocks: [3, 4, 6, 3], ..BASIC },
    ["tv_in1k", "a1_in1k", "a2_in1k", "a3_in1k", "gluon_in1k"]
);
resnet!(
    RESNET50,
    "resnet50",
    "He et al. 2016, arXiv:1512.03385",
    BOTTLENECK,
    ["tv_in1k", "tv2_in1k", "a1_in1k", "a2_in1k", "a3_in1k", "gluon_in1k"]
);
resnet!(
    RESNET101,
    "resnet101",
    "He et al. 2016, arXiv:1512.03385",
    Form { blocks: DEEP, ..BOTTLENECK },
    ["tv_in1k", "tv2_in1k", "a1_in1k", "a2_in1k", "a3_in1k", "gluon_in1k"]
);
resnet!(
    RESNET152,
    "resnet152",
    "He et al. 2016, arXiv:1512.03385",
    Form { blocks: [3, 8, 36, 3], ..BOTTLENECK },
    ["tv_in1k", "tv2_in1k", "a1_in1k", "a2_in1k", "a3_in1k", "gluon_in1k"]
);
resnet!(
    RESNEXT50,
    "resnext50_32x4d",
    "Xie et al. 2017, arXiv:1611.05431",
    Form { groups: 32, width: 128, ..BOTTLENECK },
    ["tv_in1k", "tv2_in1k", "a1_in1k", "a1h_in1k", "a2_in1k", "a3_in1k", "ra_in1k", "gluon_in1k"]
);
resnet!(
    RESNEXT101,
    "resnext101_32x8d",
    "Xie et al. 2017, arXiv:1611.05431",
    Form { blocks: DEEP, groups: 32, width: 256, ..BOTTLENECK },
    ["tv_in1k", "tv2_in1k"]
);
resnet!(
    WIDE_RESNET50,
    "wide_resnet50_2",
    "Zagoruyko and Komodakis 2016, arXiv:1605.07146",
    Form { width: 128, ..BOTTLENECK },
    ["tv_in1k", "tv2_in1k", "racm_in1k"]
);
resnet!(
    WIDE_RESNET101,
    "wide_resnet101_2",
    "Zagoruyko and Komodakis 2016, arXiv:1605.07146",
    Form { blocks: DEEP, width: 128, ..BOTTLENECK },
    ["tv_in1k", "tv2_in1k"]
);

/// timm's ResNet-D.
macro_rules! deep {
    ($constant:ident, $name:literal, $form:expr, $weights:tt) => {
        resnet!(
            $constant,
            $name,
            "He et al. 2019, arXiv:1812.01187; timm 1.0",
            Form { deep: true, ..$form },
            None,
            false,
            "conv1.0",
            $weights
        );
    };
}

deep!(RESNET18D, "resnet18d", BASIC, ["ra2_in1k"]);
deep!(RESNET34D, "resnet34d", Form { blocks: [3, 4, 6, 3], ..BASIC }, ["ra2_in1k"]);
deep!(RESNET50D, "resnet50d", BOTTLENECK, ["ra2_in1k", "a1_in1k", "a2_in1k", "a3_in1k", "gluon_in1k"]);
deep!(RESNET101D, "resnet101d", Form { blocks: DEEP, ..BOTTLENECK }, ["ra2_in1k", "gluon_in1k"]);

#[derive(Clone, Copy)]
enum Block {
    Basic,
    Bottleneck,
}

impl Block {
    /// Channels at the output for each 64 · 2ˢ⁻¹ of stage s.
    fn expansion(self) -> usize {
        match self {
            Block::Basic => 1,
            Block::Bottleneck => 4,
        }
    }
}

fn build(params: &mut Params, options: &ModelOptions, form: Form) -> Result<Network> {
    let stem = options.stem.unwrap_or(Stem::ImageNet);
    if form.deep && stem == Stem::Cifar {
        return Err(Error::Option(
            "stem: ResNet-D is its stem (three 3×3 convolutions) – leave `stem` out, or take the net without `d`".into(),
        ));
    }
    params.begin_stage("stem");
    let stem = StemLayer::new(params, options.channels, stem, form.deep)?;
    let mut stages = vec![Stage { name: "stem".into(), layer: Box::new(stem) }];
    let widest = 64 * form.block.expansion();
    let shape: Vec<_> = form.blocks.into_iter().enumerate().map(|(i, count)| (widest << i, count)).collect();
    let channels =
        residual_stages(params, &mut stages, 64, &shape, |params, name, (input, output), stride| {
            Residual::new(params, name, form, (input, output / widest * form.width, output), stride)
        })?;
    stages.push(Stage { name: "penultimate".into(), layer: Box::new(GlobalPool) });
    fc(params, stages, channels, options.classes)
}

/// Convolutions, each with norm and relu, and, with the ImageNet stem, the 3×3 maximum at stride 2.
struct StemLayer {
    convs: Vec<(Conv, BatchNorm)>,
    pool: bool,
}

impl StemLayer {
    fn new(params: &mut Params, channels: usize, stem: Stem, deep: bool) -> Result<StemLayer> {
        let mut conv =
            |conv: &str, norm: &str, channels: (usize, usize), kernel: usize, stride: usize| -> Result<_> {
                let conv = Conv::new(params, conv, channels, (kernel, stride, kernel / 2))?;
                Ok((conv, BatchNorm::new(params, norm, channels.1)?))
            };
        let convs = match stem {
            _ if deep => vec![
                conv("conv1.0", "conv1.1", (channels, 32), 3, 2)?,
                conv("conv1.3", "conv1.4", (32, 32), 3, 1)?,
                conv("conv1.6", "bn1", (32, 64), 3, 1)?,
            ],
            Stem::ImageNet => vec![conv("conv1", "bn1", (channels, 64), 7, 2)?],
            Stem::Cifar => vec![conv("conv1", "bn1", (channels, 64), 3, 1)?],
        };
        Ok(StemLayer { convs, pool: stem == Stem::ImageNet })
    }
}

impl Layer for StemLayer {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let mut values = values.clone();
        for (conv, norm) in &self.convs {
            values = norm.forward(&conv.forward(&values, mode)?, mode, None, true)?;
        }
        Ok(if self.pool { tallow_kernels::max_pool2d(&values, 3, 2, 1)? } else { values })
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let mut outline = Outline { shape: row.to_vec(), macs: 0 };
        for (conv, _) in &self.convs {
            outline = outline.then(conv.outline(&outline.shape)?);
        }
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
    /// ResNet-D's 2×2 mean before the shortcut's convolution.
    average: bool,
}

impl Residual {
    fn new(
        params: &mut Params,
        name: &str,
        form: Form,
        (input, width, output): (usize, usize, usize),
        stride: usize,
    ) -> Result<Residual> {
        let body = match form.block {
            Block::Basic => {
                vec![((input, width), (3, stride, 1), 1), ((width, output), (3, 1, 1), 1)]
            }
            Block::Bottleneck => vec![
                ((input, width), (1, 1, 0), 1),
                ((width, width), (3, stride, 1), form.groups),
                ((width, output), (1, 1, 0), 1),
            ],
        };
        let body = body
            .into_iter()
            .zip(1..)
            .map(|((channels, geometry, groups), i)| {
                let conv = Conv::grouped(params, &format!("{name}.conv{i}"), channels, geometry, groups)?;
                Ok((conv, BatchNorm::new(params, &format!("{name}.bn{i}"), channels.1)?))
            })
            .collect::<Result<_>>()?;
        let average = form.deep && stride == 2;
        let shortcut = if stride != 1 || input != output {
            let (first, stride) = if form.deep { (1, 1) } else { (0, stride) };
            let at = |i: usize| format!("{name}.downsample.{}", first + i);
            let conv = Conv::new(params, &at(0), (input, output), (1, stride, 0))?;
            Some((conv, BatchNorm::new(params, &at(1), output)?))
        } else {
            None
        };
        Ok(Residual { body, shortcut, average })
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
            Some((conv, norm)) => {
                let values =
                    if self.average { &tallow_kernels::avg_pool2d_ceil(values, 2, 2)? } else { values };
                norm.forward(&conv.forward(values, mode)?, mode, None, false)?
            }
            None => values.clone(),
        };
        last_norm.forward(&last.forward(&inner, mode)?, mode, Some(&shortcut), true)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let mut outline = Outline { shape: row.to_vec(), macs: 0 };
        for (conv, _) in &self.body {
            outline = outline.then(conv.outline(&outline.shape)?);
        }
        if let Some((conv, _)) = &self.shortcut {
            let halved = if self.average { 2 } else { 1 };
            let row: Vec<usize> =
                row.iter().enumerate().map(|(i, n)| if i > 0 { n.div_ceil(halved) } else { *n }).collect();
            outline.macs += conv.outline(&row)?.macs;
        }
        Some(outline)
    }
}
