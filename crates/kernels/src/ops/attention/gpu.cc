// What stands around the products of attention. Tokens of a batch, of `parts` times heads·d numbers each, against the same as
// (parts, groups, heads, s, d): a group is the s tokens that attend to each other.

// `places` is the token at each place of each group.
KERNEL(attention_split, IN(T, x), IN(u32, places), OUT(T, y), UINT(n), UINT(parts), UINT(groups), UINT(heads), UINT(s), UINT(d)) {
  EACH(i, n) {
    const u32 t = i / d % s, h = i / (d * s) % heads, g = i / (d * s * heads) % groups, part = i / (d * s * heads * groups);
    STORE(y, i, LOAD(x, ((LOAD(places, g * s + t) * parts + part) * heads + h) * d + i % d));
  }
}

// `at` is the place of each token: g·s + t.
KERNEL(attention_join, IN(T, x), IN(u32, at), OUT(T, y), UINT(n), UINT(parts), UINT(groups), UINT(heads), UINT(s), UINT(d)) {
  EACH(i, n) {
    const u32 h = i / d % heads, part = i / (d * heads) % parts, place = LOAD(at, i / (d * heads * parts));
    STORE(y, i, LOAD(x, (((part * groups + place / s) * heads + h) * s + place % s) * d + i % d));
  }
}

// Softmax of scale · score + bias + mask in windows of s tokens: scores (groups, heads, s, s), a team for each row of s; bias (heads, s, s); the
// mask is −100 where two tokens come from two regions (per_image, s) of the map.
KERNEL(window_softmax, IN(T, scores), IN(f32, bias), IN(u32, regions), OUT(T, y), UINT(rows), UINT(s), UINT(heads), UINT(per_image),
       FLOAT(scale)) {
  SHARED(f32, part, THREADS);
  const u32 row = GROUP * TEAMS + THREAD / TEAM, at = row * s, token = row % s;
  const u32 first = row < rows ? THREAD % TEAM : s;
  const u32 biases = row / s % heads * s * s + token * s, window = row / (s * heads) % per_image * s;
  f32 top = -INF;
  for (u32 j = first; j < s; j += TEAM) {
    const f32 mask = LOAD(regions, window + j) == LOAD(regions, window + token) ? 0.0f : -100.0f;
    top = MAX(top, scale * LOAD(scores, at + j) + LOAD(bias, biases + j) + mask);
  }
  top = team_max(top, part, THREAD);
  f32 sum = 0.0f;
  for (u32 j = first; j < s; j += TEAM) {
    const f32 mask = LOAD(regions, window + j) == LOAD(regions, window + token) ? 0.0f : -100.0f;
    sum += EXP(scale * LOAD(scores, at + j) + LOAD(bias, biases + j) + mask - top);
  }
  sum = team_sum(sum, part, THREAD);
  for (u32 j = first; j < s; j += TEAM) {
    const f32 mask = LOAD(regions, window + j) == LOAD(regions, window + token) ? 0.0f : -100.0f;
    STORE(y, at + j, EXP(scale * LOAD(scores, at + j) + LOAD(bias, biases + j) + mask - top) / sum);
  }
}
