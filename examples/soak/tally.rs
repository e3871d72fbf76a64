//! What was counted.

use crate::fault::Fault;
use crate::life::{Ended, resident};
use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Default)]
pub struct Tally {
    faults: BTreeMap<Fault, u64>,
    /// Lives with another number of threads than the run that is left alone.
    other_threads: u64,
    runs: u64,
    lost: u64,
    bits: u64,
    compared: u64,
    wrong: u64,
    /// Of every life, in order.
    memory: Vec<u64>,
    own: Option<u64>,
}

impl Tally {
    pub fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    pub fn other_threads(&mut self) {
        self.other_threads += 1;
    }

    pub fn memory(&mut self, bytes: u64) {
        self.own.get_or_insert_with(|| resident(std::process::id()));
        if bytes > 0 {
            self.memory.push(bytes);
        }
    }

    /// A life that ended otherwise than it may.
    pub fn expect(&mut self, ended: &Ended, allowed: &[i32], name: &str) {
        if !allowed.contains(&ended.code) {
            self.wrong += 1;
            eprintln!("{name}: expected exit code {allowed:?}, got {}:\n{}", ended.code, ended.said);
        }
    }

    /// The furthest whole checkpoint, before a life and after it.
    pub fn lost(&mut self, before: u64, after: u64, name: &str) {
        if after < before {
            self.lost += 1;
            eprintln!("{name}: the furthest whole checkpoint was of step {before}, and is of step {after}");
        }
    }

    pub fn compare(
        &mut self,
        alone: &BTreeMap<String, Vec<u8>>,
        faulty: &BTreeMap<String, Vec<u8>>,
        name: &str,
    ) {
        self.runs += 1;
        let nothing = Vec::new();
        for file in alone.keys().chain(faulty.keys().filter(|file| !alone.contains_key(*file))) {
            let [a, b] = [alone, faulty].map(|run| run.get(file).unwrap_or(&nothing));
            let common: u64 = a.iter().zip(b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum();
            let bits = common + 8 * a.len().abs_diff(b.len()) as u64;
            self.compared += a.len() as u64;
            self.bits += bits;
            if bits > 0 {
                eprintln!("{name}: {file}: {bits} bits differ");
            }
        }
    }

    pub fn has_gone_wrong(&self) -> bool {
        self.wrong > 0
    }

    pub fn is_clean(&self) -> bool {
        self.lost + self.bits + self.wrong == 0
    }

    fn sum(&self) -> u64 {
        self.faults.values().sum()
    }

    pub fn line(&self) -> String {
        format!("{:>6} faults, {} lost, {} bits differ", self.sum(), self.lost, self.bits)
    }

    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut row =
            |name: &str, value: String| writeln!(text, "{name:<34}{value:>12}").expect("a String takes all");
        for (fault, count) in &self.faults {
            row(fault.name(), count.to_string());
        }
        row("faults", self.sum().to_string());
        row("lives on other threads", self.other_threads.to_string());
        row("runs finished and compared", self.runs.to_string());
        row("bytes compared", self.compared.to_string());
        row("checkpoints lost", self.lost.to_string());
        row("bits differing", self.bits.to_string());
        row("lives that ended otherwise", self.wrong.to_string());
        let part = (self.memory.len() / 10).max(1);
        let most = |lives: &[u64]| lives.iter().max().map_or("unknown".to_owned(), |bytes| mib(*bytes));
        row("memory of a run, first tenth", most(&self.memory[..part.min(self.memory.len())]));
        row("memory of a run, last tenth", most(&self.memory[self.memory.len().saturating_sub(part)..]));
        row("memory of this program, start", self.own.map_or("unknown".to_owned(), mib));
        row("memory of this program, end", mib(resident(std::process::id())));
        text
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
