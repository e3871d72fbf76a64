//! `doctor [RECIPE]`: what this machine has for a training, how fast it is, and what a recipe waits for on it.

use crate::arguments::Doctor;
use crate::wrap::{WIDTH, lines};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use tallow_data::counted;
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::doctor::{
    Complaint, Disk, Gpus, Hardware, Library, RecipePace, Speed, Waits, complaints, speed,
};
use tallow_train::{Run, Start};

/// Where what is said of a thing begins.
const BESIDE: usize = 12;

pub fn doctor(arguments: &Doctor, registry: &Registry) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    // A mistake in the recipe is told before anything is measured.
    let read = |path| super::plan(path, &arguments.overrides, registry, &progress);
    let plan = arguments.recipe.as_deref().map(read);
    let run = plan.transpose()?.map(|plan| Run::build(plan, Start::Recipe, &progress)).transpose()?;
    let place = Path::new(".");
    let (hardware, gpus, disk) = (Hardware::here(), Gpus::here(), Disk::of(place));
    let mut found = complaints(&hardware, &gpus, &disk, place);
    let speed = speed()?;
    let recipe = run.as_ref().map(|run| recipe(run, arguments.batches as usize, &mut found)).transpose()?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let json = json!({
            "version": tallow_train::VERSION,
            "commit": tallow_train::COMMIT,
            "features": features(&gpus),
            "hardware": hardware,
            "gpus": gpus,
            "disk": disk,
            "speed": speed,
            "recipe": recipe.as_ref().map(Measured::json),
            "complaints": found,
        });
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&json)?)?);
    }
    let mut text = machine(&hardware, &gpus, &disk, &speed);
    if let Some(recipe) = &recipe {
        text.push('\n');
        text += &recipe.text();
    }
    text.push('\n');
    text += &told(&found);
    Ok(write!(out, "{text}")?)
}

/// A recipe, and how fast it is here.
struct Measured {
    name: String,
    pace: RecipePace,
    memory: Option<String>,
}

fn recipe(run: &Run, batches: usize, found: &mut Vec<Complaint>) -> anyhow::Result<Measured> {
    let plan = run.plan();
    let memory = run.memory()?.map(|memory| memory.describe());
    if let Some((said, true)) = &memory {
        let remedy = "a smaller data.batch, with accumulate for the same update".to_owned();
        found.push(Complaint { what: said.clone(), remedy });
    }
    let pace = RecipePace::measure(run, batches)?;
    let size = tallow_data::size(&run.data.train.image(0)?)?;
    found.extend(pace.complaint(size, plan.model.input));
    Ok(Measured { name: plan.name.clone(), pace, memory: memory.map(|(said, _)| said) })
}

impl Measured {
    fn json(&self) -> Value {
        let mut json = serde_json::to_value(&self.pace).expect("numbers and names");
        json["name"] = self.name.clone().into();
        json["memory"] = self.memory.clone().into();
        json
    }

    fn text(&self) -> String {
        let RecipePace { device, batch, loader_threads, decoding, reading, network, training, .. } =
            &self.pace;
        let rate = |rate: f64| if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
        let readers = counted(*loader_threads, "loader thread");
        let [read, waits] = [self.pace.share_of_reading, self.pace.waiting].map(percent);
        let reads = if device.starts_with("cpu") {
            format!("reading is {read} of the work on an image")
        } else {
            format!("{waits} of the time it waits for images")
        };
        let bottleneck = match self.pace.bottleneck {
            Waits::Decoding => "decoding images",
            Waits::Policies => "image policies",
            Waits::Network => "the network",
        };
        let epochs = self.pace.epochs;
        let whole = if epochs == epochs.round() { format!("{epochs:.0}") } else { format!("{epochs:.1}") };
        let mut text = line("recipe", &format!("{} on {device}, batches of {batch}", self.name));
        let decoded = format!("{} images/s by {readers}; decoding alone {}", rate(*reading), rate(*decoding));
        text += &line("reading", &decoded);
        text += &line("network", &format!("{} images/s", rate(*network)));
        text += &line("training", &format!("{} images/s; {reads}", rate(*training)));
        let length = format!(
            "an epoch takes {}, {whole} of them {}, without evaluations",
            time(self.pace.epoch_seconds),
            time(self.pace.run_seconds)
        );
        text += &line("length", &length);
        if let Some(memory) = &self.memory {
            text += &line("memory", memory.strip_prefix("memory: ").unwrap_or(memory));
        }
        text + &line("waits for", bottleneck)
    }
}

/// What the machine has.
fn machine(hardware: &Hardware, gpus: &Gpus, disk: &Disk, speed: &Speed) -> String {
    let mut text = format!(
        "tallow {} ({}), {}\n\n",
        tallow_train::VERSION,
        tallow_train::COMMIT,
        built(&features(gpus))
    );
    let name = hardware.processor.as_deref().unwrap_or("not named");
    let threads = counted(hardware.threads, "thread");
    let cores = counted(hardware.cores, "core");
    text += &line("processor", &format!("{name}, {cores}, {threads}; loops by {}", hardware.loops));
    let rates =
        format!("{:.0} GFLOP/s in f32 products, {:.1} GB/s of memory", speed.gflops, speed.gb_per_second);
    text += &line("", &rates);
    let memory = match (hardware.memory, hardware.available) {
        (Some(all), Some(free)) => format!("{}, {} of it free", gibibytes(all), gibibytes(free)),
        _ => "not known".to_owned(),
    };
    text += &line("memory", &memory);
    text += &line("gpu", &gpu(gpus));
    for library in &gpus.libraries {
        text += &line("", &said_of(library));
    }
    let (jpegs, threads) = (speed.jpegs_per_second, counted(hardware.cores, "core"));
    text += &line("decoding", &format!("{jpegs:.0} JPEGs of 600 × 450 pixels a second on {threads}"));
    let free = disk.free.map_or("room not known".to_owned(), |free| format!("{} free here", gibibytes(free)));
    let written = disk.written_mb_per_second.map_or(String::new(), |rate| format!(", writes {rate:.0} MB/s"));
    text + &line("disk", &format!("{free}{written}"))
}

fn gpu(gpus: &Gpus) -> String {
    let built = match (&gpus.built_with[..], &gpus.refused) {
        ([], _) => "this build computes on the processor alone".to_owned(),
        (_, Some(why)) => format!("does not open: {why}"),
        (_, None) => format!("device: auto takes {}", gpus.auto),
    };
    let there = if gpus.nvidia.is_empty() { "none found".to_owned() } else { gpus.nvidia.join("; ") };
    format!("{there}; {built}")
}

/// `cuBLAS 13.0.2: /usr/local/cuda/lib64/libcublas.so.13`, where the library says its version.
fn said_of(library: &Library) -> String {
    let name = library.name;
    match (&library.file, &library.version, &library.missing) {
        (Some(file), Some(version), _) => format!("{name} {version}: {}", file.display()),
        (Some(file), None, _) => format!("{name} {}", file.display()),
        (None, _, Some(why)) => format!("{name}: {why}"),
        (None, _, None) => format!("{name} not found"),
    }
}

fn features(gpus: &Gpus) -> Vec<&'static str> {
    let ours = [("hub", cfg!(feature = "hub")), ("board", cfg!(feature = "board"))];
    let ours = ours.into_iter().filter_map(|(name, has)| has.then_some(name));
    ours.chain(gpus.built_with.iter().copied()).collect()
}

fn built(features: &[&str]) -> String {
    if features.is_empty() { "without features".to_owned() } else { format!("with {}", features.join(", ")) }
}

fn told(found: &[Complaint]) -> String {
    if found.is_empty() {
        return "nothing is in the way\n".to_owned();
    }
    let mut text = String::new();
    for Complaint { what, remedy } in found {
        for (at, line) in lines(&format!("{what} – {remedy}"), WIDTH - 2).into_iter().enumerate() {
            text += &format!("{} {line}\n", if at == 0 { "!" } else { " " });
        }
    }
    text
}

/// A thing, and what is said of it, in a column.
fn line(name: &str, text: &str) -> String {
    let mut out = String::new();
    for (at, part) in lines(text, WIDTH - BESIDE).into_iter().enumerate() {
        out += format!("{:<BESIDE$}{part}", if at == 0 { name } else { "" }).trim_end();
        out.push('\n');
    }
    out
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// `8.1 s`, `12 min`, `3.5 h`.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.1} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_people_say_them() {
        assert_eq!([8.06, 89.0, 600.0, 9000.0].map(time), ["8.1 s", "89.0 s", "10 min", "2.5 h"]);
    }

    #[test]
    fn complaints_have_their_remedy_within_80_columns() {
        assert_eq!(told(&[]), "nothing is in the way\n");
        let what = "most of the time goes into decoding images".to_owned();
        let remedy =
            "images of 4000 × 3000 pixels are read for a network of 224: keep smaller copies".to_owned();
        let text = told(&[Complaint { what, remedy }]);
        assert!(
            text.starts_with("! most of") && text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }
}
