//! How an op is applied: operands checked, an implementation chosen, the result recorded and made part of the graph.

use crate::cpu::element::{Element, by_dtype};
use crate::graph::{Output, node, record};
use candle_core::{DType, Device, Result, Shape, Tensor, bail};
use std::cell::Cell;
use std::ops::Range;

/// What an op is: its place on a tape, and its implementations. The arguments that are no tensors are its fields.
pub(crate) trait Op {
    /// What a tape keeps; none of ops that stand in no file of a network.
    fn record(&self) -> Option<record::Op> {
        None
    }

    /// Whether this operand gets a gradient where it is tracked.
    fn differentiable(&self, _operand: usize) -> bool {
        true
    }

    /// Operands that are f32 where the values are bf16: what a layer scales and shifts by, on a GPU.
    fn in_f32(&self) -> Range<usize> {
        0..0
    }

    /// The kernel on the CPU; the operands are contiguous and without a graph. None where there is none.
    fn cpu<T: Element>(&self, _x: &[Tensor]) -> Result<Option<Output>> {
        Ok(None)
    }

    /// The kernel on the GPU that the operands are on. None where there is none.
    fn gpu(&self, _x: &[&Tensor]) -> Result<Option<Output>> {
        Ok(None)
    }

    /// The same of candle's ops: right on every device, and what the tests hold kernels against.
    fn composed(&self, x: &[&Tensor]) -> Result<Tensor>;
}

/// The result of an op on its operands; errors begin with `name`.
pub(crate) fn apply(name: &str, op: impl Op, x: &[&Tensor]) -> Result<Tensor> {
    let route = route_beside(name, x, op.in_f32())?;
    let run = || {
        let output = match route {
            Route::Cpu => {
                let x = x.iter().map(|x| Ok(x.contiguous()?.detach())).collect::<Result<Vec<_>>>()?;
                by_dtype!(x[0].dtype(), T => op.cpu::<T>(&x))?
            }
            Route::Gpu => op.gpu(x)?,
            Route::Composed => None,
        };
        let Some(output) = output else { return op.composed(x) };
        kernel_ran();
        node(x, |operand| op.differentiable(operand), output)
    };
    record::step(|| op.record(), x, run)
}

/// Which implementation runs.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Route {
    Cpu,
    Gpu,
    Composed,
}

/// The route of an op on these operands, which have to be of one type and on one device.
pub(crate) fn route(name: &str, x: &[&Tensor]) -> Result<Route> {
    route_beside(name, x, 0..0)
}

/// The same, where those `in_f32` may be f32 beside bf16.
fn route_beside(name: &str, x: &[&Tensor], in_f32: Range<usize>) -> Result<Route> {
    let (dtype, device) = (x[0].dtype(), x[0].device());
    let fits = |(i, other): &(usize, &&Tensor)| {
        other.dtype() == dtype || in_f32.contains(i) && (dtype, other.dtype()) == (DType::BF16, DType::F32)
    };
    if let Some((_, other)) = x.iter().enumerate().find(|operand| !fits(operand)) {
        bail!("{name}: expected one type, got {dtype:?} and {:?} – cast one with to_dtype", other.dtype());
    }
    if let Some(other) = x.iter().find(|other| !other.device().same_device(device)) {
        let (one, other) = (device.location(), other.device().location());
        bail!("{name}: expected one device, got {one:?} and {other:?} – move one with to_device");
    }
    if device.is_cpu() && !matches!(dtype, DType::F32 | DType::F64) {
        bail!("{name}: no kernel on the CPU takes {dtype:?} – expected f32 or f64 – cast with to_dtype");
    }
    Ok(match device {
        _ if is_composed() => Route::Composed,
        Device::Cpu => Route::Cpu,
        _ => Route::Gpu,
    })
}

thread_local! {
    static COMPOSED: Cell<bool> = Cell::new(std::env::var("TALLOW_FALLBACK").is_ok_and(|v| v == "1"));
    static KERNELS: Cell<u64> = const { Cell::new(0) };
}

pub(crate) fn is_composed() -> bool {
    COMPOSED.get()
}

/// Runs `pass` with every op that this thread applies composed of candle's own. With the environment variable
/// `TALLOW_FALLBACK=1` every thread does so always. A graph that kernels have built is walked by kernels here too.
pub fn composed<T>(pass: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            COMPOSED.set(self.0);
        }
    }
    let _restore = Restore(COMPOSED.replace(true));
    pass()
}

/// The result of `pass`, and how many kernels this thread ran in it: a forward pass, its gradient, an update in place count
/// one each.
pub fn count_kernels<T>(pass: impl FnOnce() -> T) -> (T, u64) {
    let before = KERNELS.get();
    let result = pass();
    (result, KERNELS.get() - before)
}

pub(crate) fn kernel_ran() {
    KERNELS.set(KERNELS.get() + 1);
}

/// f64 values in the type and on the device of `like`; cast on the host, since not every device has f64.
pub(crate) fn host(values: Vec<f64>, shape: impl Into<Shape>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)?.to_dtype(like.dtype())?.to_device(like.device())
}
