// Parts of a row in place of another's. Values are (R, C, H, W): `row` = C·H·W numbers, `plane` = H·W, n of all.

// Boxes are (top, bottom, left, right); `each` is 4 where every row has its own, 0 where all have one.
DEVICE bool inside(READS(u32) boxes, u32 box, u32 y, u32 x) {
  return y >= LOAD(boxes, box) && y < LOAD(boxes, box + 1) && x >= LOAD(boxes, box + 2) && x < LOAD(boxes, box + 3);
}

KERNEL(paste_forward, IN(T, x), IN(u32, partner), IN(u32, boxes), OUT(T, y), UINT(n), UINT(row), UINT(plane), UINT(w), UINT(each)) {
  EACH(i, n) {
    const u32 r = i / row, at = i % row, position = at % plane;
    const bool other = inside(boxes, r * each, position / w, position % w);
    STORE(y, i, LOAD(x, (other ? LOAD(partner, r) : r) * row + at));
  }
}

// The rows whose partner row r is are sources[begins[r]..begins[r + 1]], ascending.
KERNEL(paste_backward, IN(T, dy), IN(u32, begins), IN(u32, sources), IN(u32, boxes), OUT(T, dx), UINT(n), UINT(row), UINT(plane),
       UINT(w), UINT(each)) {
  EACH(i, n) {
    const u32 r = i / row, at = i % row, y = at % plane / w, x = at % plane % w;
    f32 sum = inside(boxes, r * each, y, x) ? 0.0f : LOAD(dy, i);
    const u32 end = LOAD(begins, r + 1);
    for (u32 e = LOAD(begins, r); e < end; e++) {
      const u32 source = LOAD(sources, e);
      if (inside(boxes, source * each, y, x)) sum += LOAD(dy, source * row + at);
    }
    STORE(dx, i, sum);
  }
}

// Masks are (H·W) each; `each` is H·W where every row has its own, 0 where all have one.
KERNEL(blend_forward, IN(T, x), IN(u32, partner), IN(f32, masks), OUT(T, y), UINT(n), UINT(row), UINT(plane), UINT(each)) {
  EACH(i, n) {
    const u32 r = i / row, at = i % row;
    const f32 m = LOAD(masks, r * each + at % plane);
    STORE(y, i, (1.0f - m) * LOAD(x, i) + m * LOAD(x, LOAD(partner, r) * row + at));
  }
}

KERNEL(blend_backward, IN(T, dy), IN(u32, begins), IN(u32, sources), IN(f32, masks), OUT(T, dx), UINT(n), UINT(row), UINT(plane),
       UINT(each)) {
  EACH(i, n) {
    const u32 r = i / row, at = i % row, position = at % plane;
    f32 sum = (1.0f - LOAD(masks, r * each + position)) * LOAD(dy, i);
    const u32 end = LOAD(begins, r + 1);
    for (u32 e = LOAD(begins, r); e < end; e++) {
      const u32 source = LOAD(sources, e);
      sum += LOAD(masks, source * each + position) * LOAD(dy, source * row + at);
    }
    STORE(dx, i, sum);
  }
}

// The whole of a row resized into a box of another, of `to` ≤ `from` pixels a side: pixel p is in pixel o of the box with the weight
// 1 − |(2p + 1)·to − (2o + 1)·from| / (2·from), where that is above 0, divided by the sum of o's weights.
DEVICE f32 resize_weight(u32 p, u32 o, u32 from, u32 to) {
  const u32 a = (2 * p + 1) * to, b = (2 * o + 1) * from, d = a > b ? a - b : b - a;
  return d < 2 * from ? 1.0f - (f32)d / (f32)(2 * from) : 0.0f;
}
// The pixels that have a weight in o are among these.
DEVICE u32 first_of(u32 o, u32 from, u32 to) { return o == 0 ? 0u : (2 * o - 1) * from / (2 * to); }
DEVICE u32 behind_of(u32 o, u32 from, u32 to) { return least(from, (2 * o + 3) * from / (2 * to) + 1); }
DEVICE f32 resize_total(u32 o, u32 from, u32 to) {
  f32 sum = 0.0f;
  for (u32 p = first_of(o, from, to); p < behind_of(o, from, to); p++) sum += resize_weight(p, o, from, to);
  return sum;
}
// The pixels of the box in which p has a weight are among these.
DEVICE u32 first_with(u32 p, u32 from, u32 to) { return (2 * p + 1) * to > 2 * from ? ((2 * p + 1) * to - 2 * from) / (2 * from) : 0u; }
DEVICE u32 behind_with(u32 p, u32 from, u32 to) { return least(to, ((2 * p + 1) * to + from) / (2 * from) + 1); }

KERNEL(resize_forward, IN(T, x), IN(u32, partner), IN(u32, boxes), OUT(T, y), UINT(n), UINT(row), UINT(plane), UINT(w), UINT(each)) {
  EACH(i, n) {
    const u32 r = i / row, at = i % plane, box = r * each, h = plane / w;
    f32 v = LOAD(x, i);
    if (inside(boxes, box, at / w, at % w)) {
      const u32 other = LOAD(partner, r) * row + i % row - at;
      const u32 top = LOAD(boxes, box), left = LOAD(boxes, box + 2);
      const u32 tall = LOAD(boxes, box + 1) - top, wide = LOAD(boxes, box + 3) - left, oy = at / w - top, ox = at % w - left;
      f32 sum = 0.0f;
      for (u32 p = first_of(oy, h, tall); p < behind_of(oy, h, tall); p++) {
        f32 line = 0.0f;
        for (u32 q = first_of(ox, w, wide); q < behind_of(ox, w, wide); q++)
          line += resize_weight(q, ox, w, wide) * LOAD(x, other + p * w + q);
        sum += resize_weight(p, oy, h, tall) * line;
      }
      v = sum / (resize_total(oy, h, tall) * resize_total(ox, w, wide));
    }
    STORE(y, i, v);
  }
}

KERNEL(resize_backward, IN(T, dy), IN(u32, begins), IN(u32, sources), IN(u32, boxes), OUT(T, dx), UINT(n), UINT(row), UINT(plane),
       UINT(w), UINT(each)) {
  EACH(i, n) {
    const u32 r = i / row, at = i % plane, h = plane / w, y = at / w, x = at % w, channel = i % row - at;
    f32 sum = inside(boxes, r * each, y, x) ? 0.0f : LOAD(dy, i);
    const u32 end = LOAD(begins, r + 1);
    for (u32 e = LOAD(begins, r); e < end; e++) {
      const u32 source = LOAD(sources, e), box = source * each, top = LOAD(boxes, box), left = LOAD(boxes, box + 2);
      const u32 tall = LOAD(boxes, box + 1) - top, wide = LOAD(boxes, box + 3) - left;
      if (tall == 0 || wide == 0) continue;
      for (u32 oy = first_with(y, h, tall); oy < behind_with(y, h, tall); oy++) {
        const u32 line = source * row + channel + (top + oy) * w + left;
        f32 part = 0.0f;
        for (u32 ox = first_with(x, w, wide); ox < behind_with(x, w, wide); ox++)
          part += resize_weight(x, ox, w, wide) / resize_total(ox, w, wide) * LOAD(dy, line + ox);
        sum += resize_weight(y, oy, h, tall) / resize_total(oy, h, tall) * part;
      }
    }
    STORE(dx, i, sum);
  }
}
