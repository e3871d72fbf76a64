//! The built-in policies: one line each, in the order that `tallow list policies` prints.

use crate::Spec;

/// Every policy of this crate; a test holds it and the folders `image/` and `mix/` together.
pub const BUILTIN: &[&Spec] = &[];
