//! Policies that mix the rows of a batch: one file each, with the policy's name. Blending and labels are the engine's.

policies! {
    mixup,
    cutmix,
    zeta_mixup,
    dirichlet_mixup,
    intra_class,
    linear,
    resizemix,
    fmix,
    smoothmix,
    gridmix,
    gridmixup,
    saliencymix,
}

use crate::engine::pairing::may_meet;
use crate::{Error, INPUT, Result, Shares};
use candle_core::Tensor;
use tallow_seed::Rng;

/// A policy that mixes the rows of a batch at a tap. Object-safe: a plan holds `Box<dyn Mix>`.
pub trait Mix: Send + Sync {
    /// What the draw must see besides the rows' classes and groups: fetched by the engine, statistics untouched.
    fn inputs(&self) -> Inputs {
        Inputs::Nothing
    }
    /// Whether it uses [`MixContext::partners`]; a mix that chooses its own rows does not.
    fn pairs(&self) -> bool {
        true
    }
    /// Whether it mixes rows of one group alone, so that `within_group: false` would leave every row as it is.
    fn within_groups_only(&self) -> bool {
        false
    }
    /// All randomness of one application: a function of what it is given and of nothing that is kept from before, so that a
    /// step can be replayed.
    ///
    /// # Errors
    /// A tap without maps, or values without what the mix looks for.
    fn draw(&self, context: &MixContext, rng: &mut Rng) -> Result<Mixing>;
}

/// What a mix asks the engine for before its draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs {
    Nothing,
    /// The values at its tap, in [`MixContext::values`].
    Values,
    /// The gradient of the loss by the values at `input`, in [`MixContext::input_gradient`].
    InputGradient,
}

impl Inputs {
    /// Whether a mix at this tap looks at what a network makes of the batch.
    pub fn include_the_network(self, tap: &str) -> bool {
        match self {
            Inputs::Nothing => false,
            Inputs::Values => tap != INPUT,
            Inputs::InputGradient => true,
        }
    }
}

/// Where a mix draws: what the engine knows of the rows.
#[derive(Clone, Copy, Debug)]
pub struct MixContext<'a> {
    /// The class of each row: of the source with its largest share.
    pub classes: &'a [u32],
    /// The group of each row (interned), of the same source; rows without one hold `None`.
    pub groups: &'a [Option<u32>],
    /// Number of classes.
    pub n_classes: usize,
    /// (height, width) of the values, where they are images or maps.
    pub size: Option<(usize, usize)>,
    /// The partner of each row, drawn by the engine by the node's `pairing` (a uniform permutation by default).
    pub partners: &'a [u32],
    /// Whether rows of one group may be mixed with each other; `partners` already obeys it.
    pub within_group: bool,
    /// Progress of the run, 0 to 1.
    pub progress: f64,
    pub values: Option<&'a Tensor>,
    pub input_gradient: Option<&'a Tensor>,
}

impl MixContext<'_> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.classes.len()
    }

    /// (height, width) of the maps.
    ///
    /// # Errors
    /// Of `policy`, at a tap where there are none.
    pub fn maps(&self, policy: &str) -> Result<(usize, usize)> {
        self.size.ok_or_else(|| {
            let problem = "expected images or maps, (R, C, H, W); place it at an earlier tap".to_owned();
            Error::Policy { policy: policy.to_owned(), problem }
        })
    }

    /// How many times a mix draws: once for each row, or once for the batch.
    pub fn draws(&self, per_sample: bool) -> usize {
        if per_sample { self.rows() } else { 1 }
    }

    /// The draw of a mask: what of each row's partner is at the same position.
    pub fn masked(&self, mask: Mask) -> Mixing {
        Mixing::Masked { partner: self.partners.to_vec(), mask, source: PatchSource::Aligned }
    }

    /// Whether rows `a` and `b` may be mixed: always, but for rows of one group where the node excludes that.
    pub fn may_mix(&self, a: usize, b: usize) -> bool {
        may_meet(self.groups, self.within_group, a, b)
    }
}

/// One draw of a mix: host data. The engine blends, and takes the shares of a `Masked` from its mask.
#[derive(Clone, Debug, PartialEq)]
pub enum Mixing {
    /// Leave the rows as they are.
    Keep,
    /// Output row i = Σ_j shares_ij · row j; the number of rows may change.
    Rows(Shares),
    /// Output row i = row i outside the mask, `partner[i]` inside it.
    Masked { partner: Vec<u32>, mask: Mask, source: PatchSource },
}

/// How much of the partner each pixel takes; one entry for all rows, or one per row.
#[derive(Clone, Debug, PartialEq)]
pub enum Mask {
    /// 1 inside the rectangle, 0 outside.
    Boxes(Vec<Rect>),
    /// Values in [0, 1], each (height, width), row by row.
    Soft(Vec<Vec<f32>>),
}

/// A rectangle of pixels: rows `top..bottom`, columns `left..right`; empty where they are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
}

impl Rect {
    /// Pixels.
    pub fn area(&self) -> usize {
        (self.bottom - self.top) * (self.right - self.left)
    }
}

/// Which pixels of the partner fill the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchSource {
    /// Those at the same position.
    Aligned,
    /// The whole partner, resized into the rectangle (needs `Mask::Boxes`).
    Resized,
}
