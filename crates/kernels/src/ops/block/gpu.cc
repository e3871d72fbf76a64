// A block of each row, at another place of the rows of the result.

// Rows of `from` numbers become rows of `to`: `length` of them, from `begin` on, stand at `place`, zeros around them.
KERNEL(block, IN(T, x), OUT(T, y), UINT(n), UINT(from), UINT(to), UINT(begin), UINT(place), UINT(length)) {
  EACH(i, n) {
    const u32 at = i % to - place;  // wraps where it is before the block
    STORE(y, i, at < length ? LOAD(x, i / to * from + begin + at) : 0.0f);
  }
}

// Rows of `length` numbers at `place` of rows of `to`, whose other numbers stay.
KERNEL(block_into, IN(T, x), INOUT(T, y), UINT(n), UINT(length), UINT(to), UINT(place)) {
  EACH(i, n) STORE(y, i / length * to + place + i % length, LOAD(x, i));
}
