//! Every way of the f32 convolution, with the vectors of this machine and of any, against the column matrix in f64.

use super::*;
use crate::cpu::simd::NARROW;
use tallow_seed::Seed;

/// Rows, in, out, height, width, kernel, stride, padding, dilation: F(4×4)'s own error is about 1e-6 of the norm.
const CASES: [[usize; 9]; 13] = [
    // Winograd by output channels, with one block, two, and an odd number of them.
    [3, 16, 48, 9, 19, 3, 1, 1, 1],
    [3, 96, 112, 9, 19, 3, 1, 1, 1],
    // By chunks of tiles: 6 · 11 · 9 of them, 512 or more.
    [6, 16, 48, 43, 38, 3, 1, 0, 1],
    // Maps of 2×2.
    [5, 32, 48, 2, 2, 3, 1, 1, 1],
    [1, 16, 16, 2, 2, 3, 1, 1, 1],
    // Direct: strides, an odd size, an even one, taps that no output meets, kernels of other sizes, paddings.
    [5, 16, 32, 9, 12, 3, 2, 1, 1],
    [9, 32, 48, 8, 8, 3, 2, 1, 1],
    [3, 32, 16, 7, 6, 1, 2, 0, 1],
    [2, 3, 16, 21, 22, 7, 2, 3, 1],
    [2, 16, 3, 11, 40, 5, 3, 0, 1],
    [2, 48, 16, 6, 5, 2, 1, 0, 1],
    [1, 16, 32, 70, 70, 3, 4, 2, 1],
    [2, 16, 32, 11, 12, 3, 2, 2, 2],
];

/// Rows, channels, height, width, kernel, stride, padding, dilation: one input channel a group.
const DEPTHWISE: [[usize; 8]; 24] = [
    [1, 2, 1, 1, 3, 1, 1, 1],
    [3, 2, 1, 1, 5, 2, 2, 1],
    // Planes smaller than the kernel, and several side by side, the last group of images not full.
    [5, 3, 2, 2, 5, 1, 2, 1],
    [18, 2, 1, 2, 3, 1, 1, 1],
    [17, 2, 3, 2, 3, 2, 1, 1],
    [3, 5, 7, 7, 5, 1, 2, 1],
    [5, 5, 7, 7, 3, 2, 1, 1],
    [4, 3, 6, 4, 5, 2, 2, 1],
    [7, 40, 4, 4, 3, 1, 1, 1],
    // About a vector wide, and more; every number of rows beyond fours.
    [2, 5, 14, 14, 3, 1, 1, 1],
    [2, 5, 14, 14, 5, 2, 2, 1],
    [2, 3, 13, 15, 5, 1, 2, 1],
    [1, 3, 16, 16, 3, 1, 1, 1],
    [2, 3, 11, 33, 5, 2, 2, 1],
    [1, 3, 6, 32, 3, 2, 1, 1],
    // Several strips.
    [1, 2, 112, 112, 3, 1, 1, 1],
    [1, 2, 113, 70, 3, 2, 1, 1],
    [1, 2, 59, 130, 5, 2, 2, 1],
    // Other paddings: none, less than the kernel reaches, and more, where the gradient's own is negative.
    [2, 3, 9, 10, 3, 2, 0, 1],
    [2, 3, 9, 9, 5, 1, 1, 1],
    [2, 3, 5, 6, 3, 1, 4, 1],
    [3, 3, 5, 4, 3, 2, 3, 1],
    // Plain loops.
    [2, 3, 9, 9, 3, 3, 1, 1],
    [2, 3, 12, 11, 3, 1, 2, 2],
];

/// Rows, in, out, height, width, kernel, stride, padding, dilation, groups.
const GROUPED: [[usize; 10]; 7] = [
    [3, 32, 32, 9, 11, 3, 1, 1, 1, 8],
    [2, 64, 64, 8, 8, 3, 2, 1, 1, 8],
    [5, 32, 64, 7, 7, 3, 1, 1, 1, 2],
    [4, 32, 32, 2, 2, 3, 1, 1, 1, 4],
    [2, 32, 32, 6, 5, 1, 1, 0, 1, 4],
    [2, 64, 32, 9, 8, 1, 2, 0, 1, 16],
    // Twelve channels have no block of sixteen.
    [2, 12, 12, 6, 7, 3, 1, 1, 1, 3],
];

#[test]
fn narrow_and_wide() {
    let dense = CASES.map(|[r, c, o, h, w, k, s, p, d]| [r, c, o, h, w, k, s, p, d, 1]);
    let depthwise = DEPTHWISE.map(|[r, c, h, w, k, s, p, d]| [r, c, c, h, w, k, s, p, d, c]);
    for [r, c, o, h, w, k, stride, padding, dilation, groups] in
        dense.into_iter().chain(depthwise).chain(GROUPED)
    {
        let conv = Conv { stride, padding, dilation, groups };
        let size = |n: usize| (n + 2 * padding - dilation * (k - 1) - 1) / stride + 1;
        let g = Geometry { r, c, h, w, o, kh: k, kw: k, oh: size(h), ow: size(w), conv };
        let mut rng = Seed::new(5).rng();
        let mut numbers = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.normal()).collect() };
        let (x, weight, dy) = (numbers(g.input()), numbers(g.weight()), numbers(g.output()));
        let exact = [
            im2col::forward(&x, &weight, &g),
            im2col::input_gradient(&dy, &weight, &g),
            im2col::weight_gradient(&dy, &x, &g),
        ];
        let [x, weight, dy] = [x, weight, dy].map(|x| x.into_iter().map(|x| x as f32).collect::<Vec<_>>());
        for narrow in [true, false] {
            let work = || {
                [
                    run_forward(&x, &weight, &g),
                    run_input_gradient(&dy, &weight, &g),
                    run_weight_gradient(&dy, &x, &g),
                ]
            };
            // One thread, so that the switch of this thread holds for all of the work.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
            NARROW.set(narrow);
            let got = pool.map_or_else(|_| work(), |pool| pool.install(work));
            NARROW.set(false);
            for (part, (got, exact)) in got.iter().zip(&exact).enumerate() {
                let square: f64 = exact.iter().map(|x| x * x).sum();
                let error: f64 = got.iter().zip(exact).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
                let error = (error / square).sqrt();
                assert!(error < 1e-5, "{c}→{o}, {h}×{w}, {conv:?}, narrow {narrow}, part {part}: {error:e}");
            }
        }
    }
}
