//! `branches:` of a recipe or preset: branches and the keys of mixes; the nodes are read by the reader that image policies share.

use super::pairing::{Order, Pairing};
use super::policy::{Branch, INPUT, PENULTIMATE, Policy, Tapped, View};
use crate::Inputs;
use crate::schema::duration::Window;
use crate::schema::node::{Action, Node};
use crate::schema::quantity::Weight;
use crate::schema::ramps::Ramps;
use crate::schema::reader::{Around, Leaf, Reader};
use crate::schema::spec::{Parsed, Registry, Spec, join};
use crate::{parameters, text};
use serde_yaml::{Mapping, Value};

impl Policy {
    /// Reads `{ branches: [ { view, weight, policies: [ … ] }, … ] }`.
    ///
    /// # Errors
    /// Every mistake; paths begin at this mapping.
    pub fn parse(name: &str, value: &Value, registry: &Registry) -> Parsed<Policy> {
        let mut reader = Reader { registry, mistakes: Vec::new() };
        let mut branches = Vec::new();
        if let Some(mapping) = reader.mapping(value, "", "a mapping with `branches`") {
            reader.known_keys(mapping, "", &["branches"]);
            let items = reader.list(mapping.get("branches"), "branches", "a list of branches");
            if items.is_some_and(|items| items.is_empty()) {
                reader.mistake("branches", "expected one branch or more, got none");
            }
            for (index, item) in items.into_iter().flatten().enumerate() {
                branches.extend(branch(&mut reader, item, index));
            }
        }
        if reader.mistakes.is_empty() && branches.iter().all(|branch| branch.weight == 0.0) {
            reader
                .mistake("branches", "expected a branch of a weight over 0: without one nothing is trained");
        }
        let policy = Policy { name: name.to_owned(), branches };
        policy.branches.iter().for_each(|branch| check_gradients(&branch.nodes, &mut false, &mut reader));
        reader.mistakes.extend(policy.check_windows(|_| None));
        if reader.mistakes.is_empty() { Ok(policy) } else { Err(reader.mistakes) }
    }
}

fn branch(reader: &mut Reader, value: &Value, index: usize) -> Option<Branch> {
    let path = format!("branches[{index}]");
    let mapping = reader.mapping(value, &path, "a branch such as `{ policies: [ { mixup: {} } ] }`")?;
    reader.known_keys(mapping, &path, &["view", "weight", "policies"]);
    let view = reader.read::<View>(mapping, "view", &path).unwrap_or(View::Augmented);
    let weight = reader.read::<Weight>(mapping, "weight", &path).map_or(1.0, |weight| weight.0);
    let inherited = Inherited { at: vec![INPUT.to_owned()], pairing: Pairing::default(), ordered: false };
    let around = Around { inherited, weighed: false, during: Window::ALWAYS };
    let policies = mapping.get("policies");
    let nodes = policies.map_or(Vec::new(), |items| reader.nodes(items, &join(&path, "policies"), &around));
    Some(Branch { index, view, weight, nodes })
}

/// What a node hands to the mixes inside.
#[derive(Clone)]
pub(crate) struct Inherited {
    at: Vec<String>,
    pairing: Pairing,
    /// Whether the node itself, not one around it, writes an order of pairing.
    ordered: bool,
}

impl Leaf for Tapped {
    type Inherited = Inherited;
    const KIND: &'static str = "policy";
    const EXAMPLE: &'static str = "mixup: {}";

    fn misplaced(key: &str) -> Option<&'static str> {
        (key == "view").then_some("belongs to a branch, beside its `policies`")
    }

    fn is(spec: &Spec) -> bool {
        !spec.is_image()
    }

    fn inherit(reader: &mut Reader, node: &Mapping, path: &str, around: &Inherited) -> Inherited {
        let at = node.get("at").map(|at| taps(reader, at, &join(path, "at")));
        let mut pairing = around.pairing;
        let order = node.get("pairing").and_then(|value| {
            let given = if value.is_string() {
                parameters::<Order>(value).map(|order| Paired { order: Some(order), within_group: None })
            } else {
                parameters::<Paired>(value)
            };
            let Paired { order, within_group } = reader.taken(given, &join(path, "pairing"))?;
            pairing.order = order.unwrap_or(pairing.order);
            pairing.within_group = within_group.unwrap_or(pairing.within_group);
            order
        });
        Inherited { at: at.unwrap_or_else(|| around.at.clone()), pairing, ordered: order.is_some() }
    }

    fn read(
        reader: &mut Reader,
        spec: &'static Spec,
        value: &Value,
        path: &str,
        around: &Around<Inherited>,
    ) -> Option<Tapped> {
        let Inherited { at, pairing, ordered } = around.inherited.clone();
        if spec.spatial && !spec.is_image() && at.iter().any(|tap| tap == PENULTIMATE) {
            let problem = format!(
                "`{}` needs images or maps, and `{PENULTIMATE}` has features; choose an earlier tap",
                spec.name
            );
            reader.mistake(join(path, "at"), problem);
        }
        let read = Ramps::parse(value, around.during, |value| spec.mix(value));
        let (mut corners, ramps) = reader.taken(read, &join(path, spec.name))?;
        let mix = corners.swap_remove(0);
        if ordered && !mix.pairs() {
            let problem = format!(
                "`{}` chooses its own rows; of `pairing` only `within_group` applies to it",
                spec.name
            );
            reader.mistake(join(path, "pairing"), problem);
        }
        if mix.within_groups_only() && !pairing.within_group {
            let problem = format!(
                "`{}` mixes rows of one group here, and `within_group: false` forbids it; take out one of the two",
                spec.name
            );
            reader.mistake(join(path, "pairing"), problem);
        }
        Some(Tapped { spec, mix, ramps, at, pairing })
    }
}

/// One tap or a list of different ones.
fn taps(reader: &mut Reader, value: &Value, path: &str) -> Vec<String> {
    let one = std::slice::from_ref(value);
    let items = value.as_sequence().map_or(one, Vec::as_slice);
    let mut taps: Vec<String> = Vec::new();
    for item in items {
        match item.as_str() {
            Some(tap) if taps.iter().any(|other| other == tap) => {
                reader.mistake(path, format!("expected different taps, got `{tap}` twice"));
            }
            Some(tap) => taps.push(tap.to_owned()),
            None => {
                let problem = format!("expected the name of a tap or a list of them, got {}", text(item));
                reader.mistake(path, problem);
            }
        }
    }
    if items.is_empty() {
        reader.mistake(path, "expected one tap or more, got none");
    }
    taps
}

/// A mix that looks at the gradient by the input must meet the input unmixed; `mixed` says whether a mix may come before.
fn check_gradients(nodes: &[Node<Tapped>], mixed: &mut bool, reader: &mut Reader) {
    for node in nodes {
        match &node.action {
            Action::Policy(tapped) => {
                if tapped.mix.inputs() == Inputs::InputGradient {
                    let name = tapped.spec.name;
                    if *mixed {
                        let problem =
                            "looks at the gradient by the unmixed input; place it before every other mix";
                        reader.mistake(&node.path, format!("`{name}` {problem}"));
                    }
                    if tapped.at != [INPUT] {
                        let problem = format!("`{name}` looks at the input; it acts at `{INPUT}`");
                        reader.mistake(join(&node.path, "at"), problem);
                    }
                }
                *mixed = true;
            }
            Action::Sequence(nodes) => check_gradients(nodes, mixed, reader),
            Action::OneOf(nodes) => {
                let before = *mixed;
                for node in nodes {
                    let mut here = before;
                    check_gradients(std::slice::from_ref(node), &mut here, reader);
                    *mixed |= here;
                }
            }
            // Any of the others may come before.
            Action::Shuffled(nodes) => {
                *mixed |= nodes.len() > 1;
                check_gradients(nodes, mixed, reader);
            }
        }
    }
}

parameters! {
    struct Paired {
        order: Option<Order> = None,
        within_group: Option<bool> = None,
    }
}
