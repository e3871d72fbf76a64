//! Which checkpoints are written, and which of them stay.

use super::reference::section;
use crate::recipe::Node;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckpointPlan {
    /// `last` within an epoch too, and not at its end alone.
    pub every: Option<Every>,
    /// How many there are of the last ones, `last` among them.
    pub keep: usize,
    /// How many there are of the best ones, `best` among them.
    pub best: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Every {
    Steps(u64),
    Time(Duration),
}

/// More copies of a checkpoint are a slip of the hand.
const MOST: u64 = 10_000;

pub fn checkpoint(node: &Node) -> Option<CheckpointPlan> {
    let node = node.section("{ every: 10 minutes }")?;
    node.only(&section("checkpoint").names());
    let every = node.get("every").map_or(Some(None), |every| self::every(&every).map(Some));
    let count = |key: &str| node.get(key).and_then(|node| node.whole(1, MOST));
    let (keep, best) = (count("keep"), count("best"));
    Some(CheckpointPlan { every: every?, keep: keep? as usize, best: best? as usize })
}

/// `500 steps`, `10 minutes`.
fn every(node: &Node) -> Option<Every> {
    let text = node.value().as_str().unwrap_or_default();
    let mut words = text.split_whitespace();
    let found = match (words.next(), words.next(), words.next()) {
        (Some(count), Some("step" | "steps"), None) => {
            count.parse().ok().filter(|steps| *steps > 0).map(Every::Steps)
        }
        (Some(count), Some("minute" | "minutes"), None) => {
            let seconds =
                count.parse::<f64>().ok().filter(|minutes| *minutes > 0.0).map(|minutes| minutes * 60.0);
            seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).map(Every::Time)
        }
        _ => None,
    };
    found.or_else(|| {
        node.expected("a number of steps or of minutes, such as `every: 500 steps` or `every: 10 minutes`")
    })
}
