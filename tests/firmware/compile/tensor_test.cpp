// The channels-last fp16 family against the definition, on any device: the matrix instruction itself
// is emulated where there are no tensor cores.
// SPDX-License-Identifier: Apache-2.0
#include "tests/firmware/compile/onnx_model.hpp"

namespace gantry::compile_test {
namespace {

// Every named tensor that both families make, compared in the norm of its largest value.
void expect_agreement(const Model& model, const std::vector<Tensor>& inputs, double most = 1e-2) {
  compile::Options options;
  options.keep_all_tensors = true;
  std::vector<Plan> plans;
  for (const char* target : {"nvidia", "cpu"}) {
    options.target = target;
    plans.push_back(Plan::from_bytes(compile::compile_bytes(model.bytes(), "test.onnx", options)));
  }
  const auto queue = device().make_queue();
  constexpr auto run = PlanRunner::Foreign::run;
  PlanRunner fast(device(), plans[0], queue, run), exact(device(), plans[1], queue, run);
  for (PlanRunner* r : {&fast, &exact}) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      put(r->inputs()[i], inputs[i]);
      ASSERT_EQ(gpu::upload(queue, r->inputs()[i].memory, r->inputs()[i].memory.bytes, {}, nullptr),
                Status::ok);
    }
    ASSERT_EQ(r->compute({}, nullptr), Status::ok);
  }
  queue.finish();
  int compared = 0;
  for (const auto& t : plans[0].tensors()) {
    const auto& others = plans[1].tensors();
    if (t.name.empty() || std::ranges::none_of(others, [&](const auto& o) {
          return o.name == t.name && o.storage != Plan::Storage::weights;
        }))
      continue;
    const auto got = fast.read(t.name), want = exact.read(t.name);
    double largest = 1e-3, off = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      largest = std::max(largest, std::fabs(double{want[i]}));
      const double d = std::fabs(double{got[i]} - want[i]);
      off = std::isnan(d) ? INFINITY : std::max(off, d);
    }
    EXPECT_LT(off / largest, most) << t.name << " " << t.shape.size();
    ++compared;
  }
  EXPECT_GT(compared, 1);
}

int steps_of(const Model& model, const std::string& family) {
  compile::Options options;
  options.target = "nvidia";
  const Plan plan = Plan::from_bytes(compile::compile_bytes(model.bytes(), "test.onnx", options));
  return static_cast<int>(
      std::ranges::count_if(plan.steps(), [&](const auto& s) { return s.family == family; }));
}

struct Layer {
  std::int64_t inputs, outputs, kernel, stride, group;
  bool silu;
};

std::string add(Cases& cases, Random& r, const std::string& x, const Layer& l) {
  const float bound =
      1.5f / std::sqrt(static_cast<float>(l.inputs / l.group * l.kernel * l.kernel));
  const std::string y = cases.node(
      "Conv",
      {x,
       cases.weights(r.tensor({l.outputs, l.inputs / l.group, l.kernel, l.kernel}, -bound, bound)),
       cases.weights(r.tensor({l.outputs}))});
  const std::int64_t pad = l.kernel / 2;
  cases.model.set("group", l.group)
      .set("strides", Shape{l.stride, l.stride})
      .set("pads", Shape{pad, pad, pad, pad});
  return l.silu ? cases.node("Mul", {y, cases.node("Sigmoid", {y})}) : y;
}

TEST(Tensor, ConvolutionsOfAllShapesAgree) {
  Random r(3);
  Cases cases;
  const Tensor picture = r.tensor({2, 3, 37, 50}, 0, 1);
  const std::string x = add(cases, r, cases.input(picture), {3, 16, 3, 2, 1, true});
  const std::string a = add(cases, r, x, {16, 32, 3, 1, 1, true});
  const std::string b = add(cases, r, a, {32, 8, 1, 1, 1, true});
  const std::string c = add(cases, r, b, {8, 48, 3, 2, 1, false});
  const std::string d = add(cases, r, c, {48, 80, 1, 1, 1, true});
  const std::string e = add(cases, r, d, {80, 80, 3, 1, 80, true});
  const std::string f = add(cases, r, e, {80, 5, 5, 1, 1, false});
  cases.model.output(d);
  cases.model.output(f);
  expect_agreement(cases.model, {picture});
  EXPECT_EQ(steps_of(cases.model, "nn_tensor"), 6);
  EXPECT_EQ(steps_of(cases.model, "nn_channels"), 1);
}

TEST(Tensor, JoinsResidualsPoolsAndUpsamplingAgree) {
  Random r(4);
  Cases cases;
  const Tensor image = r.tensor({2, 16, 12, 20}, -1, 1);
  const std::string x = add(cases, r, cases.input(image), {16, 32, 1, 1, 1, true});
  const std::string left = cases.fresh(), right = cases.fresh();
  cases.model.node("Split", {x, cases.integers({16, 16})}, {left, right}).set("axis", 1);
  const std::string one = add(cases, r, right, {16, 8, 3, 1, 1, true});
  const std::string two = add(cases, r, one, {8, 16, 3, 1, 1, true});
  const std::string sum = cases.node("Add", {right, two});
  const std::string pooled = cases.node("MaxPool", {sum});
  cases.model.set("kernel_shape", Shape{5, 5}).set("pads", Shape{2, 2, 2, 2});
  const std::string join = cases.node("Concat", {left, right, sum, pooled});
  cases.model.set("axis", 1);
  const std::string y = add(cases, r, join, {64, 64, 1, 1, 1, true});
  const std::string up = cases.node("Resize", {y, "", "", cases.integers({2, 64, 24, 40})});
  cases.model.set("mode", "nearest").set("coordinate_transformation_mode", "asymmetric");
  cases.model.set("nearest_mode", "floor");
  const std::string z = add(cases, r, up, {64, 16, 1, 1, 1, false});
  const std::string soft = cases.node("Softmax", {z});  // what the family lacks runs on fp32
  cases.model.set("axis", 1);
  cases.model.output(soft);
  expect_agreement(cases.model, {image});
}

// Pyramids: what is enlarged is added in one step, with the function behind it, on either side of the
// sum; what more than one reads stays a tensor of its own.
TEST(Tensor, SumsWithEnlargedImagesAreOneStep) {
  Random r(6);
  Cases cases;
  const Tensor image = r.tensor({2, 16, 12, 20}, -1, 1);
  const std::string fine = add(cases, r, cases.input(image), {16, 24, 3, 1, 1, false});
  const std::string coarse = add(cases, r, fine, {24, 24, 3, 2, 1, false});
  const auto twice = [&] {
    const std::string up = cases.node("Resize", {coarse, "", "", cases.integers({2, 24, 12, 20})});
    cases.model.set("mode", "nearest").set("coordinate_transformation_mode", "asymmetric");
    cases.model.set("nearest_mode", "floor");
    return up;
  };
  const std::string a = cases.node("Relu", {cases.node("Add", {twice(), fine})});
  const std::string sum = cases.node("Add", {fine, twice()});
  const std::string b = cases.node("Add", {sum, cases.node("Relu", {sum})});
  cases.model.output(add(cases, r, a, {24, 8, 1, 1, 1, false}));
  cases.model.output(add(cases, r, b, {24, 8, 1, 1, 1, false}));
  expect_agreement(cases.model, {image});
  EXPECT_EQ(steps_of(cases.model, "nn_channels"), 2);
  // relu(sum), sum + relu(sum), and both outputs to fp32.
  EXPECT_EQ(steps_of(cases.model, "nn_elementwise"), 4);
}

// What fp16 takes from the weights of a filter must not add up where all pixels are alike: filters
// whose weights sum to nothing, on a picture of one colour, within its border.
double largest_on_flat_picture(std::int64_t inputs, std::int64_t outputs) {
  Random r(5);
  Cases cases;
  Tensor flat = r.tensor({1, inputs, 16, 16});
  std::ranges::fill(flat.values, 0.75f);
  Tensor w = r.tensor({outputs, inputs, 3, 3}, -0.24f, 0.24f);
  const auto each = static_cast<std::ptrdiff_t>(inputs * 9);
  for (auto at = w.values.begin(); at != w.values.end(); at += each) {
    double sum = 0;
    for (auto v = at; v != at + each; ++v) sum += *v;
    for (auto v = at; v != at + each; ++v)
      *v -= static_cast<float>(sum / static_cast<double>(each));
  }
  const std::string y = cases.node("Conv", {cases.input(flat), cases.weights(w)});
  cases.model.set("pads", Shape{1, 1, 1, 1});
  cases.model.output(y);
  compile::Options options;
  options.target = "nvidia";
  const Plan plan =
      Plan::from_bytes(compile::compile_bytes(cases.model.bytes(), "test.onnx", options));
  const auto queue = device().make_queue();
  PlanRunner runner(device(), plan, queue, PlanRunner::Foreign::run);
  put(runner.inputs()[0], flat);
  EXPECT_EQ(
      gpu::upload(queue, runner.inputs()[0].memory, runner.inputs()[0].memory.bytes, {}, nullptr),
      Status::ok);
  EXPECT_EQ(runner.compute({}, nullptr), Status::ok);
  queue.finish();
  const auto got = runner.read(y);
  double largest = 0;
  each_index({1, outputs, 16, 16}, [&](const Shape& i) {
    if (i[2] < 1 || i[2] > 14 || i[3] < 1 || i[3] > 14) return;
    const auto at = static_cast<std::size_t>((i[1] * 16 + i[2]) * 16 + i[3]);
    largest = std::max(largest, std::fabs(double{got[at]}));
  });
  return largest;
}

TEST(Tensor, ErrorsOfWeightsCancelWherePixelsAreAlike) {
  EXPECT_LT(largest_on_flat_picture(3, 16), 1e-6);  // both parts of a weight are used
  // At most half a step of one weight, instead of a random walk over 144 of them.
  EXPECT_LT(largest_on_flat_picture(16, 32), 0.75 * 0x1p-14);
}

}  // namespace
}  // namespace gantry::compile_test
