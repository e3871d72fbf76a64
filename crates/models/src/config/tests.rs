use super::*;
use crate::{Params, find};
use candle_core::{DType, Device};
use tallow_seed::Seed;

fn network(name: &str, options: &ModelOptions) -> (&'static ModelSpec, Network) {
    let spec = find(name).unwrap();
    let mut params = Params::new(Seed::new(1), DType::F32, &Device::Cpu);
    (spec, (spec.build)(&mut params, options).unwrap())
}

#[test]
fn the_file_is_timms() {
    let options = ModelOptions::new(2);
    let (spec, network) = network("resnet18", &options);
    let labels = ["benign".to_owned(), "melanoma".to_owned()];
    let config = Config::new(spec, &options, 224, &labels);
    let extra = json!({ "training": { "seed": 1 } });
    let file = config.to_json(&network, extra.as_object().unwrap().clone());
    let expected = json!({
        "architecture": "resnet18", "num_classes": 2, "num_features": 512, "global_pool": "avg",
        "label_names": ["benign", "melanoma"],
        "pretrained_cfg": {
            "custom_load": false, "input_size": [3, 224, 224], "fixed_input_size": false,
            "interpolation": "bilinear", "crop_pct": 0.875, "crop_mode": "center",
            "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "num_classes": 2,
            "pool_size": [7, 7], "first_conv": "conv1", "classifier": "fc",
        },
        "training": { "seed": 1 },
    });
    assert_eq!(file, expected);
    assert_eq!(Config::from_json(&file).unwrap(), config);
}

#[test]
fn what_timm_lacks_is_told_apart() {
    let options = ModelOptions { channels: 1, stem: Some(Stem::Cifar), ..ModelOptions::new(2) };
    let (spec, network) = network("resnet18", &options);
    let config = Config::new(spec, &options, 28, &[]);
    // Images of few pixels are seen whole.
    assert_eq!((config.crop, Config::new(spec, &ModelOptions::new(2), 224, &[]).crop), (1.0, 0.875));
    let cifar = find("resnet20").unwrap();
    assert_eq!(Config::new(cifar, &ModelOptions::new(10), 32, &[]).crop, 1.0);
    let file = config.to_json(&network, Map::new());
    assert_eq!(file["model_args"], json!({ "in_chans": 1 }));
    assert_eq!(file["tallow"], json!({ "stem": "cifar" }));
    // 28 px: 28, 14, 7, 4.
    assert_eq!(file["pretrained_cfg"]["pool_size"], json!([4, 4]));
    assert!((config.mean[0] - 1.347 / 3.0).abs() < 1e-15);
    assert_eq!(config.options(), ModelOptions { input: Some(28), ..options });
    assert_eq!(Config::from_json(&file).unwrap(), config);
}

#[test]
fn other_families_name_their_own_first_and_last_layers() {
    let options = ModelOptions::new(2);
    let (spec, network) = network("mobilenet_v3_small", &options);
    let file = Config::new(spec, &options, 224, &[]).to_json(&network, Map::new());
    assert_eq!(file["pretrained_cfg"]["first_conv"], json!("features.0.0"));
    assert_eq!(file["pretrained_cfg"]["classifier"], json!("classifier.3"));
    assert_eq!(file["pretrained_cfg"]["pool_size"], json!([7, 7]));
    assert_eq!(file["num_features"], json!(1024));
}

/// The file of hf.co/timm/resnet18.a1_in1k, abridged.
#[test]
fn a_file_from_the_hub_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let text = r#"{"architecture": "resnet18", "num_classes": 1000, "num_features": 512, "pretrained_cfg": {
        "tag": "a1_in1k", "custom_load": false, "input_size": [3, 224, 224], "test_input_size": [3, 288, 288],
        "fixed_input_size": false, "interpolation": "bicubic", "crop_pct": 0.95, "test_crop_pct": 1.0,
        "crop_mode": "center", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "num_classes": 1000,
        "pool_size": [7, 7], "first_conv": "conv1", "classifier": "fc", "license": "apache-2.0"}}"#;
    std::fs::write(&path, text).unwrap();
    let config = Config::read(&path).unwrap();
    assert_eq!(
        (config.architecture.as_str(), config.classes, config.input),
        ("resnet18", 1000, [3, 224, 224])
    );
    assert_eq!((config.interpolation.as_str(), config.crop), ("bicubic", 0.95));
    assert_eq!((config.mean, config.std), (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]));

    std::fs::write(&path, text.replace("\"mean\": [0.485,", "\"mean\": [\"x\",")).unwrap();
    let error = Config::read(&path).unwrap_err().to_string();
    assert!(error.starts_with(&path.display().to_string()), "{error}");
    assert!(error.ends_with(r#"mean: expected a list of numbers, got ["x",0.456,0.406]"#), "{error}");
    std::fs::write(&path, &text[..40]).unwrap();
    assert!(Config::read(&path).unwrap_err().to_string().contains("not JSON"));
}

#[test]
fn a_configuration_that_asks_for_more_than_it_should_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let options = ModelOptions::new(2);
    let (spec, network) = network("resnet18", &options);
    let whole = Config::new(spec, &options, 224, &[]).to_json(&network, Map::new());
    let with = |key: &str, value: Value| {
        let mut config = whole.clone();
        config["pretrained_cfg"][key] = value;
        config.to_string()
    };
    let long = "x".repeat(100_000);
    for (text, words) in [
        ("[".repeat(1_000_000), "not JSON: recursion limit exceeded"),
        (" ".repeat(LARGEST as usize + 1), "4194305 bytes, expected at most 4194304"),
        (
            with("interpolation", long.clone().into()),
            "interpolation: expected a text of at most 200 bytes, got",
        ),
        (with("crop_mode", long.clone().into()), "crop_mode: expected a text of at most 200 bytes, got"),
        (with("mean", long.into()), "mean: expected a list of numbers, got"),
        (with("std", json!([0.2, 0.0, 0.2])), "std: expected numbers above 0, got [0.2,0.0,0.2]"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(error.contains(words) && error.len() < 500, "{error}");
    }
}
