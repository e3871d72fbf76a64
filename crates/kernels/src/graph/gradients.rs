//! Gradients of variables, collected over any number of losses.

use super::node::{Application, Edge, Operand};
use crate::cpu::element::Element;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Device, InplaceOp2, Layout, Result, Tensor, TensorId, bail};
use std::borrow::Borrow;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Σ d loss / d variable over the losses added, for every variable that one of them reaches.
///
/// candle's own `backward` adds each gradient to fresh zeros on one thread, 4 passes over all parameters a step; here the
/// ops of this crate hand theirs over as they are. A graph that holds such an op can only be walked from here: candle's
/// `backward` alone ends in an error that says so.
#[derive(Default)]
pub struct Gradients(HashMap<TensorId, Tensor>);

/// The gradients of one loss, as [`Gradients::add`] collects them.
///
/// # Errors
/// Fails where an op of the graph does.
pub fn backward(loss: impl Borrow<Tensor>) -> Result<Gradients> {
    let mut gradients = Gradients::default();
    gradients.add(loss)?;
    Ok(gradients)
}

impl Gradients {
    /// Adds the gradients of `loss`, in the storage of those that are here.
    ///
    /// A loss that is given by value, and whose activations nobody else holds, frees what each op saved as soon as it was
    /// walked; a borrowed one keeps its graph and can be walked again.
    ///
    /// # Errors
    /// Fails where an op of the graph does; what had been collected is then lost.
    pub fn add(&mut self, loss: impl Borrow<Tensor>) -> Result<()> {
        self.add_times(loss, 1.0)
    }

    /// Adds those of factor · `loss`: the same as [`Self::add`] of that product, without an op of candle's on the way.
    ///
    /// # Errors
    /// Those of [`Self::add`].
    pub fn add_times(&mut self, loss: impl Borrow<Tensor>, factor: f64) -> Result<()> {
        self.walked(loss, factor, |_| Ok(()))
    }

    /// Adds those of factor · `loss`, and hands over each variable's whole as soon as nothing can be added to it: `done(variable,
    /// gradient)`, the same order for every loss of one network. What is collected of variables that this loss does not reach stays here.
    ///
    /// # Errors
    /// Those of [`Self::add`], and of `done`.
    pub fn finish_times(
        &mut self,
        loss: impl Borrow<Tensor>,
        factor: f64,
        mut done: impl FnMut(TensorId, Tensor) -> Result<()>,
    ) -> Result<()> {
        let mut last = last_uses(loss.borrow()).into_iter().peekable();
        self.walked(loss, factor, |walked| {
            while let Some((_, variable)) = last.next_if(|(order, _)| *order >= walked) {
                if let Some(gradient) = with_walk(|walk| Ok(walk.variables.remove(&variable)))? {
                    done(variable, gradient)?;
                }
            }
            Ok(())
        })
    }

    /// `after` is told the order of every application that was walked.
    fn walked(
        &mut self,
        loss: impl Borrow<Tensor>,
        factor: f64,
        after: impl FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let walk = Walk { reached: BTreeMap::new(), variables: std::mem::take(&mut self.0) };
        let outer = WALK.replace(Some(walk));
        let walked = walk_from(loss, factor, after);
        let walk = WALK.replace(outer);
        walked?;
        self.0 = walk.map(|walk| walk.variables).unwrap_or_default();
        Ok(())
    }

    /// Adds what another has collected, in the storage of what is here.
    ///
    /// # Errors
    /// Fails where two gradients of one variable cannot be added.
    pub fn merge(&mut self, other: Gradients) -> Result<()> {
        other.0.into_iter().try_for_each(|(variable, grad)| add(&mut self.0, variable, grad))
    }

    /// d loss / d `variable`; none where no loss reaches it.
    pub fn get(&self, variable: &Tensor) -> Option<&Tensor> {
        self.0.get(&variable.id())
    }

    /// The same gradients as candle's optimizers take them.
    ///
    /// # Errors
    /// What candle answers.
    pub fn into_grad_store(self) -> Result<GradStore> {
        // candle makes an empty store for nobody: this one is of a loss that depends on nothing, without that loss.
        let constant = Tensor::zeros((), DType::F32, &Device::Cpu)?;
        let mut store = constant.backward()?;
        store.remove(&constant);
        self.0.into_iter().for_each(|(variable, gradient)| drop(store.insert_id(variable, gradient)));
        Ok(store)
    }

    /// The same, taken out.
    pub fn remove(&mut self, variable: &Tensor) -> Option<Tensor> {
        self.0.remove(&variable.id())
    }
}

/// The applications that gradients have reached, each with their sum so far, and what variables got.
///
/// The latest is walked next: all of its consumers are later, so that its gradient is whole by then.
struct Walk {
    reached: BTreeMap<u64, (Arc<Application>, Tensor)>,
    variables: HashMap<TensorId, Tensor>,
}

thread_local! {
    /// Of the loss that this thread is walking.
    static WALK: RefCell<Option<Walk>> = const { RefCell::new(None) };
}

/// Of every variable that a loss reaches, the application that is walked last of those that use it; in the order of the walk.
fn last_uses(loss: &Tensor) -> Vec<(u64, TensorId)> {
    let mut pending: BTreeMap<u64, Arc<Application>> = BTreeMap::new();
    match Edge::to(loss) {
        Some(Edge::Application(application)) => drop(pending.insert(application.order, application)),
        Some(Edge::Variable(variable)) => return vec![(0, variable)],
        None => {}
    }
    // With the place where it was seen: an application is done with several at once.
    let (mut last, mut seen) = (HashMap::new(), 0);
    while let Some((order, application)) = pending.pop_last() {
        application.operands(|operand| match operand {
            Operand::Variable(variable) => {
                let earlier = last.get(&variable).map_or(order, |(earlier, _)| *earlier);
                last.insert(variable, (order.min(earlier), seen));
                seen += 1;
            }
            Operand::Application(application) => drop(pending.insert(application.order, application)),
        });
    }
    let mut all: Vec<_> = last.into_iter().map(|(variable, (order, seen))| (order, seen, variable)).collect();
    all.sort_unstable_by_key(|(order, seen, _)| (Reverse(*order), *seen));
    all.into_iter().map(|(order, _, variable)| (order, variable)).collect()
}

fn walk_from(loss: impl Borrow<Tensor>, factor: f64, mut after: impl FnMut(u64) -> Result<()>) -> Result<()> {
    let mut grad = loss.borrow().ones_like()?;
    if factor != 1.0 {
        grad = (grad * factor)?;
    }
    if let Some(edge) = Edge::to(loss.borrow()) {
        edge.give(grad)?;
    }
    drop(loss);
    while let Some((_, (application, grad))) = with_walk(|walk| Ok(walk.reached.pop_last()))? {
        application.walk(grad)?;
        let order = application.order;
        drop(application);
        after(order)?;
    }
    after(0)
}

fn with_walk<T>(act: impl FnOnce(&mut Walk) -> Result<T>) -> Result<T> {
    WALK.with_borrow_mut(|walk| match walk {
        Some(walk) => act(walk),
        None => bail!(
            "gradients of variables are collected by tallow_kernels::backward(&loss), not by candle's own"
        ),
    })
}

/// Adds to the gradient of an application's result; `grad` owns its storage alone.
pub(super) fn hand(application: &Arc<Application>, grad: Tensor) -> Result<()> {
    with_walk(|walk| {
        let sum = match walk.reached.remove(&application.order) {
            Some((_, sum)) => accumulate(sum, &grad)?,
            None => grad,
        };
        walk.reached.insert(application.order, (application.clone(), sum));
        Ok(())
    })
}

/// Adds to the gradient of a variable; `grad` owns its storage alone.
pub(super) fn add_variable(variable: TensorId, grad: Tensor) -> Result<()> {
    with_walk(|walk| add(&mut walk.variables, variable, grad))
}

fn add(sums: &mut HashMap<TensorId, Tensor>, variable: TensorId, grad: Tensor) -> Result<()> {
    let sum = match sums.remove(&variable) {
        // Parts in bf16 are summed in f32: the smaller ones would be lost.
        Some(sum) if sum.dtype() == DType::BF16 || grad.dtype() == DType::BF16 => {
            (sum.to_dtype(DType::F32)? + grad.to_dtype(DType::F32)?)?
        }
        Some(sum) => accumulate(sum, &grad)?,
        None => grad,
    };
    sums.insert(variable, sum);
    Ok(())
}

/// `sum` + `grad`; on the CPU in `sum`'s own storage.
fn accumulate(sum: Tensor, grad: &Tensor) -> Result<Tensor> {
    struct Add;
    impl InplaceOp2 for Add {
        fn name(&self) -> &'static str {
            "accumulate"
        }

        fn cpu_fwd(&self, s: &mut CpuStorage, l: &Layout, g: &CpuStorage, gl: &Layout) -> Result<()> {
            fn run<T: Element>(sum: &mut [T], grad: &[T]) {
                crate::cpu::parallel::zip(sum, grad, |s, g| *s += g);
            }
            let (s0, s1) = l.contiguous_offsets().expect("contiguous");
            let (g0, g1) = gl.contiguous_offsets().expect("contiguous");
            match (s, g) {
                (CpuStorage::F32(s), CpuStorage::F32(g)) => run(&mut s[s0..s1], &g[g0..g1]),
                (CpuStorage::F64(s), CpuStorage::F64(g)) => run(&mut s[s0..s1], &g[g0..g1]),
                _ => bail!("accumulate: expected gradients of one type"),
            }
            Ok(())
        }
    }
    if !sum.device().is_cpu() {
        return sum + grad;
    }
    let sum = sum.contiguous()?;
    sum.inplace_op2(&grad.contiguous()?, &Add)?;
    Ok(sum)
}
