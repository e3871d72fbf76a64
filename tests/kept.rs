//! What kills, damage, overwriting and a full disk leave of a run, and how it goes on.

use crate::program::{Desk, Program};
use crate::training::assert_same;
use std::fs;
use std::path::Path;

/// 3 epochs of 20 steps.
const LONG: &str = "\
extends: tiny.yaml
data: { images: 160, batch: 8 }
length: 3 epochs
";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("long.yaml", LONG);
    desk
}

/// Flips a bit in the middle of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Every file of a checkpoint: a bit of it that is another is told by whatever reads it, and by coreutils.
#[test]
fn a_flipped_bit_is_refused() {
    let desk = desk();
    desk.train(&["tiny.yaml", "length=1 epochs", "--out", "run"]).ok();
    fs::rename(desk.path("run/best"), desk.path("aside")).unwrap();
    let names = desk.names("run/last");
    assert_eq!(names.len(), 7, "{names:?}");
    for name in names.iter().filter(|name| *name != "SHA256SUMS") {
        let path = desk.path("run/last").join(name);
        let whole = fs::read(&path).unwrap();
        damage(&path);
        let words =
            [&format!("run/last/{name}: holds other bytes than were written"), "SHA256SUMS", "--overwrite"];
        desk.train(&["tiny.yaml", "length=1 epochs", "--out", "run", "--resume"]).complains(3, &words);
        if ["model.safetensors", "config.json", "recipe.yaml"].contains(&name.as_str()) {
            desk.tallow(&["eval", "run/last"]).complains(3, &words);
            desk.tallow(&["export", "run/last", "--to", "candle", "out"]).complains(3, &words);
        }
        fs::write(&path, whole).unwrap();
    }
    desk.tallow(&["eval", "run/last"]).ok();
    // Removed on purpose, as the message says; said all the same.
    fs::remove_file(desk.path("run/last/SHA256SUMS")).unwrap();
    let said = desk.train(&["tiny.yaml", "length=1 epochs", "--out", "run", "--resume"]).ok();
    assert!(
        said.err.contains("run/last/SHA256SUMS: is missing; the checkpoint is taken as it is"),
        "{}",
        said.err
    );
}

/// `last` is damaged: the run goes on from the furthest checkpoint that is whole, to the same bytes.
#[test]
fn a_damaged_last_is_gone_on_without() {
    let desk = desk();
    let kept = "checkpoint={ every: 15 steps, keep: 3, best: 2 }";
    desk.train(&["long.yaml", kept, "--out", "whole"]).ok();
    let whole = desk.bytes("whole");
    for name in ["step_55", "step_40", "best", "last"] {
        assert!(
            desk.path("whole").join(name).join("model.safetensors").is_file(),
            "{:?}",
            desk.names("whole")
        );
    }
    assert_eq!(desk.names("whole").iter().filter(|name| name.starts_with("step_")).count(), 2);
    assert_eq!(desk.names("whole").iter().filter(|name| name.starts_with("best")).count(), 2);
    damage(&desk.path("whole/last/optimizer.safetensors"));
    damage(&desk.path("whole/step_55/model.safetensors"));
    let said = desk.train(&["long.yaml", kept, "--out", "whole", "--resume"]).ok();
    for words in [
        "warning: whole/last/optimizer.safetensors",
        "warning: whole/step_55/model.safetensors",
        "goes on from whole/",
    ] {
        assert!(said.err.contains(words), "{}", said.err);
    }
    for name in [
        "last/model.safetensors",
        "last/state.json",
        "best/model.safetensors",
        "metrics.jsonl",
        "summary.csv",
    ] {
        assert!(whole[name] == desk.bytes("whole")[name], "{name}");
    }
    // Of a run that is finished it is made again.
    let finished = ["tiny.yaml", "length=1 epochs", "--out", "finished"];
    desk.train(&finished).ok();
    let before = desk.bytes("finished");
    damage(&desk.path("finished/last/optimizer.safetensors"));
    desk.train(&[&finished[..], &["--resume"]].concat()).ok();
    assert_same(&before, &desk.bytes("finished"));
    // How often it was written moved nothing.
    desk.train(&["long.yaml", "--out", "plain"]).ok();
    let weights = |run: &str| crate::program::tensors(&desk.path(run).join("last/model.safetensors"));
    assert!(weights("plain") == weights("whole"));
}

/// `best` is further than `last`: it is gone on from, as logs that are cut to `last` would be too short for it.
#[test]
fn a_kill_between_best_and_last_cuts_no_log() {
    let desk = desk();
    let every = "checkpoint={ every: 15 steps, keep: 10 }";
    desk.train(&["long.yaml", every, "--out", "whole"]).ok();
    let whole = desk.bytes("whole");
    // As if it had been killed at the end of the best epoch.
    let end = 20 * desk.json("whole/best/state.json")["epoch"].as_u64().unwrap();
    let mut before: Vec<(u64, String)> = Vec::new();
    for name in desk.names("whole").into_iter().filter(|name| name == "last" || name.starts_with("step_")) {
        let step = desk.json(&format!("whole/{name}/state.json"))["step"].as_u64().unwrap();
        if step < end {
            before.push((step, name));
        } else {
            fs::remove_dir_all(desk.path("whole").join(name)).unwrap();
        }
    }
    let (_, furthest) = before.into_iter().max().unwrap();
    fs::rename(desk.path("whole").join(furthest), desk.path("whole/last")).unwrap();
    let said = desk.train(&["long.yaml", every, "--out", "whole", "--resume"]).ok();
    assert!(said.err.contains("by whole/best/recipe.yaml"), "{}", said.err);
    for name in
        ["metrics.jsonl", "summary.csv", "predictions.csv", "last/model.safetensors", "last/state.json"]
    {
        assert!(whole[name] == desk.bytes("whole")[name], "{name}");
    }
}

/// Evaluated are those that a run keeps beside the best, the better ones first in its state.
#[test]
fn the_best_ones_stay() {
    let desk = desk();
    desk.train(&["tiny.yaml", "length=5 epochs", "checkpoint.best=3", "--out", "run"]).ok();
    let of = |place: &str| {
        let state = desk.json(&format!("run/{place}/state.json"));
        (
            state["epoch"].as_u64().unwrap(),
            desk.json(&format!("run/{place}/metrics.json"))["macro_f1"].as_f64().unwrap(),
        )
    };
    let names: Vec<String> =
        desk.names("run").into_iter().filter(|name| name.starts_with("best_epoch_")).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let mut kept: Vec<(u64, f64)> = names.iter().map(|name| of(name)).collect();
    kept.push(of("best"));
    let summary = desk.read("run/summary.csv");
    let column = summary.lines().next().unwrap().split(',').position(|name| name == "macro_f1").unwrap();
    let mut all: Vec<(u64, f64)> = summary
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[0].parse().unwrap(), fields[column].parse().unwrap())
        })
        .collect();
    // Of equal ones the earlier.
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(3);
    assert_eq!(of("best").0, all[0].0);
    all.sort_by_key(|(epoch, _)| *epoch);
    kept.sort_by_key(|(epoch, _)| *epoch);
    assert_eq!(
        kept.iter().map(|(epoch, _)| epoch).collect::<Vec<_>>(),
        all.iter().map(|(epoch, _)| epoch).collect::<Vec<_>>()
    );
    for ((_, kept), (_, logged)) in kept.iter().zip(&all) {
        assert!((kept - logged).abs() < 1e-6, "{kept} {logged}");
    }
    desk.tallow(&["eval", &format!("run/{}", names[0])]).ok();
}

/// One command, whatever has happened: it begins, goes on, and has nothing left to do.
#[test]
fn a_job_is_started_again_and_again() {
    let desk = desk();
    desk.train(&["long.yaml", "--out", "whole"]).ok();
    let command = ["long.yaml", "--out", "run", "--resume-or-start"];
    let log = desk.path("run/metrics.jsonl");
    let begin = || desk.program(Program::Train).args(&command);
    // What a kill left before the run was one.
    desk.write("run/.recipe.yaml.new", "half of a rec");
    assert_eq!(begin().until(&log, 5, "KILL").code, 128 + 9);
    assert_eq!(begin().until(&log, 30, "KILL").code, 128 + 9);
    // As a terminal that closes, and as a scheduler that warns.
    begin().until(&log, 40, "HUP").complains(128 + 1, &["stopped by signal 1", "run/last holds it"]);
    begin().until(&log, 50, "USR1").complains(128 + 10, &["stopped by signal 10"]);
    desk.train(&command).ok();
    assert_same(&desk.bytes("whole"), &desk.bytes("run"));
    assert!(desk.train(&command).ok().err.contains("this run is finished"));
    desk.write("other/thing", "of somebody");
    desk.train(&["long.yaml", "--out", "other", "--resume-or-start"])
        .complains(2, &["other: is not empty, and holds no run"]);
    desk.train(&["long.yaml", "--out", "none", "--resume"])
        .complains(2, &["no such folder", "leave --resume out"]);
}

/// The earlier run is whole until the new one has a checkpoint, and back where that comes to nothing.
#[test]
fn overwriting_loses_nothing_before_there_is_something_else() {
    let desk = desk();
    desk.train(&["tiny.yaml", "length=1 epochs", "--out", "run"]).ok();
    let before = desk.bytes("run");
    let log = desk.path("run/metrics.jsonl");
    let replace = ["long.yaml", "--out", "run", "--overwrite"];
    let said = desk.program(Program::Train).args(&replace).until(&log, 7, "KILL");
    assert_eq!(said.code, 128 + 9);
    assert_same(&before, &desk.bytes("run/.earlier"));
    // Begun again, and killed again: it is still there.
    let again = ["long.yaml", "--out", "run", "--resume"];
    fs::remove_file(&log).unwrap();
    assert_eq!(desk.program(Program::Train).args(&again).until(&log, 7, "KILL").code, 128 + 9);
    assert_same(&before, &desk.bytes("run/.earlier"));
    // A loss that is not finite in the first epoch.
    let said =
        desk.train(&["long.yaml", "--out", "run", "--overwrite", "schedule={ constant: { lr: 1e30 } }"]);
    said.complains(4, &["the loss of step"]);
    assert_same(&before, &desk.bytes("run"));
    desk.train(&["long.yaml", "--out", "run", "--overwrite", "length=1 epochs"]).ok();
    assert!(!desk.path("run/.earlier").exists());
    assert_eq!(desk.read("run/metrics.jsonl").lines().count(), 21);
}

/// Whose pixels change under their names is not the run that it was.
#[test]
fn other_pixels_are_not_the_same_run() {
    let desk = desk();
    for index in 0..24 {
        let picture =
            image::RgbImage::from_fn(16, 16, |x, y| image::Rgb([(x * 16) as u8, (y * 16) as u8, index * 10]));
        fs::create_dir_all(desk.path(["images/a", "images/b"][usize::from(index % 2 == 1)])).unwrap();
        picture
            .save(
                desk.path(["images/a", "images/b"][usize::from(index % 2 == 1)]).join(format!("{index}.png")),
            )
            .unwrap();
    }
    let data = "data={ name: folder, root: images, batch: 8, split: { validation: 0.25 } }";
    let arguments = ["tiny.yaml", data, "policy=none", "length=1 epochs", "--out", "run"];
    desk.train(&arguments).ok();
    // A copy of the same bytes, of another date.
    let path = desk.path("images/a/4.png");
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, &bytes).unwrap();
    let resume = || desk.train(&[&arguments[..], &["--resume"]].concat());
    resume().ok();
    let mut picture = image::open(&path).unwrap().to_rgb8();
    picture.get_pixel_mut(7, 9).0[1] ^= 1;
    picture.save(&path).unwrap();
    resume().complains(3, &["run/last", "other image files under the same names", "--overwrite"]);
}

/// Edits that leave every file readable.
#[test]
fn counters_that_are_not_those_of_the_weights_are_refused() {
    let desk = desk();
    for (run, averages) in [("run", "clip=1"), ("averaged", "ema={ decay: 0.9 }")] {
        desk.train(&["tiny.yaml", "length=1 epochs", averages, "--out", run]).ok();
        fs::remove_dir_all(desk.path(&format!("{run}/best"))).unwrap();
        fs::remove_file(desk.path(&format!("{run}/last/SHA256SUMS"))).unwrap();
        let name = format!("{run}/last/state.json");
        let state = desk.read(&name);
        for (counter, here, there) in [("epoch", 1, 0), ("batch", 0, 3), ("step", 4, 8)] {
            let (from, to) = (format!("\"{counter}\": {here}"), format!("\"{counter}\": {there}"));
            assert!(state.contains(&from), "{state}");
            desk.write(&name, state.replacen(&from, &to, 1));
            let words =
                format!("{name}: is of {counter} {there}, and the weights beside it of {counter} {here}");
            desk.train(&["tiny.yaml", averages, "--out", run, "--resume"]).complains(3, &[&words]);
        }
    }
}

/// Files beside the checkpoints: rows that are lost are said, and what can be had again is.
#[test]
fn torn_logs_and_predictions_are_told_and_mended() {
    let desk = desk();
    desk.train(&["long.yaml", "--out", "run"]).ok();
    let predictions = desk.read("run/predictions.csv");
    let lines: Vec<String> = desk.read("run/metrics.jsonl").lines().map(str::to_owned).collect();
    desk.write("run/metrics.jsonl", lines[..40].join("\n") + "\n{\"epo");
    for torn in ["", &predictions[..predictions.len() / 2]] {
        desk.write("run/predictions.csv", torn);
        let said = desk.train(&["long.yaml", "--out", "run", "--resume"]).ok();
        assert!(said.err.contains("run/metrics.jsonl: lacks 21 of the steps so far"), "{}", said.err);
        assert!(said.err.contains("evaluated again"), "{}", said.err);
        assert_eq!(desk.read("run/predictions.csv"), predictions);
    }
}

/// A signal within an evaluation ends it, and loses no step.
#[test]
fn a_signal_ends_an_evaluation() {
    let desk = Desk::new();
    // 4 steps of 8 images, then 2,000 images to be evaluated.
    let data = "data: { images: 2032, batch: 8, split: { validation: 0.984, replace: true } }";
    desk.write("slow.yaml", format!("extends: tiny.yaml\n{data}\nlength: 2 epochs\n"));
    desk.train(&["slow.yaml", "--out", "whole"]).ok();
    let log = desk.path("run/metrics.jsonl");
    let steps = desk.read("whole/metrics.jsonl").lines().position(|line| line.contains("val_loss")).unwrap();
    let said = desk.program(Program::Train).args(&["slow.yaml", "--out", "run"]).until(&log, steps, "TERM");
    said.complains(143, &[&format!("after step {steps} of"), "--resume"]);
    assert_eq!(desk.read("run/metrics.jsonl").lines().count(), steps, "it was evaluated");
    desk.train(&["slow.yaml", "--out", "run", "--resume"]).ok();
    assert_same(&desk.bytes("whole"), &desk.bytes("run"));
}

/// On a small file system of its own, where this user may make one.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_has_a_code_of_its_own() {
    let desk = desk();
    let place = desk.path("small");
    fs::create_dir(&place).unwrap();
    let mount = |size: &str| {
        let options = format!("size={size}");
        let done = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&place)
            .output();
        done.is_ok_and(|output| output.status.success())
    };
    if !mount("2m") {
        eprintln!("no small file system can be made here: a full disk is not tried");
        return;
    }
    let unmount = || assert!(std::process::Command::new("umount").arg(&place).status().unwrap().success());
    // Told before the first step, where the size is known.
    let said = desk.train(&["tiny.yaml", "--out", "small/run"]);
    let left = desk.path("small/run").exists();
    unmount();
    said.complains(5, &["small/run: expected room for 3 checkpoints", "--out DIR"]);
    assert!(!left, "something was left behind");
    // Told where it comes later, and gone on from.
    assert!(mount("20m"));
    let first = desk.train(&["tiny.yaml", "length=1 epochs", "--out", "small/run"]);
    let free = 20 << 20;
    let filler = vec![0; 1 << 16];
    let mut count = 0;
    while count * filler.len() < free
        && fs::write(desk.path(&format!("small/filler_{count}")), &filler).is_ok()
    {
        count += 1;
    }
    let full = desk.train(&["tiny.yaml", "length=2 epochs", "--out", "small/run", "--resume"]);
    let names = desk.names("small/run");
    (0..=count).for_each(|index| drop(fs::remove_file(desk.path(&format!("small/filler_{index}")))));
    let rest = desk.train(&["tiny.yaml", "length=2 epochs", "--out", "small/run", "--resume"]);
    unmount();
    first.ok();
    full.complains(5, &["room", "small/run"]);
    assert!(!names.iter().any(|name| name.ends_with(".new")), "{names:?}");
    rest.ok();
}

/// Killed between the `best` and the `last` of its last epoch, or before that `last` was evaluated: both are as if nobody had.
#[test]
fn the_last_of_a_finished_run_is_where_it_stands() {
    let desk = Desk::new();
    let train = |epochs: &str, more: &[&str]| {
        let length = format!("length={epochs} epochs");
        desk.train(&[&["tiny.yaml", &length, "--out", "run"], more].concat()).ok();
    };
    let copy = |from: &str, to: &str| desk.copy(&desk.path(from), to);
    train("1", &[]);
    copy("run/last", "first");
    train("2", &["--resume"]);
    copy("run/last", "whole");
    let is_whole = || assert_same(&desk.bytes("whole"), &desk.bytes("run/last"));
    copy("whole", "run/best");
    copy("first", "run/last");
    train("2", &["--resume"]);
    is_whole();
    desk.write("run/last/metrics.json", "null\n");
    fs::remove_file(desk.path("run/last/SHA256SUMS")).unwrap();
    train("2", &["--resume"]);
    is_whole();
}
