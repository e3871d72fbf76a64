//! Seconds of intervals and comparisons of 10,000 images with 10,000 resamples, by default:
//! `cargo run -p tallow-metrics --example speed [IMAGES [RESAMPLES [CLASSES]]]`.

use std::time::Instant;

use tallow_metrics::{
    METRICS, Metric, Predictions, Resampling, Score, compare, comparisons, interval, intervals,
};
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
    println!("{:20} {:>9} {:>9} {:>9} {:>9}", "metric", "interval", "CPU", "compare", "CPU");
    let mut sum = [0.0; 4];
    let mut row = |name: &str, interval: (f64, f64), compare: (f64, f64)| {
        let numbers = [interval.0, interval.1, compare.0, compare.1];
        sum.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        println!("{name:20}{}", numbers.map(|number| format!(" {number:9.2}")).concat());
        sum
    };
    let mut alone = [0.0; 4];
    for metric in &headline {
        let (interval, compare) =
            (seconds(|| interval(&a, metric, &how))?, seconds(|| compare(&a, &b, metric, &how))?);
        alone = row(metric.name, interval, compare);
    }
    println!("{:20}{}", "sum", alone.map(|number| format!(" {number:9.2}")).concat());
    let scores: Vec<Score> = headline.iter().map(|&metric| metric.into()).collect();
    let interval = seconds(|| intervals(&a, &headline, &how))?;
    row("all at once", interval, seconds(|| comparisons(&[&a], &[&b], false, &scores, &how))?);
    Ok(())
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Of a clock, and of all processors, where the system says them.
fn seconds<T>(of: impl FnOnce() -> tallow_metrics::Result<T>) -> tallow_metrics::Result<(f64, f64)> {
    let (start, used) = (Instant::now(), cpu_seconds());
    of()?;
    Ok((start.elapsed().as_secs_f64(), cpu_seconds() - used))
}

/// Linux counts them in hundredths: `utime` and `stime` of proc(5).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = behind_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    let ticks: Vec<f64> = ticks.collect();
    if ticks.len() == 2 { ticks.iter().sum::<f64>() / 100.0 } else { f64::NAN }
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
