//! The reader of nodes, from YAML; every mistake is found at once. [`Leaf`] says which keys a node may have and what a policy needs
//! beside its parameters: once for image policies, once for mixes.

use super::duration::Window;
use super::elsewhere::ELSEWHERE;
use super::node::{Action, ENGINE_KEYS, Node, may_all_be_zero};
use super::parameters::{parameters, text};
use super::quantity::{Fraction, Weight};
use super::ramp::Ramp;
use super::ramps::Ramps;
use super::spec::{Mistake, Parsed, Registry, Spec, join};
use serde::de::DeserializeOwned;
use serde_yaml::{Mapping, Value};
use tallow_data::{elsewhere, listed, suggestion};

/// A policy as a list of its kind holds it.
pub(crate) trait Leaf: Sized {
    /// What a node hands to those inside, besides its window.
    type Inherited: Clone;
    /// Such as `image policy`.
    const KIND: &'static str;
    /// Such as `flip: {}`.
    const EXAMPLE: &'static str;

    /// Why a key of the engine has no place on such a node.
    fn misplaced(key: &str) -> Option<&'static str>;
    /// Whether a policy is of this kind.
    fn is(spec: &Spec) -> bool;
    /// Reads the keys of the node at `path` that only this kind has.
    fn inherit(reader: &mut Reader, node: &Mapping, path: &str, around: &Self::Inherited) -> Self::Inherited;
    /// Reads the policy of the node at `path`.
    fn read(
        reader: &mut Reader,
        spec: &'static Spec,
        value: &Value,
        path: &str,
        around: &Around<Self::Inherited>,
    ) -> Option<Self>;
}

/// What a node takes from those around it.
pub(crate) struct Around<I> {
    pub inherited: I,
    /// Whether the node is an alternative of `one_of`, which has a weight.
    pub weighed: bool,
    /// The innermost window so far, over which ramps go.
    pub during: Window,
}

pub(crate) struct Reader<'a> {
    pub registry: &'a Registry,
    pub mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    pub fn nodes<L: Leaf>(
        &mut self,
        value: &Value,
        path: &str,
        around: &Around<L::Inherited>,
    ) -> Vec<Node<L>> {
        let items =
            self.list(Some(value), path, &format!("a list of policies such as `[ {{ {} }} ]`", L::EXAMPLE));
        let nodes = items.into_iter().flatten().enumerate();
        nodes.filter_map(|(index, item)| self.node(item, &format!("{path}[{index}]"), around)).collect()
    }

    /// A mistake in a key of the engine does not stop the reading of the others.
    fn node<L: Leaf>(&mut self, value: &Value, path: &str, around: &Around<L::Inherited>) -> Option<Node<L>> {
        let mapping = self.mapping(value, path, &format!("a policy such as `{}`", L::EXAMPLE))?;
        for key in ENGINE_KEYS.into_iter().filter(|key| mapping.contains_key(*key)) {
            L::misplaced(key).into_iter().for_each(|problem| self.mistake(join(path, key), problem));
        }
        let during = mapping.get("during").map(|value| {
            Window::parse(value).unwrap_or_else(|problem| {
                self.mistake(join(path, "during"), problem);
                Window::ALWAYS
            })
        });
        let within = during.unwrap_or(around.during);
        let weight = self.ramp(mapping, "weight", path, within, |weight: Weight| weight.0);
        if mapping.contains_key("weight") && !around.weighed {
            let problem = "belongs to an alternative of `one_of`, or to a branch; for a chance, write `p`";
            self.mistake(join(path, "weight"), problem);
        }
        let p = self.ramp(mapping, "p", path, within, |p: Fraction| p.0);
        let inherited = L::inherit(self, mapping, path, &around.inherited);
        let inside = Around { inherited, weighed: false, during: within };
        let name = self.action::<L>(mapping, path)?;
        let (value, place) = (&mapping[name.as_str()], join(path, &name));
        let (action, p) = match name.as_str() {
            "policies" => (Action::Sequence(self.nodes(value, &place, &inside)), p),
            "shuffled" => (Action::Shuffled(self.nodes(value, &place, &inside)), p),
            "one_of" => {
                let before = self.mistakes.len();
                let nodes = self.nodes(value, &place, &Around { weighed: true, ..inside });
                if self.mistakes.len() == before && may_all_be_zero(&nodes) {
                    let problem = "expected an alternative of a weight over 0 at every time; \
                                   ramps of one `over` and `shape` move together";
                    self.mistake(place, problem);
                }
                (Action::OneOf(nodes), p)
            }
            _ => {
                let spec = self.registry.find(&name)?;
                let own = mapping.get("p").filter(|_| p.is_some() && spec.has("p"));
                let with_p = match own {
                    Some(own) => Some(self.with_p(spec, value, own, path)?),
                    None => None,
                };
                let policy = L::read(self, spec, with_p.as_ref().unwrap_or(value), path, &inside)?;
                (Action::Policy(policy), p.filter(|_| own.is_none()))
            }
        };
        let weight = weight.unwrap_or(Ramp::fixed(1.0));
        Some(Node { action, p, weight, during: during.unwrap_or(Window::ALWAYS), path: path.to_owned() })
    }

    /// The key that says what the node does.
    fn action<L: Leaf>(&mut self, mapping: &Mapping, path: &str) -> Option<String> {
        let acts = |key: &String| {
            !ENGINE_KEYS.contains(&key.as_str()) || ["one_of", "policies", "shuffled"].contains(&key.as_str())
        };
        let known = |key: &String| ENGINE_KEYS.contains(&key.as_str()) || self.registry.find(key).is_some();
        let (actions, unknown): (Vec<String>, Vec<String>) =
            mapping.keys().map(text).filter(acts).partition(known);
        match (actions.as_slice(), unknown.as_slice()) {
            ([], []) => {
                let example = L::EXAMPLE;
                let problem =
                    format!("expected a policy such as `{example}`, `one_of`, `policies` or `shuffled`");
                self.mistake(path, problem);
            }
            ([], names) => {
                for name in names {
                    let known =
                        self.registry.policies.iter().filter(|spec| L::is(spec)).map(|spec| spec.name);
                    let near = elsewhere(name, ELSEWHERE).map_or_else(
                        || listed("policies", name, known),
                        |ours| format!("; in its place: {ours}"),
                    );
                    self.mistake(join(path, name), format!("unknown {} `{name}`{near}", L::KIND));
                }
            }
            ([_, _, ..], _) => {
                let names = actions.join(" and ");
                self.mistake(path, format!("expected one policy, got {names}; write a list item for each"));
            }
            ([_], names) => {
                let keys = || ENGINE_KEYS.into_iter().filter(|key| L::misplaced(key).is_none());
                for name in names {
                    self.mistake(
                        join(path, name),
                        format!("unknown key `{name}`{}", suggestion(name, keys())),
                    );
                }
            }
        }
        <[String; 1]>::try_from(actions).ok().map(|[action]| action)
    }

    /// The parameters with the `p` that is written beside a policy that has one of its own.
    fn with_p(&mut self, spec: &Spec, value: &Value, p: &Value, path: &str) -> Option<Value> {
        let mut parameters = match value {
            Value::Mapping(parameters) if !Ramp::is(value) => parameters.clone(),
            Value::Null => Mapping::new(),
            short => Mapping::from_iter([(Value::from(spec.parameters[0].0), short.clone())]),
        };
        if parameters.insert(Value::from("p"), p.clone()).is_some() {
            self.mistake(join(path, "p"), format!("`{}` has a p already: keep one of the two", spec.name));
            return None;
        }
        Some(Value::Mapping(parameters))
    }

    /// A number or a ramp, both ends of which `T` takes.
    fn ramp<T: DeserializeOwned>(
        &mut self,
        mapping: &Mapping,
        key: &str,
        path: &str,
        within: Window,
        number: impl Fn(T) -> f64,
    ) -> Option<Ramp> {
        let read = Ramps::parse(mapping.get(key)?, within, |value| parameters::<T>(value).map(&number));
        let (ends, ramps) = self.taken(read, &join(path, key))?;
        Some(ramps.map_or(Ramp::fixed(ends[0]), |ramps| ramps.first()))
    }

    /// The value of a key, if it is written and understood.
    pub fn read<T: DeserializeOwned>(&mut self, mapping: &Mapping, key: &str, path: &str) -> Option<T> {
        self.taken(parameters::<T>(mapping.get(key)?), &join(path, key))
    }

    /// What was read below `path`, or nothing after its mistakes are recorded.
    pub fn taken<T>(&mut self, read: Parsed<T>, path: &str) -> Option<T> {
        let mistakes = read.map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.under(path)));
        mistakes.map_err(|mistakes| self.mistakes.extend(mistakes)).ok()
    }

    pub fn mapping<'v>(&mut self, value: &'v Value, path: &str, expected: &str) -> Option<&'v Mapping> {
        if value.as_mapping().is_none() {
            self.mistake(path, format!("expected {expected}, got {}", text(value)));
        }
        value.as_mapping()
    }

    pub fn list<'v>(
        &mut self,
        value: Option<&'v Value>,
        path: &str,
        expected: &str,
    ) -> Option<&'v Vec<Value>> {
        let list = value.and_then(Value::as_sequence);
        if list.is_none() {
            let got = value.map_or("nothing".to_owned(), text);
            self.mistake(path, format!("expected {expected}, got {got}"));
        }
        list
    }

    pub fn known_keys(&mut self, mapping: &Mapping, path: &str, known: &[&str]) {
        for key in mapping.keys().map(text).filter(|key| !known.contains(&key.as_str())) {
            let near = suggestion(&key, known.iter().copied());
            self.mistake(join(path, &key), format!("unknown key `{key}`{near}"));
        }
    }

    pub fn mistake(&mut self, path: impl AsRef<str>, message: impl Into<String>) {
        self.mistakes.push(Mistake::new(path.as_ref(), message));
    }
}
