// Counts pictures.
// SPDX-License-Identifier: Apache-2.0
#include "hal/encoder/null_encoder.hpp"

namespace gantry {

Status NullEncoder::write(const SurfaceRef& surface, std::int64_t presentation_ns) noexcept {
  if (finished_) return Status::lost;
  if (frames_ != 0 && presentation_ns <= last_ns_) return Status::dropped;
  if (frames_ == 0) first_ns_ = presentation_ns;
  last_ns_ = presentation_ns;
  bytes_ += surface->layout.picture_bytes();
  ++frames_;
  return Status::ok;
}

Status NullEncoder::finish() noexcept {
  finished_ = true;
  return Status::ok;
}

EncoderReport NullEncoder::report() const {
  const double span_s = static_cast<double>(last_ns_ - first_ns_) * 1e-9;
  const double pictures = static_cast<double>(frames_);
  // The last picture is shown as long as the others on average.
  const double duration_s = frames_ > 1 ? span_s * pictures / (pictures - 1) : 0;
  return {name_, "none", frames_, duration_s, bytes_};
}

}  // namespace gantry
