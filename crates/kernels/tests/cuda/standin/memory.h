// Memory of the device that the stand-in is: allocations on the host, guarded, and for every byte whether it was written.
#pragma once
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

// Of all that the stand-in has: its calls run one after another.
extern std::recursive_mutex everything;
#define ALONE std::lock_guard<std::recursive_mutex> alone(everything)

// What runs now, for messages.
extern std::string running;

// A mistake of the program under test, which cannot go on.
[[noreturn]] inline void wrong(const char* format, ...) {
  fprintf(stderr, "stand-in for a GPU: %s%s", running.c_str(), running.empty() ? "" : ": ");
  va_list list;
  va_start(list, format);
  vfprintf(stderr, format, list);
  va_end(list);
  fputc('\n', stderr);
  fflush(stderr);
  _Exit(3);
}

struct Block {
  uint64_t at = 0;
  size_t bytes = 0;
  std::vector<uint8_t> written;
};

// The numbers from `at` on, which have to be within one allocation; those that are read have been written before.
uint8_t* readable(uint64_t at, size_t bytes, const char* what);
uint8_t* writable(uint64_t at, size_t bytes, const char* what);

// A line of the log, where TALLOW_STANDIN_LOG names a file: what was asked for, in the order in which it was.
void logged(const char* format, ...);

// Keeps work back until something waits for the stream.
void later(void* stream, std::string name, std::function<void()> work);
