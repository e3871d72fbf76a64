// The dialect's words on the host, run by fibers.h. Refused, with kernel, group and thread: an index outside a buffer; a
// number read that nobody wrote; a number of OUT that is never written; one that two threads write, or that one writes and
// another reads, without a barrier between them (in memory outside the group: at all); a barrier that only some threads
// reach. Each buffer is an allocation of its own, of its exact size: the address sanitizer sees what goes around LOAD and STORE.
#pragma once
#include "fibers.h"

typedef uint8_t u8;
typedef float f32;
struct bf16 { uint16_t bits; };

// Who touched a number last.
struct Mark { u32 writer = 0, wrote = 0, reader = 0, other = 0, read = 0; };

// Memory outside the group.
struct Block {
  std::unique_ptr<u8[]> bytes;
  u32 count = 0, size = 0;
  std::vector<Mark> marks;
};

static u32 me() { return (run.group - 1) * run.threads + run.current + 1; }

struct Argument {
  u32 tag = 0, word = 0;
  std::vector<std::shared_ptr<Block>> blocks;
};
typedef std::vector<Argument> Arguments;

template <class E> struct Reads {
  E* data;
  u32 count;
  const char* name;
  Reads(Argument& a, const char* name) : Reads(*a.blocks.at(0), name) {}
  Reads(Block& b, const char* name) : data((E*)b.bytes.get()), count(b.count), name(name) {}
  void check(u32 i) const {
    if (i >= count) fail("reads %s[%u], which has %u numbers", name, i, count);
  }
};

enum Old { NOTHING, KEPT };

template <class E, Old OLD> struct Written {
  E* data;
  u32 count;
  const char* name;
  Mark* marks;
  Written(Argument& a, const char* name) : Written(*a.blocks.at(0), name) {}
  Written(Block& b, const char* name) : data((E*)b.bytes.get()), count(b.count), name(name) {
    if (b.marks.size() != b.count) {
      b.marks.assign(b.count, Mark());
      if (OLD == NOTHING) memset(b.bytes.get(), 0xff, b.count * sizeof(E));
    }
    marks = b.marks.data();

  }

  void check_read(u32 i) const {
    if (i >= count) fail("reads %s[%u], which has %u numbers", name, i, count);
    Mark& m = marks[i];
    if (m.writer && m.writer != me()) fail("race: reads %s[%u], which another thread writes", name, i);
    if (OLD == NOTHING && !m.writer) fail("reads %s[%u], which nobody wrote", name, i);
    if (!m.reader) m.reader = me();
    else if (m.reader != me()) m.other = me();
  }
  void check_write(u32 i) const {
    if (i >= count) fail("writes %s[%u], which has %u numbers", name, i, count);
    Mark& m = marks[i];
    if (m.writer && m.writer != me()) fail("race: writes %s[%u], which another thread writes", name, i);
    if ((m.reader && m.reader != me()) || m.other) fail("race: writes %s[%u], which another thread reads", name, i);
    m.writer = me();
  }
};
template <class E> using Writes = Written<E, NOTHING>;
template <class E> using Updates = Written<E, KEPT>;

template <class X> struct List {
  std::vector<X> items;
  List(Argument& a, const char* name) { for (auto& b : a.blocks) items.emplace_back(*b, name); }
  const X& operator[](u32 k) const {
    if (k >= items.size()) fail("takes number %u of a list of %zu buffers", k, items.size());
    return items[k];
  }
};

struct Uint {
  u32 v;
  Uint(Argument& a, const char*) : v(a.word) {}
  operator u32() const { return v; }
};
struct Float {
  f32 v;
  Float(Argument& a, const char*) { memcpy(&v, &a.word, 4); }
  operator f32() const { return v; }
};

#define DEVICE [[maybe_unused]] static
#include "bf16.h"
static u32 bits_of(f32 v) { u32 b; memcpy(&b, &v, 4); return b; }
static f32 float_of(u32 b) { f32 v; memcpy(&v, &b, 4); return v; }
static f32 value(f32 v) { return v; }
static f32 value(bf16 v) { return float_of(u32(v.bits) << 16); }
static u32 value(u32 v) { return v; }
static u32 value(u8 v) { return v; }
static void put(f32& to, f32 v) { to = v; }
static void put(u32& to, u32 v) { to = v; }
static void put(bf16& to, f32 v) { to.bits = uint16_t(bf16_of(bits_of(v))); }

template <class E> static auto LOAD(const Reads<E>& x, u32 i) { x.check(i); return value(x.data[i]); }
template <class E, Old O> static auto LOAD(const Written<E, O>& x, u32 i) { x.check_read(i); return value(x.data[i]); }
template <class E, Old O, class V> static void STORE(const Written<E, O>& y, u32 i, V v) { y.check_write(i); put(y.data[i], v); }

// Memory of a group.
template <class E> struct Shared {
  struct Cell { E value; u32 group = 0; Mark mark; };
  std::vector<Cell> cells;
  const char* name;
  Shared(u32 count, const char* name) : cells(count), name(name) {}
  Cell& at(u32 i) {
    if (i >= cells.size()) fail("touches %s[%u], which has %zu numbers", name, i, cells.size());
    return cells[i];
  }
  E read(u32 i) {
    Cell& c = at(i);
    if (c.group != run.group) fail("reads %s[%u], which nobody wrote", name, i);
    if (c.mark.writer != me() && c.mark.wrote == run.phase) fail("race: reads %s[%u], which another thread writes", name, i);
    if (c.mark.read != run.phase) c.mark.read = run.phase, c.mark.reader = me(), c.mark.other = 0;
    else if (c.mark.reader != me()) c.mark.other = me();
    return c.value;
  }
  void write(u32 i, E v) {
    Cell& c = at(i);
    if (c.group == run.group) {
      if (c.mark.writer != me() && c.mark.wrote == run.phase) fail("race: writes %s[%u], which another thread writes", name, i);
      if (c.mark.read == run.phase && (c.mark.reader != me() || c.mark.other)) fail("race: writes %s[%u], which another thread reads", name, i);
    }
    c.value = v, c.group = run.group, c.mark.writer = me(), c.mark.wrote = run.phase;
  }
  struct Ref {
    Shared& s;
    u32 i;
    operator E() const { return s.read(i); }
    Ref& operator=(E v) { s.write(i, v); return *this; }
    Ref& operator=(const Ref& o) { return *this = E(o); }
  };
  Ref operator[](u32 i) { return Ref{*this, i}; }
};

#define SHARED(type, name, count) static Shared<type> name(count, #name)
#define SHARED_OF(type) Shared<type>&
#define READS(type) const Reads<type>&
#define BARRIER() barrier(__LINE__)
#define THREAD (run.current)
#define GROUP (run.group_x)
#define GROUP_Y (run.group_y)
#define GROUPS (run.groups_x)
#define INF HUGE_VALF
#define EXP(x) expf(x)
#define LOG(x) logf(x)
#define SQRT(x) sqrtf(x)
#define POW(x, y) powf(x, y)
#define MAX(a, b) fmaxf(a, b)

// The kernels by name.
struct Entry {
  u32 threads;
  void (*call)(Arguments&);
  static std::map<std::string, Entry*>& all() { static std::map<std::string, Entry*> entries; return entries; }
  Entry(const char* name, u32 threads, void (*call)(Arguments&)) : threads(threads), call(call) { all()[name] = this; }
};

// Requests on the standard input: the kernel's name, the order's seed, groups across and down, the arguments: 0 and a word, or
// 1 (IN), 2 (OUT), 3 (INOUT), how many buffers, and of each its bytes, its count and what is in it. Answers on the standard
// output: 1, and the buffers that are not IN.
static void serve() {
  for (;;) {
    u32 across, down;
    const std::string name = asked(across, down);
    run.kernel = name.c_str();
    Arguments arguments(word());
    for (Argument& a : arguments) {
      a.tag = word();
      if (a.tag == 0) { a.word = word(); continue; }
      for (u32 k = word(); k > 0; k--) {
        auto block = std::make_shared<Block>();
        const u32 bytes = word();
        block->count = word();
        block->size = bytes, block->bytes.reset(new u8[bytes]);
        if (bytes && fread(block->bytes.get(), 1, bytes, stdin) != bytes) _Exit(0);
        a.blocks.push_back(block);
      }
    }
    auto found = Entry::all().find(name);
    if (found == Entry::all().end()) fail("no such kernel");
    run.threads = found->second->threads;
    run.body = [&] { found->second->call(arguments); };
    run_groups(across, down);
    for (u32 i = 0; i < arguments.size(); i++)
      for (auto& b : arguments[i].blocks)
        for (u32 k = 0; arguments[i].tag == 2 && k < b->count; k++)
          if (!b->marks.size() || !b->marks[k].writer) fail("number %u of argument %u is never written", k, i);
    const u32 done = 1;
    fwrite(&done, 4, 1, stdout);
    for (Argument& a : arguments)
      for (auto& b : a.blocks)
        if (a.tag != 1) fwrite(b->bytes.get(), 1, b->size, stdout);
    fflush(stdout);
  }
}
