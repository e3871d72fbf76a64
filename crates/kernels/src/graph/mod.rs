//! What is kept of the ops applied: the graph that gradients flow through, and the tape of a recorded pass. No op of a
//! network lives here. Of devices it knows three things: the sum of two gradients is made in place on the CPU, a gradient is asked of
//! `cpu` or `gpu`, and `Attach` hands candle a storage of any device.

mod gradients;
mod node;
pub mod record;

pub use gradients::{Gradients, backward};
pub(crate) use node::{Backward, OperandGradients, Output, node};
