//! `list`: what there is.

use crate::arguments::List;
use crate::wrap::{message, wrapped};
use serde_json::{Value, json};
use std::io::Write;
use tallow_data::{SOURCES, counted};
use tallow_metrics::{Better, CLASS_METRICS, METRIC_SETS, METRICS, MetricSet};
use tallow_models::{MODELS, ModelOptions, Params};
use tallow_policy::{PRESETS, Registry, Spec};
use tallow_train::Error;

/// One thing of a list: name, one line, and all there is to say.
struct Entry {
    name: String,
    summary: String,
    full: String,
    json: Value,
}

pub fn list(arguments: &List, registry: &Registry) -> anyhow::Result<()> {
    if let Some(folder) = &arguments.markdown {
        return match (arguments.what.as_deref(), &arguments.name) {
            (Some("policies"), None) => super::catalogue::write(folder, registry),
            (Some("recipe"), None) => super::reference::write(folder),
            _ => {
                let problem = "--markdown: expected `list policies` or `list recipe`; only they have a page";
                Err(Error::recipe(problem).into())
            }
        };
    }
    if arguments.what.as_deref() == Some("recipe") {
        return super::reference::show(arguments.name.as_deref(), arguments.json, registry);
    }
    let mut out = std::io::stdout().lock();
    let Some(what) = arguments.what.as_deref() else {
        if arguments.json {
            let mut all = serde_json::Map::new();
            for kind in KINDS {
                let entries = entries(kind, registry)?.into_iter().map(|entry| entry.json).collect();
                all.insert(kind.to_owned(), Value::Array(entries));
            }
            all.insert("recipe".to_owned(), super::reference::json());
            return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?);
        }
        for kind in KINDS {
            writeln!(out, "{kind}\n{}", wrapped(&names(kind, registry).join(", "), 2))?;
        }
        writeln!(out, "recipe\n{}", wrapped(&super::reference::names().join(", "), 2))?;
        return Ok(());
    };
    let entries = entries(what, registry)?;
    match &arguments.name {
        Some(name) => {
            let Some(entry) = entries.iter().find(|entry| entry.name == *name) else {
                let known = entries.iter().map(|entry| entry.name.as_str());
                let near =
                    elsewhere(what, name, registry).unwrap_or_else(|| tallow_data::listed(what, name, known));
                return Err(Error::recipe(format!("no `{name}` among the {what}{near}")).into());
            };
            match arguments.json {
                true => writeln!(out, "{}", serde_json::to_string_pretty(&entry.json)?)?,
                false => writeln!(out, "{}\n{}\n\n{}", entry.name, wrapped(&entry.summary, 2), entry.full)?,
            }
        }
        None if arguments.json => {
            let all: Vec<&Value> = entries.iter().map(|entry| &entry.json).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        }
        None => {
            for entry in entries {
                writeln!(out, "{}\n{}", entry.name, wrapped(&entry.summary, 4))?;
            }
        }
    }
    Ok(())
}

/// What is listed, but for the keys of a recipe.
const KINDS: [&str; 6] = ["models", "policies", "presets", "datasets", "metrics", "metric_sets"];

/// The names of a kind.
fn names(kind: &str, registry: &Registry) -> Vec<&'static str> {
    match kind {
        "models" => MODELS.iter().map(|model| model.name).collect(),
        "policies" => registry.policies.iter().map(|policy| policy.name).collect(),
        "presets" => PRESETS.iter().map(|(name, _)| *name).collect(),
        "datasets" => SOURCES.iter().map(|source| source.name).collect(),
        "metric_sets" => METRIC_SETS.iter().map(|set| set.name).collect(),
        _ => METRICS.iter().map(|metric| metric.name).collect(),
    }
}

/// Where a name that is none of this kind is listed: "; see `tallow list policies cutmix`".
pub fn elsewhere(what: &str, name: &str, registry: &Registry) -> Option<String> {
    let plain = |name: &str| name.to_lowercase().replace(['-', ' '], "_");
    let kinds = KINDS.iter().filter(|kind| **kind != what);
    let there = kinds.filter_map(|kind| {
        let known = names(kind, registry).into_iter().find(|known| *known == plain(name))?;
        Some(format!("`tallow list {kind} {known}`"))
    });
    let is_key = what != "recipe" && super::reference::is_key(name);
    let places: Vec<String> = there.chain(is_key.then(|| format!("`tallow list recipe {name}`"))).collect();
    (!places.is_empty()).then(|| format!("; see {}", places.join(" and ")))
}

fn entries(what: &str, registry: &Registry) -> anyhow::Result<Vec<Entry>> {
    Ok(match what {
        "models" => MODELS.iter().map(|spec| model(spec)).collect::<Result<_, _>>()?,
        "policies" => registry.policies.iter().map(|spec| policy(spec)).collect::<Result<_, _>>()?,
        "presets" => PRESETS.iter().map(|(name, text)| preset(name, text)).collect(),
        "datasets" => SOURCES.iter().map(|spec| dataset(spec)).collect(),
        "metric_sets" => METRIC_SETS.iter().map(metric_set).collect(),
        _ => METRICS.iter().map(metric).collect(),
    })
}

fn model(spec: &tallow_models::ModelSpec) -> anyhow::Result<Entry> {
    let mut params = Params::blank(candle_core::DType::F32, &candle_core::Device::Cpu);
    let classes = if spec.input == 32 { 10 } else { 1000 };
    let network = (spec.build)(&mut params, &ModelOptions::new(classes))?;
    let outline = network.outline([3, spec.input, spec.input]).unwrap_or_default();
    let (size, macs) = (params.size(), outline.iter().map(|(_, o)| o.macs).sum::<u64>());
    let parameters = |stage: &str| -> usize {
        params.trainable.values().filter(|p| p.stage() == stage).map(|p| p.var().elem_count()).sum()
    };
    let mut taps =
        vec![format!("  {:<12} {:<18} {:>10} {:>9}", "tap", "shape of one row", "parameters", "GFLOP")];
    taps.extend(outline.iter().map(|(name, o)| {
        let shape = o.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
        format!("  {name:<12} {shape:<18} {:>10} {:>9.3}", parameters(name), 2.0 * o.macs as f64 / 1e9)
    }));
    let summary = format!(
        "{:.2} M parameters, {:.2} G multiply-adds at {} px, {}",
        size as f64 / 1e6,
        macs as f64 / 1e9,
        spec.input,
        counted(classes, "class")
    );
    let list = |values: [f64; 3]| values.map(|value| format!("{value}")).join(", ");
    let arguments: Vec<String> =
        spec.timm_arguments.iter().map(|(key, value)| format!(", {key}={value}")).collect();
    let peers: Vec<String> = [
        spec.torchvision.map(|peer| format!("  torchvision: {}", peer.name)),
        spec.timm.map(|peer| format!("  timm: create_model(\"{}\"{})", peer.name, arguments.concat())),
    ]
    .into_iter()
    .flatten()
    .collect();
    let weights: Vec<String> = match spec.weights {
        [] => vec!["  none, so that `model.weights: imagenet` is a mistake".to_owned()],
        [first, others @ ..] => std::iter::once(format!("  hub:{first}, or `imagenet`"))
            .chain(others.iter().map(|id| format!("  hub:{id}")))
            .collect(),
    };
    let or_none = |lines: Vec<String>| if lines.is_empty() { "  none".to_owned() } else { lines.join("\n") };
    let full = format!(
        "stages, each the tap at its output (2 FLOP a multiply-add):\n{}\n\nimages:\n  {} px, {}, crop {:.3}\n  \
         mean {}\n  std {}\n\nweights known to fit:\n{}\n\nthe same network in:\n{}\n\nsource:\n{}",
        taps.join("\n"),
        spec.input,
        spec.interpolation,
        spec.crop,
        list(spec.mean),
        list(spec.std),
        weights.join("\n"),
        or_none(peers),
        wrapped(spec.source, 2)
    );
    let shapes: Vec<Value> = outline
        .iter()
        .map(|(name, o)| json!({ "tap": name, "shape": o.shape, "parameters": parameters(name), "multiply_adds": o.macs }))
        .collect();
    let json = json!({
        "name": spec.name, "parameters": size, "multiply_adds": macs, "input": spec.input, "classes": classes,
        "taps": spec.taps, "stages": shapes, "mean": spec.mean, "std": spec.std,
        "interpolation": spec.interpolation, "crop": spec.crop, "weights": spec.weights,
        "torchvision": spec.torchvision.map(|peer| peer.name), "timm": spec.timm.map(|peer| peer.name),
        "source": spec.source,
    });
    Ok(Entry { name: spec.name.into(), summary, full, json })
}

fn policy(spec: &Spec) -> anyhow::Result<Entry> {
    let parameters: Vec<String> = spec
        .parameters
        .iter()
        .map(|(name, range, meaning)| {
            format!("{}\n{}", message(&format!("  {name}: {range}")), wrapped(meaning, 6))
        })
        .collect();
    let kind =
        if spec.is_image() { "image policy (under images:)" } else { "mix (under branches: policies:)" };
    let (composition, presets) = (composition(spec)?, presets_with(spec.name));
    let mut full = kind.to_owned();
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            full.push_str(&format!("\n\n{title}:\n{body}"));
        }
    };
    section("parameters", parameters.join("\n"));
    section("example", wrapped(spec.example, 2));
    section("composition", composition.iter().map(|line| wrapped(line, 2)).collect::<Vec<_>>().join("\n"));
    section("cost", wrapped(spec.cost, 2));
    section("presets", wrapped(&presets.join(", "), 2));
    section("source", wrapped(spec.source, 2));
    let json = json!({
        "name": spec.name, "summary": spec.summary, "source": spec.source,
        "kind": if spec.is_image() { "image" } else { "mix" }, "spatial": spec.spatial,
        "parameters": spec.parameters.iter().map(|(name, range, meaning)| json!({ "name": name, "range": range, "meaning": meaning })).collect::<Vec<_>>(),
        "example": spec.example, "composition": composition, "cost": spec.cost, "presets": presets,
    });
    Ok(Entry { name: spec.name.into(), summary: spec.summary.into(), full, json })
}

/// [`Spec::composition`], or what is wrong with the policy's example.
pub fn composition(spec: &Spec) -> anyhow::Result<Vec<String>> {
    spec.composition().map_err(|mistakes| super::catalogue::wrong(spec, &mistakes).into())
}

/// Names of the presets that have a policy of that name.
pub fn presets_with(policy: &str) -> Vec<&'static str> {
    let node = format!("{policy}:");
    let is_word = |part: &str| part.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let has = |text: &str| {
        let body = text.lines().filter(|line| !line.starts_with('#'));
        body.into_iter().any(|line| line.match_indices(&node).any(|(at, _)| !is_word(&line[..at])))
    };
    PRESETS.iter().filter(|(_, text)| has(text)).map(|(name, _)| *name).collect()
}

/// What a preset's file says of it in the comment at its beginning.
pub fn head(text: &str) -> String {
    let head: Vec<&str> = text.lines().take_while(is_head).map(|line| line[1..].trim()).collect();
    head.join(" ")
}

fn is_head(line: &&str) -> bool {
    line.starts_with('#')
}

/// Its file begins with a comment: what it is, and whence.
fn preset(name: &str, text: &str) -> Entry {
    let body: Vec<String> = text.lines().skip_while(is_head).map(|line| format!("  {line}")).collect();
    let summary = head(text);
    let full = format!(
        "preset\n\nuse:\n  policy: {name}, in a recipe\n  policy={name}, on a command line\n\nstands for:\n{}",
        body.join("\n").trim_end()
    );
    Entry {
        name: name.into(),
        json: json!({ "name": name, "summary": summary, "yaml": text }),
        summary,
        full,
    }
}

fn dataset(spec: &tallow_data::SourceSpec) -> Entry {
    let keys: Vec<String> = spec
        .keys
        .iter()
        .map(|(name, default, meaning)| {
            let default = if default.is_empty() { String::new() } else { format!(": {default}") };
            format!("  {name}{default}\n{}", wrapped(meaning, 6))
        })
        .collect();
    let json = json!({
        "name": spec.name, "summary": spec.summary,
        "keys": spec.keys.iter().map(|(name, default, meaning)| json!({ "name": name, "default": default, "meaning": meaning })).collect::<Vec<_>>(),
    });
    Entry {
        name: spec.name.into(),
        summary: spec.summary.into(),
        full: format!("keys:\n{}", keys.join("\n")),
        json,
    }
}

fn metric(metric: &tallow_metrics::Metric) -> Entry {
    let better = if metric.better == Better::Higher { "higher" } else { "lower" };
    let json = json!({ "name": metric.name, "summary": metric.summary, "better": better });
    Entry {
        name: metric.name.into(),
        summary: metric.summary.into(),
        full: format!("{better} is better"),
        json,
    }
}

fn metric_set(set: &MetricSet) -> Entry {
    let of_class: Vec<String> = CLASS_METRICS
        .iter()
        .map(|metric| format!("  {}[CLASS]\n{}", metric.name, wrapped(metric.summary, 6)))
        .collect();
    Entry {
        name: set.name.into(),
        summary: set.summary.into(),
        full: format!(
            "tallow eval CHECKPOINT --metrics {}\ntallow compare A B --metric {}    by what it ranks by\n\n\
             numbers of a class, which --metrics takes by themselves too:\n{}",
            set.name,
            set.name,
            of_class.join("\n")
        ),
        json: json!({ "name": set.name, "summary": set.summary }),
    }
}
