//! How far training, evaluation and downloads are: bars on a terminal, plain lines elsewhere, always on stderr.

use crate::plain;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tallow_data::counted;

/// Where progress is shown. Clones show in the same place.
#[derive(Clone)]
pub struct Progress {
    show: Show,
    kept: Arc<Mutex<Kept>>,
}

/// Where lines are kept beside what is shown.
#[derive(Default)]
enum Kept {
    #[default]
    Nowhere,
    /// Until a file for them is there.
    Held(Vec<String>),
    In(File),
}

#[derive(Clone)]
enum Show {
    Nothing,
    Bars { bars: MultiProgress, colour: bool },
    Lines { out: Arc<Mutex<dyn Write + Send>>, every: Duration },
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Images,
    Files,
    Bytes,
}

impl Progress {
    /// On stderr: bars on a terminal, otherwise plain lines, one every 10 seconds and one at each end. `NO_COLOR` (any value but
    /// the empty one) takes the colours away, `TERM=dumb` the bars.
    pub fn stderr() -> Progress {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        if std::io::stderr().is_terminal() && set("TERM").is_none_or(|term| term != "dumb") {
            let colour = set("NO_COLOR").is_none();
            Progress::bars(ProgressDrawTarget::stderr_with_hz(10), colour)
        } else {
            Progress::lines(std::io::stderr(), Duration::from_secs(10))
        }
    }

    /// Shows nothing.
    pub fn hidden() -> Progress {
        Progress::of(Show::Nothing)
    }

    /// Plain lines: at most one per bar every `every`, and one when it finishes.
    pub fn lines(out: impl Write + Send + 'static, every: Duration) -> Progress {
        Progress::of(Show::Lines { out: Arc::new(Mutex::new(out)), every })
    }

    fn bars(target: ProgressDrawTarget, colour: bool) -> Progress {
        Progress::of(Show::Bars { bars: MultiProgress::with_draw_target(target), colour })
    }

    fn of(show: Show) -> Progress {
        Progress { show, kept: Arc::default() }
    }

    /// From here on lines are held, for the file that [`keep_in`](Self::keep_in) will name; what was kept before ends.
    pub fn hold(&self) {
        *unpoisoned(&self.kept) = Kept::Held(Vec::new());
    }

    /// Appends what was held, and every further line, to a file, after an empty line where there are lines already. A file that
    /// cannot be written is no reason to stop a run.
    pub fn keep_in(&self, path: &Path) {
        let mut kept = unpoisoned(&self.kept);
        let Kept::Held(lines) = &*kept else { return };
        let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) else { return };
        let is_new = file.metadata().is_ok_and(|data| data.len() == 0);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let _ = file.write_all(format!("{}{text}", if is_new { "" } else { "\n" }).as_bytes());
        *kept = Kept::In(file);
    }

    /// Keeps a last line that is not shown here, where there is one, and ends the file.
    pub fn let_go(&self, last: Option<&str>) {
        if let Some(line) = last {
            self.keep(line);
        }
        *unpoisoned(&self.kept) = Kept::Nowhere;
    }

    fn keep(&self, line: &str) {
        match &mut *unpoisoned(&self.kept) {
            Kept::Nowhere => {}
            Kept::Held(lines) => lines.push(line.to_owned()),
            Kept::In(file) => drop(writeln!(file, "{line}")),
        }
    }

    /// A training epoch, `epoch` counted from 1, over `images` images.
    pub fn epoch(&self, epoch: u64, epochs: u64, images: u64) -> Bar {
        let digits = epochs.to_string().len();
        self.bar(&format!("epoch {epoch:>digits$}/{epochs}"), Unit::Images, Some(images))
    }

    /// Anything else that takes time: an evaluation, a download, a verification. `total: None` where it is not known.
    pub fn bar(&self, label: &str, unit: Unit, total: Option<u64>) -> Bar {
        let show = match &self.show {
            Show::Bars { bars, colour } => {
                let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
                let bar = bars.add(
                    bar.with_style(style(unit, total.is_some(), *colour)).with_prefix(label.to_string()),
                );
                bar.tick();
                Some(bar)
            }
            _ => None,
        };
        let (progress, label) = (self.clone(), label.to_string());
        Bar { progress, label, unit, total, began: Instant::now(), bar: show, state: Mutex::default() }
    }

    /// A line of text, above the bars.
    pub fn note(&self, line: &str) {
        let line = plain(line);
        self.keep(&line);
        self.show(&line);
    }

    fn show(&self, line: &str) {
        match &self.show {
            Show::Nothing => {}
            Show::Bars { bars, .. } => drop(bars.println(line)),
            // Progress that cannot be written (a closed pipe) is no reason to stop a run.
            Show::Lines { out, .. } => drop(writeln!(unpoisoned(out), "{line}")),
        }
    }
}

/// Something under way. It is `Sync`: several threads may tick it. Dropped unfinished, it disappears without a line.
pub struct Bar {
    progress: Progress,
    label: String,
    unit: Unit,
    total: Option<u64>,
    began: Instant,
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    done: u64,
    lines: u32,
}

impl Bar {
    /// `count` more are done; `values` (loss, lr …) stand at the end of the line.
    pub fn tick(&self, count: u64, values: &[(&str, f64)]) {
        if let Some(bar) = &self.bar {
            bar.set_message(spaced(values));
            return bar.inc(count);
        }
        let Show::Lines { every, .. } = &self.progress.show else { return };
        let mut state = unpoisoned(&self.state);
        state.done += count;
        let elapsed = self.began.elapsed();
        // No line for the last tick: `finish` writes that one.
        if elapsed >= *every * (state.lines + 1) && self.total.is_none_or(|total| state.done < total) {
            state.lines = if every.is_zero() { 0 } else { (elapsed.as_nanos() / every.as_nanos()) as u32 };
            self.progress.show(&self.under_way(state.done, elapsed, values));
        }
    }

    /// Takes the bar away and leaves a line with the time it took, the mean rate and `values`.
    pub fn finish(self, values: &[(&str, f64)]) {
        let done = self.bar.as_ref().map_or(unpoisoned(&self.state).done, ProgressBar::position);
        let elapsed = self.began.elapsed();
        let mut parts =
            vec![self.label.clone(), duration(elapsed), rate(self.unit, done as f64 / elapsed.as_secs_f64())];
        parts.extend(values.iter().map(|(name, value)| format!("{name} {}", number(*value))));
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.progress.note(&fold(&parts));
    }

    fn under_way(&self, done: u64, elapsed: Duration, values: &[(&str, f64)]) -> String {
        let speed = done as f64 / elapsed.as_secs_f64();
        let mut parts = vec![self.label.clone()];
        match self.total {
            Some(total) => {
                parts.push(format!("{:.0} %", 100. * done as f64 / total.max(1) as f64));
                parts.push(rate(self.unit, speed));
                if let Ok(left) = Duration::try_from_secs_f64((total.saturating_sub(done)) as f64 / speed) {
                    parts.push(format!("{} left", duration(left)));
                }
            }
            None => parts.extend([amount(self.unit, done), rate(self.unit, speed)]),
        }
        parts.extend(values.iter().map(|(name, value)| format!("{name} {}", number(*value))));
        fold(&parts)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn unpoisoned<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn style(unit: Unit, known: bool, colour: bool) -> ProgressStyle {
    let template = match (known, colour) {
        (true, true) => "{prefix:.bold} {wide_bar:.cyan/dim} {percent:>3} % {rate} {left:.dim}  {msg}",
        (true, false) => "{prefix} {wide_bar} {percent:>3} % {rate} {left}  {msg}",
        (false, true) => "{prefix:.bold} {spinner:.cyan} {amount} {rate}  {msg}",
        (false, false) => "{prefix} {spinner} {amount} {rate}  {msg}",
    };
    ProgressStyle::with_template(template)
        .expect("the templates above parse")
        .progress_chars(if colour { "━╸━" } else { "━╸─" })
        .with_key("rate", move |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{:>9}", rate(unit, state.per_sec()));
        })
        .with_key("left", |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{:>5}", duration(state.eta()));
        })
        .with_key("amount", move |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{}", amount(unit, state.pos()));
        })
}

fn spaced(values: &[(&str, f64)]) -> String {
    values.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect::<Vec<_>>().join("  ")
}

/// Parts two spaces apart, in lines of at most 80 columns.
fn fold(parts: &[String]) -> String {
    let (mut out, mut width) = (String::new(), 0);
    for part in parts {
        let length = part.chars().count();
        let gap = if width == 0 {
            ""
        } else if width + 2 + length > 80 {
            width = 2;
            "\n    "
        } else {
            "  "
        };
        out.push_str(gap);
        out.push_str(part);
        width += if gap.is_empty() { length } else { length + 2 };
    }
    out
}

/// Four decimals where they say something, otherwise two significant digits: 0.8123, 1.2e-5, 20480.
fn number(value: f64) -> String {
    match value.abs() {
        0. => "0".into(),
        1e3.. => format!("{value:.0}"),
        1e-3.. => format!("{value:.4}"),
        _ if value.is_nan() => "nan".into(),
        _ => format!("{value:.1e}"),
    }
}

fn rate(unit: Unit, per_second: f64) -> String {
    match unit {
        _ if !per_second.is_finite() => String::from("–"),
        Unit::Bytes => format!("{}/s", bytes(per_second)),
        Unit::Images => format!("{} img/s", brief(per_second)),
        Unit::Files => format!("{} files/s", brief(per_second)),
    }
}

fn amount(unit: Unit, count: u64) -> String {
    match unit {
        Unit::Bytes => bytes(count as f64),
        Unit::Images => counted(count, "image"),
        Unit::Files => counted(count, "file"),
    }
}

fn brief(value: f64) -> String {
    if value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn bytes(count: f64) -> String {
    match count {
        1e9.. => format!("{:.2} GB", count / 1e9),
        1e6.. => format!("{:.1} MB", count / 1e6),
        1e3.. => format!("{:.0} kB", count / 1e3),
        _ => format!("{count:.0} B"),
    }
}

/// 0:07, 12:34, 1:02:03; below ten seconds with a decimal, 3.1 s.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match () {
        _ if time.as_secs_f64() < 9.95 => format!("{:.1} s", time.as_secs_f64()),
        _ if hours > 0 => format!("{hours}:{minutes:02}:{rest:02}"),
        _ => format!("{minutes}:{rest:02}"),
    }
}

#[cfg(test)]
mod tests;
