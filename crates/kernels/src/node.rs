//! Nodes of the graph with any number of operands, whose activations' gradients pass by slots.
//!
//! candle gives an op at most three operands, and adds every gradient that an op returns to fresh zeros: four passes over
//! each activation. Here the graph is made of one-element tokens. A result `y` of [`node`] is `Attach(token)`; its gradient
//! is collected in a slot that `y`'s consumers fill directly. A consumer of ours finds the token by `y`'s id and links to
//! it in place of `y`; any other consumer links to `y`, and `Attach` puts what candle collected into the same slot. So the
//! bookkeeping between two ops of ours is one number, an activation lives only as long as somebody saved it, and ours mix
//! freely with candle's ops. Gradients of variables go into the [`Gradients`](crate::Gradients) being collected; those of
//! candle's own results go candle's way.

use crate::element::{Element, tensor};
use crate::gradients::{accumulate, collect};
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Device, Layout, Result, Shape, Tensor, TensorId, Var,
};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

/// The gradients of one application.
pub(crate) trait Backward: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// d loss / d operand for every operand where `wanted`, given the result and `grad` = d loss / d result (contiguous).
    /// Every tensor returned owns its storage alone; `grad`'s own may be handed on, once.
    fn gradients(&self, result: &Tensor, grad: Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>>;

    /// Whether `gradients` reads the values of `result`; where not, they need not live that long.
    fn reads_result(&self) -> bool {
        false
    }
}

/// `data` as the result of an op on `inputs`: part of the graph where one of them is.
pub(crate) fn node<T: Element>(
    inputs: &[&Tensor],
    data: Vec<T>,
    shape: impl Into<Shape>,
    backward: impl Backward,
) -> Result<Tensor> {
    crate::switch::count();
    if !inputs.iter().any(|x| x.track_op()) {
        return Ok(tensor(data, shape));
    }
    let slot = Arc::new(Slot::default());
    let edges: Vec<Option<Edge>> = inputs.iter().map(|x| x.track_op().then(|| Edge::to(x))).collect();
    let links: Vec<(usize, Tensor)> =
        edges.iter().enumerate().filter_map(|(i, e)| Some((i, e.as_ref()?.link.clone()))).collect();
    let shared = Arc::new(Application {
        backward: Box::new(backward),
        slot: slot.clone(),
        wanted: edges.iter().map(Option::is_some).collect(),
        ways: edges.into_iter().map(|e| e.map(|e| e.way)).collect(),
        result: OnceLock::new(),
        results: Mutex::new(Vec::new()),
    });
    // Two operands per link of the chain, and the next link; the last link made is the first one walked backward.
    let mut token: Option<Tensor> = None;
    let pairs: Vec<_> = links.chunks(2).rev().collect();
    for (i, pair) in pairs.iter().enumerate() {
        let op = Token {
            shared: shared.clone(),
            operands: pair.iter().map(|(i, _)| *i).collect(),
            first: i + 1 == pairs.len(),
        };
        token = Some(match (&pair[..], token) {
            ([(_, a)], None) => a.apply_op1(op)?,
            ([(_, a), (_, b)], None) => a.apply_op2(b, op)?,
            ([(_, a), (_, b)], Some(next)) => a.apply_op3(b, &next, op)?,
            _ => unreachable!("only the first pair of the chain is short"),
        });
    }
    let token = token.expect("one operand is tracked");
    let value = (T::to_cpu_storage_owned(data), shape.into());
    let attach = Attach { value: Mutex::new(Some(value)), slot: slot.clone(), id: Arc::default() };
    let id = attach.id.clone();
    let y = token.apply_op1(attach)?;
    id.set(y.id()).expect("set once");
    // Detached: the values without the graph, else the result would own itself.
    let result = if shared.backward.reads_result() { y.detach() } else { tensor::<T>(Vec::new(), 0) };
    shared.result.set(result).expect("set once");
    lock(&SLOTS).insert(y.id(), (token, slot));
    Ok(y)
}

type Slots = HashMap<TensorId, (Tensor, Arc<Slot>)>;

/// Results of [`node`] that are alive: the token and the slot of each.
static SLOTS: LazyLock<Mutex<Slots>> = LazyLock::new(Default::default);

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Where the gradient of a result is collected.
#[derive(Default)]
struct Slot(Mutex<Option<Tensor>>);

impl Slot {
    fn add(&self, grad: Tensor) -> Result<()> {
        let mut sum = lock(&self.0);
        *sum = Some(match sum.take() {
            Some(old) => accumulate(old, &grad)?,
            None => grad,
        });
        Ok(())
    }

    fn take(&self) -> Option<Tensor> {
        lock(&self.0).take()
    }
}

/// An operand: what the graph links to, and where its gradient goes.
struct Edge {
    link: Tensor,
    way: Way,
}

enum Way {
    /// A result of ours.
    Slot(Arc<Slot>),
    /// A variable. The graph ends at [`LEAF`], one number that stands for all of them.
    Variable(TensorId),
    /// A result of candle's.
    Candle,
}

pub(crate) static LEAF: LazyLock<Var> =
    LazyLock::new(|| Var::zeros((), DType::F32, &Device::Cpu).expect("one number"));

impl Edge {
    fn to(x: &Tensor) -> Edge {
        if x.is_variable() {
            return Edge { link: LEAF.as_tensor().clone(), way: Way::Variable(x.id()) };
        }
        match lock(&SLOTS).get(&x.id()) {
            Some((token, slot)) => Edge { link: token.clone(), way: Way::Slot(slot.clone()) },
            None => Edge { link: x.clone(), way: Way::Candle },
        }
    }
}

struct Application {
    backward: Box<dyn Backward>,
    /// The result's.
    slot: Arc<Slot>,
    wanted: Vec<bool>,
    ways: Vec<Option<Way>>,
    result: OnceLock<Tensor>,
    results: Mutex<Vec<Option<Tensor>>>,
}

/// One link of an application's chain: hands out the gradients of its operands; the first one walked computes them all.
struct Token {
    shared: Arc<Application>,
    operands: Vec<usize>,
    first: bool,
}

impl Token {
    fn run(&self, args: &[&Tensor]) -> Result<Vec<Option<Tensor>>> {
        let app = &self.shared;
        if self.first {
            *lock(&app.results) = match app.slot.take() {
                Some(grad) => {
                    crate::switch::count();
                    let result = app.result.get().expect("set by node");
                    app.backward.gradients(result, grad.contiguous()?, &app.wanted)?
                }
                None => Vec::new(),
            };
        }
        let mut grads = Vec::new();
        for (place, arg) in args.iter().enumerate() {
            let Some(&i) = self.operands.get(place) else {
                grads.push(Some(arg.zeros_like()?)); // the next link
                continue;
            };
            let grad = lock(&app.results).get_mut(i).and_then(Option::take);
            grads.push(Some(match (grad, &app.ways[i]) {
                (Some(grad), Some(Way::Candle)) => grad,
                (Some(grad), Some(Way::Slot(slot))) => {
                    slot.add(grad)?;
                    arg.zeros_like()?
                }
                (Some(grad), Some(Way::Variable(id))) => {
                    collect(*id, grad)?;
                    arg.zeros_like()?
                }
                _ => arg.zeros_like()?,
            }));
        }
        Ok(grads)
    }
}

fn one() -> Result<(CpuStorage, Shape)> {
    Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
}

impl CustomOp1 for Token {
    fn name(&self) -> &'static str {
        self.shared.backward.name()
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        one()
    }

    fn bwd(&self, a: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(self.run(&[a])?.remove(0))
    }
}

impl CustomOp2 for Token {
    fn name(&self) -> &'static str {
        self.shared.backward.name()
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        one()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut grads = self.run(&[a, b])?;
        Ok((grads[0].take(), grads[1].take()))
    }
}

impl CustomOp3 for Token {
    fn name(&self) -> &'static str {
        self.shared.backward.name()
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        one()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut grads = self.run(&[a, b, c])?;
        Ok((grads[0].take(), grads[1].take(), grads[2].take()))
    }
}

/// The result itself: the token becomes the value.
struct Attach {
    value: Mutex<Option<(CpuStorage, Shape)>>,
    slot: Arc<Slot>,
    id: Arc<OnceLock<TensorId>>,
}

impl CustomOp1 for Attach {
    fn name(&self) -> &'static str {
        "attach"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(lock(&self.value).take().expect("applied once"))
    }

    /// Only where a consumer is not ours.
    fn bwd(&self, token: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        self.slot.add(grad.clone())?;
        Ok(Some(token.zeros_like()?))
    }
}

impl Drop for Attach {
    fn drop(&mut self) {
        if let Some(id) = self.id.get() {
            let entry = lock(&SLOTS).remove(id);
            drop(entry); // outside the lock: it may free other results
        }
    }
}
