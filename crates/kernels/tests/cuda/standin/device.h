// What CUDA's language is for a C++ compiler, so that the very text that NVRTC gets runs on the host: a fiber for each thread of a
// group, groups one after another, threads in an order drawn anew between barriers. What LOAD and STORE touch is checked.
#pragma once
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <utility>

namespace standin {

struct Touch {
  uint8_t* (*readable)(uint64_t, size_t, const char*);
  uint8_t* (*writable)(uint64_t, size_t, const char*);
  void (*wrong)(const char*);
};
static const Touch* touch;
struct Three { unsigned x = 0, y = 0, z = 0; };
static Three thread, block, grid;

// The number itself, where it may be touched.
template <class E> const E* read(const E* x, unsigned i, const char* name) {
  return (const E*)touch->readable(uint64_t(x) + i * sizeof(E), sizeof(E), name);
}
template <class E> E* write(E* x, unsigned i, const char* name) {
  return (E*)touch->writable(uint64_t(x) + i * sizeof(E), sizeof(E), name);
}

// A kernel, and how it is called with arguments as the driver has them.
struct Kernel {
  const char* name;
  unsigned threads;
  const size_t* sizes;
  size_t count;
  void (*kernel)();
  void (*call)(void (*kernel)(), void** arguments);
  Kernel* next;
  static Kernel*& first() { static Kernel* first = nullptr; return first; }

  template <class... Ts> Kernel(const char* name, unsigned threads, void (*of)(Ts...)) : name(name), threads(threads), next(first()) {
    static const size_t all[] = {sizeof(Ts)...};
    sizes = all, count = sizeof...(Ts), kernel = (void (*)())of;
    call = [](void (*kernel)(), void** a) { go((void (*)(Ts...))kernel, a, std::index_sequence_for<Ts...>()); };
    first() = this;
  }
  template <class... Ts, size_t... I> static void go(void (*kernel)(Ts...), void** a, std::index_sequence<I...>) {
    kernel(*(std::remove_const_t<Ts>*)a[I]...);
  }
};

enum { MOST = 1024, STACK = 64 << 10 };
static char* stacks[MOST];

// A fiber, and how another goes on in its place.
#ifdef __x86_64__
// Where its stack is, with the registers that a call keeps: the C library's way asks the system for signals at each switch.
typedef void* Fiber;
asm(".text\nstandin_switch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\nmovq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n");
extern "C" __attribute__((visibility("hidden"))) void standin_switch(void** from, void* to);
static void go_on(Fiber& from, Fiber& to) { standin_switch(&from, to); }
static void made(Fiber& fiber, char* stack, void (*begin)()) {
  void** top = (void**)(uint64_t(stack + STACK) & ~uint64_t(15)) - 2;
  top[0] = (void*)begin;
  fiber = memset(top - 6, 0, 6 * sizeof(void*));
}
#else
typedef ucontext_t Fiber;
static void go_on(Fiber& from, Fiber& to) { swapcontext(&from, &to); }
static void made(Fiber& fiber, char* stack, void (*begin)()) {
  getcontext(&fiber);
  fiber.uc_stack.ss_sp = stack;
  fiber.uc_stack.ss_size = STACK;
  fiber.uc_link = nullptr;
  makecontext(&fiber, begin, 0);
}
#endif

static Fiber fibers[MOST], caller;
static int stopped[MOST];  // at the barrier of this line; 0: running; -1: at its end
static const Kernel* now;
static void** arguments;

static void begin() {
  now->call(now->kernel, arguments);
  stopped[thread.x] = -1;
  go_on(fibers[thread.x], caller);
}
static void barrier(int line) {
  const unsigned me = thread.x;
  stopped[me] = line;
  go_on(fibers[me], caller);
}

static unsigned below(unsigned n) {
  static uint64_t order = 88172645463325252ull;
  order ^= order << 13, order ^= order >> 7, order ^= order << 17;
  return unsigned((order >> 32) % n);
}

static void group(unsigned n) {
  unsigned order[MOST];
  for (unsigned t = 0; t < n; t++) {
    order[t] = t, stopped[t] = 0;
    if (!stacks[t]) stacks[t] = (char*)malloc(STACK);
    made(fibers[t], stacks[t], begin);
  }
  do {
    for (unsigned t = n; t > 1; t--) std::swap(order[t - 1], order[below(t)]);
    for (unsigned t = 0; t < n; t++) {
      thread.x = order[t], stopped[thread.x] = 0;
      go_on(caller, fibers[thread.x]);
    }
    for (unsigned t = 0; t < n; t++)
      if (stopped[t] != stopped[0]) touch->wrong("some threads wait at a barrier and others do not");
  } while (stopped[0] >= 0);
}

}  // namespace standin

extern "C" void standin_kernels(void (*visit)(void*, const char*, unsigned, const size_t*, size_t, const void*), void* to) {
  for (auto* k = standin::Kernel::first(); k; k = k->next) visit(to, k->name, k->threads, k->sizes, k->count, k);
}
extern "C" void standin_run(const void* kernel, void** arguments, unsigned across, unsigned down, const standin::Touch* touch) {
  standin::now = (const standin::Kernel*)kernel, standin::arguments = arguments;
  standin::touch = touch;
  standin::grid.x = across, standin::grid.y = down;
  for (unsigned y = 0; y < down; y++)
    for (unsigned x = 0; x < across; x++) {
      standin::block.x = x, standin::block.y = y;
      standin::group(standin::now->threads);
    }
}

#define __global__
#define __device__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(n)
#define __shared__ static
#define __syncthreads() standin::barrier(__LINE__)
#define threadIdx standin::thread
#define blockIdx standin::block
#define gridDim standin::grid
static inline float __uint_as_float(unsigned b) { float v; memcpy(&v, &b, 4); return v; }
static inline float __int_as_float(int b) { return __uint_as_float((unsigned)b); }
static inline unsigned __float_as_uint(float v) { unsigned b; memcpy(&b, &v, 4); return b; }
