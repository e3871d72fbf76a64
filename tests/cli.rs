//! The commands as a person types them.

use crate::program::{Desk, Program, TINY};
use serde_json::Value;
use std::sync::OnceLock;

/// A desk with a trained `run`, which tests only read; and what `train --json` said of it.
fn trained() -> &'static (Desk, Value) {
    static TRAINED: OnceLock<(Desk, Value)> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let desk = Desk::shared("trained");
        desk.write("tiny.yaml", TINY);
        let said = desk.train(&["tiny.yaml", "--out", "run", "--json"]).ok();
        let json = said.json();
        (desk, json)
    })
}

#[test]
fn train_writes_the_whole_folder() {
    let (desk, said) = trained();
    let names = desk.names("run");
    let (events, rest): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| name.starts_with("events.out.tfevents."));
    assert_eq!(events.len(), 1);
    let expected = [
        "best",
        "last",
        "metrics.jsonl",
        "predictions.csv",
        "recipe.yaml",
        "report.html",
        "summary.csv",
        "time.json",
    ];
    assert_eq!(rest, expected);
    let checkpoint = [
        "config.json",
        "metrics.json",
        "model.safetensors",
        "optimizer.safetensors",
        "recipe.yaml",
        "state.json",
    ];
    for place in ["run/best", "run/last"] {
        assert_eq!(desk.names(place), checkpoint, "{place}");
        assert_eq!(desk.read(&format!("{place}/recipe.yaml")), desk.read("run/recipe.yaml"));
    }
    // 64 images in batches of 16: four steps an epoch, two epochs; one line for each step and each epoch.
    assert_eq!(desk.read("run/metrics.jsonl").lines().count(), 2 * (4 + 1));
    assert_eq!(desk.read("run/summary.csv").lines().count(), 1 + 2);
    assert_eq!((&said["epochs"], &said["steps"]), (&2.into(), &8.into()));
    assert_eq!(desk.json("run/last/state.json")["step"], 8);
    // 64 / 5 validation images would be fewer than four of each of the seven classes.
    assert_eq!(desk.read("run/predictions.csv").lines().count(), 1 + 28);
    let report = desk.read("run/report.html");
    for word in ["<svg", "data:image/png;base64,", "cutmix_zeta_mixup", ">mel<"] {
        assert!(report.to_lowercase().contains(word), "no {word} in the report");
    }
    assert!(!report.contains("src=\"http") && !report.contains("href=\"http"), "the report loads something");
}

#[test]
fn the_resolved_recipe_stands_alone() {
    let (desk, _) = trained();
    let recipe = desk.read("run/recipe.yaml");
    assert!(recipe.contains("cutmix:") && recipe.contains("zeta_mixup:"), "{recipe}");
    let other = Desk::empty();
    other.write("again.yaml", recipe);
    other.train(&["again.yaml", "--out", "run"]).ok();
    let weights = |desk: &Desk| {
        let bytes = std::fs::read(desk.path("run/last/model.safetensors")).unwrap();
        safetensors::SafeTensors::deserialize(&bytes)
            .unwrap()
            .iter()
            .map(|(name, view)| (name.to_owned(), view.data().to_vec()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(weights(desk), weights(&other));
}

/// The keys that programs read.
const KEYS: [&str; 9] = [
    "accuracy",
    "micro_f1",
    "macro_f1",
    "weighted_f1",
    "balanced_accuracy",
    "auroc",
    "average_precision",
    "per_class",
    "confusion",
];

#[test]
fn eval_says_what_the_training_said() {
    let (desk, said) = trained();
    // All but the intervals, which the training does not write.
    let eval = |place: &str| {
        let mut said = desk.tallow(&["eval", place, "--json"]).ok().json();
        let intervals = said.as_object_mut().unwrap().remove("intervals").expect("intervals");
        (said, intervals)
    };
    let (best, intervals) = eval("run");
    for key in KEYS {
        assert!(!best[key].is_null(), "no {key} in {best}");
    }
    assert_eq!(best, said["validation"]);
    assert_eq!(best, desk.json("run/best/metrics.json"));
    assert_eq!(eval("run/last").0, said["last"]);
    let of = &intervals["metrics"];
    for metric in
        ["balanced_accuracy", "macro_f1", "micro_f1", "weighted_f1", "auroc", "average_precision", "brier"]
    {
        let ([low, high], value) =
            ([0, 1].map(|end| of[metric][end].as_f64().unwrap()), best[metric].as_f64().unwrap());
        assert!(low <= value && value <= high && low < high, "{metric}: {low} {value} {high}");
    }
    assert!(of["ece"].is_null() && best["ece"].as_f64().is_some());
    // Drawn lesions have one to four images: what is drawn are lesions.
    let csv = desk.read("run/predictions.csv");
    let lesions: std::collections::BTreeSet<&str> =
        csv.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(intervals["over"], "groups");
    assert_eq!((&intervals["units"], &intervals["level"]), (&lesions.len().into(), &0.95.into()));
    assert_eq!(
        (&intervals["method"], &intervals["resamples"]),
        (&"percentile bootstrap".into(), &1000.into())
    );
    let cells = best["confusion"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
    assert_eq!(cells.map(|cell| cell.as_u64().unwrap()).sum::<u64>(), 28);
    let classes = best["per_class"].as_array().unwrap();
    assert_eq!(classes.iter().map(|class| class["support"].as_u64().unwrap()).sum::<u64>(), 28);
}

#[test]
fn eval_reads_any_part_and_other_data() {
    let (desk, said) = trained();
    let images = |arguments: &[&str]| {
        let said = desk.tallow(&[&["eval", "run", "--json"], arguments].concat()).ok().json();
        (said["images"].as_u64().unwrap(), said["log_loss"].as_f64().unwrap())
    };
    assert_eq!(images(&["--split", "train"]).0, 64);
    let test = images(&["--split", "test"]);
    let fresh = images(&["--split", "test", "data.seed=5"]);
    assert_eq!((test.0, fresh.0), (28, 28));
    assert_ne!(test.1, fresh.1, "another data seed draws other images");
    assert_ne!(Some(test.1), said["validation"]["log_loss"].as_f64());
    let path = desk.path("fresh.csv");
    images(&["data.seed=5", "--predictions", "fresh.csv"]);
    assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 1 + 28);
    let table = desk.tallow(&["eval", "run"]).ok().out;
    assert!(
        table.contains("balanced_accuracy") && table.contains("intervals: 95 %, bootstrap over "),
        "{table}"
    );
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    desk.tallow(&["eval", "run", "--split", "tset"]).complains(2, &["--split", "tset", "validation"]);
    desk.tallow(&["eval", "nowhere"]).complains(2, &["nowhere", "model.safetensors"]);
}

#[test]
fn eval_matches_classes_by_name() {
    let (desk, _) = trained();
    for (class, shift) in [("VASC", 200), ("MEL", 10), ("NV", 90)] {
        for number in 0..3u8 {
            let path = desk.path(&format!("clinic/{class}/{number}.png"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            picture(20 + u32::from(number), shift + number).save(path).unwrap();
        }
    }
    let data = |more: &str| format!("data={{ name: folder, root: clinic, batch: 4{more} }}");
    // In the folders' order MEL, NV, VASC, in another, and one alone; the checkpoint has seven classes.
    for (more, classes) in [("", 3), (", classes: [VASC, MEL, NV]", 3), (", classes: [VASC]", 1)] {
        let arguments =
            ["eval", "run", &data(more), "--split", "all", "--predictions", "clinic.csv", "--json"];
        let said = desk.tallow(&arguments).ok().json();
        assert_eq!(said["images"], 3 * classes);
        assert_eq!(said["intervals"]["over"], "images");
        let support = |class: &str| {
            let one = said["per_class"].as_array().unwrap().iter().find(|one| one["class"] == class);
            one.unwrap_or_else(|| panic!("no {class}"))["support"].as_u64().unwrap()
        };
        assert_eq!((support("VASC"), support("BCC")), (3, 0));
        let asked = desk.tallow(&["predict", "run", "clinic/VASC"]).ok().out;
        let table = desk.read("clinic.csv");
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            assert!(fields[0].contains(&format!("{}/", fields[2])), "{line}");
            // The same image, asked by itself.
            if fields[2] == "VASC" {
                assert!(
                    asked.contains(&format!("clinic/{},{},", fields[0], fields[3])),
                    "{line} not in {asked}"
                );
            }
        }
    }
    std::fs::rename(desk.path("clinic/NV"), desk.path("clinic/naevus")).unwrap();
    desk.tallow(&["eval", "run", &data(""), "--split", "all"])
        .complains(3, &["`naevus` (3 images)", "expected some of MEL, NV,", "rename"]);
    // Folders without parts have no validation part: said with what to write.
    desk.tallow(&["eval", "run", &data("")])
        .complains(3, &["--split validation", "--split all", "data.split.validation"]);
    let divided = data(", split: { validation: 0.34 }, classes: [MEL, VASC]");
    assert_eq!(desk.tallow(&["eval", "run", &divided, "--json"]).ok().json()["images"], 2);
}

#[test]
fn eval_looks_first_whether_predictions_can_be_written() {
    let (desk, _) = trained();
    // Not even the data is asked for.
    let arguments = ["eval", "run", "data={ name: folder, root: nowhere, batch: 4 }", "--predictions"];
    let long = "p".repeat(300);
    for (path, remedy) in [
        ("absent/p.csv", "in a folder that is there"),
        ("run", "a file, not a folder"),
        (&*long, "name another file"),
    ] {
        let said = desk.tallow(&[&arguments[..], &[path]].concat());
        said.complains(2, &[&format!("--predictions {path}: cannot be written"), remedy]);
    }
    // A look leaves nothing, and keeps what is there.
    desk.tallow(&[&arguments[..], &["new.csv"]].concat()).complains(3, &["nowhere: no such folder"]);
    assert!(!desk.path("new.csv").exists());
    desk.write("old.csv", "mine");
    desk.tallow(&[&arguments[..], &["old.csv"]].concat()).complains(3, &["nowhere: no such folder"]);
    assert_eq!(desk.read("old.csv"), "mine");
}

/// A picture of two colours.
fn picture(side: u32, shift: u8) -> image::RgbImage {
    image::RgbImage::from_fn(side, side, |x, y| image::Rgb([shift, (x * 7) as u8, (y * 5) as u8]))
}

#[test]
fn predict_reads_files_and_folders() {
    let (desk, _) = trained();
    let folder = desk.path("pictures/below");
    std::fs::create_dir_all(&folder).unwrap();
    picture(20, 10).save(folder.join("a.png")).unwrap();
    picture(33, 90).save(folder.join("b.JPG")).unwrap();
    picture(16, 200).save(desk.path("pictures/c.jpeg")).unwrap();
    desk.write("pictures/notes.txt", "not an image");
    desk.write("pictures/._a.png", "what a Mac leaves");
    let said = desk.tallow(&["predict", "run", "pictures", "pictures/c.jpeg"]).ok();
    let lines: Vec<&str> = said.out.lines().collect();
    let header: Vec<&str> = lines[0].split(',').collect();
    assert_eq!((header[0], header[1], header.len()), ("image", "predicted", 2 + 7));
    let names: Vec<&str> = lines[1..].iter().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(names, ["pictures/below/a.png", "pictures/below/b.JPG", "pictures/c.jpeg"]);
    for line in &lines[1..] {
        let fields: Vec<&str> = line.split(',').collect();
        let numbers: Vec<f64> = fields[2..].iter().map(|field| field.parse().unwrap()).collect();
        assert!((numbers.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{line}");
        for field in &fields[2..] {
            assert!(field.trim_start_matches("0.").len() <= 13, "{field}: more digits than an f32 has");
        }
        let best = numbers.iter().copied().fold(0.0, f64::max);
        let at = numbers.iter().position(|number| *number == best).unwrap();
        assert_eq!(header[2 + at], fields[1]);
    }
    // Images are named in full, a comma and a quote in a name included.
    std::fs::copy(desk.path("pictures/c.jpeg"), desk.path("a \"b\", c.jpeg")).unwrap();
    let quoted = desk.tallow(&["predict", "run", "a \"b\", c.jpeg"]).ok().out;
    assert_eq!(quoted.lines().nth(1), Some(&*lines[3].replace("pictures/c.jpeg", "\"a \"\"b\"\", c.jpeg\"")));
    // Without a resize, pictures of different sizes cannot be asked about together.
    let other = Desk::new();
    other.train(&["tiny.yaml", "evaluation=[]", "length=1 steps", "--out", "run"]).ok();
    let said = other.tallow(&["predict", "run", folder.parent().unwrap().to_str().unwrap()]);
    said.complains(3, &["b.JPG", "33 by 33", "20 by 20"]);
    assert_eq!(said.out, "");
    desk.tallow(&["predict", "run", "absent.png", "--skip-broken"])
        .complains(3, &["absent.png: no such file"]);
}

#[test]
fn predict_names_every_broken_image_or_skips_them() {
    let (desk, _) = trained();
    let folder = desk.path("mixed");
    std::fs::create_dir_all(&folder).unwrap();
    picture(20, 10).save(folder.join("b.png")).unwrap();
    picture(24, 30).save(folder.join("d.png")).unwrap();
    let whole = std::fs::read(folder.join("d.png")).unwrap();
    desk.write("mixed/a.png", "not a png");
    desk.write("mixed/c.png", &whole[..whole.len() / 2]);
    let said = desk.tallow(&["predict", "run", "mixed"]);
    said.complains(3, &["2 of 4 images cannot be read", "mixed/a.png: ", "mixed/c.png: ", "--skip-broken"]);
    assert_eq!(said.out, "", "nothing is printed before everything was looked at");
    let skipped = desk.tallow(&["predict", "run", "mixed", "--skip-broken"]).ok();
    assert_eq!(skipped.out, desk.tallow(&["predict", "run", "mixed/b.png", "mixed/d.png"]).ok().out);
    assert_eq!(skipped.out.lines().count(), 1 + 2);
    for word in ["left out: 2 of 4", "mixed/a.png", "mixed/c.png"] {
        assert!(skipped.err.contains(word), "no {word} in {}", skipped.err);
    }
    desk.tallow(&["predict", "run", "mixed/a.png", "--skip-broken"])
        .complains(3, &["1 of 1", "expected at least one"]);
}

#[test]
fn predict_may_be_cut_short() {
    let (desk, _) = trained();
    // More rows than any buffer on the way holds.
    let values =
        candle_core::Tensor::zeros((600, 3, 16, 16), candle_core::DType::F32, &candle_core::Device::Cpu);
    values.unwrap().write_npy(desk.path("many.npy")).unwrap();
    let said = desk.program(Program::Tallow).args(&["predict", "run", "many.npy"]).unheard();
    assert_eq!((said.code, &*said.err), (0, ""));
}

#[test]
fn predict_gives_logits_of_normalised_values() {
    let (desk, _) = trained();
    let values: Vec<f32> = (0..5 * 3 * 16 * 16).map(|i| (i % 17) as f32 / 8.0 - 1.0).collect();
    let values = candle_core::Tensor::from_vec(values, (5, 3, 16, 16), &candle_core::Device::Cpu).unwrap();
    values.write_npy(desk.path("batch.npy")).unwrap();
    let rows = |arguments: &[&str]| -> Vec<Vec<f64>> {
        let said = desk.tallow(&[&["predict", "run", "batch.npy"], arguments].concat()).ok();
        let skip = 2 - usize::from(arguments.contains(&"--logits"));
        let row = |line: &str| line.split(',').skip(skip).map(|field| field.parse().unwrap()).collect();
        said.out.lines().skip(1).map(row).collect()
    };
    let (logits, probabilities) = (rows(&["--logits"]), rows(&[]));
    assert_eq!((logits.len(), logits[0].len()), (5, 7));
    for (logits, probabilities) in logits.iter().zip(&probabilities) {
        let sum: f64 = logits.iter().map(|z| z.exp()).sum();
        for (z, p) in logits.iter().zip(probabilities) {
            assert!((z.exp() / sum - p).abs() < 1e-6, "softmax({z}) is not {p}");
        }
    }
    values.flatten_all().unwrap().write_npy(desk.path("flat.npy")).unwrap();
    let flat = desk.tallow(&["predict", "run", "flat.npy"]);
    flat.complains(3, &["flat.npy", "(R, 3, H, W)"]);
    assert_eq!(flat.out, "");
}

#[test]
fn preview_draws_a_sheet_for_each_branch() {
    let desk = Desk::new();
    let said = desk.tallow(&["preview", "tiny.yaml", "--tiles", "6"]).ok();
    assert_eq!(said.out.trim(), "preview.png");
    let sheet = image::open(desk.path("preview.png")).unwrap();
    assert!(sheet.width() > 100 && sheet.height() > 100, "{} by {}", sheet.width(), sheet.height());
    let said =
        desk.tallow(&["preview", "tiny.yaml", "policy=synermix", "--out", "s.png", "--batch", "3"]).ok();
    assert_eq!(said.out.lines().collect::<Vec<_>>(), ["s_0.png", "s_1.png"]);
    image::open(desk.path("s_1.png")).unwrap();
    desk.tallow(&["preview", "tiny.yaml", "--batch", "4"]).complains(2, &["--batch 4", "4 batches"]);
    assert_eq!(desk.names("."), ["preview.png", "s_0.png", "s_1.png", "tiny.yaml"]);
}

#[test]
fn list_shows_everything_and_each() {
    let desk = Desk::empty();
    let all = desk.tallow(&["list"]).ok().out;
    for word in ["models", "policies", "presets", "datasets", "metrics", "resnet50", "synermix", "isic2018"] {
        assert!(all.contains(word), "no {word} in:\n{all}");
    }
    let everything = desk.tallow(&["list", "--json"]).ok().json();
    for (what, name, least) in [
        ("models", "mobilenet_v3_large", 10),
        ("policies", "zeta_mixup", 13),
        ("presets", "synermix", 11),
        ("datasets", "synthetic", 8),
        ("metrics", "macro_f1", 16),
    ] {
        let lines = desk.tallow(&["list", what]).ok().out;
        assert!(lines.lines().any(|line| line == name), "{lines}");
        assert!(lines.lines().all(|line| line.chars().count() <= 80), "over 80 columns:\n{lines}");
        let list = desk.tallow(&["list", what, "--json"]).ok().json();
        assert!(list.as_array().unwrap().len() >= least, "{what}: {list}");
        assert_eq!(everything[what], list);
        let one = desk.tallow(&["list", what, name]).ok().out;
        assert!(one.starts_with(name), "{one}");
        assert_eq!(desk.tallow(&["list", what, name, "--json"]).ok().json()["name"], name);
    }
    desk.tallow(&["list", "models", "resnet19"]).complains(2, &["`resnet19`", "did you mean `resnet18`"]);
    assert_eq!(desk.tallow(&["list", "modles"]).code, 2);
}

#[test]
fn check_finds_and_runs_nothing() {
    let desk = Desk::new();
    desk.write("mine.yaml", "branches:\n  - policies: [ { mixup: { alpha: 1 } } ]\n");
    let said = desk.tallow(&["check", "tiny.yaml", "mine.yaml"]).ok();
    assert_eq!(said.out.lines().collect::<Vec<_>>(), ["tiny.yaml: ok", "mine.yaml: ok"]);
    let wrong = desk.tallow(&["check", "tiny.yaml", "optimizer.sgd.momentum=1.5"]);
    let expected = "override `optimizer.sgd.momentum=1.5`: optimizer.sgd.momentum: \
                    expected a number from 0 up to, but not, 1, got 1.5";
    assert_eq!(wrong.fails(2), [expected]);
    desk.tallow(&["check", "mine.yaml", "branches=3"]).complains(2, &["`branches=3`", "presets alone"]);
    assert_eq!(desk.names("."), ["mine.yaml", "tiny.yaml"]);
}

#[test]
fn a_dry_run_writes_nothing() {
    let desk = Desk::new();
    let said = desk.train(&["tiny.yaml", "--dry-run"]).ok();
    assert!(said.out.contains("loss of step 1"), "{}", said.out);
    assert_eq!(desk.names("."), ["tiny.yaml"]);
    // The first step of the run itself.
    let loss: f64 = said
        .out
        .lines()
        .find(|line| line.contains("loss of step 1"))
        .unwrap()
        .split_whitespace()
        .last()
        .unwrap()
        .parse()
        .unwrap();
    let first: Value =
        serde_json::from_str(trained().0.read("run/metrics.jsonl").lines().next().unwrap()).unwrap();
    assert!((first["loss"].as_f64().unwrap() - loss).abs() < 1e-5, "{loss} != {first}");
}

#[test]
fn tallow_train_is_train() {
    let (here, there) = (Desk::new(), trained());
    let said = here.tallow(&["train", "tiny.yaml", "--out", "run"]).ok();
    assert!(said.out.contains("balanced") && said.out.contains("report: run/report.html"), "{}", said.out);
    assert_eq!(here.bytes("run"), there.0.bytes("run"));
}

#[test]
fn help_fits_and_shows_examples() {
    let desk = Desk::empty();
    let commands = ["", "train", "eval", "predict", "preview", "check", "list", "bench"];
    let benches = ["step", "eval", "mix", "load", "epoch"].map(|work| format!("bench {work}"));
    for command in commands.into_iter().chain(benches.iter().map(String::as_str)) {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let said = desk.program(Program::Tallow).args(&arguments).env("COLUMNS", "200").say().ok();
        for line in said.out.lines() {
            assert!(line.chars().count() <= 80, "{arguments:?}: {line}");
        }
        assert!(said.out.contains("examples:"), "{}", said.out);
    }
    assert!(desk.tallow(&["--version"]).ok().out.starts_with("tallow "));
    let help = desk.train(&["--help"]).ok().out;
    assert!(help.contains("--resume") && help.contains("--dry-run"), "{help}");
    assert_eq!(desk.train(&[]).code, 2);
    assert_eq!(desk.tallow(&["trian"]).code, 2);
}
