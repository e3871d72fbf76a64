//! A training loop as users of candle write it, on drawn lesions: `VarMap`, `VarBuilder`, `ModuleT`, candle's AdamW. The network
//! is tallow's, or with the argument `plain` one of candle's own layers; tallow's policies mix the batches of both.

mod batches;
mod plain;

use batches::Batches;
use candle_core::{D, DType, Device, Error, ModuleT, Result, Tensor};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder, VarMap};
use tallow_data::synthetic::{CLASS_NAMES, Part};
use tallow_kernels::{backward, soft_cross_entropy};
use tallow_models::{ModelOptions, Params};
use tallow_policy::{INPUT, Policy, Registry, Seed, TrainingProgress};

const EPOCHS: u64 = 8;
const BATCH: usize = 32;
/// As in a recipe.
const POLICY: &str = "branches: [ { policies: [ { cutmix: { alpha: 1.0 }, p: 0.2 }, { zeta_mixup: { gamma: 2.8 }, p: 0.5 } ] } ]";

fn main() -> Result<()> {
    let (device, seed) = (Device::Cpu, Seed::new(1));
    let map = VarMap::new();
    let builder = VarBuilder::from_varmap(&map, DType::F32, &device);
    let network = network(std::env::args().nth(1).as_deref(), builder, seed)?;
    let settings = ParamsAdamW { lr: 2e-3, weight_decay: 0.01, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(map.all_vars(), settings)?;

    let policy = serde_yaml::from_str(POLICY).map_err(Error::wrap)?;
    let policy = Policy::parse("mine", &policy, &Registry::builtin());
    let policy = policy.map_err(|mistakes| Error::msg(format!("{mistakes:?}")))?;

    let train = Batches::new(Part::Train, 960, &device)?;
    let validation = Batches::new(Part::Validation, 192, &device)?;
    let batches_per_epoch = (train.len() / BATCH) as u64;
    let mut step = 0;
    for epoch in 1..=EPOCHS {
        let mut sum = 0.0;
        for (values, rows) in train.balanced(BATCH, seed.fold("order", epoch))? {
            let steps = EPOCHS * batches_per_epoch;
            let progress = TrainingProgress { step, steps, batches_per_epoch, batch: BATCH as u64 };
            let mut pass = policy.branches[0].begin(&rows, seed.fold("step", step), progress);
            let values = pass.at(INPUT, values)?;
            let targets = Tensor::from_vec(pass.targets(), (BATCH, rows.n_classes), &device)?;
            let logits = network.forward_t(&values, true)?;
            let loss = soft_cross_entropy(&logits, &targets.to_dtype(DType::F32)?, None)?;
            sum += f64::from(loss.to_scalar::<f32>()?);
            // Not `optimizer.backward_step(&loss)`: candle's `backward` stops at tallow's ops with an error that says so.
            optimizer.step(&backward(loss)?.into_grad_store()?)?;
            step += 1;
        }
        let (loss, accuracy) = evaluate(&*network, &validation)?;
        println!(
            "epoch {epoch}: loss of mixed batches {:.3}, validation loss {loss:.3}, balanced accuracy {accuracy:.3}",
            sum / batches_per_epoch as f64
        );
    }
    map.save("candle_loop.safetensors")
}

/// `resnet20` of the zoo, or `plain`.
fn network(name: Option<&str>, builder: VarBuilder<'static>, seed: Seed) -> Result<Box<dyn ModuleT>> {
    let name = name.unwrap_or("resnet20");
    if name == "plain" {
        return Ok(Box::new(plain::Plain::new(&builder, CLASS_NAMES.len())?));
    }
    let spec = tallow_models::find(name)
        .ok_or_else(|| Error::msg(format!("`{name}` – expected `plain` or a network of tallow's")))?;
    let mut params = Params::from_var_builder(builder, seed);
    let network = (spec.build)(&mut params, &ModelOptions::new(CLASS_NAMES.len())).map_err(Error::wrap)?;
    Ok(Box::new(network))
}

/// Mean cross-entropy, and the mean of the recalls of all classes.
fn evaluate(network: &dyn ModuleT, batches: &Batches) -> Result<(f64, f64)> {
    let (values, rows) = batches.all()?;
    let logits = network.forward_t(&values, false)?;
    let labels = Tensor::new(rows.classes.as_slice(), values.device())?;
    let loss = candle_nn::loss::cross_entropy(&logits, &labels)?.to_scalar::<f32>()?;
    let mut recalls = vec![(0.0, 0.0); rows.n_classes];
    for (guess, class) in logits.argmax(D::Minus1)?.to_vec1::<u32>()?.iter().zip(&rows.classes) {
        let (right, all) = &mut recalls[*class as usize];
        (*right, *all) = (*right + f64::from(u8::from(guess == class)), *all + 1.0);
    }
    let sum: f64 = recalls.iter().map(|(right, all)| right / all).sum();
    Ok((f64::from(loss), sum / recalls.len() as f64))
}
