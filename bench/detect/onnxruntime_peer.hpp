// onnxruntime as a peer: its C library, opened at run time where npm has put it.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace gantry {

// One model with one float input, on the CPU, without spinning threads.
class OnnxruntimePeer {
 public:
  // The library in `npm ci` of tests/peers under `folder`; empty: not there.
  static std::filesystem::path library(const std::filesystem::path& folder);

  // Throws std::runtime_error with the engine's own message.
  OnnxruntimePeer(const std::filesystem::path& library, const std::filesystem::path& model,
                  int threads);
  ~OnnxruntimePeer();
  OnnxruntimePeer(const OnnxruntimePeer&) = delete;
  OnnxruntimePeer& operator=(const OnnxruntimePeer&) = delete;

  // Of the given shape; the values of the first output, whose memory is the engine's until the next
  // call.
  const float* run(const std::vector<float>& input, const std::vector<std::int64_t>& shape);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gantry
