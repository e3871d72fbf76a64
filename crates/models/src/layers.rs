//! The layers that the families are built of: parameters with torchvision's names and initial values, run by `kernels`.

use crate::{Count, Init, Layer, Mode, Network, Outline, Param, Params, Result, Stage};
use candle_core::{Device, Tensor};
use tallow_kernels::{RunningStats, Stats};

/// A convolution without bias, square kernel.
pub struct Conv {
    weight: Param,
    geometry: tallow_kernels::Conv,
}

impl Conv {
    /// `{name}.weight` (out, in, kernel, kernel), normal with variance 2 / (out · kernel²).
    ///
    /// # Errors
    /// What candle answers.
    pub fn new(
        params: &mut Params,
        name: &str,
        channels: (usize, usize),
        geometry: (usize, usize, usize),
    ) -> Result<Conv> {
        Conv::grouped(params, name, channels, geometry, 1)
    }

    /// Output channels see the input channels of their group: `{name}.weight` (out, in / groups, kernel, kernel), initial
    /// values as [`Conv::new`]'s.
    ///
    /// # Errors
    /// What candle answers.
    pub fn grouped(
        params: &mut Params,
        name: &str,
        channels: (usize, usize),
        geometry: (usize, usize, usize),
        groups: usize,
    ) -> Result<Conv> {
        Conv::with(params, name, channels, geometry, groups, Init::KaimingNormalFanOut)
    }

    /// The same with initial values of one's own.
    ///
    /// # Errors
    /// What candle answers.
    pub fn with(
        params: &mut Params,
        name: &str,
        (input, output): (usize, usize),
        (kernel, stride, padding): (usize, usize, usize),
        groups: usize,
        init: Init,
    ) -> Result<Conv> {
        let weight =
            params.parameter(&format!("{name}.weight"), &[output, input / groups, kernel, kernel], init)?;
        Ok(Conv { weight, geometry: tallow_kernels::Conv { stride, padding, dilation: 1, groups } })
    }
}

impl Layer for Conv {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        Ok(tallow_kernels::conv2d(values, &self.weight.tensor(mode), self.geometry)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let (_, input, kernel, _) = self.weight.var().dims4().ok()?;
        let [channels, height, width] = *row else { return None };
        let tallow_kernels::Conv { stride, padding, groups, .. } = self.geometry;
        if channels != input * groups {
            return None;
        }
        let size = |n: usize| Some((n + 2 * padding).checked_sub(kernel)? / stride + 1);
        let shape = vec![self.weight.var().dim(0).ok()?, size(height)?, size(width)?];
        let macs = (shape.iter().product::<usize>() * input * kernel * kernel) as u64;
        Some(Outline { shape, macs })
    }
}

/// Batch norm over (R, H, W). Frozen, it is an affine map by the running statistics.
pub struct BatchNorm {
    weight: Param,
    bias: Param,
    mean: Param,
    variance: Param,
    batches: Count,
    eps: f64,
    momentum: f64,
}

impl BatchNorm {
    /// ε = 1e-5, momentum 0.1: torch's defaults. Tensors as [`BatchNorm::with`]'s.
    ///
    /// # Errors
    /// What candle answers.
    pub fn new(params: &mut Params, name: &str, channels: usize) -> Result<BatchNorm> {
        BatchNorm::with(params, name, channels, (1e-5, 0.1))
    }

    /// `{name}.weight` 1, `.bias` 0, `.running_mean` 0, `.running_var` 1, `.num_batches_tracked` 0.
    ///
    /// # Errors
    /// What candle answers.
    pub fn with(
        params: &mut Params,
        name: &str,
        channels: usize,
        (eps, momentum): (f64, f64),
    ) -> Result<BatchNorm> {
        Ok(BatchNorm {
            weight: params.parameter(&format!("{name}.weight"), &[channels], Init::Ones)?,
            bias: params.parameter(&format!("{name}.bias"), &[channels], Init::Zeros)?,
            mean: params.buffer(&format!("{name}.running_mean"), &[channels], Init::Zeros)?,
            variance: params.buffer(&format!("{name}.running_var"), &[channels], Init::Ones)?,
            batches: params.count(&format!("{name}.num_batches_tracked")),
            eps,
            momentum,
        })
    }

    /// norm(values) + residual, cut at 0 where `relu`.
    ///
    /// # Errors
    /// Shapes that do not fit; one number per channel in training.
    pub fn forward(
        &self,
        values: &Tensor,
        mode: &Mode,
        residual: Option<&Tensor>,
        relu: bool,
    ) -> Result<Tensor> {
        let stats = match mode {
            _ if self.weight.frozen() => Stats::Running,
            Mode::Train { .. } => Stats::BatchAndUpdate,
            Mode::Probe => Stats::Batch,
            Mode::Eval => Stats::Running,
        };
        let running = RunningStats { mean: self.mean.var().clone(), var: self.variance.var().clone() };
        let (weight, bias) = (&self.weight.tensor(mode), &self.bias.tensor(mode));
        let (running, eps, momentum) = (&running, self.eps, self.momentum);
        let norm = tallow_kernels::BatchNorm { weight, bias, running, stats, eps, momentum };
        let result = tallow_kernels::batch_norm(values, norm, residual, relu)?;
        if stats == Stats::BatchAndUpdate && tallow_kernels::keeps_statistics() {
            self.batches.increment();
        }
        Ok(result)
    }
}

/// values · weightᵀ + bias.
pub struct Linear {
    weight: Param,
    bias: Param,
}

impl Linear {
    /// `{name}.weight` (out, in) and `{name}.bias` (out), both uniform in ±1/√in: torch's default.
    ///
    /// # Errors
    /// What candle answers.
    pub fn new(params: &mut Params, name: &str, (input, output): (usize, usize)) -> Result<Linear> {
        let init = Init::Uniform(1.0 / (input as f64).sqrt());
        Linear::with(params, name, (input, output), (init, init))
    }

    /// The same tensors with initial values of one's own: (weight, bias).
    ///
    /// # Errors
    /// What candle answers.
    pub fn with(
        params: &mut Params,
        name: &str,
        (input, output): (usize, usize),
        (weight, bias): (Init, Init),
    ) -> Result<Linear> {
        Ok(Linear {
            weight: params.parameter(&format!("{name}.weight"), &[output, input], weight)?,
            bias: params.parameter(&format!("{name}.bias"), &[output], bias)?,
        })
    }
}

impl Layer for Linear {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        Ok(tallow_kernels::linear(values, &self.weight.tensor(mode), Some(&self.bias.tensor(mode)))?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let (output, input) = self.weight.var().dims2().ok()?;
        (row == [input]).then(|| Outline { shape: vec![output], macs: (output * input) as u64 })
    }
}

/// In training each value is 0 with probability `rate`, else values / (1 − rate), keyed by the pass's seed and `name`;
/// in any other mode the identity.
pub struct Dropout {
    pub name: &'static str,
    pub rate: f64,
}

impl Dropout {
    /// The head that drops features first.
    pub fn then(self, linear: Linear) -> Box<dyn Layer> {
        Box::new(Chain::<Box<dyn Layer>>(vec![Box::new(self), Box::new(linear)]))
    }
}

impl Layer for Dropout {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        let Mode::Train { seed } = mode else { return Ok(values.clone()) };
        let mut rng = seed.fold(self.name, 0).rng();
        let kept = 1.0 / (1.0 - self.rate);
        let factors = (0..values.elem_count()).map(|_| if rng.bernoulli(self.rate) { 0.0 } else { kept });
        let factors = Tensor::from_vec(factors.collect::<Vec<f64>>(), values.shape(), &Device::Cpu)?;
        Ok((values * factors.to_dtype(values.dtype())?.to_device(values.device())?)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        Some(Outline { shape: row.to_vec(), macs: 0 })
    }
}

/// x + branch; in training each row of the branch is left out with probability `rate`, else times 1 / (1 − rate), keyed by
/// the pass's seed and `name`: torchvision's stochastic depth of mode `row`, timm's drop path.
///
/// Source: Huang et al. 2016, arXiv:1603.09382; torchvision 0.29 `ops/stochastic_depth.py`.
pub struct StochasticDepth {
    pub name: String,
    pub rate: f64,
}

impl StochasticDepth {
    /// values + branch, each row of the branch kept or left out.
    ///
    /// # Errors
    /// Shapes that differ.
    pub fn forward(&self, values: &Tensor, branch: &Tensor, mode: &Mode) -> Result<Tensor> {
        let factors = self.factors(values.dim(0)?, mode);
        Ok(tallow_kernels::add_scaled(values, branch, factors.as_deref())?)
    }

    /// The factor of each row's branch; none where all are 1.
    pub fn factors(&self, rows: usize, mode: &Mode) -> Option<Vec<f64>> {
        let Mode::Train { seed } = mode else { return None };
        let mut rng = seed.fold(&self.name, 0).rng();
        let kept = 1.0 / (1.0 - self.rate);
        let draw = |_| if rng.bernoulli(self.rate) { 0.0 } else { kept };
        (self.rate > 0.0).then(|| (0..rows).map(draw).collect())
    }
}

/// Stages `stage1` … of residual blocks `layer1.0` …: `shape` has the channels out and the blocks of each, and each but the first
/// halves the side. `block` makes one from its name, channels in and out, and stride. Returns the last channels.
///
/// # Errors
/// Those of `block`.
pub fn residual_stages<L: Layer + 'static>(
    params: &mut Params,
    stages: &mut Vec<Stage>,
    mut channels: usize,
    shape: &[(usize, usize)],
    block: impl Fn(&mut Params, &str, (usize, usize), usize) -> Result<L>,
) -> Result<usize> {
    for (i, &(width, count)) in shape.iter().enumerate() {
        let name = format!("stage{}", i + 1);
        params.begin_stage(&name);
        let mut chain = Vec::new();
        for j in 0..count {
            let stride = if i > 0 && j == 0 { 2 } else { 1 };
            chain.push(block(params, &format!("layer{}.{j}", i + 1), (channels, width), stride)?);
            channels = width;
        }
        stages.push(Stage { name, layer: Box::new(Chain(chain)) });
    }
    Ok(channels)
}

/// The network of these stages with the head of ResNets, `fc`.
///
/// # Errors
/// What candle answers.
pub fn fc(params: &mut Params, stages: Vec<Stage>, features: usize, classes: usize) -> Result<Network> {
    params.begin_stage("head");
    let head = Linear::new(params, "fc", (features, classes))?;
    Ok(Network::new(stages, Box::new(head)))
}

/// (R, C, H, W) → (R, C), the mean over the map.
pub struct GlobalPool;

impl Layer for GlobalPool {
    fn forward(&self, values: &Tensor, _mode: &Mode) -> Result<Tensor> {
        Ok(tallow_kernels::global_avg_pool(values)?)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        let [channels, _, _] = *row else { return None };
        Some(Outline { shape: vec![channels], macs: 0 })
    }
}

/// Pieces one after another: the blocks of a stage; the identity where there are none.
pub struct Chain<L>(pub Vec<L>);

impl<L: Layer> Layer for Chain<L> {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        self.0.iter().try_fold(values.clone(), |values, layer| layer.forward(&values, mode))
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        self.0.iter().try_fold(Outline { shape: row.to_vec(), macs: 0 }, |so_far, layer| {
            let next = layer.outline(&so_far.shape)?;
            Some(so_far.then(next))
        })
    }
}
