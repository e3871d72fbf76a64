//! The image policies of a recipe, read and checked: what they do to sizes, and whether they draw or change over the run. What
//! they do to pixels is an [`ImageChain`]'s.

use super::image_chain::ImageChain;
use crate::Result;
use crate::image::{ImagePolicy, ModelInput};
use crate::schema::duration::{Duration, TrainingProgress, Window};
use crate::schema::node::{Action, Node, never_open};
use crate::schema::ramp::Ramp;
use crate::schema::ramps::Ramps;
use crate::schema::reader::{Around, Leaf, Reader};
use crate::schema::spec::{Mistake, Parsed, Registry, Spec, join};
use serde_yaml::{Mapping, Value};
use std::sync::Arc;

/// A list of image policies, for images of one model.
#[derive(Clone)]
pub struct ImagePolicies {
    nodes: Arc<Vec<Node<Setting>>>,
    model: ModelInput,
}

/// (width, height), where it is known.
type Size = Option<(u32, u32)>;

/// An image policy with its parameters.
pub(crate) struct Setting {
    pub spec: &'static Spec,
    /// At every combination of ends that its ramps reach, that of all starts first; one where there are no ramps.
    corners: Vec<Arc<dyn ImagePolicy>>,
    ramps: Option<Ramps>,
}

impl ImagePolicies {
    /// Reads the list `[ { flip: {} }, { one_of: [ … ], p: 0.5 }, … ]` for a model whose input is `input` (width, height), the
    /// default size of resize and the crops. No value is an empty list.
    ///
    /// A node is a map with one policy's name, `one_of`, `policies` or `shuffled`, and perhaps `p` and `during`; within `one_of`
    /// also `weight` (1 by default). `p` beside a policy that has a `p` of its own is that one. Any number may be a
    /// [`Ramp`](crate::Ramp).
    ///
    /// # Errors
    /// Every mistake, with a path such as `[0].random_resized_crop.scale`.
    pub fn parse(value: &Value, registry: &Registry, input: (u32, u32)) -> Parsed<ImagePolicies> {
        let model = ModelInput { size: input, ..ModelInput::default() };
        let around = Around { inherited: model, weighed: false, during: Window::ALWAYS };
        let mut reader = Reader { registry, mistakes: Vec::new() };
        let nodes = if value.is_null() { Vec::new() } else { reader.nodes(value, "", &around) };
        let policies = ImagePolicies { nodes: Arc::new(nodes), model };
        let mut mistakes = reader.mistakes;
        mistakes.extend(policies.check_windows(|_| None));
        if mistakes.is_empty()
            && (1..STATES).any(|state| policies.output(state, None) != policies.output(0, None))
        {
            let problem =
                "a ramp or a window changes the size of the images that leave; end the list with a resize";
            mistakes.push(Mistake::new("", problem));
        }
        if mistakes.is_empty() { Ok(policies) } else { Err(mistakes) }
    }

    /// The chain at the start of the run for a model whose mean, of each channel in [0, 1], is `mean`: what random_erasing and
    /// others fill with where the recipe writes no colour.
    pub fn build(&self, mean: [f64; 3]) -> ImageChain {
        let policies = ImagePolicies { model: ModelInput { mean, ..self.model }, ..self.clone() };
        let start = |setting: &Setting| {
            std::result::Result::<_, std::convert::Infallible>::Ok(setting.start(&policies.model))
        };
        let Ok(nodes) = self.nodes.iter().map(|node| node.try_map(&mut { start })).collect();
        ImageChain { policies, nodes, progress: TrainingProgress::START }
    }

    /// The chain at a point of the run, every ramp at its number and every window open or closed.
    ///
    /// # Errors
    /// Ramps of whole numbers that, rounded, miss what holds between their ends.
    pub(crate) fn at(&self, progress: TrainingProgress) -> Result<ImageChain> {
        let mut at = |setting: &Setting| setting.at(&progress, &self.model);
        let nodes = self.nodes.iter().map(|node| node.try_map(&mut at)).collect::<Result<_>>()?;
        Ok(ImageChain { policies: self.clone(), nodes, progress })
    }

    /// Whether it has ramps or windows, so that it is not the same throughout the run.
    pub fn is_ramped(&self) -> bool {
        let ramped =
            |node: &Node<Setting>| node.policies().iter().any(|(_, setting)| setting.ramps.is_some());
        self.nodes.iter().any(|node| node.changes() || ramped(node))
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Size (width, height) of every image that leaves, whatever arrives; `None` if images of different sizes may leave
    /// differently: then a resize or random_resized_crop is missing.
    pub fn output_size(&self) -> Option<(u32, u32)> {
        self.output_size_from(None)
    }

    /// The same, where every image that arrives has the size `input`.
    pub fn output_size_from(&self, input: Option<(u32, u32)>) -> Option<(u32, u32)> {
        self.output(0, input)
    }

    /// The same at every state of the run: ramps at either end, windows open and closed.
    pub fn output_sizes_from(&self, input: Option<(u32, u32)>) -> impl Iterator<Item = Option<(u32, u32)>> {
        (0..STATES).map(move |state| self.output(state, input))
    }

    /// (width, height) of a center_crop at the end.
    pub fn last_crop(&self) -> Option<(u32, u32)> {
        let last = self.nodes.last().filter(|node| node.p.is_none() && !node.changes())?;
        match &last.action {
            Action::Policy(crop) if crop.spec.name == "center_crop" => crop.corners[0].output(None),
            _ => None,
        }
    }

    /// (width, height) of what arrives at the last node, from images of size `input`, where it is known.
    pub fn size_before_last(&self, input: Option<(u32, u32)>) -> Option<(u32, u32)> {
        self.nodes.split_last()?.1.iter().fold(input, |size, node| output(node, 0, size))
    }

    /// The name of a policy that draws, if there is one: out of place in an evaluation.
    pub fn random(&self) -> Option<&'static str> {
        self.nodes.iter().find_map(random)
    }

    /// The windows that never open in a run: see [`Policy::check_windows`](crate::Policy::check_windows). Images are read ahead
    /// of the steps, an epoch at a time: a window must hold the start of one.
    pub fn check_windows(&self, share: impl Fn(Duration) -> Option<f64>) -> Vec<Mistake> {
        never_open(&self.nodes, true, &share)
    }

    fn output(&self, state: usize, input: Size) -> Size {
        self.nodes.iter().fold(input, |size, node| output(node, state, size))
    }
}

/// States of a run in which the size that leaves is asked for: chances at their starts or ends by the first bit, windows open or
/// closed by the second, and by the others the parameters of each policy at each of their combinations of ends.
const STATES: usize = 4 * 64;

fn output(node: &Node<Setting>, state: usize, input: Size) -> Size {
    let end = |ramp: &Ramp| if state & 1 == 0 { ramp.from } else { ramp.to };
    if node.during != Window::ALWAYS && state & 2 != 0 {
        return input;
    }
    let acted = match &node.action {
        Action::Policy(setting) => setting.corners[(state >> 2) % setting.corners.len()].output(input),
        Action::Sequence(nodes) => nodes.iter().fold(input, |size, node| output(node, state, size)),
        Action::OneOf(nodes) => {
            let possible = nodes.iter().filter(|node| node.weight.from > 0.0 || node.weight.to > 0.0);
            let mut sizes = possible.map(|node| output(node, state, input));
            let first = sizes.next().flatten();
            first.filter(|_| sizes.all(|size| size == first))
        }
        // Known where no order makes a difference: each keeps the size, or all make the same one of any.
        Action::Shuffled(nodes) => {
            let mut sizes = nodes.iter().map(|node| output(node, state, input));
            match nodes.first().map_or(input, |node| output(node, state, None)) {
                Some(size) if nodes.iter().all(|node| output(node, state, None) == Some(size)) => Some(size),
                _ => input.filter(|_| sizes.all(|size| size == input)),
            }
        }
    };
    match node.p.as_ref().map(end) {
        Some(0.0) => input,
        Some(p) if p < 1.0 => acted.filter(|_| acted == input),
        _ => acted,
    }
}

fn random(node: &Node<Setting>) -> Option<&'static str> {
    match &node.action {
        Action::Policy(setting) => {
            (setting.corners[0].random() || node.p.is_some()).then_some(setting.spec.name)
        }
        Action::Sequence(_) if node.p.is_some() => Some("policies"),
        Action::Sequence(nodes) => nodes.iter().find_map(random),
        Action::OneOf(_) => Some("one_of"),
        Action::Shuffled(_) => Some("shuffled"),
    }
}

impl Setting {
    fn start(&self, model: &ModelInput) -> Arc<dyn ImagePolicy> {
        self.corners[0].filled(model.mean_bytes()).map_or_else(|| self.corners[0].clone(), Arc::from)
    }

    fn at(&self, progress: &TrainingProgress, model: &ModelInput) -> Result<Arc<dyn ImagePolicy>> {
        let Some(ramps) = &self.ramps else { return Ok(self.start(model)) };
        ramps.build(progress, self.spec.name, |value| self.spec.image(value, model)).map(Arc::from)
    }
}

impl Leaf for Setting {
    type Inherited = ModelInput;
    const KIND: &'static str = "image policy";
    const EXAMPLE: &'static str = "flip: {}";

    fn misplaced(key: &str) -> Option<&'static str> {
        match key {
            "at" | "pairing" => Some("belongs to a mix, under `branches`: an image policy changes one image"),
            "view" => Some("belongs to a branch, beside its `policies`"),
            _ => None,
        }
    }

    fn is(spec: &Spec) -> bool {
        spec.is_image()
    }

    fn inherit(_: &mut Reader, _: &Mapping, _: &str, model: &ModelInput) -> ModelInput {
        *model
    }

    fn read(
        reader: &mut Reader,
        spec: &'static Spec,
        value: &Value,
        path: &str,
        around: &Around<ModelInput>,
    ) -> Option<Setting> {
        let read = Ramps::parse(value, around.during, |value| spec.image(value, &around.inherited));
        let (corners, ramps) = reader.taken(read, &join(path, spec.name))?;
        Some(Setting { spec, corners: corners.into_iter().map(Arc::from).collect(), ramps })
    }
}
