// Soft cross-entropy: logits z and targets t (rows, classes), a team for each row. The loss of a row is −Σ w·t·log p; its slope by
// z, divided by the number of rows, is (p · Σ w·t − w·t) / rows.

KERNEL(cross_entropy_rows, IN(T, z), IN(f32, t), IN(f32, weights), OUT(f32, losses), OUT(f32, slope), UINT(rows), UINT(classes)) {
  SHARED(f32, part, THREADS);
  const u32 row = GROUP * TEAMS + THREAD / TEAM, at = row * classes;
  const u32 first = row < rows ? THREAD % TEAM : classes;
  f32 top = -INF;
  for (u32 i = first; i < classes; i += TEAM) top = MAX(top, LOAD(z, at + i));
  top = team_max(top, part, THREAD);
  f32 sum = 0.0f;
  for (u32 i = first; i < classes; i += TEAM) sum += EXP(LOAD(z, at + i) - top);
  sum = team_sum(sum, part, THREAD);
  const f32 log_sum = LOG(sum);
  f32 loss = 0.0f, all = 0.0f;
  for (u32 i = first; i < classes; i += TEAM) {
    const f32 target = LOAD(weights, i) * LOAD(t, at + i);
    if (target != 0.0f) loss -= target * (LOAD(z, at + i) - top - log_sum);
    all += target;
  }
  loss = team_sum(loss, part, THREAD);
  all = team_sum(all, part, THREAD);
  for (u32 i = first; i < classes; i += TEAM) {
    const f32 p = EXP(LOAD(z, at + i) - top - log_sum);
    STORE(slope, at + i, (p * all - LOAD(weights, i) * LOAD(t, at + i)) / (f32)rows);
  }
  if (THREAD % TEAM == 0 && row < rows) STORE(losses, row, loss);
}

// The mean, by one group.
KERNEL(mean_of, IN(f32, x), OUT(f32, y), UINT(n)) {
  SHARED(f32, part, THREADS);
  f32 sum = 0.0f;
  for (u32 i = THREAD; i < n; i += THREADS) sum += LOAD(x, i);
  sum = group_sum(sum, part, THREAD);
  if (THREAD == 0) STORE(y, 0, sum / (f32)n);
}

KERNEL(cross_entropy_backward, IN(f32, slope), IN(f32, factor), OUT(T, dz), UINT(n)) {
  EACH(i, n) STORE(dz, i, LOAD(slope, i) * LOAD(factor, 0));
}
