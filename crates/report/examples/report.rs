//! A report, a contact sheet and a chart of made-up numbers, to look at while changing how they look:
//! `cargo run -p tallow-report --example report -- DIR`.

use std::path::PathBuf;
use tallow_data::Image;
use tallow_metrics::{Curves, Predictions, Resampling, Summary, find, intervals_by_class};
use tallow_report::{
    Chart, DataNotes, Division, DivisionPart, Doubt, Epoch, Headline, Line, Log, Mistake, Mistakes, PerGroup,
    Progress, Report, Sheet, SplitNote, Tile, heatmap, history, overlay, table,
};
use tallow_seed::{Rng, Seed};

const CLASSES: [&str; 7] = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"];
const SUPPORT: [u64; 7] = [167, 1005, 77, 49, 165, 17, 22];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("usage: report DIR")?);
    std::fs::create_dir_all(&dir)?;
    let mut rng = Seed::new(1).rng();

    let progress = Progress::stderr();
    let bar = progress.epoch(1, 1, 32);
    let tiles = (0..16).map(|at| {
        bar.tick(2, &[("loss", 2. / f64::from(at + 1)), ("lr", 0.01)]);
        tile(at, &mut rng)
    });
    let tiles: Vec<_> = tiles.collect();
    bar.finish(&[("loss", 0.125)]);

    let sheet = Sheet {
        title: "cutmix, then zeta_mixup (γ = 2.8); epoch 1, step 3".into(),
        classes: CLASSES.map(String::from).into(),
        tiles,
        ..Sheet::default()
    };
    sheet.write(&dir.join("sheet.png"))?;

    let predictions = predictions(&mut rng)?;
    let summary = Summary::of(&predictions);
    let mut headline = Headline::list(&summary, "macro_f1");
    let metrics: Vec<_> = headline.iter().filter_map(|line| find(&line.name)).collect();
    let how = Resampling { resamples: 200, level: 0.95, by_group: false, seed: Seed::new(1) };
    let (ends, intervals) = intervals_by_class(&predictions, &metrics, &how)?;
    for (line, ends) in headline.iter_mut().zip(ends) {
        line.interval = Some(ends);
        line.basis = "95 % percentile bootstrap over 1502 images".into();
    }
    print!("{}", table(&summary.per_class, &intervals, &headline));
    let names = CLASSES.map(String::from);
    std::fs::write(dir.join("confusion.svg"), heatmap(&names, &summary.confusion))?;
    let points = (0..5000).map(|at| (f64::from(at), 2. / (1. + f64::from(at) / 900.) + 0.1 * rng.normal()));
    let line = Line { name: "training loss".into(), points: points.collect() };
    let chart = Chart { title: "Loss of every step".into(), x: "step".into(), lines: vec![line], mark: None };
    chart.write(&dir.join("chart.svg"))?;

    // Twelve epochs, then a resume from the tenth.
    let epochs: Vec<_> = (1..=20).map(|at| epoch(at, &mut rng)).collect();
    let mut log = Log::open(&dir, None)?;
    for epoch in &epochs[..12] {
        log.step(epoch.epoch, epoch.step - 1, &[("loss", epoch.train_loss), ("lr", epoch.lr)], &[])?;
        log.epoch(epoch)?;
    }
    let mut log = Log::open(&dir, Some((epochs[9].step, epochs[9].epoch)))?;
    for epoch in &epochs[10..] {
        log.step(epoch.epoch, epoch.step - 1, &[("loss", epoch.train_loss), ("lr", epoch.lr)], &[])?;
        log.epoch(epoch)?;
    }

    let split = |name: &str, images, groups, share: f64| SplitNote {
        name: name.into(),
        images,
        groups: Some(groups),
        per_class: SUPPORT.iter().map(|count| (*count as f64 * share) as u64).collect(),
    };
    let facts = [
        ("device", "cpu, 2 threads"),
        ("training time", "24 min 31 s"),
        ("speed", "121 images/s"),
        ("seed", "1"),
        ("tallow", "0.1.0"),
        ("commit", "86bf803d1c2e"),
        ("recipe hash", "a41f09c27de83b15"),
        ("data manifest", "77c0e9f20b6d5a38"),
        ("parameters", "11.18 M"),
    ];
    // A hill that is somewhere else in each.
    let map = |at: usize| {
        let image = &sheet.tiles[at].image;
        let (wide, high) = (f64::from(image.width), f64::from(image.height));
        let place = |y: u32, x: u32| {
            let (x, y) = (f64::from(x) / wide - 0.3, f64::from(y) / high - at as f64 / 18.0);
            (-12.0 * (x * x + y * y)).exp()
        };
        let map: Vec<f64> =
            (0..image.height).flat_map(|y| (0..image.width).map(move |x| place(y, x))).collect();
        overlay(image, &map).ok()
    };
    let mistake = |at: usize| Mistake {
        image: sheet.tiles[at].image.clone(),
        map: map(at),
        id: format!("ISIC_00243{at:02}"),
        truth: CLASSES[at % 7].into(),
        predicted: CLASSES[(at + 1) % 7].into(),
        probability: 0.99 - 0.02 * at as f64,
        of_truth: 0.01,
    };
    let worst = (0..12).map(mistake).collect();
    let doubt = |at: usize| Doubt {
        image: sheet.tiles[at].image.clone(),
        map: map(at),
        id: format!("ISIC_00251{at:02}"),
        truth: CLASSES[at % 7].into(),
        first: (CLASSES[at % 7].into(), 0.41),
        second: (CLASSES[(at + 2) % 7].into(), 0.40 - 0.01 * at as f64),
    };
    let maps = "Beside each image what of it speaks for the predicted class: Grad-CAM at stage4.".into();
    let doubts = (0..8).map(doubt).collect();
    let mistakes = Mistakes { part: "validation".into(), wrong: 261, images: 1502, worst, doubts, maps };
    let part = |(value, count): (&str, u64)| DivisionPart {
        value: value.into(),
        count,
        headline: headline[..3].to_vec(),
    };
    let parts = [("female", 684), ("male", 801), ("not known", 17)].map(part).to_vec();
    let origin = "By image of HAM10000_metadata.csv".into();
    let by_sex =
        Division { column: "sex".into(), origin, counted: "images".into(), parts, ..Division::default() };
    let report = Report {
        title: "isic2018_small_cutmix_zeta_mixup".into(),
        subject: "ResNet-18 from scratch at 64 px on ISIC 2018 Task 3, CutMix then ζ-mixup (γ = 2.8) on every batch.".into(),
        evaluated: "Validation split, epoch 17, kept for the best macro F1.".into(),
        per_group: Some(PerGroup { groups: "1120 lesions".into(), headline: headline[..3].to_vec() }),
        headline,
        ending: "Stopped after epoch 20: no better macro_f1 since epoch 17 (early_stop.patience 3).".into(),
        mistakes: Some(mistakes),
        epochs: history(&dir)?,
        training_loss: "Cross-entropy with the soft targets of cutmix_zeta_mixup, label smoothing 0.1.".into(),
        best_epoch: Some(17),
        summary: Some(summary),
        intervals,
        subgroups: vec![by_sex],
        curves: Some(Curves::of(&predictions)),
        batch: Some(sheet),
        data: DataNotes {
            splits: vec![split("train", 8513, 6350, 5.66), split("validation", 1502, 1120, 1.)],
            notes: vec![
                "ISIC 2018 Task 3, official training part, divided by data/isic2018/split.csv.".into(),
                "Leak check: no lesion is on both sides; no two files have the same bytes.".into(),
            ],
            broken: vec![("ISIC_0024306".into(), "truncated JPEG: 40 of 450 rows".into())],
        },
        recipe: RECIPE.into(),
        facts: facts.map(|(name, value)| (name.into(), value.into())).into(),
    };
    report.write(&dir.join("report.html"))?;
    Ok(())
}

/// A lesion on skin, roughly, and a bit of another one.
fn tile(at: u32, rng: &mut Rng) -> Tile {
    let side = 64;
    let (own, other) = (rng.below(7) as usize, rng.below(7) as usize);
    let tones: [[f64; 3]; 2] =
        [0, 1].map(|_| [90. + 60. * rng.uniform(), 55. + 40. * rng.uniform(), 40. + 30. * rng.uniform()]);
    let (cx, cy, radius) = (22. + 20. * rng.uniform(), 22. + 20. * rng.uniform(), 11. + 11. * rng.uniform());
    let cut = (28. * rng.uniform()) as u32;
    let mut pixels = Vec::new();
    for y in 0..side {
        for x in 0..side {
            let inside = x < cut && y < cut + 10;
            let tone = tones[usize::from(inside)];
            let (dx, dy) = (f64::from(x) - cx, f64::from(y) - cy);
            let edge = radius * (1. + 0.15 * (3. * dy.atan2(dx)).sin());
            let share = 1. / (1. + ((dx.hypot(dy) - edge) / 2.).exp());
            for (skin, tone) in [226., 172., 150.].into_iter().zip(tone) {
                pixels.push((skin + (tone - skin) * share + 6. * rng.normal()).clamp(0., 255.) as u8);
            }
        }
    }
    let mut shares = vec![0.; 7];
    let area = f64::from(cut * (cut + 10)) / f64::from(side * side);
    shares[own] += 0.92 * (1. - area);
    shares[other] += 0.92 * area;
    shares[rng.below(7) as usize] += 0.06;
    shares[rng.below(7) as usize] += 0.02;
    Tile {
        image: Image { width: side, height: side, pixels },
        note: format!("row {at}"),
        shares,
        sources: Vec::new(),
    }
}

fn predictions(rng: &mut Rng) -> Result<Predictions, tallow_metrics::Error> {
    let mut predictions = Predictions::new(&CLASSES.map(String::from));
    for (class, count) in SUPPORT.iter().enumerate() {
        for at in 0..*count {
            let mut scores: Vec<f64> =
                (0..7).map(|other| rng.normal() + if other == 1 { 1.4 } else { 0. }).collect();
            scores[class] += 2.2;
            let sum: f64 = scores.iter().map(|score| score.exp()).sum();
            let row: Vec<f64> = scores.iter().map(|score| score.exp() / sum).collect();
            predictions.push(&format!("{class}/{at}"), None, class as u32, &row)?;
        }
    }
    Ok(predictions)
}

fn epoch(epoch: u64, rng: &mut Rng) -> Epoch {
    let at = epoch as f64;
    let rise = |top: f64, rng: &mut Rng| top * (1. - (-at / 6.).exp()) + 0.012 * rng.normal();
    Epoch {
        epoch,
        step: epoch * 133,
        train_loss: 0.95 + 0.9 * (-at / 5.).exp() + 0.01 * rng.normal(),
        val_loss: Some(0.62 + 0.7 * (-at / 4.).exp() + 0.03 * rng.normal()),
        metrics: [("macro_f1", 0.52), ("balanced_accuracy", 0.49), ("accuracy", 0.82), ("auroc", 0.95)]
            .map(|(name, top)| (name.into(), rise(top, rng)))
            .into(),
        lr: if epoch <= 4 {
            0.025 * at
        } else {
            0.05 * (1. + ((at - 4.) / 16. * std::f64::consts::PI).cos())
        },
    }
}

const RECIPE: &str = "\
# ResNet-18 from scratch at 64 px, ISIC 2018 Task 3, CutMix then ζ-mixup.
data:      { name: isic2018, root: data/isic2018, split: { file: data/isic2018/split.csv }, batch: 64 }
model:     { name: resnet18, input: 64 }
images:    [ { random_resized_crop: { scale: [0.5, 1.0] } }, { flip: {} }, { flip: { axis: vertical } } ]
evaluation: [ { resize: [64, 64] } ]   # also what a `clean` view sees
policy:    cutmix_zeta_mixup
optimizer: { sgd: { momentum: 0.9, nesterov: true, decay: 5e-4, decay_on: all } }
schedule:  { one_cycle: { lr: 0.1, rise: 0.2 } }
length:    20 epochs
select:    macro_f1
seed:      1
";
