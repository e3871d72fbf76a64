//! Stages of a run that is resumed with another length: what was trained stays so, and what was not begins no earlier than now.

use super::checkpoint::{self, Position};
use crate::Result;
use crate::plan::{Plan, RunLength};
use std::collections::BTreeMap;
use std::path::Path;

/// From which step stages are trained, where that is another than the plan with its length says of a new run. `model.freeze.until`
/// is a share of the run, or was changed with it: without this a stage would freeze again under moments that belong to its training,
/// or thaw in the past, as if its moments had been gathered since.
///
/// # Errors
/// A checkpoint whose recipe or state cannot be read.
pub fn thawed(place: &Path, plan: &Plan, length: RunLength) -> Result<BTreeMap<String, u64>> {
    if plan.model.freeze.until.is_none() {
        return Ok(BTreeMap::new());
    }
    let position = checkpoint::position(place)?;
    let then = checkpoint::plan(place, &[], &plan.registry)?;
    let length_then = then.run_length(length.batches_per_epoch)?;
    let stages = plan.model.freeze.stages.iter();
    Ok(stages
        .filter_map(|stage| {
            let before = position.begins(stage, &then, length_then);
            let begins = resumed(before, plan.begins(stage, length), &position)?;
            Some((stage.clone(), begins))
        })
        .collect())
}

/// The step from which a stage is trained, where it is another than the plan's.
fn resumed(before: Option<u64>, now: Option<u64>, Position { step, .. }: &Position) -> Option<u64> {
    match (before, now) {
        (Some(before), now) if before < *step => (Some(before) != now).then_some(before),
        (_, Some(now)) => (now < *step).then_some(*step),
        (_, None) => None,
    }
}

/// What people should know of them.
pub fn note(thawed: &BTreeMap<String, u64>) -> Option<String> {
    let stages: Vec<String> =
        thawed.iter().map(|(stage, begins)| format!("{stage} (step {})", begins + 1)).collect();
    (!stages.is_empty()).then(|| {
        format!(
            "model.freeze.until: by the length of now it would be at another step; what was trained is not frozen again, and what was \
             frozen begins no earlier than now: {} trained from the step that is named",
            stages.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_trained_stays_so() {
        let position = Position { step: 8, ..Position::default() };
        // Trained since step 4, and by the new length not before step 20.
        assert_eq!(resumed(Some(4), Some(20), &position), Some(4));
        assert_eq!(resumed(Some(4), Some(4), &position), None);
        // Frozen until now: as the new length says, and not in the past.
        assert_eq!(resumed(Some(8), Some(20), &position), None);
        assert_eq!(resumed(Some(30), Some(5), &position), Some(8));
        assert_eq!(resumed(Some(30), Some(8), &position), None);
    }
}
