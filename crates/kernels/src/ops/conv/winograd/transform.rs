//! The transforms of F(4×4, 3×3), sixteen channels at a time.

use super::super::lanes::Vector;

/// The tile's polynomial is interpolated at 0, ±√½, ±√2 and ∞: at the usual 0, ±1, ±2 and ∞ the logits of a
/// ResNet-50 are off by nearly twice as much. Barabasz et al. 2020, arXiv:1803.10986, on the choice of points.
const P: f32 = std::f32::consts::FRAC_1_SQRT_2;
const Q: f32 = std::f32::consts::SQRT_2;
const P_CUBED: f32 = P * 0.5;
const Q_CUBED: f32 = Q * 2.0;

/// Bᵀ d.
#[inline(always)]
fn b<V: Vector>([d0, d1, d2, d3, d4, d5]: [V; 6]) -> [V; 6] {
    let (s, t) = (d2.scaled_plus(-2.0, d4), d1.scaled_plus(-2.0, d3));
    let (u, v) = (d2.scaled_plus(-0.5, d4), d1.scaled_plus(-0.5, d3));
    [
        d2.scaled_plus(-2.5, d4.plus(d0)),
        t.scaled_plus(P, s),
        t.scaled_plus(-P, s),
        v.scaled_plus(Q, u),
        v.scaled_plus(-Q, u),
        d3.scaled_plus(-2.5, d5.plus(d1)),
    ]
}

/// Aᵀ m.
#[inline(always)]
fn a<V: Vector>([m0, m1, m2, m3, m4, m5]: [V; 6]) -> [V; 4] {
    let (s, t, u, v) = (m1.plus(m2), m1.minus(m2), m3.plus(m4), m3.minus(m4));
    [
        m0.plus(s).plus(u),
        v.scaled_plus(Q, t.times(P)),
        u.scaled_plus(2.0, s.times(0.5)),
        v.scaled_plus(Q_CUBED, t.scaled_plus(P_CUBED, m5)),
    ]
}

/// A y.
#[inline(always)]
fn a_transposed<V: Vector>([y0, y1, y2, y3]: [V; 4]) -> [V; 6] {
    let (s, u) = (y2.scaled_plus(0.5, y0), y2.scaled_plus(2.0, y0));
    let (t, v) = (y3.scaled_plus(P_CUBED, y1.times(P)), y3.scaled_plus(Q_CUBED, y1.times(Q)));
    [y0, s.plus(t), s.minus(t), u.plus(v), u.minus(v), y3]
}

/// G g.
#[inline(always)]
fn g<V: Vector>([g0, g1, g2]: [V; 3]) -> [V; 6] {
    let (s, u) = (g2.scaled_plus(0.5, g0).times(-1.0 / 1.5), g2.scaled_plus(2.0, g0).times(1.0 / 6.0));
    [
        g0,
        g1.scaled_plus(-P / 1.5, s),
        g1.scaled_plus(P / 1.5, s),
        g1.scaled_plus(Q / 6.0, u),
        g1.scaled_plus(-Q / 6.0, u),
        g2,
    ]
}

/// Gᵀ u.
#[inline(always)]
fn g_transposed<V: Vector>([u0, u1, u2, u3, u4, u5]: [V; 6]) -> [V; 3] {
    let (s, t, u, v) = (u1.plus(u2), u2.minus(u1), u3.plus(u4), u3.minus(u4));
    [
        u.scaled_plus(1.0 / 6.0, s.scaled_plus(-1.0 / 1.5, u0)),
        t.scaled_plus(P / 1.5, v.times(Q / 6.0)),
        u.minus(s).scaled_plus(1.0 / 3.0, u5),
    ]
}

/// `$out`[i, j] = outer · in · outerᵀ, both sides one-dimensional transforms `$f` from `$n` to `$m` numbers.
macro_rules! transform {
    ($(#[$doc:meta])* $name:ident, $f:ident, $n:literal, $m:literal, [$($i:literal)*]) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// All numbers named are valid; the machine has `V`'s instructions.
        #[inline(always)]
        pub(super) unsafe fn $name<V: Vector>(
            from: *const f32,
            (row, column): (usize, usize),
            to: *mut f32,
            (to_row, to_column): (usize, usize),
        ) {
            unsafe {
                let mut half = [[V::load(from); $n]; $m];
                for j in 0..$n {
                    let from = from.add(j * column);
                    let line = $f([$(V::load(from.add($i * row))),*]);
                    for (half, x) in half.iter_mut().zip(line) {
                        half[j] = x;
                    }
                }
                for (i, half) in half.into_iter().enumerate() {
                    let to = to.add(i * to_row);
                    for (j, x) in $f(half).into_iter().enumerate() {
                        x.store(to.add(j * to_column));
                    }
                }
            }
        }
    };
}

transform!(
    /// Bᵀ d B.
    input, b, 6, 6, [0 1 2 3 4 5]
);
transform!(
    /// Aᵀ m A.
    output, a, 6, 4, [0 1 2 3 4 5]
);
transform!(
    /// A dY Aᵀ.
    gradient, a_transposed, 4, 6, [0 1 2 3]
);
transform!(
    /// G g Gᵀ.
    kernel, g, 3, 6, [0 1 2]
);
transform!(
    /// Gᵀ u G.
    kernel_gradient, g_transposed, 6, 3, [0 1 2 3 4 5]
);
