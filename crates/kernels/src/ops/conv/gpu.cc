// Convolution: one input channel a group, and the column matrix of any other. x (R, C, h, w), y (R, O, oh, ow), O = C·multiplier.

// Whether tap `t` of output `i` meets the map, along an axis of n numbers: at i·stride + t·dilation − padding.
DEVICE bool meets(u32 i, u32 t, u32 n, u32 stride, u32 padding, u32 dilation) {
  const u32 at = i * stride + t * dilation;
  return at >= padding && at - padding < n;
}

KERNEL(depthwise_forward, IN(T, x), IN(T, weight), OUT(T, y), UINT(n), UINT(outs), UINT(multiplier), UINT(h), UINT(w), UINT(kh), UINT(kw),
       UINT(oh), UINT(ow), UINT(stride), UINT(padding), UINT(dilation)) {
  EACH(k, n) {
    const u32 j = k % ow, i = k / ow % oh, map = k / (oh * ow), o = map % outs;
    f32 sum = 0.0f;
    for (u32 u = 0; u < kh; u++) {
      if (!meets(i, u, h, stride, padding, dilation)) continue;
      const u32 line = (map / multiplier * h + i * stride + u * dilation - padding) * w;
      for (u32 v = 0; v < kw; v++)
        if (meets(j, v, w, stride, padding, dilation))
          sum += LOAD(weight, (o * kh + u) * kw + v) * LOAD(x, line + j * stride + v * dilation - padding);
    }
    STORE(y, k, sum);
  }
}

// Whether position p is under tap `t` of some output, and of which.
DEVICE bool under(u32 p, u32 t, u32 on, u32 stride, u32 padding, u32 dilation) {
  const u32 at = p + padding - t * dilation;
  return p + padding >= t * dilation && at % stride == 0 && at / stride < on;
}

KERNEL(depthwise_input, IN(T, dy), IN(T, weight), OUT(T, dx), UINT(n), UINT(outs), UINT(multiplier), UINT(h), UINT(w), UINT(kh), UINT(kw),
       UINT(oh), UINT(ow), UINT(stride), UINT(padding), UINT(dilation)) {
  EACH(k, n) {
    const u32 x = k % w, y = k / w % h, first = k / (h * w) * multiplier;
    f32 sum = 0.0f;
    for (u32 m = 0; m < multiplier; m++)
      for (u32 u = 0; u < kh; u++) {
        if (!under(y, u, oh, stride, padding, dilation)) continue;
        const u32 line = ((first + m) * oh + (y + padding - u * dilation) / stride) * ow;
        for (u32 v = 0; v < kw; v++)
          if (under(x, v, ow, stride, padding, dilation))
            sum += LOAD(weight, ((first + m) % outs * kh + u) * kw + v) * LOAD(dy, line + (x + padding - v * dilation) / stride);
      }
    STORE(dx, k, sum);
  }
}

// Of each chunk of the `count` = R·oh·ow outputs of a channel, for every weight (chunks, O·kh·kw): Σ dy·x.
KERNEL(depthwise_chunks, IN(T, x), IN(T, dy), OUT(f32, partial), UINT(count), UINT(chunk), UINT(outs), UINT(multiplier), UINT(h), UINT(w),
       UINT(kh), UINT(kw), UINT(oh), UINT(ow), UINT(stride), UINT(padding), UINT(dilation)) {
  SHARED(f32, part, THREADS);
  const u32 v = GROUP % kw, u = GROUP / kw % kh, o = GROUP / (kh * kw), end = least(count, (GROUP_Y + 1) * chunk);
  f32 sum = 0.0f;
  for (u32 k = GROUP_Y * chunk + THREAD; k < end; k += THREADS) {
    const u32 j = k % ow, i = k / ow % oh, map = k / (oh * ow) * outs + o;
    if (meets(i, u, h, stride, padding, dilation) && meets(j, v, w, stride, padding, dilation)) {
      const u32 line = (map / multiplier * h + i * stride + u * dilation - padding) * w;
      sum += LOAD(dy, (map * oh + i) * ow + j) * LOAD(x, line + j * stride + v * dilation - padding);
    }
  }
  sum = group_sum(sum, part, THREAD);
  if (THREAD == 0) STORE(partial, GROUP_Y * GROUPS + GROUP, sum);
}

KERNEL(depthwise_weight, IN(f32, partial), OUT(T, dweight), UINT(n), UINT(chunks)) {
  EACH(i, n) {
    f32 sum = 0.0f;
    for (u32 k = 0; k < chunks; k++) sum += LOAD(partial, k * n + i);
    STORE(dweight, i, sum);
  }
}

// columns (R, C·kh·kw, oh·ow): what lies under each tap of each output, 0 beside the map.
KERNEL(im2col, IN(T, x), OUT(T, columns), UINT(n), UINT(h), UINT(w), UINT(kh), UINT(kw), UINT(oh), UINT(ow), UINT(stride), UINT(padding),
       UINT(dilation)) {
  EACH(k, n) {
    const u32 j = k % ow, i = k / ow % oh, tap = k / (oh * ow);
    const u32 v = tap % kw, u = tap / kw % kh, map = tap / (kh * kw);
    const bool here = meets(i, u, h, stride, padding, dilation) && meets(j, v, w, stride, padding, dilation);
    const u32 line = (map * h + i * stride + u * dilation - padding) * w;
    STORE(columns, k, here ? LOAD(x, line + j * stride + v * dilation - padding) : 0.0f);
  }
}

// The transpose: what columns give each number of x.
KERNEL(col2im, IN(T, columns), OUT(T, dx), UINT(n), UINT(h), UINT(w), UINT(kh), UINT(kw), UINT(oh), UINT(ow), UINT(stride), UINT(padding),
       UINT(dilation)) {
  EACH(k, n) {
    const u32 x = k % w, y = k / w % h, map = k / (h * w);
    f32 sum = 0.0f;
    for (u32 u = 0; u < kh; u++) {
      if (!under(y, u, oh, stride, padding, dilation)) continue;
      for (u32 v = 0; v < kw; v++)
        if (under(x, v, ow, stride, padding, dilation)) {
          const u32 line = ((map * kh + u) * kw + v) * oh + (y + padding - u * dilation) / stride;
          sum += LOAD(columns, line * ow + (x + padding - v * dilation) / stride);
        }
    }
    STORE(dx, k, sum);
  }
}

// Depthwise with channels last: x and y (R, h, w, C), weight (C, k, k), k odd, zeros around so that the size stays.

// At position `at`, of channel `c`; `turned` by 180° for the gradient.
DEVICE f32 around(READS(T) x, READS(T) weight, u32 at, u32 c, u32 h, u32 w, u32 channels, u32 k, u32 turned) {
  const u32 i = at / w % h, j = at % w, image = at / (h * w) * h * w, taps = k * k;
  f32 sum = 0.0f;
  for (u32 u = 0; u < k; u++) {
    const u32 y = i + u - k / 2;  // wraps outside
    for (u32 v = 0; y < h && v < k; v++) {
      const u32 xx = j + v - k / 2, tap = u * k + v;
      if (xx < w) sum += LOAD(weight, c * taps + (turned != 0 ? taps - 1 - tap : tap)) * LOAD(x, (image + y * w + xx) * channels + c);
    }
  }
  return sum;
}

KERNEL(depthwise_last, IN(T, x), IN(T, weight), IN(f32, bias), OUT(T, y), UINT(n), UINT(h), UINT(w), UINT(channels), UINT(k)) {
  EACH(i, n) {
    const u32 c = i % channels;
    STORE(y, i, LOAD(bias, c) + around(x, weight, i / channels, c, h, w, channels, k, 0));
  }
}

KERNEL(depthwise_last_input, IN(T, dy), IN(T, weight), OUT(T, dx), UINT(n), UINT(h), UINT(w), UINT(channels), UINT(k)) {
  EACH(i, n) STORE(dx, i, around(dy, weight, i / channels, i % channels, h, w, channels, k, 1));
}

// Of each chunk of the R·h·w positions, for every tap of every channel (chunks, k·k, C): Σ dy·x.
KERNEL(depthwise_last_chunks, IN(T, x), IN(T, dy), OUT(f32, partial), UINT(count), UINT(chunk), UINT(h), UINT(w), UINT(channels), UINT(k)) {
  const u32 begin = GROUP_Y * chunk, end = least(count, begin + chunk), n = k * k * channels;
  EACH(column, n) {
    const u32 c = column % channels, u = column / channels / k, v = column / channels % k;
    f32 sum = 0.0f;
    for (u32 at = begin; at < end; at++) {
      const u32 y = at / w % h + u - k / 2, xx = at % w + v - k / 2;
      if (y < h && xx < w) sum += LOAD(dy, at * channels + c) * LOAD(x, (at / (h * w) * h * w + y * w + xx) * channels + c);
    }
    STORE(partial, GROUP_Y * n + column, sum);
  }
}

KERNEL(depthwise_last_weight, IN(f32, partial), OUT(T, dweight), UINT(n), UINT(channels), UINT(chunks)) {
  EACH(i, n) {
    const u32 taps = n / channels, column = i % taps * channels + i / taps;
    f32 sum = 0.0f;
    for (u32 k = 0; k < chunks; k++) sum += LOAD(partial, k * n + column);
    STORE(dweight, i, sum);
  }
}
