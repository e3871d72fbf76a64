//! Seconds of all metrics of many images, which a file holds: `cargo run -p tallow-metrics --example large FILE IMAGES CLASSES`.
//! The file has the labels as bytes, then the probabilities, row by row, as 32-bit floats, all little-endian.
//! `benches/peers/metrics.py` makes one, and gives the same to scikit-learn.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read};
use std::time::Instant;

use tallow_metrics::{Predictions, Summary};

fn main() -> Result<(), Box<dyn Error>> {
    let [path, images, classes] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("expected FILE IMAGES CLASSES".into());
    };
    let (images, classes) = (images.parse()?, classes.parse::<usize>()?);
    let predictions = read(path, images, classes)?;
    let start = Instant::now();
    let summary = Summary::of(&predictions);
    let seconds = start.elapsed().as_secs_f64();
    println!("{}", serde_json::json!({ "seconds": seconds, "metrics": summary }));
    Ok(())
}

fn read(path: &str, images: usize, classes: usize) -> Result<Predictions, Box<dyn Error>> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let names: Vec<String> = (0..classes).map(|class| format!("class {class}")).collect();
    let mut predictions = Predictions::new(&names);
    let mut labels = vec![0; images];
    file.read_exact(&mut labels)?;
    predictions.labels = labels.into_iter().map(u32::from).collect();
    predictions.probabilities.reserve_exact(images * classes);
    let mut number = [0; 4];
    for _ in 0..images * classes {
        file.read_exact(&mut number)?;
        predictions.probabilities.push(f64::from(f32::from_le_bytes(number)));
    }
    predictions.validate()?;
    Ok(predictions)
}
