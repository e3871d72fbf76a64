//! The named tensors of a network: trainable parameters, buffers and counts, in name order.

use crate::{Mode, Result};
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tallow_seed::Seed;

/// One named tensor, shared between the network that uses it and the store.
#[derive(Clone)]
pub struct Param {
    var: Var,
    /// What layers compute with in place of it, see [`Params::computing_in`].
    copy: Option<Var>,
    frozen: Arc<AtomicBool>,
    stage: Arc<str>,
    decays: bool,
}

impl Param {
    /// The tensor to compute with: tracked in training, detached in evaluation and when frozen.
    pub fn tensor(&self, mode: &Mode) -> Tensor {
        if mode.has_gradients() && !self.frozen() {
            self.leaf().as_tensor().clone()
        } else {
            self.leaf().as_detached_tensor()
        }
    }

    /// What gradients are of: the variable, or its copy in another type where there is one.
    pub fn leaf(&self) -> &Var {
        self.copy.as_ref().unwrap_or(&self.var)
    }

    pub fn var(&self) -> &Var {
        &self.var
    }

    /// The stage that made it; `head` for the head's.
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// Whether weight decay is meant for it: rank 2 and more, but for those made [`Params::without_decay`]. Rank 1 are biases
    /// and the scales of norms.
    pub fn decays(&self) -> bool {
        self.decays && self.var.rank() > 1
    }

    pub fn frozen(&self) -> bool {
        self.frozen.load(Ordering::Relaxed)
    }

    pub fn set_frozen(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
    }
}

/// A shared number of steps, such as batch norm's `num_batches_tracked`.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<AtomicU64>);

impl Count {
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Initial values, drawn from `seed.fold(name, 0)`: they do not depend on the order of construction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    Zeros,
    Ones,
    Constant(f64),
    /// Normal(0, √(2 / fan_out)), fan_out = shape\[0\] · kernel area: torchvision's ResNet convolutions.
    KaimingNormalFanOut,
    /// Normal(0, √(2 / fan_in)), fan_in = shape\[1\] · kernel area: torchvision's DenseNet convolutions.
    KaimingNormalFanIn,
    /// Uniform(±bound).
    Uniform(f64),
    /// Normal(0, sd).
    Normal(f64),
}

/// The store. Names are torchvision's and timm's.
pub struct Params {
    pub trainable: BTreeMap<String, Param>,
    /// Running statistics and the like: saved, never optimised.
    pub buffers: BTreeMap<String, Param>,
    /// Saved as int64 scalars, as torch does; a file without them is complete.
    pub counts: BTreeMap<String, Count>,
    seed: Seed,
    dtype: DType,
    /// Of the values between layers.
    compute: DType,
    device: Device,
    stage: Arc<str>,
    blank: bool,
    builder: Option<VarBuilder<'static>>,
}

impl Params {
    /// Tensors come from a builder, under torchvision's or timm's names below its prefix. What lies in a [`VarMap`] is shared
    /// with it; what the map does not have goes there with the network's own initial values, drawn from `seed`. A builder of
    /// a file must have every tensor.
    pub fn from_var_builder(builder: VarBuilder<'static>, seed: Seed) -> Params {
        let (dtype, device) = (builder.dtype(), builder.device().clone());
        Params { builder: Some(builder), ..Params::new(seed, dtype, &device) }
    }

    /// Every tensor is 0 whatever its initial values: nothing is drawn, and on the CPU no memory is touched. For outlines, names
    /// and sizes.
    pub fn blank(dtype: DType, device: &Device) -> Params {
        Params { blank: true, ..Params::new(Seed::new(0), dtype, device) }
    }

    pub fn new(seed: Seed, dtype: DType, device: &Device) -> Params {
        Params {
            trainable: BTreeMap::new(),
            buffers: BTreeMap::new(),
            counts: BTreeMap::new(),
            seed,
            dtype,
            compute: dtype,
            device: device.clone(),
            stage: "stem".into(),
            blank: false,
            builder: None,
        }
    }

    /// With the values between layers in another type than the parameters. What is made from now on gets a copy in it for
    /// layers to compute with, where it is of rank 2 and more; biases and the scales of norms are computed with as they are.
    /// [`Params::cast`] brings copies up to date.
    pub fn computing_in(self, compute: DType) -> Params {
        Params { compute, ..self }
    }

    /// Brings the copies that layers compute with up to date, after parameters have changed.
    ///
    /// # Errors
    /// What candle answers.
    pub fn cast(&self) -> Result<()> {
        let copied = self.trainable.values().filter_map(|param| Some((param.copy.as_ref()?, &param.var)));
        let pairs: Vec<_> = copied.map(|(copy, var)| (copy, var.as_detached_tensor())).collect();
        let pairs: Vec<_> = pairs.iter().map(|(copy, value)| (*copy, value)).collect();
        Ok(tallow_kernels::cast_updates(&pairs)?)
    }

    /// Of the parameters.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Of the values between layers.
    pub fn compute_dtype(&self) -> DType {
        self.compute
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What is made from now on belongs to this stage (`head` for the head).
    pub fn begin_stage(&mut self, name: &str) {
        self.stage = name.into();
    }

    /// Makes a trainable tensor.
    ///
    /// # Errors
    /// What candle answers.
    ///
    /// # Panics
    /// If the name is taken: two layers of one model would share it.
    pub fn parameter(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Param> {
        let param = self.make(name, shape, init)?;
        assert!(
            self.trainable.insert(name.to_owned(), param.clone()).is_none(),
            "parameter `{name}` made twice"
        );
        Ok(param)
    }

    /// Makes a trainable tensor that weight decay is not meant for, whatever its rank: positions, class tokens, layer scales.
    /// Source: timm's `no_weight_decay`.
    ///
    /// # Errors
    /// What candle answers.
    ///
    /// # Panics
    /// If the name is taken.
    pub fn without_decay(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Param> {
        self.parameter(name, shape, init)?;
        let param = self.trainable.get_mut(name).expect("made");
        param.decays = false;
        Ok(param.clone())
    }

    /// Makes a buffer.
    ///
    /// # Errors
    /// What candle answers.
    ///
    /// # Panics
    /// If the name is taken.
    pub fn buffer(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Param> {
        let param = self.make(name, shape, init)?;
        assert!(self.buffers.insert(name.to_owned(), param.clone()).is_none(), "buffer `{name}` made twice");
        Ok(param)
    }

    /// Makes a count, 0. Panics if the name is taken.
    pub fn count(&mut self, name: &str) -> Count {
        let count = Count::default();
        assert!(self.counts.insert(name.to_owned(), count.clone()).is_none(), "count `{name}` made twice");
        count
    }

    /// Numbers in the trainable tensors, frozen ones included.
    pub fn size(&self) -> usize {
        self.trainable.values().map(|param| param.var.elem_count()).sum()
    }

    /// The trainable tensors and the buffers as variables of a map, which shares them: what an optimizer of candle's or
    /// [`VarMap::load`] changes there, the network has.
    ///
    /// # Panics
    /// Never: nobody else has the map.
    pub fn var_map(&self) -> VarMap {
        let map = VarMap::new();
        let both = self.trainable.iter().chain(&self.buffers);
        let variables = both.map(|(name, param)| (name.clone(), param.var.clone()));
        map.data().lock().expect("a new map").extend(variables);
        map
    }

    /// Parameters and buffers by name, as they are now and will be: the tensors share storage with the variables.
    /// Counts come as int64 scalars, copied.
    ///
    /// # Errors
    /// What candle answers.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = BTreeMap::new();
        for (name, param) in self.trainable.iter().chain(&self.buffers) {
            tensors.insert(name.clone(), param.var.as_detached_tensor());
        }
        for (name, count) in &self.counts {
            tensors.insert(name.clone(), Tensor::new(count.value() as i64, &Device::Cpu)?);
        }
        Ok(tensors)
    }

    fn make(&self, name: &str, shape: &[usize], init: Init) -> Result<Param> {
        let param = |var: Var| -> Result<Param> {
            let is_copied = self.compute != self.dtype && shape.len() > 1;
            let copy = is_copied.then(|| Var::from_tensor(&var.to_dtype(self.compute)?)).transpose()?;
            Ok(Param { var, copy, frozen: Arc::default(), stage: self.stage.clone(), decays: true })
        };
        if self.blank {
            return param(Var::zeros(shape, self.dtype, &self.device)?);
        }
        let Some(builder) = &self.builder else {
            return param(Var::from_tensor(&self.initial(name, shape, init)?)?);
        };
        let known = builder.contains_tensor(name);
        let var = Var::from_tensor(&builder.get(shape, name)?)?;
        if !known {
            var.set(&self.initial(name, shape, init)?)?;
        }
        param(var)
    }

    fn initial(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor> {
        let n: usize = shape.iter().product();
        let mut rng = self.seed.fold(name, 0).rng();
        let values: Vec<f64> = match init {
            Init::Zeros => vec![0.0; n],
            Init::Ones => vec![1.0; n],
            Init::Constant(value) => vec![value; n],
            Init::Uniform(bound) => (0..n).map(|_| rng.uniform_in(-bound, bound)).collect(),
            Init::Normal(sd) => (0..n).map(|_| sd * rng.normal()).collect(),
            Init::KaimingNormalFanOut | Init::KaimingNormalFanIn => {
                let side = usize::from(init == Init::KaimingNormalFanIn);
                let fan = shape[side] * shape[2..].iter().product::<usize>();
                let sd = (2.0 / fan as f64).sqrt();
                (0..n).map(|_| sd * rng.normal()).collect()
            }
        };
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(self.dtype)?.to_device(&self.device)?)
    }
}

#[cfg(test)]
mod tests;
