//! Work cut into pieces whose bounds do not depend on the number of threads, and memory for it.

use crate::cpu::element::Element;
use rayon::prelude::*;
use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// `f(0), …, f(n − 1)` on rayon's current pool, in any order; on this thread where there is one piece.
pub(crate) fn each(n: usize, f: impl Fn(usize) + Send + Sync) {
    if n == 1 {
        f(0);
    } else {
        (0..n).into_par_iter().with_max_len(1).for_each(f);
    }
}

/// Pieces of at most `size` of `0..n`: `f(start, end)`.
pub(crate) fn pieces(n: usize, size: usize, f: impl Fn(usize, usize) + Send + Sync) {
    let size = size.max(1);
    each(n.div_ceil(size), |i| f(i * size, ((i + 1) * size).min(n)));
}

/// `f(&mut a[i], b[i])` for all i.
pub(crate) fn zip<T: Element>(a: &mut [T], b: &[T], f: impl Fn(&mut T, T) + Send + Sync) {
    assert_eq!(a.len(), b.len());
    let shared = Shared::new(a);
    pieces(b.len(), 1 << 15, |start, end| {
        // SAFETY: pieces are disjoint.
        let a = unsafe { shared.slice(start, end - start) };
        crate::cpu::simd::vectorized(
            #[inline(always)]
            || a.iter_mut().zip(&b[start..end]).for_each(|(a, b)| f(a, *b)),
        );
    });
}

/// Σ over `n` parts of `size` numbers, added in their order.
pub(crate) fn fold_parts<T: Element>(mut parts: Vec<T>, n: usize, size: usize) -> Vec<T> {
    let (sum, rest) = parts.split_at_mut(size);
    let (sum, rest) = (Shared::new(sum), &*rest);
    pieces(size, 1 << 13, |start, end| {
        // SAFETY: pieces are disjoint.
        let sum = unsafe { sum.slice(start, end - start) };
        for part in 0..n - 1 {
            let part = &rest[part * size..][start..end];
            crate::cpu::simd::vectorized(
                #[inline(always)]
                || sum.iter_mut().zip(part).for_each(|(s, p)| *s += *p),
            );
        }
    });
    parts.truncate(size);
    parts.shrink_to_fit();
    parts
}

/// A slice that several tasks write, each its own part.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    life: PhantomData<&'a mut [T]>,
}

unsafe impl<T: Send> Send for Shared<'_, T> {}
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Shared { start: slice.as_mut_ptr(), len: slice.len(), life: PhantomData }
    }

    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "loops for x86's vectors alone ask"))]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first number, for a product that writes a strided part.
    pub(crate) fn pointer(&self) -> *mut T {
        self.start
    }

    /// # Safety
    /// No two live slices overlap.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn slice(&self, start: usize, len: usize) -> &'a mut [T] {
        assert!(start + len <= self.len, "part {start}+{len} of {}", self.len);
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}

/// A vector of `len` numbers whose values are whatever was there; the caller writes every one before it is read.
pub(crate) fn unfilled<T: Element>(len: usize) -> Vec<T> {
    let mut data: Vec<T> = Vec::with_capacity(len);
    // SAFETY: f32 and f64 have no invalid bit patterns and no drop; every kernel writes all elements before reading any.
    #[allow(clippy::uninit_vec)]
    unsafe {
        data.set_len(len)
    };
    data
}

/// `n` blocks of `width` numbers each, written by tasks of at most `size` blocks: `f(first block, the task's numbers)`.
pub(crate) fn filled<T: Element>(
    n: usize,
    width: usize,
    size: usize,
    f: impl Fn(usize, &mut [T]) + Send + Sync,
) -> Vec<T> {
    let mut data = unfilled(n * width);
    let out = Shared::new(&mut data);
    // SAFETY: pieces are disjoint.
    pieces(n, size, |start, end| f(start, unsafe { out.slice(start * width, (end - start) * width) }));
    data
}

/// Numbers that begin at a cache line, so that no vector lies across two.
pub(crate) struct Lines<T> {
    data: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Element> Lines<T> {
    pub(crate) fn unfilled(len: usize) -> Lines<T> {
        Lines::of(unfilled(Self::room(len)), len)
    }

    fn zeros(len: usize) -> Lines<T> {
        Lines::of(vec![T::zero(); Self::room(len)], len)
    }

    fn room(len: usize) -> usize {
        len + 64 / size_of::<T>()
    }

    fn of(data: Vec<T>, len: usize) -> Lines<T> {
        let start = data.as_ptr().align_offset(64);
        Lines { data, start, len }
    }
}

impl<T> Deref for Lines<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.data[self.start..][..self.len]
    }
}

impl<T> DerefMut for Lines<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.start..][..self.len]
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// `f` with `len` numbers of this thread's own memory, kept from call to call; their values are arbitrary.
pub(crate) fn scratch<T: Element, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    // The smallest that is long enough; else the longest, which grows.
    let fit = |b: &Box<dyn Any>| {
        let have = b.downcast_ref::<Lines<T>>()?.len();
        Some(if have >= len { (0, have) } else { (1, usize::MAX - have) })
    };
    let kept = SCRATCH.with_borrow_mut(|all| {
        let (at, _) =
            all.iter().enumerate().filter_map(|(i, b)| Some((i, fit(b)?))).min_by_key(|(_, fit)| *fit)?;
        all.swap_remove(at).downcast::<Lines<T>>().ok()
    });
    let mut buffer = match kept {
        Some(buffer) if buffer.len() >= len => buffer,
        short => {
            drop(short);
            Box::new(Lines::zeros(len))
        }
    };
    let result = f(&mut buffer[..len]);
    SCRATCH.with_borrow_mut(|all| all.push(buffer));
    result
}

/// A matrix in live memory: its first number, and how far apart rows and columns are.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<T> {
    pub at: *const T,
    pub row: usize,
    pub column: usize,
}

impl<T> Matrix<T> {
    /// Row-major, rows `row` apart.
    pub(crate) fn rows(at: *const T, row: usize) -> Matrix<T> {
        Matrix { at, row, column: 1 }
    }

    pub(crate) fn t(self) -> Matrix<T> {
        Matrix { row: self.column, column: self.row, ..self }
    }
}

/// dst (m × n, rows `stride` apart) = lhs (m × k) · rhs (k × n) + (add ? dst : 0); on this thread alone.
///
/// # Safety
/// The three matrices lie inside live memory, and `dst` overlaps neither of the others.
pub(crate) unsafe fn product<T: Element>(
    (m, n, k): (usize, usize, usize),
    dst: *mut T,
    stride: usize,
    add: bool,
    lhs: Matrix<T>,
    rhs: Matrix<T>,
) {
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst,
            1,
            stride as isize,
            add,
            lhs.at,
            lhs.column as isize,
            lhs.row as isize,
            rhs.at,
            rhs.column as isize,
            rhs.row as isize,
            T::one(),
            T::one(),
            false,
            false,
            false,
            gemm::Parallelism::None,
        )
    }
}
