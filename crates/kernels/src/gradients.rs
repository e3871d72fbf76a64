//! Gradients of variables, collected over any number of losses.

use crate::element::Element;
use crate::node::LEAF;
use candle_core::{CpuStorage, Layout, Result, Tensor, TensorId, bail};
use std::cell::RefCell;
use std::collections::HashMap;

/// Σ d loss / d variable over the losses added, for every variable that one of them reaches.
///
/// candle's own `backward` adds each gradient to fresh zeros on one thread, 4 passes over all parameters a step; here the
/// ops of this crate hand theirs over as they are. A graph that holds such an op on a variable can only be walked from
/// here: candle's `backward` alone ends in an error that says so.
#[derive(Default)]
pub struct Gradients(HashMap<TensorId, Tensor>);

/// The gradients of one loss.
///
/// # Errors
/// What an op of the graph answers.
pub fn backward(loss: &Tensor) -> Result<Gradients> {
    let mut gradients = Gradients::default();
    gradients.add(loss)?;
    Ok(gradients)
}

impl Gradients {
    /// Adds the gradients of `loss`, in the storage of those that are here.
    ///
    /// # Errors
    /// What an op of the graph answers; what had been collected is then lost.
    pub fn add(&mut self, loss: &Tensor) -> Result<()> {
        let outer = COLLECTED.replace(Some(std::mem::take(&mut self.0)));
        let candles = loss.backward();
        let collected = COLLECTED.replace(outer).unwrap_or_default();
        let candles = candles?;
        self.0 = collected;
        for id in candles.get_ids().filter(|id| **id != LEAF.id()) {
            if let Some(grad) = candles.get_id(*id) {
                add(&mut self.0, *id, grad.clone())?;
            }
        }
        Ok(())
    }

    /// Adds what another has collected, in the storage of what is here.
    ///
    /// # Errors
    /// Where two gradients of one variable cannot be added.
    pub fn merge(&mut self, other: Gradients) -> Result<()> {
        other.0.into_iter().try_for_each(|(variable, grad)| add(&mut self.0, variable, grad))
    }

    /// d loss / d `variable`; none where no loss reaches it.
    pub fn get(&self, variable: &Tensor) -> Option<&Tensor> {
        self.0.get(&variable.id())
    }

    /// The same, taken out.
    pub fn remove(&mut self, variable: &Tensor) -> Option<Tensor> {
        self.0.remove(&variable.id())
    }
}

thread_local! {
    /// Of the loss that this thread is walking.
    static COLLECTED: RefCell<Option<HashMap<TensorId, Tensor>>> = const { RefCell::new(None) };
}

/// Takes the gradient of a variable; `grad` owns its storage alone.
pub(crate) fn collect(variable: TensorId, grad: Tensor) -> Result<()> {
    COLLECTED.with_borrow_mut(|collected| match collected {
        Some(sums) => add(sums, variable, grad),
        None => bail!(
            "gradients of variables are collected by tallow_kernels::backward(&loss), not by candle's own"
        ),
    })
}

fn add(sums: &mut HashMap<TensorId, Tensor>, variable: TensorId, grad: Tensor) -> Result<()> {
    let sum = match sums.remove(&variable) {
        Some(sum) => accumulate(sum, &grad)?,
        None => grad,
    };
    sums.insert(variable, sum);
    Ok(())
}

/// `sum` + `grad`, in `sum`'s own storage.
pub(crate) fn accumulate(sum: Tensor, grad: &Tensor) -> Result<Tensor> {
    struct Add;
    impl candle_core::InplaceOp2 for Add {
        fn name(&self) -> &'static str {
            "accumulate"
        }

        fn cpu_fwd(&self, s: &mut CpuStorage, l: &Layout, g: &CpuStorage, gl: &Layout) -> Result<()> {
            fn run<T: Element>(sum: &mut [T], grad: &[T]) {
                crate::parallel::zip(sum, grad, |s, g| *s += g);
            }
            let (s0, s1) = l.contiguous_offsets().expect("contiguous");
            let (g0, g1) = gl.contiguous_offsets().expect("contiguous");
            match (s, g) {
                (CpuStorage::F32(s), CpuStorage::F32(g)) => run(&mut s[s0..s1], &g[g0..g1]),
                (CpuStorage::F64(s), CpuStorage::F64(g)) => run(&mut s[s0..s1], &g[g0..g1]),
                _ => candle_core::bail!("accumulate: expected gradients of one type"),
            }
            Ok(())
        }
    }
    let sum = sum.contiguous()?;
    sum.inplace_op2(&grad.contiguous()?, &Add)?;
    Ok(sum)
}
