//! A sweep: the cross product of values of a recipe's keys, of seeds and of folds. Every cell of it is a run like any other, in a
//! folder of its own; here are their plans, how far they are, and what they amount to. What trains one is `fit`.
//!
//! Random numbers are keyed by the seed, and the split does not move with it: cells of one seed and fold see the same images in the
//! same order from the same initial weights, whatever else is varied.

mod axes;
mod cell;
mod found;

pub use crate::plan::{Repeats, Seeds};
pub use axes::Axis;
pub use cell::{Ended, Part, State, finish};
pub use found::{Against, CellResults, Judgement, MetricResults, Question, SettingResults};

use crate::plan::Plan;
use crate::recipe::Document;
use crate::run::fits;
use crate::{Error, Result};
use serde_yaml::Value;
use std::cell::RefCell;
use std::path::Path;
use tallow_data::{Rule, counted};
use tallow_policy::Registry;

/// What is run, one cell after the other.
pub struct Sweep {
    /// The recipe's.
    pub name: String,
    pub axes: Vec<Axis>,
    pub settings: Vec<Setting>,
    /// As they were asked for.
    pub repeats: Repeats,
    pub seeds: Vec<u64>,
    /// By seed, then fold, then setting: a sweep that is ended early has run all settings alike.
    pub cells: Vec<Cell>,
}

/// One value of every axis, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// `mixup, 0.1`; the recipe's name where nothing is varied.
    pub name: String,
    pub values: Vec<String>,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its folder below that of the sweep: `policy=mixup/seed=1/fold=2`.
    pub name: String,
    /// Which one.
    pub setting: usize,
    pub seed: u64,
    pub fold: Option<u32>,
}

impl Sweep {
    /// Reads and checks the recipe of every cell; `overrides` are those of a recipe, some of them with several values. What `repeats`
    /// does not say, the recipe does; one that says nothing has one seed.
    ///
    /// # Errors
    /// All mistakes of all cells at once, with the cells that they are in where those are not all.
    pub fn plan(
        recipe: &Path,
        overrides: &[String],
        repeats: &Repeats,
        registry: &Registry,
    ) -> Result<(Sweep, Vec<Plan>)> {
        let (mut axes, mut mistakes) = (Vec::new(), Vec::new());
        for text in overrides {
            match Axis::of(text) {
                Ok(axis) => axes.extend(axis),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if !mistakes.is_empty() {
            return Err(Error::Recipe(mistakes));
        }
        let name = recipe.file_stem().map_or("recipe".into(), |stem| stem.to_string_lossy().into_owned());
        let settings = settings(&axes, &name);
        let (repeats, first) = asked(recipe, &overrides_of(overrides, &axes, &settings[0]), repeats)?;
        let count = repeats.seeds.clone().unwrap_or(Seeds::Count(1));
        let seeds = count.from(first).ok_or_else(|| {
            Error::recipe(format!("seeds {count}: there are not so many from {first} on; name them"))
        })?;
        let cells = cells(&axes, &settings, &seeds, repeats.folds);
        let sweep = Sweep { name, axes, settings, repeats, seeds, cells };
        let plans = sweep.plans(recipe, overrides, registry)?;
        Ok((sweep, plans))
    }

    /// The overrides of a cell: of each that is varied, its own value.
    pub fn overrides_of(&self, cell: &Cell, overrides: &[String]) -> Vec<String> {
        overrides_of(overrides, &self.axes, &self.settings[cell.setting])
    }

    /// The plan of every cell.
    fn plans(&self, recipe: &Path, overrides: &[String], registry: &Registry) -> Result<Vec<Plan>> {
        let (mut plans, mut mistakes) = (Vec::new(), Mistakes::default());
        for (at, cell) in self.cells.iter().enumerate() {
            let mut texts = self.overrides_of(cell, overrides);
            texts.extend(["seeds=null".to_owned(), "folds=null".to_owned(), format!("seed={}", cell.seed)]);
            if let (Some(folds), Some(fold)) = (self.repeats.folds, cell.fold) {
                // In this order: what is wrong with the split is placed at the last, which all cells have alike.
                texts.extend([format!("data.split.fold={fold}"), format!("data.split.folds={folds}")]);
            }
            match Plan::read(recipe, &texts, registry) {
                Ok(plan) => {
                    if let (Some(folds), false) = (self.repeats.folds, is_fold(&plan)) {
                        let problem = "data.split.file divides the data, and comes before folds; take it out of the recipe";
                        mistakes.add(at, format!("{}: {problem}", counted(folds, "fold")));
                    }
                    plans.push(plan);
                }
                Err(Error::Recipe(lines)) => lines.into_iter().for_each(|line| mistakes.add(at, line)),
                Err(other) => return Err(other),
            }
        }
        mistakes.end(self, false)?;
        // Of one seed and fold; the others differ by theirs.
        let one_of_each = || self.cells.iter().zip(&plans).take(self.settings.len());
        for (at, (cell, plan)) in one_of_each().enumerate() {
            for (other, of_other) in one_of_each().take(at) {
                let [one, two] = [other, cell].map(|cell| &self.settings[cell.setting].name);
                let problem = if of_other.resolved == plan.resolved {
                    "are the same recipe, as another override or a default decides; leave one of them out"
                } else if other.name == cell.name {
                    "would lie in the same folder; sweep them apart, each with an --out of its own"
                } else {
                    continue;
                };
                return Err(Error::recipe(format!("`{one}` and `{two}` {problem}")));
            }
        }
        Ok(plans)
    }

    /// Looks whether data and weights of cells are there and fit, without a look at the images; `is_chosen` says which cells count.
    ///
    /// # Errors
    /// All mistakes at once, with the cells that they are in where those are not all.
    pub fn check_data(&self, plans: &[Plan], is_chosen: impl Fn(usize) -> bool) -> Result<()> {
        let mut mistakes = Mistakes::default();
        let (mut seen, mut is_recipe) = (Vec::new(), false);
        for (at, cell) in self.cells.iter().enumerate().filter(|(at, _)| is_chosen(*at)) {
            // The data do not move with the seed.
            if seen.contains(&(cell.setting, cell.fold)) {
                continue;
            }
            seen.push((cell.setting, cell.fold));
            for error in fits(&plans[at]) {
                is_recipe |= error.exit_code() == 2;
                error.to_string().lines().for_each(|line| mistakes.add(at, line.to_owned()));
            }
        }
        mistakes.all = seen.len();
        mistakes.end(self, !is_recipe)
    }

    /// How far the chosen cells are; the others are taken as new, and not looked at: another process may be at work there.
    ///
    /// # Errors
    /// Cells by other recipes, all of them at once; files that are damaged.
    pub fn states(
        &self,
        folder: &Path,
        plans: &[Plan],
        is_chosen: impl Fn(usize) -> bool,
    ) -> Result<Vec<State>> {
        let (mut states, mut mistakes) = (vec![State::New; self.cells.len()], Vec::new());
        for at in (0..self.cells.len()).filter(|at| is_chosen(*at)) {
            match self.cells[at].state(folder, &plans[at]) {
                Ok(state) => states[at] = state,
                Err(Error::Recipe(lines)) => mistakes.extend(lines),
                Err(other) => return Err(other),
            }
        }
        if mistakes.is_empty() { Ok(states) } else { Err(Error::Recipe(mistakes)) }
    }
}

/// Lines of mistakes, and the cells that they are in.
#[derive(Default)]
struct Mistakes {
    lines: Vec<(String, Vec<usize>)>,
    /// How many cells were looked at, where not all were.
    all: usize,
}

impl Mistakes {
    fn add(&mut self, cell: usize, line: String) {
        match self.lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, cells)) => cells.push(cell),
            None => self.lines.push((line, vec![cell])),
        }
    }

    /// One error of them all.
    fn end(self, sweep: &Sweep, is_of_data: bool) -> Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let all = if self.all == 0 { sweep.cells.len() } else { self.all };
        let placed = |(line, cells): (String, Vec<usize>)| {
            // How folds become overrides is no matter of who asked for them.
            let line = sweep.repeats.folds.map_or(line.clone(), |folds| {
                line.replace(&format!("override `data.split.folds={folds}`"), &counted(folds, "fold"))
            });
            let first = &sweep.cells[cells[0]].name;
            match cells.len() {
                count if count == all => line,
                1 => format!("{first}: {line}"),
                count => format!("{first} and {} more: {line}", count - 1),
            }
        };
        let lines: Vec<String> = self.lines.into_iter().map(placed).collect();
        Err(if is_of_data { Error::Data(lines.join("\n")) } else { Error::Recipe(lines) })
    }
}

/// Every combination of the values of the axes; the last axis moves first.
fn settings(axes: &[Axis], name: &str) -> Vec<Setting> {
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    for axis in axes {
        let with = |values: &Vec<String>| {
            let values = values.clone();
            axis.values
                .iter()
                .map(move |value| [&values[..], std::slice::from_ref(value)].concat())
                .collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    let name = |values: &Vec<String>| if values.is_empty() { name.to_owned() } else { values.join(", ") };
    all.into_iter().map(|values| Setting { name: name(&values), values }).collect()
}

fn cells(axes: &[Axis], settings: &[Setting], seeds: &[u64], folds: Option<u32>) -> Vec<Cell> {
    let mut cells = Vec::new();
    for &seed in seeds {
        for fold in folds.map_or(vec![None], |folds| (0..folds).map(Some).collect()) {
            for (at, setting) in settings.iter().enumerate() {
                let values = axes.iter().zip(&setting.values);
                let mut parts: Vec<String> =
                    values.map(|(axis, value)| axes::folder(&axis.key, value)).collect();
                parts.push(format!("seed={seed}"));
                parts.extend(fold.map(|fold| format!("fold={fold}")));
                cells.push(Cell { name: parts.join("/"), setting: at, seed, fold });
            }
        }
    }
    cells
}

/// The overrides as typed, with one value of each axis.
fn overrides_of(overrides: &[String], axes: &[Axis], setting: &Setting) -> Vec<String> {
    let mut values = axes.iter().zip(&setting.values);
    let one = |text: &String| match Axis::of(text) {
        Ok(Some(_)) => values.next().map_or(text.clone(), |(axis, value)| format!("{}={value}", axis.key)),
        _ => text.clone(),
    };
    overrides.iter().map(one).collect()
}

/// How often each setting is run, and the recipe's seed.
fn asked(recipe: &Path, overrides: &[String], repeats: &Repeats) -> Result<(Repeats, u64)> {
    let mut document = Document::read(recipe, overrides).map_err(Error::Recipe)?;
    let mistakes = RefCell::new(Vec::new());
    let written = Repeats::take(&mut document, &mistakes);
    let mistakes = mistakes.into_inner();
    if !mistakes.is_empty() {
        return Err(Error::Recipe(document.locate_all(&mistakes)));
    }
    let first = match document.value.get("seed") {
        None | Some(Value::Null) => 1,
        Some(seed) => seed.as_u64().ok_or_else(|| {
            Error::recipe(format!("{}: seed: expected a whole number, 0 or more", recipe.display()))
        })?,
    };
    let asked =
        Repeats { seeds: repeats.seeds.clone().or(written.seeds), folds: repeats.folds.or(written.folds) };
    Ok((asked, first))
}

fn is_fold(plan: &Plan) -> bool {
    plan.data.split.as_ref().is_some_and(|split| matches!(split.rule, Rule::Fold { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(axes: &[&str], seeds: &[u64], folds: Option<u32>) -> Sweep {
        let axes: Vec<Axis> = axes.iter().map(|text| Axis::of(text).unwrap().unwrap()).collect();
        let settings = settings(&axes, "tiny");
        let cells = cells(&axes, &settings, seeds, folds);
        Sweep {
            name: "tiny".into(),
            axes,
            settings,
            repeats: Repeats { seeds: None, folds },
            seeds: seeds.to_vec(),
            cells,
        }
    }

    #[test]
    fn cells_are_the_cross_product_settings_first() {
        let sweep = sweep(&["policy=none,mixup", "clip=1,2"], &[3, 7], Some(2));
        let names: Vec<&str> = sweep.cells.iter().map(|cell| cell.name.as_str()).collect();
        assert_eq!(names.len(), 2 * 2 * 2 * 2);
        assert_eq!(
            names[..5],
            [
                "policy=none/clip=1/seed=3/fold=0",
                "policy=none/clip=2/seed=3/fold=0",
                "policy=mixup/clip=1/seed=3/fold=0",
                "policy=mixup/clip=2/seed=3/fold=0",
                "policy=none/clip=1/seed=3/fold=1",
            ]
        );
        assert_eq!(sweep.settings[2].name, "mixup, 1");
        let alone = self::sweep(&[], &[1], None);
        assert_eq!((&*alone.cells[0].name, &*alone.settings[0].name), ("seed=1", "tiny"));
    }

    #[test]
    fn one_value_of_each_axis_is_an_override() {
        let texts = ["policy=none,mixup", "clip=1", "length=1 epochs,2 epochs"].map(str::to_owned);
        let sweep = sweep(&["policy=none,mixup", "length=1 epochs,2 epochs"], &[1], None);
        let of = |at: usize| overrides_of(&texts, &sweep.axes, &sweep.settings[at]);
        assert_eq!(of(0), ["policy=none", "clip=1", "length=1 epochs"]);
        assert_eq!(of(3), ["policy=mixup", "clip=1", "length=2 epochs"]);
    }

    #[test]
    fn a_mistake_names_its_cells_unless_they_are_all() {
        let sweep = sweep(&["policy=none,mixup"], &[1, 2], Some(5));
        let mut mistakes = Mistakes::default();
        (0..20).for_each(|cell| mistakes.add(cell, "everywhere".into()));
        mistakes.add(1, "once".into());
        (0..5).for_each(|cell| mistakes.add(2 * cell, "override `data.split.folds=5`: often".into()));
        let Err(Error::Recipe(lines)) = mistakes.end(&sweep, false) else { panic!("mistakes") };
        let [everywhere, once, often] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((&**everywhere, &**once), ("everywhere", "policy=mixup/seed=1/fold=0: once"));
        assert_eq!(often, "policy=none/seed=1/fold=0 and 4 more: 5 folds: often");
    }
}
