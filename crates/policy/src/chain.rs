//! The image policies of a recipe, one after another.

use crate::image::center_crop::start;
use crate::image::{ImagePolicy, ModelInput};
use crate::ramp::{Ramps, unbuilt};
use crate::region::{Beyond, cut_beyond};
use crate::spec::{Build, Mistake, Parsed, Registry};
use crate::{Error, Fraction, Result, TrainingProgress, Window, text};
use serde::Deserialize;
use serde_yaml::{Mapping, Value};
use std::cell::RefCell;
use std::sync::Arc;
use tallow_data::{Image, listed};
use tallow_seed::{Rng, Seed};

/// Image policies, applied in the order written. Each draws from a seed of its own: changing one moves no other.
pub struct ImageChain {
    nodes: Vec<Node>,
    ramped: Option<Ramped>,
}

/// A list of which some numbers are ramps.
struct Ramped {
    ramps: Ramps,
    registry: Registry,
    model: ModelInput,
}

/// One entry of the list.
struct Node {
    /// One draw per image; `None` is always, without a draw.
    p: Option<f64>,
    action: Action,
}

enum Action {
    Policy(&'static str, Box<dyn ImagePolicy>),
    /// (weight, node): one of them, with probability proportional to its weight.
    OneOf(Vec<(f64, Node)>),
    /// All of them, in an order drawn uniformly.
    Shuffled(Vec<Node>),
}

/// The engine's keys on an image node, and those that only a mix has.
const KEYS: [&str; 4] = ["p", "one_of", "weight", "shuffled"];
const KEYS_OF_MIXES: [&str; 4] = ["at", "during", "view", "pairing"];

impl ImageChain {
    /// Builds the list `[ { flip: {} }, { one_of: [ … ], p: 0.5 }, … ]` for a model whose input is `input` (width,
    /// height), the default size of resize and the crops, and whose `mean` (in [0, 1]) random_erasing paints with.
    ///
    /// A node is a map with one policy's name, `one_of` or `shuffled`, and perhaps `p`; within `one_of` also `weight` (1 by default).
    /// `p` beside a policy that has a `p` of its own is that one. No value is an empty chain. Every mistake is reported,
    /// with a path such as `[0].random_resized_crop.scale`. Any number may be a [`Ramp`](crate::Ramp); the chain is then the
    /// one of their starts, until [`at`](ImageChain::at) is asked.
    pub fn parse(
        value: &Value,
        registry: &Registry,
        input: (u32, u32),
        mean: [f64; 3],
    ) -> Parsed<ImageChain> {
        let model = ModelInput { size: input, mean };
        if value.is_null() {
            return Ok(ImageChain { nodes: Vec::new(), ramped: None });
        }
        let sizes = RefCell::new(Vec::new());
        let (nodes, ramps) = Ramps::parse(value, Window::ALWAYS, |value| {
            let nodes = nodes(value, registry, &model)?;
            sizes.borrow_mut().push(nodes.iter().fold(None, |size, node| node.output(size)));
            Ok(nodes)
        })?;
        let sizes = sizes.into_inner();
        if sizes.iter().any(|size| *size != sizes[0]) {
            let problem = "a ramp changes the size of the images that leave; end the list with a resize";
            return Err(vec![Mistake::new("", problem)]);
        }
        let ramped = ramps.map(|ramps| Ramped { ramps, registry: registry.clone(), model });
        Ok(ImageChain { nodes, ramped })
    }

    /// The chain at a point of the run, every ramp at its number; the chain itself where it has no ramps.
    pub fn at(self: &Arc<ImageChain>, progress: &TrainingProgress) -> Result<Arc<ImageChain>> {
        let Some(Ramped { ramps, registry, model }) = &self.ramped else { return Ok(self.clone()) };
        let nodes = nodes(&ramps.at(progress), registry, model).map_err(|wrong| unbuilt("images", &wrong))?;
        Ok(Arc::new(ImageChain { nodes, ramped: None }))
    }

    /// Whether it has ramps.
    pub fn is_ramped(&self) -> bool {
        self.ramped.is_some()
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Applies every node; node i draws from `seed.fold("image policy", i)`. An error if `image` does not hold
    /// width · height pixels, at least one.
    pub fn run(&self, image: Image, seed: Seed) -> Result<Image> {
        let (width, height, bytes) = (image.width, image.height, image.pixels.len());
        if bytes == 0 || bytes != width as usize * height as usize * 3 {
            let problem = format!("expected {width} by {height} pixels of 3 bytes, got {bytes} bytes");
            return Err(Error::Policy { policy: "images".to_string(), problem });
        }
        let mut numbered = self.nodes.iter().zip(0..);
        numbered.try_fold(image, |image, (node, i)| node.run(image, &mut seed.fold("image policy", i).rng()))
    }

    /// Size (width, height) of every image that leaves, whatever arrives; `None` if images of different sizes may leave
    /// differently: then a resize or random_resized_crop is missing.
    pub fn output_size(&self) -> Option<(u32, u32)> {
        self.output_size_from(None)
    }

    /// The same, where every image that arrives has the size `input`.
    pub fn output_size_from(&self, input: Option<(u32, u32)>) -> Option<(u32, u32)> {
        self.nodes.iter().fold(input, |size, node| node.output(size))
    }

    /// What a chain that ends in a center_crop makes of an image, but with side² crops of that size in place of the one in the
    /// middle, row by row: the k-th along a length L begins at k·(L − size) / (side − 1), rounded to even on a tie. An error
    /// where the image is smaller than a crop.
    pub fn ordered_crops(&self, image: Image, side: u32) -> Result<Vec<Image>> {
        let Some((width, height)) = self.last_crop() else {
            let problem = "expected a list that ends in center_crop".to_owned();
            return Err(Error::Policy { policy: "evaluation".to_owned(), problem });
        };
        let mut before = self.nodes[..self.nodes.len() - 1].iter();
        let image = before.try_fold(image, |image, node| node.run(image, &mut Seed::new(0).rng()))?;
        if image.width < width || image.height < height {
            let problem = format!(
                "expected an image of {width} by {height} pixels or more to crop from, got {} by {}; resize it to more",
                image.width, image.height
            );
            return Err(Error::Policy { policy: "evaluation_crops".to_owned(), problem });
        }
        let start = |length: u32, size: u32, k: u32| match side {
            1 => start(length, size),
            _ => (f64::from(k * (length - size)) / f64::from(side - 1)).round_ties_even() as i64,
        };
        let crop = |at: u32| {
            let (left, top) = (start(image.width, width, at % side), start(image.height, height, at / side));
            cut_beyond(image.clone(), left, top, (width, height), Beyond::Zero)
        };
        Ok((0..side * side).map(crop).collect())
    }

    /// (width, height) of a center_crop at the end.
    pub fn last_crop(&self) -> Option<(u32, u32)> {
        let last = self.nodes.last().filter(|node| node.p.is_none())?;
        let Action::Policy("center_crop", policy) = &last.action else { return None };
        policy.output(None)
    }

    /// (width, height) of what arrives at the last node, from images of size `input`, where it is known.
    pub fn size_before_last(&self, input: Option<(u32, u32)>) -> Option<(u32, u32)> {
        let before = self.nodes.split_last()?.1;
        before.iter().fold(input, |size, node| node.output(size))
    }

    /// The name of a policy that draws, if there is one: out of place in an evaluation.
    pub fn random(&self) -> Option<&'static str> {
        self.nodes.iter().find_map(Node::random)
    }
}

impl Node {
    fn run(&self, image: Image, rng: &mut Rng) -> Result<Image> {
        if self.p.is_some_and(|p| !rng.bernoulli(p)) {
            return Ok(image);
        }
        match &self.action {
            Action::Policy(_, policy) => {
                let draw = policy.draw((image.width, image.height), rng);
                policy.apply(image, &draw)
            }
            Action::OneOf(nodes) => {
                let weights: Vec<f64> = nodes.iter().map(|(weight, _)| *weight).collect();
                nodes[rng.weighted(&weights)].1.run(image, rng)
            }
            Action::Shuffled(nodes) => {
                let mut order = rng.permutation(nodes.len() as u32).into_iter();
                order.try_fold(image, |image, i| nodes[i as usize].run(image, rng))
            }
        }
    }

    fn output(&self, input: Option<(u32, u32)>) -> Option<(u32, u32)> {
        let acted = match &self.action {
            Action::Policy(_, policy) => policy.output(input),
            Action::OneOf(nodes) => {
                let mut sizes =
                    nodes.iter().filter(|(weight, _)| *weight > 0.0).map(|(_, node)| node.output(input));
                let first = sizes.next().flatten();
                first.filter(|_| sizes.all(|size| size == first))
            }
            // Known where no order makes a difference: each keeps the size, or all make the same one of any.
            Action::Shuffled(nodes) => {
                let mut sizes = nodes.iter().map(|node| node.output(input));
                match nodes.first().map_or(input, |node| node.output(None)) {
                    Some(size) if nodes.iter().all(|node| node.output(None) == Some(size)) => Some(size),
                    _ => input.filter(|_| sizes.all(|size| size == input)),
                }
            }
        };
        match self.p {
            Some(0.0) => input,
            Some(p) if p < 1.0 => acted.filter(|_| acted == input),
            _ => acted,
        }
    }

    fn random(&self) -> Option<&'static str> {
        match &self.action {
            Action::Policy(name, policy) => (policy.random() || self.p.is_some()).then_some(*name),
            Action::OneOf(_) => Some("one_of"),
            Action::Shuffled(_) => Some("shuffled"),
        }
    }
}

fn nodes(value: &Value, registry: &Registry, model: &ModelInput) -> Parsed<Vec<Node>> {
    let parser = Parser { registry, model };
    Ok(parser.list(value, false)?.into_iter().map(|(_, node)| node).collect())
}

/// Walks the YAML of a chain.
struct Parser<'a> {
    registry: &'a Registry,
    model: &'a ModelInput,
}

impl Parser<'_> {
    /// (weight, node) of each entry; `weight` is refused unless `weighted`.
    fn list(&self, value: &Value, weighted: bool) -> Parsed<Vec<(f64, Node)>> {
        let Value::Sequence(entries) = value else {
            return Err(vec![Mistake::new(
                "",
                format!(
                    "expected a list of image policies such as `[ {{ flip: {{}} }} ]`, got {}",
                    text(value)
                ),
            )]);
        };
        let mut nodes = Vec::new();
        let mut mistakes = Vec::new();
        for (i, entry) in entries.iter().enumerate() {
            match self.node(entry, weighted) {
                Ok(node) => nodes.push(node),
                Err(found) => mistakes.extend(found.into_iter().map(|m| m.under(&format!("[{i}]")))),
            }
        }
        if mistakes.is_empty() { Ok(nodes) } else { Err(mistakes) }
    }

    fn node(&self, value: &Value, weighted: bool) -> Parsed<(f64, Node)> {
        let Value::Mapping(map) = value else {
            let problem = format!("expected a map such as {{ flip: {{}} }}, got {}", text(value));
            return Err(vec![Mistake::new("", problem)]);
        };
        let mut mistakes = Vec::new();
        let p = read_key(map, "p", &mut mistakes, |value| Fraction::deserialize(value).map(|p| p.0));
        let weight = read_key(map, "weight", &mut mistakes, |value| {
            crate::NonNegative::deserialize(value).map(|weight| weight.0)
        });
        if weight.is_some() && !weighted {
            mistakes.push(Mistake::new("weight", "expected only within one_of: use `p` for a probability"));
        }
        match self.action(map, p) {
            Ok(node) if mistakes.is_empty() => Ok((weight.unwrap_or(1.0), node)),
            Ok(_) => Err(mistakes),
            Err(found) => Err([mistakes, found].concat()),
        }
    }

    /// The node without its weight, `p` being what is written beside the policy.
    fn action(&self, map: &Mapping, p: Option<f64>) -> Parsed<Node> {
        let names: Vec<String> =
            map.keys().map(text).filter(|key| !["p", "weight"].contains(&key.as_str())).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let wrong = |path: &str, message: String| Err(vec![Mistake::new(path, message)]);
        if let Some(key) = names.iter().find(|key| KEYS_OF_MIXES.contains(key)) {
            return wrong(key, format!("expected on a mix only; on an image policy: {}", KEYS.join(", ")));
        }
        let name = match names.as_slice() {
            [name] => *name,
            [] => return wrong("", "expected the name of an image policy, got none".to_string()),
            names => {
                return wrong(
                    "",
                    format!("expected one image policy, got {}: make a node of each", names.join(", ")),
                );
            }
        };
        let value = map.get(name).unwrap_or(&Value::Null); // a key that is no text has a name, but not this one
        let under = |found: Vec<Mistake>| found.into_iter().map(|m| m.under(name)).collect::<Vec<_>>();
        if name == "one_of" {
            let nodes = self.list(value, true).map_err(under)?;
            if nodes.iter().all(|(weight, _)| *weight == 0.0) {
                return wrong(name, "expected at least one policy with a positive weight".to_string());
            }
            return Ok(Node { p, action: Action::OneOf(nodes) });
        }
        if name == "shuffled" {
            let nodes = self.list(value, false).map_err(under)?;
            let nodes = nodes.into_iter().map(|(_, node)| node).collect();
            return Ok(Node { p, action: Action::Shuffled(nodes) });
        }
        let Some(spec) = self.registry.find(name) else {
            let known = self.registry.images().map(|spec| spec.name);
            return wrong(name, format!("unknown image policy `{name}`{}", listed("policies", name, known)));
        };
        let Build::Image(build) = spec.build else {
            return wrong(name, format!("`{name}` mixes the rows of a batch: move it to `policy`"));
        };
        let own = spec.parameters.iter().any(|(parameter, ..)| *parameter == "p");
        match p {
            Some(p) if own => {
                let mut parameters = match value {
                    Value::Mapping(parameters) => parameters.clone(),
                    Value::Null => Mapping::new(),
                    short => Mapping::from_iter([(Value::from(spec.parameters[0].0), short.clone())]),
                };
                if parameters.insert(Value::from("p"), Value::from(p)).is_some() {
                    return wrong("p", format!("`{name}` has a p already: keep one of the two"));
                }
                let policy = build(&Value::Mapping(parameters), self.model).map_err(under)?;
                Ok(Node { p: None, action: Action::Policy(spec.name, policy) })
            }
            _ => {
                let policy = build(value, self.model).map_err(under)?;
                Ok(Node { p, action: Action::Policy(spec.name, policy) })
            }
        }
    }
}

/// The engine key `key`, if it is written and understood.
fn read_key<'a>(
    map: &'a Mapping,
    key: &str,
    mistakes: &mut Vec<Mistake>,
    read: impl FnOnce(&'a Value) -> std::result::Result<f64, serde_yaml::Error>,
) -> Option<f64> {
    let value = map.get(key)?;
    read(value).map_err(|error| mistakes.push(Mistake::new(key, error.to_string()))).ok()
}
