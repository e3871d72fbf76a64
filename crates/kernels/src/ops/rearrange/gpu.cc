// Copies with permuted axes.

enum { TILE = 32, LINE = TILE + 1 };

// Planes (rows, columns) transposed, a group for each tile of a plane.
KERNEL(transpose, IN(T, x), OUT(T, y), UINT(rows), UINT(columns)) {
  SHARED(f32, tile, TILE * LINE);
  const u32 high = (rows + TILE - 1) / TILE, wide = (columns + TILE - 1) / TILE;
  const u32 plane = GROUP / (high * wide) * rows * columns, lane = THREAD % TILE;
  const u32 top = GROUP / wide % high * TILE, left = GROUP % wide * TILE;
  for (u32 k = THREAD / TILE; k < TILE; k += THREADS / TILE)
    if (top + k < rows && left + lane < columns) tile[k * LINE + lane] = LOAD(x, plane + (top + k) * columns + left + lane);
  BARRIER();
  for (u32 k = THREAD / TILE; k < TILE; k += THREADS / TILE)
    if (left + k < columns && top + lane < rows) STORE(y, plane + (left + k) * rows + top + lane, tile[lane * LINE + k]);
}

// Six axes of the result: all but the first have lengths, and every one has the stride of its numbers in x.
KERNEL(permute, IN(T, x), OUT(T, y), UINT(n), UINT(n1), UINT(n2), UINT(n3), UINT(n4), UINT(n5), UINT(s0), UINT(s1), UINT(s2), UINT(s3),
       UINT(s4), UINT(s5)) {
  EACH(i, n) {
    u32 left = i, at = left % n5 * s5;
    left /= n5;
    at += left % n4 * s4;
    left /= n4;
    at += left % n3 * s3;
    left /= n3;
    at += left % n2 * s2;
    left /= n2;
    STORE(y, i, LOAD(x, at + left % n1 * s1 + left / n1 * s0));
  }
}
