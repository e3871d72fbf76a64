//! What a pass computed, op by op: the tape that a file for another runtime is written from.

use crate::ops::Conv;
use candle_core::{Result, Tensor};
use std::cell::RefCell;

/// An op of this crate, or a view of its operand; operands are in [`Step::inputs`], in the order of the op's arguments.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    Conv2d(Conv),
    /// x, weight, bias, running mean, running variance, then the residual where there is one; by the running statistics.
    BatchNorm {
        eps: f64,
        relu: bool,
    },
    /// x, weight and, where there is one, bias.
    Linear,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    HardSigmoid,
    HardSwish,
    MaxPool {
        kernel: usize,
        stride: usize,
        padding: usize,
    },
    AvgPool {
        kernel: usize,
        stride: usize,
        padding: usize,
        count_include_pad: bool,
        ceil: bool,
    },
    /// To the size of the result.
    AdaptiveAvgPool,
    GlobalAvgPool,
    ScaleChannels,
    AddChannels,
    /// Of two of one shape.
    Add,
    ConcatChannels,
    LayerNorm {
        eps: f64,
    },
    Gelu,
    Softmax,
    Attention {
        heads: usize,
    },
    /// x and the bias of each pair of tokens; [`crate::windows`] says which tokens share one.
    WindowAttention {
        heads: usize,
        window: usize,
        shift: usize,
    },
    ClassToken,
    DepthwiseLast,
    /// Without factors.
    LayerScale,
    Rearrange {
        dims: Vec<usize>,
        order: Vec<usize>,
        shape: Vec<usize>,
    },
    Narrow {
        axis: usize,
        start: usize,
        length: usize,
    },
    Select {
        axis: usize,
        at: usize,
    },
    Pad {
        axis: usize,
        before: usize,
        after: usize,
    },
}

/// One application.
#[derive(Debug, Clone)]
pub struct Step {
    pub op: Op,
    pub inputs: Vec<Tensor>,
    pub output: Tensor,
}

impl Step {
    /// What a training holds of this application from its forward pass until its gradient is taken, where an operand is tracked:
    /// the activations that its gradient reads, and bytes beside them. Parameters are the network's own.
    pub fn kept(&self) -> (Vec<&Tensor>, usize) {
        let (x, y) = (&self.inputs[0], &self.output);
        let heads =
            |heads: &usize| y.elem_count() / y.dims()[y.rank() - 1] * heads * y.dtype().size_in_bytes();
        match &self.op {
            Op::Conv2d(_) | Op::Linear | Op::LayerNorm { .. } | Op::DepthwiseLast => (vec![x], 0),
            Op::Relu6 | Op::Sigmoid | Op::Silu | Op::HardSigmoid | Op::HardSwish | Op::Gelu => (vec![x], 0),
            Op::BatchNorm { relu: true, .. } if self.inputs.len() > 5 => (vec![x, y], 0),
            Op::BatchNorm { .. } => (vec![x], 0),
            Op::Relu | Op::Softmax => (vec![y], 0),
            // Where each maximum was, as u32.
            Op::MaxPool { .. } => (Vec::new(), 4 * y.elem_count()),
            Op::Attention { heads: n } | Op::WindowAttention { heads: n, .. } => (vec![x, y], heads(n)),
            Op::ScaleChannels => (vec![x, &self.inputs[1]], 0),
            Op::LayerScale => (vec![&self.inputs[1]], 0),
            Op::AvgPool { .. } | Op::AdaptiveAvgPool | Op::GlobalAvgPool => (Vec::new(), 0),
            Op::Add | Op::AddChannels | Op::ConcatChannels | Op::ClassToken => (Vec::new(), 0),
            Op::Rearrange { .. } | Op::Narrow { .. } | Op::Select { .. } | Op::Pad { .. } => (Vec::new(), 0),
        }
    }
}

/// The tape of this thread, while one runs; `nested` while an op does, whose own ops are not recorded.
#[derive(Default)]
struct Tape {
    steps: Vec<Step>,
    nested: bool,
}

thread_local! {
    static TAPE: RefCell<Option<Tape>> = const { RefCell::new(None) };
}

/// Runs `pass` on this thread and returns its result with the ops of this crate that it applied, in order. A recording inside a
/// recording takes its part of the outer one.
pub fn record<T>(pass: impl FnOnce() -> T) -> (T, Vec<Step>) {
    /// Puts the outer tape back, also where the pass panics.
    struct Restore(Option<Tape>);
    impl Drop for Restore {
        fn drop(&mut self) {
            TAPE.replace(self.0.take());
        }
    }
    let restore = Restore(TAPE.replace(Some(Tape::default())));
    let result = pass();
    let steps = TAPE.with_borrow_mut(|tape| tape.take().unwrap_or_default().steps);
    drop(restore);
    (result, steps)
}

/// The result of `run`; recorded as `op` of `inputs` where a tape runs and there is one.
pub(crate) fn step(
    op: impl FnOnce() -> Option<Op>,
    inputs: &[&Tensor],
    run: impl FnOnce() -> Result<Tensor>,
) -> Result<Tensor> {
    let open = TAPE.with_borrow(|tape| tape.as_ref().is_some_and(|tape| !tape.nested));
    let Some(op) = open.then(op).flatten() else { return run() };
    TAPE.with_borrow_mut(|tape| tape.iter_mut().for_each(|tape| tape.nested = true));
    let output = run();
    TAPE.with_borrow_mut(|tape| {
        let Some(tape) = tape else { return };
        tape.nested = false;
        if let Ok(output) = &output {
            let inputs = inputs.iter().map(|&input| input.clone()).collect();
            tape.steps.push(Step { op, inputs, output: output.clone() });
        }
    });
    output
}
