//! What a training says aloud before it starts, and after an epoch that went wrong.

use super::trained;
use crate::program::Desk;

#[test]
fn sizes_that_surprise_are_told() {
    let desk = Desk::new();
    let dry = |more: &[&str]| desk.train(&[&["tiny.yaml", "--dry-run"], more].concat()).ok().err;
    let plain = dry(&[]);
    assert!(!plain.contains("every step takes all") && !plain.contains("enlarged"), "{plain}");
    let words = "data.batch: 100 is more than the 64 training images: every step takes all of them";
    let said = dry(&["data.batch=100"]);
    assert!(said.contains(words), "{said}");
    // Where what is left of an epoch is dropped, there would be no step.
    desk.train(&["tiny.yaml", "--dry-run", "data.batch=100", "data.drop_last=true"])
        .complains(2, &["64 training images make no batch of 100"]);
    let larger = ["model.input=64", "images=[ { resize: [64, 64] } ]", "evaluation=[ { resize: [64, 64] } ]"];
    let said = dry(&larger);
    assert!(
        said.contains("stored at about 16 px (shorter side), and enlarged 4 times to the 64 px"),
        "{said}"
    );
    // It is in the report too.
    desk.train(&["tiny.yaml", "data.batch=100", "length=1 steps", "--out", "run"]).ok();
    assert!(desk.read("run/report.html").contains(words));
}

/// The estimate grows with the batch; what it is worth is measured elsewhere.
#[cfg(target_os = "linux")]
#[test]
fn memory_is_told_before_the_run() {
    let desk = Desk::new();
    let mib = |batch: &str| {
        let said = desk.train(&["tiny.yaml", "--dry-run", batch, "data.images=512"]).ok().err;
        let (_, rest) = said.split_once("memory: about ").unwrap_or_else(|| panic!("{said}"));
        rest.split(" MiB at a batch of ").next().unwrap().parse::<f64>().unwrap()
    };
    let (small, large) = (mib("data.batch=16"), mib("data.batch=512"));
    assert!(small > 5.0 && large > small + 20.0, "{small} {large}");
}

/// A learning rate far too high: the loss stays finite, and every image is called the same.
#[test]
fn a_finite_divergence_is_told() {
    let desk = Desk::new();
    let lr = "schedule={ constant: { lr: 5 } }";
    let said = desk.train(&["tiny.yaml", lr, "length=1 epochs", "--out", "run", "--json"]).ok();
    let count = |words: &str| said.err.matches(words).count();
    assert_eq!(count("diverged: its training loss of "), 1, "{}", said.err);
    assert_eq!(count("and did not recover: all validation images are called "), 1, "{}", said.err);
    let advice =
        "lower schedule.constant.lr, lengthen schedule.constant.warmup, or clip gradients (clip: 1.0)";
    assert_eq!(count(advice), 2, "{}", said.err);
    let recorded = said.json()["warnings"][0].as_str().unwrap().to_owned();
    assert!(recorded.contains("did not recover"), "{recorded}");
    assert!(desk.read("run/report.html").contains("did not recover"));
    let (_, healthy) = trained();
    // It may know little yet, which is told, and is no divergence.
    let told = healthy["warnings"].as_array().unwrap();
    let early = |one: &serde_json::Value| one.as_str().unwrap().contains("after the last epoch");
    assert!(told.len() <= 1 && told.iter().all(early), "{told:?}");
}

/// It is told when it happens, and at the end of the run; a part of the run that is resumed does not tell it anew.
#[test]
fn a_finite_divergence_is_told_once_a_run() {
    let desk = Desk::new();
    let train = |more: &[&str]| {
        let arguments = ["tiny.yaml", "schedule={ constant: { lr: 5 } }", "--out", "run"];
        let said = desk.train(&[&arguments[..], more].concat()).ok().err;
        ["diverged: its training loss of ", "and did not recover"].map(|words| said.matches(words).count())
    };
    assert_eq!(train(&["length=1 epochs"]), [1, 1]);
    assert_eq!(desk.json("run/last/state.json")["diverged"], 1);
    assert_eq!(train(&["length=2 epochs", "--resume"]), [0, 1]);
    // Resumed after its end it has not recovered either.
    assert_eq!(train(&["length=2 epochs", "--resume"]), [0, 1]);
    assert!(desk.read("run/report.html").contains("diverged in epoch 1 and did not recover"));
    let (healthy, _) = trained();
    assert!(!healthy.read("run/last/state.json").contains("diverged"));
}

/// Dark and bright squares, under their labels and under labels in another order.
#[test]
fn labels_that_do_not_belong_to_their_images_are_told() {
    let desk = Desk::new();
    let (mut own, mut shuffled) = ("path,label\n".to_owned(), "path,label\n".to_owned());
    let mut rng = tallow_seed::Seed::new(1).rng();
    let mut others = rng.permutation(320);
    for index in 0..320 {
        let (bright, name) = (index % 2 == 0, format!("images/{index}.png"));
        let least = if bright { 128 } else { 0 };
        let value = |_, _| image::Rgb([0; 3].map(|_: u8| least + rng.below(128) as u8));
        std::fs::create_dir_all(desk.path("images")).unwrap();
        image::RgbImage::from_fn(16, 16, value).save(desk.path(&name)).unwrap();
        let label = |bright: bool| if bright { "bright" } else { "dark" };
        own += &format!("{name},{}\n", label(bright));
        shuffled += &format!("{name},{}\n", label(others.pop().unwrap().is_multiple_of(2)));
    }
    desk.write("own.csv", own);
    desk.write("shuffled.csv", shuffled);
    let train = |file: &str| {
        let data = format!("data={{ name: csv, file: {file}, batch: 16, split: {{ validation: 0.5 }} }}");
        let said = desk.train(&[
            "tiny.yaml",
            &data,
            "policy=none",
            "length=4 epochs",
            "--out",
            &format!("{file}_run"),
            "--json",
        ]);
        said.ok().json()["warnings"].to_string()
    };
    let words = "validation images are called no better than by guessing: mean recall ";
    let (of_own, of_shuffled) = (train("own.csv"), train("shuffled.csv"));
    assert!(!of_own.contains(words), "{of_own}");
    assert!(of_shuffled.contains(words) && of_shuffled.contains("tallow preview"), "{of_shuffled}");
}

/// A step so large that the weights overflow, while its own loss was one: the next would show it, and a checkpoint lies between.
#[test]
fn weights_that_are_not_finite_are_not_saved() {
    let desk = Desk::new();
    let arguments =
        ["tiny.yaml", "checkpoint.every=1 steps", "schedule={ constant: { lr: 1e39 } }", "--out", "run"];
    let words =
        ["the weights after step 1 are not finite (`", "they were not saved", "lower schedule.constant.lr"];
    desk.train(&arguments).complains(4, &words);
    assert!(!desk.path("run/last").exists());
}
