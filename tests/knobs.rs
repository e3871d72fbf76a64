//! Knobs that change what is learned in the course of a run: stages that thaw, a learning rate that follows the metric, a length that
//! is shortened; and weights of classes by name.

use crate::program::{Desk, Program, tensors};
use crate::training::{assert_same, losses};

/// The learning rate at the end of each epoch.
fn lrs(desk: &Desk, run: &str) -> Vec<f64> {
    let text = desk.read(&format!("{run}/summary.csv"));
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let column = lines.next().unwrap().iter().position(|name| *name == "lr").expect("a column lr");
    lines.map(|line| line[column].parse().unwrap()).collect()
}

#[test]
fn stages_thaw_when_they_should() {
    let desk = Desk::new();
    let run = |name: &str, freeze: &str| {
        desk.train(&["tiny.yaml", freeze, "--out", name]).ok();
        (losses(&desk, name), tensors(&desk.path(name).join("last/model.safetensors")))
    };
    // Two epochs of four steps.
    let free = run("free", "model.freeze=false");
    let frozen = run("frozen", "model.freeze=true");
    let thawed = run("thawed", "model.freeze={ until: 1 epochs }");
    assert_eq!(run("never", "model.freeze={ until: 0 }"), free);
    // In the fifth step batch norms look at the batch again.
    assert_eq!(thawed.0[..4], frozen.0[..4]);
    assert_ne!(thawed.0[4], frozen.0[4]);
    assert_ne!(thawed.1["conv1.weight"], frozen.1["conv1.weight"]);
    let gradual = run("gradual", "model.freeze={ stages: [ stem, stage3 ], until: 6 steps, gradual: true }");
    let at_once = run("at_once", "model.freeze={ stages: [ stem, stage3 ], until: 6 steps }");
    assert_eq!(gradual.0[..3], at_once.0[..3]);
    assert_ne!(gradual.0[3], at_once.0[3], "stage3 thaws after three of six steps");
    // One stage alone; and in the place of a list.
    assert_eq!(run("alone", "model.freeze=stem"), run("list", "model.freeze=[ stem ]"));
}

#[test]
fn a_run_that_thaws_is_resumed_as_if_it_had_not_stopped() {
    let desk = Desk::new();
    let adam = "optimizer={ adamw: {} }";
    let freeze = "model.freeze={ until: 100 steps, gradual: true }";
    let plateau = "schedule={ plateau: { lr: 0.002, patience: 0, threshold: 10, factor: 0.5 } }";
    let arguments =
        ["tiny.yaml", adam, freeze, plateau, "data.images=320", "data.batch=8", "length=3 epochs", "--out"];
    desk.train(&[&arguments[..], &["whole"]].concat()).ok();
    let whole = desk.bytes("whole");
    let begin = desk.program(Program::Train).args(&[&arguments[..], &["run"]].concat());
    begin.until(&desk.path("run/metrics.jsonl"), 55, "INT").complains(130, &["--resume"]);
    desk.train(&[&arguments[..], &["run", "--resume"]].concat()).ok();
    assert_same(&whole, &desk.bytes("run"));
    // The first epoch is the best by definition, each other no better by a factor of eleven.
    assert_eq!(lrs(&desk, "run"), [0.002, 0.002, 0.001]);
}

/// `until: 0.5` of two epochs, of four steps each, and of four: what was trained for an epoch is not frozen again for another.
#[test]
fn what_has_thawed_stays_so_in_a_longer_run() {
    let desk = Desk::new();
    let run = |until: &str, length: &str, place: &str, more: &[&str]| {
        let (freeze, length) =
            (format!("model.freeze={{ until: {until} }}"), format!("length={length} epochs"));
        let still = "schedule={ constant: { lr: 0.02 } }";
        let arguments = ["tiny.yaml", "optimizer={ adamw: {} }", still, &freeze, &length, "--out", place];
        desk.train(&[&arguments[..], more].concat()).ok().err
    };
    run("0.5", "2", "run", &[]);
    assert!(!desk.read("run/last/state.json").contains("thawed"));
    let said = run("0.5", "6", "run", &["--resume"]);
    let words = "what was frozen begins no earlier than now: penultimate (step 5), stage1 (step 5), ";
    assert!(said.contains(words), "{said}");
    assert_eq!(desk.json("run/last/state.json")["thawed"]["stem"], 4);
    // The same as a run whose stages thaw after the fourth step in any case.
    run("4 steps", "6", "whole", &[]);
    assert_eq!(losses(&desk, "run"), losses(&desk, "whole"));
    let weights = |run: &str| tensors(&desk.path(run).join("last/model.safetensors"));
    assert_eq!(weights("run"), weights("whole"));
    // Resumed once more, it is still so.
    run("0.5", "9", "run", &["--resume"]);
    run("4 steps", "9", "whole", &["--resume"]);
    assert_eq!(losses(&desk, "run"), losses(&desk, "whole"));
}

#[test]
fn a_shorter_run_keeps_its_schedule() {
    let desk = Desk::new();
    desk.write(
        "long.yaml",
        "extends: tiny.yaml\nlength: 40 epochs\nschedule: { cosine: { lr: 0.05, warmup: 10 epochs } }\n",
    );
    let said = desk.train(&["long.yaml", "length=2 epochs", "--out", "run"]).ok();
    assert!(
        said.err.contains("schedule.cosine.warmup: 10 epochs of 40 epochs are taken as 0.25"),
        "{}",
        said.err
    );
    // The recipe that was written stands alone.
    desk.tallow(&["check", "run/recipe.yaml"]).ok();
    let recipe = desk.read("run/recipe.yaml");
    assert!(recipe.contains("warmup: 0.25") && recipe.contains("length: 2 epochs"), "{recipe}");
    // Where the warm-up fits again it is that of the recipe again.
    let said = desk.train(&["long.yaml", "length=12 epochs", "--out", "run", "--resume"]).ok();
    let words = "taken from long, with its length: schedule.cosine.warmup: 0.25 → 10 epochs";
    assert!(said.err.contains(words), "{}", said.err);
}

#[test]
fn classes_have_weights_by_name() {
    let desk = Desk::new();
    let run = |name: &str, weights: &str| {
        desk.train(&["tiny.yaml", &format!("loss.class_weights={weights}"), "--out", name]).ok();
        losses(&desk, name)
    };
    assert_eq!(run("named", "{ MEL: 3, DF: 0.5 }"), run("listed", "[3, 1, 1, 1, 1, 0.5, 1]"));
    let said = desk.train(&["tiny.yaml", "loss.class_weights={ MELL: 3 }", "--dry-run"]);
    said.complains(2, &["loss.class_weights.MELL: no class is called `MELL`", "did you mean `MEL`?"]);
}

#[test]
fn weights_that_are_none_are_refused() {
    let desk = Desk::new();
    for (weights, place, words) in [
        ("0", "loss.class_weights", "expected `none`, `balanced`, a map of classes"),
        ("-1", "loss.class_weights", "expected `none`, `balanced`, a map of classes"),
        ("[]", "loss.class_weights", "expected `none`, `balanced`, a map of classes"),
        ("{}", "loss.class_weights", "expected `none`, `balanced`, a map of classes"),
        ("[0, 0, 0, 0, 0, 0, 0]", "loss.class_weights", "expected a weight above 0, got none"),
        ("[1, -1, 1, 1, 1, 1, 1]", "loss.class_weights[1]", "expected a weight: 0, or a number from"),
        ("{ MEL: 1e39 }", "loss.class_weights.MEL", "expected a weight: 0, or a number from"),
        ("{ MEL: heavy }", "loss.class_weights.MEL", "expected a weight: 0, or a number from"),
    ] {
        let written = format!("loss={{ class_weights: {weights} }}");
        let said = desk.tallow(&["check", "tiny.yaml", &written]);
        said.complains(2, &[&format!("override `{written}`: {place}: {words}")]);
    }
    // With the data open: every class of theirs weighs nothing.
    let nothing = "{ MEL: 0, NV: 0, BCC: 0, AKIEC: 0, BKL: 0, DF: 0, VASC: 0 }";
    let written = format!("loss={{ class_weights: {nothing} }}");
    desk.tallow(&["check", "tiny.yaml", &written]).ok();
    desk.tallow(&["check", "--data", "tiny.yaml", &written])
        .complains(2, &["loss.class_weights: expected a weight above 0, got none"]);
    desk.train(&["tiny.yaml", "loss={ class_weights: { MEL: 0 } }", "--dry-run"]).ok();
}

#[test]
fn a_recipe_that_a_run_writes_is_complete() {
    let desk = Desk::empty();
    desk.write(
        "least.yaml",
        "data: { name: synthetic, images: 48, size: 32, batch: 16 }
model: { name: resnet20 }
optimizer: { sgd: {} }
length: 1 epochs
",
    );
    let said = desk.train(&["least.yaml", "--out", "run"]).ok();
    assert!(said.err.contains("class"), "{}", said.err);
    let recipe = desk.read("run/recipe.yaml");
    for key in
        ["images:", "evaluation:", "schedule:", "select: macro_f1", "seed: 1", "momentum: 0.9", "clean"]
    {
        assert_eq!(recipe.contains(key), key != "clean", "{key}: {recipe}");
    }
    // Training it again gives the same weights, and an evaluation by it the same predictions.
    desk.train(&["run/recipe.yaml", "--out", "again"]).ok();
    let weights = |run: &str| tensors(&desk.path(run).join("last/model.safetensors"));
    assert_eq!(weights("run"), weights("again"));
    assert_eq!(desk.read("run/predictions.csv"), desk.read("again/predictions.csv"));
    assert_eq!(desk.read("run/last/config.json"), desk.read("again/last/config.json"));
    desk.train(&["least.yaml", "--out", "run", "--resume"]).ok();
}
