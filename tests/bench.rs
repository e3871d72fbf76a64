//! `tallow bench`: every figure is there, and the figures agree with each other.

use crate::program::{Desk, TINY};
use serde_json::Value;

fn number(figures: &Value, key: &str) -> f64 {
    figures[key].as_f64().unwrap_or_else(|| panic!("no number `{key}` in {figures}"))
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs()
}

/// 3·16·9·32² + 6·16²·9·32² + (16·32 + 5·32²)·9·16² + (32·64 + 5·64²)·9·8² + 64·10: ResNet-20 at 32 px, 10 classes.
const RESNET20_MACS: f64 = 40_551_040.0;

const RESNET20: [&str; 10] =
    ["--model", "resnet20", "--input", "32", "--batch", "4", "--steps", "3", "--warmup", "1"];

#[test]
fn a_step_is_timed_and_counted() {
    let desk = Desk::empty();
    let said = |more: &[&str]| {
        let arguments = [&["bench", "step", "--device", "cpu", "--json"], &RESNET20[..], more].concat();
        desk.program(crate::program::Program::Tallow)
            .env("RAYON_NUM_THREADS", "1")
            .args(&arguments)
            .say()
            .ok()
            .json()
    };
    let figures = said(&[]);
    assert_eq!((&figures["model"], &figures["stem"]), (&"resnet20".into(), &"cifar".into()));
    assert_eq!(
        (&figures["threads"], &figures["steps"], &figures["warmup"]),
        (&1.into(), &3.into(), &1.into())
    );
    assert_eq!(figures["parameters"], 269_722);
    let at = |key| number(&figures, key);
    assert!(close(at("images_per_second") * at("step_seconds"), 4.0), "{figures}");
    assert!(at("step_seconds_min") <= at("step_seconds"));
    let parts = ["forward_seconds", "backward_seconds", "optimizer_seconds"].map(at);
    assert!(parts.iter().all(|&part| 0.0 < part && part < at("step_seconds")), "{figures}");
    // 2 operations for a multiply-add, 3 products where evaluation has one, 4 images.
    assert_eq!(at("flops"), 2.0 * 3.0 * 4.0 * RESNET20_MACS);
    assert!(close(at("gflops") * at("step_seconds") * 1e9, at("flops")));
    assert!(close(at("share_of_peak") * at("machine_gflops"), at("gflops")));
    // Above a processor of decades ago, below a cluster.
    assert!((0.5..1e5).contains(&at("machine_gflops")), "{figures}");
    assert!((0.1..1e4).contains(&at("machine_gb_per_second")), "{figures}");
    if cfg!(target_os = "linux") {
        // Parameters, gradients and velocities at least; a gigabyte would be a leak.
        assert!((12.0 * 269_722.0..1e9).contains(&at("peak_rss_bytes")), "{figures}");
    } else {
        assert!(figures["peak_rss_bytes"].is_null());
    }
    let mixed = said(&["--policy", "synermix"]);
    assert_eq!(number(&mixed, "flops"), 2.0 * at("flops"), "two branches, two passes");
    assert!(number(&mixed, "mixing_seconds") > 0.0);
    assert!(number(&mixed, "norm_seconds") > at("norm_seconds"), "one branch has no norm of its own");
    assert_ne!(mixed["loss"], figures["loss"]);
}

#[test]
fn an_evaluation_is_timed_and_counted() {
    let said = Desk::empty().tallow(&[&["bench", "eval", "--json"], &RESNET20[..]].concat()).ok().json();
    let at = |key| number(&said, key);
    assert!(close(at("images_per_second") * at("forward_seconds"), 4.0), "{said}");
    assert!(0.0 < at("forward_seconds_min") && at("forward_seconds_min") <= at("forward_seconds"));
    assert_eq!(at("flops"), 2.0 * 4.0 * RESNET20_MACS);
}

#[test]
fn a_mix_is_timed_and_its_bytes_are_counted() {
    let desk = Desk::empty();
    let said = |policy: &str, shape: &str| {
        let pace = ["--steps", "4", "--warmup", "1", "--json"];
        desk.tallow(&[&["bench", "mix", policy, "--shape", shape], &pace[..]].concat()).ok().json()
    };
    let figures = said("zeta_mixup", "8,3,16,16");
    let at = |key| number(&figures, key);
    assert!(0.0 < at("milliseconds_min") && at("milliseconds_min") <= at("milliseconds"));
    // In and out, 4 bytes each.
    assert_eq!((at("bytes"), at("mixes")), (2.0 * 4.0 * 8.0 * 3.0 * 256.0, 4.0));
    assert!(close(at("gb_per_second") * at("milliseconds") * 1e6, at("bytes")));
    assert!(close(at("share_of_bandwidth") * at("machine_gb_per_second"), at("gb_per_second")));
    // Two mixes, one after the other; a mix with parameters of its own; features in place of images.
    assert_eq!(number(&said("cutmix_zeta_mixup", "8,3,16,16"), "bytes"), 2.0 * at("bytes"));
    assert_eq!(number(&said("zeta_mixup: { samples: 3 }", "8,3,16,16"), "bytes"), at("bytes"));
    assert_eq!(number(&said("intra_class", "8,64"), "bytes"), 2.0 * 4.0 * 8.0 * 64.0);
    assert_eq!(said("none", "8,64")["mixes"], 0);
}

#[test]
fn a_recipe_is_loaded_and_trained() {
    let desk = Desk::empty();
    desk.write("tiny.yaml", TINY);
    let said = |what: &str, more: &[&str]| {
        desk.tallow(&[&["bench", what, "tiny.yaml", "--json"], more].concat()).ok().json()
    };
    let loaded = said("load", &[]);
    // 64 images in batches of 16.
    assert_eq!((&loaded["images"], &loaded["batches"]), (&64.into(), &4.into()));
    assert!(close(number(&loaded, "images_per_second") * number(&loaded, "seconds"), 64.0));
    let trained = said("epoch", &["--limit", "3", "data.workers=0"]);
    assert_eq!((&trained["images"], &trained["loader_threads"]), (&48.into(), &0.into()));
    let at = |key| number(&trained, key);
    assert!(close(at("images_per_second") * at("seconds"), 48.0));
    assert!(at("waiting_seconds") > 0.0 && at("waiting_seconds") < at("seconds"));
    assert!(at("loss").is_finite() && at("loss") > 0.0);
    assert_eq!(desk.names("."), ["tiny.yaml"], "nothing is written");
}

#[test]
fn what_cannot_be_timed_is_refused() {
    let desk = Desk::empty();
    let of = |arguments: &[&str]| desk.tallow(&[&["bench"], arguments].concat());
    of(&["step", "--model", "resnet2"]).complains(2, &["resnet2", "did you mean `resnet20`"]);
    of(&["step", "--model", "resnet20", "--stem", "imagenet"]).complains(2, &["stem", "cifar"]);
    of(&["step", "--batch", "0"]).complains(2, &["--batch", "0"]);
    of(&["step", "--device", "gpu"]).complains(2, &["--device", "expected auto, cpu", "gpu"]);
    of(&["step", "--policy", "mixp"]).complains(2, &["--policy", "mixp", "mixup"]);
    of(&["step", "--policy", "mixup: { alpha: -1 }"]).complains(2, &["--policy", "mixup.alpha", "-1"]);
    of(&["step", "--policy", "{ mixup: {}, at: stage9 }"]).complains(2, &["--policy", "stage9", "stage3"]);
    of(&["mix", "nomix"]).complains(2, &["POLICY", "`tallow list presets` and `tallow list policies`"]);
    of(&["mix", "cutmix", "--shape", "8,64"]).complains(2, &["--shape", "cutmix", "R,C,H,W"]);
    of(&["mix", "mixup", "--shape", "8,x"]).complains(2, &["--shape", "32,3,224,224"]);
    of(&["load", "nowhere.yaml"]).complains(2, &["nowhere.yaml"]);
}

/// The table that people see has a line for each figure that programs read.
#[test]
fn the_table_has_every_figure() {
    let desk = Desk::empty();
    let arguments = ["bench", "mix", "mixup", "--shape", "4,3,8,8", "--steps", "2"];
    let table = desk.tallow(&arguments).ok().out;
    let json = desk.tallow(&[&arguments[..], &["--json"]].concat()).ok().json();
    // A line that begins with a blank goes on with the note above it.
    let lines = table.lines().filter(|line| !line.starts_with(' '));
    let names: Vec<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, json.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>());
    assert!(names.len() > 12, "{table}");
    let step = [&["bench", "step"], &RESNET20[..]].concat();
    let table = format!("{table}{}", desk.tallow(&step).ok().out);
    for line in table.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}
