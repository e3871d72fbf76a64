//! Whole trainings on a CUDA device: its losses, gradients and predictions are the CPU's. On the stand-in for a GPU of the kernels'
//! tests, which runs kernels on the host, or on the GPU that `TALLOW_TEST_DEVICE=cuda:0` names. Where there is neither a C++ compiler
//! for the stand-in nor a GPU named, nothing is checked, which is said.

#[path = "../../crates/kernels/tests/cuda/place.rs"]
mod place;
#[allow(dead_code)] // of what all tests share, a part
#[path = "../program.rs"]
mod program;

use place::Place;
use program::{Desk, Program, Said, root, tensors};
use serde_json::Value;
use std::path::Path;

fn place() -> Option<&'static Place> {
    Place::find(&root().join("crates/kernels"))
}

impl Place {
    /// `train …` on the CPU, and on CUDA: folders `cpu` and `cuda` below `name`.
    fn train_both(&self, desk: &Desk, name: &str, arguments: &[&str]) {
        for (device, out) in [("cpu", "cpu"), (self.device(), "cuda")] {
            let (device, out) = (format!("device={device}"), format!("{name}/{out}"));
            self.run(desk, Program::Train, &[arguments, &[&device, "--out", &out]].concat()).ok();
        }
    }

    fn device(&self) -> &str {
        match self {
            Place::StandIn(_) => "cuda:0",
            Place::Gpu(device) => device,
        }
    }

    fn run(&self, desk: &Desk, program: Program, arguments: &[&str]) -> Said {
        let running = desk.program(program).args(arguments);
        let running =
            running.env("TALLOW_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda_kernels"));
        match self {
            Place::StandIn(folder) => running.env("TALLOW_CUDA_LIBRARIES", folder).say(),
            Place::Gpu(_) => running.say(),
        }
    }
}

/// The numbers under `key` of each step of a run.
fn steps(desk: &Desk, run: &str, key: &str) -> Vec<f64> {
    let text = desk.read(&format!("{run}/metrics.jsonl"));
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter_map(|record| record[key].as_f64()).collect()
}

/// Two files of tensors differ by less than `each` of a tensor's length, and by `all` of that of all together. Rounding flips a ReLU
/// here and there, which shows in a bias; what is wired wrongly shows everywhere.
fn assert_near(desk: &Desk, name: &str, file: &str, (each, all): (f64, f64)) {
    let [cpu, cuda] = ["cpu", "cuda"].map(|run| tensors(&desk.path(&format!("{name}/{run}/last/{file}"))));
    assert_eq!(cpu.keys().collect::<Vec<_>>(), cuda.keys().collect::<Vec<_>>());
    let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
    let whole = squares(&mut cpu.values().flatten().copied()).sqrt();
    let mut apart = 0.0;
    for (tensor, want) in &cpu {
        let far = squares(&mut want.iter().zip(&cuda[tensor]).map(|(a, b)| a - b));
        let long = squares(&mut want.iter().copied()).sqrt();
        // A gradient that is 0 but for rounding, such as that of a bias before a norm, is as long as the rounding of the others.
        let allowed = each * long + 1e-6 * whole;
        assert!(far.sqrt() <= allowed, "{name}: {file}: {tensor}: {} apart, of {long}", far.sqrt());
        apart += far;
    }
    let share = apart.sqrt() / whole;
    assert!(share <= all, "{name}: {file}: all tensors are {share:.1e} of their length apart");
}

/// What rounding may do: to the gradient of a tensor, to all gradients together, to all parameters together.
struct Bounds([f64; 3]);

/// Of networks with ReLU, and of smooth ones. A step that is left out is farther.
const KINKED: Bounds = Bounds([0.1, 0.05, 5e-4]);
const SMOOTH: Bounds = Bounds([1e-3, 1e-4, 2e-7]);

/// The losses of all steps, and after them parameters and what the optimizer keeps of gradients.
fn assert_alike(desk: &Desk, name: &str, Bounds([each, gradients, parameters]): Bounds) {
    let [cpu, cuda] = ["cpu", "cuda"].map(|run| steps(desk, &format!("{name}/{run}"), "loss"));
    assert!(!cpu.is_empty() && cpu.len() == cuda.len(), "{name}: {cpu:?} {cuda:?}");
    for (a, b) in cpu.iter().zip(&cuda) {
        assert!((a - b).abs() <= 1e-4 * a.abs(), "{name}: losses {cpu:?}, on CUDA {cuda:?}");
    }
    assert_near(desk, name, "optimizer.safetensors", (each, gradients));
    // Biases begin at 0: what they are is what their gradients made them.
    assert_near(desk, name, "model.safetensors", (each, parameters));
}

/// Without momentum's past a step's velocity is its gradient; the second step's has both.
const RECIPE: &str = "\
extends: tiny.yaml
data: { images: 24, size: 16, batch: 8 }
optimizer: { sgd: { momentum: 0.9 } }
schedule: { constant: { lr: 0.01 } }
length: 2 steps
";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("two.yaml", RECIPE);
    desk
}

#[test]
fn every_preset_gives_a_small_resnet_the_cpus_losses_and_gradients() {
    let Some(place) = place() else { return };
    let desk = desk();
    for preset in std::fs::read_dir(root().join("policies")).unwrap() {
        let preset = preset.unwrap().path();
        let name = preset.file_stem().unwrap().to_str().unwrap();
        place.train_both(&desk, name, &["two.yaml", &format!("policy={name}")]);
        assert_alike(&desk, name, KINKED);
    }
}

#[test]
fn networks_of_every_kind_have_the_cpus_losses_and_gradients() {
    let Some(place) = place() else { return };
    let desk = desk();
    for (model, side, length, policy, bounds) in [
        // From scratch its gradients are so steep that a second step shows nothing but how far the first has thrown it.
        ("mobilenet_v2", 64, 1, "cutmix_zeta_mixup", KINKED),
        ("mobilenet_v3_small", 32, 2, "synermix", SMOOTH),
        ("vit_tiny_patch16_224", 32, 2, "mixup_or_cutmix_deit", SMOOTH),
        ("swin_t", 32, 1, "manifold_mixup", SMOOTH),
    ] {
        let arguments = [
            format!("model={{ name: {model}, input: {side} }}"),
            format!("images=[{{ crop: {{ size: {side}, padding: {} }} }}]", side / 2 - 4),
            format!("evaluation=[{{ resize: [{side}, {side}] }}]"),
            format!("policy={policy}"),
            "schedule={ constant: { lr: 1e-4 } }".to_owned(),
            format!("length={length} steps"),
        ];
        let arguments: Vec<&str> =
            ["two.yaml"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        place.train_both(&desk, model, &arguments);
        assert_alike(&desk, model, bounds);
    }
}

/// AdamW, Adam with its coupled decay, clipping, averages, accumulation.
#[test]
fn what_stands_around_a_step_is_the_cpus() {
    let Some(place) = place() else { return };
    let desk = desk();
    for (name, arguments) in [
        ("adamw", &["optimizer={ adamw: { decay: 0.1 } }", "ema={ decay: 0.9 }"][..]),
        ("adam", &["optimizer={ adam: { decay: 0.1 } }", "clip=0.1"]),
        ("accumulated", &["accumulate=2", "policy=mixup", "clip=0.1"]),
        ("focal", &["loss={ focal: 2.0, smoothing: 0.1, class_weights: balanced }"]),
    ] {
        // Adam divides a gradient by its own size: where it is 0 but for rounding, its step is a sign.
        let eps = if name.starts_with("adam") { &["length=1 steps"][..] } else { &[] };
        place.train_both(&desk, name, &[&["two.yaml", "policy=none"], arguments, eps].concat());
        assert_alike(&desk, name, KINKED);
    }
}

/// Nine steps in bf16 stay beside those in f32, the numbers of eight read together, and what comes of them is asked on a CPU.
#[test]
fn bf16_trains_as_f32_does_but_for_rounding() {
    let Some(place) = place() else { return };
    let desk = desk();
    let arguments =
        ["two.yaml", "data.images=80", "length=9 steps", "policy=cutmix_zeta_mixup", "accumulate=2"];
    for (out, device) in [("f32", "cpu"), ("bf16", place.device())] {
        let (precision, device) = (format!("precision={out}"), format!("device={device}"));
        let all = [&arguments[..], &[&device, &precision, "--out", out]].concat();
        place.run(&desk, Program::Train, &all).ok();
    }
    let [f32, bf16] = ["f32", "bf16"].map(|run| steps(&desk, run, "loss"));
    assert_eq!(f32.len(), 9);
    let apart = |(a, b): (&f64, &f64)| (a - b).abs() / a.abs();
    let most = f32.iter().zip(&bf16).map(apart).fold(0.0, f64::max);
    // Rounding is there, and small.
    assert!((1e-5..0.05).contains(&most), "{f32:?}\n{bf16:?}");
    // Parameters are kept in f32, all of them: most of their numbers need more than 8 bits.
    for (name, values) in tensors(&desk.path("bf16/last/model.safetensors")) {
        let finer = values.iter().filter(|value| value.to_bits() & 0xffff != 0).count();
        assert!(!name.ends_with("weight") || 2 * finer > values.len(), "{name}: {finer} of {}", values.len());
    }
    let evaluated = place.run(&desk, Program::Tallow, &["eval", "bf16", "device=cpu", "--json"]).ok().json();
    let kept = desk.json("bf16/best/metrics.json");
    let log_loss = |found: &Value| found["log_loss"].as_f64().expect("a number");
    let (now, then) = (log_loss(&evaluated), log_loss(&kept));
    assert!((now - then).abs() < 0.02 * then, "log loss {then} in bf16, asked in f32 {now}");
    let refused =
        place.run(&desk, Program::Train, &["two.yaml", "precision=bf16", "device=cpu", "--out", "x"]);
    refused.complains(2, &["precision", "bf16 – cpu", "write f32, or compute on cuda"]);
}
