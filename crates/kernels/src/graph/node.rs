//! Applications of ops: what each keeps for its gradient, and where its operands' gradients go.
//!
//! candle gives an op at most three operands, and adds every gradient that an op returns to fresh zeros: four passes over
//! each activation. So our applications link to each other. candle is shown each result of ours as an op on one shared variable:
//! that makes it tracked, so that candle's ops may consume it, and `Attach::bwd` hands us the gradient that candle computes for it. A
//! stretch of candle's ops between two of ours is one application too; its gradient is candle's own backward.

use super::gradients::{add_variable, hand};
use crate::cpu::element::{Element, by_dtype};
use crate::dispatch::kernel_ran;
use candle_core::op::BackpropOp;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, DType, Device, Layout, MetalStorage, Result, Shape, Storage, Tensor,
    TensorId, Var, bail,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// d loss / d operand for each operand, where it is wanted.
pub(crate) type OperandGradients = Vec<Option<Tensor>>;

/// The gradients of one application; its fields are what the forward pass saved.
pub(crate) trait Backward: Send + Sync + 'static {
    /// d loss / d operand for every operand where `wanted`, given `grad` = d loss / d result (contiguous), and the result where
    /// the gradient reads it. Every tensor returned owns its storage alone; `grad`'s own may be handed on, once.
    fn cpu<T: Element>(
        &self,
        grad: Tensor,
        wanted: &[bool],
        result: Option<&Tensor>,
    ) -> Result<OperandGradients>;

    /// The same on a GPU; needed where the op has a kernel there.
    fn gpu(&self, grad: Tensor, _wanted: &[bool], _result: Option<&Tensor>) -> Result<OperandGradients> {
        bail!("no gradient kernel on {:?} – run the forward pass under composed", grad.device().location())
    }

    /// Whether the gradient reads the values of the result; where not, they need not live that long.
    fn reads_result(&self) -> bool {
        false
    }
}

/// [`Backward`] of any type.
trait AnyBackward: Send + Sync {
    fn gradients(&self, grad: Tensor, wanted: &[bool], result: Option<&Tensor>) -> Result<OperandGradients>;
    fn reads_result(&self) -> bool;
}

impl<B: Backward> AnyBackward for B {
    fn gradients(&self, grad: Tensor, wanted: &[bool], result: Option<&Tensor>) -> Result<OperandGradients> {
        if grad.device().is_cpu() {
            by_dtype!(grad.dtype(), T => self.cpu::<T>(grad, wanted, result))
        } else {
            self.gpu(grad, wanted, result)
        }
    }

    fn reads_result(&self) -> bool {
        Backward::reads_result(self)
    }
}

/// What a kernel made, on any device.
pub(crate) struct Output {
    storage: Storage,
    shape: Shape,
    backward: Box<dyn AnyBackward>,
}

impl Output {
    pub(crate) fn new(storage: Storage, shape: impl Into<Shape>, backward: impl Backward) -> Output {
        Output { storage, shape: shape.into(), backward: Box::new(backward) }
    }

    /// Of a kernel on the CPU.
    pub(crate) fn cpu<T: Element>(
        data: Vec<T>,
        shape: impl Into<Shape>,
        backward: impl Backward,
    ) -> Result<Option<Output>> {
        Ok(Some(Output::new(Storage::Cpu(T::to_cpu_storage_owned(data)), shape, backward)))
    }
}

/// The output of an op on `x` as a tensor: part of the graph where an operand that is `differentiable` is tracked.
pub(crate) fn node(x: &[&Tensor], differentiable: impl Fn(usize) -> bool, output: Output) -> Result<Tensor> {
    let Output { storage, shape, backward } = output;
    let edge = |(i, x): (usize, &&Tensor)| if differentiable(i) { Edge::to(x) } else { None };
    let edges: Vec<Option<Edge>> = x.iter().enumerate().map(edge).collect();
    if edges.iter().all(Option::is_none) {
        return Ok(Tensor::from_storage(storage, shape, BackpropOp::none(), false));
    }
    let reads = backward.reads_result();
    let (application, result) = (Application::new(Work::Kernel { backward, edges }), (storage, shape));
    let attach = Attach { result: Mutex::new(Some(result)), application: application.clone() };
    let y = leaf(x[0].device())?.apply_op1(attach)?;
    // Detached: the values without the graph, else the result would own itself.
    application.keep(y.id(), reads.then(|| y.detach()));
    lock(&APPLICATIONS).insert(y.id(), Arc::downgrade(&application));
    Ok(y)
}

/// One application of an op of ours; or a tensor of candle's that one of ours consumed, with candle's ops before it.
pub(super) struct Application {
    /// Later than those of everything it was computed from, earlier than those of its consumers.
    pub(super) order: u64,
    work: Work,
    /// The tensor that this application made, and its values where the gradient reads them.
    made: OnceLock<(TensorId, Option<Tensor>)>,
}

enum Work {
    Kernel { backward: Box<dyn AnyBackward>, edges: Vec<Option<Edge>> },
    Candle(Tensor),
}

/// Those that are alive, by the tensor that each made.
static APPLICATIONS: LazyLock<Mutex<HashMap<TensorId, Weak<Application>>>> = LazyLock::new(Default::default);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Application {
    fn new(work: Work) -> Arc<Application> {
        static ORDER: AtomicU64 = AtomicU64::new(0);
        let order = ORDER.fetch_add(1, Ordering::Relaxed);
        Arc::new(Application { order, work, made: OnceLock::new() })
    }

    fn keep(&self, id: TensorId, result: Option<Tensor>) {
        assert!(self.made.set((id, result)).is_ok(), "an application makes one tensor");
    }

    /// The application that made this tracked tensor, which is no variable.
    fn of(x: &Tensor) -> Arc<Application> {
        let mut all = lock(&APPLICATIONS);
        if let Some(known) = all.get(&x.id()).and_then(Weak::upgrade) {
            return known;
        }
        let candles = Application::new(Work::Candle(x.clone()));
        candles.keep(x.id(), None);
        all.insert(x.id(), Arc::downgrade(&candles));
        candles
    }

    /// What the result was computed from, where it is tracked; in the order of operands.
    pub(super) fn operands(&self, mut each: impl FnMut(Operand)) {
        match &self.work {
            Work::Kernel { edges, .. } => {
                edges.iter().flatten().for_each(|edge| each(edge.operand()));
            }
            Work::Candle(x) => {
                for node in x.sorted_nodes() {
                    let made = lock(&APPLICATIONS).get(&node.id()).and_then(Weak::upgrade);
                    match made.filter(|made| made.order != self.order) {
                        Some(made) => each(Operand::Application(made)),
                        None if node.is_variable() => each(Operand::Variable(node.id())),
                        None => {}
                    }
                }
            }
        }
    }

    /// Gives the operands their gradients, where `grad` is all that the result got.
    pub(super) fn walk(&self, grad: Tensor) -> Result<()> {
        match &self.work {
            Work::Kernel { backward, edges } => {
                let wanted: Vec<bool> = edges.iter().map(Option::is_some).collect();
                let result = self.made.get().and_then(|(_, result)| result.as_ref());
                kernel_ran();
                let grads = backward.gradients(grad.contiguous()?, &wanted, result)?;
                edges.iter().zip(grads).try_for_each(|(edge, grad)| match (edge, grad) {
                    (Some(edge), Some(grad)) => edge.give(grad),
                    _ => Ok(()),
                })
            }
            Work::Candle(x) => {
                // d Σ x·grad / d x = grad. Results of ours before x are reached through `Attach`.
                let end = (x * grad)?.sum_all()?;
                let grads = end.backward()?;
                let variables = end.sorted_nodes().into_iter().filter(|node| node.is_variable());
                variables
                    .filter_map(|variable| Some((variable.id(), grads.get(variable)?.clone())))
                    .try_for_each(|(variable, grad)| add_variable(variable, grad))
            }
        }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        if let Some((id, _)) = self.made.get() {
            // Another thread may have made a new application of the same tensor meanwhile.
            let mut all = lock(&APPLICATIONS);
            if all.get(id).is_some_and(|known| known.strong_count() == 0) {
                all.remove(id);
            }
        }
    }
}

/// What an application read.
pub(super) enum Operand {
    Variable(TensorId),
    Application(Arc<Application>),
}

/// Where the gradient of an operand goes.
pub(super) enum Edge {
    Variable(TensorId),
    Application(Arc<Application>),
}

impl Edge {
    /// None where `x` is not tracked.
    pub(super) fn to(x: &Tensor) -> Option<Edge> {
        if x.is_variable() {
            Some(Edge::Variable(x.id()))
        } else {
            x.track_op().then(|| Edge::Application(Application::of(x)))
        }
    }

    fn operand(&self) -> Operand {
        match self {
            Edge::Variable(id) => Operand::Variable(*id),
            Edge::Application(application) => Operand::Application(application.clone()),
        }
    }

    pub(super) fn give(&self, grad: Tensor) -> Result<()> {
        match self {
            Edge::Variable(id) => add_variable(*id, grad),
            Edge::Application(application) => hand(application, grad),
        }
    }
}

/// One number that stands for all variables: what makes a result of ours tracked.
fn leaf(device: &Device) -> Result<Tensor> {
    static LEAVES: Mutex<Vec<Var>> = Mutex::new(Vec::new());
    let mut leaves = lock(&LEAVES);
    if let Some(leaf) = leaves.iter().find(|leaf| leaf.device().same_device(device)) {
        return Ok(leaf.as_tensor().clone());
    }
    leaves.push(Var::zeros((), DType::F32, device)?);
    Ok(leaves[leaves.len() - 1].as_tensor().clone())
}

/// The op that candle sees: the leaf becomes the result.
struct Attach {
    result: Mutex<Option<(Storage, Shape)>>,
    application: Arc<Application>,
}

impl Attach {
    fn result(&self) -> (Storage, Shape) {
        lock(&self.result).take().expect("applied once")
    }
}

impl CustomOp1 for Attach {
    fn name(&self) -> &'static str {
        "attach"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let (Storage::Cpu(storage), shape) = self.result() else {
            bail!("attach: expected a result on the CPU")
        };
        Ok((storage, shape))
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        let (Storage::Cuda(storage), shape) = self.result() else {
            bail!("attach: expected a result on CUDA")
        };
        Ok((storage, shape))
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        let (Storage::Metal(storage), shape) = self.result() else {
            bail!("attach: expected a result on Metal")
        };
        Ok((storage, shape))
    }

    /// Reached where candle's ops consumed the result.
    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        hand(&self.application, grad.clone())?;
        Ok(None)
    }
}
