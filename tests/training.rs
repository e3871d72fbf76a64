//! What training does to numbers: the same seed gives the same bytes, whatever the threads; the knobs do what they say.

pub use crate::program::assert_same;
use crate::program::{Desk, Program, tensors};
use serde_json::Value;
use std::collections::BTreeMap;

/// Every way of randomness at once: two views, two taps, dropped, flipped and erased pixels.
const BUSY: &str = "\
extends: tiny.yaml
images:
  - random_resized_crop: { size: 16, scale: [0.5, 1.0] }
  - { flip: {}, p: 0.5 }
  - { color_jitter: { brightness: 0.2 } }
  - { random_erasing: {} }
policy: synermix_manifold
ema: { decay: 0.9 }
clip: 1.0
data: { sampler: balanced }
";

fn busy() -> Desk {
    let desk = Desk::new();
    desk.write("busy.yaml", BUSY);
    desk
}

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_threads() {
    let desk = busy();
    let run = |name: &str, threads: &str, arguments: &[&str]| {
        let arguments = [&["busy.yaml", "--out", name], arguments].concat();
        desk.program(Program::Train).args(&arguments).env("RAYON_NUM_THREADS", threads).say().ok();
        desk.bytes(name)
    };
    let first = run("first", "2", &[]);
    // 2 folders of 9 files (with the averages' and the raw weights), and 4 files beside them.
    assert_eq!(first.len(), 2 * 9 + 4, "{:?}", first.keys());
    assert_same(&first, &run("again", "2", &[]));
    assert_same(&first, &run("workers_0", "2", &["data.workers=0"]));
    assert_same(&first, &run("workers_4", "2", &["data.workers=4"]));
    assert_same(&first, &run("threads_1", "1", &[]));
    assert_same(&first, &run("threads_3", "3", &[]));
    let other = run("other", "2", &["seed=2"]);
    let differing = first.keys().filter(|name| first[*name] != other[*name]).count();
    assert!(differing > 12, "another seed changes only {differing} files");
}

/// A run goes on with the shards that it began with, and threads move no bit of it.
#[test]
fn a_run_in_shards_is_the_same_whatever_the_threads() {
    let desk = Desk::new();
    let run = |name: &str, threads: &str, arguments: &[&str]| {
        let arguments = [&["tiny.yaml", "--out", name], arguments].concat();
        desk.program(Program::Train).args(&arguments).env("RAYON_NUM_THREADS", threads).say().ok();
        desk.bytes(name)
    };
    let whole = run("whole", "2", &["shards=3"]);
    assert_same(&whole, &run("one_thread", "1", &["shards=3"]));
    assert_same(&whole, &run("many_threads", "7", &["shards=3"]));
    let log = desk.path("killed/metrics.jsonl");
    let arguments = ["tiny.yaml", "shards=3", "checkpoint.every=1 steps", "--out", "killed"];
    assert_eq!(desk.program(Program::Train).args(&arguments).until(&log, 2, "TERM").code, 128 + 15);
    let resumed = run("killed", "2", &["--resume", "checkpoint.every=1 steps"]);
    assert_eq!(resumed["predictions.csv"], whole["predictions.csv"]);
    assert_eq!(resumed["metrics.jsonl"], whole["metrics.jsonl"]);
}

/// The loss of each step of a run.
pub fn losses(desk: &Desk, run: &str) -> Vec<f64> {
    let text = desk.read(&format!("{run}/metrics.jsonl"));
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter_map(|record| record["loss"].as_f64()).collect()
}

/// Made by this program on 2026-11-20; it moves only when the arithmetic, the random numbers or the drawn images do, and
/// then on purpose.
const CURVE: [f64; 10] =
    [1.964805, 1.915248, 1.966709, 1.821550, 1.855946, 1.878983, 1.902964, 1.628007, 1.808800, 1.601172];

/// At higher rates the signs of ReLUs flip on rounding, and processors part ways within ten steps.
const SLOW: &str = "schedule.cosine.lr=5e-4";

#[test]
fn the_loss_curve_is_the_recorded_one() {
    let desk = Desk::new();
    desk.train(&["tiny.yaml", SLOW, "length=10 steps", "--out", "run"]).ok();
    let got = losses(&desk, "run");
    assert_eq!(got.len(), CURVE.len());
    for (got, expected) in got.iter().zip(CURVE) {
        // Recorded with AVX-512; without it the ninth loss is 1.3e-4 apart.
        assert!((got - expected).abs() < 2e-4, "{:?}", losses(&desk, "run"));
    }
}

/// Reads `name    value` of a dry run.
fn tried(desk: &Desk, arguments: &[&str], variables: &[(&str, &str)]) -> BTreeMap<String, f64> {
    let arguments = [arguments, &["--dry-run"]].concat();
    let mut program = desk.program(Program::Train).args(&arguments);
    for (name, value) in variables {
        program = program.env(name, value);
    }
    let lines = program.say().ok().out;
    let value = |line: &str| {
        let (name, rest) = line.trim().split_once("  ")?;
        Some((name.to_owned(), rest.split_whitespace().next()?.parse().ok()?))
    };
    lines.lines().filter_map(value).collect()
}

fn loss(desk: &Desk, arguments: &[&str]) -> f64 {
    tried(desk, arguments, &[])["loss of step 1"]
}

#[test]
fn the_fallback_ops_give_the_same_loss() {
    let desk = busy();
    let mut seen = 0;
    for recipe in ["tiny.yaml", "busy.yaml"] {
        let kernels = tried(&desk, &[recipe], &[]);
        let fallback = tried(&desk, &[recipe], &[("TALLOW_FALLBACK", "1")]);
        let (a, b) = (kernels["loss of step 1"], fallback["loss of step 1"]);
        assert!((a - b).abs() < 1e-4, "{recipe}: {a} with kernels, {b} without");
        assert!(kernels["kernel calls"] > 100.0);
        assert_eq!(fallback["kernel calls"], 0.0);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn a_whole_run_on_the_fallback_ops_ends_near() {
    let desk = Desk::new();
    let arguments = |name: &'static str| ["tiny.yaml", SLOW, "length=10 steps", "--out", name];
    desk.train(&arguments("kernels")).ok();
    let arguments = arguments("fallback");
    desk.program(Program::Train).args(&arguments).env("TALLOW_FALLBACK", "1").say().ok();
    for (a, b) in losses(&desk, "kernels").iter().zip(losses(&desk, "fallback")) {
        // 1.3e-4 without AVX-512.
        assert!((a - b).abs() < 2e-4, "{a} != {b}");
    }
}

#[test]
fn every_preset_takes_a_step() {
    let desk = Desk::new();
    let mut seen = BTreeMap::new();
    for (preset, _) in tallow_policy::PRESETS {
        let loss = loss(&desk, &["tiny.yaml", &format!("policy={preset}")]);
        // Seven classes, untrained: somewhere about ln 7 = 1.95.
        assert!((1.0..4.0).contains(&loss), "{preset}: {loss}");
        seen.insert(loss.to_bits(), preset);
    }
    assert!(seen.len() >= 10, "presets that differ: {seen:?}");
}

/// Maps and sequences of tokens: every mix at a stage acts on them too.
#[test]
fn transformers_take_a_step_under_synermix() {
    let desk = Desk::new();
    let side = ["model.input=32", "images=[{ resize: [32, 32] }]", "evaluation=[{ resize: [32, 32] }]"];
    for (model, preset) in [("convnext_tiny", "synermix"), ("vit_tiny_patch16_224", "synermix_manifold")] {
        let (model, preset) = (format!("model.name={model}"), format!("policy={preset}"));
        let loss = loss(&desk, &[&["tiny.yaml", &model, &preset], &side[..]].concat());
        assert!((1.0..4.0).contains(&loss), "{model} {preset}: {loss}");
    }
}

#[test]
fn losses_follow_their_definitions() {
    let desk = Desk::new();
    let of = |settings: &[&str]| loss(&desk, &[&["tiny.yaml"], settings].concat());
    let plain = of(&[]);
    let near = |a: f64, b: f64| assert!((a - b).abs() < 2e-6, "{a} != {b}");
    near(of(&["loss.class_weights=[1, 1, 1, 1, 1, 1, 1]"]), plain);
    near(of(&["loss.class_weights=[2, 2, 2, 2, 2, 2, 2]"]), 2.0 * plain);
    near(of(&["loss.focal=0"]), plain);
    assert!(of(&["loss.focal=2"]) < plain);
    near(of(&["loss.smoothing=0"]), plain);
    // (1 − ε) t + ε / C is linear in ε.
    let (some, more) = (of(&["loss.smoothing=0.1"]), of(&["loss.smoothing=0.2"]));
    near(more - some, some - plain);
    assert!((some - plain).abs() > 1e-3);
    assert!((of(&["loss.class_weights=balanced"]) - plain).abs() > 1e-3);
}

/// All stages frozen: batch norms run on their statistics, rows do not see each other, and cutting a batch changes nothing.
const FROZEN: &str = "model.freeze=[stem, stage1, stage2, stage3]";

#[test]
fn accumulation_mixes_the_logical_batch() {
    let desk = Desk::new();
    let run = |name: &str, accumulate: &str| {
        desk.train(&["tiny.yaml", FROZEN, accumulate, "data.images=70", "--out", name]).ok();
        (losses(&desk, name), tensors(&desk.path(name).join("last/model.safetensors")))
    };
    let (whole, weights) = run("whole", "accumulate=1");
    assert_eq!(whole.len(), 2 * 5); // 70 images in batches of 16: the last has 6 rows
    for (name, accumulate) in [("halves", "accumulate=2"), ("thirds", "accumulate=3")] {
        let (losses, tensors) = run(name, accumulate);
        for (a, b) in whole.iter().zip(&losses) {
            assert!((a - b).abs() < 1e-5, "{accumulate}: {a} != {b}");
        }
        for (name, values) in &weights {
            let far = values.iter().zip(&tensors[name]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 1e-5, "{accumulate}: {name} differs by {far}");
        }
    }
}

#[test]
fn frozen_stages_stay_as_they_were() {
    let desk = Desk::new();
    let freeze = "model.freeze=[stem, stage1]";
    let run = |name: &str, length: &str| {
        desk.train(&["tiny.yaml", freeze, length, "--out", name]).ok();
        tensors(&desk.path(name).join("last/model.safetensors"))
    };
    let (one, eight) = (run("one", "length=1 steps"), run("eight", "length=8 steps"));
    let (mut frozen, mut moved) = (0, 0);
    for (name, values) in &one {
        if ["conv1", "bn1", "layer1"].iter().any(|stage| name.starts_with(stage)) {
            assert_eq!(values, &eight[name], "{name} moved");
            frozen += 1;
        } else if !name.ends_with("num_batches_tracked") {
            assert_ne!(values, &eight[name], "{name} did not move");
            moved += 1;
        }
    }
    assert!(frozen > 30 && moved > 60, "{frozen} frozen, {moved} moved");
}

/// Σ (a − b)² over the tensors that are trained.
fn distance(a: &BTreeMap<String, Vec<f32>>, b: &BTreeMap<String, Vec<f32>>) -> f64 {
    let trained = a.iter().filter(|(name, _)| name.ends_with("weight") || name.ends_with("bias"));
    let pairs = trained.flat_map(|(name, values)| values.iter().zip(&b[name]));
    pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn clipping_bounds_a_step() {
    let desk = Desk::new();
    let plain = "optimizer={ sgd: { momentum: 0 } }";
    let run = |name: &str, settings: &[&str]| {
        let arguments = ["tiny.yaml", plain, "length=1 steps", "--out", name];
        desk.train(&[&arguments, settings].concat()).ok();
        tensors(&desk.path(name).join("last/model.safetensors"))
    };
    let start = run("start", &["schedule={ constant: { lr: 1e-30 } }"]);
    let free = run("free", &["schedule={ constant: { lr: 0.5 } }"]);
    let loose = run("loose", &["schedule={ constant: { lr: 0.5 } }", "clip=1e9"]);
    let tight = run("tight", &["schedule={ constant: { lr: 0.5 } }", "clip=0.1"]);
    assert_eq!(free, loose);
    assert!(distance(&start, &free) > 0.06, "{}", distance(&start, &free));
    // rate · clip = 0.05, in the direction of the gradient.
    assert!((distance(&start, &tight) - 0.05).abs() < 1e-4, "{}", distance(&start, &tight));
}

#[test]
fn averages_are_what_is_evaluated_and_saved() {
    let desk = Desk::new();
    let run = |name: &str, settings: &[&str]| {
        desk.train(&[&["tiny.yaml", "--out", name], settings].concat()).ok();
        tensors(&desk.path(name).join("last/model.safetensors"))
    };
    let plain = run("plain", &[]);
    let instant = run("instant", &["ema={ decay: 0, warmup: false }"]);
    // An average of decay 0 is the last value, but for the rounding of a + 1 · (w − a).
    for (name, values) in &plain {
        let far = values.iter().zip(&instant[name]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-6, "{name}: {far}");
    }
    let slow = run("slow", &["ema={ decay: 0.9, warmup: false }"]);
    let raw = tensors(&desk.path("slow/last/raw.safetensors"));
    assert_eq!(raw, plain, "an average does not change what is trained");
    assert!(distance(&slow, &raw) > 1e-3);
    let kept = tensors(&desk.path("slow/last/ema.safetensors"));
    for (name, values) in &kept {
        assert_eq!(values, &slow[name], "{name}");
    }
    let said = desk.tallow(&["eval", "slow/last", "--json"]).ok().json();
    let (slow, plain) = (desk.json("slow/last/metrics.json"), desk.json("plain/last/metrics.json"));
    for key in ["confusion", "log_loss", "auroc", "ece"] {
        assert_eq!(said[key], slow[key], "{key}");
    }
    assert_ne!(said["log_loss"], plain["log_loss"]);
}

#[test]
fn training_stops_early() {
    let desk = Desk::new();
    // A rate this small improves nothing after the first epoch.
    let settings =
        ["schedule={ constant: { lr: 1e-30 } }", "early_stop.patience=2", "length=9 epochs", "ema.decay=0.5"];
    let arguments =
        [&["tiny.yaml", "select=accuracy", "images=[]", "--out", "run", "--json"], &settings[..]].concat();
    let said = desk.train(&arguments).ok().json();
    assert_eq!(said["stopped_early"], true, "{said}");
    let epochs = said["epochs"].as_u64().unwrap();
    assert_eq!(epochs, said["best"]["epoch"].as_u64().unwrap() + 2);
    let again = desk.train(&[&arguments[..], &["--resume"]].concat()).ok().json();
    assert_eq!((&again["stopped_early"], again["epochs"].as_u64()), (&true.into(), Some(epochs)));
    let patient = ["early_stop.patience=3", "--resume"];
    let said = desk.train(&[&arguments[..], &patient[1..]].concat()).ok().err;
    assert!(said.contains("to go on, resume with more patience, such as early_stop.patience=4"), "{said}");
    // Said in the terminal and in the report.
    let words: Vec<&str> =
        arguments.iter().copied().filter(|word| *word != "--json").chain(["--resume"]).collect();
    let best = epochs - 2;
    let why = format!(
        "stopped after epoch {epochs}: no better accuracy since epoch {best} (early_stop.patience 2)"
    );
    let out = desk.train(&words).ok().out;
    assert!(out.split_whitespace().collect::<Vec<_>>().join(" ").contains(&why), "{out}");
    assert!(desk.read("run/report.html").contains(&why.replacen('s', "S", 1)));
    // A run that comes to its end in the same epoch was not cut short.
    let whole = format!("length={epochs} epochs");
    let arguments: Vec<&str> = arguments
        .iter()
        .map(|word| match *word {
            "length=9 epochs" => &whole,
            "run" => "whole",
            word => word,
        })
        .collect();
    assert_eq!(desk.train(&arguments).ok().json()["stopped_early"], false);
    assert!(!desk.read("whole/report.html").contains("topped after epoch"));
}

/// A metric that is undefined (all validation images are of one class) is no reason to stop, nor to lose the run; it is said
/// before the run begins, and so are classes without images.
#[test]
fn an_undefined_metric_is_kept_and_resumed() {
    let desk = Desk::new();
    for (name, count) in [("train/a", 4), ("train/b", 4), ("validation/a", 4)] {
        for number in 0..count {
            let shade = (number * 20) as u8;
            let path = desk.path(&format!("images/{name}/{number}.png"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            image::RgbImage::from_pixel(16, 16, image::Rgb([shade, 90, 30])).save(path).unwrap();
        }
    }
    std::fs::create_dir_all(desk.path("images/validation/b")).unwrap();
    let data = "data={ name: folder, root: images, batch: 4, classes: [a, b], allow_leak: true }";
    let arguments = ["tiny.yaml", data, "select=auroc", "--out", "run"];
    for said in [desk.train(&[&arguments[..], &["--dry-run"]].concat()).ok(), desk.train(&arguments).ok()] {
        for words in [
            "warning: no validation image is of b: ",
            "warning: select: auroc is undefined on the validation part",
            "such as `select: accuracy`",
        ] {
            assert!(said.err.contains(words), "expected `{words}` in: {}", said.err);
        }
    }
    let report = desk.read("run/report.html");
    assert!(report.contains("no validation image is of b"), "{report}");
    let swapped = data.replace("[a, b]", "[a, b, c]");
    for class in ["train/c", "validation/c"] {
        std::fs::create_dir_all(desk.path(&format!("images/{class}"))).unwrap();
    }
    desk.train(&["tiny.yaml", &swapped, "--dry-run"])
        .complains(2, &["data.classes: no image has the class c"]);
    image::RgbImage::from_pixel(16, 16, image::Rgb([7, 9, 3]))
        .save(desk.path("images/validation/c/0.png"))
        .unwrap();
    let said = desk.train(&["tiny.yaml", &swapped, "--dry-run"]).ok().err;
    assert!(said.contains("warning: no training image is of c: nothing can be learnt"), "{said}");
    assert!(said.contains("warning: no validation image is of b: "), "{said}");
    assert_eq!(desk.json("run/last/state.json")["best"]["value"], "NaN");
    desk.train(&[&arguments[..], &["--resume"]].concat()).ok();
}
