// An encoder that keeps nothing but the count: for tests, benchmarks and runs without an output.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "hal/encoder/encoder.hpp"

namespace gantry {

// Answers `dropped` to a picture whose instant does not grow, as the real one does.
class NullEncoder final : public Encoder {
 public:
  explicit NullEncoder(std::string name = "null") : name_(std::move(name)) {}

  Status write(const SurfaceRef& surface, std::int64_t presentation_ns) noexcept override;
  bool open() const noexcept override { return !finished_; }
  Status reopen() noexcept override { return finished_ ? Status::lost : Status::ok; }
  std::uint64_t frames_written() const noexcept override { return frames_; }
  Status finish() noexcept override;
  EncoderReport report() const override;

 private:
  std::string name_;
  std::uint64_t frames_ = 0, bytes_ = 0;
  std::int64_t first_ns_ = 0, last_ns_ = 0;
  bool finished_ = false;
};

}  // namespace gantry
