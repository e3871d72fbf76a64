//! He's ResNet-20, 32, 56 and 110 for CIFAR: 6n + 2 layers, widths 16, 32, 64, shortcuts without parameters.
//!
//! Where the shape changes the shortcut is the paper's option A: every second pixel, and zero channels. Papers that report
//! "ResNet-20" mean this net (0.27 M parameters). The paper leaves open where the zero channels go; half of them are put on
//! either side, as in akamaster/pytorch_resnet_cifar10, the usual reimplementation. Tensor names are those of the
//! ImageNet nets (`fc` is the head); initial values too.
//!
//! Source: He et al. 2016, arXiv:1512.03385, section 4.2.

use crate::layers::{BatchNorm, Conv, GlobalPool, fc, residual_stages};
use crate::zoo::cifar;
use crate::{Error, Layer, Mode, ModelOptions, ModelSpec, Network, Outline, Params, Result, Stage, Stem};
use candle_core::Tensor;

const SOURCE: &str = "He et al. 2016, arXiv:1512.03385, section 4.2, option A";

pub const RESNET20: ModelSpec = cifar("resnet20", SOURCE, |params, options| build(params, options, 3));
pub const RESNET32: ModelSpec = cifar("resnet32", SOURCE, |params, options| build(params, options, 5));
pub const RESNET56: ModelSpec = cifar("resnet56", SOURCE, |params, options| build(params, options, 9));
pub const RESNET110: ModelSpec = cifar("resnet110", SOURCE, |params, options| build(params, options, 18));

fn build(params: &mut Params, options: &ModelOptions, blocks: usize) -> Result<Network> {
    if options.stem == Some(Stem::ImageNet) {
        return Err(Error::Option(
            "stem: the CIFAR family (resnet20, 32, 56, 110) has `cifar` only; for an ImageNet stem take resnet18"
                .into(),
        ));
    }
    params.begin_stage("stem");
    let stem = StemLayer {
        conv: Conv::new(params, "conv1", (options.channels, 16), (3, 1, 1))?,
        norm: BatchNorm::new(params, "bn1", 16)?,
    };
    let mut stages = vec![Stage { name: "stem".into(), layer: Box::new(stem) }];
    let shape = [(16, blocks), (32, blocks), (64, blocks)];
    let channels = residual_stages(params, &mut stages, 16, &shape, Residual::new)?;
    stages.push(Stage { name: "penultimate".into(), layer: Box::new(GlobalPool) });
    fc(params, stages, channels, options.classes)
}

struct StemLayer {
    conv: Conv,
    norm: BatchNorm,
}

impl Layer for StemLayer {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        self.norm.forward(&self.conv.forward(values, mode)?, mode, None, true)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        self.conv.outline(row)
    }
}

/// relu(norm(conv(relu(norm(conv(x))))) + shortcut(x)).
struct Residual {
    first: (Conv, BatchNorm),
    second: (Conv, BatchNorm),
    stride: usize,
    /// Zero channels on either side of the shortcut's.
    padding: usize,
}

impl Residual {
    fn new(
        params: &mut Params,
        name: &str,
        (input, output): (usize, usize),
        stride: usize,
    ) -> Result<Residual> {
        let mut layer = |i: usize, input: usize, stride: usize| -> Result<_> {
            let conv = Conv::new(params, &format!("{name}.conv{i}"), (input, output), (3, stride, 1))?;
            Ok((conv, BatchNorm::new(params, &format!("{name}.bn{i}"), output)?))
        };
        Ok(Residual {
            first: layer(1, input, stride)?,
            second: layer(2, output, 1)?,
            stride,
            padding: (output - input) / 2,
        })
    }

    /// Option A. A 1×1 maximum at stride 2 is every second pixel.
    fn shortcut(&self, values: &Tensor) -> Result<Tensor> {
        if self.stride == 1 {
            return Ok(values.clone());
        }
        let values = tallow_kernels::max_pool2d(values, 1, self.stride, 0)?;
        Ok(tallow_kernels::pad(&values, 1, self.padding, self.padding)?)
    }
}

impl Layer for Residual {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let inner = self.first.1.forward(&self.first.0.forward(values, mode)?, mode, None, true)?;
        let inner = self.second.0.forward(&inner, mode)?;
        self.second.1.forward(&inner, mode, Some(&self.shortcut(values)?), true)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let first = self.first.0.outline(row)?;
        let second = self.second.0.outline(&first.shape)?;
        Some(Outline { shape: second.shape, macs: first.macs + second.macs })
    }
}
