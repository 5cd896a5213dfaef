// Agreement with onnxruntime: every layer of real networks, and random graphs.
//
// Needs node and `npm ci --ignore-scripts` of tests/peers in $GANTRY_PEERS (default build/peers), the
// real networks those beside the repository. With GANTRY_LONG=1 every tensor of every network is
// compared, otherwise the outputs of the smaller ones.
// SPDX-License-Identifier: Apache-2.0
#include "tests/firmware/compile/peer.hpp"

#include <set>

namespace gantry::compile_test {
namespace {

struct Network {
  const char* file;
  float scale;  // inputs are 0 … scale
  bool small;
};
constexpr Network kNetworks[] = {{"yolox_nano_coco_416", 255, true},
                                 {"yolov8n_coco_640", 1, true},
                                 {"footandball_1024x1024", 1, false},
                                 {"yolo11n_coco_1024", 1, false}};

// Runs the plan, asks the peer for the tensors that the plan names, and compares.
void compare_network(const Network& network, bool every_layer, bool fuse) {
  const fs::path path = kSource / "../shared/models" / (std::string(network.file) + ".onnx");
  compile::Options options;
  options.keep_all_tensors = every_layer;
  options.fuse = fuse;
  options.target = device().info().kind == gpu::Kind::gpu ? "gpu" : "cpu";
  const auto bytes = file_bytes(path.string());
  const Plan plan = Plan::from_bytes(compile::compile_bytes(bytes, path.string(), options));
  auto queue = device().make_queue();
  PlanRunner runner(device(), plan, queue);
  Random random(7);
  std::vector<std::pair<std::string, Tensor>> inputs;
  for (const auto& in : runner.inputs()) {
    inputs.emplace_back(in.name, random.tensor(in.shape, 0, network.scale));
    const auto& values = inputs.back().second.values;
    std::memcpy(in.memory.host, values.data(), values.size() * sizeof(float));
    ASSERT_EQ(gpu::upload(queue, in.memory, in.memory.bytes, {}, nullptr), Status::ok);
  }
  ASSERT_EQ(runner.run({}, nullptr), Status::ok);
  queue.finish();

  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  std::set<std::string> outputs, planned;
  for (const auto& o : model.graph().output()) outputs.insert(o.name());
  for (const auto& t : plan.tensors()) planned.insert(t.name);
  if (every_layer)
    for (const auto& node : model.graph().node())
      for (const auto& o : node.output())
        if (planned.contains(o) && outputs.insert(o).second)
          model.mutable_graph()->add_output()->set_name(o);
  const auto wanted = peer_outputs(model, inputs);
  ASSERT_EQ(wanted.size(), outputs.size());
  double worst = 0;
  for (const auto& [name, want] : wanted) {
    const double d = difference(runner.read(name), want);
    EXPECT_LT(d, kAgreement) << network.file << ", " << name;
    worst = std::max(worst, d);
  }
  std::printf("%s%s: %zu tensors, worst %.1e of the largest value\n", network.file,
              fuse ? "" : " unfused", wanted.size(), worst);
}

TEST(Peer, NetworksAgree) {
  if (!have_peer())
    GTEST_SKIP() << "no onnxruntime-node in " << peers() << " (npm ci of tests/peers)";
  if (!fs::exists(kSource / "../shared/models")) GTEST_SKIP() << "../shared/models is absent";
  for (const Network& n : kNetworks) {
    if (long_form()) {
      compare_network(n, true, true);
      compare_network(n, true, false);
      compare_network(n, false, true);
    } else if (n.small) {
      compare_network(n, false, true);
    }
  }
}

// Grows a graph of images from one input: each new node reads a random earlier one.
class RandomGraph {
 public:
  explicit RandomGraph(unsigned seed) : random_(seed), cases_(13) {
    input_ = random_.tensor({random_.integer(1, 2), random_.integer(1, 4) * 2,
                             random_.integer(8, 24), random_.integer(8, 40)});
    input_name_ = cases_.input(input_);
    images_.push_back({input_name_, input_.shape});
  }

  void grow(int nodes) {
    for (int i = 0; i < nodes; ++i) {
      const Image from = images_[pick(images_.size())];
      switch (random_.integer(0, 8)) {
        case 0:
        case 1:
          convolution(from);
          break;
        case 2:
          pool(from);
          break;
        case 3:
          resize(from);
          break;
        case 4:
          function(from);
          break;
        case 5:
          residual(from);
          break;
        case 6:
          join(from);
          break;
        case 7:
          split(from);
          break;
        case 8:
          normalise(from);
          break;
      }
    }
  }

  void check(unsigned seed) {
    for (const auto& i : images_)
      if (i.name != input_name_) cases_.model.output(i.name);
    expect_peer_agrees(cases_.model, {{input_name_, input_}}, "seed " + std::to_string(seed));
  }

 private:
  struct Image {
    std::string name;
    Shape shape;
  };

  std::size_t pick(std::size_t n) {
    return static_cast<std::size_t>(random_.integer(0, static_cast<std::int64_t>(n) - 1));
  }

  void convolution(const Image& x) {
    const std::int64_t c = x.shape[1], k = random_.integer(0, 1) * 2 + 1,
                       stride = random_.integer(1, 2);
    const int kind = static_cast<int>(random_.integer(0, 2));
    const std::int64_t group = kind == 0 ? c : kind == 1 && c % 2 == 0 ? 2 : 1;
    const std::int64_t outputs = group == c ? c : group * random_.integer(1, 6);
    const Tensor w = random_.tensor({outputs, c / group, k, k}, -0.5f, 0.5f),
                 b = random_.tensor({outputs});
    const std::string y = cases_.node("Conv", {x.name, cases_.weights(w), cases_.weights(b)});
    cases_.model.set("group", group)
        .set("strides", Shape{stride, stride})
        .set("pads", Shape{k / 2, k / 2, k / 2, k / 2});
    images_.push_back(
        {y, {x.shape[0], outputs, (x.shape[2] - 1) / stride + 1, (x.shape[3] - 1) / stride + 1}});
  }

  void pool(const Image& x) {
    const bool average = random_.flip();
    const std::string y = cases_.node(average ? "AveragePool" : "MaxPool", {x.name});
    cases_.model.set("kernel_shape", Shape{3, 3})
        .set("strides", Shape{2, 2})
        .set("pads", Shape{1, 1, 1, 1});
    if (average) cases_.model.set("count_include_pad", int{random_.flip()});
    images_.push_back(
        {y, {x.shape[0], x.shape[1], (x.shape[2] - 1) / 2 + 1, (x.shape[3] - 1) / 2 + 1}});
  }

  void resize(const Image& x) {
    if (x.shape[2] > 60 || x.shape[3] > 60) return function(x);
    const bool linear = random_.flip();
    const char* modes[] = {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"};
    Shape size = x.shape;
    size[2] = random_.flip() ? size[2] * 2 : random_.integer(3, 40);
    size[3] = random_.flip() ? size[3] * 2 : random_.integer(3, 40);
    const std::string y = cases_.node("Resize", {x.name, "", "", cases_.integers(size)});
    cases_.model.set("mode", linear ? "linear" : "nearest");
    // Nearest with quotients that are not exact may round either way: the modes that exporters emit.
    cases_.model.set("coordinate_transformation_mode", linear ? modes[pick(4)] : "asymmetric");
    if (!linear) cases_.model.set("nearest_mode", "floor");
    images_.push_back({y, size});
  }

  void function(const Image& x) {
    const char* names[] = {"Relu", "Sigmoid", "Tanh", "HardSigmoid", "LeakyRelu"};
    if (random_.flip()) {
      images_.push_back({cases_.node("Mul", {x.name, cases_.node("Sigmoid", {x.name})}), x.shape});
      return;
    }
    const char* name = names[pick(5)];
    images_.push_back({cases_.node(name, {x.name}), x.shape});
  }

  void residual(const Image& x) {
    for (std::size_t tries = 0; tries < 8; ++tries) {
      const Image& other = images_[pick(images_.size())];
      if (other.shape != x.shape) continue;
      images_.push_back(
          {cases_.node(random_.flip() ? "Add" : "Mul", {x.name, other.name}), x.shape});
      return;
    }
    images_.push_back(
        {cases_.node("Add", {x.name, cases_.weights(random_.tensor({x.shape[1], 1, 1}))}),
         x.shape});
  }

  void join(const Image& x) {
    std::vector<std::string> parts{x.name};
    Shape shape = x.shape;
    for (const auto& i : images_)
      if (i.shape[2] == shape[2] && i.shape[3] == shape[3] && shape[1] < 24 && random_.flip()) {
        parts.push_back(i.name);
        shape[1] += i.shape[1];
      }
    const std::string y = cases_.node("Concat", parts);
    cases_.model.set("axis", 1);
    images_.push_back({y, shape});
  }

  void split(const Image& x) {
    if (x.shape[1] < 2) return function(x);
    const std::int64_t first = random_.integer(1, x.shape[1] - 1);
    const std::string a = cases_.fresh(), b = cases_.fresh();
    cases_.model.node("Split", {x.name, cases_.integers({first, x.shape[1] - first})}, {a, b})
        .set("axis", 1);
    Shape sa = x.shape, sb = x.shape;
    sa[1] = first;
    sb[1] -= first;
    images_.push_back({a, sa});
    images_.push_back({b, sb});
  }

  void normalise(const Image& x) {
    const std::string y = cases_.node("Softmax", {x.name});
    cases_.model.set("axis", random_.integer(1, 3));
    images_.push_back({y, x.shape});
  }

  Random random_;
  Cases cases_;
  Tensor input_;
  std::string input_name_;
  std::vector<Image> images_;
};

TEST(Peer, RandomGraphsAgree) {
  if (!have_peer())
    GTEST_SKIP() << "no onnxruntime-node in " << peers() << " (npm ci of tests/peers)";
  for (unsigned seed = 0; seed < (long_form() ? 60u : 6u); ++seed) {
    RandomGraph graph(seed);
    graph.grow(30);
    graph.check(seed);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace gantry::compile_test
