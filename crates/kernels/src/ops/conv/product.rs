//! Products whose left operand is read number by number, in registers: eight rows by 32 columns on AVX-512.

use super::lanes::B;

/// Rows that the widest kernel takes at once; `rows` are padded to a multiple.
pub(super) const ROWS: usize = 8;
/// Blocks of columns that it takes at once.
pub(super) const BLOCKS: usize = 2;

/// An operand read number by number: (row m, step k) at `at[rows(m) + steps(k)]`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub at: &'a [f32],
    pub rows: Places<'a>,
    pub steps: Places<'a>,
}

/// Where the i-th row or step begins.
#[derive(Clone, Copy)]
pub(super) enum Places<'a> {
    /// i·stride.
    Every(usize),
    /// (i / 16)·block + (i % 16)·stride.
    Blocks(usize, usize),
    Table(&'a Table),
}

/// A list of places.
#[derive(Debug, Default)]
pub(super) struct Table {
    at: Vec<u32>,
    last: usize,
}

impl FromIterator<usize> for Table {
    fn from_iter<I: IntoIterator<Item = usize>>(places: I) -> Table {
        let at: Vec<u32> = places
            .into_iter()
            .map(|i| u32::try_from(i).expect("a chunk has fewer than 2³² numbers"))
            .collect();
        let last = at.iter().max().map_or(0, |i| *i as usize);
        Table { at, last }
    }
}

impl Table {
    pub fn len(&self) -> usize {
        self.at.len()
    }
}

impl Places<'_> {
    #[inline(always)]
    fn place(&self, i: usize) -> usize {
        match self {
            Places::Every(stride) => i * stride,
            Places::Blocks(block, stride) => i / B * block + i % B * stride,
            Places::Table(table) => table.at[i] as usize,
        }
    }

    /// The last place among the first `n`.
    fn last(&self, n: usize) -> usize {
        match self {
            Places::Table(table) => {
                assert!(n <= table.at.len(), "place {n} of {}", table.at.len());
                table.last
            }
            Places::Blocks(block, stride) => {
                assert!(*block >= (B - 1) * stride, "the last place is the farthest");
                self.place(n - 1)
            }
            Places::Every(_) => self.place(n - 1),
        }
    }
}

/// out[block][m][16] (+)= Σ_k left(m, k) · right[block][k][16] for all blocks of `right`; m < `rows`, a multiple of 8.
pub(super) fn accumulate(left: &Left, rows: usize, right: &[f32], steps: usize, out: &mut [f32], add: bool) {
    if steps == 0 || rows == 0 {
        return;
    }
    let blocks = right.len() / (steps * B);
    assert!(rows.is_multiple_of(ROWS) && out.len() >= blocks * rows * B);
    assert!(left.rows.last(rows) + left.steps.last(steps) < left.at.len());
    let panel = Panel { left, rows, right: right.as_ptr(), steps, out: out.as_mut_ptr(), add };
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
        unsafe fn v4(panel: &Panel, blocks: usize) {
            unsafe { panel.all::<8, 2, true>(blocks) }
        }
        #[target_feature(enable = "avx2,fma")]
        unsafe fn v3(panel: &Panel, blocks: usize) {
            unsafe { panel.all::<4, 1, true>(blocks) }
        }
        if crate::cpu::simd::wide() {
            // SAFETY: the features are there; the bounds are checked above.
            return unsafe { v4(&panel, blocks) };
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { v3(&panel, blocks) };
        }
    }
    // SAFETY: the bounds are checked above.
    unsafe { panel.all::<4, 1, { cfg!(target_arch = "aarch64") }>(blocks) }
}

struct Panel<'a> {
    left: &'a Left<'a>,
    rows: usize,
    right: *const f32,
    steps: usize,
    out: *mut f32,
    add: bool,
}

impl Panel<'_> {
    #[inline(always)]
    unsafe fn all<const M: usize, const N: usize, const FMA: bool>(&self, blocks: usize) {
        let mut block = 0;
        while block + N <= blocks {
            for m in (0..self.rows).step_by(M) {
                unsafe { self.micro::<M, N, FMA>(m, block) };
            }
            block += N;
        }
        for block in block..blocks {
            for m in (0..self.rows).step_by(M) {
                unsafe { self.micro::<M, 1, FMA>(m, block) };
            }
        }
    }

    #[inline(always)]
    unsafe fn micro<const M: usize, const N: usize, const FMA: bool>(&self, m: usize, block: usize) {
        unsafe {
            let steps = self.steps;
            let right = self.right.add(block * steps * B);
            let rows: [usize; M] = std::array::from_fn(|i| self.left.rows.place(m + i));
            let mut sums = [[[0.0f32; B]; N]; M];
            let left = self.left.at.as_ptr();
            match self.left.steps {
                Places::Every(stride) => {
                    for k in 0..steps {
                        step::<M, N, FMA>((right, steps), k, left.add(k * stride), &rows, &mut sums);
                    }
                }
                Places::Blocks(block, stride) => {
                    for start in (0..steps).step_by(B) {
                        let left = left.add(start / B * block);
                        for i in 0..(steps - start).min(B) {
                            step::<M, N, FMA>(
                                (right, steps),
                                start + i,
                                left.add(i * stride),
                                &rows,
                                &mut sums,
                            );
                        }
                    }
                }
                Places::Table(table) => {
                    for (k, place) in table.at[..steps].iter().enumerate() {
                        step::<M, N, FMA>((right, steps), k, left.add(*place as usize), &rows, &mut sums);
                    }
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                for (n, sums) in sums.iter().enumerate() {
                    let out = self.out.add(((block + n) * self.rows + m + i) * B).cast::<[f32; B]>();
                    if self.add {
                        let mut old = *out;
                        (0..B).for_each(|l| old[l] += sums[l]);
                        *out = old;
                    } else {
                        *out = *sums;
                    }
                }
            }
        }
    }
}

/// sums[m][n] += left[rows[m]] · right[n][k].
///
/// # Safety
/// All numbers named are valid.
#[inline(always)]
unsafe fn step<const M: usize, const N: usize, const FMA: bool>(
    (right, steps): (*const f32, usize),
    k: usize,
    left: *const f32,
    rows: &[usize; M],
    sums: &mut [[[f32; B]; N]; M],
) {
    unsafe {
        let right: [[f32; B]; N] =
            std::array::from_fn(|n| *right.add((n * steps + k) * B).cast::<[f32; B]>());
        for (row, sums) in rows.iter().zip(sums) {
            let x = *left.add(*row);
            for n in 0..N {
                for l in 0..B {
                    let (r, s) = (right[n][l], sums[n][l]);
                    sums[n][l] = if FMA { x.mul_add(r, s) } else { x * r + s };
                }
            }
        }
    }
}
