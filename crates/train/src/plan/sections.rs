//! Reading the sections of a recipe.

use super::class_weights::class_weights;
use super::reference::section;
use super::{DataPlan, EmaPlan, FreezePlan, LossPlan, ModelPlan, SchedulePlan, Weights};
use crate::fit::{LossKind, Moments, Optimizer, PlateauRule, Rule, Shape};
use crate::recipe::Node;
use serde_yaml::{Mapping, Value};
use std::path::PathBuf;
use tallow_data::{SOURCES, Split, listed, suggestion};
use tallow_metrics::{METRICS, Metric};
use tallow_models::{MODELS, ModelSpec, Stem};
use tallow_policy::{Duration, Mistake};

/// Images of a batch: more is a slip of the hand.
const LARGEST_BATCH: u64 = 1_000_000;
/// Four bytes of each are counted in 32 bits by the decoder of WebP.
const MOST_PIXELS: u64 = 1_000_000_000;

pub fn data(node: &Node) -> Option<DataPlan> {
    let node = node.section("{ name: synthetic, batch: 64 }")?;
    let names = SOURCES.iter().map(|source| source.name);
    let source = node.required("name", "synthetic").and_then(|name| {
        let text = name.text()?;
        let found = tallow_data::find(text);
        if found.is_none() {
            name.mistake(format!("unknown dataset `{text}`{}", suggestion(text, names)));
        }
        found
    });
    if let Some(source) = source {
        let own = section("data").names();
        let known: Vec<&str> = own.into_iter().chain(source.keys.iter().map(|key| key.0)).collect();
        node.only(&known);
    }
    let options: Mapping = node
        .mapping()?
        .iter()
        .filter(|(key, _)| !section("data").keys.iter().any(|known| key.as_str() == Some(known.name)))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let split = node.get("split").map_or(Some(None), |split| match Split::parse(split.value()) {
        Ok(split) => Some(Some(split)),
        Err(errors) => {
            node.adopt(errors.into_iter().map(below_data).collect());
            None
        }
    });
    let batch = node.required("batch", "64").and_then(|batch| batch.whole(1, LARGEST_BATCH));
    let sampler = node.get("sampler").map_or(Value::Null, |sampler| sampler.value().clone());
    let drop_last = node.get("drop_last").and_then(|n| n.boolean());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = node.get("workers").map_or(Some(threads), |n| n.count(0));
    let broken = [("refuse", false), ("skip", true)];
    let skip_broken = node.get("broken").and_then(|n| n.one_of("way to treat broken images", &broken));
    let max_pixels = node.get("max_pixels").and_then(|n| n.whole(1, MOST_PIXELS));
    let names = |key: &str| {
        let texts = |list: Node| list.list()?.iter().map(|name| name.text().map(str::to_owned)).collect();
        node.get(key).and_then(texts)
    };
    let (only, drop) = (names("only"), names("drop"));
    let window = node.get("window").map(|window| window.value().clone());
    let copies = [("refuse", false), ("drop", true)];
    let drop_copies = node.get("copies").and_then(|n| n.one_of("way to treat copies", &copies));
    let allow_leak = node.get("allow_leak").and_then(|n| n.boolean());
    let exclude = node.get("exclude").map_or(Some(None), |path| path.text().map(|path| Some(path.into())));
    Some(DataPlan {
        source: source?,
        options,
        split: split?,
        batch: batch? as usize,
        sampler,
        drop_last: drop_last?,
        workers: workers?,
        skip_broken: skip_broken?,
        max_pixels: max_pixels?,
        only: only?,
        drop: drop?,
        window,
        drop_copies: drop_copies?,
        allow_leak: allow_leak?,
        exclude: exclude?,
    })
}

/// An error about an option, as a mistake below `data`.
fn below_data(error: tallow_data::Error) -> Mistake {
    match error {
        tallow_data::Error::Option { key, problem } => Mistake { path: key, message: problem },
        other => Mistake { path: String::new(), message: other.to_string() },
    }
}

pub fn model(node: &Node) -> Option<ModelPlan> {
    let node = node.section("{ name: resnet18 }")?;
    node.only(&section("model").names());
    let names = MODELS.iter().map(|model| model.name);
    let spec = node.required("name", "resnet18").and_then(|name| {
        let text = name.text()?;
        let found = tallow_models::find(text);
        if found.is_none() {
            name.mistake(format!("unknown model `{text}`{}", listed("models", text, names)));
        }
        found
    });
    let weights = node.get("weights").map_or(Some(None), |node| weights(&node, spec).map(Some));
    let rename = node.get("rename").map_or(Some(Vec::new()), |rename| {
        if node.get("weights").is_none() {
            rename.mistake("renames tensors of a file, and there are no `weights`; leave it out");
        }
        renames(&rename)
    });
    let input = node.get("input").map_or(spec.map(|spec| spec.input), |input| input.count(1));
    let stem = node.get("stem").map_or(Some(None), |stem| match spec {
        Some(spec) if !spec.has_stems => {
            let remedy = "leave `stem` out, or take a model that has both stems, such as resnet18";
            stem.mistake(format!("{} has one stem and no choice of it; {remedy}", spec.name));
            None
        }
        _ => stem.one_of("stem", &Stem::NAMED).map(Some),
    });
    let mean = node.get("mean").map_or(Some(None), |mean| triple(&mean, false).map(Some));
    let std = node.get("std").map_or(Some(None), |std| triple(&std, true).map(Some));
    let freeze = node.get("freeze").map_or(Some(FreezePlan::default()), |freeze| {
        FreezePlan::read(&freeze, spec.map_or(&[][..], |spec| &spec.taps[1..]))
    });
    Some(ModelPlan {
        spec: spec?,
        weights: weights?,
        rename: rename?,
        input: input? as u32,
        stem: stem?,
        mean: mean?,
        std: std?,
        freeze: freeze?,
    })
}

/// Texts for texts, such as `{ linear: fc }`.
fn renames(node: &Node) -> Option<Vec<(String, String)>> {
    let pairs =
        node.mapping()?.iter().map(|(from, to)| Some((from.as_str()?.to_owned(), to.as_str()?.to_owned())));
    let is_whole = |name: &str| !name.starts_with('.') && !name.ends_with('.');
    match pairs.collect::<Option<Vec<_>>>() {
        Some(pairs) if pairs.iter().all(|(from, to)| !from.is_empty() && is_whole(from) && is_whole(to)) => {
            Some(pairs)
        }
        _ => node.expected("prefixes of names and what stands for them, such as `rename: { linear: fc }`"),
    }
}

/// `imagenet`, `hub:owner/name[@revision]`, or a path.
fn weights(node: &Node, spec: Option<&ModelSpec>) -> Option<Weights> {
    const EXAMPLE: &str = "such as `weights: hub:timm/resnet18.tv_in1k`";
    let whole = |id: &str| id.split('/').count() == 2 && id.split('/').all(|part| !part.is_empty());
    if node.value().as_str() == Some("imagenet") {
        let spec = spec?;
        let known = spec.weights.first().map(|id| Weights::Hub((*id).to_owned()));
        if known.is_none() {
            let remedy = "name a file or hub:owner/name, or leave `weights` out";
            node.mistake(format!("no ImageNet weights are known for {}; {remedy}", spec.name));
        }
        return known;
    }
    match node.value().as_str().map(|text| (text, text.strip_prefix("hub:"))) {
        Some((_, Some(id))) if whole(id) => Some(Weights::Hub(id.to_owned())),
        Some((text, Some(_))) => {
            node.mistake(format!("expected hub:owner/name[@revision], {EXAMPLE}, got {text}"));
            None
        }
        Some((path, None)) if !path.is_empty() => Some(Weights::File(PathBuf::from(path))),
        // YAML reads a bare `hub:` as a mapping.
        _ => node.expected(&format!("the path of a safetensors file, or hub:owner/name, {EXAMPLE}")),
    }
}

/// Three numbers, one per channel; in (0, ∞) if `positive`.
fn triple(node: &Node, positive: bool) -> Option<[f64; 3]> {
    let items = node.list()?;
    if items.len() != 3 {
        node.mistake(format!("expected three numbers, one per channel, got {}", items.len()));
        return None;
    }
    let numbers: Option<Vec<f64>> =
        items.iter().map(|item| if positive { item.positive() } else { item.number() }).collect();
    numbers.map(|n| [n[0], n[1], n[2]])
}

pub fn optimizer(node: &Node) -> Option<Optimizer> {
    let (name, node) = node.section("{ sgd: { momentum: 0.9 } }")?.choice(&["sgd", "adam", "adamw"])?;
    let node = node.section(if name == "sgd" { "{ momentum: 0.9 }" } else { "{ decay: 0.05 }" })?;
    node.only(&section(&format!("optimizer.{name}")).names());
    let number = |key: &str| node.get(key)?.nonnegative();
    let fraction = |key: &str| node.get(key)?.fraction();
    // Everything is read before anything is missed, so that every mistake is told.
    let rule = if name == "sgd" {
        let nesterov = node.get("nesterov").and_then(|n| n.boolean());
        fraction("momentum").zip(nesterov).map(|(momentum, nesterov)| Rule::Sgd { momentum, nesterov })
    } else {
        let (beta1, beta2) = (fraction("beta1"), fraction("beta2"));
        let eps = node.get("eps").and_then(|n| n.positive());
        let moments = beta1.zip(beta2).zip(eps).map(|((beta1, beta2), eps)| Moments { beta1, beta2, eps });
        moments.map(if name == "adam" { Rule::Adam } else { Rule::AdamW })
    };
    let decay = number("decay");
    let head_lr_scale = node.get("head_lr_scale").and_then(|n| n.positive());
    let decay_on = node.get("decay_on").and_then(|n| n.one_of("group", &[("weights", false), ("all", true)]));
    Some(Optimizer { rule: rule?, decay: decay?, decay_all: decay_on?, head_lr_scale: head_lr_scale? })
}

/// A shape's key in a recipe, and the reader of what is below it.
type ShapeReader = (&'static str, fn(&Node) -> Option<Shape<Duration>>);

const SHAPES: [ShapeReader; 6] = [
    ("constant", |_| Some(Shape::Constant)),
    ("step", |node| {
        let every = node.required("every", "10 epochs").and_then(|n| duration(&n));
        every.zip(factor(node)).map(|(every, factor)| Shape::Step { every, factor })
    }),
    ("multistep", |node| {
        let at = node.required("at", "[ 100 epochs, 150 epochs ]").and_then(|n| n.list());
        let milestones: Option<Vec<Duration>> = at.and_then(|at| at.iter().map(duration).collect());
        milestones.zip(factor(node)).map(|(milestones, factor)| Shape::Multistep { milestones, factor })
    }),
    ("cosine", |node| node.get("floor")?.nonnegative().map(|floor| Shape::Cosine { floor })),
    ("one_cycle", one_cycle),
    ("plateau", plateau),
];

fn factor(node: &Node) -> Option<f64> {
    node.get("factor")?.positive()
}

pub fn schedule(node: &Node) -> Option<SchedulePlan> {
    let node = node.section("{ cosine: { lr: 0.01 } }")?;
    let (chosen, node) = node.choice(&SHAPES.map(|(name, _)| name))?;
    let node = node.section("{ lr: 0.01 }")?;
    let (name, shape) = SHAPES.into_iter().find(|(name, _)| *name == chosen)?;
    let shape = shape(node);
    node.only(&section(&format!("schedule.{name}")).names());
    let lr = node.required("lr", "0.1").and_then(|n| n.positive());
    let warmup = node.get("warmup").map_or(Some(None), |n| duration(&n).map(Some));
    Some(SchedulePlan { name, shape: shape?, lr: lr?, warmup: warmup? })
}

/// torch's names and defaults: pct_start 0.3, div_factor 25, final_div_factor 1e4, cos, momentum 0.85–0.95.
fn one_cycle(node: &Node) -> Option<Shape<Duration>> {
    let rise = node.get("rise")?.number_in("a number between 0 and 1", |x| x > 0.0 && x < 1.0);
    let start_divisor = node.get("start_divisor").and_then(|n| n.positive());
    let final_divisor = node.get("final_divisor").and_then(|n| n.positive());
    let anneal = [("cosine", false), ("linear", true)];
    let linear = node.get("anneal").and_then(|n| n.one_of("way to anneal", &anneal));
    let momentum = node.get("momentum").and_then(|n| {
        if n.value().as_bool() == Some(false) {
            return Some(None);
        }
        match n.list()?.iter().map(|n| n.fraction()).collect::<Option<Vec<f64>>>()?[..] {
            [low, high] if low <= high => Some(Some((low, high))),
            _ => {
                n.mistake("expected [low, high], such as [0.85, 0.95], or false");
                None
            }
        }
    });
    Some(Shape::OneCycle {
        rise: rise?,
        start_divisor: start_divisor?,
        final_divisor: final_divisor?,
        linear: linear?,
        momentum: momentum?,
    })
}

/// torch's names and defaults, but for `floor`, its min_lr.
fn plateau(node: &Node) -> Option<Shape<Duration>> {
    let below_one = "a number between 0 and 1";
    let factor = node.get("factor").and_then(|n| n.number_in(below_one, |x| x > 0.0 && x < 1.0));
    let patience = node.get("patience").and_then(|n| n.count(0));
    let threshold = node.get("threshold").and_then(|n| n.nonnegative());
    let cooldown = node.get("cooldown").and_then(|n| n.count(0));
    let floor = node.get("floor").and_then(|n| n.nonnegative());
    Some(Shape::Plateau(PlateauRule {
        factor: factor?,
        patience: patience? as u64,
        threshold: threshold?,
        cooldown: cooldown? as u64,
        floor: floor?,
    }))
}

/// `30 epochs`, `500 steps`, `100000 images`.
pub fn duration(node: &Node) -> Option<Duration> {
    node.take(Duration::parse(node.value()))
}

pub fn loss(root: &Node) -> Option<LossPlan> {
    let node = root.get("loss")?;
    let node = node.section("{ smoothing: 0.1 }")?;
    node.only(&section("loss").names());
    let smoothing = node.get("smoothing").and_then(|n| n.fraction());
    let gamma = |n: Node| {
        n.number_in("γ, a number that is not negative, such as `focal: 2.0`", |x| x >= 0.0 && x.is_finite())
    };
    let kind = node
        .get("focal")
        .map_or(Some(LossKind::CrossEntropy), |n| gamma(n).map(|gamma| LossKind::Focal { gamma }));
    let class_weights = node.get("class_weights").and_then(|n| class_weights(&n));
    Some(LossPlan { kind: kind?, smoothing: smoothing?, class_weights: class_weights? })
}

/// Epochs to wait for a better `select`.
pub fn patience(node: &Node) -> Option<u64> {
    let node = node.section("{ patience: 10 }")?;
    node.only(&section("early_stop").names());
    node.required("patience", "10").and_then(|node| node.count(1)).map(|n| n as u64)
}

pub fn ema(node: &Node) -> Option<EmaPlan> {
    let node = node.section("{ decay: 0.999 }")?;
    node.only(&section("ema").names());
    let decay = node.required("decay", "0.999").and_then(|n| n.fraction());
    let warmup = node.get("warmup").and_then(|n| n.boolean());
    Some(EmaPlan { decay: decay?, warmup: warmup? })
}

pub fn metric(node: &Node, name: &str) -> Option<&'static Metric> {
    let found = tallow_metrics::find(name);
    if found.is_none() {
        let names = METRICS.iter().map(|metric| metric.name);
        let theirs = ELSEWHERE.iter().find(|(theirs, _)| *theirs == name);
        let near = theirs
            .map_or_else(|| listed("metrics", name, names), |(_, ours)| format!("; did you mean `{ours}`?"));
        node.mistake(format!("unknown metric `{name}`{near}"));
    }
    found
}

/// What other libraries call our metrics: suggested, never accepted.
const ELSEWHERE: [(&str, &str); 6] = [
    ("acc", "accuracy"),
    ("ap", "average_precision"),
    ("auc", "auroc"),
    ("f1", "macro_f1"),
    ("map", "average_precision"),
    ("roc_auc", "auroc"),
];
