// onnxruntime's C interface by the places of its functions, which are fixed for ever.
// SPDX-License-Identifier: Apache-2.0
#include "bench/detect/onnxruntime_peer.hpp"

#include <stdexcept>
#include <string>

#include <dlfcn.h>

namespace gantry {
namespace {

struct Status;
// Places in OrtApi, whose table only ever grows at its end.
enum Place : std::size_t {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSession = 7,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetIntraOpThreads = 24,
  kSetInterOpThreads = 25,
  kSessionGetInputName = 36,
  kSessionGetOutputName = 37,
  kCreateTensorWithData = 49,
  kGetTensorMutableData = 51,
  kCreateCpuMemoryInfo = 69,
  kGetDefaultAllocator = 78,
  kReleaseStatus = 93,
  kReleaseSession = 95,
  kReleaseValue = 96,
  kAddSessionConfigEntry = 130,
};
struct ApiBase {
  void* const* (*get)(std::uint32_t version);
  const char* (*version)();
};
constexpr std::uint32_t kApiVersion = 17;

}  // namespace

struct OnnxruntimePeer::State {
  void* const* api = nullptr;
  void *session = nullptr, *memory = nullptr, *output = nullptr;
  char *input_name = nullptr, *output_name = nullptr;

  template <typename Result = Status*, typename... Args>
  Result raw(Place place, Args... args) const {
    return reinterpret_cast<Result (*)(Args...)>(api[place])(args...);
  }
  template <typename... Args>
  void call(Place place, Args... args) const {
    Status* status = raw(place, args...);
    if (!status) return;
    const std::string message =
        raw<const char*>(kGetErrorMessage, static_cast<const Status*>(status));
    raw<void>(kReleaseStatus, status);
    throw std::runtime_error("onnxruntime: " + message);
  }
  ~State() {
    if (output) raw<void>(kReleaseValue, output);
    if (session) raw<void>(kReleaseSession, session);
  }
};

std::filesystem::path OnnxruntimePeer::library(const std::filesystem::path& folder) {
#if defined(__x86_64__)
  const char* machine = "x64";
#else
  const char* machine = "arm64";
#endif
  const auto file =
      folder / "node_modules/onnxruntime-node/bin/napi-v6/linux" / machine / "libonnxruntime.so.1";
  return std::filesystem::exists(file) ? file : std::filesystem::path();
}

OnnxruntimePeer::OnnxruntimePeer(const std::filesystem::path& library,
                                 const std::filesystem::path& model, int threads)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  void* opened = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  auto* base =
      opened ? reinterpret_cast<const ApiBase* (*)()>(::dlsym(opened, "OrtGetApiBase")) : nullptr;
  s.api = base ? base()->get(kApiVersion) : nullptr;
  if (!s.api) throw std::runtime_error(library.string() + ": not a usable onnxruntime");
  constexpr int kWarnings = 2;
  void *environment = nullptr, *options = nullptr, *allocator = nullptr;
  s.call(kCreateEnv, kWarnings, "gantry", &environment);
  s.call(kCreateSessionOptions, &options);
  s.call(kSetIntraOpThreads, options, threads);
  s.call(kSetInterOpThreads, options, 1);
  s.call(kAddSessionConfigEntry, options, "session.intra_op.allow_spinning", "0");
  s.call(kCreateSession, environment, model.c_str(), static_cast<const void*>(options), &s.session);
  s.call(kGetDefaultAllocator, &allocator);
  s.call(kSessionGetInputName, static_cast<const void*>(s.session), std::size_t{0}, allocator,
         &s.input_name);
  s.call(kSessionGetOutputName, static_cast<const void*>(s.session), std::size_t{0}, allocator,
         &s.output_name);
  constexpr int kArena = 1, kDefaultMemory = 0;
  s.call(kCreateCpuMemoryInfo, kArena, kDefaultMemory, &s.memory);
}

OnnxruntimePeer::~OnnxruntimePeer() = default;

const float* OnnxruntimePeer::run(const std::vector<float>& input,
                                  const std::vector<std::int64_t>& shape) {
  State& s = *state_;
  constexpr int kFloat = 1;
  void* tensor = nullptr;
  s.call(kCreateTensorWithData, static_cast<const void*>(s.memory),
         static_cast<void*>(const_cast<float*>(input.data())), input.size() * sizeof(float),
         shape.data(), shape.size(), kFloat, &tensor);
  if (s.output) s.raw<void>(kReleaseValue, s.output);
  s.output = nullptr;
  const char* input_names[] = {s.input_name};
  const char* output_names[] = {s.output_name};
  const void* inputs[] = {tensor};
  s.call(kRun, s.session, static_cast<const void*>(nullptr),
         static_cast<const char* const*>(input_names), static_cast<const void* const*>(inputs),
         std::size_t{1}, static_cast<const char* const*>(output_names), std::size_t{1}, &s.output);
  s.raw<void>(kReleaseValue, tensor);
  void* values = nullptr;
  s.call(kGetTensorMutableData, s.output, &values);
  return static_cast<const float*>(values);
}

}  // namespace gantry
