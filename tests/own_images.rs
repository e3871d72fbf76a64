//! Somebody's own images: a recipe from a look at them, groups from names, classes left out, copies found. Odd folders are in
//! `odd_folders.rs`.

use crate::program::{Desk, Program};
use std::fs;

/// A picture of its own for each number.
pub fn picture(desk: &Desk, path: &str, number: u8) {
    let path = desk.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixel = |x: u32, y: u32| image::Rgb([number.wrapping_mul(7), (x * 8) as u8, (y * 8) as u8 ^ number]);
    image::RgbImage::from_fn(20, 20, pixel).save(path).unwrap();
}

/// Two classes of eight, of four patients each, who are in the names.
fn classes(desk: &Desk, folder: &str) {
    for (class, first) in [("a", 0), ("b", 8)] {
        for number in 0..8 {
            picture(
                desk,
                &format!("{folder}/{class}/person{}_{number}.png", first / 2 + number / 2),
                first + number,
            );
        }
    }
}

pub const SMALL: &str = "model={ name: resnet20, input: 16 }";
pub const SQUARE: [&str; 2] = ["images=[ { resize: [16, 16] } ]", "evaluation=[ { resize: [16, 16] } ]"];

#[test]
fn a_recipe_for_a_folder_trains_as_it_is() {
    let desk = Desk::new();
    classes(&desk, "mine");
    for class in ["a", "b"] {
        picture(&desk, &format!("mine/augmented data/{class}/0.png"), 99);
    }
    let said = desk.tallow(&["new", "mine", "-o", "mine.yaml"]).ok();
    for part in [
        "read as `folder`",
        "`augmented data` holds the classes once more",
        "names suggest 8 groups",
        "tallow train mine.yaml",
    ] {
        assert!(said.err.contains(part), "{part} in\n{}", said.err);
    }
    let recipe = desk.read("mine.yaml");
    assert!(recipe.contains("classes:\n  - a\n  - b\n") && recipe.contains("path: "), "{recipe}");
    desk.train(&["mine.yaml", "length=1 epochs", "--out", "run"]).ok();
    let rows = desk.read("run/predictions.csv");
    assert!(rows.lines().skip(1).all(|row| row.contains(",person")), "{rows}");
    // A recipe that is there is not written over; without -o it goes to standard output.
    desk.tallow(&["new", "mine", "-o", "mine.yaml"]).complains(2, &["--out mine.yaml: cannot be written"]);
    assert_eq!(desk.tallow(&["new", "mine"]).ok().out.lines().count(), recipe.lines().count());
    desk.tallow(&["new", "nowhere"]).complains(3, &["nowhere: no such file or folder"]);
}

#[test]
fn groups_come_from_names_and_classes_are_chosen() {
    let desk = Desk::new();
    classes(&desk, "mine");
    picture(&desk, "mine/rare/person9_0.png", 40);
    let data = |more: &str| {
        format!(
            "data={{ name: folder, root: mine, batch: 4, split: {{ validation: 0.3, group: {{ path: 'person(\\d+)_' }} }}{more} }}"
        )
    };
    let run = |data: &str, out: &str| {
        let arguments = ["tiny.yaml", data, SMALL, SQUARE[0], SQUARE[1], "length=1 epochs", "--out", out];
        desk.train(&arguments)
    };
    run(&data(", drop: [rare]"), "dropped").ok();
    let header = desk.read("dropped/predictions.csv");
    assert_eq!(header.lines().next().unwrap(), "id,group,label,predicted,a,b");
    assert!(
        header.contains("a/person0_0.png,0,a,") != header.contains("a/person3_6.png,3,a,")
            || header.lines().count() > 3
    );
    run(&data(", only: [a, b]"), "only").ok();
    assert_eq!(desk.read("only/predictions.csv"), header);
    run(&data(", drop: [raer]"), "x")
        .complains(2, &["data.drop[0]: no class is called `raer`; did you mean `rare`?"]);
    run(&data(", only: [a]"), "x").complains(2, &["expected two classes or more"]);
}

#[test]
fn copies_on_two_sides_or_under_two_labels_stop_a_run() {
    let desk = Desk::new();
    classes(&desk, "train");
    classes(&desk, "set/train");
    classes(&desk, "set/val");
    let run = |root: &str, more: &str| {
        let data = format!("data={{ name: folder, root: {root}, batch: 4{more} }}");
        desk.train(&[
            "tiny.yaml",
            &data,
            SMALL,
            SQUARE[0],
            SQUARE[1],
            "length=1 epochs",
            "--overwrite",
            "--out",
            "run",
        ])
    };
    run("set", "").complains(
        3,
        &["16 images are in two parts, the same to the byte: ", "data.copies=drop", "data.allow_leak=true"],
    );
    let said = run("set", ", allow_leak: true").ok();
    assert!(said.err.contains("allowed by data.allow_leak: 16 images are in two parts"), "{}", said.err);
    // A copy within a class stays on its side, and is no patient.
    picture(&desk, "train/a/again.png", 1);
    let said = run("train", ", split: { validation: 0.3 }").ok();
    assert!(
        said.err.contains("no patient or lesion ids are given, but names suggest 8 groups"),
        "{}",
        said.err
    );
    // Names that look like patients are told, and whether they leak; the set is not called clean.
    for (at, part) in ["train", "validation"].into_iter().enumerate() {
        for class in ["a", "b"] {
            for image in 0..8 {
                let seed = 200 + 16 * at + image + if class == "a" { 0 } else { 8 };
                let patient = 6 * at + image;
                picture(
                    &desk,
                    &format!("named/{part}/{class}/person{patient}_{class}{image}.png"),
                    seed as u8,
                );
            }
        }
    }
    let said = run("named", "").ok();
    let words = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
    let leak = "names suggest 14 groups, such as `person0` of train/a/person0_a0.png: 2 of them, such as `person6`, are in two parts, \
                which may be a leak; if these are patients, write split.group: { path: ";
    assert!(words.contains(leak), "{words}");
    // Under two labels.
    picture(&desk, "train/b/again.png", 0);
    run("train", ", split: { validation: 0.3 }")
        .complains(3, &["1 image is under two labels, the same to the byte: "]);
}

/// Weights in the hub's cache begin the recipe, without a question to the hub.
#[test]
fn weights_at_hand_are_taken() {
    let desk = Desk::empty();
    let jpeg = image::RgbImage::from_fn(160, 160, |x, y| image::Rgb([x as u8, y as u8, 90]));
    for class in ["a", "b"] {
        for index in 0..6 {
            let name = format!("images/{class}/{class}{index}.png");
            desk.write(&name, "");
            let mut picture = jpeg.clone();
            picture.put_pixel(0, index, image::Rgb([class.as_bytes()[0], index as u8, 0]));
            picture.save(desk.path(&name)).unwrap();
        }
    }
    let new =
        || desk.program(Program::Tallow).args(&["new", "images"]).env("HF_HUB_CACHE", "cache").say().ok().out;
    let began = std::time::Instant::now();
    assert!(new().contains("name: resnet18\n  stem: imagenet"), "{}", new());
    assert!(began.elapsed().as_secs() < 20, "nothing is asked of a network");
    desk.write("cache/models--timm--resnet34.tv_in1k/refs/main", "c0ffee");
    desk.write("cache/models--timm--resnet34.tv_in1k/snapshots/c0ffee/model.safetensors", "weights");
    let recipe = new();
    assert!(
        recipe.contains("weights: hub:timm/resnet34.tv_in1k") && !recipe.contains("evaluation"),
        "{recipe}"
    );
}
