// The sum at the end of a residual block. A factor is for `row` numbers that follow each other; where it is 0, the branch has no
// influence, were it NaN. Without factors `row` is 0.

DEVICE f32 factor_of(READS(f32) factors, u32 i, u32 row) { return row != 0 ? LOAD(factors, i / row) : 1.0f; }

KERNEL(add, IN(T, x), IN(T, branch), OUT(T, y), UINT(n)) {
  EACH(i, n) STORE(y, i, LOAD(x, i) + LOAD(branch, i));
}

KERNEL(add_scaled, IN(T, x), IN(T, branch), IN(f32, factors), OUT(T, y), UINT(n), UINT(row)) {
  EACH(i, n) {
    const f32 factor = factor_of(factors, i, row);
    STORE(y, i, factor != 0.0f ? LOAD(x, i) + factor * LOAD(branch, i) : LOAD(x, i));
  }
}

// The branch's gradient.
KERNEL(scaled, IN(T, dy), IN(f32, factors), OUT(T, dbranch), UINT(n), UINT(row)) {
  EACH(i, n) {
    const f32 factor = factor_of(factors, i, row);
    STORE(dbranch, i, factor != 0.0f ? factor * LOAD(dy, i) : 0.0f);
  }
}

// With a number for each channel as well, channels last.
KERNEL(layer_scale, IN(T, x), IN(T, branch), IN(f32, scale), IN(f32, factors), OUT(T, y), UINT(n), UINT(channels), UINT(row)) {
  EACH(i, n) {
    const f32 factor = factor_of(factors, i, row);
    STORE(y, i, factor != 0.0f ? LOAD(x, i) + factor * LOAD(scale, i % channels) * LOAD(branch, i) : LOAD(x, i));
  }
}

KERNEL(layer_scaled, IN(T, dy), IN(f32, scale), IN(f32, factors), OUT(T, dbranch), UINT(n), UINT(channels), UINT(row)) {
  EACH(i, n) STORE(dbranch, i, factor_of(factors, i, row) * LOAD(scale, i % channels) * LOAD(dy, i));
}
