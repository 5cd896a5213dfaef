// What is refused, and in which words: dynamic shapes, hostile files, unsupported operators.
// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "tests/firmware/compile/onnx_model.hpp"

namespace gantry::compile_test {
namespace {

namespace fs = std::filesystem;

std::string refusal(const std::vector<std::byte>& bytes, const compile::Options& options = {}) {
  try {
    compile::compile_bytes(bytes, "m.onnx", options);
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

std::string refusal(const Model& m, const compile::Options& options = {}) {
  return refusal(m.bytes(), options);
}

void expect_words(const std::string& message, const std::vector<std::string>& words) {
  for (const auto& w : words)
    EXPECT_NE(message.find(w), std::string::npos) << "'" << w << "' in: " << message;
}

Model relu_model(std::int64_t opset = 13) {
  Model m(opset);
  m.input("x", {1, 3, 8, 8}).node("Relu", {"x"}, {"y"}).output("y");
  return m;
}

TEST(Import, AsksForOpenSizes) {
  Model m;
  m.input("images", {1, 3, 8, 8}).node("Relu", {"images"}, {"y"}).output("y");
  auto* dims = m.proto.mutable_graph()
                   ->mutable_input(0)
                   ->mutable_type()
                   ->mutable_tensor_type()
                   ->mutable_shape();
  dims->mutable_dim(0)->set_dim_param("batch");
  dims->mutable_dim(2)->set_dim_param("height");
  dims->mutable_dim(3)->clear_dim_value();
  expect_words(refusal(m),
               {"m.onnx", "images", "batch", "height", "--batch N", "--input-size WxH"});
  compile::Options options;
  options.width = 20;
  options.height = 12;
  options.batch = 2;
  compile::Report report;
  compiled(m, options, &report);
  EXPECT_EQ(report.inputs, std::vector<std::string>{"images 2x3x12x20"});
  EXPECT_EQ(report.outputs, std::vector<std::string>{"y 2x3x12x20"});
}

TEST(Import, SaysWhenConstantsTieAModelToItsSize) {
  Model m;
  m.input("x", {1, 2, 4, 4})
      .integers("to", {1, 32})
      .node("Reshape", {"x", "to"}, {"y"})
      .output("y");
  EXPECT_EQ(refusal(m), "");
  compile::Options options;
  options.width = options.height = 8;
  expect_words(refusal(m, options), {"node_y", "1x2x8x8", "1x32", "export it"});
}

TEST(Import, NamesWhatIsNotSupported) {
  Model m;
  m.input("x", {1, 3, 8, 8}).input("z", {4}).node("Unique", {"x", "z"}, {"y"}).output("y");
  expect_words(refusal(m), {"node_y", "Unique", "1x3x8x8, 4", "not supported"});
  Model custom = relu_model();
  custom.proto.mutable_graph()->mutable_node(0)->set_domain("com.example");
  expect_words(refusal(custom), {"com.example.Relu", "not supported"});
  // An operator that the outputs do not need is not looked at.
  Model dead = relu_model();
  dead.node("Unique", {"x", "x"}, {"unused"});
  EXPECT_EQ(refusal(dead), "");
  Model attribute;
  attribute.input("x", {1, 3, 8, 8})
      .node("Resize", {"x", "", "s"}, {"y"})
      .set("mode", "cubic")
      .output("y");
  attribute.weights("s", Tensor({4}, 1));
  expect_words(refusal(attribute), {"node_y", "Resize", "cubic"});
}

TEST(Import, RefusesBrokenGraphs) {
  Model cycle;
  cycle.input("x", {4}).node("Add", {"x", "b"}, {"a"}).node("Relu", {"a"}, {"b"}).output("b");
  expect_words(refusal(cycle), {"cycle"});
  Model missing;
  missing.input("x", {1, 3, 8, 8}).node("Conv", {"x", "w"}, {"y"}).output("y");
  expect_words(refusal(missing), {"'w'", "nothing makes"});
  Model twice;
  twice.input("x", {4}).node("Relu", {"x"}, {"y"}).node("Neg", {"x"}, {"y"}).output("y");
  expect_words(refusal(twice), {"'y'", "twice"});
  Model no_output;
  no_output.input("x", {4}).node("Relu", {"x"}, {"y"});
  expect_words(refusal(no_output), {"no outputs"});
  Model constant;
  constant.input("x", {4}).weights("w", Tensor({4})).output("w");
  expect_words(refusal(constant), {"'w'", "constant"});
  Model shapes;
  shapes.input("x", {2, 3}).input("z", {2, 4}).node("Add", {"x", "z"}, {"y"}).output("y");
  expect_words(refusal(shapes), {"node_y", "2x3", "2x4", "broadcast"});
}

TEST(Import, OrdersNodesItself) {
  Model m;
  m.input("x", {4}).node("Relu", {"a"}, {"y"}).node("Neg", {"x"}, {"a"}).output("y");
  const Tensor x({4}, -2);
  expect_near(run(compiled(m), {x})[0], Tensor({4}, 2), "sorted");
}

TEST(Import, RefusesHostileSizes) {
  Model huge;
  huge.input("x", {1, 3, 1 << 20, 1 << 20}).node("Relu", {"x"}, {"y"}).output("y");
  expect_words(refusal(huge), {"'x'", "too large"});
  Model negative;
  negative.input("x", {1, -3, 8, 8}).node("Relu", {"x"}, {"y"}).output("y");
  expect_words(refusal(negative), {"'x'", "-3"});
  Model expand;
  expand.input("x", {1})
      .integers("to", {1 << 30, 1 << 30})
      .node("Expand", {"x", "to"}, {"y"})
      .output("y");
  expect_words(refusal(expand), {"too large"});
  // A small file whose constants unfold to gigabytes.
  Model bomb;
  bomb.input("x", {1});
  std::string last = "x";
  for (int i = 0; i < 64; ++i) {
    const std::string n = std::to_string(i);
    bomb.integers("s" + n, {1 << 21}).node("ConstantOfShape", {"s" + n}, {"c" + n});
    bomb.node("Add", {last, "c" + n}, {"a" + n});
    last = "a" + n;
  }
  bomb.output(last);
  expect_words(refusal(bomb), {"unfold"});
  Model padded;
  padded.input("x", {1, 1, 4, 4})
      .weights("w", Tensor({1, 1, 1, 1}, 1))
      .node("Conv", {"x", "w"}, {"y"})
      .output("y");
  padded.set("pads", Shape{1 << 30, 0, 1 << 30, 0});
  expect_words(refusal(padded), {"padding"});
  Model window;
  window.input("x", {1, 1, 4, 4})
      .weights("w", Tensor({1, 1, 5, 5}, 1))
      .node("Conv", {"x", "w"}, {"y"})
      .output("y");
  expect_words(refusal(window), {"window is larger"});
}

// Attributes and constants that no exporter writes: each is refused at its node.
TEST(Import, RefusesHostileAttributes) {
  const auto refused = [](const char* op, const char* attribute, const Shape& values,
                          const Shape& constant = {}) {
    Model m;
    m.input("x", {1, 4, 8, 8});
    std::vector<std::string> inputs{"x"};
    if (!constant.empty()) m.integers("c", constant), inputs.emplace_back("c");
    if (op == std::string("Conv"))
      m.weights("w", Tensor({4, 4, 3, 3}, 1)), inputs.emplace_back("w");
    m.node(op, inputs, {"y"});
    if (values.size() == 1 && std::string(attribute) != "kernel_shape")
      m.set(attribute, values[0]);
    else if (*attribute)
      m.set(attribute, values);
    m.output("y");
    const std::string said = refusal(m);
    EXPECT_NE(said.find("node_y"), std::string::npos) << op << " " << attribute << ": " << said;
  };
  refused("Conv", "strides", {0, 0});
  refused("Conv", "dilations", {1 << 30, 1 << 30});
  refused("Conv", "group", {0});
  refused("Conv", "group", {3});
  refused("Conv", "pads", {-9, -9, -9, -9});
  refused("MaxPool", "kernel_shape", {0, 0});
  refused("Transpose", "perm", {0, 1, 2, 7});
  refused("Transpose", "perm", {0, 0, 1, 2});
  refused("Concat", "axis", {7});
  refused("Softmax", "axis", {-9});
  refused("Reshape", "", {}, {-1, -1});
  refused("Reshape", "", {}, {1, 4, 8, 9});
  refused("Split", "axis", {1}, {3, 3});
  refused("Gather", "axis", {1}, {4});
  refused("Gather", "axis", {1}, {-5});
}

TEST(Import, RefusesBadWeights) {
  Model cut = relu_model();
  cut.weights("w", Tensor({2, 2}));
  cut.proto.mutable_graph()->mutable_initializer(0)->set_raw_data("1234");
  expect_words(refusal(cut), {"'w'", "2x2", "4 bytes", "16"});
  Model external = relu_model();
  external.weights("w", Tensor({2}));
  external.proto.mutable_graph()->mutable_initializer(0)->set_data_location(
      onnx::TensorProto::EXTERNAL);
  expect_words(refusal(external), {"'w'", "another file"});
  Model nan;
  nan.input("x", {1, 1, 4, 4})
      .weights("w", Tensor({1, 1, 1, 1}, NAN))
      .node("Conv", {"x", "w"}, {"y"})
      .output("y");
  expect_words(refusal(nan), {"node_y", "NaN"});
}

TEST(Import, ReadsEveryNumberType) {
  // 1.5 in half and bfloat16, -3 in int8, as raw bytes or in the typed field.
  struct Stored {
    int type;
    std::string raw;
    std::int32_t field;
    float value;
  };
  const Stored all[] = {
      {onnx::TensorProto::FLOAT16, std::string("\x00\x3e", 2), 0x3e00, 1.5f},
      {onnx::TensorProto::FLOAT16, std::string("\x01\x80", 2), 0x8001, -5.9604645e-8f},
      {onnx::TensorProto::BFLOAT16, std::string("\xc0\x3f", 2), 0x3fc0, 1.5f},
      {onnx::TensorProto::INT8, std::string("\xfd", 1), -3, -3},
      {onnx::TensorProto::UINT8, std::string("\xfd", 1), 253, 253},
      {onnx::TensorProto::INT32, std::string("\xfd\xff\xff\xff", 4), -3, -3}};
  for (const auto& s : all)
    for (const bool raw : {true, false}) {
      Model m;
      m.input("x", {4});
      auto* w = m.proto.mutable_graph()->add_initializer();
      w->set_name("w");
      w->set_data_type(s.type);
      if (raw)
        w->set_raw_data(s.raw);
      else
        w->add_int32_data(s.field);
      m.node("Cast", {"w"}, {"f"}).set("to", 1).node("Mul", {"x", "f"}, {"y"}).output("y");
      expect_near(run(compiled(m), {Tensor({4}, 1)})[0], Tensor({4}, s.value),
                  std::to_string(s.type), 0);
    }
}

TEST(Import, RefusesOtherFiles) {
  EXPECT_NE(refusal(std::vector<std::byte>{}), "");
  std::vector<std::byte> noise(4096, std::byte{0x37});
  expect_words(refusal(noise), {"m.onnx", "not an ONNX model"});
  for (const std::int64_t opset : {3, 99})
    expect_words(refusal(relu_model(opset)), {"opset", "export"});
  // Every truncation is an error, not a crash; none may pass for the whole.
  const auto whole = relu_model().bytes();
  for (std::size_t n = 0; n < whole.size(); ++n)
    EXPECT_NE(refusal(std::vector<std::byte>(whole.begin(),
                                             whole.begin() + static_cast<std::ptrdiff_t>(n))),
              "")
        << n;
}

TEST(Import, RefusesSenselessOptions) {
  compile::Options o;
  o.width = 640;
  expect_words(refusal(relu_model(), o), {"width and a height"});
  o.height = 0;
  expect_words(refusal(relu_model(), o), {"640x0"});
  o = {};
  o.batch = 0;
  expect_words(refusal(relu_model(), o), {"batch of 0"});
  o = {};
  o.target = "tpu";
  expect_words(refusal(relu_model(), o), {"tpu", "cpu, gpu"});
}

class Folder : public testing::Test {
 protected:
  Folder() {
    std::string name = (fs::temp_directory_path() / "gantry-compile-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() override { fs::remove_all(path_); }
  void write(const std::string& name, const std::vector<std::byte>& bytes) const {
    std::ofstream(path_ / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  fs::path path_;
};

TEST_F(Folder, WritesAWholePlanOrNothing) {
  write("m.onnx", relu_model().bytes());
  compile::Options o;
  o.model = path_ / "m.onnx";
  o.output = path_ / "m.plan";
  compile::Report report = compile::compile_model(o);
  const Plan plan = Plan::load(o.output);
  EXPECT_EQ(plan.model_name(), "m");
  EXPECT_EQ(report.plan_bytes, fs::file_size(o.output));
  EXPECT_NE(report.explain().find("nn_elementwise/unary"), std::string::npos);
  EXPECT_FALSE(fs::exists(path_ / "m.plan.part"));

  o.output = path_ / "absent" / "m.plan";
  EXPECT_THROW(compile::compile_model(o), std::runtime_error);
  Model bad;
  bad.input("x", {4}).node("Unique", {"x"}, {"y"}).output("y");
  write("m.onnx", bad.bytes());
  o.output = path_ / "m.plan";
  EXPECT_THROW(compile::compile_model(o), std::runtime_error);
  EXPECT_NO_THROW(Plan::load(o.output));  // the plan from before is untouched
  o.model = path_ / "none.onnx";
  EXPECT_THROW(compile::compile_model(o), std::runtime_error);
  o.model = path_;
  EXPECT_THROW(compile::compile_model(o), std::runtime_error);
}

TEST_F(Folder, CarriesMetadata) {
  Model m = relu_model();
  auto* p = m.proto.add_metadata_props();
  p->set_key("names");
  p->set_value("{0: 'ball'}");
  const Plan plan = Plan::from_bytes(compile::compile_bytes(m.bytes(), "m.onnx", {}));
  EXPECT_EQ(plan.metadata("names"), "{0: 'ball'}");
  EXPECT_EQ(plan.metadata("absent"), "");
  EXPECT_EQ(plan.target(), "cpu");
}

}  // namespace
}  // namespace gantry::compile_test
