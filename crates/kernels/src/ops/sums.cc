// Sums over rows and over planes: what the gradients of biases and scales are. Chunks of a fixed size first, then the chunks.

// Of each chunk of rows of n numbers, for every column: the sum (chunks, n).
KERNEL(column_chunks, IN(T, x), OUT(f32, partial), UINT(rows), UINT(n), UINT(chunk)) {
  const u32 end = least(rows, (GROUP_Y + 1) * chunk);
  EACH(column, n) {
    f32 sum = 0.0f;
    for (u32 row = GROUP_Y * chunk; row < end; row++) sum += LOAD(x, row * n + column);
    STORE(partial, GROUP_Y * n + column, sum);
  }
}

// The same of factor · x · other, a factor for every `lines` rows; a factor of 0 lets nothing pass. Without factors `lines` is 0.
KERNEL(product_chunks, IN(T, x), IN(T, other), IN(f32, factors), OUT(f32, partial), UINT(rows), UINT(n), UINT(chunk), UINT(lines)) {
  const u32 end = least(rows, (GROUP_Y + 1) * chunk);
  EACH(column, n) {
    f32 sum = 0.0f;
    for (u32 row = GROUP_Y * chunk; row < end; row++) {
      const f32 factor = lines != 0 ? LOAD(factors, row / lines) : 1.0f;
      if (factor != 0.0f) sum += factor * LOAD(x, row * n + column) * LOAD(other, row * n + column);
    }
    STORE(partial, GROUP_Y * n + column, sum);
  }
}

KERNEL(column_sums, IN(f32, partial), OUT(f32, y), UINT(n), UINT(chunks)) {
  EACH(column, n) {
    f32 sum = 0.0f;
    for (u32 k = 0; k < chunks; k++) sum += LOAD(partial, k * n + column);
    STORE(y, column, sum);
  }
}

// Of each chunk of the `count` = R·plane numbers of a channel: the sum (C, chunks).
KERNEL(channel_chunks, IN(T, x), OUT(f32, partial), UINT(count), UINT(channels), UINT(plane), UINT(chunk)) {
  SHARED(f32, part, THREADS);
  const u32 end = least(count, (GROUP + 1) * chunk);
  f32 sum = 0.0f;
  for (u32 j = GROUP * chunk + THREAD; j < end; j += THREADS) sum += LOAD(x, (j / plane * channels + GROUP_Y) * plane + j % plane);
  sum = group_sum(sum, part, THREAD);
  if (THREAD == 0) STORE(partial, GROUP_Y * GROUPS + GROUP, sum);
}

// Chunks added, a team for each channel.
KERNEL(channel_sums, IN(f32, partial), OUT(f32, y), UINT(channels), UINT(chunks)) {
  SHARED(f32, part, THREADS);
  const u32 channel = GROUP * TEAMS + THREAD / TEAM;
  f32 sum = 0.0f;
  for (u32 k = channel < channels ? THREAD % TEAM : chunks; k < chunks; k += TEAM) sum += LOAD(partial, channel * chunks + k);
  sum = team_sum(sum, part, THREAD);
  if (THREAD % TEAM == 0 && channel < channels) STORE(y, channel, sum);
}
