//! Milliseconds of a row mix: dense shares (T = R) and pairs.
//!
//!     cargo run -p tallow-kernels --example mix -- [ROWS CHANNELS SIZE]

use candle_core::{Device, Result, Tensor};
use std::time::Instant;
use tallow_kernels::mix_rows;
use tallow_seed::Seed;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let args: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().expect("a number")).collect();
    let [rows, channels, size] = args[..] else { panic!("expected ROWS CHANNELS SIZE, such as 32 3 224") };
    let mut rng = Seed::new(1).rng();
    let data: Vec<f32> = (0..rows * channels * size * size).map(|_| rng.uniform() as f32).collect();
    let x = Tensor::from_vec(data, (rows, channels, size, size), &Device::Cpu)?;
    let share = 1.0 / rows as f64;
    let dense: Vec<Vec<(u32, f64)>> = vec![(0..rows as u32).map(|j| (j, share)).collect(); rows];
    let pairs: Vec<Vec<(u32, f64)>> =
        (0..rows as u32).map(|i| vec![(i, 0.7), ((i + 1) % rows as u32, 0.3)]).collect();
    for (name, entries) in [("dense", &dense), ("pairs", &pairs)] {
        let mut times: Vec<f64> = (0..31)
            .map(|_| {
                let start = Instant::now();
                mix_rows(entries, &x).map(|_| start.elapsed().as_secs_f64() * 1e3)
            })
            .collect::<Result<_>>()?;
        times.sort_by(f64::total_cmp);
        println!("{name} {:.3} ms (median of 31; best {:.3})", times[15], times[0]);
    }
    Ok(())
}
