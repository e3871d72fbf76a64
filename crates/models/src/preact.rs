//! PreAct ResNet-18 and wide residual networks for CIFAR: norm and relu before each convolution, and once more at the end.
//!
//! Where the shape changes, the shortcut is a 1×1 convolution of the values after the block's first norm and relu. The last norm
//! and relu belong to `penultimate`, so that a stage ends with a sum. Tensor names are those of the ImageNet nets (`fc` is the
//! head); initial values too. The nets are without dropout, as in the papers' main tables; reimplementations that leave out the
//! last norm (a common one for CIFAR does) are other nets.
//!
//! Source: He et al. 2016, arXiv:1603.05027, figure 4e and section 3; Zagoruyko and Komodakis 2016, arXiv:1605.07146, table 1.

use crate::layers::{BatchNorm, Conv, GlobalPool, fc, residual_stages};
use crate::zoo::cifar;
use crate::{Error, Layer, Mode, ModelOptions, ModelSpec, Network, Outline, Params, Result, Stage, Stem};
use candle_core::Tensor;

pub const PREACT18: ModelSpec = ModelSpec {
    taps: &["input", "stem", "stage1", "stage2", "stage3", "stage4", "penultimate"],
    ..cifar("preact_resnet18", "He et al. 2016, arXiv:1603.05027", |params, options| {
        build(params, options, 64, &[(64, 2), (128, 2), (256, 2), (512, 2)])
    })
};
pub const WRN_16_4: ModelSpec = wrn("wrn_16_4", |params, options| build(params, options, 16, &wide(16, 4)));
pub const WRN_40_2: ModelSpec = wrn("wrn_40_2", |params, options| build(params, options, 16, &wide(40, 2)));
pub const WRN_28_10: ModelSpec =
    wrn("wrn_28_10", |params, options| build(params, options, 16, &wide(28, 10)));

const fn wrn(name: &'static str, build: fn(&mut Params, &ModelOptions) -> Result<Network>) -> ModelSpec {
    cifar(name, "Zagoruyko and Komodakis 2016, arXiv:1605.07146", build)
}

/// (channels, blocks) of the stages of WRN-`depth`-`factor`.
const fn wide(depth: usize, factor: usize) -> [(usize, usize); 3] {
    let blocks = (depth - 4) / 6;
    [(16 * factor, blocks), (32 * factor, blocks), (64 * factor, blocks)]
}

fn build(
    params: &mut Params,
    options: &ModelOptions,
    stem: usize,
    shape: &[(usize, usize)],
) -> Result<Network> {
    if options.stem == Some(Stem::ImageNet) {
        return Err(Error::Option(
            "stem: this net is for CIFAR and has `cifar` only; for an ImageNet stem take resnet18".into(),
        ));
    }
    params.begin_stage("stem");
    let conv = Conv::new(params, "conv1", (options.channels, stem), (3, 1, 1))?;
    let mut stages = vec![Stage { name: "stem".into(), layer: Box::new(conv) }];
    let channels = residual_stages(params, &mut stages, stem, shape, Residual::new)?;
    params.begin_stage("penultimate");
    let last = NormPool { norm: BatchNorm::new(params, "bn", channels)? };
    stages.push(Stage { name: "penultimate".into(), layer: Box::new(last) });
    fc(params, stages, channels, options.classes)
}

/// conv2(relu(bn2(conv1(a)))) + shortcut with a = relu(bn1(x)): the shortcut is x, or a 1×1 convolution of a.
struct Residual {
    norms: [BatchNorm; 2],
    convs: [Conv; 2],
    shortcut: Option<Conv>,
}

impl Residual {
    fn new(
        params: &mut Params,
        name: &str,
        (input, output): (usize, usize),
        stride: usize,
    ) -> Result<Residual> {
        let shortcut = (stride != 1 || input != output)
            .then(|| Conv::new(params, &format!("{name}.downsample.0"), (input, output), (1, stride, 0)))
            .transpose()?;
        Ok(Residual {
            norms: [
                BatchNorm::new(params, &format!("{name}.bn1"), input)?,
                BatchNorm::new(params, &format!("{name}.bn2"), output)?,
            ],
            convs: [
                Conv::new(params, &format!("{name}.conv1"), (input, output), (3, stride, 1))?,
                Conv::new(params, &format!("{name}.conv2"), (output, output), (3, 1, 1))?,
            ],
            shortcut,
        })
    }
}

impl Layer for Residual {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let active = self.norms[0].forward(values, mode, None, true)?;
        let inner = self.convs[0].forward(&active, mode)?;
        let inner = self.norms[1].forward(&inner, mode, None, true)?;
        let branch = self.convs[1].forward(&inner, mode)?;
        let shortcut = match &self.shortcut {
            Some(conv) => conv.forward(&active, mode)?,
            None => values.clone(),
        };
        Ok(tallow_kernels::add_scaled(&shortcut, &branch, None)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let first = self.convs[0].outline(row)?;
        let second = self.convs[1].outline(&first.shape)?;
        let mut outline = first.then(second);
        if let Some(conv) = &self.shortcut {
            outline.macs += conv.outline(row)?.macs;
        }
        Some(outline)
    }
}

/// (R, C, H, W) → (R, C): the mean over the map of relu(norm(x)).
pub struct NormPool {
    pub norm: BatchNorm,
}

impl Layer for NormPool {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        GlobalPool.forward(&self.norm.forward(values, mode, None, true)?, mode)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        GlobalPool.outline(row)
    }
}
