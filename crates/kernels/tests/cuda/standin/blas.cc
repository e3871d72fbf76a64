// Stands for cuBLAS: products as loops, summed in f32. And for cuRAND, which is made and asked for nothing.
#include "candle.h"

enum { OK = 0, NOT_SUPPORTED = 15 };
#define API extern "C" __attribute__((visibility("default"))) int

struct Handle {
  void* stream = nullptr;
};
API cublasCreate_v2(Handle** handle) { return *handle = new Handle, OK; }
API cublasDestroy_v2(Handle* handle) { return delete handle, OK; }
API cublasSetStream_v2(Handle* handle, void* stream) { return handle->stream = stream, OK; }
API cublasSetMathMode(Handle*, int) { return OK; }

enum { F32 = 0, BF16 = 14 };
// Numbers of a matrix that is `transposed`: (rows, columns) in columns of `ld`.
static std::vector<float> matrix(int type, uint64_t at, size_t start, int ld, int rows, int columns, bool transposed) {
  std::vector<float> all(size_t(rows) * columns);
  for (int j = 0; j < columns; j++)
    for (int i = 0; i < rows; i++) {
      const size_t place = start + (transposed ? size_t(i) * ld + j : size_t(j) * ld + i);
      all[size_t(i) * columns + j] =
          float(type == F32 ? candle::read<float>(at, place, "a factor") : candle::read<candle::bf16>(at, place, "a factor"));
    }
  return all;
}

// Columns: c[i + j·ldc] = alpha · Σ a·b + beta · c.
API cublasGemmStridedBatchedEx(Handle* handle, int transa, int transb, int m, int n, int k, const void* alpha, const void* a, int atype,
                               int lda, long long stridea, const void* b, int btype, int ldb, long long strideb, const void* beta, void* c,
                               int ctype, int ldc, long long stridec, int batch, int, int) {
  ALONE;
  for (int type : {atype, btype, ctype})
    if (type != F32 && type != BF16) return NOT_SUPPORTED;
  logged("product %d %d %d %d", m, n, k, batch);
  const float factor = *(const float*)alpha, kept = *(const float*)beta;
  later(handle->stream, "a product", [=] {
    for (int at = 0; at < batch; at++) {
      const std::vector<float> left = matrix(atype, uint64_t(a), at * stridea, lda, m, k, transa);
      const std::vector<float> right = matrix(btype, uint64_t(b), at * strideb, ldb, k, n, transb);
      for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++) {
          float sum = 0;
          for (int l = 0; l < k; l++) sum += left[size_t(i) * k + l] * right[size_t(l) * n + j];
          const size_t to = at * stridec + size_t(j) * ldc + i;
          float old = 0;
          if (kept != 0)
            old = kept * float(ctype == F32 ? candle::read<float>(uint64_t(c), to, "a sum") : candle::read<candle::bf16>(uint64_t(c), to, "a sum"));
          if (ctype == F32) candle::write<float>(uint64_t(c), to, factor * sum + old, "a product");
          else candle::write<candle::bf16>(uint64_t(c), to, factor * sum + old, "a product");
        }
    }
  });
  return OK;
}
API cublasGemmEx(Handle* handle, int transa, int transb, int m, int n, int k, const void* alpha, const void* a, int atype, int lda,
                 const void* b, int btype, int ldb, const void* beta, void* c, int ctype, int ldc, int compute, int algorithm) {
  return cublasGemmStridedBatchedEx(handle, transa, transb, m, n, k, alpha, a, atype, lda, 0, b, btype, ldb, 0, beta, c, ctype, ldc, 0, 1,
                                    compute, algorithm);
}

API curandCreateGenerator(void** generator, int) { return *generator = malloc(1), OK; }
API curandDestroyGenerator(void* generator) { return free(generator), OK; }
API curandSetStream(void*, void*) { return OK; }
API curandSetPseudoRandomGeneratorSeed(void*, unsigned long long) { return OK; }

// What candle is linked with, and no test needs.
API cublasDgemmStridedBatched() { wrong("products in f64 are not implemented"); }
