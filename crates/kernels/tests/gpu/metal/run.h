// Metal kernels on the host: their texts behind this folder's <metal_stdlib>, run by fibers.h, with arguments in slots as an encoder
// binds them. Refused, with the kernel: a slot that its head names and nothing is bound to, one that is bound and not named, scalars of
// another size than its struct's. Each buffer is an allocation of its own, of its exact size, for the address sanitizer.
#pragma once
#include "../fibers.h"

// What is bound.
struct Slots {
  std::map<u32, uint8_t*> at;
  u32 scalars = 0;  // bytes of them
};

// The kernels by name.
struct Entry {
  u32 threads;
  std::vector<u32> slots;  // that the head names
  u32 scalars;
  void (*call)(Slots&);
  static std::map<std::string, Entry*>& all() { static std::map<std::string, Entry*> entries; return entries; }
  Entry(const char* name, u32 threads, std::vector<u32> slots, u32 scalars, void (*call)(Slots&))
      : threads(threads), slots(slots), scalars(scalars), call(call) { all()[name] = this; }
};

static std::vector<uint8_t*> bytes_asked(u32 count, std::vector<u32>& sizes, std::vector<u32>* written) {
  std::vector<uint8_t*> all;
  for (u32 i = 0; i < count; i++) {
    if (written) written->push_back(word());
    sizes.push_back(word());
    all.push_back(new uint8_t[sizes.back()]);
    if (sizes.back() && fread(all.back(), 1, sizes.back(), stdin) != sizes.back()) _Exit(0);
  }
  return all;
}

// Requests on the standard input: the beginning of fibers.h; how many buffers, and of each whether it is written, its bytes and what
// is in it; how many slots have one, and of each its number and which; how many (0 or 1) have scalars: the slot, their bytes, and
// they. Answers on the standard output: 1, and the buffers that are written.
static void serve() {
  for (;;) {
    u32 across, down;
    const std::string name = asked(across, down);
    run.kernel = name.c_str();
    std::vector<u32> sizes, written, bytes;
    std::vector<uint8_t*> buffers = bytes_asked(word(), sizes, &written), scalars;
    Slots slots;
    for (u32 k = word(); k > 0; k--) {
      const u32 slot = word();
      slots.at[slot] = buffers.at(word());
    }
    if (word()) {
      const u32 slot = word();
      scalars = bytes_asked(1, bytes, nullptr);
      slots.at[slot] = scalars[0], slots.scalars = bytes[0];
    }
    auto found = Entry::all().find(name);
    if (found == Entry::all().end()) fail("no such kernel");
    const Entry& entry = *found->second;
    for (u32 slot : entry.slots)
      if (!slots.at.count(slot)) fail("slot %u is named, and nothing is bound to it", slot);
    if (slots.at.size() != entry.slots.size()) fail("%zu slots are bound, %zu are named", slots.at.size(), entry.slots.size());
    if (slots.scalars != entry.scalars) fail("%u bytes of scalars, where the struct has %u", slots.scalars, entry.scalars);
    run.threads = entry.threads;
    run.body = [&] { entry.call(slots); };
    run_groups(across, down);
    const u32 done = 1;
    fwrite(&done, 4, 1, stdout);
    for (u32 i = 0; i < buffers.size(); i++)
      if (written[i]) fwrite(buffers[i], 1, sizes[i], stdout);
    fflush(stdout);
    for (uint8_t* each : buffers) delete[] each;
    for (uint8_t* each : scalars) delete[] each;
  }
}

// Metal's words are taken from here on.
#undef INFINITY
#define RUN_ON_THE_HOST
#include <metal_stdlib>
namespace metal {
void threadgroup_barrier(mem_flags flags) {
  if (flags != mem_flags::mem_threadgroup) fail("a barrier of other memory than a group's");
  barrier(1);
}
float exp(float x) { return expf(x); }
float log(float x) { return logf(x); }
float sqrt(float x) { return sqrtf(x); }
float pow(float x, float y) { return powf(x, y); }
float fmax(float a, float b) { return fmaxf(a, b); }
}
