// Pooling: maps of h × w become maps of oh × ow; window (i, j) begins at (i·stride − padding, j·stride − padding).

DEVICE u32 begins(u32 i, u32 stride, u32 padding) { return i * stride > padding ? i * stride - padding : 0u; }
DEVICE u32 ends(u32 i, u32 n, u32 side, u32 stride, u32 padding) { return least(n, i * stride + side - padding); }
// The windows that cover position p: from the first up to the last, excluded.
DEVICE u32 first_over(u32 p, u32 side, u32 stride, u32 padding) {
  return p + padding < side ? 0u : (p + padding - side) / stride + 1;
}
DEVICE u32 behind_over(u32 p, u32 on, u32 stride, u32 padding) { return least(on, (p + padding) / stride + 1); }

// `places` is where in its map each maximum was: the first in row order, or a NaN.
KERNEL(max_pool_forward, IN(T, x), OUT(T, y), OUT(u32, places), UINT(n), UINT(h), UINT(w), UINT(oh), UINT(ow), UINT(side),
       UINT(stride), UINT(padding)) {
  EACH(o, n) {
    const u32 i = o / ow % oh, j = o % ow, map = o / (oh * ow) * h * w;
    const u32 y1 = ends(i, h, side, stride, padding), x0 = begins(j, stride, padding), x1 = ends(j, w, side, stride, padding);
    u32 place = begins(i, stride, padding) * w + x0;
    f32 best = LOAD(x, map + place);
    for (u32 r = begins(i, stride, padding); r < y1; r++)
      for (u32 c = x0; c < x1; c++) {
        const f32 v = LOAD(x, map + r * w + c);
        if (v > best || v != v) {
          best = v;
          place = r * w + c;
        }
      }
    STORE(y, o, best);
    STORE(places, o, place);
  }
}

KERNEL(max_pool_backward, IN(T, dy), IN(u32, places), OUT(T, dx), UINT(n), UINT(h), UINT(w), UINT(oh), UINT(ow), UINT(side),
       UINT(stride), UINT(padding)) {
  EACH(p, n) {
    const u32 at = p % (h * w), map = p / (h * w) * oh * ow;
    const u32 i1 = behind_over(at / w, oh, stride, padding), j0 = first_over(at % w, side, stride, padding);
    const u32 j1 = behind_over(at % w, ow, stride, padding);
    f32 sum = 0.0f;
    for (u32 i = first_over(at / w, side, stride, padding); i < i1; i++)
      for (u32 o = map + i * ow + j0; o < map + i * ow + j1; o++) {
        const f32 g = LOAD(dy, o);
        sum += LOAD(places, o) == at ? g : 0.0f;
      }
    STORE(dx, p, sum);
  }
}

// What a window divides by: all its positions where `padded`, else those inside.
DEVICE f32 positions(u32 i, u32 j, u32 h, u32 w, u32 side, u32 stride, u32 padding, u32 padded) {
  if (padded != 0) return (f32)(side * side);
  const u32 rows = ends(i, h, side, stride, padding) - begins(i, stride, padding);
  return (f32)(rows * (ends(j, w, side, stride, padding) - begins(j, stride, padding)));
}

KERNEL(avg_pool_forward, IN(T, x), OUT(T, y), UINT(n), UINT(h), UINT(w), UINT(oh), UINT(ow), UINT(side), UINT(stride),
       UINT(padding), UINT(padded)) {
  EACH(o, n) {
    const u32 i = o / ow % oh, j = o % ow, map = o / (oh * ow) * h * w;
    const u32 y1 = ends(i, h, side, stride, padding), x1 = ends(j, w, side, stride, padding);
    f32 sum = 0.0f;
    for (u32 r = begins(i, stride, padding); r < y1; r++)
      for (u32 c = begins(j, stride, padding); c < x1; c++) sum += LOAD(x, map + r * w + c);
    STORE(y, o, sum / positions(i, j, h, w, side, stride, padding, padded));
  }
}

KERNEL(avg_pool_backward, IN(T, dy), OUT(T, dx), UINT(n), UINT(h), UINT(w), UINT(oh), UINT(ow), UINT(side), UINT(stride),
       UINT(padding), UINT(padded)) {
  EACH(p, n) {
    const u32 at = p % (h * w), map = p / (h * w) * oh * ow;
    const u32 i1 = behind_over(at / w, oh, stride, padding), j1 = behind_over(at % w, ow, stride, padding);
    f32 sum = 0.0f;
    for (u32 i = first_over(at / w, side, stride, padding); i < i1; i++)
      for (u32 j = first_over(at % w, side, stride, padding); j < j1; j++)
        sum += LOAD(dy, map + i * ow + j) / positions(i, j, h, w, side, stride, padding, padded);
    STORE(dx, p, sum);
  }
}

// The mean of each map, a team for each.
KERNEL(global_avg_pool_forward, IN(T, x), OUT(T, y), UINT(maps), UINT(plane)) {
  SHARED(f32, part, THREADS);
  const u32 map = GROUP * TEAMS + THREAD / TEAM;
  f32 sum = 0.0f;
  for (u32 i = map < maps ? THREAD % TEAM : plane; i < plane; i += TEAM) sum += LOAD(x, map * plane + i);
  sum = team_sum(sum, part, THREAD);
  if (THREAD % TEAM == 0 && map < maps) STORE(y, map, sum / (f32)plane);
}

KERNEL(global_avg_pool_backward, IN(T, dy), OUT(T, dx), UINT(n), UINT(plane)) {
  EACH(i, n) STORE(dx, i, LOAD(dy, i / plane) / (f32)plane);
}

// Windows that together cover all positions, whatever the sizes: output i is over ⌊i·n / on⌋ … ⌈(i + 1)·n / on⌉.
DEVICE u32 starts(u32 i, u32 n, u32 on) { return i * n / on; }
DEVICE u32 stops(u32 i, u32 n, u32 on) { return ((i + 1) * n + on - 1) / on; }

KERNEL(adaptive_avg_pool_forward, IN(T, x), OUT(T, y), UINT(n), UINT(h), UINT(w), UINT(oh), UINT(ow)) {
  EACH(o, n) {
    const u32 i = o / ow % oh, j = o % ow, map = o / (oh * ow) * h * w;
    const u32 y0 = starts(i, h, oh), y1 = stops(i, h, oh), x0 = starts(j, w, ow), x1 = stops(j, w, ow);
    f32 sum = 0.0f;
    for (u32 r = y0; r < y1; r++)
      for (u32 c = x0; c < x1; c++) sum += LOAD(x, map + r * w + c);
    STORE(y, o, sum / (f32)((y1 - y0) * (x1 - x0)));
  }
}

KERNEL(adaptive_avg_pool_backward, IN(T, dy), OUT(T, dx), UINT(n), UINT(h), UINT(w), UINT(oh), UINT(ow)) {
  EACH(p, n) {
    const u32 y = p / w % h, x = p % w, map = p / (h * w) * oh * ow;
    f32 sum = 0.0f;
    for (u32 i = y * oh / h; i < least(oh, ((y + 1) * oh - 1) / h + 1); i++)
      for (u32 j = x * ow / w; j < least(ow, ((x + 1) * ow - 1) / w + 1); j++) {
        const u32 rows = stops(i, h, oh) - starts(i, h, oh), columns = stops(j, w, ow) - starts(j, w, ow);
        sum += LOAD(dy, map + i * ow + j) / (f32)(rows * columns);
      }
    STORE(dx, p, sum);
  }
}
