// Stands for the driver, libcuda.so.1: one device, whose work runs on the host when something waits for it, not before. A stream
// that nobody waits for is never run: work that another stream should have waited for is then missing, and its numbers are refused.
#include "memory.h"
#include "candle.h"
#include <dlfcn.h>
#include <memory>
#include <thread>

void moved(uint64_t to, uint64_t from, size_t bytes);
uint64_t allocated(size_t bytes);
void given_back(uint64_t at);
void release(uint64_t at);

enum { OK = 0, INVALID_VALUE = 1, INVALID_DEVICE = 101, INVALID_PTX = 218, NOT_FOUND = 500 };
#define API extern "C" __attribute__((visibility("default"))) int

struct Work {
  std::string name;
  std::function<void()> run;
};
struct Stream {
  std::deque<Work> work;
  uint64_t asked = 0, done = 0;
};

static auto& streams = *new std::map<void*, std::unique_ptr<Stream>>;
static auto& of_threads = *new std::map<std::thread::id, std::unique_ptr<Stream>>;

// Handles 0 and 1 are the one that all share, 2 is the calling thread's own.
static Stream& stream_of(void* handle) {
  if (handle == (void*)2) {
    auto& mine = of_threads[std::this_thread::get_id()];
    if (!mine) mine.reset(new Stream);
    return *mine;
  }
  if (handle == (void*)1) handle = nullptr;
  auto& known = streams[handle];
  if (!known) {
    if (handle) wrong("a stream that is none: %p", handle);
    known.reset(new Stream);
  }
  return *known;
}

static void run(Stream& stream, uint64_t until) {
  while (stream.done < until && !stream.work.empty()) {
    Work work = std::move(stream.work.front());
    stream.work.pop_front();
    const std::string before = running;
    running = work.name;
    work.run();
    running = before;
    stream.done++;
  }
}
static void drain(Stream& stream) { run(stream, stream.asked); }
static void drain_all() {
  for (auto& stream : streams) drain(*stream.second);
  for (auto& stream : of_threads) drain(*stream.second);
}

static void put(Stream& stream, std::string name, std::function<void()> work) {
  stream.work.push_back({std::move(name), std::move(work)});
  stream.asked++;
}
void later(void* stream, std::string name, std::function<void()> work) { put(stream_of(stream), std::move(name), std::move(work)); }

// Device and context.
API cuInit(unsigned) { return OK; }
API cuDriverGetVersion(int* version) { return *version = 13000, OK; }
API cuDeviceGetCount(int* count) { return *count = 1, OK; }
API cuDeviceGet(int* device, int ordinal) { return *device = ordinal, ordinal == 0 ? OK : INVALID_DEVICE; }
API cuDeviceGetName(char* name, int length, int) { return snprintf(name, length, "stand-in for a GPU"), OK; }
API cuDeviceTotalMem_v2(size_t* bytes, int) { return *bytes = size_t(8) << 30, OK; }
API cuDeviceGetAttribute(int* value, int attribute, int) {
  // Compute capability 9.0; memory comes from a pool.
  *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 115 ? 1 : 0;
  return OK;
}
static char the_context;
static thread_local void* current = nullptr;
API cuDevicePrimaryCtxRetain(void** context, int) { return *context = &the_context, OK; }
API cuDevicePrimaryCtxRelease_v2(int) { return OK; }
API cuCtxGetCurrent(void** context) { return *context = current, OK; }
API cuCtxSetCurrent(void* context) { return current = context, OK; }
API cuCtxSynchronize() { ALONE; return logged("wait"), drain_all(), OK; }
API cuCtxDestroy_v2(void*) { return OK; }
API cuMemGetInfo_v2(size_t* free, size_t* total) { return *free = *total = size_t(8) << 30, OK; }
API cuGetErrorName(int code, const char** name) {
  static thread_local char text[32];
  snprintf(text, sizeof text, "status %d", code);
  return *name = text, OK;
}
API cuGetErrorString(int code, const char** text) { return cuGetErrorName(code, text); }

// Streams and events.
static int new_stream(void** stream) {
  ALONE;
  *stream = malloc(1);
  streams[*stream].reset(new Stream);
  return OK;
}
API cuStreamCreate(void** stream, unsigned) { return new_stream(stream); }
API cuStreamCreateWithPriority(void** stream, unsigned, int) { return new_stream(stream); }
API cuStreamDestroy_v2(void* stream) { ALONE; return drain(stream_of(stream)), streams.erase(stream), OK; }
API cuStreamSynchronize(void* stream) { ALONE; return logged("wait"), drain(stream_of(stream)), OK; }
API cuStreamIsCapturing(void*, int* status) { return *status = 0, OK; }

struct Event {
  Stream* stream = nullptr;
  uint64_t until = 0;
};
API cuEventCreate(Event** event, unsigned) { return *event = new Event, OK; }
API cuEventDestroy_v2(Event* event) { return delete event, OK; }
API cuEventRecord(Event* event, void* stream) {
  ALONE;
  event->stream = &stream_of(stream), event->until = event->stream->asked;
  return OK;
}
API cuEventSynchronize(Event* event) {
  ALONE;
  if (event->stream) run(*event->stream, event->until);
  return OK;
}
API cuEventQuery(Event* event) { return cuEventSynchronize(event); }
API cuStreamWaitEvent(void* stream, Event* event, unsigned) {
  ALONE;
  // As it is now: what is recorded later does not matter.
  const Event seen = *event;
  if (seen.stream && seen.stream != &stream_of(stream)) later(stream, "a wait", [seen] { run(*seen.stream, seen.until); });
  return OK;
}

// Memory.
API cuMemAlloc_v2(uint64_t* at, size_t bytes) { ALONE; return bytes ? (*at = allocated(bytes), OK) : INVALID_VALUE; }
// Of no bytes too, which candle asks for: sizes of a scalar.
API cuMemAllocAsync(uint64_t* at, size_t bytes, void*) { ALONE; return *at = allocated(bytes), OK; }
API cuMemFree_v2(uint64_t at) { ALONE; return drain_all(), given_back(at), release(at), OK; }
API cuMemFreeAsync(uint64_t at, void* stream) {
  ALONE;
  given_back(at);
  return later(stream, "a free", [at] { release(at); }), OK;
}
static auto& pinned = *new std::map<uint64_t, size_t>;
API cuMemHostAlloc(void** at, size_t bytes, unsigned) {
  ALONE;
  *at = malloc(bytes ? bytes : 1);
  return pinned[uint64_t(*at)] = bytes, OK;
}
API cuMemFreeHost(void* at) { ALONE; return drain_all(), pinned.erase(uint64_t(at)), free(at), OK; }
static bool is_pinned(const void* at) {
  auto next = pinned.upper_bound(uint64_t(at));
  return next != pinned.begin() && uint64_t(at) < std::prev(next)->first + std::prev(next)->second;
}

// From memory that the system may move the driver takes the bytes at once; the copy itself is the stream's.
API cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream) {
  ALONE;
  logged("upload %zu", bytes);
  if (is_pinned(from)) return later(stream, "an upload", [=] { memcpy(writable(to, bytes, "the target"), from, bytes); }), OK;
  auto kept = std::make_shared<std::vector<uint8_t>>((const uint8_t*)from, (const uint8_t*)from + bytes);
  return later(stream, "an upload", [=] { memcpy(writable(to, bytes, "the target"), kept->data(), bytes); }), OK;
}
API cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream) {
  ALONE;
  logged("read %zu", bytes);
  later(stream, "a read by the host", [=] { memcpy(to, readable(from, bytes, "the device's memory"), bytes); });
  if (!is_pinned(to)) drain(stream_of(stream));
  return OK;
}
API cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream) {
  ALONE;
  logged("copy %zu", bytes);
  return later(stream, "a copy", [=] { moved(to, from, bytes); }), OK;
}
API cuMemsetD8Async(uint64_t at, unsigned char value, size_t bytes, void* stream) {
  ALONE;
  logged("fill %zu", bytes);
  return later(stream, "a fill", [=] { memset(writable(at, bytes, "the target"), value, bytes); }), OK;
}
API cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) { ALONE; return cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr), drain_all(), OK; }
API cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) { ALONE; return drain_all(), cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr); }
API cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) { ALONE; return cuMemcpyDtoDAsync_v2(to, from, bytes, nullptr), drain_all(), OK; }
API cuMemsetD8_v2(uint64_t at, unsigned char value, size_t bytes) { ALONE; return cuMemsetD8Async(at, value, bytes, nullptr), drain_all(), OK; }

// Modules and kernels.
struct Function {
  std::string name;
  unsigned threads = 0;  // of a group, where the kernel says so
  std::vector<size_t> sizes;
  // Runs it: arguments, groups across and down.
  std::function<void(void**, unsigned, unsigned)> run;
};
struct Module {
  std::map<std::string, std::unique_ptr<Function>> functions;
  bool ours = false;
};
struct Touch {
  uint8_t* (*readable)(uint64_t, size_t, const char*);
  uint8_t* (*writable)(uint64_t, size_t, const char*);
  void (*wrong)(const char*);
};
static void refused(const char* text) { wrong("%s", text); }
static const Touch touch = {readable, writable, refused};
typedef void (*Visit)(void* to, const char* name, unsigned threads, const size_t* sizes, size_t count, const void* kernel);

static int load(Module** module, const char* image) {
  ALONE;
  std::unique_ptr<Module> made(new Module);
  const char* mark = "// stand-in ";
  if (strncmp(image, mark, strlen(mark)) == 0) {
    const char* path = image + strlen(mark);
    void* library = dlopen(std::string(path, strcspn(path, "\n")).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) return INVALID_PTX;
    made->ours = true;
    auto all = (void (*)(Visit, void*))dlsym(library, "standin_kernels");
    auto go = (void (*)(const void*, void**, unsigned, unsigned, const Touch*))dlsym(library, "standin_run");
    struct Into { Module* module; decltype(go) run; } into{made.get(), go};
    all([](void* to, const char* name, unsigned threads, const size_t* sizes, size_t count, const void* kernel) {
      Into& into = *(Into*)to;
      auto& function = into.module->functions[name];
      function.reset(new Function);
      function->name = name, function->threads = threads, function->sizes.assign(sizes, sizes + count);
      auto go = into.run;
      function->run = [=](void** arguments, unsigned across, unsigned down) { go(kernel, arguments, across, down, &touch); };
    }, &into);
  }
  logged("module");
  return *module = made.release(), OK;
}
API cuModuleLoadData(Module** module, const void* image) { return load(module, (const char*)image); }
API cuModuleLoad(Module**, const char* file) { wrong("modules from files are not implemented: %s", file); }
API cuModuleUnload(Module* module) { ALONE; return drain_all(), delete module, OK; }
API cuModuleGetFunction(Function** function, Module* module, const char* name) {
  ALONE;
  logged("function");
  auto found = module->functions.find(name);
  if (found == module->functions.end()) {
    candle::Kernel kernel;
    if (module->ours || !candle::find(name, kernel)) {
      fprintf(stderr, "stand-in for a GPU: no kernel `%s`%s\n", name, module->ours ? "" : ": of candle's it has only a few (candle.h)");
      return NOT_FOUND;
    }
    auto& made = module->functions[name];
    made.reset(new Function);
    made->name = name, made->sizes = kernel.sizes;
    auto go = kernel.run;
    made->run = [=](void** arguments, unsigned, unsigned) { go(arguments); };
    *function = made.get();
  } else {
    *function = found->second.get();
  }
  return OK;
}
API cuFuncSetAttribute(Function*, int, int) { return OK; }
API cuFuncGetAttribute(int* value, int, Function*) { return *value = 0, OK; }
API cuFuncSetCacheConfig(Function*, int) { return OK; }
API cuLaunchKernel(Function* function, unsigned across, unsigned down, unsigned deep, unsigned x, unsigned y, unsigned z, unsigned,
                   void* stream, void** given, void**) {
  ALONE;
  if (!across || !down || !deep || !x || across > 0x7fffffffu || down > 65535 || deep > 65535) return INVALID_VALUE;
  if (function->threads && (x != function->threads || y != 1 || z != 1 || deep != 1))
    wrong("%s: launched with %u×%u×%u threads, made for %u", function->name.c_str(), x, y, z, function->threads);
  logged("launch %s %u %u", function->name.c_str(), across, down);
  size_t size = 0;
  for (size_t each : function->sizes) size += each;
  auto bytes = std::make_shared<std::vector<uint8_t>>(size);
  std::vector<size_t> places;
  size_t at = 0;
  for (size_t i = 0; i < function->sizes.size(); i++) {
    memcpy(bytes->data() + at, given[i], function->sizes[i]);
    places.push_back(at), at += function->sizes[i];
  }
  later(stream, function->name, [=] {
    std::vector<void*> arguments;
    for (size_t place : places) arguments.push_back(bytes->data() + place);
    function->run(arguments.data(), across, down);
  });
  return OK;
}

// What candle is linked with, and one device never needs.
API cuMemcpyPeerAsync(uint64_t, void*, uint64_t, void*, size_t, void*) { wrong("copies between devices are not implemented"); }
