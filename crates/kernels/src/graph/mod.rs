//! What is kept of the ops applied: the graph that gradients flow through, and the tape of a recorded pass. No op and no kernel
//! lives here; devices are known through tensors alone.

mod gradients;
mod node;
pub mod record;

pub use gradients::{Gradients, backward};
pub(crate) use node::{Backward, OperandGradients, Output, node};
