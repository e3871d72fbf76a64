//! Seconds of intervals and comparisons of 10,000 images with 10,000 resamples, by default:
//! `cargo run -p tallow-metrics --example speed [IMAGES [RESAMPLES [CLASSES]]]`.

use std::time::Instant;

use tallow_metrics::{METRICS, Metric, Predictions, Resampling, compare, interval, intervals};
use tallow_seed::Seed;

const HEADLINE: [&str; 8] =
    ["accuracy", "macro_f1", "balanced_accuracy", "auroc", "average_precision", "log_loss", "brier", "ece"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given: Vec<u32> = std::env::args().skip(1).map(|word| word.parse()).collect::<Result<_, _>>()?;
    let number = |at: usize, default| given.get(at).copied().unwrap_or(default);
    let (images, resamples, classes) = (number(0, 10_000), number(1, 10_000), number(2, 7) as usize);
    println!("{images} images of {classes} classes, {resamples} resamples, {} threads", threads());

    let (a, b) = (predictions(images, classes, 1)?, predictions(images, classes, 2)?);
    let how = Resampling { resamples, level: 0.95, by_group: true, seed: Seed::new(1) };
    let headline: Vec<&Metric> = METRICS.iter().filter(|metric| HEADLINE.contains(&metric.name)).collect();
    let (mut alone, mut compared) = (0.0, 0.0);
    println!("{:20} {:>9} {:>9}", "metric", "interval", "compare");
    for metric in &headline {
        let interval = seconds(|| interval(&a, metric, &how))?;
        let compare = seconds(|| compare(&a, &b, metric, &how))?;
        println!("{:20} {interval:9.2} {compare:9.2}", metric.name);
        alone += interval;
        compared += compare;
    }
    println!("{:20} {alone:9.2} {compared:9.2}", "sum");
    println!("{:20} {:9.2}", "all at once", seconds(|| intervals(&a, &headline, &how))?);
    Ok(())
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn seconds<T>(of: impl FnOnce() -> tallow_metrics::Result<T>) -> tallow_metrics::Result<f64> {
    let start = Instant::now();
    of()?;
    Ok(start.elapsed().as_secs_f64())
}

/// The labels are the same for every seed; two images are of one group.
fn predictions(images: u32, classes: usize, seed: u64) -> tallow_metrics::Result<Predictions> {
    let names: Vec<String> = (0..classes).map(|class| format!("class {class}")).collect();
    let mut predictions = Predictions::new(&names);
    let mut labels = Seed::new(0).fold("labels", 0).rng();
    let mut rng = Seed::new(seed).fold("predictions", 0).rng();
    for index in 0..images {
        let label = labels.below(classes as u32);
        let mut alphas = vec![0.5; classes];
        alphas[label as usize] += 0.7;
        let row = rng.dirichlet(&alphas);
        predictions.push(&index.to_string(), Some(&format!("{}", index / 2)), label, &row)?;
    }
    Ok(predictions)
}
