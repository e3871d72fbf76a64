// The few kernels of candle's own that stand between ours, as plain loops with candle's parameters; any other is refused by name.
#pragma once
#include "memory.h"
#include <algorithm>
#include <cmath>

namespace candle {

struct bf16 { uint16_t bits; };
inline double number(float v) { return v; }
inline double number(double v) { return v; }
inline double number(uint8_t v) { return v; }
inline double number(uint32_t v) { return v; }
inline double number(int64_t v) { return double(v); }
inline double number(bf16 v) { uint32_t b = uint32_t(v.bits) << 16; float f; memcpy(&f, &b, 4); return f; }
inline void set(float& to, double v) { to = float(v); }
inline void set(double& to, double v) { to = v; }
inline void set(uint8_t& to, double v) { to = uint8_t(v); }
inline void set(uint32_t& to, double v) { to = uint32_t(v); }
inline void set(int64_t& to, double v) { to = int64_t(v); }
inline void set(bf16& to, double v) {
  float f = float(v);
  uint32_t b;
  memcpy(&b, &f, 4);
  to.bits = (b & 0x7fffffffu) > 0x7f800000u ? uint16_t(b >> 16 | 64) : uint16_t((b + 0x7fffu + (b >> 16 & 1)) >> 16);
}

struct Kernel {
  std::vector<size_t> sizes;
  std::function<void(void**)> run;
};

template <class T> T argument(void** a, int i) { T v; memcpy(&v, a[i], sizeof v); return v; }
template <class T> double read(uint64_t at, size_t i, const char* what) { return number(*(T*)readable(at + i * sizeof(T), sizeof(T), what)); }
template <class T> void write(uint64_t at, size_t i, double v, const char* what) { set(*(T*)writable(at + i * sizeof(T), sizeof(T), what), v); }

// Sizes and `which`-th strides of a strided operand; without them it is in row order.
struct Places {
  size_t n = 0;
  const size_t *dims = nullptr, *strides = nullptr;
  Places(uint64_t info, size_t n, int which, int of) : n(n) {
    if (!info) return;
    dims = (const size_t*)readable(info, (1 + of) * n * 8, "sizes and strides");
    strides = dims + (1 + which) * n;
  }
  size_t operator()(size_t i) const {
    if (!dims) return i;
    size_t at = 0;
    for (size_t d = n; d-- > 0; i /= dims[d]) at += i % dims[d] * strides[d];
    return at;
  }
};

// count, dims, info, x, y.
template <class T, class U, class F> Kernel unary(F f) {
  return {{8, 8, 8, 8, 8}, [f](void** a) {
    const Places place(argument<uint64_t>(a, 2), argument<size_t>(a, 1), 0, 1);
    for (size_t i = 0, n = argument<size_t>(a, 0); i < n; i++)
      write<U>(argument<uint64_t>(a, 4), i, f(read<T>(argument<uint64_t>(a, 3), place(i), "x")), "y");
  }};
}
// count, dims, info, x, y, z.
template <class T, class U, class F> Kernel binary(F f) {
  return {{8, 8, 8, 8, 8, 8}, [f](void** a) {
    const uint64_t info = argument<uint64_t>(a, 2);
    const Places left(info, argument<size_t>(a, 1), 0, 2), right(info, argument<size_t>(a, 1), 1, 2);
    for (size_t i = 0, n = argument<size_t>(a, 0); i < n; i++)
      write<U>(argument<uint64_t>(a, 5), i,
               f(read<T>(argument<uint64_t>(a, 3), left(i), "x"), read<T>(argument<uint64_t>(a, 4), right(i), "y")), "z");
  }};
}
// count, how many each, dims, info, x, y; `count` is of y where each is small, else of x.
template <class T, class F> Kernel reduction(bool small, double first, F f) {
  return {{8, 8, 8, 8, 8, 8}, [=](void** a) {
    const size_t each = argument<size_t>(a, 1), all = argument<size_t>(a, 0), n = small ? all : each ? all / each : 0;
    const Places place(argument<uint64_t>(a, 3), argument<size_t>(a, 2), 0, 1);
    for (size_t i = 0; i < n; i++) {
      double v = first;
      for (size_t k = 0; k < each; k++) v = f(v, read<T>(argument<uint64_t>(a, 4), place(i * each + k), "x"));
      write<T>(argument<uint64_t>(a, 5), i, v, "y");
    }
  }};
}
template <class T> Kernel affine() {
  return {{8, 8, 8, 8, 8, sizeof(T), sizeof(T)}, [](void** a) {
    const Places place(argument<uint64_t>(a, 2), argument<size_t>(a, 1), 0, 1);
    const double factor = number(argument<T>(a, 5)), term = number(argument<T>(a, 6));
    for (size_t i = 0, n = argument<size_t>(a, 0); i < n; i++)
      write<T>(argument<uint64_t>(a, 4), i, read<T>(argument<uint64_t>(a, 3), place(i), "x") * factor + term, "y");
  }};
}
template <class T> Kernel constant() {
  return {{8, 8, 8, sizeof(T), 8}, [](void** a) {
    const Places place(argument<uint64_t>(a, 2), argument<size_t>(a, 1), 0, 1);
    for (size_t i = 0, n = argument<size_t>(a, 0); i < n; i++)
      write<T>(argument<uint64_t>(a, 4), place(i), number(argument<T>(a, 3)), "x");
  }};
}
// x, y, rows, columns, steps of x and of y.
template <class T> Kernel rows() {
  return {{8, 8, 4, 4, 4, 4}, [](void** a) {
    for (uint32_t i = 0; i < argument<uint32_t>(a, 2); i++)
      for (uint32_t j = 0; j < argument<uint32_t>(a, 3); j++)
        write<T>(argument<uint64_t>(a, 1), size_t(i) * argument<uint32_t>(a, 5) + j,
                 read<T>(argument<uint64_t>(a, 0), size_t(i) * argument<uint32_t>(a, 4) + j, "x"), "y");
  }};
}

// count, dims, info, ids, x, y, then sizes: left, of x, of ids, right.
template <class T> Kernel selected() {
  return {{8, 8, 8, 8, 8, 8, 8, 8, 8, 8}, [](void** a) {
    const Places place(argument<uint64_t>(a, 2), argument<size_t>(a, 1), 0, 1);
    const size_t from = argument<size_t>(a, 7), ids = argument<size_t>(a, 8), right = argument<size_t>(a, 9);
    for (size_t i = 0, n = argument<size_t>(a, 0); i < n; i++) {
      const size_t id = size_t(read<uint32_t>(argument<uint64_t>(a, 3), i / right % ids, "ids"));
      const size_t at = (i / (ids * right) * from + id) * right + i % right;
      write<T>(argument<uint64_t>(a, 5), i, read<T>(argument<uint64_t>(a, 4), place(at), "x"), "y");
    }
  }};
}
// ids, how many, x, y, then sizes: left, of x, of y, right.
template <class T> Kernel added() {
  return {{8, 8, 8, 8, 8, 8, 8, 8}, [](void** a) {
    const size_t ids = argument<size_t>(a, 1), to = argument<size_t>(a, 6), right = argument<size_t>(a, 7);
    const uint64_t y = argument<uint64_t>(a, 3);
    for (size_t i = 0, n = argument<size_t>(a, 4) * ids * right; i < n; i++) {
      const size_t id = size_t(read<uint32_t>(argument<uint64_t>(a, 0), i / right % ids, "ids"));
      const size_t at = (i / (ids * right) * to + id) * right + i % right;
      write<T>(y, at, read<T>(y, at, "y") + read<T>(argument<uint64_t>(a, 2), i, "x"), "y");
    }
  }};
}

template <class T> bool of_type(const std::string& op, Kernel& kernel) {
  auto plus = [](double a, double b) { return a + b; };
  if (op == "ucopy") kernel = unary<T, T>([](double v) { return v; });
  else if (op == "uneg") kernel = unary<T, T>([](double v) { return -v; });
  else if (op == "usqr") kernel = unary<T, T>([](double v) { return v * v; });
  else if (op == "usqrt") kernel = unary<T, T>([](double v) { return std::sqrt(v); });
  else if (op == "badd") kernel = binary<T, T>(plus);
  else if (op == "bsub") kernel = binary<T, T>([](double a, double b) { return a - b; });
  else if (op == "bmul") kernel = binary<T, T>([](double a, double b) { return a * b; });
  else if (op == "bdiv") kernel = binary<T, T>([](double a, double b) { return a / b; });
  else if (op == "fast_sum") kernel = reduction<T>(false, 0, plus);
  else if (op == "fast_sum_small") kernel = reduction<T>(true, 0, plus);
  else if (op == "affine") kernel = affine<T>();
  else if (op == "const_set") kernel = constant<T>();
  else if (op == "copy2d") kernel = rows<T>();
  else if (op == "is_u32") kernel = selected<T>();
  else if (op == "ia_u32") kernel = added<T>();
  else if (op == "cast_f32") kernel = unary<float, T>([](double v) { return v; });
  else if (op == "cast_bf16") kernel = unary<bf16, T>([](double v) { return v; });
  else if (op == "cast_f64") kernel = unary<double, T>([](double v) { return v; });
  else if (op == "cast_u8") kernel = unary<uint8_t, T>([](double v) { return v; });
  else if (op == "cast_u32") kernel = unary<uint32_t, T>([](double v) { return v; });
  else return false;
  return true;
}

inline bool find(const std::string& name, Kernel& kernel) {
  const size_t at = name.rfind('_');
  if (at == std::string::npos) return false;
  const std::string op = name.substr(0, at), type = name.substr(at + 1);
  if (type == "f32") return of_type<float>(op, kernel);
  if (type == "f64") return of_type<double>(op, kernel);
  if (type == "bf16") return of_type<bf16>(op, kernel);
  if (type == "u8") return of_type<uint8_t>(op, kernel);
  if (type == "u32") return of_type<uint32_t>(op, kernel);
  return false;
}

}  // namespace candle
