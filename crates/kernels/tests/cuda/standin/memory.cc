// Allocations, and the log.
#include "memory.h"
#include <unistd.h>
#include <fcntl.h>

std::recursive_mutex everything;
std::string running;

static const size_t GUARD = 64, KEPT = 4096;
static const uint8_t FENCE = 0xFD, NEW = 0xA5, FREED = 0xDD;
// None of these ends before the program does.
static auto& blocks = *new std::map<uint64_t, Block>;
// Freed ones keep their addresses for a while, so that no late reader finds another's numbers.
static auto& freed = *new std::deque<uint8_t*>;
static size_t left = 0, bytes_left = 0;
static Block* last = nullptr;

static Block* block_of(uint64_t at) {
  if (last && at >= last->at && at <= last->at + last->bytes) return last;
  auto next = blocks.upper_bound(at);
  if (next == blocks.begin()) return nullptr;
  Block& block = std::prev(next)->second;
  return at <= block.at + block.bytes ? last = &block : nullptr;
}

static Block& within(uint64_t at, size_t bytes, const char* what, const char* does) {
  Block* block = block_of(at);
  if (!block) wrong("%s %s at %#lx, where no memory is (freed, or never allocated)", does, what, at);
  if (at + bytes > block->at + block->bytes)
    wrong("%s %s beyond its memory: bytes %zu to %zu of %zu", does, what, size_t(at - block->at), size_t(at - block->at) + bytes, block->bytes);
  return *block;
}

uint8_t* readable(uint64_t at, size_t bytes, const char* what) {
  Block& block = within(at, bytes, what, "reads");
  for (size_t i = at - block.at, end = i + bytes; i < end; i++)
    if (!block.written[i]) wrong("reads %s, byte %zu of %zu, which nobody wrote", what, i, block.bytes);
  return (uint8_t*)at;
}

uint8_t* writable(uint64_t at, size_t bytes, const char* what) {
  Block& block = within(at, bytes, what, "writes");
  memset(block.written.data() + (at - block.at), 1, bytes);
  return (uint8_t*)at;
}

// From one allocation to another, with what was never written.
void moved(uint64_t to, uint64_t from, size_t bytes) {
  Block &source = within(from, bytes, "the source of a copy", "reads"), &sink = within(to, bytes, "the target of a copy", "writes");
  memmove((void*)to, (void*)from, bytes);
  memmove(sink.written.data() + (to - sink.at), source.written.data() + (from - source.at), bytes);
}

uint64_t allocated(size_t bytes) {
  uint8_t* base = (uint8_t*)aligned_alloc(256, (GUARD * 8 + bytes + 255) / 256 * 256);
  const uint64_t at = uint64_t(base) + 256;
  memset(base, FENCE, 256);
  memset((void*)at, NEW, bytes);
  memset((void*)(at + bytes), FENCE, GUARD);
  Block& block = blocks[at];
  block.at = at, block.bytes = bytes, block.written.assign(bytes, 0);
  logged("alloc %zu", bytes);
  left++, bytes_left += bytes;
  return at;
}

// Asked for; done when the stream comes to it.
void given_back(uint64_t at) {
  logged("free");
  auto found = blocks.find(at);
  if (found == blocks.end()) wrong("frees %#lx, where no memory begins (freed twice?)", at);
  left--, bytes_left -= found->second.bytes;
}

void release(uint64_t at) {
  auto found = blocks.find(at);
  if (found == blocks.end()) wrong("frees %#lx, where no memory begins (freed twice?)", at);
  const size_t bytes = found->second.bytes;
  for (size_t i = 0; i < GUARD; i++)
    if (((uint8_t*)at)[bytes + i] != FENCE || ((uint8_t*)at)[-1 - int(i)] != FENCE)
      wrong("something wrote beside an allocation of %zu bytes", bytes);
  memset((void*)at, FREED, bytes);
  blocks.erase(found);
  last = nullptr;
  freed.push_back((uint8_t*)at - 256);
  if (freed.size() > KEPT) free(freed.front()), freed.pop_front();
}

void logged(const char* format, ...) {
  static const char* name = getenv("TALLOW_STANDIN_LOG");
  if (!name) return;
  static const int file = open(name, O_WRONLY | O_APPEND | O_CREAT, 0644);
  char line[1024];
  va_list list;
  va_start(list, format);
  int n = vsnprintf(line, sizeof line - 1, format, list);
  va_end(list);
  line[n++] = '\n';
  if (write(file, line, n) != n) wrong("the log cannot be written");
}

// What is still there at the end.
__attribute__((destructor)) static void balance() { logged("left %zu allocations %zu bytes", left, bytes_left); }
