//! A run that faults befall, and the one that is left alone.

use crate::disk::Disk;
use crate::fault::{Fault, damage, patience};
use crate::life::{Ended, begin, end, whole};
use crate::tally::Tally;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tallow_seed::{Rng, Seed};

pub struct Subject<'a> {
    /// What its recipe changes.
    settings: Vec<String>,
    seed: Seed,
    disk: &'a Disk,
}

/// Presets of every kind: none, at the input, at a tap, with a branch of clean views, and one that looks at the network.
const PRESETS: [&str; 6] =
    ["none", "mixup_or_cutmix", "cutmix_zeta_mixup", "manifold_mixup", "synermix", "saliencymix"];

/// Little of everything: 4 epochs of 8 steps.
const RECIPE: &str = "\
data: { name: synthetic, images: 64, size: 16, batch: 8, workers: 1 }
model: { name: resnet20, input: 16 }
images: [ { crop: { size: 16, padding: 2 } }, { flip: {} } ]
evaluation: [ { resize: [16, 16] } ]
optimizer: { sgd: { momentum: 0.9 } }
schedule: { cosine: { lr: 0.05 } }
length: 4 epochs
device: cpu
";

impl<'a> Subject<'a> {
    pub fn draw(seed: Seed, disk: &'a Disk) -> Subject<'a> {
        let mut rng = seed.fold("recipe", 0).rng();
        let mut settings = vec![format!("policy={}", PRESETS[rng.below(PRESETS.len() as u32) as usize])];
        let mut maybe = |setting: &str| {
            if rng.bernoulli(0.5) {
                settings.push(setting.to_owned());
            }
        };
        maybe("ema={ decay: 0.9 }");
        maybe("optimizer={ adamw: {} }");
        maybe("data.sampler=balanced");
        settings.push(format!("seed={}", 1 + rng.below(1000)));
        Subject { settings, seed, disk }
    }

    /// For people.
    pub fn name(&self) -> String {
        self.settings.join(" ")
    }

    /// Trains to the end through all that befalls it, beside a run that nothing befalls, and compares.
    pub fn endure(&self, tally: &mut Tally) -> io::Result<()> {
        let mut rng = self.seed.fold("faults", 0).rng();
        fs::write(self.disk.place.join("soak.yaml"), RECIPE)?;
        let (every, best) = (1 + rng.below(6), 1 + rng.below(3));
        let every = format!("checkpoint={{ every: {every} steps, keep: 3, best: {best} }}");
        let alone = end(begin(&self.arguments("alone", &every), &self.disk.place, 2)?, Duration::ZERO, None)?;
        tally.expect(&alone, &[0], &self.name());
        tally.memory(alone.memory);
        let arguments = self.arguments("faulty", &every);
        let mut longer = 1.0;
        loop {
            let before = furthest(&self.disk.place.join("faulty"));
            let ended = self.live(&arguments, longer, &mut rng, tally)?;
            if tally.has_gone_wrong() {
                return Ok(());
            }
            if ended.code == 0 {
                break;
            }
            // Where a start takes longer than a life, it would go on for ever.
            longer = if furthest(&self.disk.place.join("faulty")) > before { 1.0 } else { longer * 1.2 };
        }
        let [alone, faulty] = ["alone", "faulty"].map(|run| bytes(&self.disk.place.join(run)));
        tally.compare(&alone?, &faulty?, &self.name());
        Ok(())
    }

    fn arguments(&self, out: &str, every: &str) -> Vec<String> {
        let words = ["soak.yaml", "--resume-or-start", "--out", out, every].map(str::to_owned);
        words.into_iter().chain(self.settings.iter().cloned()).collect()
    }

    /// One life, and perhaps some damage after it.
    fn live(&self, arguments: &[String], longer: f64, rng: &mut Rng, tally: &mut Tally) -> io::Result<Ended> {
        let run = self.disk.place.join("faulty");
        let before = furthest(&run);
        let fault = Fault::of_a_life(rng);
        let threads = 1 + rng.below(3) as usize;
        let is_starved = fault == Fault::FullDisk && self.disk.can_be_filled();
        let filler = is_starved.then(|| self.disk.fill(u64::from(rng.below(3 << 20)))).transpose()?;
        let child = begin(arguments, &self.disk.place, threads)?;
        let ended = end(child, patience(rng).mul_f64(longer), Some(fault))?;
        drop(filler);
        // It may be finished first, or find no room; before it watches for signals it is ended by them, with the same code.
        let allowed: &[i32] = if is_starved { &[0, 5, fault.code()] } else { &[0, fault.code()] };
        tally.expect(&ended, allowed, &self.name());
        tally.memory(ended.memory);
        // A disk that was filled and did not matter is none; nor is a signal that came too late.
        match ended.code {
            0 => {}
            5 => tally.fault(Fault::FullDisk),
            _ if fault == Fault::FullDisk => tally.fault(Fault::Kill),
            _ => tally.fault(fault),
        }
        if threads != 2 {
            tally.other_threads();
        }
        tally.lost(before, furthest(&run), &self.name());
        if ended.code != 0
            && rng.bernoulli(0.3)
            && let Some(fault) = damage(&run, rng)?
        {
            tally.fault(fault);
        }
        Ok(ended)
    }

    pub fn remove(&self) -> io::Result<()> {
        ["alone", "faulty"].iter().try_for_each(|run| fs::remove_dir_all(self.disk.place.join(run)))
    }
}

/// The step of the furthest whole checkpoint.
fn furthest(run: &Path) -> u64 {
    whole(run).last().map_or(0, |(step, _)| *step)
}

/// What must be the same to the byte: everything but times, and the steps at which a run happened to be asked to stop.
fn bytes(run: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open: Vec<PathBuf> = ["best", "last"].iter().map(|name| run.join(name)).collect();
    for file in ["metrics.jsonl", "summary.csv", "predictions.csv", "recipe.yaml"] {
        found.insert(file.to_owned(), fs::read(run.join(file))?);
    }
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.strip_prefix(run).unwrap_or(&path).display().to_string();
            found.insert(name, fs::read(&path)?);
        }
    }
    Ok(found)
}
