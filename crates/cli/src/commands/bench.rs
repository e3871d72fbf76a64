//! `bench`: what training costs, and what of the machine it uses.

mod caches;
mod figures;

use super::device;
use crate::arguments::{
    Bench, EvalBench, MixBench, NetworkBench, Pace, RecipeBench, ReduceBench, StepBench, Timed,
};
use crate::ranks;
use candle_core::Device;
use figures::Figures;
use serde_yaml::{Mapping, Value};
use tallow_data::listed;
use tallow_policy::{PRESETS, Policy, Registry};
use tallow_report::Progress;
use tallow_train::bench::{self, Machine, Work};
use tallow_train::{Data, Error, Plan, Precision, Run, Start};

pub fn bench(arguments: &Bench, registry: &Registry) -> anyhow::Result<()> {
    match &arguments.what {
        Timed::Step(arguments) => step(arguments, registry),
        Timed::Eval(arguments) => eval(arguments),
        Timed::Mix(arguments) => mix(arguments, registry),
        Timed::Load(arguments) => load(arguments, registry),
        Timed::Epoch(arguments) => epoch(arguments, registry),
        Timed::Reduce(arguments) => reduce(arguments),
    }
}

fn step(arguments: &StepBench, registry: &Registry) -> anyhow::Result<()> {
    let pace = &arguments.pace;
    let device = device(&pace.device)?;
    let work = work(&arguments.network, &device)?;
    let policy = policy("--policy", &arguments.policy, registry)?;
    let taps = policy.check_taps(work.model.name, work.model.taps);
    if !taps.is_empty() {
        return Err(mistakes("--policy", taps).into());
    }
    let bench = bench::Bench::build(work, &device)?;
    let phases = bench.train(&policy, pace.warmup as usize, pace.steps as usize)?;
    let rss = bench::peak_rss();
    let machine = machine(&device);
    let seconds = phases.step.median();

    let mut figures = Figures::new();
    network(&mut figures, &work, &bench, &device);
    figures.put("policy", policy.name.as_str(), "");
    repetitions(&mut figures, pace);
    figures.put("images_per_second", work.batch as f64 / seconds, "batch / step_seconds");
    figures.put("step_seconds", seconds, "median; all but the upload");
    figures.put("step_seconds_min", phases.step.least(), "");
    figures.put("forward_seconds", phases.forward.median(), "median; with the loss");
    figures.put("backward_seconds", phases.backward.median(), "median");
    figures.put("optimizer_seconds", phases.optimizer.median(), "median; Nesterov SGD, decay");
    figures.put("mixing_seconds", phases.mixing.median(), "median; draws, blends, targets");
    figures.put("norm_seconds", phases.norms.median(), "median; of each branch's gradient, where several");
    figures.put("loss", phases.loss, "of the last step");
    figures.put("peak_rss_bytes", rss, "of this process");
    // A backward pass has two products for each of the forward pass.
    let branches = policy.running().count() as u64;
    let flops = bench.forward_flops().map(|forward| 3 * forward * branches);
    products(&mut figures, flops, seconds, machine);
    // Read the gradient, read and write the parameter and its velocity, 4 bytes each.
    let rate = (5 * 4 * bench.parameters()) as f64 / phases.optimizer.median() / 1e9;
    figures.put("optimizer_gb_per_second", rate, "5 numbers moved a parameter");
    figures.put("machine_gb_per_second", machine.map(|m| m.gb_per_second), "triad beyond the caches");
    // Within the caches the memory's bandwidth is no bound.
    let state = 3 * 4 * bench.parameters() as u64;
    let beyond = caches::last_level().is_some_and(|bytes| state > bytes);
    let share = machine.filter(|_| beyond).map(|m| rate / m.gb_per_second);
    figures.put("optimizer_share_of_bandwidth", share, "– where the caches hold its state");
    figures.print(pace.json)
}

fn eval(arguments: &EvalBench) -> anyhow::Result<()> {
    let pace = &arguments.pace;
    let device = device(&pace.device)?;
    let work = work(&arguments.network, &device)?;
    let bench = bench::Bench::build(work, &device)?;
    let times = bench.evaluate(pace.warmup as usize, pace.steps as usize)?;
    let rss = bench::peak_rss();
    let machine = machine(&device);

    let mut figures = Figures::new();
    network(&mut figures, &work, &bench, &device);
    repetitions(&mut figures, pace);
    figures.put("images_per_second", work.batch as f64 / times.median(), "batch / forward_seconds");
    figures.put("forward_seconds", times.median(), "median; no graph");
    figures.put("forward_seconds_min", times.least(), "");
    figures.put("peak_rss_bytes", rss, "of this process");
    products(&mut figures, bench.forward_flops(), times.median(), machine);
    figures.put("machine_gb_per_second", machine.map(|m| m.gb_per_second), "triad beyond the caches");
    figures.print(pace.json)
}

fn mix(arguments: &MixBench, registry: &Registry) -> anyhow::Result<()> {
    let (pace, shape) = (&arguments.pace, &arguments.shape.0);
    let policy = policy("POLICY", &arguments.policy, registry)?;
    if let Some(mention) = policy.taps().iter().find(|mention| mention.spatial && shape.len() != 4) {
        let problem = format!("--shape: {} needs images or maps, R,C,H,W, got {shape:?}", mention.policy);
        return Err(Error::recipe(problem).into());
    }
    let device = device(&pace.device)?;
    let (warmup, steps) = (pace.warmup as usize, pace.steps as usize);
    let mixed = bench::mix(&policy, shape, arguments.classes as usize, &device, (warmup, steps))?;
    let machine = machine(&device);
    let bytes = mixed.bytes / u64::from(pace.steps);
    let rate = bytes as f64 / mixed.times.median() / 1e9;

    let mut figures = Figures::new();
    figures.put("policy", policy.name.as_str(), "");
    figures.put("shape", shape.clone(), "");
    figures.put("classes", arguments.classes, "");
    machinery(&mut figures, &device);
    repetitions(&mut figures, pace);
    figures.put("milliseconds", 1e3 * mixed.times.median(), "median; draws, blends, targets");
    figures.put("milliseconds_min", 1e3 * mixed.times.least(), "");
    figures.put("mixes", mixed.applied, "in the timed repetitions");
    figures.put("bytes", bytes, "of a batch, in once, out once");
    figures.put("gb_per_second", rate, "bytes / milliseconds");
    figures.put("machine_gb_per_second", machine.map(|m| m.gb_per_second), "triad beyond the caches");
    figures.put("share_of_bandwidth", machine.map(|m| rate / m.gb_per_second), "");
    figures.print(pace.json)
}

fn load(arguments: &RecipeBench, registry: &Registry) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    let plan = Plan::read(&arguments.recipe, &arguments.overrides, registry)?;
    let data = Data::open(&plan, &progress)?;
    let loaded = bench::load(&plan, &data, limit(arguments))?;

    let mut figures = Figures::new();
    figures.put("recipe", plan.name.as_str(), "");
    program(&mut figures);
    figures.put("loader_threads", plan.data.workers, "");
    figures.put("images", loaded.images, "");
    figures.put("batches", loaded.batches, "");
    figures.put("images_per_second", loaded.images as f64 / loaded.seconds, "decoding and image policies");
    figures.put("seconds", loaded.seconds, "");
    figures.put("first_batch_seconds", loaded.first_seconds, "");
    figures.put("peak_rss_bytes", bench::peak_rss(), "of this process");
    figures.print(arguments.json)
}

fn epoch(arguments: &RecipeBench, registry: &Registry) -> anyhow::Result<()> {
    let ranks = ranks::join()?;
    let progress = ranks::progress(&*ranks);
    let read = |overrides: &[String]| Plan::read(&arguments.recipe, overrides, registry);
    let plan = ranks::plan(&*ranks, read, &arguments.overrides)?;
    let run = Run::build_among(plan, Start::Recipe, &progress, ranks.clone())?;
    let trained = bench::epoch(&run, limit(arguments))?;
    if ranks.index() > 0 {
        return Ok(());
    }

    let mut figures = Figures::new();
    figures.put("recipe", run.plan().name.as_str(), "");
    figures.put("model", run.plan().model.spec.name, "");
    figures.put("input", run.plan().model.input, "pixels a side");
    figures.put("batch", run.plan().data.batch, "");
    figures.put("loader_threads", run.plan().data.workers, "");
    machinery(&mut figures, &run.model.device);
    figures.put("shards", run.plan().shards, "of a batch");
    figures.put("ranks", ranks.count(), "");
    figures.put("images", trained.images, "");
    figures.put(
        "images_per_second",
        trained.images as f64 / trained.seconds,
        "with the first batch's decoding",
    );
    figures.put("seconds", trained.seconds, "");
    figures.put("waiting_seconds", trained.waiting.sum(), "for the loader");
    figures.put("step_seconds", trained.step.median(), "median; upload to backward");
    figures.put("optimizer_seconds", trained.optimizer.median(), "median; clip, update, average");
    figures.put("exchange_seconds", trained.traffic.seconds, "sending to other ranks, and waiting for them");
    figures.put("reduce_seconds", trained.traffic.beside, "the same for gradients, beside the walk");
    figures.put("sent_bytes", trained.traffic.bytes, "to other ranks, by this one");
    figures.put("loss", trained.loss, "mean over the images");
    figures.put("peak_rss_bytes", bench::peak_rss(), "of this process");
    figures.print(arguments.json)
}

fn reduce(arguments: &ReduceBench) -> anyhow::Result<()> {
    let ranks = ranks::join()?;
    let repetitions = (arguments.warmup as usize, arguments.steps as usize);
    let reduced = bench::reduce(&ranks, arguments.numbers as usize, repetitions)?;
    if ranks.index() > 0 {
        return Ok(());
    }
    let (seconds, bytes) = (reduced.times.median(), reduced.traffic.bytes / u64::from(arguments.steps));
    let mut figures = Figures::new();
    program(&mut figures);
    figures.put("ranks", ranks.count(), "");
    figures.put("numbers", arguments.numbers, "f32, of each rank");
    figures.put("warmup", arguments.warmup, "repetitions before them");
    figures.put("steps", arguments.steps, "timed repetitions");
    figures.put("milliseconds", 1e3 * seconds, "median");
    figures.put("milliseconds_min", 1e3 * reduced.times.least(), "");
    figures.put("sent_bytes", bytes, "by this rank, in one of them");
    figures.put("gb_per_second", bytes as f64 / seconds / 1e9, "sent by this rank");
    figures.put("peak_rss_bytes", bench::peak_rss(), "of this process");
    figures.print(arguments.json)
}

fn limit(arguments: &RecipeBench) -> usize {
    arguments.limit.map_or(usize::MAX, |limit| limit as usize)
}

fn work(arguments: &NetworkBench, device: &Device) -> Result<Work, Error> {
    let name = &arguments.model;
    let model = tallow_models::find(name).ok_or_else(|| {
        let known = tallow_models::MODELS.iter().map(|model| model.name);
        Error::recipe(format!("--model: unknown model `{name}`{}", listed("models", name, known)))
    })?;
    let mistake = |problem| Error::recipe(format!("--precision: {problem}"));
    let precision: Precision = arguments.precision.parse().map_err(mistake)?;
    precision.check(device).map_err(mistake)?;
    if let Some(doubt) = precision.doubt(device) {
        return Err(mistake(doubt));
    }
    let input = arguments.input.map_or(model.input, |input| input as usize);
    Ok(Work {
        model,
        stem: arguments.stem,
        input,
        batch: arguments.batch as usize,
        classes: arguments.classes as usize,
        precision,
    })
}

/// A preset by its name, else one mix, by its name or as a node of a recipe.
pub(super) fn policy(argument: &str, text: &str, registry: &Registry) -> Result<Policy, Error> {
    if PRESETS.iter().any(|(name, _)| *name == text) {
        return Policy::preset(text, registry).map_err(|found| mistakes(argument, found));
    }
    let value: Value =
        serde_yaml::from_str(text).map_err(|error| Error::recipe(format!("{argument}: {error}")))?;
    let node = match value {
        Value::String(name) => {
            let mixes = registry.policies.iter().filter(|spec| !spec.is_image()).map(|spec| spec.name);
            if !mixes.clone().any(|known| known == name) {
                let presets = PRESETS.iter().map(|(name, _)| *name);
                let near = listed("presets", &name, mixes.chain(presets));
                let problem =
                    format!("{argument}: no preset or mix `{name}`{near} and `tallow list policies`");
                return Err(Error::recipe(problem));
            }
            mapping(&name, Value::Mapping(Mapping::new()))
        }
        other => other,
    };
    let branch = mapping("policies", Value::Sequence(vec![node]));
    let branches = mapping("branches", Value::Sequence(vec![branch]));
    Policy::parse(text, &branches, registry).map_err(|found| mistakes(argument, found))
}

fn mapping(key: &str, value: Value) -> Value {
    Value::Mapping(Mapping::from_iter([(key.into(), value)]))
}

pub(super) fn mistakes(argument: &str, found: Vec<tallow_policy::Mistake>) -> Error {
    let line = |mistake: &tallow_policy::Mistake| {
        let text = mistake.to_string();
        let text = text.strip_prefix("branches[0].policies[0].").unwrap_or(&text);
        format!("{argument}: {text}")
    };
    Error::Recipe(found.iter().map(line).collect())
}

fn network(figures: &mut Figures, work: &Work, bench: &bench::Bench, device: &Device) {
    figures.put("model", work.model.name, "");
    figures.put("stem", work.stem.unwrap_or(work.model.stem).name(), "");
    figures.put("input", work.input, "pixels a side");
    figures.put("batch", work.batch, "");
    figures.put("classes", work.classes, "");
    figures.put("parameters", bench.parameters(), "");
    figures.put("precision", work.precision.name(), "");
    machinery(figures, device);
}

/// What this machine's processor can do, where the work is on it.
fn machine(device: &Device) -> Option<Machine> {
    device.is_cpu().then(bench::machine)
}

fn machinery(figures: &mut Figures, device: &Device) {
    program(figures);
    figures.put("device", tallow_train::device_name(device), "");
    figures.put("threads", bench::threads(), "of the arithmetic");
    figures.put("dtype", "f32", "of parameters");
    figures.put("layout", "NCHW", "at the taps");
}

fn program(figures: &mut Figures) {
    figures.put("version", tallow_train::VERSION, "");
    figures.put("commit", tallow_train::COMMIT, "");
}

fn repetitions(figures: &mut Figures, pace: &Pace) {
    figures.put("warmup", pace.warmup, "repetitions before them");
    figures.put("steps", pace.steps, "timed repetitions");
}

fn products(figures: &mut Figures, flops: Option<u64>, seconds: f64, machine: Option<Machine>) {
    let rate = flops.map(|flops| flops as f64 / seconds / 1e9);
    figures.put("flops", flops, "direct, 2 a multiply-add; training 3 × forward");
    figures.put("gflops", rate, "flops / seconds / 10⁹");
    figures.put("machine_gflops", machine.map(|m| m.gflops), "f32 matrix products, all threads");
    let share = rate.zip(machine).map(|(rate, m)| rate / m.gflops);
    figures.put("share_of_peak", share, "of direct flops: Winograd does fewer, so it may pass 1");
}
