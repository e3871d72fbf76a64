//! `stats`: what policies do to data.

use super::trained;
use crate::program::{Desk, Said, root};
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use tallow_data::Pixels;
use tallow_models::Mode;
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_seed::Seed;
use tallow_train::{Model, part};

fn golden(name: &str) -> String {
    root().join("tests/golden/dimension").join(name).display().to_string()
}

#[test]
fn points_have_the_dimension_of_scikit_dimension() {
    let desk = Desk::empty();
    let text = std::fs::read_to_string(golden("cases.json")).unwrap();
    let cases: serde_json::Value = serde_json::from_str(&text).unwrap();
    for case in cases.as_array().unwrap() {
        assert_eq!(case["near"].as_array().unwrap().len(), 0);
        let (file, k) =
            (golden(&format!("{}.npy", case["points"].as_str().unwrap())), case["neighbours"].to_string());
        let found = desk.tallow(&["stats", "--points", &file, "--neighbours", &k, "--json"]).ok().json();
        assert_eq!(found["pointwise"], case["pointwise"], "{file} {k}");
        assert_eq!(found["neighbours"], case["neighbours"]);
    }
    let said = desk.tallow(&["stats", "--points", &golden("moons.npy")]).ok();
    assert!(said.out.starts_with("240 points of 2 coordinates, 8 neighbours: mean "), "{}", said.out);
}

#[test]
fn mistakes_in_points_are_named() {
    let desk = Desk::empty();
    let write = |name: &str, shape: &[usize], value: f32| {
        let tensor = Tensor::full(value, shape, &Device::Cpu).unwrap();
        tensor.write_npy(desk.path(name)).unwrap();
    };
    write("flat.npy", &[30], 1.0);
    write("images.npy", &[10, 3, 2, 2], 1.0);
    write("nan.npy", &[10, 3], f32::NAN);
    write("few.npy", &[8, 3], 1.0);
    desk.write("text.npy", "1 2 3");
    let of =
        |file: &str, more: &[&str]| -> Said { desk.tallow(&[&["stats", "--points", file], more].concat()) };
    of("none.npy", &[]).complains(2, &["--points none.npy", "no such file"]);
    of("text.npy", &[]).complains(2, &["--points text.npy", "numpy.save"]);
    of("flat.npy", &[]).complains(2, &["expected points (N, D), got [30]"]);
    of("images.npy", &[]).complains(2, &["got [10, 3, 2, 2]"]);
    of("nan.npy", &[]).complains(2, &["nan.npy", "NaN in point 0"]);
    of("few.npy", &[]).complains(2, &["--neighbours 8", "less than the 8 points"]);
    of("few.npy", &["--neighbours", "1"]).complains(2, &["--neighbours 1", "from 2"]);
    of("few.npy", &["--neighbours", "7"]).ok();
    assert_eq!(desk.tallow(&["stats"]).code, 2);
    assert_eq!(desk.tallow(&["stats", "tiny.yaml", "--neighbours", "8"]).code, 2);
}

#[test]
fn policies_are_compared_with_the_unmixed_data() {
    let desk = Desk::new();
    let words = [
        "stats",
        "tiny.yaml",
        "--policies",
        "zeta_mixup,mixup,manifold_mixup",
        "--policies",
        "zeta_mixup: { gamma: 9 }",
    ];
    let said =
        desk.tallow(&[&words[..], &["--batches", "9", "--json", "-o", "pages/stats.html"]].concat()).ok();
    let found = said.json();
    // 9 batches of 16: two epochs of 4, and one of the third.
    assert_eq!((found["batches"].as_u64(), found["images"].as_u64()), (Some(9), Some(144)));
    let policies = found["policies"].as_array().unwrap();
    let names: Vec<&str> = policies.iter().map(|policy| policy["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["none", "cutmix_zeta_mixup", "zeta_mixup", "mixup", "manifold_mixup", "zeta_mixup: { gamma: 9 }"]
    );
    let number = |at: usize, key: &str| policies[at][key].as_f64().unwrap_or_else(|| panic!("{key} of {at}"));
    for (at, policy) in policies.iter().enumerate() {
        assert!((number(at, "effective_classes") - number(at, "label_entropy").exp()).abs() < 1e-12);
        assert!(number(at, "milliseconds") >= 0.0 && number(at, "own_mass") <= 1.0);
        let (k8, k128) = (&policy["intrinsic_dimension"]["k8"], &policy["intrinsic_dimension"]["k128"]);
        assert!(
            (1.0..=7.0).contains(&k8.as_f64().unwrap()) && (1.0..=127.0).contains(&k128.as_f64().unwrap())
        );
        let shares = policy["class_shares"].as_array().unwrap();
        for row in shares.iter().filter(|row| !row[0].is_null()) {
            let sum: f64 = row.as_array().unwrap().iter().map(|share| share.as_f64().unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{row}");
        }
    }
    assert_eq!(
        (number(0, "label_entropy"), number(0, "effective_classes"), number(0, "own_mass")),
        (0.0, 1.0, 1.0)
    );
    assert!(number(0, "nearest_real") < 1e-6 && found["nearest_other"].as_f64().unwrap() > 0.01);
    // ζ-mixup, γ = 2.8, 16 rows: own weight 1 / Σ r^−2.8 = .8024; the others' labels may be the same.
    let own: f64 = 1.0 / (1..=16).map(|r| f64::from(r).powf(-2.8)).sum::<f64>();
    assert!(
        number(2, "own_mass") >= own && number(2, "own_mass") < own + 0.1,
        "{} {own}",
        number(2, "own_mass")
    );
    // Nine: 1 / ζ(9) = .998.
    assert!(number(5, "own_mass") > 0.997 && number(5, "nearest_real") < number(2, "nearest_real"));
    // mixup leaves the data further than ζ-mixup; what is mixed inside the network changes labels.
    assert!(number(3, "nearest_real") > number(2, "nearest_real"));
    assert!(number(4, "label_entropy") > 0.1);
    let page = desk.read("pages/stats.html");
    assert!(page.contains("<svg") && page.contains("Half-moons"));
    // Nothing is fetched: every address is the name of a format.
    assert_eq!(page.matches("http").count(), page.matches("http://www.w3.org/2000/svg").count());
    assert_eq!(desk.names("pages"), ["stats.html"]);
}

#[test]
fn the_table_fits_and_mistakes_are_named() {
    let desk = Desk::new();
    let said = desk.tallow(&["stats", "tiny.yaml", "policy=synermix", "--batches", "2"]).ok();
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[0].starts_with("tiny: 2 batches, 32 images, 7 classes"), "{}", said.out);
    assert!(lines[3].starts_with("none ") && lines[4].starts_with("synermix "), "{}", said.out);
    // 32 images have no 128 neighbours.
    assert!(said.out.contains("needs more images than neighbours"), "{}", said.out);
    let of = |more: &[&str]| -> Said { desk.tallow(&[&["stats", "tiny.yaml"], more].concat()) };
    of(&["--policies", "mixpu"]).complains(2, &["--policies", "`mixpu`", "mixup"]);
    of(&["--policies", "mixup: { alpha: -1 }"]).complains(2, &["--policies", "alpha"]);
    of(&["-o", "page.png"]).complains(2, &["--out page.png", "page.html"]);
    of(&["policy=mixpu"]).complains(2, &["mixpu"]);
    desk.tallow(&["stats", "none.yaml"]).complains(2, &["none.yaml"]);
    assert_eq!(of(&["--batches", "0"]).code, 2);
    assert_eq!(desk.names("."), ["tiny.yaml"]);
}

#[test]
fn features_of_a_checkpoint_are_judged() {
    let (desk, _) = trained();
    let words = ["stats", "tiny.yaml", "--batches", "1", "--checkpoint", "run", "--checkpoint", "run/last"];
    let found = desk.tallow(&[&words[..], &["--json", "-o", "features.html"]].concat()).ok().json();
    let all = found["checkpoints"].as_array().unwrap();
    assert_eq!(all.iter().map(|of| &of["name"]).collect::<Vec<_>>(), ["run", "run/last"]);
    // The same by another way: image by image, cosines to the means of the classes.
    let (progress, registry) = (Progress::hidden(), Registry::builtin());
    for (of, folder) in all.iter().zip(["run/best", "run/last"]) {
        let model = Model::open(&desk.path(folder), &[], None, &registry, &progress).unwrap();
        let data = part(&model.plan, "validation", &progress).unwrap();
        let mut features: BTreeMap<u32, Vec<Tensor>> = BTreeMap::new();
        for index in 0..data.len() {
            let image = tallow_data::decode(&data.image(index).unwrap()).unwrap();
            let image = model.transforms.evaluation.run(image, Seed::new(0)).unwrap();
            let (height, width) = (image.height as usize, image.width as usize);
            let pixels = Pixels { rows: 1, height, width, bytes: image.pixels };
            let mut seen = model.upload(&pixels).unwrap();
            for stage in &model.network.stages {
                seen = stage.layer.forward(&seen, &Mode::Eval).unwrap();
            }
            let seen = seen.get(0).unwrap().to_dtype(DType::F64).unwrap();
            features.entry(data.label(index)).or_default().push(seen);
        }
        let dot = |a: &Tensor, b: &Tensor| (a * b).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap();
        let cosine = |a: &Tensor, b: &Tensor| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        let means: Vec<Tensor> =
            features.values().map(|of| Tensor::stack(of, 0).unwrap().mean(0).unwrap()).collect();
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let cohesion = features.values().zip(&means);
        let cohesion = cohesion.map(|(of, to)| mean(of.iter().map(|z| cosine(z, to)).collect())).collect();
        let pairs = (0..means.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let apart = pairs.map(|(a, b)| 1.0 - cosine(&means[a], &means[b])).collect();
        for (key, expected) in [("cohesion", mean(cohesion)), ("separability", mean(apart))] {
            let said = of[key].as_f64().unwrap();
            assert!((said - expected).abs() < 1e-4, "{folder} {key}: {said} {expected}");
        }
        assert_eq!(of["images"], data.len());
        assert!((-1.0..=1.0).contains(&of["silhouette"].as_f64().unwrap()));
        let images = of["classes"].as_array().unwrap().iter().map(|class| class["images"].as_u64().unwrap());
        assert_eq!(images.sum::<u64>(), data.len() as u64);
    }
    let page = desk.read("features.html");
    assert!(page.contains("Cohesion and separability") && page.contains("nearest other class"));
    let said = desk.tallow(&words).ok();
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);
    assert!(said.out.contains("features of 28 validation images"), "{}", said.out);
    desk.tallow(&["stats", "tiny.yaml", "--checkpoint", "nowhere"])
        .complains(2, &["nowhere: holds no model"]);
}
