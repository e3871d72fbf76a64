//! Checkpoints: resumed is uninterrupted; what is broken says so; weights from files.

use crate::program::{Desk, Program, tensors};
use crate::training::assert_same;
use candle_core::{DType, Device};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tallow_models::{ModelOptions, Params};

/// Long enough to be stopped on the way: 3 epochs of 40 steps.
const LONG: &str = "\
extends: tiny.yaml
data: { images: 320, batch: 8, sampler: balanced }
images: [ { crop: { size: 16, padding: 2 } }, { flip: {} }, { cutout: { size: 4 } } ]
policy: synermix_manifold
schedule: { one_cycle: { lr: 0.05 } }
ema: { decay: 0.99 }
length: 3 epochs
";

fn long() -> Desk {
    let desk = Desk::new();
    desk.write("long.yaml", LONG);
    desk
}

#[test]
fn resumed_is_uninterrupted() {
    let desk = long();
    desk.train(&["long.yaml", "--out", "whole"]).ok();
    let whole = desk.bytes("whole");
    assert_eq!(desk.read("whole/metrics.jsonl").lines().count(), 3 * (40 + 1));

    let log = desk.path("run/metrics.jsonl");
    let begin = desk.program(Program::Train).args(&["long.yaml", "--out", "run"]);
    // In the first epoch, by a terminal.
    let said = begin.until(&log, 12, "INT");
    said.complains(130, &["after step", "of 120", "run/last", "--resume"]);
    assert_eq!(desk.names("run/last").len(), 9);
    let resume = || desk.program(Program::Train).args(&["long.yaml", "--out", "run", "--resume"]);
    // In the second, by a scheduler, with other threads.
    let said = resume().env("RAYON_NUM_THREADS", "1").until(&log, 60, "TERM");
    said.complains(143, &["of 120", "--resume"]);
    // In the third, without a word; a checkpoint half written is lying there.
    let said = resume().until(&log, 100, "KILL");
    assert_eq!(said.code, 128 + 9);
    fs::create_dir_all(desk.path("run/.last.new")).unwrap();
    fs::write(desk.path("run/.last.new/model.safetensors"), "half").unwrap();
    // A torn line, as a full disk leaves it.
    let torn = fs::read_to_string(&log).unwrap() + "{\"epoch\":3,\"st";
    fs::write(&log, torn).unwrap();
    let before = desk.json("run/time.json")["seconds"].as_f64().unwrap();
    resume().say().ok();
    assert_same(&whole, &desk.bytes("run"));
    // The time is that of all parts.
    let seconds = desk.json("run/time.json")["seconds"].as_f64().unwrap();
    assert!(before > 0.0 && seconds > before, "{before}, {seconds}");
    // After the end there is nothing to do, and that is said.
    let said = desk.train(&["long.yaml", "--out", "run", "--resume", "--json"]).ok();
    let (err, said) = (said.err.clone(), said.json());
    let (best, value) = (&said["best"]["epoch"], said["best"]["value"].as_f64().unwrap());
    let words = format!(
        "this run is finished after 3 epochs, 120 steps; its best macro_f1 is {value:.4}, of epoch {best}: there"
    );
    assert!(err.contains(&words), "{words} in {err}");
    assert!(err.contains("resume with a longer length, such as length='6 epochs'"), "{err}");
    assert_eq!((&said["steps"], &said["epochs"]), (&120.into(), &3.into()));
    assert_eq!(said["seconds"].as_f64(), Some(seconds));
    assert_same(&whole, &desk.bytes("run"));
}

/// As the message of a finished run says. With a schedule that does not depend on the length, it is the longer run.
#[test]
fn a_finished_run_goes_on_with_a_longer_length() {
    let desk = Desk::new();
    let arguments = ["tiny.yaml", "schedule={ constant: { lr: 0.05 } }", "--out"];
    let train = |place: &str, more: &[&str]| desk.train(&[&arguments[..], &[place], more].concat()).ok();
    train("short", &["length=1 epochs"]);
    let said = train("short", &["--resume"]);
    assert!(said.err.contains("began with length 1 epochs and goes on to 2 epochs"), "{}", said.err);
    train("long", &[]);
    for name in ["metrics.jsonl", "summary.csv", "predictions.csv", "recipe.yaml", "last/state.json"] {
        assert_eq!(desk.read(&format!("short/{name}")), desk.read(&format!("long/{name}")), "{name}");
    }
    let weights = |run: &str| tensors(&desk.path(run).join("last/model.safetensors"));
    assert_eq!(weights("short"), weights("long"));
}

/// The run's own recipe, named by its folder: under the run's name, whatever became of the file that it was.
#[test]
fn a_run_goes_on_by_its_own_recipe() {
    let desk = Desk::new();
    let still = ["schedule={ constant: { lr: 0.05 } }", "policy=mixup"];
    let train = |recipe: &str, more: &[&str]| desk.train(&[&[recipe], more].concat());
    train("tiny.yaml", &[&still[..], &["length=1 epochs", "--out", "run"]].concat()).ok();
    train("tiny.yaml", &[&still[..], &["--out", "whole"]].concat()).ok();
    desk.write("tiny.yaml", "lost: true\n");
    train("run", &[]).complains(2, &["run: holds an earlier run", "--resume"]);
    let said = train("run", &["--resume", "length=2 epochs"]).ok();
    assert!(
        said.err.contains("by run/last/recipe.yaml") && said.err.contains("policy mixup"),
        "{}",
        said.err
    );
    assert!(said.out.contains("tallow eval run --split test"), "{}", said.out);
    for name in ["metrics.jsonl", "recipe.yaml", "last/recipe.yaml", "last/state.json"] {
        assert_eq!(desk.read(&format!("run/{name}")), desk.read(&format!("whole/{name}")), "{name}");
    }
    let weights = |run: &str| fs::read(desk.path(run).join("last/model.safetensors")).unwrap();
    assert!(weights("run") == weights("whole"), "another name or hash, or other weights");
    // A checkpoint stands for its run.
    assert!(train("run/best", &["--resume"]).ok().err.contains("there is nothing left to train"));
    fs::create_dir(desk.path("empty")).unwrap();
    train("empty", &["--resume"]).complains(2, &["empty: holds no recipe.yaml of a run"]);
}

#[test]
fn killed_before_the_first_checkpoint() {
    let desk = long();
    let begin = desk.program(Program::Train).args(&["long.yaml", "--out", "run"]);
    let said = begin.until(&desk.path("run/metrics.jsonl"), 5, "KILL");
    assert_eq!(said.code, 128 + 9);
    let said = desk.train(&["long.yaml", "--out", "run"]);
    said.complains(
        2,
        &["run: holds a run that ended before its first checkpoint", "--resume", "--overwrite", "--out"],
    );
    let said = desk.train(&["long.yaml", "--out", "run", "--resume", "length=1 epochs"]).ok();
    assert!(said.err.contains("this run was ended before its first checkpoint: it begins"), "{}", said.err);
    desk.train(&["long.yaml", "--out", "whole", "length=1 epochs"]).ok();
    assert_same(&desk.bytes("whole"), &desk.bytes("run"));
}

/// Between the two renames of a save there is only the old one.
#[test]
fn a_checkpoint_moved_aside_is_found() {
    let desk = Desk::new();
    desk.train(&["tiny.yaml", "--out", "run"]).ok();
    let before = desk.bytes("run");
    fs::rename(desk.path("run/last"), desk.path("run/.last.old")).unwrap();
    let rest = desk.train(&["tiny.yaml", "--out", "run", "--resume", "--json"]).ok().json();
    assert_eq!(rest["epochs"], 2);
    fs::rename(desk.path("run/.last.old"), desk.path("run/last")).unwrap();
    assert_same(&before, &desk.bytes("run"));
}

#[test]
fn only_the_same_run_is_resumed() {
    let desk = Desk::new();
    desk.train(&["tiny.yaml", "length=1 epochs", "--out", "run"]).ok();
    let before = desk.bytes("run");
    let resume = |settings: &[&str]| {
        desk.train(&[&["tiny.yaml", "length=1 epochs", "--out", "run", "--resume"], settings].concat())
    };
    resume(&["seed=2"]).complains(
        2,
        &[
            "run/last/recipe.yaml: this run",
            "another recipe than tiny is now (differs in: seed: 1 → 2)",
            "--overwrite",
        ],
    );
    resume(&["data.images=80", "clip=1"])
        .complains(2, &["(differs in: data.images: 64 → 80, clip: none → 1)"]);
    resume(&["--overwrite"]).complains(2, &["--overwrite", "--resume"]);
    assert_same(&before, &desk.bytes("run"));
    let said = resume(&["data.workers=3", "device=cpu", "early_stop.patience=9"]).ok();
    for words in [
        "resumed after step 4 (epoch 1), by run/last/recipe.yaml",
        "taken from tiny, and another device may round otherwise: device: auto → cpu",
        "taken from tiny, as it moves no bit of a step: early_stop: none → a mapping",
    ] {
        assert!(said.err.contains(words), "{}", said.err);
    }
    // The same words, other images below them.
    fs::remove_file(desk.path("run/last/SHA256SUMS")).unwrap();
    let state = desk.read("run/last/state.json");
    let manifest = desk.json("run/last/state.json")["data"].as_str().unwrap().to_owned();
    desk.write("run/last/state.json", state.replace(&manifest, "0123"));
    resume(&[]).complains(3, &["run/last", "other images, labels or groups", "--overwrite"]);
}

/// One `last` broken in each way; evaluated and resumed. Its sums would tell first: this is what is said without them.
#[test]
fn a_broken_checkpoint_says_what_is_wrong() {
    let desk = Desk::new();
    desk.train(&["tiny.yaml", "length=1 epochs", "--out", "run"]).ok();
    fs::remove_file(desk.path("run/last/SHA256SUMS")).unwrap();
    fs::remove_dir_all(desk.path("run/best")).unwrap();
    let path = desk.path("run/last/model.safetensors");
    let whole = fs::read(&path).unwrap();
    let both = |code: i32, words: &[&str]| {
        desk.tallow(&["eval", "run/last"]).complains(code, words);
        let before = desk.bytes("run");
        desk.train(&["tiny.yaml", "length=1 epochs", "--out", "run", "--resume"]).complains(code, words);
        assert_same(&before, &desk.bytes("run"));
    };
    for cut in [0, 4, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        both(3, &["run/last/model.safetensors", "not a whole safetensors file"]);
    }
    let change = |from: &str, to: &str| {
        let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
        let text = String::from_utf8(whole[8..8 + header].to_vec()).unwrap();
        assert!(text.contains(from), "{text}");
        let changed = text.replace(from, to);
        let mut bytes = (changed.len() as u64).to_le_bytes().to_vec();
        bytes.extend(changed.into_bytes());
        bytes.extend(&whole[8 + header..]);
        fs::write(&path, bytes).unwrap();
    };
    change("\"fc.bias\"", "\"fc.bios\"");
    both(3, &["run/last/model.safetensors", "- fc.bias [7]", "+ fc.bios [7]"]);
    change("[7,64]", "[64,7]");
    both(3, &["run/last/model.safetensors", "~ fc.weight [7, 64]: [64, 7] in the file"]);
    fs::write(&path, &whole).unwrap();

    fs::write(desk.path("run/last/optimizer.safetensors"), &whole).unwrap();
    let resume = || desk.train(&["tiny.yaml", "length=1 epochs", "--out", "run", "--resume"]);
    const REMEDY: &str = "this checkpoint is damaged: take it from a copy, or train again (--overwrite)";
    resume().complains(3, &["run/last/optimizer.safetensors: `", "belongs to no parameter", REMEDY]);
    fs::remove_file(desk.path("run/last/optimizer.safetensors")).unwrap();
    resume().complains(3, &["run/last/optimizer.safetensors: cannot read the weights", REMEDY]);
    let state = desk.read("run/last/state.json");
    desk.write("run/last/state.json", "{}");
    resume().complains(3, &["run/last/state.json: missing field", REMEDY]);
    desk.write("run/last/state.json", state);
    fs::write(desk.path("run/last/config.json"), "{").unwrap();
    both(3, &["run/last/config.json: not JSON", REMEDY]);
    fs::remove_file(desk.path("run/last/recipe.yaml")).unwrap();
    both(3, &["run/last/recipe.yaml: ", REMEDY]);
    fs::remove_file(&path).unwrap();
    desk.tallow(&["eval", "run/last"]).complains(3, &["run/last/model.safetensors: is missing", REMEDY]);
}

/// Weights of resnet20 with that many classes, of that seed.
pub fn weights(classes: usize, seed: u64) -> BTreeMap<String, candle_core::Tensor> {
    let mut params = Params::new(tallow_seed::Seed::new(seed), DType::F32, &Device::Cpu);
    let spec = tallow_models::find("resnet20").unwrap();
    (spec.build)(&mut params, &ModelOptions::new(classes)).unwrap();
    params.tensors().unwrap()
}

fn save(path: &Path, tensors: &BTreeMap<String, candle_core::Tensor>) {
    tallow_models::weights::save(tensors, path, &BTreeMap::new()).unwrap();
}

/// A folder of a version in which the keys of a recipe had other names, and what can be done with it.
#[test]
fn recipes_of_checkpoints_with_old_keys_are_read() {
    let desk = Desk::new();
    let scale = "optimizer.sgd.head_lr_scale=2";
    for run in ["run", "same"] {
        desk.train(&["tiny.yaml", scale, "length=1 epochs", "--out", run]).ok();
    }
    let before = desk.tallow(&["eval", "run", "--json"]).ok().out;
    for file in ["run/recipe.yaml", "run/last/recipe.yaml", "run/best/recipe.yaml"] {
        let text = desk.read(file);
        let old = text.replace("lr: ", "rate: ").replace("head_lr_scale: ", "head_rate: ");
        // Written by hand, and not by a run.
        let _ = fs::remove_file(desk.path(file).with_file_name("SHA256SUMS"));
        assert_eq!(old.matches("rate: ").count(), 2, "{text}");
        desk.write(file, old);
    }
    assert_eq!(desk.tallow(&["eval", "run", "--json"]).ok().out, before);
    desk.tallow(&["replay", "run", "--step", "2"]).ok();
    desk.tallow(&["export", "run", "--to", "candle", "out"]).ok();
    desk.train(&["run/recipe.yaml", "--dry-run"]).ok();
    let resumed = |run: &str| {
        desk.train(&["tiny.yaml", scale, "--out", run, "--resume"]).ok();
        tensors(&desk.path(run).join("last/model.safetensors"))
    };
    assert!(resumed("run") == resumed("same"), "the old keys mean something else");
    assert!(desk.read("run/last/recipe.yaml").contains("head_lr_scale: 2"));
    // An override is written today.
    let said = desk.tallow(&["eval", "run", "schedule.cosine.rate=1"]);
    said.complains(2, &["schedule.cosine.rate: unknown key `rate`; it is `lr` now"]);
}

#[test]
fn weights_of_a_file_with_a_new_head() {
    let desk = Desk::new();
    let theirs = weights(1000, 5);
    save(&desk.path("theirs.safetensors"), &theirs);
    // A step too small to move anything: what is saved is what was loaded.
    let still = ["schedule={ constant: { lr: 1e-30 } }", "optimizer={ sgd: {} }", "length=1 steps"];
    let run = |name: &str, settings: &[&str]| {
        let arguments = [&["tiny.yaml", "--out", name], &still[..], settings].concat();
        let said = desk.train(&arguments).ok();
        (tensors(&desk.path(name).join("last/model.safetensors")), said.err)
    };
    let (plain, _) = run("plain", &[]);
    let (loaded, said) = run("loaded", &["model.weights=theirs.safetensors"]);
    assert!(said.contains("theirs.safetensors"), "{said}");
    assert!(said.contains("1000 classes in the file, 7 here"), "{said}");
    let mut seen = 0;
    for (name, tensor) in
        theirs.iter().filter(|(name, _)| name.ends_with("weight") && !name.starts_with("fc"))
    {
        assert_eq!(loaded[name], tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap(), "{name}");
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
    assert_eq!(loaded["fc.weight"], plain["fc.weight"], "the head is that of the seed");
    // Beside a config.json in a folder: its mean and std count.
    let folder = desk.path("theirs");
    fs::create_dir(&folder).unwrap();
    fs::rename(desk.path("theirs.safetensors"), folder.join("model.safetensors")).unwrap();
    let mut config = desk.json("plain/last/config.json");
    let pretrained = config["pretrained_cfg"].as_object_mut().unwrap();
    pretrained.insert("mean".into(), serde_json::json!([0.1, 0.2, 0.3]));
    desk.write("theirs/config.json", config.to_string());
    let (_, said) = run("folder", &["model.weights=theirs"]);
    assert!(said.contains("mean and std are those of theirs/config.json"), "{said}");
    assert_eq!(desk.json("folder/last/config.json")["pretrained_cfg"]["mean"][2], 0.3);
    // random_erasing paints with that mean: 255 · (.1, .2, .3) = (25.5, 51, 76.5), not with the model's (125, 123, 114).
    let loss = |fill: &str| {
        let erasing = format!(
            "images=[ {{ resize: [16, 16] }}, {{ random_erasing: {{ p: 1, scale: [0.3, 0.33]{fill} }} }} ]"
        );
        let said =
            desk.train(&["tiny.yaml", &erasing, "policy=none", "model.weights=theirs", "--dry-run"]).ok().out;
        let line = said.lines().find(|line| line.contains("loss of step 1")).unwrap().to_owned();
        line.split_whitespace().last().unwrap().to_owned()
    };
    assert_eq!(loss(""), loss(", fill: [26, 51, 77]"));
    // A recipe without an evaluation takes the file's, and says what of it is not known here.
    let bare: String = desk
        .read("tiny.yaml")
        .lines()
        .filter(|line| !line.starts_with("evaluation"))
        .map(|line| format!("{line}\n"))
        .collect();
    desk.write("bare.yaml", bare);
    for (key, value, problem) in [
        ("interpolation", serde_json::json!("lanczos"), "got lanczos – write an `evaluation`"),
        ("crop_pct", serde_json::json!(0.0), "crop_pct: expected a share"),
        ("crop_mode", serde_json::json!("border"), "got border"),
    ] {
        let mut config = config.clone();
        config["pretrained_cfg"][key] = value;
        desk.write("theirs/config.json", config.to_string());
        desk.train(&["bare.yaml", "model.weights=theirs", "--dry-run"])
            .complains(3, &["config.json", problem]);
        desk.train(&["tiny.yaml", "model.weights=theirs", "--dry-run"]).ok();
    }
    assert_ne!(loss(""), loss(", fill: [125, 123, 114]"));
}

#[test]
fn weights_that_do_not_fit() {
    let desk = Desk::new();
    let refused = |words: &[&str]| {
        desk.train(&["tiny.yaml", "model.weights=w.safetensors", "--out", "run"]).complains(3, words);
        // Without a training too; the recipe alone names a file, which is not looked at.
        desk.tallow(&["check", "--data", "tiny.yaml", "model.weights=w.safetensors"]).complains(3, words);
        desk.tallow(&["check", "tiny.yaml", "model.weights=w.safetensors"]).ok();
        assert!(!desk.path("run").exists(), "something was left behind");
    };
    desk.train(&["tiny.yaml", "model.weights=w.safetensors"]).complains(
        2,
        &[
            "override `model.weights=w.safetensors`: model.weights: there is no w.safetensors",
            "fetch a safetensors file",
        ],
    );
    let mut some = weights(7, 1);
    let taken = some.remove("layer3.0.conv1.weight").unwrap();
    save(&desk.path("w.safetensors"), &some);
    refused(&["w.safetensors", "- layer3.0.conv1.weight [64, 32, 3, 3]"]);
    some.insert("layer3.0.conv1.waight".into(), taken);
    save(&desk.path("w.safetensors"), &some);
    refused(&["- layer3.0.conv1.weight", "+ layer3.0.conv1.waight [64, 32, 3, 3]"]);
    let mut broken = weights(7, 1);
    let tensor = &broken["layer3.0.conv1.weight"];
    let mut values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    (values[3], values[70]) = (f32::NAN, f32::INFINITY);
    let tensor = candle_core::Tensor::from_vec(values, tensor.shape(), &Device::Cpu).unwrap();
    broken.insert("layer3.0.conv1.weight".into(), tensor);
    save(&desk.path("w.safetensors"), &broken);
    refused(&["w.safetensors: `layer3.0.conv1.weight` has 2 of 18432 values that are not finite"]);
    desk.write("w.safetensors", b"PK\x03\x04 a pickle");
    refused(&["w.safetensors: not a whole file of PyTorch"]);
    desk.write("w.safetensors", "root:x:0:0:root:/root:/bin/bash\n");
    refused(&["w.safetensors: not a whole safetensors file"]);
    save(&desk.path("w.safetensors"), &weights(7, 1));
    let said = desk.tallow(&["check", "--data", "tiny.yaml", "model.weights=w.safetensors"]).ok();
    assert!(
        said.out.contains("weights: w.safetensors (") && said.out.contains("tiny.yaml: ok"),
        "{}",
        said.out
    );
    #[cfg(unix)]
    for command in [&["train"][..], &["tallow", "check", "--data"]] {
        let arguments = [&command[1..], &["tiny.yaml", "model.weights=/dev/zero"]].concat();
        let said = if command[0] == "train" { desk.train(&arguments) } else { desk.tallow(&arguments) };
        said.complains(2, &["model.weights: /dev/zero is a pipe or a device; fetch a safetensors file"]);
    }
}
