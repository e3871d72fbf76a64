//! `eval`: the training's metrics again, other parts, other data.

use super::{picture, trained};
use tallow_data::{Pixels, decode};
use tallow_models::Mode;
use tallow_policy::{ImageChain, Registry};
use tallow_report::Progress;
use tallow_seed::Seed;
use tallow_train::{Model, part};

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
    // All but the intervals, which are not kept with a checkpoint.
    let split = |mut said: serde_json::Value| {
        let intervals = said.as_object_mut().unwrap().remove("intervals").expect("intervals");
        let of_classes: Vec<_> = said["per_class"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .map(|class| class.as_object_mut().unwrap().remove("intervals").expect("intervals of a class"))
            .collect();
        (said, intervals, of_classes)
    };
    // Nor are decisions.
    let eval = |place: &str| {
        let mut said = desk.tallow(&["eval", place, "--json"]).ok().json();
        let mut remove = |key: &str| said.as_object_mut().unwrap().remove(key).expect(key);
        assert!(remove("calibration").is_null());
        // Of the surest half a smaller share is wrong, or as much.
        let risk = remove("decisions")["risk"].clone();
        assert!(risk[3]["risk"].as_f64() <= risk[0]["risk"].as_f64(), "{risk}");
        split(said)
    };
    let (best, intervals, of_classes) = eval("run");
    for key in KEYS {
        assert!(!best[key].is_null(), "no {key} in {best}");
    }
    assert_eq!(split(said["validation"].clone()), (best.clone(), intervals.clone(), of_classes.clone()));
    for (class, intervals) in best["per_class"].as_array().unwrap().iter().zip(&of_classes) {
        for metric in ["precision", "recall", "specificity", "f1", "auroc"] {
            let Some(value) = class[metric].as_f64().filter(|_| intervals[metric].is_array()) else {
                continue;
            };
            let [low, high] = [0, 1].map(|end| intervals[metric][end].as_f64().unwrap());
            assert!(low <= value && value <= high && low < high, "{metric}: {low} {value} {high}");
        }
        assert_eq!(intervals["recall"].is_array(), class["support"] != 0, "{class} {intervals}");
    }
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
    for (metric, method) in [("accuracy", "Wilson"), ("micro_f1", "Takahashi"), ("macro_f1", "Takahashi")] {
        let of = &intervals["by_formula"][metric];
        let ([low, high], value) =
            ([0, 1].map(|end| of["interval"][end].as_f64().unwrap()), best[metric].as_f64().unwrap());
        assert!(low < value && value < high && of["method"] == method, "{metric}: {low} {value} {high}");
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
        table.contains("balanced_accuracy") && table.contains("intervals: 95 % percentile bootstrap over "),
        "{table}"
    );
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    desk.tallow(&["eval", "run", "--split", "tset"]).complains(2, &["--split", "tset", "validation"]);
    desk.tallow(&["eval", "nowhere"]).complains(2, &["nowhere", "model.safetensors"]);
}

#[test]
fn eval_counts_groups_as_one() {
    let (desk, _) = trained();
    let images = desk.tallow(&["eval", "run", "--json", "--predictions", "images.csv"]).ok().json();
    let groups =
        desk.tallow(&["eval", "run", "--json", "--by-group", "--predictions", "groups.csv"]).ok().json();
    let read = |name: &str| tallow_metrics::Predictions::read_csv(&desk.path(name)).unwrap();
    let (averaged, rows) = read("images.csv").averaged_by_group().unwrap();
    assert_eq!(read("groups.csv"), averaged);
    assert!(rows.len() < 28, "drawn lesions have one to four images");
    assert_eq!((&groups["images"], &groups["groups"]), (&images["images"], &rows.len().into()));
    assert_eq!(groups["intervals"]["units"], rows.len());
    let summary = serde_json::to_value(tallow_metrics::Summary::of(&averaged)).unwrap();
    assert_eq!((&groups["macro_f1"], &groups["confusion"]), (&summary["macro_f1"], &summary["confusion"]));
    let text = desk.tallow(&["eval", "run", "--by-group"]).ok().out;
    let said = format!("{} lesions, each the mean of its images, of 28 images", rows.len());
    assert!(text.contains(&said), "{text}");
    // The report says it too.
    let html = desk.read("run/report.html");
    assert!(html.contains(&format!("the mean of its images' probabilities ({} lesions)", rows.len())));

    // Data without groups, and a group under two labels: said before anything is computed.
    for class in ["MEL", "NV"] {
        for number in 0..2u8 {
            let path = desk.path(&format!("grouped/{class}/p1_{number}.png"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            picture(20 + class.len() as u32, number).save(path).unwrap();
        }
    }
    let data = |more: &str| format!("data={{ name: folder, root: grouped, batch: 4{more} }}");
    let eval = |data: &str| desk.tallow(&["eval", "run", data, "--split", "all", "--by-group"]);
    eval(&data("")).complains(2, &["--by-group: expected images with groups, got none", "data.split.group"]);
    let grouped = data(", split: { validation: 0.5, group: { path: '(p[0-9])_' } }");
    eval(&grouped).complains(3, &["`p1`", "MEL (2), NV (2)"]);
}

#[test]
fn eval_divides_by_a_column() {
    let (desk, _) = trained();
    desk.tallow(&["eval", "run", "--predictions", "all.csv"]).ok();
    let predictions = tallow_metrics::Predictions::read_csv(&desk.path("all.csv")).unwrap();
    let sex = |index: usize| ["female", "male", ""][index % 3];
    let rows = predictions.ids.iter().enumerate().map(|(at, id)| format!("{},{id},{at}\n", sex(at)));
    std::fs::write(desk.path("meta.csv"), format!("sex,image,age\n{}", rows.collect::<String>())).unwrap();
    let asked = ["eval", "run", "--subgroups", "meta.csv:sex", "--subgroups", "meta.csv:age=10,20"];
    let json = desk.tallow(&[&asked[..], &["--json"]].concat()).ok().json();
    let women: Vec<usize> = (0..28).step_by(3).collect();
    let summary = serde_json::to_value(tallow_metrics::Summary::of(&predictions.only(&women))).unwrap();
    let found = &json["subgroups"][0]["values"];
    for name in ["balanced_accuracy", "macro_f1", "auroc", "brier"] {
        assert_eq!(found[0]["metrics"][name], summary[name], "{name}");
    }
    let values = |at: usize| {
        let values = json["subgroups"][at]["values"].as_array().unwrap().iter();
        values.map(|one| (one["value"].as_str(), one["images"].as_u64().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(values(0), [(Some("female"), 10), (Some("male"), 9), (None, 9)]);
    assert_eq!(values(1), [(Some("< 10"), 10), (Some("10 to < 20"), 10), (Some("≥ 20"), 8)]);
    let text = desk.tallow(&[&asked[..], &["--html", "page.html"]].concat()).ok().out;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // The page says the same.
    let html = desk.read("page.html");
    let ends = &found[0]["intervals"]["metrics"]["macro_f1"];
    let number = |value: &serde_json::Value| format!("{:.3}", value.as_f64().unwrap());
    let cell = format!("data-name=\"macro F1\">{}<span", number(&found[0]["metrics"]["macro_f1"]));
    let ends = format!("<small>{}–{}</small>", number(&ends[0]), number(&ends[1]));
    for part in [&cell, &ends, "<caption>sex</caption>", "<th>≥ 20</th>", "validation part: 28 images"] {
        assert!(html.contains(part), "no {part} in the page");
    }
    let ids: Vec<&str> = html.split("<section id=\"").skip(1).map(|s| s.split('"').next().unwrap()).collect();
    assert_eq!(ids, ["results", "errors", "classes", "subgroups", "roc", "data", "run", "recipe"]);
    assert!(text.ends_with("page: page.html\n") && html.contains("Grad-CAM at"), "{text}");
    desk.tallow(&["eval", "run", "--html", "nowhere/page.html"]).complains(2, &["--html", "nowhere"]);
    assert!(
        text.contains("\nsex, by image of meta.csv\n") && text.contains("\nnot known              9 "),
        "{text}"
    );
    desk.tallow(&["eval", "run", "--subgroups", "meta.csv:sx"])
        .complains(3, &["expected a column `sx`", "sex"]);
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
        .complains(2, &["--split validation", "--split all", "data.split.validation"]);
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

/// Probabilities are the mean of those of the crops, each looked at alone.
#[test]
fn crops_are_averaged() {
    let (desk, _) = trained();
    let transform = "evaluation=[{ resize: [20, 20] }, { center_crop: 16 }]";
    let words = ["eval", "run/last", transform, "evaluation_crops=4", "--predictions", "crops.csv", "--json"];
    let said = desk.tallow(&words).ok().json();
    let (progress, registry) = (Progress::hidden(), Registry::builtin());
    let overrides = [transform.to_owned()];
    let model = Model::open(&desk.path("run/last"), &overrides, None, &registry, &progress).unwrap();
    let data = part(&model.plan, "validation", &progress).unwrap();
    let chain = serde_yaml::from_str("[{ resize: [20, 20] }]").unwrap();
    let chain = ImageChain::parse(&chain, &registry, (16, 16), [0.5; 3]).unwrap();
    let mut right = 0;
    // id, group, label, predicted, then the classes.
    let csv = desk.read("crops.csv");
    assert_eq!(csv.lines().count(), 1 + data.len());
    for (index, row) in csv.lines().skip(1).enumerate() {
        let image = decode(&data.image(index).unwrap()).unwrap();
        let image = chain.run(image, Seed::new(0)).unwrap();
        let mut mean = vec![0.0; model.classes.len()];
        for (left, top) in [(0, 0), (4, 0), (0, 4), (4, 4)] {
            let lines =
                (top..top + 16).flat_map(|y| &image.pixels[(y * 20 + left) * 3..(y * 20 + left + 16) * 3]);
            let pixels = Pixels { rows: 1, height: 16, width: 16, bytes: lines.copied().collect() };
            let logits = model.network.forward(&model.upload(&pixels).unwrap(), &Mode::Eval).unwrap();
            let powers: Vec<f64> =
                logits.to_vec2::<f32>().unwrap()[0].iter().map(|x| f64::from(*x).exp()).collect();
            let sum: f64 = powers.iter().sum();
            mean.iter_mut().zip(powers).for_each(|(mean, power)| *mean += power / sum / 4.0);
        }
        let said: Vec<f64> = row.split(',').skip(4).map(|cell| cell.parse().unwrap()).collect();
        for (said, expected) in said.iter().zip(&mean) {
            assert!((said - expected).abs() < 1e-5, "image {index}: {said} {expected}");
        }
        let best = (0..mean.len()).max_by(|&a, &b| mean[a].total_cmp(&mean[b])).unwrap();
        right += usize::from(best == data.label(index) as usize);
    }
    assert!((said["accuracy"].as_f64().unwrap() - right as f64 / data.len() as f64).abs() < 1e-12);
    let small =
        ["eval", "run/last", "evaluation=[{ resize: [12, 12] }, { center_crop: 16 }]", "evaluation_crops=4"];
    desk.tallow(&small).complains(3, &["16 by 16 pixels or more", "12 by 12"]);
}

#[test]
fn eval_of_a_csv_is_that_of_the_network() {
    let (desk, _) = trained();
    let json = |arguments: &[&str]| desk.tallow(&[&["eval"], arguments, &["--json"]].concat()).ok().json();
    let of_network = json(&["run", "--predictions", "said.csv"]);
    assert_eq!(json(&["said.csv"]), of_network);
    assert_eq!(json(&["said.csv", "--by-group"]), json(&["run", "--by-group"]));
    // Without intervals nothing else is another.
    let mut plain = of_network.clone();
    plain.as_object_mut().unwrap().remove("intervals").expect("intervals");
    for class in plain["per_class"].as_array_mut().unwrap() {
        class.as_object_mut().unwrap().remove("intervals").expect("intervals of a class");
    }
    assert_eq!(json(&["said.csv", "--no-intervals"]), plain);
    assert_eq!(json(&["run", "--no-intervals"]), plain);
    let text = desk.tallow(&["eval", "said.csv", "--no-intervals"]).ok().out;
    assert!(text.starts_with("said.csv, 28 images\n") && text.contains("balanced_accuracy"), "{text}");
    assert!(!text.contains('[') && text.lines().all(|line| line.chars().count() <= 80), "{text}");

    desk.write("theirs.csv", "id,label,cat,dog\n1,cat,0.9,0.1\n2,dog,0.6,0.4\n3,dog,0.2,0.8\n");
    assert_eq!(json(&["theirs.csv"])["confusion"], serde_json::json!([[1, 0], [1, 1]]));
    for (asked, words) in [
        ("data.seed=5", "data.seed=5: said.csv is a CSV of predictions"),
        ("--split=test", "--split: said.csv is a CSV"),
        ("--uncalibrated", "--uncalibrated: said.csv is a CSV"),
        ("--tta=flips", "--tta: said.csv is a CSV"),
        ("--with=run", "--with: said.csv is a CSV"),
    ] {
        desk.tallow(&["eval", "said.csv", asked]).complains(2, &[words, "name the checkpoint"]);
    }
    desk.tallow(&["eval", "theirs.csv", "--by-group"])
        .complains(2, &["--by-group: expected images with groups, got none – name them in the column group"]);
    desk.write("none.csv", "id,label,cat,dog\n");
    desk.tallow(&["eval", "none.csv"]).complains(3, &["none.csv: expected predictions, got none"]);
    desk.tallow(&["eval", "nowhere.csv"]).complains(3, &["nowhere.csv"]);
}

#[test]
fn eval_by_named_metrics() {
    let (desk, _) = trained();
    let whole = desk.tallow(&["eval", "run", "--json"]).ok().json();
    let asked = |names: &str| desk.tallow(&["eval", "run", "--metrics", names, "--json"]).ok().json();
    let class = whole["per_class"][0]["class"].as_str().unwrap();
    let said = asked(&format!("isic2018,brier,precision[{class}]"));
    let scores = said["scores"].as_array().unwrap();
    let of = |name: &str| {
        scores.iter().find(|score| score["name"] == name).unwrap_or_else(|| panic!("{name} of {said}"))
    };
    assert_eq!(scores[0]["name"], "balanced_accuracy");
    for name in ["balanced_accuracy", "auroc", "brier"] {
        assert_eq!(of(name)["value"], whole[name], "{name}");
        assert_eq!(of(name)["interval"], whole["intervals"]["metrics"][name], "{name}");
    }
    assert_eq!((&of("auroc")["better"], &of("brier")["better"]), (&"higher".into(), &"lower".into()));
    for name in ["recall", "specificity", "auroc", "precision"] {
        assert_eq!(of(&format!("{name}[{class}]"))["value"], whole["per_class"][0][name], "{name}");
    }
    let text = desk.tallow(&["eval", "run", "--metrics", "medmnist,ece"]).ok().out;
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    // Two lines of method, the second of it about classes of few lesions.
    assert_eq!(names[1..5], ["auroc", "accuracy", "ece", "intervals:"], "{text}");
    assert!(text.contains("\nfew groups of MEL (1), "), "{text}");
    assert!(text.contains("lower is better") && text.matches('[').count() == 2, "{text}");
    desk.tallow(&["eval", "run", "--metrics", "isic2020"])
        .complains(2, &["--metrics: isic2020: expected a class malignant, got"]);
    desk.tallow(&["eval", "run", "--metrics", "f1"])
        .complains(2, &["--metrics: `f1` is no metric", "isic2018"]);
    let listed = desk.tallow(&["list", "metric_sets", "isic2017"]).ok().out;
    assert!(
        listed.contains("mean AUROC of melanoma and seborrheic keratosis")
            && listed.contains("recall[CLASS]")
    );
}
