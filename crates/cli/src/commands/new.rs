//! `new PATH`: looks at somebody's images and writes a recipe that trains on them.

use super::refused;
use crate::arguments::New;
use serde_yaml::{Mapping, Value};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use tallow_data::{Survey, counted, survey};
use tallow_models::ModelSpec;
#[cfg(feature = "hub")]
use tallow_models::{MODELS, ModelOptions, Params};
use tallow_train::Error;

pub fn new(arguments: &New) -> anyhow::Result<()> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let found = survey(&arguments.path, workers).map_err(Error::from)?;
    eprint!("{}", seen(&found));
    let name = arguments
        .out
        .as_deref()
        .and_then(|out| out.file_stem())
        .map_or("recipe".into(), |name| name.to_string_lossy());
    let start = Start::of(&found);
    let recipe = recipe(&name, &found, &start);
    let Some(out) = &arguments.out else {
        print!("{recipe}");
        return Ok(());
    };
    let file = OpenOptions::new().write(true).create_new(true).open(out);
    let mut file = file.map_err(|error| refused("--out", out, error))?;
    file.write_all(recipe.as_bytes()).map_err(|error| refused("--out", out, error))?;
    eprintln!("\nwritten: {0}\ntrain it: tallow train {0}", out.display());
    Ok(())
}

/// What was found, for a person.
fn seen(found: &Survey) -> String {
    let mut text = format!("read as `{}`\n", found.source.name);
    let parts: Vec<(&str, Vec<u64>)> = found
        .facts
        .counts
        .iter()
        .map(|(part, counts)| (part.as_str(), counts.iter().map(|count| *count as u64).collect()))
        .collect();
    let parts: Vec<(&str, &[u64])> = parts.iter().map(|(part, counts)| (*part, &counts[..])).collect();
    text += &tallow_report::counts(&found.facts.classes, &parts);
    for line in facts(found) {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// Sizes, kinds, groups and what is odd, a line each.
fn facts(found: &Survey) -> Vec<String> {
    let (widths, heights) = (found.facts.widths, found.facts.heights);
    let sizes = match widths.least == widths.greatest && heights.least == heights.greatest {
        true => format!("all {} by {} pixels", widths.least, heights.least),
        false => format!(
            "{} to {} by {} to {} pixels, median {} by {}",
            widths.least, widths.greatest, heights.least, heights.greatest, widths.median, heights.median
        ),
    };
    let kinds: Vec<String> =
        found.facts.kinds.iter().map(|(kind, count)| format!("{kind} ({count})")).collect();
    let mut lines = vec![format!("{sizes}; {} (of {} looked at)", kinds.join(", "), found.facts.sampled)];
    lines.extend(
        found.facts.unreadable.iter().take(5).map(|(id, reason)| format!("cannot be read: {id}: {reason}")),
    );
    lines.extend(found.notes.iter().chain(&found.parts.notes).cloned());
    lines.extend(found.identical.problems());
    lines.push(groups(found));
    lines
}

fn groups(found: &Survey) -> String {
    let own = found.parts.all().find_map(|part| part.group_name().map(str::to_owned));
    match (own, &found.groups) {
        (Some(name), _) => format!("groups: {name}; they stay on one side of a split"),
        (None, Some(guess)) if guess.on_two_sides > 0 => format!(
            "names suggest {}, such as `{}` of {}, and {} of them are in several parts: what was learned of a patient would be \
             judged by; move their images into one part, then write split: {{ group: {{ path: '{}' }} }}",
            counted(guess.groups, "group"),
            guess.example.1,
            guess.example.0,
            guess.on_two_sides,
            guess.pattern
        ),
        (None, Some(guess)) => format!(
            "names suggest {}, such as `{}` of {}: they stay on one side of a split",
            counted(guess.groups, "group"),
            guess.example.1,
            guess.example.0
        ),
        (None, None) => {
            "no patient or lesion ids are to be seen: images of one patient may be on both sides of a split"
                .to_owned()
        }
    }
}

/// The network that a recipe begins with.
struct Start {
    /// The map below `model`, as YAML.
    model: String,
    comment: String,
    input: u32,
    /// Of a one-cycle.
    lr: f64,
}

impl Start {
    /// Weights that lie in the hub's cache, of the smallest network of those that there are; else from scratch. Pictures smaller than
    /// half of what the weights were trained on are better learned without them.
    fn of(found: &Survey) -> Start {
        let side = found.facts.widths.median.min(found.facts.heights.median);
        if let Some((spec, weights)) = at_hand().filter(|(spec, _)| side as usize >= spec.input / 2) {
            let (name, input) = (spec.name, spec.input as u32);
            let comment = format!(
                "fine-tuned from weights that are on this machine; faster on a CPU: a smaller input, such as {}",
                input * 4 / 7 / 32 * 32
            );
            let model = format!("{{ name: {name}, weights: hub:{weights}, input: {input} }}");
            return Start { model, comment, input, lr: 0.005 };
        }
        // From scratch on a CPU, small pictures are what a person has the patience for.
        let input = match side {
            0..=40 => side.max(16),
            41..=96 => 64,
            _ => 96,
        };
        let stem = if input <= 64 { "cifar" } else { "imagenet" };
        let comment = "from scratch; to fine-tune, `tallow pull timm/resnet18.tv_in1k`, then \
                       { name: resnet18, weights: hub:timm/resnet18.tv_in1k, input: 224 }";
        let model = format!("{{ name: resnet18, stem: {stem}, input: {input} }}");
        Start { model, comment: comment.to_owned(), input, lr: 0.02 }
    }
}

/// The smallest network whose weights are in the hub's cache, and their repository.
#[cfg(feature = "hub")]
fn at_hand() -> Option<(&'static ModelSpec, &'static str)> {
    // By the folders of the standard cache: a client for each of some fifty repositories would take a minute.
    let cache = tallow_hub::Hub::from_env().cache;
    let is_there = |weights: &&&str| {
        let folder = cache.join(format!("models--{}", weights.replace('/', "--")));
        let commit = std::fs::read_to_string(folder.join("refs/main")).unwrap_or_default();
        let snapshot = folder.join("snapshots").join(commit.trim());
        !commit.is_empty()
            && ["model.safetensors", "pytorch_model.bin"].iter().any(|file| snapshot.join(file).is_file())
    };
    let there = MODELS.iter().filter_map(|spec| Some((*spec, *spec.weights.iter().find(is_there)?)));
    there.min_by_key(|(spec, _)| parameters(spec))
}

#[cfg(not(feature = "hub"))]
fn at_hand() -> Option<(&'static ModelSpec, &'static str)> {
    None
}

/// Numbers in a network's parameters.
#[cfg(feature = "hub")]
fn parameters(spec: &ModelSpec) -> usize {
    let mut params = Params::blank(candle_core::DType::F32, &candle_core::Device::Cpu);
    (spec.build)(&mut params, &ModelOptions::new(2)).map_or(usize::MAX, |_| params.size())
}

/// The recipe, commented.
fn recipe(name: &str, found: &Survey, start: &Start) -> String {
    let train = found.facts.images("train");
    let input = start.input;
    let batch = [64, 32, 16, 8, 4, 2].into_iter().find(|batch| batch * 4 <= train * 85 / 100).unwrap_or(2);
    let counts: Vec<usize> = (0..found.facts.classes.len()).map(|class| found.facts.count(class)).collect();
    let (fewest, most) =
        (counts.iter().min().copied().unwrap_or(0), counts.iter().max().copied().unwrap_or(0));
    let is_long = fewest * 3 < most;

    let mut data = Mapping::from_iter([("name".into(), found.source.name.into())]);
    data.extend(found.options.clone());
    let mut comments = Vec::new();
    let mut split = Mapping::new();
    if found.parts.validation.is_none() {
        split.insert("validation".into(), 0.15.into());
        comments.push(
            "split: no validation part is there, so 15 % of the training images, class by class".to_owned(),
        );
    }
    let own = found.parts.all().find_map(|part| part.group_name().map(str::to_owned));
    match (&own, &found.groups) {
        (Some(name), _) if found.parts.validation.is_none() => {
            drop(split.insert("group".into(), name.as_str().into()))
        }
        (None, Some(guess)) if guess.on_two_sides == 0 => {
            let path = Mapping::from_iter([("path".into(), guess.pattern.as_str().into())]);
            split.insert("group".into(), Value::Mapping(path));
        }
        _ => {}
    }
    comments.push(groups(found));
    if !split.is_empty() {
        data.insert("split".into(), Value::Mapping(split));
    }
    data.insert("batch".into(), batch.into());
    if train * 85 / 100 % batch == 1 || train % batch == 1 {
        data.insert("drop_last".into(), true.into());
    }
    let problems = found.identical.problems();
    if !problems.is_empty() {
        data.insert("allow_leak".into(), true.into());
        comments.extend(
            problems.into_iter().map(|problem| format!("allow_leak: {problem}; then take this key out")),
        );
    }
    if found.facts.kinds.keys().any(|kind| kind.ends_with("16 bits")) {
        data.insert("window".into(), "auto".into());
        comments.push(
            "window: of these 16-bit pictures the least level becomes black and the greatest white"
                .to_owned(),
        );
    }

    let mut text = format!(
        "# {name}: {} of {}, as `tallow new` found them.\n#   run    tallow train {name}.yaml\n#   claim  draft, not yet run\n",
        counted(found.parts.all().map(|part| part.len()).sum::<usize>(), "image"),
        counted(found.facts.classes.len(), "class")
    );
    let mut section = |comments: &[String], key: &str, value: Value| {
        comments.iter().for_each(|comment| text += &format!("# {comment}\n"));
        text += &serde_yaml::to_string(&Mapping::from_iter([(Value::from(key), value)]))
            .expect("a YAML value is written");
    };
    let yaml = |text: &str| serde_yaml::from_str::<Value>(text).expect("written here");
    section(&comments, "data", Value::Mapping(data));
    section(std::slice::from_ref(&start.comment), "model", yaml(&start.model));
    let flip = "a mirrored picture must keep its class: take `flip` out where left and right mean something"
        .to_owned();
    section(&[flip], "images", yaml("[ { random_resized_crop: { scale: [0.5, 1.0] } }, { flip: {} } ]"));
    if !start.model.contains("weights") {
        section(&[], "evaluation", yaml(&format!("[ {{ resize: [{input}, {input}] }} ]")));
    }
    section(&["what mixes samples: `tallow list presets`".to_owned()], "policy", "none".into());
    if is_long {
        let why = format!(
            "the rarest class has {}, the commonest {most}: each class counts alike",
            counted(fewest, "image")
        );
        section(&[why], "loss", yaml("{ class_weights: balanced }"));
    }
    section(&[], "optimizer", yaml("{ sgd: { momentum: 0.9, nesterov: true, decay: 5e-4 } }"));
    section(&[], "schedule", yaml(&format!("{{ one_cycle: {{ lr: {} }} }}", start.lr)));
    let epochs = (20_000 / train.max(1)).clamp(10, 60);
    section(&[], "length", format!("{epochs} epochs").into());
    section(&[], "select", if is_long { "macro_f1" } else { "accuracy" }.into());
    section(&[], "seed", 1.into());
    text
}
