// Batch normalisation of x (R, C, plane). The `count` = R·plane numbers of a channel are cut into chunks of a fixed size.

// Where number j of a channel is.
DEVICE u32 place(u32 j, u32 channel, u32 channels, u32 plane) { return (j / plane * channels + channel) * plane + j % plane; }

// Of each chunk of each channel (C, chunks): mean, and sum of squares about it.
KERNEL(batch_norm_chunks, IN(T, x), OUT(f32, partial), UINT(count), UINT(channels), UINT(plane), UINT(chunk)) {
  SHARED(f32, part, THREADS);
  const u32 channel = GROUP_Y, begin = GROUP * chunk, end = least(count, begin + chunk);
  f32 sum = 0.0f;
  for (u32 j = begin + THREAD; j < end; j += THREADS) sum += LOAD(x, place(j, channel, channels, plane));
  const f32 mean = group_sum(sum, part, THREAD) / (f32)(end - begin);
  f32 squares = 0.0f;
  for (u32 j = begin + THREAD; j < end; j += THREADS) {
    const f32 d = LOAD(x, place(j, channel, channels, plane)) - mean;
    squares += d * d;
  }
  squares = group_sum(squares, part, THREAD);
  if (THREAD == 0) {
    const u32 at = 2 * (channel * GROUPS + GROUP);
    STORE(partial, at, mean);
    STORE(partial, at + 1, squares);
  }
}

// Chunks put together (Chan, Golub & LeVeque 1979), a team for each channel; then what training keeps, where `update`.
KERNEL(batch_norm_moments, IN(f32, partial), OUT(f32, mean), OUT(f32, inverse), INOUT(f32, running_mean), INOUT(f32, running_var),
       UINT(channels), UINT(count), UINT(chunk), UINT(chunks), UINT(update), FLOAT(momentum), FLOAT(eps)) {
  SHARED(f32, counts, THREADS);
  SHARED(f32, means, THREADS);
  SHARED(f32, squares, THREADS);
  const u32 channel = GROUP * TEAMS + THREAD / TEAM, lane = THREAD % TEAM;
  f32 n = 0.0f, m = 0.0f, s = 0.0f;
  for (u32 k = channel < channels ? lane : chunks; k < chunks; k += TEAM) {
    const f32 more = (f32)least(chunk, count - k * chunk), all = n + more;
    const f32 d = LOAD(partial, 2 * (channel * chunks + k)) - m;
    m += d * (more / all);
    s += LOAD(partial, 2 * (channel * chunks + k) + 1) + d * d * n * (more / all);
    n = all;
  }
  counts[THREAD] = n;
  means[THREAD] = m;
  squares[THREAD] = s;
  BARRIER();
  for (u32 d = TEAM / 2; d > 0; d /= 2) {
    if (lane < d && counts[THREAD + d] > 0.0f) {
      const f32 more = counts[THREAD + d], all = n + more, step = means[THREAD + d] - m;
      m += step * (more / all);
      s += squares[THREAD + d] + step * step * n * (more / all);
      n = all;
      counts[THREAD] = n;
      means[THREAD] = m;
      squares[THREAD] = s;
    }
    BARRIER();
  }
  if (lane == 0 && channel < channels) {
    const f32 var = s / n;
    STORE(mean, channel, m);
    STORE(inverse, channel, 1.0f / SQRT(var + eps));
    if (update != 0) {
      STORE(running_mean, channel, (1.0f - momentum) * LOAD(running_mean, channel) + momentum * m);
      STORE(running_var, channel, (1.0f - momentum) * LOAD(running_var, channel) + momentum * (s / (n - 1.0f)));
    }
  }
}

KERNEL(batch_norm_inverse, IN(f32, var), OUT(f32, inverse), UINT(channels), FLOAT(eps)) {
  EACH(c, channels) STORE(inverse, c, 1.0f / SQRT(LOAD(var, c) + eps));
}

// y = relu((x − mean) · weight · inverse + bias + residual); without a residual, x stands in its place.
KERNEL(batch_norm_apply, IN(T, x), IN(f32, mean), IN(f32, inverse), IN(f32, weight), IN(f32, bias), IN(T, residual), OUT(T, y),
       UINT(n), UINT(channels), UINT(plane), UINT(residuals), UINT(relu)) {
  EACH(i, n) {
    const u32 c = i / plane % channels;
    f32 v = (LOAD(x, i) - LOAD(mean, c)) * (LOAD(weight, c) * LOAD(inverse, c)) + LOAD(bias, c);
    if (residuals != 0) v += LOAD(residual, i);
    STORE(y, i, relu != 0 && v < 0.0f ? 0.0f : v);
  }
}

// Whether the number passed ReLU is computed again: where the sum had a residual, dy has been through ReLU's own gradient.
DEVICE f32 passed(f32 dy, f32 x, f32 scale, f32 bias, u32 relu) { return relu != 0 && !(x * scale + bias > 0.0f) ? 0.0f : dy; }

// Of each chunk of each channel: Σ dy and Σ dy·(x − mean).
KERNEL(batch_norm_slopes, IN(T, x), IN(T, dy), IN(f32, mean), IN(f32, inverse), IN(f32, weight), IN(f32, bias), OUT(f32, partial),
       UINT(count), UINT(channels), UINT(plane), UINT(chunk), UINT(relu)) {
  SHARED(f32, part, THREADS);
  const u32 c = GROUP_Y, begin = GROUP * chunk, end = least(count, begin + chunk);
  const f32 m = LOAD(mean, c), scale = LOAD(weight, c) * LOAD(inverse, c), b = LOAD(bias, c);
  f32 sum = 0.0f, dot = 0.0f;
  for (u32 j = begin + THREAD; j < end; j += THREADS) {
    const u32 i = place(j, c, channels, plane);
    const f32 d = LOAD(x, i) - m, g = passed(LOAD(dy, i), d, scale, b, relu);
    sum += g;
    dot += g * d;
  }
  sum = group_sum(sum, part, THREAD);
  dot = group_sum(dot, part, THREAD);
  if (THREAD == 0) {
    const u32 at = 2 * (c * GROUPS + GROUP);
    STORE(partial, at, sum);
    STORE(partial, at + 1, dot);
  }
}

// dweight = inverse · Σ dy·(x − mean), dbias = Σ dy: chunks added, a team for each channel.
KERNEL(batch_norm_gradients, IN(f32, partial), IN(f32, inverse), OUT(f32, dweight), OUT(f32, dbias), UINT(channels), UINT(chunks)) {
  SHARED(f32, part, THREADS);
  const u32 channel = GROUP * TEAMS + THREAD / TEAM;
  f32 sum = 0.0f, dot = 0.0f;
  for (u32 k = channel < channels ? THREAD % TEAM : chunks; k < chunks; k += TEAM) {
    sum += LOAD(partial, 2 * (channel * chunks + k));
    dot += LOAD(partial, 2 * (channel * chunks + k) + 1);
  }
  sum = team_sum(sum, part, THREAD);
  dot = team_sum(dot, part, THREAD);
  if (THREAD % TEAM == 0 && channel < channels) {
    STORE(dweight, channel, dot * LOAD(inverse, channel));
    STORE(dbias, channel, sum);
  }
}

// dx = scale · (dy − dbias/count − (x − mean)·inverse·dweight/count); the last two are 0 for constant statistics.
KERNEL(batch_norm_input, IN(T, x), IN(T, dy), IN(f32, mean), IN(f32, inverse), IN(f32, weight), IN(f32, bias), IN(f32, dweight),
       IN(f32, dbias), OUT(T, dx), UINT(n), UINT(count), UINT(channels), UINT(plane), UINT(batch), UINT(relu)) {
  EACH(i, n) {
    const u32 c = i / plane % channels;
    const f32 d = LOAD(x, i) - LOAD(mean, c), scale = LOAD(weight, c) * LOAD(inverse, c);
    f32 g = passed(LOAD(dy, i), d, scale, LOAD(bias, c), relu);
    if (batch != 0) g -= LOAD(dbias, c) / (f32)count + d * (LOAD(inverse, c) * LOAD(dweight, c) / (f32)count);
    STORE(dx, i, scale * g);
  }
}
