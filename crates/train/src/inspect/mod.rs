//! What is looked at without a training: previews, replays, statistics, benches. Nothing here is part of a training: what both do is
//! in `fit`.

pub mod bench;
mod cam;
#[cfg(test)]
mod curve;
pub mod doctor;
mod dry_batch;
mod explain;
mod preview;
mod replay;
pub mod stats;

pub use cam::CamMethod;
pub use explain::{Explained, Explainer};
pub use preview::{Preview, preview, sheets};
pub use replay::{Replay, replay};

use crate::Result;
use crate::fit::Loss;
use crate::fit::branch::Objective;
use crate::plan::Plan;
use crate::run::{Batches, Data, Model, Run, Start, Transforms};
use tallow_report::Progress;

/// A recipe that is looked at.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    plan: &'a Plan,
    data: &'a Data,
    transforms: &'a Transforms,
    /// None where no mix looks at it, or its weights are not there.
    network: Option<(&'a Model, &'a Loss)>,
}

impl<'a> Subject<'a> {
    pub fn of(run: &'a Run) -> Subject<'a> {
        Subject::of_model(&run.model, &run.data, Some(&run.loss))
    }

    /// With its network where there is a `loss`.
    pub fn of_model(model: &'a Model, data: &'a Data, loss: Option<&'a Loss>) -> Subject<'a> {
        let Model { plan, transforms, .. } = model;
        Subject { plan, data, transforms, network: loss.map(|loss| (model, loss)) }
    }

    fn objective(&self) -> Option<Objective<'a>> {
        self.network.map(|(model, loss)| Objective::of(model, loss))
    }

    fn batches(&self) -> Result<Batches<'a>> {
        Batches::new(self.plan, self.data)
    }
}

/// Opens a plan for `look`: with its network, of the weights that a training would begin with, only where that is needed.
fn open<T>(
    plan: Plan,
    needs_network: bool,
    progress: &Progress,
    look: impl FnOnce(Subject) -> Result<T>,
) -> Result<T> {
    if needs_network {
        return look(Subject::of(&Run::build(plan, Start::Recipe, progress)?));
    }
    let transforms = Transforms::without_network(&plan)?;
    let data = Data::open(&plan, progress)?;
    look(Subject { plan: &plan, data: &data, transforms: &transforms, network: None })
}
