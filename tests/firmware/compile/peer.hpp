// Runs models with onnxruntime, which the engine is compared with.
//
// Needs node and `npm ci --ignore-scripts` of tests/peers in $GANTRY_PEERS (default build/peers).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "bench/detect/file_bytes.hpp"
#include "tests/firmware/compile/onnx_model.hpp"
#include "tests/paths.hpp"

namespace gantry::compile_test {

namespace fs = std::filesystem;

inline const fs::path kSource = GANTRY_SOURCE_DIR;
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

inline bool long_form() {
  const char* v = std::getenv("GANTRY_LONG");
  return v && std::string(v) == "1";
}

inline fs::path peers() {
  const char* v = std::getenv("GANTRY_PEERS");
  return v ? fs::path(v) : kSource / "build/peers";
}

inline bool have_peer() {
  return std::system("node --version >/dev/null 2>&1") == 0 &&
         fs::exists(peers() / "node_modules/onnxruntime-node");
}

// A folder that goes away with its owner.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "gantry-peer-XXXXXX").string();
    path_ = ::mkdtemp(name.data()) ? name : "";
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline Tensor read_tensor(const fs::path& file, const Shape& shape) {
  Tensor t(shape);
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(t.values.data()),
          static_cast<std::streamsize>(t.values.size() * sizeof(float)));
  EXPECT_TRUE(in.good()) << file;
  return t;
}

// Every output of the model, by name.
inline std::map<std::string, Tensor> peer_outputs(const onnx::ModelProto& model,
                                                  const NamedTensors& inputs) {
  const Scratch scratch;
  {
    std::ofstream out(scratch / "model.onnx", std::ios::binary);
    EXPECT_TRUE(model.SerializeToOstream(&out));
  }
  std::string command = "GANTRY_PEERS='" + peers().string() + "' node '" +
                        (kSource / "tests/peers/onnx_layers.mjs").string() + "' '" +
                        (scratch / "model.onnx").string() + "' '" + scratch.path().string() + "'";
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& [name, tensor] = inputs[i];
    const fs::path file = scratch / ("input" + std::to_string(i));
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(tensor.values.data()),
               static_cast<std::streamsize>(tensor.values.size() * sizeof(float)));
    std::string dims;
    for (const auto d : tensor.shape) dims += (dims.empty() ? "" : "x") + std::to_string(d);
    command.append(" '")
        .append(name)
        .append("=")
        .append(dims)
        .append("=")
        .append(file.string())
        .append("'");
  }
  std::map<std::string, Tensor> outputs;
  const int status = std::system(command.c_str());
  EXPECT_EQ(status, 0) << command;
  if (status != 0) return outputs;
  std::ifstream index(scratch / "index.json");
  for (const auto& entry : nlohmann::json::parse(index))
    outputs[entry["name"]] =
        read_tensor(scratch / entry["file"].get<std::string>(), entry["dims"].get<Shape>());
  return outputs;
}

// The largest difference, over the tensor's largest value.
inline double difference(const std::vector<float>& got, const Tensor& want) {
  if (got.size() != want.values.size()) return INFINITY;
  double largest = 1e-30, worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double d = std::fabs(double{got[i]} - want.values[i]);
    if (got[i] == want.values[i]) continue;
    worst = std::isnan(d) ? INFINITY : std::max(worst, d);
  }
  for (const float v : want.values)
    if (std::isfinite(v)) largest = std::max(largest, double{std::fabs(v)});
  return worst / largest;
}

inline constexpr double kAgreement = 1e-3;

// Every output of the model, here and there.
inline void expect_peer_agrees(const Model& model, const NamedTensors& inputs,
                               const std::string& what) {
  const Plan plan = compiled(model);
  std::vector<Tensor> values;
  for (const auto& in : inputs) values.push_back(in.second);
  const auto got = run(plan, values);
  const auto want = peer_outputs(model.proto, inputs);
  ASSERT_EQ(want.size(), got.size()) << what;
  for (std::size_t o = 0; o < got.size(); ++o) {
    const auto& name = plan.tensors()[plan.outputs()[o]].name;
    ASSERT_TRUE(want.contains(name)) << what;
    EXPECT_EQ(got[o].shape, want.at(name).shape) << what << ", " << name;
    EXPECT_LT(difference(got[o].values, want.at(name)), kAgreement) << what << ", " << name;
  }
}

}  // namespace gantry::compile_test
