//! VGG-11 to 19 with batch norm, torchvision's: 3×3 convolutions with bias, five 2×2 maxima, three linear layers.
//!
//! The taps `stem`, `stage1` … `stage4` are the five blocks, each with its maximum: 1/2 to 1/32 of the side. `penultimate` is
//! the mean over 7×7 windows, and two linear layers with relu (4096 features); the head is dropout and the last linear layer.
//! Dropout, 0.5 after each relu of a linear layer, acts in [`Mode::Train`] only.
//!
//! Source: Simonyan and Zisserman 2015, arXiv:1409.1556, table 1; torchvision 0.29 `models/vgg.py`.

use crate::layers::{BatchNorm, Chain, Conv, Dropout, Linear};
use crate::zoo::{imagenet, own_stem};
use crate::{
    Init, Layer, Mode, ModelOptions, ModelSpec, Network, Outline, Param, Params, Peer, Result, Stage,
};
use candle_core::Tensor;

/// Channels and convolutions of each block are the configurations A, B, D and E of the paper.
macro_rules! vgg {
    ($constant:ident, $name:literal, $counts:expr) => {
        pub const $constant: ModelSpec = ModelSpec {
            taps: &["input", "stem", "stage1", "stage2", "stage3", "stage4", "penultimate"],
            first_conv: "features.0",
            classifier: "classifier.6",
            torchvision: Peer::same($name),
            timm: Some(Peer { name: $name, tensor: timm }),
            weights: &[concat!("timm/", $name, ".tv_in1k")],
            ..imagenet(
                $name,
                "Simonyan and Zisserman 2015, arXiv:1409.1556; torchvision 0.29",
                |params, options| build(params, options, $counts),
            )
        };
    };
}

vgg!(VGG11, "vgg11_bn", [1, 1, 2, 2, 2]);
vgg!(VGG13, "vgg13_bn", [2, 2, 2, 2, 2]);
vgg!(VGG16, "vgg16_bn", [2, 2, 3, 3, 3]);
vgg!(VGG19, "vgg19_bn", [2, 2, 4, 4, 4]);

const CHANNELS: [usize; 5] = [64, 128, 256, 512, 512];
const HIDDEN: usize = 4096;

/// The linear layers are convolutions there.
fn timm(name: &str) -> String {
    let layers = [
        ("classifier.0.", "pre_logits.fc1."),
        ("classifier.3.", "pre_logits.fc2."),
        ("classifier.6.", "head.fc."),
    ];
    let renamed =
        layers.iter().find_map(|(ours, theirs)| Some(format!("{theirs}{}", name.strip_prefix(ours)?)));
    renamed.unwrap_or_else(|| name.to_owned())
}

fn build(params: &mut Params, options: &ModelOptions, counts: [usize; 5]) -> Result<Network> {
    own_stem(options, "VGG", "3×3 at stride 1, and maxima")?;
    let mut stages = Vec::new();
    let (mut channels, mut index) = (options.channels, 0);
    for (i, (width, count)) in CHANNELS.into_iter().zip(counts).enumerate() {
        let name = if i == 0 { "stem".to_owned() } else { format!("stage{i}") };
        params.begin_stage(&name);
        let mut convs = Vec::new();
        for _ in 0..count {
            convs.push(BiasedConv::new(params, index, (channels, width))?);
            channels = width;
            index += 3; // convolution, norm, relu
        }
        index += 1; // maximum
        stages.push(Stage { name, layer: Box::new(Block { convs: Chain(convs) }) });
    }
    let init = (Init::Normal(0.01), Init::Zeros);
    params.begin_stage("penultimate");
    let first = Linear::with(params, "classifier.0", (channels * 7 * 7, HIDDEN), init)?;
    let second = Linear::with(params, "classifier.3", (HIDDEN, HIDDEN), init)?;
    let dropout = Dropout { name: "classifier.2", rate: 0.5 };
    stages.push(Stage { name: "penultimate".into(), layer: Box::new(Features { first, dropout, second }) });
    params.begin_stage("head");
    let linear = Linear::with(params, "classifier.6", (HIDDEN, options.classes), init)?;
    Ok(Network::new(stages, Dropout { name: "classifier.5", rate: 0.5 }.then(linear)))
}

/// relu(norm(conv(x) + bias)).
struct BiasedConv {
    conv: Conv,
    bias: Param,
    norm: BatchNorm,
}

impl BiasedConv {
    fn new(params: &mut Params, index: usize, channels: (usize, usize)) -> Result<BiasedConv> {
        let name = format!("features.{index}");
        Ok(BiasedConv {
            conv: Conv::new(params, &name, channels, (3, 1, 1))?,
            bias: params.parameter(&format!("{name}.bias"), &[channels.1], Init::Zeros)?,
            norm: BatchNorm::new(params, &format!("features.{}", index + 1), channels.1)?,
        })
    }
}

impl Layer for BiasedConv {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let values =
            tallow_kernels::add_channels(&self.conv.forward(values, mode)?, &self.bias.tensor(mode))?;
        self.norm.forward(&values, mode, None, true)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        self.conv.outline(row)
    }
}

/// Convolutions, then the 2×2 maximum.
struct Block {
    convs: Chain<BiasedConv>,
}

impl Layer for Block {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        Ok(tallow_kernels::max_pool2d(&self.convs.forward(values, mode)?, 2, 2, 0)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let mut outline = self.convs.outline(row)?;
        outline.shape[1..].iter_mut().for_each(|n| *n /= 2);
        Some(outline).filter(|outline| !outline.shape.contains(&0))
    }
}

/// Means over 7×7 windows, linear layer, relu, dropout, linear layer, relu.
struct Features {
    first: Linear,
    dropout: Dropout,
    second: Linear,
}

impl Layer for Features {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let maps = tallow_kernels::adaptive_avg_pool2d(values, (7, 7))?;
        let sizes = [maps.dim(0)?, maps.elem_count() / maps.dim(0)?];
        let values = tallow_kernels::rearrange(&maps, &sizes, &[0, 1], &sizes)?;
        let values = tallow_kernels::relu(&self.first.forward(&values, mode)?)?;
        let values = self.second.forward(&self.dropout.forward(&values, mode)?, mode)?;
        Ok(tallow_kernels::relu(&values)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let [channels, _, _] = *row else { return None };
        let first = self.first.outline(&[channels * 7 * 7])?;
        let second = self.second.outline(&first.shape)?;
        Some(first.then(second))
    }
}
