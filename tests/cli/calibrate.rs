//! `calibrate`: what it says, what it keeps, and who uses it.

use super::{picture, trained};
use crate::program::Desk;
use std::fs;

/// A desk with a checkpoint of its own to calibrate.
fn desk() -> Desk {
    let (shared, _) = trained();
    let desk = Desk::empty();
    desk.copy(&shared.path("run/best"), "best");
    picture(20, 10).save(desk.path("a.png")).unwrap();
    desk
}

/// Predictions of 200 images that are surer than they are right.
fn csv() -> String {
    let row = |image: u32| {
        let of_mel = f64::from(image % 20) / 20.0 + 0.025;
        // Right as often as a probability nearer to a half says.
        let honest = 0.5 + 0.5 * (of_mel - 0.5);
        let label = if f64::from(image / 20) / 10.0 + 0.05 < honest { "mel" } else { "nv" };
        let predicted = if of_mel > 0.5 { "mel" } else { "nv" };
        format!("i{image},,{label},{predicted},{},{of_mel}\n", 1.0 - of_mel)
    };
    let rows: String = (0..200).map(row).collect();
    format!("id,group,label,predicted,nv,mel\n{rows}")
}

#[test]
fn predictions_are_calibrated_for_a_look() {
    let desk = Desk::empty();
    desk.write("theirs.csv", csv());
    let mut log_losses = Vec::new();
    for method in ["temperature", "vector", "isotonic"] {
        let said = desk.tallow(&["calibrate", "theirs.csv", "--method", method, "--json"]).ok();
        assert!(said.err.contains("nothing is written"), "{}", said.err);
        let said = said.json();
        let number = |key: &str| said[key].as_f64().unwrap_or_else(|| panic!("{key} of {said}"));
        assert!(number("log_loss_after") < number("log_loss_before"), "{said}");
        assert!(number("ece_after") < 0.7 * number("ece_before"), "{said}");
        assert!(number("log_loss_cross_fitted") < number("log_loss_before"), "{said}");
        assert_eq!(said["temperature"].is_null(), method != "temperature");
        log_losses.push(number("log_loss_after"));
    }
    // A function is free to follow the images; two numbers per class are held near to no change.
    assert!(log_losses[2] < log_losses[0].min(log_losses[1]), "{log_losses:?}");
    assert_eq!(desk.names("."), ["theirs.csv"]);
    let said = desk
        .tallow(&["calibrate", "theirs.csv", "--threshold", "mel:sensitivity=0.9", "--max-risk", "0.3"])
        .ok()
        .out;
    for words in [
        "cross-fitted",
        "surer than it was right",
        "mel from 0.",
        "sensitivity               0.9",
        "left to a person below 0.",
    ] {
        assert!(said.contains(words), "no {words} in {said}");
    }
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
}

#[test]
fn a_checkpoint_keeps_its_calibration_and_what_is_decided() {
    let desk = desk();
    let before = desk.tallow(&["eval", "best", "--json"]).ok().json();
    assert!(before["calibration"].is_null() && before["decisions"]["decided"].is_null());
    let dry = ["calibrate", "best", "--method", "vector", "--dry-run"];
    assert!(desk.tallow(&dry).ok().err.contains("nothing is written (--dry-run)"));
    let ask = ["calibrate", "best", "--method", "vector", "--coverage", "0.8", "--max-risk", "0.9", "--json"];
    assert!(!desk.path("best/calibration.json").exists());
    let said = desk.tallow(&ask).ok().json();
    let kept = desk.json("best/calibration.json");
    assert_eq!(
        (&kept["probabilities"]["method"], &kept["sets"]["coverage"]),
        (&"vector".into(), &0.8.into())
    );
    // What was promised is what `eval` finds of the same images.
    let after = desk.tallow(&["eval", "best", "--json"]).ok().json();
    for (key, promised) in [("log_loss", "log_loss_after"), ("ece", "ece_after"), ("brier", "brier_after")] {
        let found = after[key].as_f64().unwrap();
        assert!((found - said[promised].as_f64().unwrap()).abs() < 1e-9, "{key}: {found}, {said}");
        assert_ne!(after[key], before[key]);
    }
    assert!(after["decisions"]["sets"]["covered"].as_f64().unwrap() > 0.5);
    let told = desk.tallow(&["eval", "best"]).ok().out;
    assert!(told.contains("calibrated: a weight and a bias") && told.contains("these very images"), "{told}");
    let named = ["eval", "best", "--metrics", "ece"];
    assert!(desk.tallow(&named).ok().out.contains("calibrated: a weight and a bias"));
    let named = desk.tallow(&[&named[..], &["--json"]].concat()).ok().json();
    assert_eq!((&named["scores"][0]["value"], &named["calibration"]), (&after["ece"], &after["calibration"]));
    let raw = desk.tallow(&["eval", "best", "--uncalibrated", "--json"]).ok().json();
    assert_eq!(raw["log_loss"], before["log_loss"]);

    let lines = |arguments: &[&str]| -> Vec<Vec<String>> {
        let out = desk.tallow(arguments).ok().out;
        out.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    };
    let found = lines(&["predict", "best", "a.png"]);
    assert_eq!(found[0][9..], ["decided", "set"]);
    let raw = lines(&["predict", "best", "a.png", "--uncalibrated"]);
    assert_eq!((raw[0].len(), &raw[0][..]), (9, &found[0][..9]));
    assert_ne!(raw[1][2..9], found[1][2..9]);
    let sum: f64 = found[1][2..9].iter().map(|p| p.parse::<f64>().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    let set: Vec<&str> = found[1][10].split('|').filter(|class| !class.is_empty()).collect();
    assert!(set.iter().all(|class| found[0][2..9].iter().any(|name| name == class)), "{set:?}");
    assert_eq!(lines(&["predict", "best", "a.png", "--logits"])[0].len(), 8);

    // Fitted to one network and one view, it says nothing of the mean of several.
    let views = desk.tallow(&["eval", "best", "--tta", "hflip"]).ok().out;
    assert!(
        views.contains("without the calibration of a checkpoint") && !views.contains("calibrated:"),
        "{views}"
    );
    let named = ["eval", "best", "--tta", "hflip", "--metrics", "ece"];
    let told = desk.tallow(&named).ok().out;
    assert!(told.contains("2 views of each image") && told.contains("without the calibration"), "{told}");
    let told = desk.tallow(&[&named[..], &["--json"]].concat()).ok().json();
    assert_eq!((&told["tta"]["views"], &told["calibration_left_out"]), (&2.into(), &true.into()));

    // Exported, it goes along, and the page says that the program must apply it.
    desk.tallow(&["export", "best", "--to", "candle", "out"]).ok();
    assert_eq!(desk.json("out/calibration.json"), kept);
    assert!(desk.read("out/README.md").contains("## Calibration"));

    // Published, the weights have other names, and the calibration holds for these.
    desk.tallow(&["publish", "best", "--repo", "me/net", "--dry-run", "--out", "hub"]).ok();
    assert_eq!(lines(&["predict", "hub", "a.png"]), found);

    // Other weights, put there on purpose: nothing is taken for honest.
    fs::remove_file(desk.path("best/SHA256SUMS")).unwrap();
    let file = desk.path("best/model.safetensors");
    let mut weights = fs::read(&file).unwrap();
    *weights.last_mut().unwrap() ^= 1;
    fs::write(&file, weights).unwrap();
    let refused = desk.tallow(&["eval", "best"]);
    refused.complains(3, &["best/calibration.json: was fitted to other weights", "tallow calibrate"]);
    desk.tallow(&["eval", "best", "--uncalibrated"]).ok();
    desk.tallow(&["calibrate", "best", "--method", "none", "--threshold", "NV:f1"]).ok();
    assert!(desk.json("best/calibration.json").get("probabilities").is_none());
    desk.tallow(&["eval", "best"]).ok();
    assert!(desk.tallow(&["calibrate", "best", "--remove"]).ok().err.starts_with("removed: "));
    assert!(!desk.path("best/calibration.json").exists());
}

#[test]
fn costs_decide() {
    let desk = desk();
    let eval = desk.tallow(&["eval", "best", "--predictions", "p.csv"]).ok();
    assert!(!eval.out.contains("decided"));
    let classes: Vec<String> =
        desk.read("p.csv").lines().next().unwrap().split(',').skip(4).map(str::to_owned).collect();
    // All that is missed of the first class costs more than anything else.
    let row = |truth: &String| {
        let cost = |decision: &String| match (truth == decision, *truth == classes[0]) {
            (true, _) => "0",
            (false, true) => "100000",
            (false, false) => "1",
        };
        format!("{truth},{}\n", classes.iter().map(cost).collect::<Vec<_>>().join(","))
    };
    desk.write(
        "costs.csv",
        format!("truth,{}\n{}", classes.join(","), classes.iter().map(row).collect::<String>()),
    );
    desk.tallow(&["calibrate", "best", "--method", "none", "--costs", "costs.csv"]).ok();
    let said = desk.tallow(&["predict", "best", "a.png"]).ok().out;
    assert!(said.lines().nth(1).unwrap().ends_with(&format!(",{}", classes[0])), "{said}");
    let found = desk.tallow(&["eval", "best", "--json"]).ok().json();
    assert!(found["decisions"]["decided"]["mean_cost"].as_f64().unwrap() < 1.0, "{found}");
}

#[test]
fn what_cannot_be_calibrated_says_why() {
    let desk = desk();
    desk.write("theirs.csv", csv());
    let refuse = |arguments: &[&str], words: &[&str]| {
        let all: Vec<&str> = ["calibrate"].iter().chain(arguments).copied().collect();
        desk.tallow(&all).complains(2, words);
        assert!(!desk.path("best/calibration.json").exists());
    };
    refuse(&["best", "--split", "train"], &["surer of images that it learned from", "validation or test"]);
    refuse(
        &["best", "--method", "platt"],
        &["--method platt", "expected temperature, vector, isotonic or none"],
    );
    refuse(&["theirs.csv", "--threshold", "bcc:f1"], &["`bcc` is no class; expected one of nv, mel"]);
    refuse(&["theirs.csv", "--coverage", "90"], &["--coverage 90", "between 0 and 1"]);
    refuse(&["theirs.csv", "--max-risk", "0.0001"], &["--max-risk 0.0001", "allow more"]);
    refuse(&["theirs.csv", "--remove"], &["is a CSV"]);
    refuse(&["theirs.csv", "--split", "test"], &["--split test: a CSV holds the predictions of one part"]);
    refuse(&["theirs.csv", "data.root=x"], &["data.root=x: a CSV holds"]);
    refuse(&["best", "--remove", "--method", "isotonic"], &["cannot be used with"]);
    let all_right: String = csv()
        .lines()
        .filter(|line| line.contains("nv,nv,") || line.contains("mel,mel,") || line.starts_with("id"))
        .map(|line| format!("{line}\n"))
        .collect();
    desk.write("right.csv", all_right);
    refuse(&["right.csv"], &["right.csv: no temperature is best", "more images are needed"]);
}

/// A threshold is chosen by the probabilities that it is used on: `eval` finds the same of the same images. Two of them compete.
#[test]
fn thresholds_reach_their_goals_and_what_is_decided_is_shown() {
    let desk = desk();
    let ask = ["calibrate", "best", "--threshold", "NV:sensitivity=0.9", "--threshold", "MEL:f1", "--json"];
    let said = desk.tallow(&ask).ok().json();
    let of = |class: &str| {
        let all = said["thresholds"].as_array().unwrap();
        all.iter().find(|threshold| threshold["class"] == class).unwrap()
    };
    assert_eq!(of("NV")["rates"][0]["name"], "sensitivity");
    assert!(of("NV")["rates"][0]["value"].as_f64().unwrap() >= 0.9, "{said}");
    let found = desk.tallow(&["eval", "best", "--json"]).ok().json();
    for threshold in found["decisions"]["thresholds"].as_array().unwrap() {
        assert_eq!(threshold["counts"], of(threshold["class"].as_str().unwrap())["counts"]);
    }
    assert_eq!(found["decisions"]["decided"], said["decided"]);
    let classes = said["decided"]["classes"].as_array().unwrap();
    let names: Vec<&str> = classes.iter().map(|class| class["class"].as_str().unwrap()).collect();
    assert_eq!(names, ["MEL", "NV"]);
    let counts = |of: &serde_json::Value| {
        ["hits", "misses", "false_alarms", "rest"].map(|key| of["counts"][key].as_u64().unwrap())
    };
    let images = said["decided"]["images"].as_u64().unwrap();
    assert!(classes.iter().all(|class| counts(class).iter().sum::<u64>() == images), "{said}");
    let told = desk.tallow(&["eval", "best"]).ok().out;
    for words in ["decided to be MEL: ", "decided to be NV: ", "several thresholds compete"] {
        assert!(told.contains(words), "no {words} in {told}");
    }
}

#[test]
fn a_calibration_that_does_harm_is_told() {
    let desk = Desk::empty();
    // As sure as they are right; of isotonic functions a class of few images says 0 of what it has not seen.
    let row = |image: u32| {
        let label = if image % 10 < 8 { "a" } else { "b" };
        let predicted =
            if image.is_multiple_of(2) { ("a", 0.8) } else { ("a", 0.75 + f64::from(image % 7) / 100.0) };
        format!("i{image},{label},{},{},{}\n", predicted.0, predicted.1, 1.0 - predicted.1)
    };
    let rows: String = (0..30).map(row).collect();
    desk.write("few.csv", format!("id,label,predicted,a,b\n{rows}"));
    let ask = ["calibrate", "few.csv", "--method", "isotonic", "--threshold", "a:sensitivity=1", "--json"];
    let said = desk.tallow(&ask).ok().json();
    let warnings = said["warnings"].to_string();
    assert!(warnings.contains("the log loss is worse than before"), "{said}");
    assert!(warnings.contains("the threshold of a calls every image"), "{said}");
    let told = desk.tallow(&ask[..6]).ok().out;
    assert_eq!(told.matches("warning: ").count(), 2, "{told}");
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
}

/// Runs of which one is calibrated are not on equal terms, which is said.
#[test]
fn compare_says_how_probabilities_are_calibrated() {
    let desk = desk();
    desk.copy(&desk.path("best"), "other");
    desk.tallow(&["calibrate", "best"]).ok();
    let ask = |more: &[&str]| {
        let compare = [
            "compare",
            "best",
            "other",
            "--split",
            "validation",
            "--metric",
            "log_loss",
            "--resamples",
            "50",
        ];
        desk.tallow(&[&compare[..], more].concat()).ok()
    };
    let said = ask(&[]).out;
    for words in ["best: calibrated by temperature", "other: not calibrated", "compare with --uncalibrated"] {
        assert!(said.replace("\n  ", " ").contains(words), "no {words} in {said}");
    }
    let json = ask(&["--json"]).json();
    assert!(json["models"][0]["calibrated"][0].as_str().unwrap().starts_with("calibrated by temperature"));
    assert_eq!((&json["models"][1]["calibrated"][0], json["difference"] == 0.0), (&false.into(), false));
    let raw = ask(&["--uncalibrated", "--json"]).json();
    assert_eq!((&raw["models"][0]["calibrated"][0], &raw["difference"]), (&false.into(), &0.0.into()));
    let raw = ask(&["--uncalibrated"]).out;
    assert!(!raw.contains("calibrated") && raw.contains("no resample differs"), "{raw}");
    let calibration_error = ["compare", "best", "other", "--split", "validation", "--metric", "ece"];
    let said = desk.tallow(&[&calibration_error[..], &["--resamples", "50", "--json"]].concat()).ok().json();
    assert!(said["low"].is_null() && said["high"].is_null() && said["p_permutation"].is_number(), "{said}");
    desk.tallow(&[&calibration_error[..], &["--margin", "0.1"]].concat())
        .complains(2, &["--margin of ece: resampling alone raises it"]);
}
