//! The layers of transformers and ConvNeXt: layer norm, patches as rows, the two-layer perceptron. Features come last.

use crate::layers::Linear;
use crate::{Init, Layer, Mode, Outline, Param, Params, Result};
use candle_core::Tensor;
use tallow_kernels::{channels_first, narrow, rearrange};

/// Layer norm over the last dimension.
pub struct LayerNorm {
    weight: Param,
    bias: Param,
    eps: f64,
}

impl LayerNorm {
    /// `{name}.weight` 1 and `.bias` 0, (features).
    pub fn new(params: &mut Params, name: &str, features: usize, eps: f64) -> Result<LayerNorm> {
        Ok(LayerNorm {
            weight: params.parameter(&format!("{name}.weight"), &[features], Init::Ones)?,
            bias: params.parameter(&format!("{name}.bias"), &[features], Init::Zeros)?,
            eps,
        })
    }
}

impl Layer for LayerNorm {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let (weight, bias) = (self.weight.tensor(mode), self.bias.tensor(mode));
        Ok(tallow_kernels::layer_norm(values, &weight, &bias, self.eps)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        Some(Outline { shape: row.to_vec(), macs: 0 })
    }
}

/// Normal(0, 0.02) and 0: what the transformers' linear layers begin with. (timm and torchvision cut the normal at ±2, a
/// hundred standard deviations.)
pub const NARROW: (Init, Init) = (Init::Normal(0.02), Init::Zeros);

/// A convolution whose stride is its kernel, as a linear layer on patches.
pub struct Patches {
    weight: Param,
    bias: Param,
    size: usize,
}

impl Patches {
    /// `{name}.weight` (out, in, size, size) and `.bias` (out).
    pub fn new(
        params: &mut Params,
        name: &str,
        (input, output): (usize, usize),
        size: usize,
        (weight, bias): (Init, Init),
    ) -> Result<Patches> {
        Ok(Patches {
            weight: params.parameter(&format!("{name}.weight"), &[output, input, size, size], weight)?,
            bias: params.parameter(&format!("{name}.bias"), &[output], bias)?,
            size,
        })
    }

    /// The initial values of torch's convolutions: uniform in ±1/√fan_in, the bias too.
    pub fn torchs((input, size): (usize, usize)) -> (Init, Init) {
        let init = Init::Uniform(1.0 / ((input * size * size) as f64).sqrt());
        (init, init)
    }

    /// (R, in, H, W) → (R, H / size, W / size, out); rows and columns beyond whole patches are left out.
    pub fn of_maps(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let (r, c, h, w) = values.dims4()?;
        let (p, rows, columns) = (self.size, h / self.size, w / self.size);
        let whole = narrow(&narrow(values, 2, 0, rows * p)?, 3, 0, columns * p)?;
        let dims = [r, c, rows, p, columns, p];
        let patches = rearrange(&whole, &dims, &[0, 2, 4, 1, 3, 5], &[r, rows, columns, c * p * p])?;
        let weight = self.weight.tensor(mode).flatten_from(1)?;
        Ok(tallow_kernels::linear(&patches, &weight, Some(&self.bias.tensor(mode)))?)
    }

    /// The same for (R, H, W, in).
    pub fn of_positions(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let (r, h, w, c) = values.dims4()?;
        let (p, rows, columns) = (self.size, h / self.size, w / self.size);
        let whole = narrow(&narrow(values, 1, 0, rows * p)?, 2, 0, columns * p)?;
        let dims = [r, rows, p, columns, p, c];
        let patches = rearrange(&whole, &dims, &[0, 1, 3, 2, 4, 5], &[r, rows, columns, p * p * c])?;
        // Input channels last, as in the patches.
        let weight = self.weight.tensor(mode);
        let output = weight.dim(0)?;
        let weight = rearrange(&weight, &[output, c, p * p], &[0, 2, 1], &[output, p * p * c])?;
        Ok(tallow_kernels::linear(&patches, &weight, Some(&self.bias.tensor(mode)))?)
    }

    /// (out, rows, columns) of a map (in, H, W), and the multiply-adds.
    pub fn outline(&self, row: &[usize]) -> Option<([usize; 3], u64)> {
        let (output, input, _, _) = self.weight.var().dims4().ok()?;
        let [channels, height, width] = *row else { return None };
        let (rows, columns) = (height / self.size, width / self.size);
        if channels != input || rows * columns == 0 {
            return None;
        }
        Some(([output, rows, columns], (rows * columns * self.weight.var().elem_count()) as u64))
    }
}

/// Patches and their norm: (R, in, H, W) → (R, out, H / size, W / size).
pub struct Embedding {
    pub patches: Patches,
    pub norm: LayerNorm,
}

impl Layer for Embedding {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        Ok(channels_first(&self.norm.forward(&self.patches.of_maps(values, mode)?, mode)?)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let (shape, macs) = self.patches.outline(row)?;
        Some(Outline { shape: shape.to_vec(), macs })
    }
}

/// fc2(gelu(fc1(x))) at every position.
pub struct Mlp {
    first: Linear,
    second: Linear,
}

impl Mlp {
    /// features → hidden → features, the layers by these names, initial values of [`NARROW`].
    pub fn new(
        params: &mut Params,
        [first, second]: [&str; 2],
        features: usize,
        hidden: usize,
    ) -> Result<Mlp> {
        Ok(Mlp {
            first: Linear::with(params, first, (features, hidden), NARROW)?,
            second: Linear::with(params, second, (hidden, features), NARROW)?,
        })
    }

    pub fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        self.second.forward(&tallow_kernels::gelu(&self.first.forward(values, mode)?)?, mode)
    }
}

/// Multiply-adds of attention of `tokens` tokens of `features` features, each to `group`, and of the perceptron after it, `hidden` wide:
/// queries, keys, values and projection; two products for the scores and the sums; the perceptron.
pub fn block_macs(tokens: usize, group: usize, features: usize, hidden: usize) -> u64 {
    (tokens * (4 * features * features + 2 * group * features + 2 * features * hidden)) as u64
}
