// A display driven by the kernel's mode setting: one commit and one event a picture.
//
// What the screen is made of, and its three doors, stand in kms_screen.hpp. After open() nothing is
// allocated until the screen is lost.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>

#include "hal/display/hotplug_events.hpp"
#include "hal/display/kms_screen.hpp"

namespace gantry {

class KmsDisplay final : public Display {
 public:
  // Set-up; does not touch the screen. Throws std::runtime_error from the OpenCL device.
  KmsDisplay(const DisplayConfig& config, const kms::ScreenSources& sources, gpu::Device& device);
  ~KmsDisplay() override;

  // What open() will take of the device, for the budget: XRGB8888 of the screen's size. Set-up.
  static OwnBuffers buffers(const DisplayConfig& config);

  Status open() noexcept override;
  void close() noexcept override;
  std::string_view description() const noexcept override { return description_; }
  DisplayMode mode() const noexcept override { return mode_; }
  Status prepare(ScreenPicture&& picture) noexcept override;
  Status prepare_slate(std::string_view text) noexcept override;
  Status flip() noexcept override;
  Status wait_flip(std::int64_t deadline_ns, Flip& flip) noexcept override;
  Status watch() noexcept override;
  std::string_view problem() const noexcept override { return problem_; }

  // The open screen, for tests that look at it; null when closed.
  const kms::Screen* screen() const { return screen_.get(); }

 private:
  // What is, or will be, on the screen, and what it keeps alive.
  struct Shown {
    kms::Scene scene;
    ScreenPicture held;
    int buffer = -1;  // the dumb buffer in use
  };
  // What is in a dumb buffer and may have to be wiped.
  struct Drawn {
    bool text = false, panorama = false;
  };
  void rehearse() noexcept;
  int free_buffer() const noexcept;
  Drawn& drawn(int buffer) noexcept { return drawn_[static_cast<std::size_t>(buffer)]; }
  Status paint(const ScreenPicture& picture, int buffer) noexcept;
  Status lose(std::string_view what, int error) noexcept;
  bool read_events(Flip& flip) noexcept;

  const DisplayConfig config_;
  const kms::ScreenSources sources_;
  ScreenPainter painter_;
  kms::HotplugEvents hotplug_;
  std::unique_ptr<kms::Screen> screen_;
  Shown shown_, queued_, prepared_;
  bool flipping_ = false, has_prepared_ = false;
  std::array<Drawn, kms::Screen::kBuffers> drawn_{};
  std::int64_t listened_ns_ = 0, looked_ns_ = 0;
  DisplayMode mode_;
  std::string description_, problem_;
};

}  // namespace gantry
