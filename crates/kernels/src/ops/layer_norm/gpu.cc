// Layer normalisation of rows of n numbers, a team for each.

KERNEL(layer_norm_forward, IN(T, x), IN(f32, weight), IN(f32, bias), OUT(T, y), OUT(f32, moments), UINT(rows), UINT(n), FLOAT(eps)) {
  SHARED(f32, part, THREADS);
  const u32 row = GROUP * TEAMS + THREAD / TEAM, at = row * n;
  const u32 first = row < rows ? THREAD % TEAM : n;
  f32 sum = 0.0f;
  for (u32 i = first; i < n; i += TEAM) sum += LOAD(x, at + i);
  const f32 mean = team_sum(sum, part, THREAD) / (f32)n;
  f32 squares = 0.0f;
  for (u32 i = first; i < n; i += TEAM) {
    const f32 d = LOAD(x, at + i) - mean;
    squares += d * d;
  }
  const f32 inverse = 1.0f / SQRT(team_sum(squares, part, THREAD) / (f32)n + eps);
  for (u32 i = first; i < n; i += TEAM) STORE(y, at + i, (LOAD(x, at + i) - mean) * inverse * LOAD(weight, i) + LOAD(bias, i));
  if (THREAD % TEAM == 0 && row < rows) {
    STORE(moments, 2 * row, mean);
    STORE(moments, 2 * row + 1, inverse);
  }
}

// With z = (x − mean)·inverse and g = dy·weight: dx = inverse·(g − mean(g) − z·mean(g·z)).
KERNEL(layer_norm_input, IN(T, x), IN(T, dy), IN(f32, weight), IN(f32, moments), OUT(T, dx), UINT(rows), UINT(n)) {
  SHARED(f32, part, THREADS);
  const u32 row = GROUP * TEAMS + THREAD / TEAM, at = row * n;
  const u32 first = row < rows ? THREAD % TEAM : n;
  const f32 mean = row < rows ? LOAD(moments, 2 * row) : 0.0f, inverse = row < rows ? LOAD(moments, 2 * row + 1) : 0.0f;
  f32 sum = 0.0f, dot = 0.0f;
  for (u32 i = first; i < n; i += TEAM) {
    const f32 g = LOAD(dy, at + i) * LOAD(weight, i);
    sum += g;
    dot += g * ((LOAD(x, at + i) - mean) * inverse);
  }
  sum = team_sum(sum, part, THREAD) / (f32)n;
  dot = team_sum(dot, part, THREAD) / (f32)n;
  for (u32 i = first; i < n; i += TEAM) {
    const f32 z = (LOAD(x, at + i) - mean) * inverse;
    STORE(dx, at + i, inverse * (LOAD(dy, at + i) * LOAD(weight, i) - sum - z * dot));
  }
}

// Of each chunk of rows, for every column: Σ dy·z, then Σ dy (chunks, 2, n).
KERNEL(layer_norm_chunks, IN(T, x), IN(T, dy), IN(f32, moments), OUT(f32, partial), UINT(rows), UINT(n), UINT(chunk)) {
  const u32 end = least(rows, (GROUP_Y + 1) * chunk), at = GROUP_Y * 2 * n;
  EACH(column, n) {
    f32 dot = 0.0f, sum = 0.0f;
    for (u32 row = GROUP_Y * chunk; row < end; row++) {
      const f32 g = LOAD(dy, row * n + column);
      dot += g * ((LOAD(x, row * n + column) - LOAD(moments, 2 * row)) * LOAD(moments, 2 * row + 1));
      sum += g;
    }
    STORE(partial, at + column, dot);
    STORE(partial, at + n + column, sum);
  }
}

KERNEL(layer_norm_gradients, IN(f32, partial), OUT(f32, dweight), OUT(f32, dbias), UINT(n), UINT(chunks)) {
  EACH(column, n) {
    f32 dot = 0.0f, sum = 0.0f;
    for (u32 k = 0; k < chunks; k++) {
      dot += LOAD(partial, k * 2 * n + column);
      sum += LOAD(partial, k * 2 * n + n + column);
    }
    STORE(dweight, column, dot);
    STORE(dbias, column, sum);
  }
}
