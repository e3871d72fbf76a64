//! Golden pixels: `tests/golden/image.py` made them with Pillow and torchvision.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tallow_data::Image;
use tallow_policy::Registry;

use crate::policy;

/// The largest difference that is allowed, in levels of 255. Resizing by bilinear weights has 15 bits here, 22 in Pillow;
/// blurring goes row by row here, over the whole kernel at once in torchvision.
fn tolerance(case: &Value) -> u8 {
    let interpolation = case["parameters"]["interpolation"].as_str().unwrap_or("bilinear");
    match case["policy"].as_str().unwrap() {
        "resize" | "random_resized_crop" => u8::from(interpolation == "bilinear"),
        // CLAHE: the way back from CIELAB is OpenCV's in whole numbers, ours in f32.
        "gaussian_blur" | "elastic" | "clahe" => 1,
        // Made by numpy; sines and powers may differ in their last bit.
        "hair" | "ruler" | "color_constancy" => 1,
        _ => 0,
    }
}

pub struct Golden {
    cases: Vec<Value>,
    /// What torchvision's automatic policies choose from.
    pub spaces: Value,
    files: BTreeMap<String, Vec<u8>>,
}

impl Golden {
    pub fn read() -> Golden {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/image");
        let files: BTreeMap<String, Vec<u8>> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                (path.file_name().unwrap().to_str().unwrap().to_string(), std::fs::read(&path).unwrap())
            })
            .collect();
        let cases: Value = serde_json::from_slice(&files["cases.json"]).unwrap();
        Golden { cases: cases["cases"].as_array().unwrap().clone(), spaces: cases["spaces"].clone(), files }
    }

    fn image(&self, place: &Value) -> Image {
        let number = |key: &str| place[key].as_u64().unwrap() as usize;
        let (at, width, height) = (number("at"), number("width"), number("height"));
        let pixels = self.files[place["file"].as_str().unwrap()][at..at + width * height * 3].to_vec();
        Image { width: width as u32, height: height as u32, pixels }
    }
}

#[test]
fn pixels_are_those_of_pillow_and_torchvision() {
    let golden = Golden::read();
    // policy → (cases, largest difference, share of bytes that differ)
    let mut seen: BTreeMap<&str, (usize, u8, f64)> = BTreeMap::new();
    for case in &golden.cases {
        let name = case["policy"].as_str().unwrap();
        let policy = policy(name, &case["parameters"].to_string());
        let draw = case["draw"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let given = golden.image(&case["given"]);
        let size = (given.width, given.height);
        let expected = golden.image(&case["expected"]);
        let got = policy.apply(given, &draw).unwrap();
        assert_eq!((got.width, got.height), (expected.width, expected.height), "{case}");
        let known = policy.output(Some(size));
        assert!(
            known == Some((got.width, got.height)) || name == "field_of_view" && known.is_none(),
            "{case}"
        );
        let apart: Vec<u8> = got.pixels.iter().zip(&expected.pixels).map(|(a, b)| a.abs_diff(*b)).collect();
        let most = *apart.iter().max().unwrap();
        let share = apart.iter().filter(|d| **d > 0).count() as f64 / apart.len() as f64;
        let entry = seen.entry(name).or_default();
        *entry = (entry.0 + 1, entry.1.max(most), entry.2.max(share));
        assert!(most <= tolerance(case), "{case}: {most} apart, {share:.3} of the bytes differ");
    }
    println!("policy: (cases, largest difference, largest share of bytes that differ) {seen:#?}");
    let policies: Vec<&str> = Registry::builtin().images().map(|spec| spec.name).collect();
    assert!(policies.iter().all(|name| seen.contains_key(name)), "a policy without golden pixels: {seen:?}");
    assert!(golden.cases.len() >= 366, "{} cases", golden.cases.len());
}
