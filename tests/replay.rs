//! A batch rebuilt from a checkpoint is the one that was trained on, to the bit.

use crate::program::{Desk, TINY, tensors};
use serde_json::Value;
use std::sync::Mutex;
use tallow_policy::{Build, Inputs, Mix, MixContext, Mixing, Registry, Spec};
use tallow_report::Progress;
use tallow_train::{Earlier, Folder, Plan, Replay, Run, Start};

/// Fingerprints of what the mix `witness` saw: of values, classes and partners.
static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Writes down the values that reach it, and leaves them as they are.
struct Witness;

impl Mix for Witness {
    fn inputs(&self) -> Inputs {
        Inputs::Values
    }

    fn draw(&self, at: &MixContext, _: &mut tallow_seed::Rng) -> tallow_policy::Result<Mixing> {
        let values = at.values.expect("values").flatten_all()?.to_vec1::<f32>()?;
        let values: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        let place = format!("{:?} {:?} {:?}", at.classes, at.groups, at.partners);
        let fingerprint = tallow_data::fingerprint;
        SEEN.lock().unwrap().push(format!("{} {}", fingerprint(&values), fingerprint(place.as_bytes())));
        Ok(Mixing::Keep)
    }
}

static WITNESS: Spec = Spec {
    name: "witness",
    summary: "writes down what reaches it",
    source: "this test",
    parameters: &[],
    example: "{ witness: {} }",
    cost: "nothing",
    spatial: false,
    build: Build::Mix(|_| Ok(Box::new(Witness))),
};

fn replay(desk: &Desk, folder: &str, step: u64, registry: &Registry) -> Replay {
    tallow_train::replay(&desk.path(folder), step, &[], 4, registry, &Progress::hidden()).unwrap()
}

/// The records of the steps of a run.
fn steps(desk: &Desk, run: &str) -> Vec<Value> {
    let text = desk.read(&format!("{run}/metrics.jsonl"));
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["loss"].is_f64()).collect()
}

/// Two views, ramps, a window, chances, taps that are drawn: every batch that a network saw in training, again.
#[test]
fn every_batch_is_rebuilt_to_the_bit() {
    let desk = Desk::new();
    let branches = "\
branches:
  - policies:
      - { cutmix: { alpha: { from: 0.2, to: 2 } }, p: { from: 0.5, to: 1 } }
      - { zeta_mixup: { gamma: { from: 4, to: 1, shape: cosine } }, during: 0.2..1 }
      - { witness: {} }
  - view: clean
    weight: 0.5
    policies: [ { witness: {} }, { mixup: {}, at: [ stage1, stage2 ] }, { intra_class: {}, at: penultimate } ]";
    let images = "images: [ { crop: { size: 16, padding: 2 } }, { flip: {}, p: { from: 0.2, to: 0.8 } }, { random_erasing: {} } ]";
    let recipe = TINY.replace("policy: cutmix_zeta_mixup", branches);
    let recipe = recipe.replace("images: [ { crop: { size: 16, padding: 2 } }, { flip: {} } ]", images);
    desk.write("busy.yaml", recipe);
    let mut registry = Registry::builtin();
    registry.push(&WITNESS);
    let overrides = ["data.images=70".to_owned(), "ema.decay=0.9".to_owned()];
    let plan = Plan::read(&desk.path("busy.yaml"), &overrides, &registry).unwrap();
    let folder = Folder::inspect(&desk.path("run"), &plan, Earlier::Refuse).unwrap();
    let run = Run::build(plan, Start::Recipe, &Progress::hidden()).unwrap();
    tallow_train::fit(&run, &folder, &Progress::hidden(), &tallow_train::Stop::default()).unwrap();
    let seen = std::mem::take(&mut *SEEN.lock().unwrap());
    let steps = steps(&desk, "run");
    // 70 images in batches of 16: 5 an epoch, 2 epochs, 2 branches.
    assert_eq!((steps.len(), seen.len()), (10, 20));
    let mut taps = std::collections::BTreeSet::new();
    for (index, logged) in steps.iter().enumerate() {
        let rebuilt = replay(&desk, "run", index as u64 + 1, &registry);
        let again = std::mem::take(&mut *SEEN.lock().unwrap());
        assert_eq!(again, seen[2 * index..2 * index + 2], "step {}", index + 1);
        for (branch, theirs) in
            rebuilt.record["branches"].as_array().unwrap().iter().zip(logged["branches"].as_array().unwrap())
        {
            assert_eq!(branch["targets"], theirs["targets"], "step {}", index + 1);
            assert_eq!(branch["agrees_with_log"], true);
            let happened: Vec<&Value> =
                theirs["mixes"].as_array().unwrap().iter().filter(|mix| !mix["tap"].is_null()).collect();
            let mixes = branch["mixes"].as_array().unwrap();
            assert_eq!(mixes.len(), happened.len());
            for (mix, theirs) in mixes.iter().zip(happened) {
                assert_eq!((&mix["policy"], &mix["tap"]), (&theirs["policy"], &theirs["tap"]));
                taps.insert(mix["tap"].as_str().unwrap().to_owned());
            }
        }
        // The values in the record are those that the witness, last at `input`, saw in the first branch.
        let values = rebuilt.record["branches"][0]["values"].as_str().unwrap();
        assert!(seen[2 * index].starts_with(values));
        assert!(rebuilt.warnings.is_empty());
    }
    assert_eq!(taps.len(), 4, "input, stage1, stage2, penultimate: {taps:?}");
    // Ramps: at step 6 of 10, 5 are done. α = .2 + .5 · 1.8; γ over 0.2..1: x = .375, (1 − cos .375π)/2 = .308658
    let record = replay(&desk, "run/best", 6, &registry).record;
    let numbers = |policy: &str| {
        let mixes = record["branches"][0]["mixes"].as_array().unwrap();
        mixes.iter().find(|mix| mix["policy"] == policy).map(|mix| mix["numbers"].clone())
    };
    let gamma = numbers("zeta_mixup").expect("inside its window")["gamma"].as_f64().unwrap();
    assert!((gamma - (4.0 - 3.0 * 0.3086582838)).abs() < 1e-9, "{gamma}");
    if let Some(cutmix) = numbers("cutmix") {
        assert!((cutmix["alpha"].as_f64().unwrap() - 1.1).abs() < 1e-12, "{cutmix}");
    }
    assert_eq!((&record["epoch"], &record["batch"]), (&2.into(), &1.into()));
}

#[test]
fn as_a_person_types_it() {
    let desk = Desk::new();
    desk.train(&["tiny.yaml", "policy=cutmix_zeta_mixup", "--out", "run"]).ok();
    let said =
        desk.tallow(&["replay", "run", "--step", "3", "--json", "--tensors", "batch.safetensors"]).ok();
    desk.tallow(&["replay", "run", "--step", "3", "-o", "other.safetensors"])
        .complains(2, &["--out other.safetensors: ", "--tensors other.safetensors"]);
    let record = said.json();
    let batch = tensors(&desk.path("batch.safetensors"));
    let names: Vec<&String> = batch.keys().collect();
    assert_eq!(
        names,
        ["branch0.images", "branch0.shares", "branch0.targets", "branch0.values", "indices", "labels"]
    );
    // targets = shares · one-hot labels, by hand
    let (shares, targets, labels) = (&batch["branch0.shares"], &batch["branch0.targets"], &batch["labels"]);
    for row in 0..16 {
        for class in 0..7 {
            let of_class = (0..16).filter(|&j| labels[j] == class as f32);
            let sum: f32 = of_class.map(|j| shares[row * 16 + j]).sum();
            assert!((targets[row * 7 + class] - sum).abs() < 1e-6, "row {row}, class {class}");
        }
    }
    assert_eq!(record["images"].as_array().unwrap().len(), 16);
    assert_eq!(record["branches"][0]["agrees_with_log"], true);
    assert_eq!(record["branches"][0]["rows"][0]["sources"][0][1].as_f64().map(|x| x as f32), {
        let row = &shares[..16];
        row.iter().copied().max_by(f32::total_cmp)
    });
    // The picture lies in the run's folder, of a checkpoint's too, until the run is replaced.
    image::open(desk.path("run/replay_step3.png")).unwrap();
    let said = desk.tallow(&["replay", "run/best", "--step", "2"]).ok();
    assert_eq!(said.out.trim(), "run/replay_step2.png");
    assert_eq!(desk.names("."), ["batch.safetensors", "run", "tiny.yaml"]);
    let said = desk.tallow(&["replay", "run/last", "--step", "8", "policy=synermix", "--out", "s.png"]).ok();
    assert_eq!(said.out.lines().collect::<Vec<_>>(), ["s_0.png", "s_1.png"]);
    let beyond = desk.tallow(&["replay", "run", "--step", "9"]);
    beyond.complains(2, &["--step 9: the run has 8 steps (length 2 epochs), from 1"]);
    assert_eq!(desk.tallow(&["replay", "run", "--step", "0"]).code, 2);
    desk.tallow(&["replay", "nowhere", "--step", "1"]).complains(2, &["nowhere: there is no such folder"]);
    let other = desk.tallow(&["replay", "run", "--step", "1", "data.images=80"]);
    other.complains(3, &["this run saw other images, labels or groups"]);
    // Another seed draws otherwise, and the log knows.
    let said = desk.tallow(&["replay", "run", "--step", "3", "seed=2", "--json"]).ok();
    assert_eq!(said.json()["branches"][0]["agrees_with_log"], false);
    assert!(said.err.contains("metrics.jsonl has other targets for step 3"), "{}", said.err);
    desk.train(&["tiny.yaml", "length=1 steps", "--out", "run", "--overwrite"]).ok();
    assert!(!desk.names("run").iter().any(|name| name.ends_with("png")), "pictures of steps that are gone");
}

/// What was drawn by a look at the network needs its weights: those of the first step and of the steps after a checkpoint.
#[test]
fn draws_that_looked_at_the_network() {
    let desk = Desk::new();
    let policy = "policy=saliencymix_gradient";
    let lr = "schedule={ constant: { lr: 0.05 } }";
    desk.train(&["tiny.yaml", policy, lr, "length=1 epochs", "--out", "half"]).ok();
    desk.train(&["tiny.yaml", policy, lr, "--out", "whole"]).ok();
    let targets = |record: &Value| record["branches"][0]["targets"].as_str().unwrap().to_owned();
    let logged: Vec<String> = steps(&desk, "whole").iter().map(targets).collect();
    assert_eq!(logged.len(), 8);
    let replay =
        |step: &str| desk.tallow(&["replay", "half/last", "length=2 epochs", "--step", step, "--json"]);
    assert_eq!(targets(&replay("1").ok().json()), logged[0]);
    assert_eq!(targets(&replay("5").ok().json()), logged[4]);
    replay("3").complains(
        2,
        &[
            "--step 3: a policy looked at the network, whose weights before this step were not kept",
            "steps 1, 5 alone",
        ],
    );
}

/// A mix that looks at the network: its draws can be made again from every checkpoint that stayed and can be read.
#[test]
fn every_kept_checkpoint_serves() {
    let desk = Desk::new();
    let kept = ["checkpoint={ every: 1 steps, keep: 3 }", "length=6 steps", "--out", "run"];
    desk.train(&[&["tiny.yaml", "policy=saliencymix_gradient"], &kept[..]].concat()).ok();
    assert!(desk.path("run/step_4").is_dir() && desk.path("run/step_5").is_dir());
    let replay = |step: &str| desk.tallow(&["replay", "run", "--step", step, "--json"]);
    for step in ["5", "6"] {
        assert_eq!(replay(step).ok().json()["branches"][0]["agrees_with_log"], true, "step {step}");
    }
    std::fs::remove_file(desk.path("run/step_5/state.json")).unwrap();
    assert_eq!(replay("5").ok().json()["branches"][0]["agrees_with_log"], true);
    replay("6").complains(2, &["--step 6: a policy looked at the network", "at steps 1, "]);
}
