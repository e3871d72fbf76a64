//! `eval RECIPE`: the weights that a recipe names, as they are; and the names that a checkpoint answers to.

use super::{picture, trained};
use crate::checkpoint::weights;
use crate::program::{Desk, TINY};
use serde_json::{Value, json};
use std::fs;
use tallow_policy::Registry;
use tallow_train::{Plan, Weights};

/// A desk with the trained run's best weights alone, as `alone.safetensors`, and in `theirs/` beside its `config.json`.
fn with_weights() -> Desk {
    let (source, desk) = (&trained().0, Desk::new());
    fs::create_dir(desk.path("theirs")).unwrap();
    let best = source.path("run/best");
    for copy in ["alone.safetensors", "theirs/model.safetensors"] {
        fs::copy(best.join("model.safetensors"), desk.path(copy)).unwrap();
    }
    fs::copy(best.join("config.json"), desk.path("theirs/config.json")).unwrap();
    desk
}

/// What `eval tiny.yaml` says of these weights, and what it notes.
fn judged(desk: &Desk, weights: &str, more: &[&str]) -> (Value, String) {
    let weights = format!("model.weights={weights}");
    let said = desk.tallow(&[&["eval", "tiny.yaml", &weights, "--json"], more].concat()).ok();
    (said.json(), said.err)
}

#[test]
fn weights_of_a_recipe_are_judged_as_their_checkpoint_is() {
    let (run, desk) = (&trained().0, with_weights());
    let expected = run.tallow(&["eval", "run", "--split", "test", "--json"]).ok().json();
    let (by_name, said) = judged(&desk, "theirs", &["--split", "test"]);
    assert_eq!(by_name, expected);
    assert!(!said.contains("by their order") && said.contains("weights: theirs ("), "{said}");
    let (by_order, said) = judged(&desk, "alone.safetensors", &["--split", "test"]);
    assert_eq!(by_order, expected);
    assert!(said.contains("the weights name no classes: classes are matched by their order"), "{said}");
    let table = desk.tallow(&["eval", "tiny.yaml", "model.weights=theirs"]).ok().out;
    assert!(table.starts_with("tiny.yaml, theirs: validation part, 28 images\n"), "{table}");
    assert_eq!(desk.names("."), ["alone.safetensors", "theirs", "tiny.yaml"], "something was left behind");
}

#[test]
fn classes_of_weights_are_matched_by_name() {
    let desk = with_weights();
    let csv = |name: &str| {
        judged(&desk, "theirs", &["--predictions", name]);
        let rows = desk.read(name);
        rows.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let before = csv("before.csv");
    let mut config = desk.json("theirs/config.json");
    let names: Vec<String> = serde_json::from_value(config["label_names"].clone()).unwrap();
    let reversed: Vec<&String> = names.iter().rev().collect();
    config["label_names"] = json!(reversed);
    desk.write("theirs/config.json", config.to_string());
    let after = csv("after.csv");
    // Output k has the name that the weights give it; labels are the data's.
    assert_eq!(after[0][4..].iter().collect::<Vec<_>>(), reversed);
    let mirrored = |name: &String| reversed[names.iter().position(|known| known == name).unwrap()];
    for (before, after) in before.iter().zip(&after).skip(1) {
        assert_eq!((&before[0], &before[2], &before[4..]), (&after[0], &after[2], &after[4..]));
        assert_eq!(mirrored(&before[3]), &after[3]);
    }
    // Names that are none of the data's: by order, if there are as many.
    config["label_names"] = json!(["c0", "c1", "c2", "c3", "c4", "c5", "c6"]);
    desk.write("theirs/config.json", config.to_string());
    let (_, said) = judged(&desk, "theirs", &[]);
    assert!(said.contains("warning: no class of the weights (c0, …) is one of the data ("), "{said}");
    // Some of them strangers: no guess.
    config["label_names"] = json!(["c0", "c1", "c2", "c3", "c4", "c5", names[6]]);
    desk.write("theirs/config.json", config.to_string());
    desk.tallow(&["eval", "tiny.yaml", "model.weights=theirs"])
        .complains(3, &["classes that", "does not know"]);
}

#[test]
fn there_must_be_weights_with_a_head_to_evaluate() {
    let desk = with_weights();
    desk.tallow(&["eval", "tiny.yaml"]).complains(2, &["tiny.yaml:", "names no weights", "model.weights="]);
    desk.tallow(&["eval", "tiny.yaml", "model.weights=gone.pth"]).complains(2, &["there is no gone.pth"]);
    let save = |name: &str, tensors| {
        tallow_models::weights::save(&tensors, &desk.path(name), &Default::default()).unwrap();
    };
    save("many.safetensors", weights(1000, 1));
    let mut headless = weights(7, 1);
    headless.retain(|name, _| !name.starts_with("fc."));
    save("headless.safetensors", headless);
    for (name, why) in
        [("many", "head fc: 1000 classes in the file, 7 here"), ("headless", "the file has no head")]
    {
        let weights = format!("model.weights={name}.safetensors");
        let said = desk.tallow(&["eval", "tiny.yaml", &weights]);
        said.complains(2, &[&format!("{name}.safetensors: {why}"), "nothing to evaluate"]);
    }
    // The recipe in a run's folder names what the run began with.
    let (run, _) = trained();
    for recipe in ["run/recipe.yaml", "run/best/recipe.yaml"] {
        run.tallow(&["eval", recipe]).complains(2, &[recipe, "evaluate the run: tallow eval run"]);
    }
}

#[test]
fn a_checkpoint_answers_to_its_weights_file() {
    let (desk, _) = trained();
    let file = "run/last/model.safetensors";
    let of = |place: &str| desk.tallow(&["eval", place, "--json"]).ok().json();
    assert_eq!(of(file), of("run/last"));
    let other = Desk::empty();
    picture(16, 40).save(other.path("a.png")).unwrap();
    let file = desk.path(file).display().to_string();
    let run = desk.path("run/last").display().to_string();
    let asked = |place: &str| other.tallow(&["predict", place, "a.png"]).ok().out;
    assert_eq!(asked(&file), asked(&run));
    other.tallow(&["export", &file, "--to", "candle", "out"]).ok();
    other.tallow(&["replay", &file, "--step", "3", "--out", "r.png"]).ok();
    other.tallow(&["publish", &file, "--repo", "me/x", "--dry-run", "--out", "hub"]).ok();
    other.write("tiny.yaml", TINY);
    other.tallow(&["stats", "tiny.yaml", "--batches", "1", "--checkpoint", &file]).ok();
    // Any other file is none.
    let json = desk.path("run/last/config.json").display().to_string();
    other.tallow(&["eval", &json]).complains(2, &[&json, "is a file", "tallow eval RECIPE model.weights="]);
}

/// Groups that a split finds in names are those of the test part too: intervals draw groups, as those of a training do.
#[test]
fn groups_of_the_test_part_are_found() {
    let (desk, _) = trained();
    let mut rows = String::from("path,label,split\n");
    for (number, part) in ["train", "val", "test", "test", "test", "test"].into_iter().enumerate() {
        for class in ["MEL", "NV"] {
            // Two images of each patient.
            let name = format!("p{}{class}_{number}.png", number / 2);
            let path = desk.path(&format!("ward/{name}"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let shift = (number * 2 + usize::from(class == "NV")) as u8;
            picture(18, 20 + shift).save(path).unwrap();
            rows += &format!("{name},{class},{part}\n");
        }
    }
    desk.write("ward/rows.csv", rows);
    let over = |split: &str| {
        let data = format!("data={{ name: csv, file: ward/rows.csv, root: ward, batch: 4{split} }}");
        let said = desk.tallow(&["eval", "run", &data, "--split", "test", "--json"]).ok().json();
        (said["intervals"]["over"].clone(), said["intervals"]["units"].clone())
    };
    assert_eq!(over(""), (json!("images"), json!(8)));
    let by_name = ", split: { group: { path: '(p\\d+[A-Z]+)_' } }";
    assert_eq!(over(by_name), (json!("groups"), json!(4)));
}

/// A file as others published it: its names behind `module.`, its head another.
#[test]
fn names_of_a_file_are_replaced() {
    let desk = with_weights();
    let (ours, _) = judged(&desk, "alone.safetensors", &[]);
    let read = tallow_models::weights::read(&desk.path("alone.safetensors")).unwrap().tensors;
    let theirs = |name: &String| format!("module.{}", name.replace("fc.", "linear."));
    let theirs = read.iter().map(|(name, tensor)| (theirs(name), tensor.clone())).collect();
    tallow_models::weights::save(&theirs, &desk.path("theirs.safetensors"), &Default::default()).unwrap();
    let evaluate = |more: &[&str]| {
        desk.tallow(&[&["eval", "tiny.yaml", "model.weights=theirs.safetensors", "--json"], more].concat())
    };
    evaluate(&[]).complains(3, &["+ linear.bias [7]", "+ linear.weight [7, 64]"]);
    let said = evaluate(&["model.rename={ linear: fc }"]).ok();
    assert_eq!(said.json(), ours);
    assert!(said.err.contains("renamed as model.rename says: 2 tensor(s)"), "{}", said.err);
    evaluate(&["model.rename={ liner: fc }"]).complains(
        2,
        &["model.rename: theirs.safetensors: no name in the file begins with `liner`; there are bn1, conv1, layer1,"],
    );
    // The run that begins with them is evaluated and resumed without the file.
    let train =
        ["tiny.yaml", "model.weights=theirs.safetensors", "model.rename={ linear: fc }", "length=1 epochs"];
    desk.train(&[&train[..], &["--out", "run"]].concat()).ok();
    fs::remove_file(desk.path("theirs.safetensors")).unwrap();
    desk.tallow(&["eval", "run"]).ok();
    desk.train(&[&train[..], &["--out", "run", "--resume"]].concat()).ok();
}

/// `imagenet` is the first of the weights that are known to fit, as the list says.
#[test]
fn imagenet_stands_for_the_known_weights() {
    let desk = Desk::new();
    let read = |name: &str| {
        let side = tallow_models::find(name).unwrap().input;
        let overrides = [
            format!("model={{ name: {name}, weights: imagenet, input: {side} }}"),
            format!("images=[ {{ resize: [{side}, {side}] }} ]"),
            format!("evaluation=[ {{ resize: [{side}, {side}] }} ]"),
        ];
        Plan::read(&desk.path("tiny.yaml"), &overrides, &Registry::builtin())
    };
    let (mut known, mut unknown) = (0, 0);
    for spec in tallow_models::MODELS {
        match (spec.weights.first(), read(spec.name)) {
            (Some(id), Ok(plan)) => {
                known += 1;
                assert_eq!(plan.model.weights, Some(Weights::Hub((*id).to_owned())), "{}", spec.name);
            }
            (None, Err(error)) => {
                unknown += 1;
                let words = format!("model.weights: no ImageNet weights are known for {};", spec.name);
                assert!(error.to_string().contains(&words), "{error}");
            }
            (_, Ok(_)) => panic!("{}: weights out of nowhere", spec.name),
            (_, Err(error)) => panic!("{}: {error}", spec.name),
        }
    }
    assert!(known > 35 && unknown >= 7, "{known} {unknown}");
    let list = |name: &str| desk.tallow(&["list", "models", name]).ok().out;
    assert!(list("resnet18").contains("hub:timm/resnet18.") && list("resnet18").contains(", or `imagenet`"));
    assert!(list("resnet20").contains("none, so that `model.weights: imagenet` is a mistake"));
}
