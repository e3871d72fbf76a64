//! Every random number of tallow.
//!
//! A [`Seed`] is a node of a tree: [`Seed::fold`] gives the child for a `(purpose, index)` pair in constant time, the
//! same one in any order and on any thread. A [`Rng`] is the stream of numbers of one node. Both are ChaCha8, a
//! counter-based generator whose output is the same on every platform; distributions come from `rand_distr`, pinned.
//! The golden values in the tests hold both fixed.

use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng};
use rand_distr::{Beta, Distribution, Gamma, StandardNormal};

/// A node of the tree of seeds: the key of a ChaCha8 generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The root of the tree that the number `seed` (as in a recipe) names.
    pub fn new(seed: u64) -> Seed {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Seed(key)
    }

    /// The child for `(purpose, index)`: block `index` of stream `fnv1a(purpose)` under this node's key.
    pub fn fold(self, purpose: &str, index: u64) -> Seed {
        let mut generator = ChaCha8Rng::from_seed(self.0);
        generator.set_stream(fnv1a(purpose));
        generator.set_word_pos(u128::from(index) * 16);
        let mut key = [0; 32];
        generator.fill_bytes(&mut key);
        Seed(key)
    }

    /// The numbers of this node.
    pub fn rng(self) -> Rng {
        let mut generator = ChaCha8Rng::from_seed(self.0);
        generator.set_stream(u64::MAX);
        Rng(generator)
    }
}

/// A stream of random numbers. Made by [`Seed::rng`] alone.
#[derive(Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in [low, high).
    pub fn uniform_in(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in 0..n, without bias (Lemire's method). Panics if `n` is 0.
    #[inline]
    pub fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "below(0): there is no number to draw");
        loop {
            if let Some(drawn) = below(self.0.next_u32(), n) {
                return drawn;
            }
        }
    }

    /// Words of 32 bits taken so far.
    pub fn position(&self) -> u128 {
        self.0.get_word_pos()
    }

    /// The same stream, `words` words of 32 bits further on.
    pub fn ahead(&self, words: u64) -> Rng {
        let mut generator = ChaCha8Rng::from_seed(self.0.get_seed());
        generator.set_stream(self.0.get_stream());
        generator.set_word_pos(self.0.get_word_pos() + u128::from(words));
        Rng(generator)
    }

    /// True with probability `p`.
    pub fn bernoulli(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Normal, mean 0, standard deviation 1.
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Gamma with the given shape, scale 1. Panics unless `shape` is positive and finite.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        Gamma::new(shape, 1.0).expect("gamma: shape is positive and finite").sample(&mut self.0)
    }

    /// Beta(a, b), always a number in [0, 1], also for parameters so small that both gammas vanish.
    pub fn beta(&mut self, a: f64, b: f64) -> f64 {
        let x: f64 = Beta::new(a, b).expect("beta: a and b are positive and finite").sample(&mut self.0);
        // Tiny parameters: the distribution is two points, 1 with probability a / (a + b).
        if x.is_nan() { f64::from(u8::from(self.bernoulli(a / (a + b)))) } else { x.clamp(0.0, 1.0) }
    }

    /// Dirichlet(alphas): non-negative, sum 1.
    pub fn dirichlet(&mut self, alphas: &[f64]) -> Vec<f64> {
        let mut weights: Vec<f64> = alphas.iter().map(|&a| self.gamma(a)).collect();
        let sum: f64 = weights.iter().sum();
        if sum > 0.0 {
            weights.iter_mut().for_each(|w| *w /= sum);
        } else {
            // All gammas vanished: the limit puts everything on one entry, chosen by the alphas.
            let winner = self.weighted(alphas);
            weights[winner] = 1.0;
        }
        weights
    }

    /// An index with probability proportional to its weight. Panics unless some weight is positive.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let total: f64 = weights.iter().sum();
        assert!(total > 0.0 && total.is_finite(), "weighted: expected a positive, finite sum of weights");
        let mut left = self.uniform() * total;
        let mut last = 0;
        for (index, &weight) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
            last = index;
            if left < weight {
                return index;
            }
            left -= weight;
        }
        last
    }

    /// A uniform permutation of 0..n.
    pub fn permutation(&mut self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// A uniform permutation of 0..n without fixed points (by rejection: e draws on average); the identity for n < 2.
    pub fn derangement(&mut self, n: u32) -> Vec<u32> {
        loop {
            let order = self.permutation(n);
            if n < 2 || order.iter().enumerate().all(|(i, &p)| i as u32 != p) {
                return order;
            }
        }
    }

    /// Fisher–Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }

    /// `k` different numbers of 0..n in random order. Panics if `k > n`.
    pub fn sample(&mut self, n: u32, k: u32) -> Vec<u32> {
        self.sample_of((0..n).collect(), k)
    }

    /// `k` different ones of these in random order. Panics if there are fewer.
    pub fn sample_of<T>(&mut self, mut items: Vec<T>, k: u32) -> Vec<T> {
        self.choose(&mut items, k);
        items.truncate(k as usize);
        items
    }

    /// Moves `k` different ones of these, in random order, to the front. Panics if there are fewer.
    pub fn choose<T>(&mut self, items: &mut [T], k: u32) {
        let n = items.len() as u32;
        assert!(k <= n, "sample: {k} different ones of {n}");
        let (mut bytes, mut i) = ([0; 4 * 64], 0);
        while i < k {
            // No more words than are needed at the least; one that is refused is followed by the next.
            let bytes = &mut bytes[..4 * (k - i).min(64) as usize];
            self.0.fill_bytes(bytes);
            for word in bytes.as_chunks().0 {
                if let Some(drawn) = below(u32::from_le_bytes(*word), n - i) {
                    items.swap(i as usize, (i + drawn) as usize);
                    i += 1;
                }
            }
        }
    }
}

/// What a random word makes of 0..n; nothing for the few that would make some numbers likelier.
#[inline]
fn below(word: u32, n: u32) -> Option<u32> {
    let product = u64::from(word) * u64::from(n);
    // The threshold, 2³² mod n, is below n: the division is needed once in 2³² / n draws.
    (product as u32 >= n || product as u32 >= n.wrapping_neg() % n).then_some((product >> 32) as u32)
}

/// FNV-1a, 64 bits: stable across platforms and versions.
fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests;
