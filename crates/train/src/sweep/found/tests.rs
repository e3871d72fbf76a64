use super::*;
use crate::sweep::{Axis, Ended, Repeats, Setting};

/// Two policies, seeds 1 and 2, and folds.
fn sweep(folds: Option<u32>) -> Sweep {
    let values = ["none", "mixup"].map(str::to_owned).to_vec();
    let axes = vec![Axis { key: "policy".into(), values: values.clone() }];
    let settings: Vec<Setting> =
        values.into_iter().map(|value| Setting { name: value.clone(), values: vec![value] }).collect();
    let mut cells = Vec::new();
    for seed in [1, 2] {
        for fold in folds.map_or(vec![None], |folds| (0..folds).map(Some).collect()) {
            for (setting, value) in settings.iter().enumerate() {
                let fold_name = fold.map_or(String::new(), |fold| format!("/fold={fold}"));
                let name = format!("policy={}/seed={seed}{fold_name}", value.name);
                cells.push(Cell { name, setting, seed, fold });
            }
        }
    }
    Sweep {
        name: "tiny".into(),
        axes,
        settings,
        repeats: Repeats { seeds: None, folds },
        seeds: vec![1, 2],
        cells,
    }
}

/// Twelve images of a fold, in groups of two; mixup is right about more of them, and so is the second seed.
fn predictions(cell: &Cell) -> Predictions {
    let mut predictions = Predictions::new(&["a", "b"].map(str::to_owned));
    let wrong =
        if cell.setting == 0 { 6 } else { 2 } - (cell.seed as usize - 1) + cell.fold.unwrap_or(0) as usize;
    for index in 0..12 {
        let label = u32::from(index % 2 == 1);
        let p = 0.6 + 0.03 * index as f64;
        let of_b = if (label == 1) == (index >= wrong) { p } else { 1.0 - p };
        let id = format!("f{}_{index}", cell.fold.unwrap_or(0));
        let group = format!("f{}_{}", cell.fold.unwrap_or(0), index / 2);
        predictions.push(&id, Some(&group), label, &[1.0 - of_b, of_b]).unwrap();
    }
    predictions
}

/// A folder with the predictions of all cells but those left out, and their states.
fn written(sweep: &Sweep, without: &[usize]) -> (tempfile::TempDir, Vec<State>) {
    let folder = tempfile::tempdir().unwrap();
    let mut states = Vec::new();
    for (at, cell) in sweep.cells.iter().enumerate() {
        let place = folder.path().join(&cell.name);
        std::fs::create_dir_all(&place).unwrap();
        predictions(cell).write_csv(&place.join("predictions.csv")).unwrap();
        let ended = Ended { epoch: 1, steps: 4, stopped_early: false, warnings: Vec::new() };
        states.push(if without.contains(&at) { State::Begun { steps: 2 } } else { State::Done(ended) });
    }
    (folder, states)
}

fn question(against_best: bool) -> Question {
    Question {
        part: Part::Validation,
        metric: find("accuracy").unwrap(),
        against_best,
        resamples: 200,
        level: 0.95,
    }
}

fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-12, "{a} and {b}");
}

#[test]
fn of_seeds_and_folds() {
    let sweep = sweep(Some(2));
    let (folder, states) = written(&sweep, &[]);
    let found = sweep.judge(folder.path(), &states, &question(false)).unwrap();
    let names: Vec<&str> = found.settings.iter().map(|setting| setting.name.as_str()).collect();
    assert_eq!((names, found.against.as_str(), found.over), (vec!["mixup", "none"], "none", "groups"));
    // Wrong of twelve: of mixup 2, 3 in the folds of seed 1 and 1, 2 in those of seed 2.
    let mixup = &found.settings[0];
    assert_eq!((mixup.runs, mixup.of, &mixup.seeds[..]), (4, 4, &[1, 2][..]));
    let accuracy = &mixup.metrics["accuracy"];
    near(accuracy.mean, (10. + 9. + 11. + 10.) / 48.);
    near(accuracy.sd, (2.0_f64 / 3.0).sqrt() / 12.0);
    // Pooled: 19 and 21 of 24.
    let whole = accuracy.whole.unwrap();
    near(whole.mean, 40. / 48.);
    near(whole.sd, (2.0_f64).sqrt() / 24.0);
    assert!(whole.low < whole.mean && whole.mean < whole.high, "{whole:?}");
    let [against] = &found.comparisons[..] else { panic!("{:?}", found.comparisons) };
    assert_eq!((against.name.as_str(), &against.seeds[..]), ("mixup", &[1, 2][..]));
    near(against.comparison.difference, 8. / 24.);
    assert_eq!((against.comparison.images, against.comparison.runs_a.len()), (24, 2));
    near(against.p_holm, against.comparison.p_permutation);
    assert_eq!((found.cells.len(), found.cells[1].folder.as_str()), (8, "policy=mixup/seed=1/fold=0"));
    near(found.cells[1].metrics["accuracy"], 10. / 12.);
    assert!(found.notes.is_empty() && accuracy.whole != mixup.metrics["ece"].whole);
    let against_best = sweep.judge(folder.path(), &states, &question(true)).unwrap();
    assert_eq!(against_best.against, "mixup");
    near(against_best.comparisons[0].comparison.difference, -8. / 24.);
}

/// The pooled number is of the images together: not the mean over folds, where one fold's network says less of everything.
#[test]
fn pooled_is_not_the_mean_over_folds() {
    let sweep = sweep(Some(2));
    let (folder, states) = written(&sweep, &[]);
    let shy = |cell: &Cell| {
        let mut predictions = predictions(cell);
        let scale = if cell.fold == Some(1) { 0.2 } else { 1.0 };
        let rows = predictions.probabilities.chunks_mut(2);
        rows.for_each(|row| row.copy_from_slice(&[1.0 - scale * row[1], scale * row[1]]));
        predictions
    };
    for cell in &sweep.cells {
        shy(cell).write_csv(&folder.path().join(&cell.name).join("predictions.csv")).unwrap();
    }
    let metric = find("auroc").unwrap();
    let found = sweep.judge(folder.path(), &states, &Question { metric, ..question(false) }).unwrap();
    let none = found.settings.iter().find(|setting| setting.name == "none").unwrap();
    let auroc = &none.metrics["auroc"];
    let pooled = |seed: u64| {
        let mut of_seed = sweep.cells.iter().filter(|cell| (cell.seed, cell.setting) == (seed, 0)).map(shy);
        let mut pooled = of_seed.next().unwrap();
        pooled.extend(&of_seed.next().unwrap()).unwrap();
        (metric.of)(&pooled)
    };
    near(auroc.whole.unwrap().mean, (pooled(1) + pooled(2)) / 2.0);
    assert!((auroc.whole.unwrap().mean - auroc.mean).abs() > 1e-3, "{auroc:?}");
}

#[test]
fn what_is_not_done_is_left_out_and_told() {
    let sweep = sweep(Some(2));
    // A fold of mixup's second seed.
    let open = sweep.cells.iter().position(|cell| cell.name == "policy=mixup/seed=2/fold=1").unwrap();
    let (folder, states) = written(&sweep, &[open]);
    let found = sweep.judge(folder.path(), &states, &question(false)).unwrap();
    let mixup = &found.settings[0];
    assert_eq!((mixup.runs, &mixup.seeds[..]), (3, &[1][..]));
    near(mixup.metrics["accuracy"].mean, (10. + 9. + 11.) / 36.);
    assert_eq!((&found.comparisons[0].seeds[..], found.cells[open].state), (&[1][..], "begun"));
    assert!(
        found.notes[0].starts_with("1 of 8 cells is not done (policy=mixup/seed=2/fold=1)"),
        "{:?}",
        found.notes
    );
    // Nothing of mixup: it is last, and nothing is compared.
    let without: Vec<usize> = (0..8).filter(|at| sweep.cells[*at].setting == 1).collect();
    let (folder, states) = written(&sweep, &without);
    let found = sweep.judge(folder.path(), &states, &question(false)).unwrap();
    assert_eq!((found.settings[1].name.as_str(), found.comparisons.len()), ("mixup", 0));
    assert!(found.settings[1].metrics["accuracy"].mean.is_nan());
    assert!(found.notes[0].contains("policy=mixup/seed=1/fold=0 and 3 more"), "{:?}", found.notes);
}

#[test]
fn other_images_are_not_compared() {
    let sweep = sweep(None);
    let (folder, states) = written(&sweep, &[]);
    for cell in sweep.cells.iter().filter(|cell| cell.setting == 1) {
        let mut other = predictions(cell);
        other.ids.iter_mut().for_each(|id| id.push('x'));
        other.write_csv(&folder.path().join(&cell.name).join("predictions.csv")).unwrap();
    }
    let found = sweep.judge(folder.path(), &states, &question(false)).unwrap();
    assert!(found.comparisons.is_empty() && found.settings[0].metrics["accuracy"].whole.is_some());
    assert!(found.notes[0].starts_with("mixup is not compared with none: "), "{:?}", found.notes);
}

/// All folds are judged by the same test part: each run by itself, and none is pooled.
#[test]
fn of_the_test_part_every_run_is_one() {
    let sweep = sweep(Some(2));
    let (folder, states) = written(&sweep, &[]);
    for cell in &sweep.cells {
        let mut of_test = predictions(&Cell { fold: Some(0), ..cell.clone() });
        of_test.probabilities.rotate_left(if cell.fold == Some(1) { 4 } else { 0 });
        of_test.write_csv(&folder.path().join(&cell.name).join("test.csv")).unwrap();
    }
    let question = Question { part: Part::Test, ..question(false) };
    let found = sweep.judge(folder.path(), &states, &question).unwrap();
    let accuracy = &found.settings[0].metrics["accuracy"];
    let whole = accuracy.whole.unwrap();
    near(whole.mean, accuracy.mean);
    near(whole.sd, accuracy.sd);
    let c = &found.comparisons[0].comparison;
    assert_eq!((c.images, c.runs_a.len(), &found.comparisons[0].seeds[..]), (12, 4, &[1, 2][..]));
    assert_eq!((found.part, &found.settings[0].seeds[..]), ("test", &[1, 2][..]));
}
