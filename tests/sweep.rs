//! `tallow sweep`: its cells are what `train` trains, they go on where they were ended, and the report is of them.

use crate::program::{Desk, Program, Said};
use crate::training::assert_same;
use candle_core::{DType, Tensor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use tallow_policy::{Registry, View};
use tallow_report::Progress;
use tallow_train::sweep::{Repeats, Seeds, Sweep};
use tallow_train::{Run, Start};

/// One epoch of four steps a run.
const SHORT: [&str; 5] = ["sweep", "tiny.yaml", "length=1 epochs", "policy=none,mixup", "--out"];

fn sweep(desk: &Desk, out: &str, more: &[&str]) -> Said {
    desk.tallow(&[&SHORT[..], &[out], more].concat())
}

/// The files of a run but for the mark that its sweep leaves.
fn run(desk: &Desk, place: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files = desk.bytes(place);
    assert!(files.remove("cell.json").is_some(), "{:?}", files.keys());
    files
}

#[test]
fn cells_are_runs_and_what_is_done_is_left_alone() {
    let desk = Desk::new();
    let said = sweep(&desk, "s", &["--seeds", "2"]).ok();
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);
    for words in
        ["2 settings of policy, seeds 1, 2;", "macro_f1 against none, higher is better:", "s/sweep.md"]
    {
        assert!(said.out.contains(words), "no {words} in {}", said.out);
    }
    assert_eq!(desk.names("s"), ["policy=mixup", "policy=none", "sweep.json", "sweep.md"]);
    assert_eq!(desk.names("s/policy=mixup"), ["seed=1", "seed=2"]);
    // The same code, the same bytes.
    desk.train(&["tiny.yaml", "length=1 epochs", "policy=mixup", "seed=2", "--out", "run"]).ok();
    assert_same(&desk.bytes("run"), &run(&desk, "s/policy=mixup/seed=2"));

    let table = said.out;
    let before = desk.bytes("s");
    let said = sweep(&desk, "s", &["--seeds", "2"]).ok();
    assert_eq!((said.out, said.err.matches(": done already").count()), (table.clone(), 4));
    assert_eq!(sweep(&desk, "s", &["--seeds", "2", "--report"]).ok().out, table);
    let json = sweep(&desk, "s", &["--seeds", "2", "--report", "--json"]).ok();
    assert_eq!(json.out, desk.read("s/sweep.json"));
    assert_same(&before, &desk.bytes("s"));

    // What `compare` says of the same runs.
    let json = json.json();
    let of = |policy: &str| [1, 2].map(|seed| format!("s/policy={policy}/seed={seed}"));
    let ([a, b], [c, d]) = (of("none"), of("mixup"));
    let compared = ["compare", "--a", &a, &b, "--b", &c, &d, "--resamples", "2000", "--json"];
    let compared = desk.tallow(&compared).ok().json();
    let ours = &json["comparisons"][0];
    assert_eq!((&ours["name"], &json["over"]), (&"mixup".into(), &"groups".into()));
    for key in ["a", "b", "difference", "low", "high", "p_permutation", "units", "runs_a", "sd_b"] {
        assert_eq!(ours[key], compared[key], "{key}");
    }
    assert_eq!(ours["p_holm"], ours["p_permutation"]);
    let cell = &json["cells"][3];
    assert_eq!((&cell["folder"], &cell["state"]), (&"policy=mixup/seed=2".into(), &"done".into()));
    let summary = desk.json("s/policy=mixup/seed=2/best/metrics.json");
    assert_eq!(cell["metrics"]["macro_f1"], summary["macro_f1"]);

    // One more seed is one more run of each.
    let said = sweep(&desk, "s", &["--seeds", "1,2,5", "--json"]).ok();
    assert_eq!(said.err.matches(": done already").count(), 4);
    assert_eq!(said.json()["settings"][0]["runs"], 3);
    // By another recipe they are other runs: also where they would only go on longer.
    let other = |more: &str| sweep(&desk, "s", &["--seeds", "2", more]);
    let words = [
        "s/policy=none/seed=1: was trained by another recipe (differs in: data.batch: 16 → 8)",
        "seed=2: was",
    ];
    other("data.batch=8").complains(2, &words);
    other("length=2 epochs").complains(2, &["differs in: length: 1 epochs → 2 epochs"]);
    other("device=cpu").ok();
}

fn longer(out: &str) -> Vec<&str> {
    let long = ["data.images=320", "data.batch=8", "length=2 epochs", "policy=none,mixup"];
    [&["sweep", "tiny.yaml"], &long[..], &["--out", out]].concat()
}

/// Killed before its first checkpoint, asked to end in another cell, and gone on with by the same command.
#[test]
fn interrupted_and_gone_on_is_uninterrupted() {
    let desk = Desk::new();
    desk.tallow(&longer("whole")).ok();
    let [log, next] =
        ["none", "mixup"].map(|policy| desk.path(&format!("s/policy={policy}/seed=1/metrics.jsonl")));
    let begin = || desk.program(Program::Tallow).args(&longer("s"));
    assert_eq!(begin().until(&log, 5, "KILL").code, 128 + 9);
    assert!(!desk.path("s/policy=none/seed=1/last").exists());
    let said = begin().until(&next, 50, "TERM");
    said.complains(
        143,
        &["policy=mixup/seed=1: stopped by signal 15 after step", "; the same command goes on"],
    );
    assert!(said.out.is_empty() && !desk.path("s/sweep.json").exists(), "{}", said.out);
    let listed = desk.tallow(&[&longer("s")[..], &["--dry-run"]].concat()).ok().out;
    assert!(
        listed.starts_with("1  policy=none/seed=1  (done)\n2  policy=mixup/seed=1  (begun, "),
        "{listed}"
    );
    let said = begin().say().ok();
    assert!(said.err.contains("policy=none/seed=1: done already") && said.err.contains("resumed after step"));
    for name in ["sweep.json", "sweep.md"] {
        assert_eq!(desk.read(&format!("whole/{name}")), desk.read(&format!("s/{name}")), "{name}");
    }
    for cell in ["policy=none/seed=1", "policy=mixup/seed=1"] {
        assert_same(&desk.bytes(&format!("whole/{cell}")), &desk.bytes(&format!("s/{cell}")));
    }
    let table = |out: &str| {
        desk.tallow(&[&longer(out)[..], &["--report"]].concat()).ok().out.replace(&format!("{out}/"), "")
    };
    assert_eq!(table("whole"), table("s"));
}

/// What the recipe says of seeds and folds, `train` does as `sweep` does when it is told so.
#[test]
fn a_recipe_with_seeds_and_folds_is_trained_as_a_sweep() {
    let desk = Desk::new();
    let once = "extends: tiny.yaml\nlength: 1 epochs\ndata: { split: { replace: true } }\n";
    desk.write("mine.yaml", once);
    desk.tallow(&["sweep", "mine.yaml", "--seeds", "2", "--folds", "2", "--out", "b"]).ok();
    desk.write("mine.yaml", format!("{once}seeds: 2\nfolds: 2\n"));
    let said = desk.train(&["mine.yaml", "--out", "a"]).ok();
    for cell in ["seed=1/fold=0", "seed=1/fold=1", "seed=2/fold=0", "seed=2/fold=1"] {
        assert_same(&run(&desk, &format!("b/{cell}")), &run(&desk, &format!("a/{cell}")));
    }
    assert!(desk.read("a/sweep.md").contains("tallow sweep mine.yaml --seeds 2 --folds 2"));
    // The command again leaves alone what is done, `sweep` knows the same folder, and the first run is what others look at.
    let again = desk.train(&["mine.yaml", "--out", "a", "--resume"]).ok();
    assert_eq!((again.err.matches(": done already").count(), &again.out), (4, &said.out));
    assert_eq!(desk.tallow(&["sweep", "mine.yaml", "--out", "a", "--report"]).ok().out, said.out);
    let one_more = desk.tallow(&["sweep", "mine.yaml", "--out", "a", "--seeds", "3", "--dry-run"]).ok().out;
    assert_eq!(one_more.matches("(done)").count(), 4, "{one_more}");
    assert!(one_more.contains("6  seed=3/fold=1  (new)"), "{one_more}");
    let looked = desk.tallow(&["stats", "mine.yaml"]).ok();
    assert!(looked.err.contains("has 2 seeds and 2 folds: this is of its first run"), "{}", looked.err);
    let dry = desk.train(&["mine.yaml", "--dry-run", "--out", "c"]).ok().out;
    assert!(dry.contains("dry run: everything fits") && dry.contains("2 seeds × 2 folds: 4 cells"), "{dry}");
    desk.train(&["mine.yaml", "--overwrite", "--out", "a"]).complains(2, &["--overwrite", "--out DIR"]);
}

#[test]
fn folds_hold_every_image_once() {
    let desk = Desk::new();
    // The drawn data have a validation part.
    let refused = sweep(&desk, "s", &["--folds", "2"]);
    refused.complains(
        2,
        &["2 folds: data.split: synthetic has a validation part of its own", "`replace: true`"],
    );
    desk.write("split.csv", "image,split\n");
    let by_file = sweep(&desk, "s", &["--folds", "2", "data.split={ file: split.csv, replace: true }"]);
    by_file.complains(2, &["2 folds: data.split.file divides the data", "take it out"]);
    assert_eq!(desk.names("."), ["split.csv", "tiny.yaml"]);

    let json = sweep(&desk, "s", &["--folds", "2", "data.split.replace=true", "--json"]).ok().json();
    assert_eq!(desk.names("s/policy=none/seed=1"), ["fold=0", "fold=1"]);
    let ids = |fold: u32| {
        let text = desk.read(&format!("s/policy=none/seed=1/fold={fold}/predictions.csv"));
        let field = |line: &str, at: usize| line.split(',').nth(at).unwrap().to_owned();
        text.lines().skip(1).map(|line| (field(line, 0), field(line, 1))).collect::<Vec<_>>()
    };
    let (first, second) = (ids(0), ids(1));
    assert_eq!(first.len() + second.len(), 64);
    assert!(first.iter().all(|(image, lesion)| {
        second.iter().all(|(other, of)| (image, lesion) != (other, of) && lesion != of)
    }));
    // All 64 are judged at once.
    assert_eq!((&json["comparisons"][0]["images"], &json["folds"]), (&64.into(), &2.into()));
    let setting = &json["settings"][0];
    assert_eq!((&setting["runs"], &setting["seeds"]), (&2.into(), &serde_json::json!([1])));
    let macro_f1 = &setting["metrics"]["macro_f1"];
    assert!(macro_f1["sd"].is_number() && macro_f1["whole"]["low"].is_number(), "{macro_f1}");
    let text = sweep(&desk, "s", &["--folds", "2", "data.split.replace=true", "--report"]).ok().out;
    assert!(text.contains("All folds together, with its 95 % interval over groups:"), "{text}");
}

/// By the best weights of each run, evaluated once; forgotten where they are trained anew.
#[test]
fn the_test_part_judges_where_it_is_asked_to() {
    let desk = Desk::new();
    let said = sweep(&desk, "s", &["--split", "test", "--json"]).ok();
    let json = said.json();
    assert_eq!((&json["part"], &json["cells"][1]["images"]), (&"test".into(), &28.into()));
    assert_eq!(desk.names("s"), ["policy=mixup", "policy=none", "sweep_test.json", "sweep_test.md"]);
    let eval = desk.tallow(&["eval", "s/policy=mixup/seed=1", "--split", "test", "--json"]).ok().json();
    assert_eq!(json["cells"][1]["metrics"]["macro_f1"], eval["macro_f1"]);
    let again = sweep(&desk, "s", &["--split", "test", "--json", "--report"]).ok();
    assert_eq!((again.out, again.err.as_str()), (said.out, ""));
    // A run that begins anew is judged anew.
    std::fs::remove_dir_all(desk.path("s/policy=none/seed=1/last")).unwrap();
    std::fs::remove_dir_all(desk.path("s/policy=none/seed=1/best")).unwrap();
    sweep(&desk, "s", &[]).ok();
    assert!(
        !desk.path("s/policy=none/seed=1/test.csv").exists()
            && desk.path("s/policy=mixup/seed=1/test.csv").exists()
    );
}

/// Nothing is trained where one cell cannot be, and all that is wrong is told at once, with its cell.
#[test]
fn mistakes_are_found_before_the_first_cell() {
    let desk = Desk::new();
    let lines = sweep(&desk, "s", &["--seeds", "2", "clip=1.0,-1", "data.batch=0"]).fails(2);
    let [batch, clip] = &lines[..] else { panic!("{lines:?}") };
    assert!(batch.starts_with("override `data.batch=0`: data.batch: "), "{batch}");
    assert!(clip.starts_with("policy=none/clip=-1/seed=1 and 3 more: override `clip=-1`: clip: "), "{clip}");
    // With the data open, of one cell.
    let weights = sweep(&desk, "s", &["loss.class_weights=none,[1, 2]"]);
    weights.complains(2, &["policy=none/loss.class_weights=1_2-", "and 1 more: ", "expected 7 weights"]);
    let same = sweep(&desk, "s", &["policy=cutmix"]);
    same.complains(2, &["`none` and `mixup` are the same recipe"]);
    sweep(&desk, "s", &["clip=1.0,,2"])
        .complains(2, &["`clip=1.0,,2`: expected a value on each side of a comma"]);
    sweep(&desk, "s", &["seed=1,2"]).complains(2, &["seed is varied by --seeds"]);
    sweep(&desk, "s", &["--report"]).complains(2, &["s: no cell is done there yet"]);
    sweep(&desk, "s", &["--cell", "3"]).complains(2, &["--cell 3: expected a cell from 1 to 2"]);
    let listed = sweep(&desk, "s", &["--seeds", "2", "--dry-run"]).ok().out;
    assert!(
        listed.contains("\n2  policy=mixup/seed=1  (new)\n")
            && listed.contains("2 settings × 2 seeds: 4 cells")
    );
    let json = sweep(&desk, "s", &["--seeds", "2", "--dry-run", "--json"]).ok().json();
    assert_eq!(json["cells"][3]["folder"], "policy=mixup/seed=2");
    assert_eq!(desk.names("."), ["tiny.yaml"]);
    desk.train(&["tiny.yaml", "n_seeds=3", "--dry-run"])
        .complains(2, &["unknown key `n_seeds`", "`seeds: 3`", "`tallow sweep RECIPE"]);
}

/// A learning rate that is too high is a result, and no reason to lose the others.
#[test]
fn a_cell_that_diverges_does_not_stop_the_others() {
    let desk = Desk::new();
    let rates = "schedule={ constant: { lr: 1e38 } },{ constant: { lr: 0.05 } }";
    let said = desk.tallow(&["sweep", "tiny.yaml", "length=1 epochs", rates, "--out", "s"]);
    said.complains(4, &["schedule=constant_lr_1e38-", "lower schedule.constant.lr"]);
    assert!(said.out.contains("note: 1 of 2 cells is not done (schedule=constant_lr_1e38-"), "{}", said.out);
    let json = desk.json("s/sweep.json");
    let states: Vec<&Value> = json["cells"].as_array().unwrap().iter().map(|cell| &cell["state"]).collect();
    assert_eq!(states, ["new", "done"]);
    assert_eq!(json["settings"][0]["name"], "{ constant: { lr: 0.05 } }");
    assert_eq!(json["settings"][1]["metrics"]["macro_f1"]["mean"], Value::Null);
}

#[test]
fn a_job_array_runs_one_cell_a_task() {
    let desk = Desk::new();
    let said = sweep(&desk, "it's", &["--seeds", "3,7", "--slurm", "array.sh"]).ok();
    assert!(said.out.contains("sbatch array.sh") && said.out.contains(" --report"), "{}", said.out);
    assert_eq!(desk.names("."), ["array.sh", "tiny.yaml"]);
    let script = desk.read("array.sh");
    assert!(script.contains("\n#SBATCH --array=1-4\n"), "{script}");
    let bash = |arguments: &[&str], task: Option<&str>| {
        let mut command = Command::new("bash");
        command.args(arguments).current_dir(desk.path(".")).env_remove("SLURM_ARRAY_TASK_ID");
        command.envs(task.map(|task| ("SLURM_ARRAY_TASK_ID", task))).output().unwrap()
    };
    let checked = bash(&["-n", "array.sh"], None);
    assert!(checked.status.success(), "{checked:?}");
    let untold = bash(&["array.sh"], None);
    assert!(!untold.status.success() && String::from_utf8_lossy(&untold.stderr).contains("is set by sbatch"));
    let ran = bash(&["array.sh"], Some("4"));
    assert!(ran.status.success(), "{ran:?}");
    assert!(String::from_utf8_lossy(&ran.stdout).starts_with("policy=mixup/seed=7: macro_f1 0."), "{ran:?}");
    assert_eq!(desk.names("it's"), ["policy=mixup"]);
    assert_eq!(desk.names("it's/policy=mixup"), ["seed=7"]);
    let of_one = sweep(&desk, "it's", &["--seeds", "3,7", "--cell", "4", "--json"]).ok();
    assert_eq!((of_one.json()["seed"].clone(), of_one.err.matches("done already").count()), (7.into(), 1));
    let report = sweep(&desk, "it's", &["--seeds", "3,7", "--report"]).ok().out;
    assert!(report.contains("note: 3 of 4 cells are not done (policy=none/seed=3 and 2 more)"), "{report}");
}

#[test]
fn the_tasks_of_an_array_share_the_cells() {
    let desk = Desk::new();
    // Whatever started these tests themselves.
    let task = |rank: &str| {
        let words = [&SHORT[..], &["a", "--seeds", "2", "--array"]].concat();
        let others = ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "PMI_RANK", "SLURM_PROCID"];
        let program =
            others.iter().fold(desk.program(Program::Tallow), |program, name| program.env(name, ""));
        program.args(&words).env("OMPI_COMM_WORLD_RANK", rank).env("OMPI_COMM_WORLD_SIZE", "3").say()
    };
    let first = task("0").ok();
    assert!(first.err.contains("2 cells of 4, by Open MPI"), "{}", first.err);
    assert_eq!(first.out.lines().count(), 2, "{}", first.out);
    assert_eq!(task("1").ok().out.lines().count(), 1);
    assert!(sweep(&desk, "a", &["--seeds", "2", "--report"]).ok().out.contains("1 of 4 cells is not done"));
    task("2").ok();
    let report = sweep(&desk, "a", &["--seeds", "2", "--report"]).ok().out;
    assert!(!report.contains("not done"), "{report}");
    assert_eq!(report, sweep(&desk, "b", &["--seeds", "2"]).ok().out.replace("b/", "a/"));
    task("").complains(2, &["--array: expected a task of a job array, or a rank"]);
    task("3").complains(2, &["--array: OMPI_COMM_WORLD_RANK: expected a task from 0 to 2"]);
}

/// What a run is given before its first step: initial weights, and the order, labels and pixels of its batches.
fn given(run: &Run) -> [Vec<u8>; 4] {
    let tensors = run.model.params.tensors().unwrap();
    let flat = |tensor: &Tensor| tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>();
    let values = tensors.values().flat_map(|tensor| flat(tensor).unwrap());
    let weights = values.flat_map(f32::to_le_bytes).collect();
    let (mut order, mut labels, mut pixels) = (Vec::new(), Vec::new(), Vec::new());
    let batches = run.batches().unwrap();
    for epoch in 0..2 {
        for batch in batches.load(&run.model.transforms, epoch, 0..u64::MAX).unwrap() {
            let batch = batch.unwrap();
            order.extend(batch.host.indices.iter().flat_map(|index| index.to_le_bytes()));
            labels.extend(batch.host.labels.iter().flat_map(|label| label.to_le_bytes()));
            pixels.extend_from_slice(&batch.pixels(View::Augmented).bytes);
        }
    }
    [weights, order, labels, pixels]
}

/// Common random numbers: what two settings differ in is what is varied, and nothing else.
#[test]
fn settings_of_one_seed_see_the_same() {
    let desk = Desk::new();
    let varied = ["policy=none,cutmix_zeta_mixup,synermix_manifold", "optimizer={ sgd: {} },{ adamw: {} }"];
    let overrides = varied.map(str::to_owned);
    let (recipe, registry) = (desk.path("tiny.yaml"), Registry::builtin());
    let repeats = Repeats { seeds: Some(Seeds::Count(2)), folds: None };
    let (sweep, plans) = Sweep::plan(&recipe, &overrides, &repeats, &registry).unwrap();
    let built = |plan| Run::build(plan, Start::Recipe, &Progress::hidden()).unwrap();
    let given: Vec<[Vec<u8>; 4]> = plans.into_iter().map(|plan| given(&built(plan))).collect();
    assert_eq!((given.len(), given[0][1].len(), given[0][3].len()), (12, 2 * 64 * 4, 2 * 64 * 16 * 16 * 3));
    for (cell, of_cell) in sweep.cells.iter().zip(&given) {
        let first = &given[if cell.seed == 1 { 0 } else { 6 }];
        assert!(of_cell == first, "{} is given something else than {}", cell.name, sweep.cells[0].name);
    }
    // Another seed gives something else of each kind.
    for (kind, (one, two)) in given[0].iter().zip(&given[6]).enumerate() {
        assert_ne!(one, two, "kind {kind}");
    }
}

#[test]
fn what_runs_warned_of_is_in_the_report() {
    let desk = Desk::new();
    let sweep = |more: &[&str]| {
        let words = ["sweep", "tiny.yaml", "schedule.cosine.lr=0.05,5", "length=1 epochs", "--out", "s"];
        desk.tallow(&[&words[..], more].concat()).ok().out.replace('\n', " ")
    };
    let note = "note: schedule.cosine.lr=5/seed=1: this run diverged in epoch 1 and did not recover";
    let said = sweep(&[]);
    assert!(said.contains(note) && !said.contains("lr=0.05/seed=1: this run diverged"), "{said}");
    assert!(desk.read("s/sweep.md").contains(note));
    assert_eq!(desk.json("s/sweep.json")["cells"][1]["warnings"].as_array().map(Vec::len), Some(1));
    // It is known when the report is made again.
    assert!(sweep(&["--report"]).contains(note));
}
