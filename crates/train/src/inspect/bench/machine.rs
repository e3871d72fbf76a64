//! What this machine can do: f32 products, memory bandwidth; and the memory that this process took.

use rayon::prelude::*;
use std::sync::Barrier;
use std::time::Instant;

/// Measured, on all threads of rayon's pool at once.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// f32 matrix products of 768 × 768 × 768 by the `gemm` crate, one on each thread: 10⁹ operations per second, two for
    /// each multiply-add.
    pub gflops: f64,
    /// a = b + s · c over arrays beyond the caches: 10⁹ bytes per second, two reads and one write counted (STREAM's triad;
    /// the line that a write fetches first is not counted).
    pub gb_per_second: f64,
}

/// Threads of the arithmetic: rayon's pool.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Takes 400 MB while it runs.
pub fn machine() -> Machine {
    Machine { gflops: product_rate(), gb_per_second: triad_rate() }
}

/// The best of several rounds that all threads begin together, summed over the threads.
fn product_rate() -> f64 {
    const N: usize = 768;
    const PRODUCTS: usize = 8;
    let together = Barrier::new(threads());
    let rates = rayon::broadcast(|_| {
        let (a, b, mut c) = (vec![0.5f32; N * N], vec![0.25f32; N * N], vec![0f32; N * N]);
        let round = |c: &mut [f32]| {
            together.wait();
            let began = Instant::now();
            (0..PRODUCTS).for_each(|_| square_product(N, c, &a, &b));
            (2 * N * N * N * PRODUCTS) as f64 / began.elapsed().as_secs_f64() / 1e9
        };
        let best = (0..6).map(|_| round(&mut c)).fold(0.0, f64::max);
        std::hint::black_box(&c);
        best
    });
    rates.iter().sum()
}

/// c = a · b, row-major, n × n, on this thread.
fn square_product(n: usize, c: &mut [f32], a: &[f32], b: &[f32]) {
    assert!(c.len() == n * n && a.len() == n * n && b.len() == n * n);
    let step = n as isize;
    // SAFETY: three live matrices of n × n numbers; only c is written, and it is borrowed alone.
    unsafe {
        gemm::gemm(
            n,
            n,
            n,
            c.as_mut_ptr(),
            1,
            step,
            false,
            a.as_ptr(),
            1,
            step,
            b.as_ptr(),
            1,
            step,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// The best of several passes.
fn triad_rate() -> f64 {
    const LEN: usize = 1 << 25;
    const PIECE: usize = 1 << 16;
    let (mut a, b, c) = (vec![0f32; LEN], vec![1f32; LEN], vec![2f32; LEN]);
    let pass = |a: &mut [f32]| {
        let began = Instant::now();
        let pieces = a.par_chunks_mut(PIECE).zip(b.par_chunks(PIECE)).zip(c.par_chunks(PIECE));
        pieces.for_each(|((a, b), c)| {
            a.iter_mut().zip(b).zip(c).for_each(|((a, b), c)| *a = *b + 3.0 * *c);
        });
        (3 * LEN * size_of::<f32>()) as f64 / began.elapsed().as_secs_f64() / 1e9
    };
    let best = (0..8).map(|_| pass(&mut a)).fold(0.0, f64::max);
    std::hint::black_box(&a);
    best
}

/// The most memory that this process has had resident so far, bytes: `VmHWM` of Linux; `None` elsewhere.
pub fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_a_product() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]);
        let mut c = [f32::NAN; 4];
        square_product(2, &mut c, &a, &b);
        // [1·5 + 2·7, 1·6 + 2·8; 3·5 + 4·7, 3·6 + 4·8]
        assert_eq!(c, [19.0, 22.0, 43.0, 50.0]);
    }
}
