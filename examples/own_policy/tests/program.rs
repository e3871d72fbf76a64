//! The program as a person types it: its policies train, are listed, and answer mistakes.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn own_policy(folder: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_own_policy"));
    program.args(arguments).current_dir(folder).output().expect("the program starts")
}

fn recipe() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("own_policy.yaml")
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

#[test]
fn a_recipe_with_them_trains_and_its_checkpoint_is_evaluated() {
    let desk = tempfile::tempdir().unwrap();
    let recipe = recipe();
    let recipe = recipe.to_str().unwrap();
    let trained = own_policy(desk.path(), &["train", recipe, "--json"]);
    assert!(trained.status.success(), "{}", said(&trained));
    let run = desk.path().join("checkpoints/own_policy");
    let epochs = std::fs::read_to_string(run.join("summary.csv")).unwrap();
    assert_eq!(epochs.lines().count(), 3, "a head and two epochs: {epochs}");
    let resolved = std::fs::read_to_string(run.join("best/recipe.yaml")).unwrap();
    assert!(resolved.contains("vignette") && resolved.contains("concat"), "{resolved}");
    let found = own_policy(desk.path(), &["eval", "checkpoints/own_policy", "--json"]);
    assert!(found.status.success(), "{}", said(&found));

    // The mix is no ornament: without it the weights are others.
    let weights = |run: &str| std::fs::read(desk.path().join(run).join("last/model.safetensors")).unwrap();
    for (out, list) in [
        ("same", "[ { concat: { axis: vertical } }, { zeta_mixup: { gamma: 2.8 } } ]"),
        ("less", "[ { zeta_mixup: { gamma: 2.8 } } ]"),
    ] {
        let branches = format!("branches=[ {{ policies: {list} }} ]");
        let trained = own_policy(desk.path(), &["train", recipe, &branches, "--out", out]);
        assert!(trained.status.success(), "{}", said(&trained));
    }
    assert_ne!(tensors(&weights("same")), tensors(&weights("less")));
    assert_eq!(tensors(&weights("same")), tensors(&weights("checkpoints/own_policy")));
}

/// The data of a safetensors file: what follows the header, whose length is the first 8 bytes.
fn tensors(file: &[u8]) -> &[u8] {
    let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    &file[8 + header..]
}

#[test]
fn they_are_listed_with_what_they_answer() {
    let desk = tempfile::tempdir().unwrap();
    for (name, kind, word) in [("vignette", "image", "the size stays"), ("concat", "mix", "a mask")] {
        let card = own_policy(desk.path(), &["list", "policies", name, "--json"]);
        let card: Value = serde_json::from_slice(&card.stdout).unwrap();
        assert_eq!(card["kind"], kind);
        let lines = card["composition"].as_array().unwrap();
        assert!(lines.iter().any(|line| line.as_str().unwrap().contains(word)), "{card}");
    }
}

#[test]
fn mistakes_in_their_parameters_have_place_and_remedy() {
    let desk = tempfile::tempdir().unwrap();
    let recipe = recipe();
    let recipe = recipe.to_str().unwrap();
    for (change, words) in [
        (
            "branches=[ { policies: [ { concat: { axis: diagonal } } ] } ]",
            ["concat.axis", "expected `horizontal` or `vertical`, got diagonal"],
        ),
        ("branches=[ { policies: [ { concat: {}, at: penultimate } ] } ]", ["concat", "earlier tap"]),
        ("images=[ { vignette: { strength: 2 } } ]", ["vignette.strength", "from 0 to 1"]),
    ] {
        let answer = own_policy(desk.path(), &["check", recipe, change]);
        assert_eq!(answer.status.code(), Some(2), "{}", said(&answer));
        assert!(words.iter().all(|word| said(&answer).contains(word)), "{change}: {}", said(&answer));
    }
}
