// The bits of a bf16 from those of an f32: the nearest, the even one of two; NaN stays NaN.
DEVICE u32 bf16_of(u32 bits) {
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (bits >> 16) | 64u;
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}
