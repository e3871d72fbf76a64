//! `branches:` of a recipe or preset, read node by node; every mistake is found at once.

use crate::duration::Window;
use crate::node::{Action, Branch, INPUT, Node, PENULTIMATE, Policy, Tapped, View};
use crate::pairing::{Order, Pairing};
use crate::parameters::{Fraction, NonNegative, parameters, text};
use crate::spec::{Mistake, Parsed, Registry, join};
use crate::{Inputs, Ramp, Ramped, Spec};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_yaml::{Mapping, Value};
use tallow_data::{listed, suggestion};

/// The keys of a node that are the engine's; any other key names a policy.
pub const ENGINE_KEYS: [&str; 8] = ["at", "p", "during", "pairing", "one_of", "policies", "weight", "view"];

impl Policy {
    /// Reads `{ branches: [ { view, weight, policies: [ … ] }, … ] }`. Paths of mistakes begin at this mapping.
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
                branches.extend(reader.branch(item, index));
            }
        }
        if reader.mistakes.is_empty() && branches.iter().all(|branch| branch.weight == 0.0) {
            reader
                .mistake("branches", "expected a branch of a weight over 0: without one nothing is trained");
        }
        branches.iter().for_each(|branch| reader.check_gradients(branch));
        let policy = Policy { name: name.to_owned(), branches };
        if reader.mistakes.is_empty() { Ok(policy) } else { Err(reader.mistakes) }
    }
}

struct Reader<'a> {
    registry: &'a Registry,
    mistakes: Vec<Mistake>,
}

/// What a node takes from those around it.
#[derive(Clone)]
struct Inherited {
    at: Vec<String>,
    pairing: Pairing,
    /// Whether the node is an alternative of `one_of`, which has a weight.
    weighed: bool,
    /// The innermost window so far, over which ramps go.
    during: Window,
}

impl Reader<'_> {
    fn branch(&mut self, value: &Value, index: usize) -> Option<Branch> {
        let path = format!("branches[{index}]");
        let mapping = self.mapping(value, &path, "a branch such as `{ policies: [ { mixup: {} } ] }`")?;
        self.known_keys(mapping, &path, &["view", "weight", "policies"]);
        let view = match mapping.get("view").map(text).as_deref() {
            None | Some("augmented") => View::Augmented,
            Some("clean") => View::Clean,
            Some(other) => {
                self.mistake(join(&path, "view"), format!("expected `augmented` or `clean`, got {other}"));
                View::Augmented
            }
        };
        let weight = self.read::<NonNegative>(mapping, "weight", &path).map_or(1.0, |weight| weight.0);
        let around = Inherited {
            at: vec![INPUT.to_owned()],
            pairing: Pairing::default(),
            weighed: false,
            during: Window::ALWAYS,
        };
        let nodes = match mapping.get("policies") {
            None => Vec::new(),
            Some(items) => self
                .nodes(items, &join(&path, "policies"), &around)
                .into_iter()
                .map(|(_, node)| node)
                .collect(),
        };
        Some(Branch { index, view, weight, nodes })
    }

    fn nodes(&mut self, value: &Value, path: &str, around: &Inherited) -> Vec<(f64, Node)> {
        let items = self.list(Some(value), path, "a list of policies");
        let nodes = items.into_iter().flatten().enumerate();
        nodes.filter_map(|(index, item)| self.node(item, &format!("{path}[{index}]"), around)).collect()
    }

    /// A node and its weight. A mistake in a key of the engine does not stop the reading of the others.
    fn node(&mut self, value: &Value, path: &str, around: &Inherited) -> Option<(f64, Node)> {
        let mapping = self.mapping(value, path, "a policy such as `mixup: {}`")?;
        let weight = self.read::<NonNegative>(mapping, "weight", path).map_or(1.0, |weight| weight.0);
        if mapping.contains_key("weight") && !around.weighed {
            self.mistake(
                join(path, "weight"),
                "belongs to a branch or to an alternative of `one_of`; for a chance, write `p`",
            );
        }
        if mapping.contains_key("view") {
            self.mistake(join(path, "view"), "belongs to a branch, beside `policies`");
        }
        let during = mapping.get("during").map(Window::parse).unwrap_or(Ok(Window::ALWAYS));
        let during = during.unwrap_or_else(|problem| {
            self.mistake(join(path, "during"), problem);
            Window::ALWAYS
        });
        let within = if mapping.contains_key("during") { during } else { around.during };
        let p = mapping.get("p").and_then(|value| self.chance(value, &join(path, "p"), within));
        let p = p.unwrap_or(Ramp::fixed(1.0));
        let mut inside = Inherited { weighed: false, during: within, ..around.clone() };
        if let Some(at) = mapping.get("at") {
            inside.at = self.taps(at, &join(path, "at"));
        }
        let order = mapping
            .get("pairing")
            .and_then(|value| self.pairing(value, &join(path, "pairing"), &mut inside.pairing));
        let action = self.action(mapping, path, inside, order.is_some())?;
        Some((weight, Node { action, p, during, path: path.to_owned() }))
    }

    fn action(&mut self, mapping: &Mapping, path: &str, inside: Inherited, ordered: bool) -> Option<Action> {
        let names: Vec<String> =
            mapping.keys().map(text).filter(|key| !ENGINE_KEYS.contains(&key.as_str())).collect();
        let composed = ["one_of", "policies"].into_iter().filter(|key| mapping.contains_key(*key));
        let known = |name: &str| ENGINE_KEYS.contains(&name) || self.registry.find(name).is_some();
        let (actions, unknown): (Vec<String>, Vec<String>) =
            names.into_iter().chain(composed.map(str::to_owned)).partition(|name| known(name));
        match (actions.as_slice(), unknown.as_slice()) {
            ([], []) => self.mistake(path, "expected a policy such as `mixup: {}`, `one_of` or `policies`"),
            ([], names) => {
                for name in names {
                    let mixes = self.registry.mixes().map(|spec| spec.name);
                    let problem = format!("unknown policy `{name}`{}", listed("policies", name, mixes));
                    self.mistake(join(path, name), problem);
                }
            }
            ([_, _, ..], _) => {
                let problem =
                    format!("expected one policy, got {}; write a list item for each", actions.join(" and "));
                self.mistake(path, problem);
            }
            ([_], names) => {
                for name in names {
                    self.mistake(
                        join(path, name),
                        format!("unknown key `{name}`{}", suggestion(name, ENGINE_KEYS)),
                    );
                }
            }
        }
        let [action] = actions.as_slice() else { return None };
        let place = join(path, action);
        match action.as_str() {
            "policies" => {
                let nodes = self.nodes(&mapping[action.as_str()], &place, &inside);
                Some(Action::Chain(nodes.into_iter().map(|(_, node)| node).collect()))
            }
            "one_of" => {
                let before = self.mistakes.len();
                let choices =
                    self.nodes(&mapping[action.as_str()], &place, &Inherited { weighed: true, ..inside });
                if self.mistakes.len() == before && choices.iter().all(|(weight, _)| *weight == 0.0) {
                    self.mistake(place, "expected an alternative of a weight over 0");
                }
                Some(Action::OneOf(choices))
            }
            name => {
                let spec = self.registry.find(name)?;
                self.mix(spec, &mapping[name], path, inside, ordered)
            }
        }
    }

    fn mix(
        &mut self,
        spec: &'static Spec,
        value: &Value,
        path: &str,
        inside: Inherited,
        ordered: bool,
    ) -> Option<Action> {
        let place = join(path, spec.name);
        if spec.is_image() {
            self.mistake(
                place,
                format!("`{}` changes one image: it belongs in the recipe's list `images`", spec.name),
            );
            return None;
        }
        if spec.spatial && inside.at.iter().any(|tap| tap == PENULTIMATE) {
            let problem = format!(
                "`{}` needs images or maps, and `{PENULTIMATE}` has features; choose an earlier tap",
                spec.name
            );
            self.mistake(join(path, "at"), problem);
        }
        let (mix, ramped) = match Ramped::parse(spec, value, inside.during) {
            Ok(built) => built,
            Err(mistakes) => {
                self.mistakes.extend(mistakes.into_iter().map(|mistake| mistake.under(&place)));
                return None;
            }
        };
        if ordered && !mix.pairs() {
            let problem = format!(
                "`{}` chooses its own rows; of `pairing` only `within_group` applies to it",
                spec.name
            );
            self.mistake(join(path, "pairing"), problem);
        }
        if mix.within_groups_only() && !inside.pairing.within_group {
            let problem = format!(
                "`{}` mixes rows of one group here, and `within_group: false` forbids it; take out one of the two",
                spec.name
            );
            self.mistake(join(path, "pairing"), problem);
        }
        let (at, pairing) = (inside.at, inside.pairing);
        let (policy, spatial) = (spec.name.to_owned(), spec.spatial);
        Some(Action::Mix(Tapped { policy, mix, ramped, spatial, at, pairing }))
    }

    /// A number from 0 to 1, or a ramp between two.
    fn chance(&mut self, value: &Value, path: &str, within: Window) -> Option<Ramp> {
        let read = if Ramp::is(value) {
            Ramp::parse(value, within).and_then(|ramp| {
                let ends = [("from", ramp.from), ("to", ramp.to)];
                let outside = ends.into_iter().filter(|(_, end)| !(0.0..=1.0).contains(end));
                let wrong: Vec<Mistake> = outside
                    .map(|(key, end)| Mistake::new(key, format!("expected a number from 0 to 1, got {end}")))
                    .collect();
                if wrong.is_empty() { Ok(ramp) } else { Err(wrong) }
            })
        } else {
            parameters::<Fraction>(value).map(|p| Ramp::fixed(p.0))
        };
        let place = |mistakes: Vec<Mistake>| {
            self.mistakes.extend(mistakes.into_iter().map(|mistake| mistake.under(path)));
        };
        read.map_err(place).ok()
    }

    /// One tap or a list of different ones.
    fn taps(&mut self, value: &Value, path: &str) -> Vec<String> {
        let one = std::slice::from_ref(value);
        let items = value.as_sequence().map_or(one, Vec::as_slice);
        let mut taps: Vec<String> = Vec::new();
        for item in items {
            match item.as_str() {
                Some(tap) if taps.iter().any(|other| other == tap) => {
                    self.mistake(path, format!("expected different taps, got `{tap}` twice"));
                }
                Some(tap) => taps.push(tap.to_owned()),
                None => self.mistake(
                    path,
                    format!("expected the name of a tap or a list of them, got {}", text(item)),
                ),
            }
        }
        if items.is_empty() {
            self.mistake(path, "expected one tap or more, got none");
        }
        taps
    }

    /// `flip`, or `{ order: flip, within_group: false }`; returns the order if it is given.
    fn pairing(&mut self, value: &Value, path: &str, pairing: &mut Pairing) -> Option<Order> {
        let read = if value.is_string() {
            parameters::<Order>(value).map(|order| Paired { order: Some(order), within_group: None })
        } else {
            parameters::<Paired>(value)
        };
        match read {
            Ok(paired) => {
                pairing.order = paired.order.unwrap_or(pairing.order);
                pairing.within_group = paired.within_group.unwrap_or(pairing.within_group);
                paired.order
            }
            Err(mistakes) => {
                self.mistakes.extend(mistakes.into_iter().map(|mistake| mistake.under(path)));
                None
            }
        }
    }

    /// A mix that looks at the gradient by the input must meet the input unmixed.
    fn check_gradients(&mut self, branch: &Branch) {
        fn walk(node: &Node, mixed: &mut bool, reader: &mut Reader) {
            match &node.action {
                Action::Mix(tapped) => {
                    if tapped.mix.inputs() == Inputs::InputGradient {
                        if *mixed {
                            let problem =
                                "looks at the gradient by the unmixed input; place it before every other mix";
                            reader.mistake(&node.path, format!("`{}` {problem}", tapped.policy));
                        }
                        if tapped.at != [INPUT] {
                            let problem =
                                format!("`{}` looks at the input; it acts at `{INPUT}`", tapped.policy);
                            reader.mistake(join(&node.path, "at"), problem);
                        }
                    }
                    *mixed = true;
                }
                Action::Chain(nodes) => nodes.iter().for_each(|node| walk(node, mixed, reader)),
                Action::OneOf(choices) => {
                    let before = *mixed;
                    for (_, node) in choices {
                        let mut here = before;
                        walk(node, &mut here, reader);
                        *mixed |= here;
                    }
                }
            }
        }
        let mut mixed = false;
        branch.nodes.iter().for_each(|node| walk(node, &mut mixed, self));
    }

    fn read<T: DeserializeOwned>(&mut self, mapping: &Mapping, key: &str, path: &str) -> Option<T> {
        match parameters::<T>(mapping.get(key)?) {
            Ok(value) => Some(value),
            Err(mistakes) => {
                let place = join(path, key);
                self.mistakes.extend(mistakes.into_iter().map(|mistake| mistake.under(&place)));
                None
            }
        }
    }

    fn mapping<'v>(&mut self, value: &'v Value, path: &str, expected: &str) -> Option<&'v Mapping> {
        if value.as_mapping().is_none() {
            self.mistake(path, format!("expected {expected}, got {}", text(value)));
        }
        value.as_mapping()
    }

    fn list<'v>(&mut self, value: Option<&'v Value>, path: &str, expected: &str) -> Option<&'v Vec<Value>> {
        let list = value.and_then(Value::as_sequence);
        if list.is_none() {
            let got = value.map_or("nothing".to_owned(), text);
            self.mistake(path, format!("expected {expected}, got {got}"));
        }
        list
    }

    fn known_keys(&mut self, mapping: &Mapping, path: &str, known: &[&str]) {
        for key in mapping.keys().map(text).filter(|key| !known.contains(&key.as_str())) {
            self.mistake(
                join(path, &key),
                format!("unknown key `{key}`{}", suggestion(&key, known.iter().copied())),
            );
        }
    }

    fn mistake(&mut self, path: impl AsRef<str>, message: impl Into<String>) {
        self.mistakes.push(Mistake::new(path.as_ref(), message));
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Paired {
    order: Option<Order>,
    within_group: Option<bool>,
}

impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Order, D::Error> {
        let name = text(&Value::deserialize(deserializer)?);
        let found = Order::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, order)| order).ok_or_else(|| {
            let known = Order::ALL.map(|(known, _)| known);
            D::Error::custom(format!("expected one of {}, got {name}", known.join(", ")))
        })
    }
}
