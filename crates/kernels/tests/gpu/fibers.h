// A GPU's groups on the host: a fiber for each thread of a group, groups one after another. Threads run in an order drawn anew between
// barriers. Refused, with kernel, group and thread: a barrier that only some threads reach.
#pragma once
#include <ucontext.h>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

typedef uint32_t u32;

struct Run {
  const char* kernel = "";
  u32 threads = 0, current = 0;
  u32 group_x = 0, group_y = 0, groups_x = 0;
  u32 group = 0;  // counts all groups of a launch from 1
  u32 phase = 0;  // counts stretches between barriers, over all groups
  std::vector<ucontext_t> fibers;
  std::vector<std::unique_ptr<char[]>> stacks;
  std::vector<int> stopped;  // at the barrier of this line; 0: running; -1: at its end
  ucontext_t main;
  std::function<void()> body;
  const void* main_stack = nullptr;
  size_t main_size = 0;
};
static Run run;
static const size_t STACK = 64 << 10;

[[noreturn]] static void fail(const char* format, ...) {
  fprintf(stderr, "%s: group (%u, %u), thread %u: ", run.kernel, run.group_x, run.group_y, run.current);
  va_list list;
  va_start(list, format);
  vfprintf(stderr, format, list);
  va_end(list);
  fputc('\n', stderr);
  fflush(stderr);
  _Exit(3);
}

// Fibers, and what the address sanitizer has to know of them.
static void switched(void* fake) {
#ifdef SANITIZED
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#else
  (void)fake;
#endif
}

static void to_main(bool ends) {
  const u32 me = run.current;
  void* fake = nullptr;
#ifdef SANITIZED
  __sanitizer_start_switch_fiber(ends ? nullptr : &fake, run.main_stack, run.main_size);
#endif
  swapcontext(&run.fibers[me], &run.main);
  (void)ends;
  switched(fake);
}

static void begin() {
#ifdef SANITIZED
  __sanitizer_finish_switch_fiber(nullptr, &run.main_stack, &run.main_size);
#endif
  run.body();
  run.stopped[run.current] = -1;
  to_main(true);
}

static void resume(u32 thread) {
  run.current = thread;
  run.stopped[thread] = 0;
  void* fake = nullptr;
#ifdef SANITIZED
  __sanitizer_start_switch_fiber(&fake, run.stacks[thread].get(), STACK);
#endif
  swapcontext(&run.main, &run.fibers[thread]);
  switched(fake);
}

static void barrier(int line) {
  run.stopped[run.current] = line;
  to_main(false);
}

static uint64_t order = 1;
static u32 random_below(u32 n) {
  order ^= order << 13, order ^= order >> 7, order ^= order << 17;
  return u32((order >> 32) % n);
}

// One group, from barrier to barrier.
static void run_group() {
  const u32 n = run.threads;
  run.group++;
  while (run.fibers.size() < n) {
    run.fibers.emplace_back();
    run.stacks.emplace_back(new char[STACK]);
  }
  run.stopped.assign(n, 0);
  for (u32 t = 0; t < n; t++) {
    getcontext(&run.fibers[t]);
    run.fibers[t].uc_stack.ss_sp = run.stacks[t].get();
    run.fibers[t].uc_stack.ss_size = STACK;
    run.fibers[t].uc_link = nullptr;
    makecontext(&run.fibers[t], begin, 0);
  }
  std::vector<u32> threads(n);
  for (u32 t = 0; t < n; t++) threads[t] = t;
  for (;;) {
    run.phase++;
    for (u32 t = n; t > 1; t--) std::swap(threads[t - 1], threads[random_below(t)]);
    for (u32 t : threads) resume(t);
    for (u32 t = 0; t < n; t++)
      if (run.stopped[t] != run.stopped[0]) {
        run.current = t;
        fail("divergent barrier: some threads wait at one and others do not");
      }
    if (run.stopped[0] < 0) return;
  }
}

// All groups of a launch, with the body that `run` has.
static void run_groups(u32 across, u32 down) {
  run.groups_x = across;
  for (u32 y = 0; y < down; y++)
    for (u32 x = 0; x < across; x++) {
      run.group_x = x, run.group_y = y;
      run_group();
    }
}

// What is asked on the standard input.
static u32 word() {
  u32 w;
  if (fread(&w, 4, 1, stdin) != 1) _Exit(0);
  return w;
}

// A launch's beginning: the kernel's name, the order's seed, groups across and down.
static std::string asked(u32& across, u32& down) {
  std::string name(word(), ' ');
  if (fread(&name[0], 1, name.size(), stdin) != name.size()) _Exit(0);
  run.group = run.phase = 0;
  order = (uint64_t(word()) << 20) + 88172645463325252ull;
  across = word(), down = word();
  return name;
}
