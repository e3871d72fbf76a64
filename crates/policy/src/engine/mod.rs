//! What carries policies out: lists of image policies, branches with their mixes, pairing, shares, compositing, presets, and
//! the keys of every random number. No policy stands here.

pub(crate) mod branch_pass;
mod branches;
mod composite;
pub(crate) mod image_chain;
pub(crate) mod image_policies;
mod keys;
pub(crate) mod pairing;
pub(crate) mod parallel_draws;
pub(crate) mod policy;
pub(crate) mod presets;
pub mod row_weights;
pub(crate) mod shares;
