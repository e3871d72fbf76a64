//! Several views of an image (`--tta`), several networks (`--with`).

use super::{picture, trained};
use crate::program::Desk;
use image::imageops::{flip_horizontal, flip_vertical};
use std::collections::BTreeMap;

/// The rows of a CSV of predictions: image → class → probability.
fn rows(csv: &str) -> BTreeMap<String, BTreeMap<String, f64>> {
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let first = header.iter().position(|name| *name == "predicted").unwrap() + 1;
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let classes = header[first..].iter().zip(&fields[first..]);
        let classes = classes.map(|(name, share)| (name.to_string(), share.parse().unwrap()));
        (fields[0].to_owned(), classes.collect())
    };
    csv.lines().skip(1).map(row).collect()
}

/// Each of `found` is the mean of the same class of all `parts`.
fn are_means(found: &BTreeMap<String, f64>, parts: &[&BTreeMap<String, f64>]) {
    assert!(found.len() > 1);
    for (class, share) in found {
        let mean = parts.iter().map(|part| part[class]).sum::<f64>() / parts.len() as f64;
        assert!((share - mean).abs() < 1e-6, "{class}: {share}, mean {mean} of {parts:?}");
    }
}

#[test]
fn flips_are_averaged() {
    let (desk, _) = trained();
    std::fs::create_dir_all(desk.path("flips")).unwrap();
    // Of the network's size: the evaluation leaves it as it is.
    let image = picture(16, 120);
    let mirrored = flip_horizontal(&image);
    for (name, image) in [
        ("plain", &image),
        ("h", &mirrored),
        ("v", &flip_vertical(&image)),
        ("hv", &flip_vertical(&mirrored)),
    ] {
        image.save(desk.path(&format!("flips/{name}.png"))).unwrap();
    }
    let alone = rows(&desk.tallow(&["predict", "run", "flips"]).ok().out);
    let of = |name: &str| &alone[&format!("flips/{name}.png")];
    let all = ["plain", "h", "v", "hv"].map(of);
    for (tta, views) in [("hflip", &all[..2]), ("flips", &all[..])] {
        let said = desk.tallow(&["predict", "run", "flips/plain.png", "--tta", tta]).ok();
        are_means(&rows(&said.out)["flips/plain.png"], views);
        let line = format!("test-time augmentation: {} views of each image ({tta})", views.len());
        assert!(said.err.contains(&line), "{}", said.err);
    }
    assert_ne!(all[0], all[1]);
}

/// By the recipe's seed alone: not by workers or other images.
#[test]
fn drawn_views_depend_on_the_seed_alone() {
    let (desk, _) = trained();
    let list = "[ { rotate: { degrees: 30 } }, { flip: {} } ]";
    let eval = |name: &str, more: &[&str]| {
        let words = ["eval", "run", "--tta", list, "--predictions", name, "--json"];
        let said = desk.tallow(&[&words[..], more].concat()).ok().json();
        (said, desk.read(name))
    };
    let (said, first) = eval("views_a.csv", &["data.workers=1"]);
    assert_eq!(said["tta"], serde_json::json!({ "views": 8, "policies": list }));
    assert_eq!(eval("views_b.csv", &["data.workers=3"]).1, first);
    assert_ne!(eval("views_c.csv", &["seed=2"]).1, first);
    assert_ne!(eval("views_d.csv", &["--tta-views", "3"]).1, first);
    let plain = ["eval", "run", "--predictions", "views_e.csv"];
    assert!(!desk.tallow(&plain).ok().out.contains("augmentation"));
    assert_ne!(desk.read("views_e.csv"), first);
    let text = desk.tallow(&["eval", "run", "--tta", list, "--tta-views", "3"]).ok().out;
    assert!(text.contains("\ntest-time augmentation: 3 views of each image ([ { rotate:"), "{text}");
    // The same image, alone and among others.
    for (name, shift) in [("a", 3), ("b", 99), ("c", 180)] {
        desk.write(&format!("company/{name}.png"), []);
        picture(20, shift).save(desk.path(&format!("company/{name}.png"))).unwrap();
    }
    let predict = |what: &str| rows(&desk.tallow(&["predict", "run", what, "--tta", list]).ok().out);
    are_means(&predict("company/c.png")["company/c.png"], &[&predict("company")["company/c.png"]]);
}

/// Crops and views of each crop.
#[test]
fn views_of_crops_are_averaged_too() {
    let (desk, _) = trained();
    let crops = ["evaluation=[{ resize: [20, 20] }, { center_crop: 16 }]", "evaluation_crops=4"];
    let eval = |name: &str, more: &[&str]| {
        let words = ["eval", "run", crops[0], crops[1], "--predictions", name];
        desk.tallow(&[&words[..], more].concat()).ok();
        desk.read(name)
    };
    assert_ne!(eval("crops_plain.csv", &[]), eval("crops_flips.csv", &["--tta", "flips"]));
}

#[test]
fn views_that_cannot_be_are_refused() {
    let (desk, _) = trained();
    let refused = |arguments: &[&str], words: &[&str]| {
        desk.tallow(&[&["eval", "run"], arguments].concat()).complains(2, words);
    };
    refused(&["--tta", "flop"], &["--tta flop: expected hflip, flips, or a list"]);
    refused(&["--tta", "[ { flop: {} } ]"], &["[0]", "flop", "flip"]);
    refused(&["--tta", "[ { resize: [16, 16] } ]"], &["draws nothing", "a policy that draws"]);
    refused(&["--tta", "[ { flip: {} }, { center_crop: 8 } ]"], &["changes the size", "16 by 16"]);
    // Where the evaluation leaves images as they are, they have the model's size.
    refused(
        &["evaluation=[]", "--tta", "[ { flip: {} }, { center_crop: 8 } ]"],
        &["changes the size", "16 by 16"],
    );
    let kept = "[ { rotate: { degrees: 10 } }, { resize: [16, 16] } ]";
    desk.tallow(&["eval", "run", "evaluation=[]", "--tta", kept]).ok();
    let ramp = "[ { rotate: { degrees: { from: 0, to: 20 } } } ]";
    refused(&["--tta", ramp], &["a ramp or a window"]);
    refused(&["--tta", "flips", "--tta-views", "3"], &["has 4 views", "leave out --tta-views 3"]);
    refused(&["--tta", "[ { flip: {} } ]", "--tta-views", "1"], &["--tta-views 1", "expected 2 or more"]);
    let values =
        candle_core::Tensor::zeros((2, 3, 16, 16), candle_core::DType::F32, &candle_core::Device::Cpu);
    values.unwrap().write_npy(desk.path("values.npy")).unwrap();
    for option in [["--tta", "flips"], ["--with", "run/last"]] {
        let said = desk.tallow(&[&["predict", "run", "values.npy"], &option[..]].concat());
        said.complains(2, &[option[0], "needs images"]);
    }
}

#[test]
fn checkpoints_are_averaged() {
    let (desk, _) = trained();
    let eval = |name: &str, more: &[&str]| {
        let words = ["eval", "run/best", "--predictions", name, "--json"];
        let said = desk.tallow(&[&words[..], more].concat()).ok().json();
        (said, rows(&desk.read(name)))
    };
    let (best, alone) = eval("best.csv", &[]);
    desk.train(&["tiny.yaml", "seed=2", "--out", "second"]).ok();
    let second = desk.tallow(&["eval", "second", "--predictions", "second.csv"]).ok();
    let (said, both) = eval("both.csv", &["--with", "second"]);
    assert_eq!((said["with"][0].as_str(), &best["with"]), (Some("second"), &serde_json::Value::Null));
    let other = rows(&desk.read("second.csv"));
    assert_eq!(both.len(), 28);
    for (image, found) in &both {
        are_means(found, &[&alone[image], &other[image]]);
    }
    assert!(!second.out.contains("ensemble"));
    let text =
        desk.tallow(&["eval", "run", "--with", "second", "--with", "run/last", "--tta", "hflip"]).ok().out;
    assert!(text.contains("\nan ensemble of 3 checkpoints, their probabilities averaged\n"), "{text}");
    assert!(text.contains("\ntest-time augmentation: 2 views of each image (hflip)"), "{text}");
    desk.tallow(&["eval", "run", "--with", "nowhere"]).complains(2, &["nowhere", "model.safetensors"]);
}

/// Each keeps its own order of classes and its own transform.
#[test]
fn members_are_matched_by_the_names_of_their_classes() {
    let desk = Desk::new();
    for (class, shift) in [("a", 20), ("b", 200), ("c", 90)] {
        for number in 0..6u8 {
            let name = format!("images/{class}/{number}.png");
            desk.write(&name, []);
            picture(16 + u32::from(number), shift + number).save(desk.path(&name)).unwrap();
        }
    }
    for (run, classes, evaluation) in [
        ("one", "[a, b]", "[{ resize: [16, 16] }]"),
        ("two", "[b, a]", "[{ resize: [24, 24] }, { center_crop: 16 }]"),
        ("three", "[a, c]", "[{ resize: [16, 16] }]"),
    ] {
        let split = "split: { validation: 0.34 }";
        let data = format!(
            "data={{ name: folder, root: images, batch: 4, workers: 1, {split}, classes: {classes} }}"
        );
        let evaluation = format!("evaluation={evaluation}");
        let words = ["tiny.yaml", &data, &evaluation, "policy=none", "length=3 epochs", "--out", run];
        desk.train(&words).ok();
    }
    let predict = |words: &[&str]| rows(&desk.tallow(&[&["predict"], words, &["images"]].concat()).ok().out);
    let (one, two) = (predict(&["one"]), predict(&["two"]));
    for both in [predict(&["one", "--with", "two"]), predict(&["two", "--with", "one"])] {
        assert_eq!(both.len(), 18);
        for (image, found) in &both {
            are_means(found, &[&one[image], &two[image]]);
        }
    }
    desk.tallow(&["predict", "one", "images", "--with", "three"]).complains(
        2,
        &["--with three: knows other classes than the first checkpoint", "here alone: c; there alone: b"],
    );
}
