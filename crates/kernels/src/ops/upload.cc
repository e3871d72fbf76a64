// Bytes become values on the device: bytes (R, H, W, 3) → values (R, 3, rows, columns), a crop of each image, mirrored or not.
// `crops` has top, left and mirrored (0 or 1) of each image, `table` the value of each byte in each channel (3, 256): the
// host's own numbers, so that f32 values have the same bits.
KERNEL(upload, IN(u8, bytes), IN(u32, crops), IN(f32, table), OUT(T, values), UINT(n), UINT(h), UINT(w), UINT(rows), UINT(columns)) {
  EACH(i, n) {
    const u32 x = i % columns, y = i / columns % rows, channel = i / columns / rows % 3, image = i / columns / rows / 3;
    const u32 crop = 3 * image;
    const u32 column = LOAD(crops, crop + 1) + (LOAD(crops, crop + 2) != 0 ? columns - 1 - x : x);
    const u32 byte = LOAD(bytes, ((image * h + LOAD(crops, crop) + y) * w + column) * 3 + channel);
    STORE(values, i, LOAD(table, 256 * channel + byte));
  }
}
