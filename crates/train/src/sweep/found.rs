//! What a sweep amounts to: of every setting the metrics over its runs, and how it stands against one of them. The statistics are
//! those of `tallow_metrics`.

use super::{Cell, Part, State, Sweep};
use crate::run::keys;
use crate::share::HEADLINE;
use crate::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use tallow_data::counted;
use tallow_metrics::{
    Better, Comparison, Metric, Predictions, Resampling, RunsInterval, compare_runs, find, has_interval,
    holm, intervals_of_runs, mean, standard_deviation, thin_classes,
};

/// What is asked of the runs of a sweep.
pub struct Question {
    pub part: Part,
    /// By which settings are ranked and compared.
    pub metric: &'static Metric,
    /// Whether the others are compared with the best setting, and not with the first.
    pub against_best: bool,
    pub resamples: u32,
    /// How much of the resamples an interval holds.
    pub level: f64,
}

/// All that is known of a sweep. No time and no place: the same runs give the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    pub recipe: String,
    /// What is varied.
    pub keys: Vec<String>,
    pub seeds: Vec<u64>,
    pub folds: Option<u32>,
    /// Of the data: `validation` or `test`.
    pub part: &'static str,
    pub metric: &'static str,
    /// `higher` or `lower`.
    pub better: &'static str,
    pub level: f64,
    pub resamples: u32,
    /// What is drawn: `groups` or `images`.
    pub over: &'static str,
    /// The best first.
    pub settings: Vec<SettingResults>,
    /// The setting with which the others are compared, and whether it is that because it is the best.
    pub against: String,
    pub against_best: bool,
    /// In the order of the settings.
    pub comparisons: Vec<Against>,
    pub cells: Vec<CellResults>,
    /// What is missing, and what could not be compared, one sentence each.
    pub notes: Vec<String>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CellResults {
    /// From 1.
    pub cell: usize,
    pub folder: String,
    pub setting: String,
    pub seed: u64,
    pub fold: Option<u32>,
    /// `done`, `begun` or `new`.
    pub state: &'static str,
    /// Whose predictions these are, from 1.
    pub epoch: Option<u64>,
    pub images: Option<usize>,
    pub metrics: BTreeMap<&'static str, f64>,
    /// What the run warned of at its end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The runs of one setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SettingResults {
    pub name: String,
    /// By key.
    pub values: BTreeMap<String, String>,
    /// That are done, of how many.
    pub runs: usize,
    pub of: usize,
    /// All of whose folds are done.
    pub seeds: Vec<u64>,
    pub metrics: BTreeMap<&'static str, MetricResults>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricResults {
    /// Over the runs: seeds and folds.
    pub mean: f64,
    /// Over the runs, n − 1.
    pub sd: f64,
    /// Of the predictions of each seed, those of its folds together, which are of every image once: the mean over seeds, their
    /// standard deviation, and the interval of the mean. Of the test part, which all folds share, of each run by itself. `None`
    /// where no seed is done.
    pub whole: Option<RunsInterval>,
}

/// A setting against that of [`Judgement::against`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Against {
    pub name: String,
    /// That both have.
    pub seeds: Vec<u64>,
    #[serde(flatten)]
    pub comparison: Comparison,
    /// That of the permutation test, corrected for the number of comparisons.
    pub p_holm: f64,
}

/// What runs warned of, a sentence for each: its advice is in its own report.
fn warned(cells: &[CellResults]) -> impl Iterator<Item = String> {
    let of = |cell: &CellResults| {
        let short = |warning: &String| warning.split("; ").next().unwrap_or_default().to_owned();
        cell.warnings.iter().map(|warning| format!("{}: {}", cell.folder, short(warning))).collect::<Vec<_>>()
    };
    cells.iter().flat_map(of)
}

/// Predictions of the same images, of the seeds of a setting all of whose folds are done: of each seed, or of each of its folds.
type Wholes = BTreeMap<(u64, Option<u32>), Predictions>;

impl Sweep {
    /// What the runs that are done amount to.
    ///
    /// # Errors
    /// Predictions that cannot be read; folds of a seed that have images in common.
    pub fn judge(&self, folder: &Path, states: &[State], question: &Question) -> Result<Judgement> {
        let metrics = metrics(question.metric);
        let read = |(cell, state)| predictions(folder, cell, state, question.part);
        let runs: Vec<Option<Predictions>> =
            self.cells.iter().zip(states).map(read).collect::<Result<_>>()?;
        let by_group = runs.iter().flatten().any(|run| run.groups.iter().any(Option::is_some));
        let how = Resampling {
            resamples: question.resamples,
            level: question.level,
            by_group,
            seed: keys::bootstrap(),
        };
        let cells = self.cells.iter().enumerate().zip(states).zip(&runs);
        let cells: Vec<CellResults> = cells
            .map(|(((at, cell), state), run)| self.cell_results(at, cell, state, run.as_ref(), &metrics))
            .collect();
        let mut settings = Vec::new();
        for at in 0..self.settings.len() {
            let wholes = self.wholes(at, &runs, question.part)?;
            settings.push((self.setting_results(at, &cells, &wholes, &metrics, &how)?, wholes));
        }
        let first = settings[0].0.name.clone();
        let value = |results: &SettingResults| {
            results.metrics[question.metric.name].whole.map_or(f64::NAN, |whole| whole.mean)
        };
        // Stable: of equal ones the first is first.
        settings.sort_by(|(a, _), (b, _)| {
            let (a, b) = (value(a), value(b));
            let beats = |a, b| question.metric.better.beats(a, b);
            beats(b, a).cmp(&beats(a, b))
        });
        let mut notes = self.missing(states);
        notes.extend(warned(&cells));
        // Of what is resampled: all folds of a seed together.
        let mut wholes = settings.iter().flat_map(|(_, wholes)| wholes.values());
        notes.extend(wholes.next().and_then(|whole| thin_classes(whole, by_group)));
        let against = if question.against_best { settings[0].0.name.clone() } else { first };
        let comparisons = compared(&settings, &against, question.metric, &how, &mut notes);
        Ok(Judgement {
            recipe: self.name.clone(),
            keys: self.axes.iter().map(|axis| axis.key.clone()).collect(),
            seeds: self.seeds.clone(),
            folds: self.repeats.folds,
            part: question.part.name(),
            metric: question.metric.name,
            better: if question.metric.better == Better::Lower { "lower" } else { "higher" },
            level: question.level,
            resamples: question.resamples,
            over: if by_group { "groups" } else { "images" },
            settings: settings.into_iter().map(|(results, _)| results).collect(),
            against,
            against_best: question.against_best,
            comparisons,
            cells,
            notes,
        })
    }

    /// What one cell came to, by its place; the metrics are those of a report, and that of the question.
    ///
    /// # Errors
    /// Predictions that cannot be read.
    pub fn look(&self, at: usize, folder: &Path, state: &State, question: &Question) -> Result<CellResults> {
        let cell = &self.cells[at];
        let run = predictions(folder, cell, state, question.part)?;
        Ok(self.cell_results(at, cell, state, run.as_ref(), &metrics(question.metric)))
    }

    fn cell_results(
        &self,
        at: usize,
        cell: &Cell,
        state: &State,
        run: Option<&Predictions>,
        metrics: &[&'static Metric],
    ) -> CellResults {
        let values =
            |run: &Predictions| metrics.iter().map(|metric| (metric.name, (metric.of)(run))).collect();
        CellResults {
            cell: at + 1,
            folder: cell.name.clone(),
            setting: self.settings[cell.setting].name.clone(),
            seed: cell.seed,
            fold: cell.fold,
            state: state.name(),
            epoch: match state {
                State::Done(ended) => Some(ended.epoch),
                _ => None,
            },
            warnings: match state {
                State::Done(ended) => ended.warnings.clone(),
                _ => Vec::new(),
            },
            images: run.map(Predictions::len),
            metrics: run.map(values).unwrap_or_default(),
        }
    }

    /// The predictions of each seed of a setting: those of its folds one after the other, which are of other images, but of the test
    /// part each for itself.
    fn wholes(&self, setting: usize, runs: &[Option<Predictions>], part: Part) -> Result<Wholes> {
        let mut wholes = Wholes::new();
        for &seed in &self.seeds {
            let of_seed = self.cells.iter().zip(runs);
            let of_seed = of_seed.filter(|(cell, _)| (cell.setting, cell.seed) == (setting, seed));
            let done = of_seed.map(|(cell, run)| Some((cell.fold, run.as_ref()?)));
            let Some(parts) = done.collect::<Option<Vec<_>>>() else { continue };
            for (fold, run) in parts {
                let key = (seed, if part == Part::Test { fold } else { None });
                let Some(pooled) = wholes.get_mut(&key) else {
                    wholes.insert(key, run.clone());
                    continue;
                };
                let place =
                    |error| Error::Data(format!("{}, seed {seed}: {error}", self.settings[setting].name));
                pooled.extend(run).map_err(place)?;
            }
        }
        Ok(wholes)
    }

    fn setting_results(
        &self,
        setting: usize,
        cells: &[CellResults],
        wholes: &Wholes,
        metrics: &[&'static Metric],
        how: &Resampling,
    ) -> Result<SettingResults> {
        let (name, values) = (&self.settings[setting].name, &self.settings[setting].values);
        let of_setting = || cells.iter().zip(&self.cells).filter(|(_, cell)| cell.setting == setting);
        let done: Vec<&CellResults> = of_setting()
            .filter(|(results, _)| results.images.is_some())
            .map(|(results, _)| results)
            .collect();
        let whole: Vec<&Predictions> = wholes.values().collect();
        let intervals = match whole[..] {
            [] => None,
            _ => {
                let place = |error| Error::Data(format!("{name}: {error}"));
                Some(intervals_of_runs(&whole, metrics, how).map_err(place)?)
            }
        };
        let result = |(at, metric): (usize, &&'static Metric)| {
            let of_runs: Vec<f64> = done.iter().map(|cell| cell.metrics[metric.name]).collect();
            let mut whole = intervals.as_ref().map(|intervals| intervals[at]);
            if !has_interval(metric.name) {
                whole.iter_mut().for_each(|of| (of.low, of.high) = (f64::NAN, f64::NAN));
            }
            (metric.name, MetricResults { mean: mean(&of_runs), sd: standard_deviation(&of_runs), whole })
        };
        Ok(SettingResults {
            name: name.clone(),
            values: self.axes.iter().map(|axis| axis.key.clone()).zip(values.iter().cloned()).collect(),
            runs: done.len(),
            of: of_setting().count(),
            seeds: seeds(wholes.keys()),
            metrics: metrics.iter().enumerate().map(result).collect(),
        })
    }

    /// What there is to say of cells that are not done.
    fn missing(&self, states: &[State]) -> Vec<String> {
        let open = self.cells.iter().zip(states).filter(|(_, state)| !matches!(state, State::Done(_)));
        let names: Vec<&str> = open.map(|(cell, _)| cell.name.as_str()).collect();
        let Some(first) = names.first() else { return Vec::new() };
        let of = counted(self.cells.len(), "cell");
        let (is, which) = match names.len() {
            1 => ("is", (*first).to_owned()),
            more => ("are", format!("{first} and {} more", more - 1)),
        };
        vec![format!(
            "{} of {of} {is} not done ({which}): means are over the others, and intervals and comparisons over seeds whose runs are \
             all done",
            names.len()
        )]
    }
}

/// Those of a part by the best weights of a cell, where it is done.
fn predictions(folder: &Path, cell: &Cell, state: &State, part: Part) -> Result<Option<Predictions>> {
    match state {
        State::Done(_) => Ok(Some(Predictions::read_csv(&folder.join(&cell.name).join(part.file()))?)),
        _ => Ok(None),
    }
}

/// Each once, in their order.
fn seeds<'k>(keys: impl Iterator<Item = &'k (u64, Option<u32>)>) -> Vec<u64> {
    let mut seeds: Vec<u64> = keys.map(|(seed, _)| *seed).collect();
    seeds.dedup();
    seeds
}

/// The metrics at the top of a report, and that of the question.
fn metrics(asked: &'static Metric) -> Vec<&'static Metric> {
    let known = HEADLINE.iter().filter_map(|name| find(name)).filter(|metric| metric.name != asked.name);
    std::iter::once(asked).chain(known).collect()
}

/// Each other setting against one, in the order that they are in.
fn compared(
    settings: &[(SettingResults, Wholes)],
    against: &str,
    metric: &Metric,
    how: &Resampling,
    notes: &mut Vec<String>,
) -> Vec<Against> {
    let Some((_, base)) = settings.iter().find(|(results, _)| results.name == against) else {
        return Vec::new();
    };
    let mut found: Vec<Against> = Vec::new();
    for (results, wholes) in settings.iter().filter(|(results, _)| results.name != against) {
        let common: Vec<&(u64, Option<u32>)> = base.keys().filter(|key| wholes.contains_key(key)).collect();
        if common.is_empty() {
            continue;
        }
        let a: Vec<&Predictions> = common.iter().map(|key| &base[*key]).collect();
        let b: Vec<&Predictions> = common.iter().map(|key| &wholes[*key]).collect();
        match compare_runs(&a, &b, common.len() > 1, metric, how) {
            Ok(comparison) => {
                if comparison.is_alike() {
                    notes.push(format!(
                        "{} and {against} do not differ in any resample: these runs say nothing of how the recipes differ",
                        results.name
                    ));
                }
                let comparison =
                    if has_interval(metric.name) { comparison } else { comparison.without_interval() };
                let (name, seeds) = (results.name.clone(), seeds(common.iter().copied()));
                found.push(Against { name, seeds, comparison, p_holm: f64::NAN });
            }
            // What is varied may be the data themselves.
            Err(error) => notes.push(format!("{} is not compared with {against}: {error}", results.name)),
        }
    }
    let p: Vec<f64> = found.iter().map(|against| against.comparison.p_permutation).collect();
    found.iter_mut().zip(holm(&p)).for_each(|(against, p)| against.p_holm = p);
    found
}

#[cfg(test)]
mod tests;
