//! `predict`: images, folders and arrays, as CSV.

use super::{picture, trained};
use crate::program::{Desk, Program};
use crate::refusals::{FOLDER, SQUARE, pictures};

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

/// A spreadsheet takes it for a formula; a negative number it may have.
#[test]
fn predict_writes_no_formula() {
    let (desk, _) = trained();
    image::RgbImage::new(16, 16).save(desk.path("=1+1.png")).unwrap();
    let lines = |more: &[&str]| desk.tallow(&[&["predict", "run", "=1+1.png"], more].concat()).ok().out;
    assert!(lines(&[]).lines().nth(1).unwrap().starts_with("'=1+1.png,"));
    let logits = lines(&["--logits"]);
    let fields: Vec<_> =
        logits.lines().nth(1).unwrap().split(',').skip(1).map(|field| field.parse::<f32>()).collect();
    assert!(fields.iter().all(Result::is_ok), "{logits}");
    assert!(fields.iter().flatten().any(|logit| *logit < 0.0), "{logits}");
}

/// The same of the names of classes.
#[test]
fn predict_writes_no_formula_of_a_class() {
    let desk = Desk::new();
    pictures(&desk, "images", 8);
    std::fs::rename(desk.path("images/a"), desk.path("images/=a")).unwrap();
    desk.train(&["tiny.yaml", FOLDER, SQUARE, "length=1 epochs", "--out", "run"]).ok();
    let said = desk.tallow(&["predict", "run", "images"]).ok().out;
    assert_eq!(said.lines().next().unwrap().split(',').filter(|name| *name == "'=a").count(), 1, "{said}");
    let calls = |line: &str| line.split(',').nth(1).unwrap().to_owned();
    let called: Vec<String> = said.lines().skip(1).map(calls).collect();
    assert!(called.iter().all(|class| class == "'=a" || class == "b"), "{called:?}");
    assert!(!said.contains(",=a"), "{said}");
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
