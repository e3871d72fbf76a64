// The dialect's words in Metal. NaN and infinity mean something here: it is to be compiled with its fast mathematics off.
// No Metal compiler has read this yet.
#include <metal_stdlib>
using namespace metal;
typedef uint u32;
typedef uchar u8;
typedef float f32;
struct bf16 { ushort bits; };

#define DEVICE static inline
#define SHARED(type, name, count) threadgroup type name[count]
#define SHARED_OF(type) threadgroup type*
#define READS(type) device const type*
#define BARRIER() threadgroup_barrier(mem_flags::mem_threadgroup)
#define THREAD thread_.x
#define GROUP group_.x
#define GROUP_Y group_.y
#define GROUPS groups_.x
#define INF INFINITY
#define EXP(x) exp(x)
#define LOG(x) log(x)
#define SQRT(x) sqrt(x)
#define POW(x, y) pow(x, y)
#define MAX(a, b) fmax(a, b)
#define LOAD(x, i) load(x, i)
#define STORE(y, i, v) store(y, i, v)

DEVICE u32 bf16_of(u32 bits);
DEVICE f32 load(device const f32* x, u32 i) { return x[i]; }
DEVICE f32 load(device const bf16* x, u32 i) { return as_type<f32>((u32)x[i].bits << 16); }
DEVICE u32 load(device const u32* x, u32 i) { return x[i]; }
DEVICE u32 load(device const u8* x, u32 i) { return x[i]; }
DEVICE void store(device f32* y, u32 i, f32 v) { y[i] = v; }
DEVICE void store(device bf16* y, u32 i, f32 v) { y[i].bits = (ushort)bf16_of(as_type<u32>(v)); }
DEVICE void store(device u32* y, u32 i, u32 v) { y[i] = v; }
