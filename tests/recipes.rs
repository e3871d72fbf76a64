//! Every recipe and preset plans; every mistake is answered with its place and remedy.

use crate::program::{Desk, Program, root};
use std::path::PathBuf;

/// The files of a folder of this repository with that extension, sorted.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

#[test]
fn every_recipe_and_preset_plans() {
    let files = [files("recipes"), files("policies")].concat();
    assert!(files.len() > 30, "{} files", files.len());
    let names: Vec<&str> = files.iter().map(|path| path.to_str().unwrap()).collect();
    let said = Desk::empty().tallow(&[&["check"], &names[..]].concat()).ok();
    let expected: Vec<String> = names.iter().map(|name| format!("{name}: ok")).collect();
    assert_eq!(said.out.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn every_preset_fits_the_taps_of_every_model() {
    let desk = Desk::new();
    let mut seen = 0;
    for (preset, _) in tallow_policy::PRESETS {
        for model in tallow_models::MODELS {
            let model = format!("model={{ name: {}, input: 64 }}", model.name);
            let (images, evaluation) =
                ("images=[ { resize: [64, 64] } ]", "evaluation=[ { resize: [64, 64] } ]");
            desk.tallow(&["check", "tiny.yaml", &format!("policy={preset}"), &model, images, evaluation])
                .ok();
            seen += 1;
        }
    }
    assert!(seen >= 11 * 10, "{seen}");
}

/// `# expect: LINE` at the head of a file of `tests/bad`.
#[test]
fn every_mistake_is_answered() {
    let files = files("tests/bad");
    assert!(files.len() > 35, "{} files", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let expected: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("# expect: ")).collect();
        let name = file.file_name().unwrap().to_str().unwrap();
        let desk = Desk::at(file.parent().unwrap());
        let said = desk.program(Program::Tallow).args(&["check", name]).say();
        let got: Vec<&str> = said.err.strip_prefix("error: ").unwrap_or(&said.err).lines().collect();
        if said.code != 2 || got != expected || expected.is_empty() {
            wrong.push(format!(
                "{name} [{}]: got\n{}\nexpected\n{}",
                said.code,
                got.join("\n"),
                expected.join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What an override gets wrong is said of the override, all of it at once; nothing is written.
#[test]
fn overrides_are_places_too() {
    let desk = Desk::new();
    let said = desk.train(&["tiny.yaml", "data.batch=0", "model.name=resnet200"]);
    let lines = said.fails(2);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], "override `data.batch=0`: data.batch: expected a whole number, 1 or more, got 0");
    let said = desk.train(&["tiny.yaml", "ema.warmup=false", "images[0].crop.size=20"]);
    assert_eq!(
        said.fails(2),
        [
            "override `ema.warmup=false`: ema.decay: is missing; write, for example, `decay: 0.999`",
            "override `images[0].crop.size=20`: images: ends with images of 20 by 20 pixels, expected the model's 16 by \
             16; change the last size, or model.input",
        ]
    );
    assert!(lines[1].starts_with("override `model.name=resnet200`: model.name: unknown model `resnet200`"));
    let said = desk.train(&["tiny.yaml", "data.batch", "images[7]={}"]);
    assert_eq!(
        said.fails(2),
        [
            "override `data.batch`: expected key=value, such as optimizer.sgd.momentum=0.9",
            "override `images[7]={}`: images: has 2 entries, no [7]",
        ]
    );
    assert_eq!(desk.names("."), ["tiny.yaml"]);
}

/// What can be judged only with the data open has its place all the same.
#[test]
fn mistakes_found_with_the_data_open_have_their_place() {
    let desk = Desk::new();
    let place = |arguments: &[&str], expected: &str| {
        let said = desk.train(&[&["tiny.yaml"], arguments].concat());
        assert_eq!(said.fails(2).first().map(String::as_str), Some(expected), "{arguments:?}");
    };
    place(
        &["data.images=3"],
        "override `data.images=3`: data.images: expected a whole number from 14 to 100000000, got 3",
    );
    place(
        &["loss.class_weights=[1, 2]"],
        "override `loss.class_weights=[1, 2]`: loss.class_weights: expected 7 weights, one per class, got 2",
    );
    place(
        &["data.batch=100", "data.drop_last=true"],
        "override `data.batch=100`: data.batch: 64 training images make no batch of 100; \
         lower data.batch, or write drop_last: false",
    );
    place(
        &["length=0 epochs"],
        "override `length=0 epochs`: length: expected at least one step, such as 1 epochs",
    );
    place(
        &["data.split={ group: patient, validation: 0.2, replace: true }"],
        "override `data.split={ group: patient, validation: 0.2, replace: true }`: data.split.group: \
         expected `lesion_id`, as this dataset has, got `patient`",
    );
    assert_eq!(desk.names("."), ["tiny.yaml"]);
}
