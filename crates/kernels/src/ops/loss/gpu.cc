// Focal loss, which is soft cross-entropy for γ = 0: logits z and targets t (rows, classes), a team for each row. With l = log p and
// f = (1 − p)^γ · l the loss of a row is −Σ w·t·f; with h = p · df/dp its slope by z, divided by the number of rows, is
// (p · Σ w·t·h − w·t·h) / rows.

// 1 − e^l for l ≤ 0, also where l is small.
DEVICE f32 rest(f32 l) {
  const f32 series = -l * (1.0f + l / 2.0f * (1.0f + l / 3.0f * (1.0f + l / 4.0f * (1.0f + l / 5.0f * (1.0f + l / 6.0f)))));
  return l > -0.25f ? series : 1.0f - EXP(l);
}

DEVICE f32 focal(f32 l, f32 gamma) {
  const f32 q = rest(l);
  return gamma == 0.0f ? l : q > 0.0f ? POW(q, gamma) * l : 0.0f;
}

DEVICE f32 focal_slope(f32 l, f32 gamma) {
  const f32 q = rest(l);
  return gamma == 0.0f ? 1.0f : q > 0.0f ? POW(q, gamma) * (1.0f - gamma * EXP(l) * l / q) : 0.0f;
}

KERNEL(loss_rows, IN(T, z), IN(f32, t), IN(f32, weights), OUT(f32, losses), OUT(f32, slope), UINT(rows), UINT(classes), FLOAT(gamma)) {
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
    const f32 target = LOAD(weights, i) * LOAD(t, at + i), l = LOAD(z, at + i) - top - log_sum;
    // Where the target is 0, l may be −∞.
    if (target != 0.0f) loss -= target * focal(l, gamma), all += target * focal_slope(l, gamma);
  }
  loss = team_sum(loss, part, THREAD);
  all = team_sum(all, part, THREAD);
  for (u32 i = first; i < classes; i += TEAM) {
    const f32 target = LOAD(weights, i) * LOAD(t, at + i), l = LOAD(z, at + i) - top - log_sum;
    const f32 pull = target != 0.0f ? target * focal_slope(l, gamma) : 0.0f;
    STORE(slope, at + i, (EXP(l) * all - pull) / (f32)rows);
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

KERNEL(loss_backward, IN(f32, slope), IN(f32, factor), OUT(T, dz), UINT(n)) {
  EACH(i, n) STORE(dz, i, LOAD(slope, i) * LOAD(factor, 0));
}
