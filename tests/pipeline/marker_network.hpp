// A plan written by hand for tests: its "network" reads boxes that are painted into the picture.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "pipeline/plan/plan.hpp"
#include "pipeline/plan/plan_format.hpp"

namespace gantry {

// Input [batch, 3, 64, 64], output [batch, 6, 7] in the YOLOv8 layout with two classes. Anchor a's
// channel c is the pixel (6a + c, 0): of the first plane for the box, of the second for the scores.
class MarkerNetwork {
 public:
  static constexpr int kSize = 64, kAnchors = 7, kChannels = 6;

  static Plan make(int batch, int planes = 3, int output_batch = 0, const std::string& names = {}) {
    return Plan::from_bytes(file(batch, planes, output_batch, names), "markers.plan");
  }

  // Of the families whose tensors are planes of fp32, the one that runs on the first device.
  static const char* family() {
    static const bool cpu = gpu::Device({}, {}).info().kind == gpu::Kind::cpu;
    return cpu ? "cpu" : "gpu";
  }

  // The plan's file.
  static std::vector<std::byte> file(int batch, int planes = 3, int output_batch = 0,
                                     const std::string& names = {}) {
    using namespace plan_format;
    Writer w;
    FileHeader h{};
    std::memcpy(h.magic, kMagic, sizeof kMagic);
    h.version = kVersion;
    h.header_bytes = sizeof h;
    h.model_name = w.text("markers");
    h.target = w.text(family());
    h.input_count = h.output_count = 1;

    std::vector<float> indices;
    for (int c = 0; c < kChannels; ++c)
      for (int a = 0; a < kAnchors; ++a)
        indices.push_back(static_cast<float>(a * kChannels + c + (c < 4 ? 0 : kSize * kSize)));
    const int picks = kChannels * kAnchors;
    const std::vector<TensorRecord> tensors{
        tensor(w.text("images"), Plan::Storage::input, {batch, planes, kSize, kSize}),
        tensor(w.text("indices"), Plan::Storage::weights, {picks}),
        tensor(w.text("output0"), Plan::Storage::output,
               {output_batch ? output_batch : batch, kChannels, kAnchors})};
    std::vector<ArgumentRecord> arguments(6);
    for (std::uint32_t i = 0; i < 3; ++i) arguments[i].tensor = i;
    const int sizes[] = {planes * kSize * kSize, picks, 1};
    for (std::size_t i = 0; i < 3; ++i) {
      arguments[3 + i].kind = static_cast<std::uint32_t>(Plan::Argument::Kind::integer);
      arguments[3 + i].integer = sizes[i];
    }
    StepRecord step{};
    step.layer = w.text("pick");
    step.family = w.text("nn_gather");
    step.kernel = w.text("gather");
    step.dimensions = 2;
    step.global[0] = static_cast<std::uint64_t>(picks);
    step.global[1] =
        static_cast<std::uint64_t>(output_batch ? std::min(batch, output_batch) : batch);
    step.global[2] = 1;
    step.argument_count = 6;
    std::vector<MetadataRecord> metadata;
    if (!names.empty()) metadata.push_back({w.text("names"), w.text(names)});

    h.metadata = w.section(metadata);
    h.tensors = w.section(tensors);
    h.arguments = w.section(arguments);
    h.steps = w.section(std::vector<StepRecord>{step});
    h.io = w.section(std::vector<std::uint32_t>{0, 2});
    h.weights = w.section(indices);
    h.weights.count *= sizeof(float);
    h.strings = w.section(std::vector<char>(w.strings.begin(), w.strings.end()));
    h.file_bytes = w.file.size();
    std::memcpy(w.file.data(), &h, sizeof h);
    h.checksum = file_checksum(w.file);
    std::memcpy(w.file.data(), &h, sizeof h);
    return w.file;
  }

 private:
  struct Writer {
    std::string strings;
    std::vector<std::byte> file =
        std::vector<std::byte>((sizeof(plan_format::FileHeader) + plan_format::kAlignment - 1) /
                               plan_format::kAlignment * plan_format::kAlignment);
    plan_format::Text text(const std::string& s) {
      strings += s;
      return {static_cast<std::uint32_t>(strings.size() - s.size()),
              static_cast<std::uint32_t>(s.size())};
    }
    template <typename T>
    plan_format::Section section(const std::vector<T>& records) {
      const plan_format::Section s{file.size(), records.size()};
      const std::size_t bytes = records.size() * sizeof(T);
      file.resize((file.size() + bytes + plan_format::kAlignment - 1) / plan_format::kAlignment *
                  plan_format::kAlignment);
      if (bytes) std::memcpy(file.data() + s.offset, records.data(), bytes);
      return s;
    }
  };

  static plan_format::TensorRecord tensor(plan_format::Text name, Plan::Storage storage,
                                          const std::vector<std::int64_t>& shape) {
    plan_format::TensorRecord t{};
    t.name = name;
    t.storage = static_cast<std::uint32_t>(storage);
    t.rank = static_cast<std::uint32_t>(shape.size());
    std::int64_t stride = 1;
    for (std::size_t d = shape.size(); d-- > 0; stride *= shape[d]) {
      t.shape[d] = shape[d];
      t.strides[d] = stride;
    }
    return t;
  }
};

}  // namespace gantry
