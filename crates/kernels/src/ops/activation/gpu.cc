// Activations: each number of the result is made of one of x, and its gradient of the same one; ReLU's of its result.

DEVICE f32 logistic(f32 x) { return 1.0f / (1.0f + EXP(-x)); }

// The normal distribution function, by the fit that the CPU's kernel has (cpu/normal.rs).
DEVICE f32 normal(f32 x, f32 density) {
  const f32 z = (x < 0.0f ? -x : x) * 0.70710678f;
  const f32 t = 1.0f / (1.0f + 0.5f * z);
  f32 p = -0.05889202f;
  p = p * t + 0.28370783f;
  p = p * t + -0.4853954f;
  p = p * t + 0.27599093f;
  p = p * t + -0.025186025f;
  p = p * t + 0.20207316f;
  p = p * t + 0.24326023f;
  p = p * t + 0.28235358f;
  p = p * t + 0.28208768f;
  const f32 tail = 0.5f * p * t * density;
  return x < 0.0f ? tail : 1.0f - tail;
}

// NaN stays NaN, but for the gradients, which are 0 there, as on the CPU.
DEVICE f32 relu(f32 x) { return x < 0.0f ? 0.0f : x; }
DEVICE f32 relu_slope(f32 y) { return y > 0.0f ? 1.0f : 0.0f; }
DEVICE f32 relu6(f32 x) { return x <= 0.0f ? 0.0f : x >= 6.0f ? 6.0f : x; }
DEVICE f32 relu6_slope(f32 x) { return x > 0.0f && x < 6.0f ? 1.0f : 0.0f; }
DEVICE f32 sigmoid_slope(f32 x) { const f32 s = logistic(x); return s * (1.0f - s); }
DEVICE f32 silu_slope(f32 x) { const f32 s = logistic(x); return s * (1.0f + x * (1.0f - s)); }
DEVICE f32 gelu(f32 x) { return x * normal(x, EXP(-0.5f * x * x)); }
DEVICE f32 gelu_slope(f32 x) { const f32 e = EXP(-0.5f * x * x); return normal(x, e) + x * (e * 0.3989423f); }
DEVICE f32 hard_sigmoid(f32 x) { return x <= -3.0f ? 0.0f : x >= 3.0f ? 1.0f : x * (1.0f / 6.0f) + 0.5f; }
DEVICE f32 hard_sigmoid_slope(f32 x) { return x > -3.0f && x < 3.0f ? 1.0f / 6.0f : 0.0f; }
DEVICE f32 hard_swish(f32 x) { return x <= -3.0f ? 0.0f : x >= 3.0f ? x : x * (x * (1.0f / 6.0f) + 0.5f); }
DEVICE f32 hard_swish_slope(f32 x) { return x <= -3.0f ? 0.0f : x >= 3.0f ? 1.0f : x * (1.0f / 3.0f) + 0.5f; }

KERNEL(relu_forward, IN(T, x), OUT(T, y), UINT(n)) { EACH(i, n) STORE(y, i, relu(LOAD(x, i))); }
KERNEL(relu_backward, IN(T, dy), IN(T, y), OUT(T, dx), UINT(n)) { EACH(i, n) STORE(dx, i, LOAD(y, i) > 0.0f ? LOAD(dy, i) : 0.0f); }
KERNEL(relu6_forward, IN(T, x), OUT(T, y), UINT(n)) { EACH(i, n) STORE(y, i, relu6(LOAD(x, i))); }
KERNEL(relu6_backward, IN(T, dy), IN(T, x), OUT(T, dx), UINT(n)) { EACH(i, n) STORE(dx, i, LOAD(dy, i) * relu6_slope(LOAD(x, i))); }
KERNEL(sigmoid_forward, IN(T, x), OUT(T, y), UINT(n)) { EACH(i, n) STORE(y, i, logistic(LOAD(x, i))); }
KERNEL(sigmoid_backward, IN(T, dy), IN(T, x), OUT(T, dx), UINT(n)) { EACH(i, n) STORE(dx, i, LOAD(dy, i) * sigmoid_slope(LOAD(x, i))); }
KERNEL(silu_forward, IN(T, x), OUT(T, y), UINT(n)) { EACH(i, n) { const f32 v = LOAD(x, i); STORE(y, i, v * logistic(v)); } }
KERNEL(silu_backward, IN(T, dy), IN(T, x), OUT(T, dx), UINT(n)) { EACH(i, n) STORE(dx, i, LOAD(dy, i) * silu_slope(LOAD(x, i))); }
KERNEL(gelu_forward, IN(T, x), OUT(T, y), UINT(n)) { EACH(i, n) STORE(y, i, gelu(LOAD(x, i))); }
KERNEL(gelu_backward, IN(T, dy), IN(T, x), OUT(T, dx), UINT(n)) { EACH(i, n) STORE(dx, i, LOAD(dy, i) * gelu_slope(LOAD(x, i))); }
KERNEL(hard_sigmoid_forward, IN(T, x), OUT(T, y), UINT(n)) { EACH(i, n) STORE(y, i, hard_sigmoid(LOAD(x, i))); }
KERNEL(hard_sigmoid_backward, IN(T, dy), IN(T, x), OUT(T, dx), UINT(n)) { EACH(i, n) STORE(dx, i, LOAD(dy, i) * hard_sigmoid_slope(LOAD(x, i))); }
KERNEL(hard_swish_forward, IN(T, x), OUT(T, y), UINT(n)) { EACH(i, n) STORE(y, i, hard_swish(LOAD(x, i))); }
KERNEL(hard_swish_backward, IN(T, dy), IN(T, x), OUT(T, dx), UINT(n)) { EACH(i, n) STORE(dx, i, LOAD(dy, i) * hard_swish_slope(LOAD(x, i))); }
