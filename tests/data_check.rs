//! `tallow data check`: copies of every kind in two parts and under two labels, the list that leaves them out, and the training that
//! knows what was found.

use crate::program::{Desk, Program, Said};
use image::{Rgb, RgbImage};
use std::fs;

/// Waves of its own for each number.
fn picture(number: u32) -> RgbImage {
    RgbImage::from_fn(64, 64, |x, y| {
        let (x, y, n) = (f64::from(x), f64::from(y), f64::from(number));
        let wave = |a: f64, b: f64, c: f64| ((a * x + b * y) / 9.0 + c * n).sin();
        let sum = wave(1.0 + n.sin(), (3.0 * n).cos(), 1.0)
            + wave((5.0 * n).cos() * 3.0, 2.0 * (7.0 * n).sin(), 2.0)
            + wave(4.0 * (11.0 * n).sin(), 4.0 * (13.0 * n).cos(), 3.0);
        Rgb([(128.0 + 40.0 * sum) as u8, (120.0 + 30.0 * sum) as u8, 100])
    })
}

fn save(desk: &Desk, path: &str, picture: &RgbImage) {
    let path = desk.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save(path).unwrap();
}

/// With 24 pictures of two classes, 16 of them to train with.
fn desk() -> Desk {
    let desk = Desk::new();
    for number in 0..24 {
        let part = if number < 16 { "train" } else { "val" };
        let class = if number % 2 == 0 { "a" } else { "b" };
        save(&desk, &format!("set/{part}/{class}/{number}.png"), &picture(number));
    }
    desk
}

/// Said with a cache of its own.
fn say(desk: &Desk, program: Program, words: &[&str], data: &str) -> Said {
    let model = "model={ name: resnet20, input: 16 }";
    let square = ["images=[ { resize: [16, 16] } ]", "evaluation=[ { resize: [16, 16] } ]"];
    let data = format!("data={{ name: folder, root: set, batch: 4{data} }}");
    let words = [words, &[&data, model, square[0], square[1]]].concat();
    desk.program(program).args(&words).env("TALLOW_CACHE", desk.path("cache")).say()
}

#[test]
fn copies_are_found_left_out_and_known_to_the_training() {
    let desk = desk();
    let check = |more: &[&str], data: &str| {
        say(&desk, Program::Tallow, &[&["data", "check", "tiny.yaml"], more].concat(), data)
    };
    let train = |data: &str| say(&desk, Program::Train, &["tiny.yaml", "--dry-run"], data);
    let clean = check(&[], "").ok();
    for words in [
        "24 images looked at (train 16, validation 8), 24 of them decoded now",
        "identical: none",
        "near: none",
    ] {
        assert!(clean.out.contains(words), "{}", clean.out);
    }

    // To the pixel in both parts, turned in both parts, and to the pixel under two labels: none of them to the byte.
    save(&desk, "set/val/a/again.bmp", &picture(0));
    save(&desk, "set/val/b/turned.png", &image::imageops::rotate90(&picture(3)));
    save(&desk, "set/train/b/other.bmp", &picture(2));
    let before = train("").ok();
    assert!(before.err.contains("the same to the byte (checked)"), "{}", before.err);
    let said = check(&["--json", "--fix"], "");
    let words = [
        "1 image is in two parts",
        "1 set of near images is in two parts",
        "1 image is under two labels",
        "--fix",
    ];
    said.complains(3, &words);
    let found = said.json();
    assert_eq!((found["images"].as_u64(), found["decoded"].as_u64()), (Some(27), Some(3)));
    for (kind, count) in [("identical", 2), ("near", 1), ("conflicting", 1), ("across_parts", 2)] {
        assert_eq!(found[kind].as_array().unwrap().len(), count, "{kind}: {found}");
    }
    assert_eq!(found["conflicting"][0].as_array().unwrap().len(), 2);
    assert!(found["pairs"][0]["probability"].as_f64().unwrap() > 0.5, "{found}");

    // Both of the two labels, and of each of the others the one in training.
    let list = desk.read("tiny.exclude.csv");
    assert_eq!(list.lines().count(), 5, "{list}");
    assert!(!list.contains("again") && !list.contains("turned"), "{list}");
    train("").complains(3, &["the same to the pixel", "data.allow_leak=true"]);
    let allowed = train(", allow_leak: true").ok();
    assert!(allowed.err.contains("allowed by data.allow_leak: 1 image is in two parts"), "{}", allowed.err);
    assert!(allowed.err.contains("1 pair of nearly identical images in two parts"), "{}", allowed.err);
    let without = ", exclude: tiny.exclude.csv";
    check(&[], without).ok();
    let said = train(without).ok();
    assert!(said.err.contains("left out by tiny.exclude.csv: 4 train images"), "{}", said.err);
    assert!(said.err.contains("the same to the byte or the pixel (checked)"), "{}", said.err);
    // Another list has what the recipe leaves out already, and why.
    save(&desk, "set/val/b/later.bmp", &picture(5));
    check(&["--fix=more.csv"], without).complains(3, &["1 image is in two parts"]);
    let (old, more) = (desk.read("tiny.exclude.csv"), desk.read("more.csv"));
    assert_eq!(more.lines().count(), 6, "{more}");
    assert!(more.starts_with(&old), "{old}{more}");
    // A list that the recipe does not read is not written over.
    check(&["--fix"], "").complains(2, &["--fix tiny.exclude.csv: cannot be written"]);
}

#[test]
fn near_images_under_two_labels_and_those_that_cannot_be_read() {
    let desk = desk();
    save(&desk, "set/train/b/turned.png", &image::imageops::rotate90(&picture(2)));
    let whole = fs::read(desk.path("set/train/a/4.png")).unwrap();
    desk.write("set/train/a/4.png", &whole[..whole.len() / 2]);
    let check = |more: &[&str], data: &str| {
        say(&desk, Program::Tallow, &[&["data", "check", "tiny.yaml"], more].concat(), data)
    };
    let near = "1 set of near images is under two labels – look at them";
    let broken = "1 image cannot be read – mend them";
    let said = check(&["--fix"], "");
    said.complains(3, &[near, broken, "--fix"]);
    assert!(said.out.contains("two labels)"), "{}", said.out);
    let list = desk.read("tiny.exclude.csv");
    let reasons: Vec<&str> = list.lines().skip(1).map(|line| line.split_once(',').unwrap().1).collect();
    assert_eq!(reasons.len(), 3, "{list}");
    assert!(reasons.contains(&"cannot be read"), "{list}");
    assert!(list.contains("near train/a/2.png") || list.contains("near a/2.png"), "{list}");
    check(&[], ", exclude: tiny.exclude.csv").ok();
    let skipped = check(&[], ", broken: skip");
    assert_eq!(skipped.code, 3);
    assert!(!skipped.err.contains("cannot be read –"), "{}", skipped.err);
}
