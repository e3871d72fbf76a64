//! What leaves a run: checkpoints for other libraries and the hub, the model card, the final table and the report. Nothing here
//! changes a run or its folder but `report.html`.

mod card;
mod evaluation;
mod export;
mod present;
mod publish;
mod shown;

pub use card::is_sealed as is_own_card;
pub use evaluation::{Asked, Evaluation};
pub use export::{Exported, Library, export};
pub use present::{
    HEADLINE, Measured, add_class_intervals, claim, described, ending, headline, intervals, measured, report,
    scored, without_intervals,
};
pub use publish::{Assembled, PublishOptions, assemble};
