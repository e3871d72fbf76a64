// The dialect's words in CUDA. No header is included: NVRTC needs none for this.
#pragma nv_diag_suppress 177  // a source takes what it needs of this
typedef unsigned int u32;
typedef unsigned char u8;
typedef float f32;
struct bf16 { unsigned short bits; };

#define DEVICE static __device__ __forceinline__
#define SHARED(type, name, count) __shared__ type name[count]
#define SHARED_OF(type) type*
#define READS(type) const type*
#define BARRIER() __syncthreads()
#define THREAD threadIdx.x
#define GROUP blockIdx.x
#define GROUP_Y blockIdx.y
#define GROUPS gridDim.x
#define INF __int_as_float(0x7f800000)
#define EXP(x) expf(x)
#define LOG(x) logf(x)
#define SQRT(x) sqrtf(x)
#define POW(x, y) powf(x, y)
#define MAX(a, b) fmaxf(a, b)
#define LOAD(x, i) load(x, i)
#define STORE(y, i, v) store(y, i, v)

DEVICE u32 bf16_of(u32 bits);
DEVICE f32 load(const f32* x, u32 i) { return x[i]; }
DEVICE f32 load(const bf16* x, u32 i) { return __uint_as_float((u32)x[i].bits << 16); }
DEVICE u32 load(const u32* x, u32 i) { return x[i]; }
DEVICE u32 load(const u8* x, u32 i) { return x[i]; }
DEVICE void store(f32* y, u32 i, f32 v) { y[i] = v; }
DEVICE void store(bf16* y, u32 i, f32 v) { y[i].bits = (unsigned short)bf16_of(__float_as_uint(v)); }
DEVICE void store(u32* y, u32 i, u32 v) { y[i] = v; }
