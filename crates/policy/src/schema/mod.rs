//! How policies are written: what a policy says of itself, its parameters and their ranges, ramps and windows of the run, and the
//! reader of nodes that image policies and mixes share. Nothing here draws a random number or touches a pixel.

pub(crate) mod card;
pub(crate) mod duration;
mod elsewhere;
pub(crate) mod node;
pub(crate) mod parameters;
pub mod quantity;
pub(crate) mod ramp;
pub(crate) mod ramps;
pub(crate) mod reader;
pub(crate) mod spec;
