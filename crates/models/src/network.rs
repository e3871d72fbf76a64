//! A network as named stages, walked with a closure at every tap.

use crate::{Error, Params, Result};
use candle_core::{ModuleT, Tensor};
use std::sync::atomic::{AtomicU64, Ordering};
use tallow_seed::Seed;

/// How a forward pass behaves.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// Batch statistics are used and update the running ones; dropout and stochastic depth draw from `seed`.
    Train { seed: Seed },
    /// Running statistics, no graph.
    Eval,
    /// Gradients and batch statistics as in training, the running ones untouched; nothing is drawn.
    Probe,
}

impl Mode {
    /// Whether the pass records a graph.
    pub fn has_gradients(&self) -> bool {
        !matches!(self, Mode::Eval)
    }
}

/// What a layer makes of one row, without computing it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// The shape of a row at the output: (C, H, W) or (features).
    pub shape: Vec<usize>,
    /// Multiply-adds of convolutions and linear layers: torchvision's count ("GFLOPS" in its tables).
    pub macs: u64,
}

impl Outline {
    /// This, then `next`.
    pub fn then(&self, next: Outline) -> Outline {
        Outline { shape: next.shape, macs: self.macs + next.macs }
    }
}

/// A piece of a network.
pub trait Layer: Send + Sync {
    /// The values after it.
    ///
    /// # Errors
    /// A shape that the layer does not take.
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor>;

    /// The outline for a row of this shape; `None`, the default, where the layer does not know.
    fn outline(&self, _row: &[usize]) -> Option<Outline> {
        None
    }
}

impl<L: Layer + ?Sized> Layer for Box<L> {
    fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        (**self).forward(values, mode)
    }

    fn outline(&self, row: &[usize]) -> Option<Outline> {
        (**self).outline(row)
    }
}

/// A named piece; its name is the tap at its output.
pub struct Stage {
    pub name: String,
    pub layer: Box<dyn Layer>,
}

/// Stages in order, the last of which is named `penultimate` and gives (R, features); the head maps it to logits.
pub struct Network {
    pub stages: Vec<Stage>,
    pub head: Box<dyn Layer>,
    /// Passes of [`ModuleT::forward_t`] in training.
    passes: AtomicU64,
}

/// candle's own interface. In training the n-th pass of this network draws its dropout and stochastic depth from
/// `Seed::new(0).fold("forward_t", n)`; with [`Network::forward`] the seed is the caller's.
impl ModuleT for Network {
    fn forward_t(&self, values: &Tensor, train: bool) -> candle_core::Result<Tensor> {
        let mode = if train {
            let pass = self.passes.fetch_add(1, Ordering::Relaxed);
            Mode::Train { seed: Seed::new(0).fold("forward_t", pass) }
        } else {
            Mode::Eval
        };
        self.forward(values, &mode).map_err(|error| match error {
            Error::Tensor(error) => error,
            other => candle_core::Error::wrap(other),
        })
    }
}

impl Network {
    /// The stages in order, and the head.
    pub fn new(stages: Vec<Stage>, head: Box<dyn Layer>) -> Network {
        Network { stages, head, passes: AtomicU64::new(0) }
    }

    /// `input`, then the name of every stage.
    pub fn taps(&self) -> Vec<&str> {
        std::iter::once("input").chain(self.stages.iter().map(|stage| stage.name.as_str())).collect()
    }

    /// values (R, C, H, W) → logits (R, classes). `at` sees the values at every tap, `input` first, and may replace
    /// them, with another number of rows too.
    ///
    /// # Errors
    /// A shape that a layer does not take; what `at` answers.
    pub fn walk(
        &self,
        values: Tensor,
        mode: &Mode,
        mut at: impl FnMut(&str, Tensor) -> candle_core::Result<Tensor>,
    ) -> Result<Tensor> {
        let mut values = at("input", values)?;
        for stage in &self.stages {
            values = at(&stage.name, stage.layer.forward(&values, mode)?)?;
        }
        self.head.forward(&values, mode)
    }

    /// Logits without anything at the taps.
    ///
    /// # Errors
    /// A shape that a layer does not take.
    pub fn forward(&self, values: &Tensor, mode: &Mode) -> Result<Tensor> {
        self.walk(values.clone(), mode, |_, values| Ok(values))
    }

    /// Freezes the parameters of these stages (`head` is one too), and no others: they get no gradient, and their batch norms
    /// use and keep the running statistics in every mode.
    ///
    /// # Errors
    /// An unknown stage; nothing changes then.
    pub fn freeze<S: AsRef<str>>(&self, params: &Params, stages: &[S]) -> Result<()> {
        let known: Vec<&str> = self.stages.iter().map(|stage| stage.name.as_str()).chain(["head"]).collect();
        for stage in stages {
            let stage = stage.as_ref();
            if !known.contains(&stage) {
                return Err(Error::Option(format!(
                    "freeze: there is no stage `{stage}`; stages: {}",
                    known.join(", ")
                )));
            }
        }
        for param in params.trainable.values().chain(params.buffers.values()) {
            param.set_frozen(stages.iter().any(|stage| stage.as_ref() == param.stage()));
        }
        Ok(())
    }

    /// The outline at every tap and, last, of the `head`, for one image (C, H, W); `None` where a layer has none.
    pub fn outline(&self, image: [usize; 3]) -> Option<Vec<(&str, Outline)>> {
        let mut outlines = vec![("input", Outline { shape: image.to_vec(), macs: 0 })];
        let pieces =
            self.stages.iter().map(|stage| (stage.name.as_str(), &stage.layer)).chain([("head", &self.head)]);
        for (name, layer) in pieces {
            let outline = layer.outline(&outlines[outlines.len() - 1].1.shape)?;
            outlines.push((name, outline));
        }
        Some(outlines)
    }

    /// Multiply-adds of a forward pass of one image (C, H, W).
    pub fn macs(&self, image: [usize; 3]) -> Option<u64> {
        Some(self.outline(image)?.iter().map(|(_, outline)| outline.macs).sum())
    }
}
