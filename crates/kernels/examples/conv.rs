//! Milliseconds and GFLOP/s of one convolution's three computations: forward, both gradients.
//!
//!     cargo run -p tallow-kernels --example conv -- ROWS IN OUT SIZE KERNEL STRIDE [GROUPS]   [, ROWS …]

use candle_core::{Device, Result, Tensor, Var};
use std::time::Instant;
use tallow_kernels::{Conv, backward, conv2d};
use tallow_seed::Seed;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut total = [0.0; 2];
    for set in args.split(|a| a == ",") {
        let n: Vec<usize> = set.iter().map(|a| a.parse().expect("a number")).collect();
        let [r, c, o, size, k, stride, ref groups @ ..] = n[..] else {
            panic!("expected ROWS IN OUT SIZE KERNEL STRIDE [GROUPS], such as 64 256 256 4 3 1")
        };
        let groups = groups.first().copied().unwrap_or(1);
        let mut rng = Seed::new(1).rng();
        let mut draw = |shape: &[usize]| {
            let data: Vec<f32> = (0..shape.iter().product()).map(|_| rng.normal() as f32).collect();
            Tensor::from_vec(data, shape, &Device::Cpu)
        };
        let x = draw(&[r, c, size, size])?;
        let w = Var::from_tensor(&draw(&[o, c / groups, k, k])?)?;
        let xv = Var::from_tensor(&x)?;
        let conv = Conv { stride, padding: k / 2, groups, ..Conv::default() };
        let median = |f: &dyn Fn() -> Result<()>| -> Result<f64> {
            let mut times = Vec::new();
            for _ in 0..9 {
                let start = Instant::now();
                f()?;
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
            times.sort_by(f64::total_cmp);
            Ok(times[4])
        };
        let wd = w.as_detached_tensor();
        let forward = median(&|| conv2d(&x, &wd, conv).map(|_| ()))?;
        let y = conv2d(&x, &wd, conv)?;
        let flop = 2.0 * y.elem_count() as f64 * ((c / groups) * k * k) as f64;
        let dy = y.clone();
        let both = |x: &Tensor, w: &Tensor| -> Result<()> {
            let y = conv2d(x, w, conv)?;
            // Σ y·dy: d loss / d y = dy, at the price of one product.
            let _ = backward(&(y * &dy)?.sum_all()?)?;
            Ok(())
        };
        let elementwise = {
            let v = Var::from_tensor(&y)?;
            median(&|| backward(&(v.as_tensor() * &dy)?.sum_all()?).map(|_| ()))?
        };
        let dx = median(&|| both(&xv, &wd))? - forward - elementwise;
        let dw = median(&|| both(&x, &w))? - forward - elementwise;
        let rate = |ms: f64| flop / ms / 1e6;
        println!(
            "{:28} forward {forward:7.2} ms {:5.0}   input {dx:7.2} ms {:5.0}   weight {dw:7.2} ms {:5.0} GFLOP/s",
            set.join(" "),
            rate(forward),
            rate(dx),
            rate(dw)
        );
        total[0] += forward + dx + dw;
        total[1] += 3.0 * flop;
    }
    println!("all: {:.1} ms, {:.0} GFLOP/s", total[0], total[1] / total[0] / 1e6);
    Ok(())
}
