// A camera that never has a picture: stands in where a device is absent.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>

#include "hal/camera/camera.hpp"

namespace gantry {

class NullCamera final : public Camera {
 public:
  NullCamera(std::string name, const CameraFormat& format)
      : name_(std::move(name)), format_(format) {}

  const std::string& name() const override { return name_; }
  CameraFormat format() const override { return format_; }
  // Always `end`.
  Status capture(SurfacePool& pool, CameraFrame& out) noexcept override;
  void stop() noexcept override {}

 private:
  std::string name_;
  CameraFormat format_;
};

}  // namespace gantry
