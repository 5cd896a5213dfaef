// What fp16 costs: the network of our own, layer by layer, each on what fp32 gave to it, and all of
// them one after the other.
// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <set>

#include "tests/firmware/compile/peer.hpp"

namespace gantry::compile_test {
namespace {

constexpr double kHalfAgreement = 1e-2;

struct Network {
  fs::path file;
  std::int64_t size;  // of the picture's sides; 0: the model's own
};

class HalfNetwork {
 public:
  explicit HalfNetwork(const Network& network)
      : fast_(compiled(network, "nvidia", &layers_)),
        exact_(compiled(network, "cpu", nullptr)),
        queue_(device().make_queue()),
        half_(device(), fast_, queue_, PlanRunner::Foreign::run),
        single_(device(), exact_, queue_, PlanRunner::Foreign::run) {
    const PlanTensor& in = single_.inputs()[0];
    Random random(1);
    const Tensor picture = random.tensor(in.shape, 0, 1);
    for (PlanRunner* r : {&half_, &single_}) r->write(r->inputs()[0].name, picture.values);
    EXPECT_EQ(single_.compute({}, nullptr), Status::ok);
    for (const auto& t : exact_.tensors())
      if (!t.name.empty() && t.storage != Plan::Storage::weights) known_.insert(t.name);
  }

  // The worst of all layers, each with the inputs of fp32, as fp16 holds them.
  double apart() {
    double worst = 0;
    for (std::size_t s = 0; s < fast_.steps().size(); ++s) {
      if (fast_.steps()[s].layer.starts_with("output ")) continue;  // the same tensor once more
      const std::string& made = layers_.layers[s].tensor;
      for (const auto& name : tensors_of(fast_.steps()[s])) {
        auto values = wanted(name).values;
        if (name == made) std::ranges::fill(values, std::nanf(""));
        half_.write(name, values);
      }
      EXPECT_EQ(half_.compute_step(s), Status::ok);
      if (!known_.contains(made)) continue;  // of the compiler's own: its reader has it as it is
      const double d = difference(half_.read(made), wanted(made));
      EXPECT_LT(d, kHalfAgreement) << fast_.steps()[s].layer << ", " << made;
      worst = std::max(worst, d);
    }
    return worst;
  }

  // The worst of all layers where each has what fp16 made before it.
  double together() {
    EXPECT_EQ(half_.compute({}, nullptr), Status::ok);
    double worst = 0;
    for (const auto& t : fast_.tensors())
      if (known_.contains(t.name)) {
        const double d = difference(half_.read(t.name), wanted(t.name));
        worst = std::max(worst, d);
      }
    return worst;
  }

 private:
  static Plan compiled(const Network& network, const char* target, compile::Report* report) {
    compile::Options options;
    options.target = target;
    options.keep_all_tensors = true;
    if (network.size) options.width = options.height = network.size;
    options.batch = 1;
    return Plan::from_bytes(compile::compile_bytes(
        file_bytes(network.file.string()), network.file.filename().string(), options, report));
  }

  std::set<std::string> tensors_of(const Plan::Step& step) const {
    std::set<std::string> names;
    for (const auto& a : step.arguments)
      if (a.kind == Plan::Argument::Kind::tensor && known_.contains(fast_.tensors()[a.tensor].name))
        names.insert(fast_.tensors()[a.tensor].name);
    return names;
  }

  const Tensor& wanted(const std::string& name) {
    const auto found = wanted_.find(name);
    if (found != wanted_.end()) return found->second;
    Tensor t;
    t.values = single_.read(name);
    return wanted_.emplace(name, std::move(t)).first->second;
  }

  compile::Report layers_;  // of the fp16 plan's steps
  Plan fast_, exact_;
  cl::CommandQueue queue_;
  PlanRunner half_, single_;
  std::set<std::string> known_;
  std::map<std::string, Tensor> wanted_;
};

void expect_layers_agree(const Network& network) {
  HalfNetwork n(network);
  const double together = n.together(), apart = n.apart();
  std::printf("%s: worst layer %.2e of its largest value, after those before it %.2e\n",
              network.file.filename().c_str(), apart, together);
  EXPECT_GT(together, apart);  // what is handed on is what adds up
}

TEST(Half, LayersOfOurNetworkAgreeWithSingle) {
  expect_layers_agree({kSource / "firmware/models/gantry-1.onnx", 128});
}

TEST(Half, LayersOfYolo11AgreeWithSingle) {
  const fs::path file = kSource / "../shared/models/yolo11n_coco_1024.onnx";
  if (!long_form() || !fs::exists(file)) GTEST_SKIP() << "GANTRY_LONG=1 and ../shared/models";
  expect_layers_agree({file, 0});
}

}  // namespace
}  // namespace gantry::compile_test
