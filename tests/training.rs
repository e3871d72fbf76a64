//! What training does to numbers: the same seed gives the same bytes, whatever the threads; the knobs do what they say.

use crate::program::{Desk, Program, TINY, tensors};
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

/// Compares runs file by file, so that a difference has a name.
#[track_caller]
pub fn assert_same(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let differing: Vec<&String> = a.keys().filter(|name| a[*name] != b[*name]).collect();
    assert!(differing.is_empty(), "these files differ: {differing:?}");
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
    // 2 folders of 8 files (with the averages' and the raw weights), and 4 files beside them.
    assert_eq!(first.len(), 2 * 8 + 4, "{:?}", first.keys());
    assert_same(&first, &run("again", "2", &[]));
    assert_same(&first, &run("workers_0", "2", &["data.workers=0"]));
    assert_same(&first, &run("workers_4", "2", &["data.workers=4"]));
    assert_same(&first, &run("threads_1", "1", &[]));
    assert_same(&first, &run("threads_3", "3", &[]));
    let other = run("other", "2", &["seed=2"]);
    let differing = first.keys().filter(|name| first[*name] != other[*name]).count();
    assert!(differing > 12, "another seed changes only {differing} files");
}

/// The loss of each step of a run.
fn losses(desk: &Desk, run: &str) -> Vec<f64> {
    let text = desk.read(&format!("{run}/metrics.jsonl"));
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter_map(|record| record["loss"].as_f64()).collect()
}

/// Made by this program on 2026-11-20; it moves only when the arithmetic, the random numbers or the drawn images do, and
/// then on purpose.
const CURVE: [f64; 10] =
    [1.964805, 1.915248, 1.966709, 1.821550, 1.855946, 1.878983, 1.902964, 1.628007, 1.808800, 1.601172];

/// At higher rates the signs of ReLUs flip on rounding, and processors part ways within ten steps.
const SLOW: &str = "schedule.cosine.rate=5e-4";

#[test]
fn the_loss_curve_is_the_recorded_one() {
    let desk = Desk::new();
    desk.train(&["tiny.yaml", SLOW, "length=10 steps", "--out", "run"]).ok();
    let got = losses(&desk, "run");
    assert_eq!(got.len(), CURVE.len());
    for (got, expected) in got.iter().zip(CURVE) {
        assert!((got - expected).abs() < 1e-4, "{:?}", losses(&desk, "run"));
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
        assert!((a - b).abs() < 1e-4, "{a} != {b}");
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
    let start = run("start", &["schedule={ constant: { rate: 1e-30 } }"]);
    let free = run("free", &["schedule={ constant: { rate: 0.5 } }"]);
    let loose = run("loose", &["schedule={ constant: { rate: 0.5 } }", "clip=1e9"]);
    let tight = run("tight", &["schedule={ constant: { rate: 0.5 } }", "clip=0.1"]);
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
    let mut said = desk.tallow(&["eval", "slow/last", "--json"]).ok().json();
    said.as_object_mut().unwrap().remove("intervals").expect("intervals");
    assert_eq!(said, desk.json("slow/last/metrics.json"));
    assert_ne!(said, desk.json("plain/last/metrics.json"));
}

#[test]
fn training_stops_early() {
    let desk = Desk::new();
    // A rate this small improves nothing after the first epoch.
    let settings = [
        "schedule={ constant: { rate: 1e-30 } }",
        "early_stop.patience=2",
        "length=9 epochs",
        "ema.decay=0.5",
    ];
    let arguments =
        [&["tiny.yaml", "select=accuracy", "images=[]", "--out", "run", "--json"], &settings[..]].concat();
    let said = desk.train(&arguments).ok().json();
    assert_eq!(said["stopped_early"], true, "{said}");
    let epochs = said["epochs"].as_u64().unwrap();
    assert_eq!(epochs, said["best"]["epoch"].as_u64().unwrap() + 2);
    let again = desk.train(&[&arguments[..], &["--resume"]].concat()).ok().json();
    assert_eq!((&again["stopped_early"], again["epochs"].as_u64()), (&true.into(), Some(epochs)));
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
    let data = "data={ name: folder, root: images, batch: 4, classes: [a, b] }";
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
    let said = desk.train(&["tiny.yaml", &swapped, "--dry-run"]).ok().err;
    assert!(said.contains("warning: no training image is of c: nothing can be learnt"), "{said}");
    assert!(
        said.contains("warning: no validation image is of b, c: ") && !said.contains("undefined"),
        "{said}"
    );
    assert_eq!(desk.json("run/last/state.json")["best"]["value"], "NaN");
    desk.train(&[&arguments[..], &["--resume"]].concat()).ok();
}

#[test]
fn a_parameter_without_a_gradient_is_an_error() {
    let desk = Desk::new();
    let registry = tallow_policy::Registry::builtin();
    let plan = tallow_train::Plan::read(&desk.path("tiny.yaml"), &[], &registry).unwrap();
    let progress = tallow_report::Progress::hidden();
    let run = tallow_train::Run::build(plan, tallow_train::Start::Recipe, &progress).unwrap();
    let rows: Vec<u32> = (0..4).collect();
    let bytes = (0..4 * 16 * 16 * 3).map(|i| (i * 37 % 251) as u8).collect();
    let view = tallow_data::Pixels { rows: 4, height: 16, width: 16, bytes };
    let labels = rows.iter().map(|row| run.data.train.label(*row as usize)).collect();
    let batch = tallow_data::HostBatch { views: vec![view], labels, indices: rows };
    let moment = tallow_policy::Moment { step: 0, steps: 1, batches_per_epoch: 1, batch: 4 };
    let seed = tallow_seed::Seed::new(1);
    let mut step = tallow_train::step(&run, &batch, seed, &moment).unwrap();
    assert_eq!(step.gradients.len(), run.model.params.trainable.len());
    let mut state = run.optimizer().state(&run.model.params).unwrap();
    let mut update = |gradients: &BTreeMap<String, candle_core::Tensor>| {
        run.optimizer().update(&run.model.params, gradients, &mut state, 0.1, None)
    };
    update(&step.gradients).unwrap();
    step.gradients.remove("layer2.0.conv1.weight").unwrap();
    let error = update(&step.gradients).unwrap_err().to_string();
    assert!(error.contains("parameter `layer2.0.conv1.weight` got no gradient"), "{error}");
}

/// What the mix `watch` was given.
static GRADIENT: std::sync::Mutex<Option<candle_core::Tensor>> = std::sync::Mutex::new(None);

/// Asks for the gradient by the input, and leaves the rows as they are.
struct Watch;

impl tallow_policy::Mix for Watch {
    fn needs(&self) -> tallow_policy::Needs {
        tallow_policy::Needs::InputGradient
    }

    fn draw(
        &self,
        at: &tallow_policy::Site,
        _: &mut tallow_seed::Rng,
    ) -> tallow_policy::Result<tallow_policy::Mixing> {
        *GRADIENT.lock().unwrap() = at.input_gradient.cloned();
        Ok(tallow_policy::Mixing::Keep)
    }
}

static WATCH: tallow_policy::Spec = tallow_policy::Spec {
    name: "watch",
    summary: "looks at the gradient by the input",
    source: "this test",
    parameters: &[],
    example: "{ watch: {} }",
    cost: "nothing",
    spatial: false,
    build: tallow_policy::Build::Mix(|_| Ok(Box::new(Watch))),
};

/// The probe of a guided mix gives the gradient of the loss by the input, and moves nothing: neither a gradient of the step,
/// nor a running statistic, nor a parameter.
#[test]
fn a_probe_leaves_no_trace() {
    let desk = Desk::new();
    let mut registry = tallow_policy::Registry::builtin();
    registry.push(&WATCH);
    let bytes = |salt: usize| (0..6 * 16 * 16 * 3).map(|i| ((i + salt) * 37 % 251) as u8).collect();
    let moment = tallow_policy::Moment { step: 0, steps: 1, batches_per_epoch: 1, batch: 6 };
    let progress = tallow_report::Progress::hidden();
    let step = |branches: &str, accumulate: &str| {
        desk.write("watched.yaml", TINY.replace("policy: cutmix_zeta_mixup", branches));
        let overrides = [accumulate.to_owned()];
        let plan = tallow_train::Plan::read(&desk.path("watched.yaml"), &overrides, &registry).unwrap();
        let run = tallow_train::Run::build(plan, tallow_train::Start::Recipe, &progress).unwrap();
        let view = tallow_data::Pixels { rows: 6, height: 16, width: 16, bytes: bytes(0) };
        let indices: Vec<u32> = (0..6).collect();
        let labels = indices.iter().map(|row| run.data.train.label(*row as usize)).collect();
        let batch = tallow_data::HostBatch { views: vec![view], labels, indices };
        let step = tallow_train::step(&run, &batch, tallow_seed::Seed::new(1), &moment).unwrap();
        let flat = |tensor: &candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let gradients: Vec<_> = step.gradients.iter().map(|(name, x)| (name.clone(), flat(x))).collect();
        let buffers: Vec<_> =
            run.model.params.buffers.iter().map(|(name, x)| (name.clone(), flat(x.var()))).collect();
        (run, batch, step.loss.to_bits(), gradients, buffers)
    };
    for accumulate in ["accumulate=1", "accumulate=2"] {
        let plain = step("branches: [ { policies: [] } ]", accumulate);
        let watched = step("branches: [ { policies: [ { watch: {} } ] } ]", accumulate);
        assert_eq!(plain.2, watched.2);
        assert!(plain.3 == watched.3, "gradients moved");
        assert!(plain.4 == watched.4, "running statistics moved");
        assert!(plain.4.len() > 30 && plain.4.iter().any(|(_, values)| values.iter().any(|x| *x != 0.0)));
    }
    // By finite differences, along the gradient g itself: (L(x + hg) − L(x − hg)) / 2h = |g|².
    let (run, batch, ..) = step("branches: [ { policies: [ { watch: {} } ] } ]", "accumulate=1");
    let gradient = GRADIENT.lock().unwrap().take().expect("a gradient was given");
    let values = run.model.upload(&batch.views[0]).unwrap();
    assert_eq!(gradient.dims(), values.dims());
    let classes = run.model.classes.len();
    let targets = tallow_policy::Rows::one_hot(batch.labels.clone(), vec![None; 6], classes).targets;
    let square = gradient.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
    let loss = |h: f64| -> f64 {
        let moved = (&values + (&gradient * h).unwrap()).unwrap();
        let logits = run.model.network.forward(&moved, &tallow_models::Mode::Probe).unwrap();
        f64::from(run.loss.of(&logits, &targets).unwrap().to_scalar::<f32>().unwrap())
    };
    let h = 0.01 / f64::from(square.sqrt());
    let slope = (loss(h) - loss(-h)) / (2.0 * h);
    assert!((slope / f64::from(square) - 1.0).abs() < 0.02, "{slope}, {square}");
}

/// Two branches, and what each gave: its loss before its weight, the norm of its gradient, the fate of its mixes. Collecting the
/// branches apart leaves their sum as it was, to the bit.
#[test]
fn a_step_knows_its_branches() {
    let desk = Desk::new();
    let registry = tallow_policy::Registry::builtin();
    let progress = tallow_report::Progress::hidden();
    let bytes = |salt: usize| (0..6 * 16 * 16 * 3).map(|i| ((i + salt) * 37 % 251) as u8).collect();
    let moment = tallow_policy::Moment { step: 0, steps: 1, batches_per_epoch: 1, batch: 6 };
    let step = |weights: [f64; 2]| {
        let [a, b] = weights;
        let branches = format!(
            "branches:\n\
             - {{ weight: {a}, policies: [ {{ cutmix: {{}} }}, {{ mixup: {{}}, p: 0 }} ] }}\n\
             - {{ weight: {b}, policies: [ {{ zeta_mixup: {{}}, at: stage2 }} ] }}"
        );
        desk.write("two.yaml", TINY.replace("policy: cutmix_zeta_mixup", &branches));
        let plan = tallow_train::Plan::read(&desk.path("two.yaml"), &[], &registry).unwrap();
        let run = tallow_train::Run::build(plan, tallow_train::Start::Recipe, &progress).unwrap();
        let view = tallow_data::Pixels { rows: 6, height: 16, width: 16, bytes: bytes(0) };
        let indices: Vec<u32> = (0..6).collect();
        let labels = indices.iter().map(|row| run.data.train.label(*row as usize)).collect();
        let batch = tallow_data::HostBatch { views: vec![view], labels, indices };
        tallow_train::step(&run, &batch, tallow_seed::Seed::new(1), &moment).unwrap()
    };
    let flat = |tensor: &candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let norm = |step: &tallow_train::Step| {
        let squares = step.gradients.values().flat_map(flat).map(|g| f64::from(g).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let (both, first, second) = (step([0.75, 0.25]), step([0.75, 0.0]), step([0.0, 0.25]));
    let [a, b] = both.branches.as_slice() else { panic!("two branches") };
    assert_eq!((a.branch, b.branch), (0, 1));
    assert!((0.75 * a.loss + 0.25 * b.loss - both.loss).abs() < 1e-12);
    for (one, alone) in [(a, &first), (b, &second)] {
        assert_eq!(alone.branches[0].loss, one.loss);
        assert_eq!((alone.branches[0].gradient_norm, &alone.branches[0].targets), (None, &one.targets));
        let (got, expected) = (one.gradient_norm.unwrap(), norm(alone));
        assert!((got - expected).abs() < 1e-9 * expected, "{got} != {expected}");
    }
    assert_ne!(a.targets, b.targets);
    let fates = |one: &tallow_report::Attribution| -> Vec<(String, Option<String>)> {
        one.mixes.iter().map(|mix| (mix.policy.clone(), mix.tap.clone())).collect()
    };
    let tap = |tap: &str| Some(tap.to_owned());
    assert_eq!(fates(a), [("cutmix".into(), tap("input")), ("mixup".into(), None)]);
    assert_eq!(fates(b), [("zeta_mixup".into(), tap("stage2"))]);
    for (name, sum) in &both.gradients {
        let parts = flat(&first.gradients[name]).into_iter().zip(flat(&second.gradients[name]));
        assert!(flat(sum) == parts.map(|(a, b)| a + b).collect::<Vec<f32>>(), "{name}");
    }
}

#[test]
fn the_log_attributes_every_step() {
    let desk = Desk::new();
    desk.train(&["tiny.yaml", "policy=synermix_manifold", "--out", "run"]).ok();
    let text = desk.read("run/metrics.jsonl");
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<&Value> = records.iter().filter(|record| record["loss"].is_f64()).collect();
    assert_eq!(steps.len(), 8);
    for step in steps {
        let branches = step["branches"].as_array().unwrap();
        assert_eq!(branches.len(), 2, "{step}");
        assert!(branches.iter().all(|branch| branch["gradient_norm"].as_f64().unwrap() > 0.0), "{step}");
        assert!(branches.iter().all(|branch| branch["mixes"][0]["tap"].is_string()), "{step}");
    }
}
