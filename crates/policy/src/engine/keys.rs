//! The key of every random number of the engine: what `Seed::fold(purpose, index)` is given. A key that moves changes every run.

/// A branch of the policy, by its place in the recipe.
pub const BRANCH: &str = "branch";
/// A node, by its place in its list.
pub const NODE: &str = "policy";
/// Whether a node happens, by its `p`.
pub const CHANCE: &str = "gate";
/// Which alternative of a `one_of`.
pub const CHOICE: &str = "choice";
/// The order of a `shuffled`.
pub const ORDER: &str = "order";
/// Which of the taps of a mix.
pub const TAP: &str = "tap";
/// The partners of a mix.
pub const PAIRING: &str = "pairing";
/// A part of the rows that a mix is drawn for alone, where there are several.
pub const PART: &str = "part";
/// The draw of a mix.
pub const DRAW: &str = "draw";
/// A node of the list of image policies, by its place: all numbers of what is inside.
pub const IMAGE_NODE: &str = "image policy";
