//! `preview`, `list`, `check` and `--help`: what trains nothing.

use crate::program::{Desk, Program};

#[test]
fn preview_draws_a_sheet_for_each_branch() {
    let desk = Desk::new();
    let said = desk.tallow(&["preview", "tiny.yaml", "--tiles", "6"]).ok();
    // Not into the working directory: there, no picture stands in the way of the run.
    assert_eq!(said.out.trim(), "checkpoints/tiny/preview.png");
    let sheet = image::open(desk.path("checkpoints/tiny/preview.png")).unwrap();
    assert!(sheet.width() > 100 && sheet.height() > 100, "{} by {}", sheet.width(), sheet.height());
    let said = desk.tallow(&["preview", "tiny.yaml", "policy=synermix", "-o", "s.png", "--batch", "3"]).ok();
    assert_eq!(said.out.lines().collect::<Vec<_>>(), ["s_0.png", "s_1.png"]);
    image::open(desk.path("s_1.png")).unwrap();
    // A map of 16 lines and 16 columns, 8 pixels or more each, below the same tiles.
    let height = |policy: &str| {
        let said = desk.tallow(&["preview", "tiny.yaml", policy, "--tiles", "8", "--out", "t.png"]).ok();
        image::open(desk.path(said.out.trim())).unwrap().height()
    };
    let (plain, inside) =
        (height("policy=none"), height("branches=[ { policies: [ { mixup: {}, at: stage2 } ] } ]"));
    assert!(inside > plain + 16 * 8, "{inside} and {plain}");
    // Sources take a strip below the captions.
    assert!(height("policy=mixup") > plain + 30, "{plain}");
    std::fs::remove_file(desk.path("t.png")).unwrap();
    desk.tallow(&["preview", "tiny.yaml", "--batch", "4"]).complains(2, &["--batch 4", "4 batches"]);
    assert_eq!(desk.names("."), ["checkpoints", "s_0.png", "s_1.png", "tiny.yaml"]);
    desk.tallow(&["preview", "tiny.yaml", "policy=synermix"]).ok();
    desk.train(&["tiny.yaml", "length=1 steps"]).ok();
    let pictures: Vec<String> =
        desk.names("checkpoints/tiny").into_iter().filter(|name| name.ends_with("png")).collect();
    assert_eq!(pictures, ["preview.png", "preview_0.png", "preview_1.png"]);
}

#[test]
fn list_shows_everything_and_each() {
    let desk = Desk::empty();
    let all = desk.tallow(&["list"]).ok().out;
    for word in ["models", "policies", "presets", "datasets", "metrics", "resnet50", "synermix", "isic2018"] {
        assert!(all.contains(word), "no {word} in:\n{all}");
    }
    let everything = desk.tallow(&["list", "--json"]).ok().json();
    for (what, name, least) in [
        ("models", "mobilenet_v3_large", 10),
        ("policies", "zeta_mixup", 13),
        ("presets", "synermix", 11),
        ("datasets", "synthetic", 8),
        ("metrics", "macro_f1", 16),
        ("metric_sets", "isic2020", 7),
    ] {
        let lines = desk.tallow(&["list", what]).ok().out;
        assert!(lines.lines().any(|line| line == name), "{lines}");
        assert!(lines.lines().all(|line| line.chars().count() <= 80), "over 80 columns:\n{lines}");
        let list = desk.tallow(&["list", what, "--json"]).ok().json();
        assert!(list.as_array().unwrap().len() >= least, "{what}: {list}");
        assert_eq!(everything[what], list);
        let one = desk.tallow(&["list", what, name]).ok().out;
        assert!(one.starts_with(name), "{one}");
        assert_eq!(desk.tallow(&["list", what, name, "--json"]).ok().json()["name"], name);
    }
    for (preset, _) in tallow_policy::PRESETS {
        let page = desk.tallow(&["list", "presets", preset]).ok().out;
        assert!(page.lines().all(|line| line.chars().count() <= 80 && !line.starts_with('#')), "{page}");
    }
    let page = desk.tallow(&["list", "presets", "synermix"]).ok().out;
    assert!(page.starts_with("synermix\n  SynerMix with mixup (arXiv 2403.14137"), "{page}");
    for part in ["\nuse:\n  policy: synermix,", "\n  policy=synermix,", "\nstands for:\n  branches:\n"] {
        assert!(page.contains(part), "{page}");
    }
    for spec in tallow_policy::BUILTIN {
        let card = desk.tallow(&["list", "policies", spec.name]).ok().out;
        assert!(card.lines().all(|line| line.chars().count() <= 80), "over 80 columns:\n{card}");
    }
    let card = desk.tallow(&["list", "policies", "cutmix"]).ok().out;
    for part in [
        "\nparameters:\n",
        "\nexample:\n  { cutmix:",
        "\ncomposition:\n",
        "\ncost:\n",
        "\npresets:\n",
        "\nsource:\n",
    ] {
        assert!(card.contains(part), "no {part} in {card}");
    }
    desk.tallow(&["list", "models", "--markdown", "docs"]).complains(2, &["--markdown", "policies"]);
    desk.tallow(&["list", "models", "resnet19"]).complains(2, &["`resnet19`", "did you mean `resnet18`"]);
    assert_eq!(desk.tallow(&["list", "modles"]).code, 2);
}

/// A name that is listed under another word.
#[test]
fn list_points_to_where_a_name_is() {
    let desk = Desk::empty();
    for (what, name, words) in [
        (
            "recipe",
            "cutmix",
            "no key of a recipe is called `cutmix`; see `tallow list policies cutmix` and `tallow list presets cutmix`",
        ),
        ("recipe", "zeta-mixup", "see `tallow list policies zeta_mixup`"),
        ("recipe", "resnet18", "see `tallow list models resnet18`"),
        ("policies", "warmup", "no `warmup` among the policies; see `tallow list recipe warmup`"),
        ("policies", "schedule", "see `tallow list recipe schedule`"),
        ("policies", "synermix", "see `tallow list presets synermix`"),
        ("models", "isic2018", "see `tallow list datasets isic2018`"),
        ("recipe", "wormup", "did you mean `warmup`?"),
        ("recipe", "crops", "did you mean `evaluation_crops`?"),
        ("recipe", "learning_rate", "in its place: the learning rate of a schedule"),
        ("recipe", "unheard_of", "known: those of `tallow list recipe`"),
    ] {
        desk.tallow(&["list", what, name]).complains(2, &[words]);
    }
    // What is pointed to is there.
    for place in [["policies", "cutmix"], ["presets", "cutmix"], ["recipe", "warmup"], ["recipe", "schedule"]]
    {
        desk.tallow(&[&["list"], &place[..]].concat()).ok();
    }
}

#[test]
fn check_finds_and_runs_nothing() {
    let desk = Desk::new();
    desk.write("mine.yaml", "branches:\n  - policies: [ { mixup: { alpha: 1 } } ]\n");
    let said = desk.tallow(&["check", "tiny.yaml", "mine.yaml"]).ok();
    assert_eq!(said.out.lines().collect::<Vec<_>>(), ["tiny.yaml: ok", "mine.yaml: ok"]);
    let wrong = desk.tallow(&["check", "tiny.yaml", "optimizer.sgd.momentum=1.5"]);
    let expected = "override `optimizer.sgd.momentum=1.5`: optimizer.sgd.momentum: \
                    expected a number from 0 up to, but not, 1, got 1.5";
    assert_eq!(wrong.fails(2), [expected]);
    // The data of another dataset are not there, and that is asked for.
    let elsewhere = "data={ name: folder, root: nowhere, batch: 4, split: { validation: 0.25 } }";
    desk.tallow(&["check", "tiny.yaml", elsewhere, "model.weights=no.safetensors"]).ok();
    desk.tallow(&["check", "--data", "tiny.yaml", "mine.yaml"]).ok();
    let said = desk.tallow(&["check", "--data", "tiny.yaml", "mine.yaml", elsewhere]);
    said.complains(3, &["tiny.yaml: nowhere: no such folder; put ", "data.root="]);
    assert_eq!(said.out, "mine.yaml: ok\n");
    let said = desk.tallow(&["check", "--data", "tiny.yaml", elsewhere, "model.weights=no.safetensors"]);
    let lines = said.fails(2);
    assert!(
        lines[0].starts_with(
            "override `model.weights=no.safetensors`: model.weights: there is no no.safetensors; fetch"
        ),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("tiny.yaml: nowhere: no such folder"), "{lines:?}");
    desk.tallow(&["check", "--data", "tiny.yaml", "loss.class_weights=[1, 2]"])
        .complains(2, &["loss.class_weights: expected 7 weights"]);
    desk.tallow(&["check", "mine.yaml", "branches=3"]).complains(2, &["`branches=3`", "presets alone"]);
    assert_eq!(desk.names("."), ["mine.yaml", "tiny.yaml"]);
}

/// What `train` says of a recipe before it begins, `check` says too.
#[test]
fn check_tells_how_a_recipe_is_read() {
    let desk = Desk::new();
    desk.write(
        "long.yaml",
        "extends: tiny.yaml\nlength: 40 epochs\nschedule: { cosine: { lr: 0.05, warmup: 10 epochs } }\n",
    );
    let said = desk.tallow(&["check", "long.yaml", "length=2 epochs"]).ok().out;
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let note = "long.yaml: ok schedule.cosine.warmup: 10 epochs of 40 epochs are taken as 0.25 of 2 epochs, which `length` is now";
    assert_eq!(words, note);
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    assert!(
        desk.train(&["long.yaml", "length=2 epochs", "--dry-run"]).ok().err.contains("are taken as 0.25")
    );
    assert_eq!(desk.tallow(&["check", "long.yaml"]).ok().out, "long.yaml: ok\n");
}

/// What is frozen and was never trained is random.
#[test]
fn frozen_without_weights_is_doubted() {
    let desk = Desk::new();
    let said = |freeze: &str, more: &[&str]| {
        let checked = desk.tallow(&[&["check", "tiny.yaml", freeze], more].concat()).ok().out;
        checked.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let words = "warning: model.freeze: stem, stage1, stage2, stage3, penultimate are not trained, and without weights are random";
    assert!(said("model.freeze=true", &[]).contains(words), "{}", said("model.freeze=true", &[]));
    let dry = desk.train(&["tiny.yaml", "model.freeze=true", "--dry-run"]).ok().err;
    assert!(dry.contains(words) && dry.contains("or train all of it: `freeze: false`"), "{dry}");
    assert!(said("model.freeze=stem", &[]).contains("stem is not trained, and without weights is random"));
    assert!(said("model.freeze={ until: 1 epochs }", &[]).contains("are not trained at first"));
    for freeze in ["model.freeze=false", "model.freeze=[]", "model.freeze={ until: 0 }"] {
        assert!(!said(freeze, &[]).contains("warning"), "{freeze}");
    }
    assert!(!said("model.freeze=true", &["model.weights=there.safetensors"]).contains("warning"));
}

#[test]
fn help_fits_and_shows_examples() {
    let desk = Desk::empty();
    let commands = [
        "",
        "new",
        "train",
        "sweep",
        "eval",
        "compare",
        "data check",
        "predict",
        "preview",
        "stats",
        "replay",
        "pull",
        "export",
        "publish",
        "check",
        "list",
        "bench",
    ];
    let benches = ["step", "eval", "mix", "load", "epoch"].map(|work| format!("bench {work}"));
    for command in commands.into_iter().chain(benches.iter().map(String::as_str)) {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let said = desk.program(Program::Tallow).args(&arguments).env("COLUMNS", "200").say().ok();
        for line in said.out.lines() {
            assert!(line.chars().count() <= 80, "{arguments:?}: {line}");
        }
        assert!(said.out.contains("examples:"), "{}", said.out);
    }
    assert!(desk.tallow(&["--version"]).ok().out.starts_with("tallow "));
    let help = desk.train(&["--help"]).ok().out;
    assert!(help.contains("--resume") && help.contains("--dry-run"), "{help}");
    assert_eq!(desk.train(&[]).code, 2);
    assert_eq!(desk.tallow(&["trian"]).code, 2);
}
