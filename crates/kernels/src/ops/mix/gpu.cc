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
