// y = shares · x, with n rows of y, `rows` rows of x, `width` numbers each.

enum { ROWS = 8, DEPTH = 32 };  // ROWS · DEPTH = THREADS

// All shares, row-major (n, rows). A thread has a column of eight rows of y; shares come by the group, 8 × 32 at a time.
KERNEL(mix_rows_dense, IN(f32, shares), IN(T, x), OUT(T, y), UINT(n), UINT(rows), UINT(width)) {
  SHARED(f32, part, THREADS);
  const u32 column = GROUP * THREADS + THREAD, first = GROUP_Y * ROWS;
  f32 sums[ROWS];
  for (u32 r = 0; r < ROWS; r++) sums[r] = 0.0f;
  for (u32 k0 = 0; k0 < rows; k0 += DEPTH) {
    const u32 i = first + THREAD / DEPTH, j = k0 + THREAD % DEPTH;
    part[THREAD] = i < n && j < rows ? LOAD(shares, i * rows + j) : 0.0f;
    BARRIER();
    const u32 depth = column < width ? least(DEPTH, rows - k0) : 0u;
    for (u32 k = 0; k < depth; k++) {
      const f32 value = LOAD(x, (k0 + k) * width + column);
      for (u32 r = 0; r < ROWS; r++) sums[r] += part[r * DEPTH + k] * value;
    }
    BARRIER();
  }
  const u32 count = column < width ? least(ROWS, n - first) : 0u;
  for (u32 r = 0; r < count; r++) STORE(y, (first + r) * width + column, sums[r]);
}

// Few shares: those of row i are entries begins[i]..begins[i + 1].
KERNEL(mix_rows_sparse, IN(u32, begins), IN(u32, sources), IN(f32, shares), IN(T, x), OUT(T, y), UINT(width)) {
  const u32 row = GROUP_Y;
  const u32 begin = LOAD(begins, row), end = LOAD(begins, row + 1);
  for (u32 column = GROUP * THREADS + THREAD; column < width; column += GROUPS * THREADS) {
    f32 sum = 0.0f;
    for (u32 e = begin; e < end; e++) sum += LOAD(shares, e) * LOAD(x, LOAD(sources, e) * width + column);
    STORE(y, row * width + column, sum);
  }
}
