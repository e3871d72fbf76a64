// A library that stands in for cuDNN's, for tests without a GPU: descriptors are attributes by number, device memory is the host's,
// and the three convolutions are loops in double. It refuses what the real one refuses of what this project asks: attributes of
// another type or count, descriptors that are not finished, one that is changed after it was finished. Numbers are those of cuDNN 9.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <map>
#include <mutex>
#include <string>
#include <vector>

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

// Which engine the heuristic names at last; −1: none but the fallback, −2: it fails but for the fallback.
static int wanted = 3;

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

extern "C" {
int cudnnCreate(void** handle) { *handle = new int(7); return OK; }
int cudnnDestroy(void* handle) { delete (int*)handle; return OK; }
int cudnnSetStream(void*, void*) { return OK; }
size_t cudnnGetVersion() { return 92100; }
void cudnnGetLastErrorString(char* to, size_t size) { snprintf(to, size, "%s", said.c_str()); }

int cudnnBackendCreateDescriptor(int kind, void** to) {
  std::lock_guard<std::mutex> held(lock);
  Object* object = new Object();
  object->kind = kind;
  *to = object;
  live++;
  return OK;
}
int cudnnBackendDestroyDescriptor(void* object) {
  std::lock_guard<std::mutex> held(lock);
  delete (Object*)object;
  live--;
  return OK;
}

int cudnnBackendSetAttribute(void* to, int name, int type, int64_t count, const void* data) {
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

int cudnnBackendFinalize(void* of) {
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

int cudnnBackendGetAttribute(void* of, int name, int type, int64_t most, int64_t* count, void* to) {
  Object* object = (Object*)of;
  if (object->kind == FINDER && name == 202 && type == DESCRIPTOR) {
    std::vector<int> engines;
    if (*object->of<uint32_t>(200) == 2) engines = {4};
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

static double get(const void* data, int type, int64_t i) {
  if (type == 0) return ((const float*)data)[i];
  uint32_t bits = (uint32_t)((const uint16_t*)data)[i] << 16;
  float v;
  memcpy(&v, &bits, 4);
  return v;
}
static void put(void* data, int type, int64_t i, double v) {
  if (type == 0) { ((float*)data)[i] = (float)v; return; }
  float f = (float)v;
  uint32_t bits;
  memcpy(&bits, &f, 4);
  ((uint16_t*)data)[i] = (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

struct Operand {
  const Object* tensor;
  char* data;
  const int64_t* sizes() const { return tensor->of<int64_t>(902); }
  int type() const { return *tensor->of<int>(901); }
  int64_t at(int64_t a, int64_t b, int64_t c, int64_t d) const {
    const int64_t* s = tensor->of<int64_t>(903);
    return a * s[0] + b * s[1] + c * s[2] + d * s[3];
  }
};

int cudnnBackendExecute(void*, void* what, void* with) {
  const Object *plan = (Object*)what, *pack = (Object*)with;
  if (!plan->finished || !pack->finished || plan->kind != PLAN || pack->kind != PACK) return refuse(BAD, "no plan and its operands");
  Object* configuration = plan->other(401);
  const Object* operation = configuration->graph->other(801);
  void** data = (void**)pack->values.at(1001).bytes.data();
  const int64_t* ids = pack->of<int64_t>(1000);
  auto operand = [&](int name) {
    Operand o{operation->other(name), nullptr};
    for (int k = 0; k < 3; k++)
      if (ids[k] == *o.tensor->of<int64_t>(906)) o.data = (char*)data[k];
    return o;
  };
  const int kind = operation->kind, base = kind == FORWARD ? 702 : kind == INPUT ? 708 : 714;
  const Object* geometry = operation->other(base);
  Operand x, w, y;
  if (kind == FORWARD) w = operand(703), x = operand(704), y = operand(705);
  else if (kind == INPUT) w = operand(709), x = operand(710), y = operand(711);
  else w = operand(715), x = operand(716), y = operand(717);
  memset(*(void**)pack->values.at(1003).bytes.data(), 0x5a, WORKSPACE);
  const int64_t *xs = x.sizes(), *ws = w.sizes(), *ys = y.sizes();
  const int64_t *dilation = geometry->of<int64_t>(102), *stride = geometry->of<int64_t>(103), *padding = geometry->of<int64_t>(105);
  const int64_t groups = xs[1] / ws[1], outs = ws[0] / groups;
  const Operand& target = kind == FORWARD ? y : kind == INPUT ? x : w;
  const int64_t* sizes = target.sizes();
  std::vector<double> sums(sizes[0] * sizes[1] * sizes[2] * sizes[3], 0.0);
  for (int64_t n = 0; n < ys[0]; n++)
    for (int64_t o = 0; o < ys[1]; o++)
      for (int64_t i = 0; i < ys[2]; i++)
        for (int64_t j = 0; j < ys[3]; j++)
          for (int64_t c = 0; c < ws[1]; c++)
            for (int64_t u = 0; u < ws[2]; u++)
              for (int64_t v = 0; v < ws[3]; v++) {
                const int64_t r = i * stride[0] + u * dilation[0] - padding[0], q = j * stride[1] + v * dilation[1] - padding[1];
                if (r < 0 || q < 0 || r >= xs[2] || q >= xs[3]) continue;
                const int64_t channel = o / outs * ws[1] + c;
                const int64_t ax = x.at(n, channel, r, q), aw = w.at(o, c, u, v), ay = y.at(n, o, i, j);
                if (kind == FORWARD) sums[ay] += get(x.data, x.type(), ax) * get(w.data, w.type(), aw);
                else if (kind == INPUT) sums[ax] += get(w.data, w.type(), aw) * get(y.data, y.type(), ay);
                else sums[aw] += get(x.data, x.type(), ax) * get(y.data, y.type(), ay);
              }
  for (size_t k = 0; k < sums.size(); k++) put(target.data, target.type(), k, sums[k]);
  executed = configuration->engine;
  return OK;
}

// For tests: descriptors that are not destroyed yet, the engine of the last execution, plans built, and what the heuristic names.
int standin_live() { return live; }
int standin_executed() { return executed; }
int standin_plans() { return found; }
void standin_want(int engine) { wanted = engine; }
}
