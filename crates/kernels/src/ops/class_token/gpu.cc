// A token before those of each image, and a number for every position: x (R, L, D), y (R, 1 + L, D), `row` = (1 + L)·D numbers.

KERNEL(class_token, IN(T, x), IN(f32, token), IN(f32, positions), OUT(T, y), UINT(n), UINT(row), UINT(d)) {
  EACH(i, n) {
    const u32 at = i % row;
    const f32 v = at < d ? LOAD(token, at) : LOAD(x, i / row * (row - d) + at - d);
    STORE(y, i, v + LOAD(positions, at));
  }
}
