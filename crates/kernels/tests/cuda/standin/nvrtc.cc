// Stands for NVRTC: the host's C++ compiler reads the text behind device.h. What it gives as PTX names the library that it made.
#include "memory.h"
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fstream>
#include <regex>
#include <sstream>

enum { OK = 0, INVALID_OPTION = 5, COMPILATION = 6, INTERNAL = 11 };
#define API extern "C" __attribute__((visibility("default"))) int

struct Program {
  std::string text, name, ptx, log;
};

static std::string read(const std::string& file) {
  std::ifstream in(file);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// The folder of this library, where device.h lies too.
static std::string folder() {
  Dl_info info;
  if (!dladdr((void*)folder, &info)) wrong("no folder of its own");
  const std::string path = info.dli_fname;
  const std::string here = path.substr(0, path.rfind('/'));
  char* whole = realpath(here.c_str(), nullptr);
  std::string found = whole ? whole : here;
  free(whole);
  return found;
}

// A word of the dialect in cuda.h, in whose place stands another; it has to be there.
static void replaced(std::string& text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  if (at == std::string::npos) wrong("a kernel's text has no `%s`", from.c_str());
  text.replace(at, from.size(), to);
}

API nvrtcVersion(int* major, int* minor) { return *major = 13, *minor = 0, OK; }
API nvrtcGetNumSupportedArchs(int* count) { return *count = 2, OK; }
API nvrtcGetSupportedArchs(int* known) { return known[0] = 80, known[1] = 90, OK; }
extern "C" __attribute__((visibility("default"))) const char* nvrtcGetErrorString(int) { return "an error of the stand-in for NVRTC"; }
API nvrtcCreateProgram(Program** program, const char* text, const char* name, int, const char* const*, const char* const*) {
  return *program = new Program{text, name ? name : "default", "", ""}, OK;
}
API nvrtcDestroyProgram(Program** program) { return delete *program, *program = nullptr, OK; }

API nvrtcCompileProgram(Program* program, int count, const char* const* options) {
  ALONE;
  bool architecture = false;
  for (int i = 0; i < count; i++) {
    const std::string option = options[i];
    architecture |= option == "--gpu-architecture=compute_90";
    if (option != "--gpu-architecture=compute_90" && option != "--std=c++17") return program->log = "unknown option " + option, INVALID_OPTION;
  }
  if (!architecture) return program->log = "no architecture is named", INVALID_OPTION;
  logged("compile %s", program->name.c_str());
  std::string text = program->text;
  replaced(text, "#define LOAD(x, i) load(x, i)", "#define LOAD(x, i) load(standin::read(x, i, #x), 0)");
  replaced(text, "#define STORE(y, i, v) store(y, i, v)", "#define STORE(y, i, v) store(standin::write(y, i, #y), 0, v)");
  std::ostringstream whole;
  whole << "#include \"device.h\"\n#line 1 \"" << program->name << "\"\n" << text << "\n";
  static const std::regex head("__global__ void __launch_bounds__\\((\\d+)\\) (\\w+)\\(");
  for (std::sregex_iterator at(text.begin(), text.end(), head), end; at != end; ++at)
    whole << "static standin::Kernel standin_" << (*at)[2] << "(\"" << (*at)[2] << "\", " << (*at)[1] << ", " << (*at)[2] << ");\n";
  const std::string here = folder(), made = here + "/made";
  mkdir(made.c_str(), 0755);
  uint64_t hash = 0xcbf29ce484222325ull;
  for (unsigned char c : read(here + "/device.h") + whole.str()) hash = (hash ^ c) * 0x100000001b3ull;
  char name[64];
  snprintf(name, sizeof name, "/%016lx", hash);
  const std::string library = made + name + ".so", part = made + name + "." + std::to_string(getpid());
  if (access(library.c_str(), R_OK) != 0) {
    std::ofstream(part + ".cc") << whole.str();
    const char* named = getenv("CXX");
    const std::string command = std::string(named ? named : "c++") + " -std=c++17 -O1 -w -fPIC -shared -ffp-contract=off -I '" + here + "' '" + part +
                                ".cc' -o '" + part + ".so' 2> '" + part + ".log'";
    const int failed = system(command.c_str());
    program->log = read(part + ".log");
    unlink((part + ".cc").c_str()), unlink((part + ".log").c_str());
    if (failed) return COMPILATION;
    if (rename((part + ".so").c_str(), library.c_str())) return INTERNAL;
  }
  program->ptx = "// stand-in " + library + "\n";
  return OK;
}
API nvrtcGetProgramLogSize(Program* program, size_t* size) { return *size = program->log.size() + 1, OK; }
API nvrtcGetProgramLog(Program* program, char* log) { return memcpy(log, program->log.c_str(), program->log.size() + 1), OK; }
API nvrtcGetPTXSize(Program* program, size_t* size) { return *size = program->ptx.size() + 1, OK; }
API nvrtcGetPTX(Program* program, char* ptx) { return memcpy(ptx, program->ptx.c_str(), program->ptx.size() + 1), OK; }
