//! A node of a list of policies: what happens, how likely, and when. One grammar for image policies and for mixes.

use super::duration::{Duration, TrainingProgress, Window};
use super::ramp::Ramp;
use super::spec::{Mistake, join};

/// The keys of a node that are the engine's; any other key names a policy.
pub const ENGINE_KEYS: [&str; 9] =
    ["at", "p", "during", "pairing", "one_of", "policies", "shuffled", "weight", "view"];

/// An action on images or rows, and when it happens. `L` is a policy with what it is applied by.
pub struct Node<L> {
    pub action: Action<L>,
    /// The probability that it happens at all: one draw. `None` is always, without a draw.
    pub p: Option<Ramp>,
    /// Of an alternative of `one_of`: the chance that it is drawn, over the sum of all weights.
    pub weight: Ramp,
    pub during: Window,
    /// Its place, such as `branches[0].policies[1]`.
    pub path: String,
}

pub enum Action<L> {
    Policy(L),
    /// One after another.
    Sequence(Vec<Node<L>>),
    /// One of these, drawn anew each time in proportion to the weights.
    OneOf(Vec<Node<L>>),
    /// All of them, in an order drawn anew each time, uniformly.
    Shuffled(Vec<Node<L>>),
}

impl<L> Node<L> {
    /// The nodes inside.
    pub fn inside(&self) -> &[Node<L>] {
        match &self.action {
            Action::Policy(_) => &[],
            Action::Sequence(nodes) | Action::OneOf(nodes) | Action::Shuffled(nodes) => nodes,
        }
    }

    /// Every policy with its node, in the order written.
    pub fn policies(&self) -> Vec<(&Node<L>, &L)> {
        match &self.action {
            Action::Policy(policy) => vec![(self, policy)],
            _ => self.inside().iter().flat_map(Node::policies).collect(),
        }
    }

    /// Whether it, or a node inside, has a chance, a weight or a window that changes what happens over the run.
    pub fn changes(&self) -> bool {
        let moves = |ramp: &Ramp| ramp.from != ramp.to;
        self.during != Window::ALWAYS
            || self.p.as_ref().is_some_and(moves)
            || moves(&self.weight)
            || self.inside().iter().any(Node::changes)
    }

    /// The same node with other policies.
    ///
    /// # Errors
    /// The first of `map`.
    pub fn try_map<M, E>(&self, map: &mut impl FnMut(&L) -> Result<M, E>) -> Result<Node<M>, E> {
        let mut all =
            |nodes: &[Node<L>]| nodes.iter().map(|node| node.try_map(map)).collect::<Result<Vec<_>, E>>();
        let action = match &self.action {
            Action::Sequence(nodes) => Action::Sequence(all(nodes)?),
            Action::OneOf(nodes) => Action::OneOf(all(nodes)?),
            Action::Shuffled(nodes) => Action::Shuffled(all(nodes)?),
            Action::Policy(policy) => Action::Policy(map(policy)?),
        };
        Ok(Node { action, p: self.p, weight: self.weight, during: self.during, path: self.path.clone() })
    }
}

/// The weights of alternatives at a point of the run.
pub(crate) fn weights<L>(alternatives: &[Node<L>], progress: &TrainingProgress) -> Vec<f64> {
    alternatives.iter().map(|node| node.weight.at(progress)).collect()
}

/// Whether the weights of alternatives may all be 0 at once. Ramps that move together are only at both starts, at both ends or
/// between.
pub(crate) fn may_all_be_zero<L>(alternatives: &[Node<L>]) -> bool {
    let weights = || alternatives.iter().map(|node| &node.weight);
    let ends_over_zero = |a: &Ramp| weights().any(|b| b.to > 0.0 && a.moves_with(b));
    !weights().any(|a| a.from > 0.0 && ends_over_zero(a))
}

/// The windows that never open: outside of one around them, or after the end of the run. `share` is the part of the run that
/// a duration takes, where that is known; durations of different units are compared through it alone. In an `epochwise` list a
/// window opens at the first step of an epoch or not at all.
pub(crate) fn never_open<L>(
    nodes: &[Node<L>],
    epochwise: bool,
    share: &impl Fn(Duration) -> Option<f64>,
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let known = |duration: Duration| share(duration).map_or(duration, Duration::Fraction);
    let window = |window: Window| Window { start: known(window.start), end: known(window.end) };
    let epoch = share(Duration::Epochs(1.0));
    walk(nodes, &mut vec![Window::ALWAYS], &mut |node, around| {
        let written = node.during;
        let own = window(written);
        let problem = if own.start >= Duration::Fraction(1.0) {
            "the run ends first; write a fraction of the run, such as `0.2..0.8`, or a longer `length`"
                .to_owned()
        } else if own.start >= own.end || own.end <= Duration::Fraction(0.0) {
            format!("{} is not before {}; write another window", written.start, written.end)
        } else if let Some(other) =
            around.iter().find(|other| own.start >= window(**other).end || own.end <= window(**other).start)
        {
            format!(
                "the node around it acts from {} to {}; write a window inside that",
                other.start, other.end
            )
        } else if epochwise && !own.holds_start_of_epoch(epoch) {
            "no epoch begins in it, and images are read ahead of the steps; write whole epochs".to_owned()
        } else {
            return;
        };
        mistakes.push(Mistake::new(join(&node.path, "during"), format!("never opens: {problem}")));
    });
    mistakes
}

/// Every node with the windows around it.
fn walk<L>(nodes: &[Node<L>], around: &mut Vec<Window>, visit: &mut impl FnMut(&Node<L>, &[Window])) {
    for node in nodes {
        visit(node, around);
        around.push(node.during);
        walk(node.inside(), around, visit);
        around.pop();
    }
}
