//! Reading a whole recipe: every section is walked, whatever the others hold.

use super::Plan;
use super::length::{length, misfits, share_of};
use super::policy::policy;
use super::policy::resolve;
use super::sections::{data, ema, loss, metric, model, optimizer, patience, schedule};
use crate::device::Choice;
use crate::recipe::{Document, Node};
use std::sync::Arc;
use tallow_policy::{ImageChain, Registry, TapUse};

const KEYS: [&str; 19] = [
    "data",
    "model",
    "images",
    "evaluation",
    "evaluation_crops",
    "policy",
    "branches",
    "optimizer",
    "schedule",
    "length",
    "loss",
    "clip",
    "accumulate",
    "ema",
    "select",
    "early_stop",
    "seed",
    "device",
    "extends",
];

/// The plan but for its document, or `None` after recording why not. Mistakes in a preset's file go to `foreign`.
pub fn plan(
    document: &Document,
    registry: &Registry,
    root: &Node,
    foreign: &mut Vec<String>,
) -> Option<impl FnOnce(Document, Registry) -> Plan + use<>> {
    root.only(&KEYS);
    let data = root.required("data", "{ name: synthetic, batch: 64 }").and_then(|node| data(&node));
    let model = root.required("model", "{ name: resnet18 }").and_then(|node| model(&node));
    let input = model.as_ref().map(|model| model.input);
    let mean = model.as_ref().map_or([0.485, 0.456, 0.406], |model| model.mean.unwrap_or(model.spec.mean));
    let images = chain(root, "images", registry, input, mean);
    let evaluation = match (root.get("evaluation"), &model) {
        (None, Some(model)) => {
            let spec = model.spec;
            ordinary(registry, model.input, spec.interpolation, spec.crop, "center", mean).ok()
        }
        (None, None) => None,
        (Some(_), _) => chain(root, "evaluation", registry, input, mean),
    };
    let crops = optional(root, "evaluation_crops", |node| crops(&node, evaluation.as_deref()));
    let length = root.required("length", "30 epochs").and_then(|node| length(&node));
    if let (Some(images), Some(node), Some(length)) = (&images, root.get("images"), length) {
        node.adopt(images.check_windows(share_of(length)));
    }
    let policy = policy(document, registry, root, model.as_ref(), length, foreign);
    let optimizer =
        root.required("optimizer", "{ sgd: { momentum: 0.9 } }").and_then(|node| optimizer(&node));
    let schedule = root.required("schedule", "{ cosine: { rate: 0.01 } }").and_then(|node| schedule(&node));
    if let (Some(schedule), Some(length)) = (&schedule, length) {
        root.adopt(misfits(schedule, share_of(length)));
    }
    let loss = loss(root);
    let accumulate = root.get("accumulate").map_or(Some(1), |node| node.count(1));
    if let (Some(found), Some(accumulate), Some(node)) = (&policy, accumulate, root.get("accumulate"))
        && accumulate > 1
        && let Some(TapUse { tap, .. }) = found.policy.later_taps().first()
    {
        node.mistake(format!(
            "cannot accumulate while a policy mixes at `{tap}`: rows would mix within micro-batches only; \
             mix at `input`, or write accumulate: 1"
        ));
    }
    let select = match root.get("select") {
        None => metric(root, "macro_f1"),
        Some(node) => node.text().and_then(|name| metric(&node, name)),
    };
    let seed = root.get("seed").map_or(Some(1), |node| node.whole(0, u64::MAX));
    let device = root
        .get("device")
        .map_or(Some(Choice::Auto), |node| node.text().and_then(|text| node.take(text.parse())));
    let clip = optional(root, "clip", |node| node.positive());
    let ema = optional(root, "ema", |node| ema(&node));
    let patience = optional(root, "early_stop", |node| patience(&node));
    let found = policy?;
    let name = document.path.file_stem().map_or("recipe".into(), |stem| stem.to_string_lossy().into_owned());
    let resolved = resolve(document.value.clone(), &found);
    let (data, model, images, evaluation) = (data?, model?, images?, evaluation?);
    let (loss, optimizer, schedule, length) = (loss?, optimizer?, schedule?, length?);
    let (clip, accumulate, ema, select, patience) = (clip?, accumulate?, ema?, select?, patience?);
    let crops = crops?;
    let (seed, device) = (seed?, device?);
    Some(move |document, registry| Plan {
        name,
        resolved,
        preset: found.preset,
        data,
        model,
        images,
        evaluation,
        crops,
        policy: found.policy,
        loss,
        optimizer,
        schedule,
        length,
        clip,
        accumulate,
        ema,
        select,
        patience,
        seed,
        device,
        document,
        registry,
    })
}

/// The side of a square of crops, whose number is written.
fn crops(node: &Node, evaluation: Option<&ImageChain>) -> Option<u32> {
    let count = node.count(1)?;
    let side = (count as f64).sqrt().round() as u32;
    if side as usize * side as usize != count || side > 32 {
        node.mistake(format!("expected a square number up to 1024, such as 9 or 16, got {count}"));
        return None;
    }
    if evaluation?.last_crop().is_none() {
        node.mistake(
            "stands for the center_crop that ends `evaluation`; end it with one: [ { resize: 80 }, { center_crop: 64 } ]",
        );
        return None;
    }
    Some(side)
}

/// Some(None) where the key is absent, None after a mistake.
fn optional<'a, T>(root: &Node<'a>, key: &str, read: impl Fn(Node<'a>) -> Option<T>) -> Option<Option<T>> {
    match root.get(key) {
        None => Some(None),
        Some(node) => read(node).map(Some),
    }
}

/// `images` or `evaluation`: a list of image policies whose result has the model's input size.
/// Without a model no size is expected.
fn chain(
    root: &Node,
    key: &str,
    registry: &Registry,
    input: Option<u32>,
    mean: [f64; 3],
) -> Option<Arc<ImageChain>> {
    let node = root.required(key, "[ { random_resized_crop: {} } ]")?;
    let side = input.unwrap_or(224);
    match ImageChain::parse(node.value(), registry, (side, side), mean) {
        Ok(chain) => {
            if let (Some(input), Some((width, height))) = (input, chain.output_size())
                && (width, height) != (input, input)
            {
                node.mistake(format!(
                    "ends with images of {width} by {height} pixels, expected the model's {input} by {input}; \
                     change the last size, or model.input"
                ));
            }
            if let Some(random) = chain.random().filter(|_| key == "evaluation") {
                node.mistake(format!(
                    "{random} draws random numbers, which an evaluation must not; move it to images"
                ));
            }
            if chain.is_ramped() && key == "evaluation" {
                node.mistake(
                    "a ramp or a window changes over the run, and every evaluation must be the same; write a number",
                );
            }
            Some(Arc::new(chain))
        }
        Err(mistakes) => {
            node.adopt(mistakes);
            None
        }
    }
}

/// The evaluation of a recipe that writes none, in timm's words: the shorter side to ⌊input / crop⌋ and the crop's centre, or
/// both sides to the input (`squash`). Errs with what is not known here, or no share.
pub fn ordinary(
    registry: &Registry,
    input: u32,
    interpolation: &str,
    crop: f64,
    crop_mode: &str,
    mean: [f64; 3],
) -> Result<Arc<ImageChain>, String> {
    const REMEDY: &str = "write an `evaluation` in the recipe";
    if !["bilinear", "bicubic", "nearest"].contains(&interpolation) {
        return Err(format!(
            "interpolation: expected bilinear, bicubic or nearest, got {interpolation} – {REMEDY}"
        ));
    }
    if !(0.01..=1.0).contains(&crop) {
        return Err(format!("crop_pct: expected a share from 0.01 to 1, got {crop} – {REMEDY}"));
    }
    let side = (f64::from(input) / crop) as u32;
    let nodes = match crop_mode {
        "squash" => {
            format!("[ {{ resize: {{ size: [{input}, {input}], interpolation: {interpolation} }} }} ]")
        }
        "center" => format!(
            "[ {{ resize: {{ size: {side}, interpolation: {interpolation} }} }}, {{ center_crop: {input} }} ]"
        ),
        other => return Err(format!("crop_mode: expected center or squash, got {other} – {REMEDY}")),
    };
    let nodes = serde_yaml::from_str(&nodes).expect("a list that is written here");
    let chain = ImageChain::parse(&nodes, registry, (input, input), mean);
    Ok(Arc::new(chain.expect("policies that are always there")))
}
