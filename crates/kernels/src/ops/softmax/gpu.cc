// Softmax of scale · x: rows of n numbers, a team for each.

KERNEL(softmax_forward, IN(T, x), OUT(T, y), UINT(rows), UINT(n), FLOAT(scale)) {
  SHARED(f32, part, THREADS);
  const u32 row = GROUP * TEAMS + THREAD / TEAM, at = row * n;
  const u32 first = row < rows ? THREAD % TEAM : n;
  f32 top = -INF;
  for (u32 i = first; i < n; i += TEAM) top = MAX(top, scale * LOAD(x, at + i));
  top = team_max(top, part, THREAD);
  f32 sum = 0.0f;
  for (u32 i = first; i < n; i += TEAM) sum += EXP(scale * LOAD(x, at + i) - top);
  sum = team_sum(sum, part, THREAD);
  for (u32 i = first; i < n; i += TEAM) STORE(y, at + i, EXP(scale * LOAD(x, at + i) - top) / sum);
}

// dx = scale · y · (dy − Σ dy·y).
KERNEL(softmax_backward, IN(T, y), IN(T, dy), OUT(T, dx), UINT(rows), UINT(n), FLOAT(scale)) {
  SHARED(f32, part, THREADS);
  const u32 row = GROUP * TEAMS + THREAD / TEAM, at = row * n;
  const u32 first = row < rows ? THREAD % TEAM : n;
  f32 mean = 0.0f;
  for (u32 i = first; i < n; i += TEAM) mean += LOAD(dy, at + i) * LOAD(y, at + i);
  mean = team_sum(mean, part, THREAD);
  for (u32 i = first; i < n; i += TEAM) STORE(dx, at + i, scale * (LOAD(y, at + i) * (LOAD(dy, at + i) - mean)));
}
