//! `train`: the folder it writes, dry runs.

use super::trained;
use crate::program::Desk;
use serde_json::Value;

#[test]
fn train_writes_the_whole_folder() {
    let (desk, said) = trained();
    let names = desk.names("run");
    let (events, rest): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| name.starts_with("events.out.tfevents."));
    assert_eq!(events.len(), 1);
    let expected = [
        "best",
        "last",
        "log.txt",
        "metrics.jsonl",
        "predictions.csv",
        "recipe.yaml",
        "report.html",
        "summary.csv",
        "time.json",
    ];
    assert_eq!(rest, expected);
    let checkpoint = [
        "SHA256SUMS",
        "config.json",
        "metrics.json",
        "model.safetensors",
        "optimizer.safetensors",
        "recipe.yaml",
        "state.json",
    ];
    for place in ["run/best", "run/last"] {
        assert_eq!(desk.names(place), checkpoint, "{place}");
        assert_eq!(desk.read(&format!("{place}/recipe.yaml")), desk.read("run/recipe.yaml"));
    }
    // 64 images in batches of 16: four steps an epoch, two epochs; one line for each step and each epoch.
    assert_eq!(desk.read("run/metrics.jsonl").lines().count(), 2 * (4 + 1));
    assert_eq!(desk.read("run/summary.csv").lines().count(), 1 + 2);
    assert_eq!((&said["epochs"], &said["steps"]), (&2.into(), &8.into()));
    assert_eq!(desk.json("run/last/state.json")["step"], 8);
    // 64 / 5 validation images would be fewer than four of each of the seven classes.
    assert_eq!(desk.read("run/predictions.csv").lines().count(), 1 + 28);
    let log = desk.read("run/log.txt");
    for line in ["synthetic: 7 classes", "\nepoch 2/2  ", "\n  val loss "] {
        assert!(log.contains(line), "no {line:?} in {log}");
    }
    let report = desk.read("run/report.html");
    for word in ["<svg", "data:image/png;base64,", "cutmix_zeta_mixup", ">mel<"] {
        assert!(report.to_lowercase().contains(word), "no {word} in the report");
    }
    assert!(!report.contains("src=\"http") && !report.contains("href=\"http"), "the report loads something");
}

#[test]
fn the_resolved_recipe_stands_alone() {
    let (desk, _) = trained();
    let recipe = desk.read("run/recipe.yaml");
    assert!(recipe.contains("cutmix:") && recipe.contains("zeta_mixup:"), "{recipe}");
    let other = Desk::empty();
    other.write("again.yaml", recipe);
    other.train(&["again.yaml", "--out", "run"]).ok();
    let weights = |desk: &Desk| {
        let bytes = std::fs::read(desk.path("run/last/model.safetensors")).unwrap();
        safetensors::SafeTensors::deserialize(&bytes)
            .unwrap()
            .iter()
            .map(|(name, view)| (name.to_owned(), view.data().to_vec()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(weights(desk), weights(&other));
}

#[test]
fn a_dry_run_writes_nothing() {
    let desk = Desk::new();
    let said = desk.train(&["tiny.yaml", "--dry-run"]).ok();
    assert!(said.out.contains("loss of step 1"), "{}", said.out);
    assert_eq!(desk.names("."), ["tiny.yaml"]);
    let json = desk.train(&["tiny.yaml", "--dry-run", "--json"]).ok().json();
    assert_eq!((&json["steps_per_epoch"], &json["steps"]), (&4.into(), &8.into()));
    // The first step of the run itself.
    let loss: f64 = said
        .out
        .lines()
        .find(|line| line.contains("loss of step 1"))
        .unwrap()
        .split_whitespace()
        .last()
        .unwrap()
        .parse()
        .unwrap();
    let first: Value =
        serde_json::from_str(trained().0.read("run/metrics.jsonl").lines().next().unwrap()).unwrap();
    assert!((first["loss"].as_f64().unwrap() - loss).abs() < 1e-5, "{loss} != {first}");
    assert_eq!((&first["loss"], &first["lr"]), (&json["loss"], &json["lr"]));
}

#[test]
fn tallow_train_is_train() {
    let (here, there) = (Desk::new(), trained());
    let said = here.tallow(&["train", "tiny.yaml", "--out", "run"]).ok();
    assert!(said.out.contains("balanced") && said.out.contains("report: run/report.html"), "{}", said.out);
    // The command that judges it can be typed as it is printed.
    let (_, command) = said.out.trim_end().rsplit_once("tallow ").expect("a command for the test part");
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words, ["eval", "run", "--split", "test"]);
    assert!(here.tallow(&words).ok().out.contains("test part, 28 images"));
    assert_eq!(here.bytes("run"), there.0.bytes("run"));
}
