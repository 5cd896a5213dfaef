// Plan files: what is read, and every way in which one can be wrong.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/plan/plan.hpp"

#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/pipeline/plan/small_plan.hpp"

namespace gantry {
namespace {

using plan_test::SmallPlan;

std::string refusal(const std::vector<std::byte>& bytes) {
  try {
    Plan::from_bytes(bytes, "p.plan");
  } catch (const std::runtime_error& e) {
    EXPECT_EQ(std::string(e.what()).rfind("p.plan: ", 0), 0u) << e.what();
    return e.what();
  }
  return "";
}

TEST(Plan, ReadsWhatIsThere) {
  const Plan plan = Plan::from_bytes(SmallPlan().seal());
  EXPECT_EQ(plan.model_name(), "negate");
  EXPECT_EQ(plan.target(), "cpu");
  EXPECT_EQ(plan.metadata("names"), "{}");
  EXPECT_EQ(plan.arena_bytes(), 256u);
  ASSERT_EQ(plan.tensors().size(), 4u);
  EXPECT_EQ(plan.tensors()[0].name, "x");
  EXPECT_EQ(plan.tensors()[0].storage, Plan::Storage::input);
  EXPECT_EQ(plan.tensors()[0].shape, std::vector<std::int64_t>{8});
  EXPECT_EQ(plan.tensors()[2].element, Plan::Element::i32);
  ASSERT_EQ(plan.steps().size(), 1u);
  const auto& s = plan.steps()[0];
  EXPECT_EQ(s.family, "nn_elementwise");
  EXPECT_EQ(s.kernel, "unary");
  EXPECT_EQ(s.options, "-DVEC=16");
  ASSERT_EQ(s.arguments.size(), 7u);
  EXPECT_EQ(s.arguments[1].kind, Plan::Argument::Kind::tensor);
  EXPECT_EQ(s.arguments[1].tensor, 1u);
  EXPECT_EQ(s.arguments[4].integer, 13);
  EXPECT_EQ(plan.inputs(), std::vector<std::uint32_t>{0});
  EXPECT_EQ(plan.outputs(), std::vector<std::uint32_t>{1});
  EXPECT_EQ(plan.weights().size(), 64u);
}

TEST(Plan, RefusesEveryTruncation) {
  const auto bytes = SmallPlan().seal();
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_NE(refusal({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n)}), "") << n;
}

TEST(Plan, RefusesEveryFlippedBit) {
  auto bytes = SmallPlan().seal();
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_NE(refusal(bytes), "") << bit;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  EXPECT_EQ(refusal(bytes), "");
}

TEST(Plan, SaysWhatIsWrong) {
  struct Damage {
    const char* word;
    std::function<void(SmallPlan::Layout&)> apply;
  };
  const Damage all[] = {
      {"not a plan", [](auto& f) { f.header.magic[0] = 'X'; }},
      {"version 9", [](auto& f) { f.header.version = 9; }},
      {"header", [](auto& f) { f.header.header_bytes = 8; }},
      {"cut short", [](auto& f) { ++f.header.file_bytes; }},
      {"strings", [](auto& f) { f.header.strings.offset = 1 << 20; }},
      {"strings", [](auto& f) { f.header.strings.offset += 8; }},
      {"weights", [](auto& f) { f.header.weights.count = ~0ull; }},
      {"steps", [](auto& f) { f.header.steps.count = ~0ull / 100; }},
      {"too large", [](auto& f) { f.header.arena_bytes = 1ull << 40; }},
      {"string",
       [](auto& f) {
         f.header.model_name = {60, 60};
       }},
      {"string",
       [](auto& f) {
         f.tensors[0].name = {0xffffffff, 2};
       }},
      {"unknown storage", [](auto& f) { f.tensors[0].storage = 9; }},
      {"unknown storage", [](auto& f) { f.tensors[0].rank = 9; }},
      {"out of range", [](auto& f) { f.tensors[0].shape[0] = 0; }},
      {"out of range", [](auto& f) { f.tensors[0].shape[0] = -8; }},
      {"out of range", [](auto& f) { f.tensors[0].strides[0] = -1; }},
      {"outside", [](auto& f) { f.tensors[2].offset = 14; }},
      {"outside", [](auto& f) { f.tensors[2].offset = ~0ull; }},
      {"outside", [](auto& f) { f.tensors[2].storage = 0, f.tensors[2].offset = 62; }},
      {"too large",
       [](auto& f) {
         f.tensors[2].rank = 2, f.tensors[2].shape[1] = 0x7fffffff,
         f.tensors[2].strides[1] = 0x7fffffff;
       }},
      {"buffer", [](auto& f) { f.tensors[0].buffer = 1; }},
      {"cannot be input", [](auto& f) { f.tensors[0].offset = 4; }},
      {"cannot be input", [](auto& f) { f.tensors[0].element = 2; }},
      {"cannot be output", [](auto& f) { f.io[1] = 2; }},
      {"names no tensor", [](auto& f) { f.io[1] = 4; }},
      {"1 inputs and 0 outputs",
       [](auto& f) { f.header.output_count = 0, f.tensors[1].storage = 2; }},
      {"dimensions", [](auto& f) { f.steps[0].dimensions = 4; }},
      {"global or local", [](auto& f) { f.steps[0].global[1] = 0; }},
      {"global or local",
       [](auto& f) { f.steps[0].local[0] = 2, f.steps[0].local[1] = f.steps[0].local[2] = 1; }},
      {"global or local", [](auto& f) { f.steps[0].local[0] = 1; }},
      {"arguments out of range", [](auto& f) { f.steps[0].argument_count = 8; }},
      {"arguments out of range", [](auto& f) { f.steps[0].first_argument = 0xffffffff; }},
      {"unknown kind", [](auto& f) { f.arguments[0].kind = 3; }},
      {"names tensor 4", [](auto& f) { f.arguments[0].tensor = 4; }},
  };
  for (const auto& d : all) {
    SmallPlan p;
    d.apply(p.file);
    EXPECT_NE(refusal(p.seal()).find(d.word), std::string::npos)
        << d.word << ": " << refusal(p.seal());
  }
}

// A whole file that would have its kernel leave its buffers.
TEST(Plan, RefusesStepsThatLeaveTheirBuffers) {
  struct Damage {
    const char* word;
    std::function<void(SmallPlan::Layout&)> apply;
  };
  const Damage all[] = {
      {"would read", [](auto& f) { f.weights[0] = 9; }},             // elements
      {"would read", [](auto& f) { f.weights[1] = 2; }},             // stride of x
      {"would read", [](auto& f) { f.weights[1] = -1; }},            //
      {"would write", [](auto& f) { f.weights[2] = 2; }},            // stride of y
      {"out of range", [](auto& f) { f.weights[0] = 0; }},           //
      {"out of range", [](auto& f) { f.weights[1] = 0x7fffffff; }},  //
      {"behind the weights", [](auto& f) { f.arguments[3].integer = 16; }},
      {"out of range", [](auto& f) { f.arguments[3].integer = 0; }},
      {"integers among the weights", [](auto& f) { f.arguments[2].tensor = 3; }},
      {"the kernel's floats", [](auto& f) { f.arguments[0].tensor = 2; }},
      {"another kind", [](auto& f) { f.arguments[3] = SmallPlan::argument(0, 0); }},
      {"another kind", [](auto& f) { f.steps[0].argument_count = 6; }},
      {"is not known",
       [](auto& f) {
         f.steps[0].kernel = {0, 1};
       }},
      {"is not known",
       [](auto& f) {
         f.steps[0].family = {0, 1};
       }},
      {"-DNAME", [](auto& f) { f.strings[23] = 'v'; }},
      {"options", [](auto& f) { f.strings[27] = '9'; }},
      {"work-items",
       [](auto& f) {
         f.steps[0].dimensions = 3;
         f.steps[0].global[1] = f.steps[0].global[2] = 0x7fffffff;
       }},
      {"out of range", [](auto& f) { f.steps[0].global[0] = 1 << 24; }},
  };
  for (const auto& d : all) {
    SmallPlan p;
    d.apply(p.file);
    EXPECT_NE(refusal(p.seal()).find(d.word), std::string::npos)
        << d.word << ": " << refusal(p.seal());
  }
}

// A view of an input may not leave the input.
TEST(Plan, KeepsViewsInsideOfInputs) {
  SmallPlan p;
  p.file.tensors[3].offset = 5;
  EXPECT_EQ(refusal(p.seal()), "");
  p.file.tensors[3].offset = 6;
  EXPECT_NE(refusal(p.seal()).find("outside"), std::string::npos);
}

// With a right checksum nothing but the validation stands between random fields and their use.
TEST(Plan, SurvivesRandomFields) {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    SmallPlan p;
    auto* words = reinterpret_cast<std::uint32_t*>(&p.file);
    for (int k = 0; k < 3; ++k) {
      const std::size_t at = random() % (sizeof p.file / 4);
      if (at * 4 >= 24)
        words[at] = static_cast<std::uint32_t>(random() % 3 ? random() % 80 : random());
    }
    const auto bytes = p.seal();
    try {
      const Plan plan = Plan::from_bytes(bytes);
      for (const auto& t : plan.tensors())
        if (t.storage == Plan::Storage::weights) {
          ASSERT_LE((t.offset + t.extent()) * (t.element == Plan::Element::f16 ? 2 : 4),
                    plan.weights().size());
        }
    } catch (const std::runtime_error&) {
    }
  }
}

TEST(Plan, LoadsFiles) {
  namespace fs = std::filesystem;
  const fs::path path = fs::temp_directory_path() / ("gantry-plan-" + std::to_string(::getpid()));
  const auto bytes = SmallPlan().seal();
  const auto write = [&](std::size_t n) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(n));
  };
  write(bytes.size());
  Plan copy = Plan::load(path);
  {
    const Plan plan = copy;  // the mapping lives as long as any copy
    copy = Plan::from_bytes(bytes);
    EXPECT_EQ(reinterpret_cast<const std::int32_t*>(plan.weights().data())[0], 8);
  }
  for (const std::size_t n : {std::size_t{0}, std::size_t{100}, bytes.size() - 1}) {
    write(n);
    try {
      Plan::load(path);
      ADD_FAILURE() << n;
    } catch (const std::runtime_error& e) {
      EXPECT_NE(std::string(e.what()).find(path.string()), std::string::npos);
    }
  }
  fs::remove(path);
  EXPECT_THROW(Plan::load(path), std::runtime_error);
  EXPECT_THROW(Plan::load(fs::temp_directory_path()), std::runtime_error);
}

}  // namespace
}  // namespace gantry
