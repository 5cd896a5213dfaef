// Candidates that the device selects are those that the decoder finds in the whole output.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/candidate_select.hpp"

#include <cmath>
#include <cstring>
#include <random>

#include <gtest/gtest.h>

namespace gantry {
namespace {

constexpr std::array<float, kObjectClasses> kLeast{0.5f, 0.6f, 0.7f, 0.8f};
const std::vector<ClassMapping> kMap{{1, ObjectClass::ball}, {4, ObjectClass::person}};

class Selecting : public testing::Test {
 protected:
  static constexpr std::int64_t kBatch = 2, kAnchors = 1300, kClasses = 6;

  // Scores are uniform up to `highest`.
  void fill(bool channels_first, float highest) {
    output_.name = "output";
    output_.shape = {kBatch, 4 + kClasses, kAnchors};
    if (!channels_first) std::swap(output_.shape[1], output_.shape[2]);
    output_.strides = {output_.shape[1] * output_.shape[2], output_.shape[2], 1};
    output_.memory = device_.allocate(
        static_cast<std::size_t>(kBatch * (4 + kClasses) * kAnchors) * sizeof(float),
        gpu::Access::upload);
    std::mt19937 random(5);
    auto* v = reinterpret_cast<float*>(output_.memory.host);
    for (std::int64_t b = 0; b < kBatch; ++b)
      for (std::int64_t a = 0; a < kAnchors; ++a)
        for (std::int64_t c = 0; c < 4 + kClasses; ++c) {
          const float u = static_cast<float>(random() >> 8) * 0x1p-24f;
          const std::int64_t at = channels_first ? c * kAnchors + a : a * (4 + kClasses) + c;
          v[b * (4 + kClasses) * kAnchors + at] = c < 4 ? 1 + 600 * u : highest * u;
        }
    v[(channels_first ? 5 * kAnchors : 5)] = std::nanf("");
    ASSERT_EQ(gpu::upload(queue_, output_.memory, output_.memory.bytes, {}, nullptr), Status::ok);
  }

  void compare(int expected_least) {
    const HeadDecoder decoder(Head::yolov8, std::vector<HeadTensor>{{output_.name, output_.shape}},
                              640, 640, kMap, kLeast);
    ASSERT_TRUE(CandidateSelect::can(decoder, output_));
    CandidateSelect select(device_, decoder, output_);
    for (int pass = 0; pass < 2; ++pass) {  // the counters begin anew
      cl::Event done;
      ASSERT_EQ(select.select(queue_, {}, &done), Status::ok);
      ASSERT_EQ(gpu::wait(done), Status::ok);
      for (int b = 0; b < kBatch; ++b) {
        auto got = std::make_unique<NetworkBoxes>(), want = std::make_unique<NetworkBoxes>();
        const auto* values = reinterpret_cast<const float*>(output_.memory.host);
        decoder.decode(std::vector<const float*>{values}, b, *want);
        ASSERT_FALSE(select.overflowed(b));
        select.decode(b, *got);
        ASSERT_EQ(got->view().size(), want->view().size());
        EXPECT_GE(static_cast<int>(got->view().size()), expected_least);
        for (std::size_t i = 0; i < got->view().size(); ++i) {
          const NetworkBox &x = got->view()[i], &y = want->view()[i];
          EXPECT_EQ(x.x, y.x);
          EXPECT_EQ(x.height, y.height);
          EXPECT_EQ(x.confidence, y.confidence);
          EXPECT_EQ(x.object, y.object);
        }
      }
    }
  }

  gpu::Device device_{{}, {}};
  cl::CommandQueue queue_ = device_.make_queue();
  PlanTensor output_;
};

TEST_F(Selecting, FindsWhatTheDecoderFinds) {
  fill(true, 0.8f);
  compare(20);
}

TEST_F(Selecting, ReadsAnchorsFirstToo) {
  fill(false, 0.8f);
  compare(20);
}

TEST_F(Selecting, FindsNothingWhereNothingIs) {
  fill(true, 0.4f);
  compare(0);
}

TEST_F(Selecting, SaysWhenTheListIsTooShort) {
  fill(true, 0.4f);
  auto* v = reinterpret_cast<float*>(output_.memory.host);
  for (std::int64_t a = 0; a < kAnchors; ++a) v[5 * kAnchors + a] = 0.9f;
  ASSERT_EQ(gpu::upload(queue_, output_.memory, output_.memory.bytes, {}, nullptr), Status::ok);
  const HeadDecoder decoder(Head::yolov8, std::vector<HeadTensor>{{output_.name, output_.shape}},
                            640, 640, kMap, kLeast);
  CandidateSelect select(device_, decoder, output_);
  cl::Event done;
  ASSERT_EQ(select.select(queue_, {}, &done), Status::ok);
  ASSERT_EQ(gpu::wait(done), Status::ok);
  EXPECT_TRUE(select.overflowed(0));
  EXPECT_FALSE(select.overflowed(1));
}

}  // namespace
}  // namespace gantry
