// A library that stands in for cuDNN's, for tests without a GPU: descriptors are attributes by number, and the three convolutions are
// loops in double, in the order of a stream and on the memory that ../cuda/standin/memory.h has. It refuses what the real one refuses of
// what this project asks: attributes of another type or count, descriptors that are not finished, one that is changed after it was
// finished. Numbers are those of cuDNN 9.
#include "../cuda/standin/memory.h"

enum { OK = 0, BAD = 2000, NOT_FINISHED = 2004, NOT_SUPPORTED = 3000 };
enum { HANDLE = 0, DATA = 1, I64 = 3, FLOAT = 4, POINTER = 6, MODE = 7, HEURISTIC = 8, NOTE = 11, DESCRIPTOR = 15 };
enum { CONVOLUTION = 1, ENGINE = 2, CONFIGURATION = 3, FINDER = 4, PLAN = 5, FORWARD = 10, WEIGHT = 11, INPUT = 12, GRAPH = 15, PACK = 16, TENSOR = 17 };

struct Value {
  int type;
  int64_t count;
  std::vector<char> bytes;
};
struct Object {
  int kind;
  bool finished = false;
  int engine = -1;          // of configurations and engines
  Object* graph = nullptr;  // of configurations
  std::map<int, Value> values;
  template <class V> const V* of(int name) const { return (const V*)values.at(name).bytes.data(); }
  Object* other(int name) const { return *of<Object*>(name); }
};

static std::mutex lock;
static std::string said;
static int live = 0, executed = -1, found = 0;

// Which engine the heuristic names at last; −1: none but the fallback, −2: it fails but for the fallback, −3: none at all.
static int wanted = getenv("TALLOW_STANDIN_ENGINE") ? atoi(getenv("TALLOW_STANDIN_ENGINE")) : 3;

static int refuse(int status, const std::string& why) {
  said = why;
  return status;
}

static int size_of(int type) {
  switch (type) {
    case DATA: case FLOAT: case MODE: case HEURISTIC: case NOTE: return 4;
    case HANDLE: case I64: case POINTER: case DESCRIPTOR: return 8;
  }
  return 0;
}

// What a kind needs before it is finished: attribute, type, count.
struct Need { int name, type; int64_t count; };
static std::vector<Need> needs(int kind) {
  switch (kind) {
    case TENSOR: return {{901, DATA, 1}, {902, I64, 4}, {903, I64, 4}, {906, I64, 1}, {900, I64, 1}};
    case CONVOLUTION: return {{100, DATA, 1}, {101, MODE, 1}, {106, I64, 1}, {102, I64, 2}, {103, I64, 2}, {104, I64, 2}, {105, I64, 2}};
    case FORWARD: return {{700, FLOAT, 1}, {701, FLOAT, 1}, {702, DESCRIPTOR, 1}, {703, DESCRIPTOR, 1}, {704, DESCRIPTOR, 1}, {705, DESCRIPTOR, 1}};
    case INPUT: return {{706, FLOAT, 1}, {707, FLOAT, 1}, {708, DESCRIPTOR, 1}, {709, DESCRIPTOR, 1}, {710, DESCRIPTOR, 1}, {711, DESCRIPTOR, 1}};
    case WEIGHT: return {{712, FLOAT, 1}, {713, FLOAT, 1}, {714, DESCRIPTOR, 1}, {715, DESCRIPTOR, 1}, {716, DESCRIPTOR, 1}, {717, DESCRIPTOR, 1}};
    case GRAPH: return {{800, HANDLE, 1}, {801, DESCRIPTOR, 1}};
    case FINDER: return {{201, DESCRIPTOR, 1}, {200, HEURISTIC, 1}};
    case PLAN: return {{400, HANDLE, 1}, {401, DESCRIPTOR, 1}};
    case PACK: return {{1000, I64, 3}, {1001, POINTER, 3}, {1003, POINTER, 1}};
  }
  return {};
}

// Engines: 0 is not deterministic, 1 cannot be built, 2 rounds f32 for tensor cores, 3 is as asked, 4 is the fallback.
static std::vector<uint32_t> notes(int engine) {
  if (engine == 0) return {4};
  if (engine == 2) return {0};
  return {5, 41};  // one that no header knows
}

static const int WORKSPACE = 96;

struct Library {
  void* stream = nullptr;
};

#define API extern "C" __attribute__((visibility("default")))
API int cudnnCreate(Library** handle) { return *handle = new Library, OK; }
API int cudnnDestroy(Library* handle) { return delete handle, OK; }
API int cudnnSetStream(Library* handle, void* stream) { return handle->stream = stream, OK; }
API size_t cudnnGetVersion() { return 92100; }
API void cudnnGetLastErrorString(char* to, size_t size) { snprintf(to, size, "%s", said.c_str()); }

API int cudnnBackendCreateDescriptor(int kind, void** to) {
  std::lock_guard<std::mutex> held(lock);
  Object* object = new Object();
  object->kind = kind;
  *to = object;
  live++;
  return OK;
}
API int cudnnBackendDestroyDescriptor(void* object) {
  std::lock_guard<std::mutex> held(lock);
  delete (Object*)object;
  live--;
  return OK;
}

API int cudnnBackendSetAttribute(void* to, int name, int type, int64_t count, const void* data) {
  Object* object = (Object*)to;
  if (object->finished) return refuse(BAD, "changed after it was finished");
  for (const Need& need : needs(object->kind)) {
    if (need.name != name) continue;
    if (need.type != type || need.count != count) return refuse(BAD, "an attribute of another type or count");
    if (type == DESCRIPTOR && !(*(Object**)data)->finished) return refuse(NOT_FINISHED, "refers to what is not finished");
    object->values[name] = {type, count, std::vector<char>((char*)data, (char*)data + count * size_of(type))};
    return OK;
  }
  return refuse(BAD, "no attribute of this kind");
}

// Whether sizes fit each other.
static int fits(const Object* operation) {
  const int first = operation->kind == FORWARD ? 702 : operation->kind == INPUT ? 708 : 714;
  const Object *kind = operation->other(first);
  const Object *x, *w, *y;
  if (operation->kind == FORWARD) w = operation->other(703), x = operation->other(704), y = operation->other(705);
  else if (operation->kind == INPUT) w = operation->other(709), x = operation->other(710), y = operation->other(711);
  else w = operation->other(715), x = operation->other(716), y = operation->other(717);
  const int64_t *a = x->of<int64_t>(902), *b = w->of<int64_t>(902), *c = y->of<int64_t>(902);
  if (a[0] != c[0] || c[1] != b[0] || a[1] % b[1] != 0) return refuse(BAD, "rows or channels do not fit");
  for (int k = 0; k < 2; k++) {
    const int64_t reach = kind->of<int64_t>(102)[k] * (b[2 + k] - 1) + 1;
    const int64_t wide = a[2 + k] + kind->of<int64_t>(105)[k] + kind->of<int64_t>(104)[k] - reach;
    if (wide < 0 || wide / kind->of<int64_t>(103)[k] + 1 != c[2 + k]) return refuse(BAD, "sides do not fit");
  }
  return OK;
}

API int cudnnBackendFinalize(void* of) {
  Object* object = (Object*)of;
  for (const Need& need : needs(object->kind))
    if (!object->values.count(need.name)) return refuse(BAD, "an attribute is missing");
  if (object->kind == FORWARD || object->kind == INPUT || object->kind == WEIGHT)
    if (int status = fits(object)) return status;
  if (object->kind == PLAN && object->other(401)->engine == 1) return refuse(NOT_SUPPORTED, "no such engine on this device");
  if (object->kind == FINDER && wanted == -2 && *object->of<uint32_t>(200) != 2) return refuse(NOT_SUPPORTED, "no heuristic");
  if (object->kind == PLAN) found++;
  object->finished = true;
  return OK;
}

API int cudnnBackendGetAttribute(void* of, int name, int type, int64_t most, int64_t* count, void* to) {
  Object* object = (Object*)of;
  if (object->kind == FINDER && name == 202 && type == DESCRIPTOR) {
    std::vector<int> engines;
    if (*object->of<uint32_t>(200) == 2) engines = wanted == -3 ? std::vector<int>{} : std::vector<int>{4};
    else if (wanted >= 0) engines = {0, 1, 2, wanted};
    *count = engines.size();
    for (int64_t i = 0; i < most && i < *count; i++) {
      Object* result = ((Object**)to)[i];
      if (result->kind != CONFIGURATION) return refuse(BAD, "expected configurations");
      result->engine = engines[i], result->graph = object->other(201), result->finished = true;
    }
    return OK;
  }
  if (object->kind == CONFIGURATION && name == 300 && type == DESCRIPTOR && most == 1) {
    Object* engine = *(Object**)to;
    engine->engine = object->engine, engine->finished = true;
    *count = 1;
    return OK;
  }
  if (object->kind == ENGINE && name == 1303 && type == NOTE) {
    std::vector<uint32_t> all = notes(object->engine);
    *count = all.size();
    for (int64_t i = 0; i < most && i < *count; i++) ((uint32_t*)to)[i] = all[i];
    return OK;
  }
  if (object->kind == PLAN && name == 402 && type == I64 && object->finished) {
    *count = 1;
    *(int64_t*)to = WORKSPACE;
    return OK;
  }
  return refuse(BAD, "nothing to read");
}

// An operand as an execution finds it: what it was made of may be gone by then.
struct Operand {
  int64_t sizes[4], strides[4];
  int type = 0;
  uint64_t data = 0;

  Operand() = default;
  Operand(const Object* tensor, uint64_t data) : type(*tensor->of<int>(901)), data(data) {
    memcpy(sizes, tensor->of<int64_t>(902), sizeof sizes);
    memcpy(strides, tensor->of<int64_t>(903), sizeof strides);
  }
  int64_t count() const { return sizes[0] * sizes[1] * sizes[2] * sizes[3]; }
  int64_t at(int64_t a, int64_t b, int64_t c, int64_t d) const { return a * strides[0] + b * strides[1] + c * strides[2] + d * strides[3]; }
  size_t bytes() const { return type == 0 ? 4 : 2; }

  std::vector<double> numbers() const {
    const uint8_t* from = readable(data, count() * bytes(), "an operand of a convolution");
    std::vector<double> all(count());
    for (int64_t i = 0; i < count(); i++) {
      uint32_t bits = 0;
      if (type == 0) memcpy(&bits, from + 4 * i, 4);
      else memcpy((char*)&bits + 2, from + 2 * i, 2);
      float v;
      memcpy(&v, &bits, 4);
      all[i] = v;
    }
    return all;
  }
  void fill(const std::vector<double>& all) const {
    uint8_t* to = writable(data, count() * bytes(), "the result of a convolution");
    for (int64_t i = 0; i < count(); i++) {
      const float v = (float)all[i];
      uint32_t bits;
      memcpy(&bits, &v, 4);
      if (type != 0) bits = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
      memcpy(to + i * bytes(), &bits, bytes());
    }
  }
};

struct Job {
  int kind;
  Operand x, w, y;
  int64_t dilation[2], stride[2], padding[2];

  void run() const {
    const Operand& target = kind == FORWARD ? y : kind == INPUT ? x : w;
    const std::vector<double> none, xs = kind == INPUT ? none : x.numbers(), ws = kind == WEIGHT ? none : w.numbers(),
                                    ys = kind == FORWARD ? none : y.numbers();
    std::vector<double> sums(target.count(), 0.0);
    const int64_t outs = w.sizes[0] / (x.sizes[1] / w.sizes[1]);
    for (int64_t n = 0; n < y.sizes[0]; n++)
      for (int64_t o = 0; o < y.sizes[1]; o++)
        for (int64_t i = 0; i < y.sizes[2]; i++)
          for (int64_t j = 0; j < y.sizes[3]; j++)
            for (int64_t c = 0; c < w.sizes[1]; c++)
              for (int64_t u = 0; u < w.sizes[2]; u++)
                for (int64_t v = 0; v < w.sizes[3]; v++) {
                  const int64_t r = i * stride[0] + u * dilation[0] - padding[0], q = j * stride[1] + v * dilation[1] - padding[1];
                  if (r < 0 || q < 0 || r >= x.sizes[2] || q >= x.sizes[3]) continue;
                  const int64_t ax = x.at(n, o / outs * w.sizes[1] + c, r, q), aw = w.at(o, c, u, v), ay = y.at(n, o, i, j);
                  if (kind == FORWARD) sums[ay] += xs[ax] * ws[aw];
                  else if (kind == INPUT) sums[ax] += ws[aw] * ys[ay];
                  else sums[aw] += xs[ax] * ys[ay];
                }
    target.fill(sums);
  }
};

API int cudnnBackendExecute(Library* library, void* what, void* with) {
  const Object *plan = (Object*)what, *pack = (Object*)with;
  if (!plan->finished || !pack->finished || plan->kind != PLAN || pack->kind != PACK) return refuse(BAD, "no plan and its operands");
  const Object* configuration = plan->other(401);
  const Object* operation = configuration->graph->other(801);
  const uint64_t* data = pack->of<uint64_t>(1001);
  const int64_t* ids = pack->of<int64_t>(1000);
  auto operand = [&](int name) {
    const Object* tensor = operation->other(name);
    for (int k = 0; k < 3; k++)
      if (ids[k] == *tensor->of<int64_t>(906)) return Operand(tensor, data[k]);
    return Operand();
  };
  Job job;
  job.kind = operation->kind;
  const int base = job.kind == FORWARD ? 702 : job.kind == INPUT ? 708 : 714;
  if (job.kind == FORWARD) job.w = operand(703), job.x = operand(704), job.y = operand(705);
  else if (job.kind == INPUT) job.w = operand(709), job.x = operand(710), job.y = operand(711);
  else job.w = operand(715), job.x = operand(716), job.y = operand(717);
  const Object* geometry = operation->other(base);
  for (int k = 0; k < 2; k++) {
    job.dilation[k] = geometry->of<int64_t>(102)[k], job.stride[k] = geometry->of<int64_t>(103)[k];
    job.padding[k] = geometry->of<int64_t>(105)[k];
  }
  const uint64_t workspace = *pack->of<uint64_t>(1003);
  const char* name = job.kind == FORWARD ? "convolution_forward" : job.kind == INPUT ? "convolution_input" : "convolution_weight";
  logged("%s %d", name, configuration->engine);
  executed = configuration->engine;
  later(library->stream, name, [=] {
    memset(writable(workspace, WORKSPACE, "the workspace"), 0x5a, WORKSPACE);
    job.run();
  });
  return OK;
}

// For tests: descriptors that are not destroyed yet, the engine of the last execution, plans built, and what the heuristic names.
API int standin_live() { return live; }
API int standin_executed() { return executed; }
API int standin_plans() { return found; }
API void standin_want(int engine) { wanted = engine; }
