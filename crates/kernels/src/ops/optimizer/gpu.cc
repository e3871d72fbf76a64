// Updates of up to seven tensors at once. A group has a piece of 4096 numbers of one: `pieces` has, for each group, which tensor,
// where the piece begins, and where it ends. Parameters, their averages and moments are f32; gradients may be bf16.

KERNEL(sgd, INOUTS(f32, param), INS(T, grad), INOUTS(f32, velocity), IN(u32, pieces), FLOAT(lr), FLOAT(momentum), FLOAT(decay),
       UINT(nesterov)) {
  const u32 k = LOAD(pieces, 3 * GROUP), end = LOAD(pieces, 3 * GROUP + 2);
  for (u32 i = LOAD(pieces, 3 * GROUP + 1) + THREAD; i < end; i += THREADS) {
    const f32 p = LOAD(param[k], i), g = LOAD(grad[k], i) + decay * p;
    const f32 v = momentum * LOAD(velocity[k], i) + g;
    STORE(velocity[k], i, v);
    STORE(param[k], i, p - lr * (nesterov != 0 ? g + momentum * v : v));
  }
}

// `keep` = 1 − lr·decay, `lr` = lr / (1 − β₁ᵗ), `root` = √(1 − β₂ᵗ), `rest` = 1 − β; `coupled` is the decay of Adam, which the gradient
// gets, else 0.
KERNEL(adamw, INOUTS(f32, param), INS(T, grad), INOUTS(f32, m), INOUTS(f32, v), IN(u32, pieces), FLOAT(keep), FLOAT(lr), FLOAT(root),
       FLOAT(eps), FLOAT(beta1), FLOAT(rest1), FLOAT(beta2), FLOAT(rest2), FLOAT(coupled)) {
  const u32 k = LOAD(pieces, 3 * GROUP), end = LOAD(pieces, 3 * GROUP + 2);
  for (u32 i = LOAD(pieces, 3 * GROUP + 1) + THREAD; i < end; i += THREADS) {
    const f32 p = LOAD(param[k], i), g = coupled != 0.0f ? LOAD(grad[k], i) + coupled * p : LOAD(grad[k], i);
    const f32 first = beta1 * LOAD(m[k], i) + rest1 * g, second = beta2 * LOAD(v[k], i) + rest2 * (g * g);
    STORE(m[k], i, first);
    STORE(v[k], i, second);
    STORE(param[k], i, p * keep - lr * (first / (SQRT(second) / root + eps)));
  }
}

// average += rest · (value − average).
KERNEL(average, INOUTS(f32, average), INS(f32, value), IN(u32, pieces), FLOAT(rest)) {
  const u32 k = LOAD(pieces, 3 * GROUP), end = LOAD(pieces, 3 * GROUP + 2);
  for (u32 i = LOAD(pieces, 3 * GROUP + 1) + THREAD; i < end; i += THREADS) {
    const f32 a = LOAD(average[k], i);
    STORE(average[k], i, a + rest * (LOAD(value[k], i) - a));
  }
}

// Σ of the squares of each piece, from place `first` on.
KERNEL(squares, INS(T, grad), IN(u32, pieces), INOUT(f32, sums), UINT(first)) {
  SHARED(f32, part, THREADS);
  const u32 k = LOAD(pieces, 3 * GROUP), end = LOAD(pieces, 3 * GROUP + 2);
  f32 sum = 0.0f;
  for (u32 i = LOAD(pieces, 3 * GROUP + 1) + THREAD; i < end; i += THREADS) sum += LOAD(grad[k], i) * LOAD(grad[k], i);
  sum = group_sum(sum, part, THREAD);
  if (THREAD == 0) STORE(sums, first + GROUP, sum);
}

// The root of the sum of all, by one group.
KERNEL(norm, IN(f32, sums), OUT(f32, norm), UINT(n)) {
  SHARED(f32, part, THREADS);
  f32 sum = 0.0f;
  for (u32 i = THREAD; i < n; i += THREADS) sum += LOAD(sums, i);
  sum = group_sum(sum, part, THREAD);
  if (THREAD == 0) STORE(norm, 0, SQRT(sum));
}

// x = factor · x.
KERNEL(scale, INOUTS(T, x), IN(u32, pieces), FLOAT(factor)) {
  const u32 k = LOAD(pieces, 3 * GROUP), end = LOAD(pieces, 3 * GROUP + 2);
  for (u32 i = LOAD(pieces, 3 * GROUP + 1) + THREAD; i < end; i += THREADS) STORE(x[k], i, factor * LOAD(x[k], i));
}

// Gradients whose norm is above `most` are made that long, and NaN where it is NaN: torch's clip_grad_norm_.
KERNEL(clip, INOUTS(T, grad), IN(u32, pieces), IN(f32, norm), FLOAT(most)) {
  const u32 k = LOAD(pieces, 3 * GROUP), end = LOAD(pieces, 3 * GROUP + 2);
  const f32 factor = most / (LOAD(norm, 0) + 1e-6f);
  for (u32 i = LOAD(pieces, 3 * GROUP + 1) + THREAD; i < end; i += THREADS)
    if (!(factor >= 1.0f)) STORE(grad[k], i, factor * LOAD(grad[k], i));
}

// Parameters as layers read them.
KERNEL(cast, INS(f32, x), INOUTS(T, y), IN(u32, pieces)) {
  const u32 k = LOAD(pieces, 3 * GROUP), end = LOAD(pieces, 3 * GROUP + 2);
  for (u32 i = LOAD(pieces, 3 * GROUP + 1) + THREAD; i < end; i += THREADS) STORE(y[k], i, LOAD(x[k], i));
}
