//! Reading a whole recipe: every section is walked, whatever the others hold.

use super::freeze::misfit;
use super::images::{crops, evaluation_of, images};
use super::keep::checkpoint;
use super::length::{length, misfits, share_of};
use super::policy::{policy, resolve};
use super::reference::section;
use super::repeats::Repeats;
use super::sections::{data, ema, loss, metric, model, optimizer, patience, schedule};
use super::smallest::check_input;
use super::{MixWithin, Plan};
use crate::recipe::{Document, Node};
use crate::run::{DeviceChoice, Precision};
use tallow_models::ModelOptions;
use tallow_models::config::Config;
use tallow_policy::{Registry, TapUse};

/// The plan but for its document, or `None` after recording why not. Mistakes in a preset's file go to `foreign`.
pub fn plan(
    document: &Document,
    registry: &Registry,
    root: &Node,
    foreign: &mut Vec<String>,
) -> Option<impl FnOnce(Document, Registry, Vec<String>) -> Plan + use<>> {
    root.only(&section("").names());
    let data = root.required("data", "{ name: synthetic, batch: 64 }").and_then(|node| data(&node));
    let model = root.required("model", "{ name: resnet18 }").and_then(|node| model(&node));
    let input = model.as_ref().map(|model| model.input);
    model.iter().for_each(|model| check_input(root, model));
    let own_images = images(root, "images", registry, input);
    let has_own_evaluation = root.get("evaluation").is_some();
    let evaluation = match &model {
        Some(model) if !has_own_evaluation => {
            let options = ModelOptions { stem: model.stem, ..ModelOptions::new(1) };
            let own = Config::new(model.spec, &options, model.input as usize, &[]);
            root.take(evaluation_of(&own, registry))
        }
        None if !has_own_evaluation => None,
        _ => images(root, "evaluation", registry, input),
    };
    let crops = optional(root, "evaluation_crops", |node| crops(&node, evaluation.as_ref()));
    let length = root.required("length", "30 epochs").and_then(|node| length(&node));
    if let (Some(images), Some(node), Some(length)) = (&own_images, root.get("images"), length) {
        node.adopt(images.check_windows(share_of(length)));
    }
    let policy = policy(document, registry, root, model.as_ref(), length, foreign);
    let optimizer =
        root.required("optimizer", "{ sgd: { momentum: 0.9 } }").and_then(|node| optimizer(&node));
    // Without an optimizer, which is a mistake of its own, a schedule that is left out is not known.
    let schedule = root.get("schedule").and_then(|node| schedule(&node));
    if let (Some(schedule), Some(length)) = (&schedule, length) {
        root.adopt(misfits(schedule, share_of(length)));
    }
    if let (Some(model), Some(length)) = (&model, length) {
        root.adopt(misfit(&model.freeze, share_of(length)).into_iter().collect());
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
    let shards = root.get("shards").map_or(Some(1), |node| node.count(1));
    let mix_within = root
        .get("mix_within")
        .map_or(Some(MixWithin::default()), |node| node.text().and_then(|text| node.take(text.parse())));
    let sync_batch_norm = root.get("sync_batch_norm").map_or(Some(true), |node| node.boolean());
    let select = match root.get("select") {
        None => metric(root, "macro_f1"),
        Some(node) => node.text().and_then(|name| metric(&node, name)),
    };
    let seed = root.get("seed").map_or(Some(1), |node| node.whole(0, u64::MAX));
    let device = root
        .get("device")
        .map_or(Some(DeviceChoice::Auto), |node| node.text().and_then(|text| node.take(text.parse())));
    let precision = root
        .get("precision")
        .map_or(Some(Precision::F32), |node| node.text().and_then(|text| node.take(text.parse())));
    let clip = optional(root, "clip", |node| node.positive());
    let ema = optional(root, "ema", |node| ema(&node));
    let patience = optional(root, "early_stop", |node| patience(&node));
    let checkpoint = root.get("checkpoint").and_then(|node| checkpoint(&node));
    let found = policy?;
    let name = document.path.file_stem().map_or("recipe".into(), |stem| stem.to_string_lossy().into_owned());
    let resolved = resolve(document.value.clone(), &found);
    let (data, model, images, evaluation) = (data?, model?, own_images?, evaluation?);
    let (loss, optimizer, schedule, length) = (loss?, optimizer?, schedule?, length?);
    let (clip, accumulate, ema, select, patience) = (clip?, accumulate?, ema?, select?, patience?);
    let (crops, checkpoint) = (crops?, checkpoint?);
    let (shards, mix_within, sync_batch_norm) = (shards?, mix_within?, sync_batch_norm?);
    let (seed, device, precision) = (seed?, device?, precision?);
    Some(move |document, registry, notes| Plan {
        name,
        notes,
        resolved,
        preset: found.preset,
        data,
        model,
        images,
        evaluation,
        has_own_evaluation,
        crops,
        policy: found.policy,
        loss,
        optimizer,
        schedule,
        length,
        clip,
        accumulate,
        shards,
        mix_within,
        sync_batch_norm,
        ema,
        select,
        patience,
        checkpoint,
        seed,
        repeats: Repeats::default(),
        device,
        precision,
        registry,
        document,
    })
}

/// Some(None) where the key is absent, None after a mistake.
fn optional<'a, T>(root: &Node<'a>, key: &str, read: impl Fn(Node<'a>) -> Option<T>) -> Option<Option<T>> {
    match root.get(key) {
        None => Some(None),
        Some(node) => read(node).map(Some),
    }
}
