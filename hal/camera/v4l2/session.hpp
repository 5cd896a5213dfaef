// A device opened as the configuration wants it: input, signal, format, rate, controls, events.
//
// This is the part that goes when the device goes: it can be made again at any time, and then agrees
// to the same format or refuses.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include "hal/camera/v4l2/controls.hpp"
#include "hal/camera/v4l2/device.hpp"
#include "hal/camera/v4l2/offer.hpp"
#include "hal/camera/v4l2/pixel_format.hpp"

namespace gantry::v4l2 {

struct SessionConfig {
  std::string device;  // its bus path, or a path under /dev
  int input = -1;      // −1: as it is
  Wanted wanted;
  bool emulated = false;                      // through libv4l2
  int pitch = 0;                              // bytes a row that would save a conversion
  ColourMatrix matrix = ColourMatrix::bt709;  // of devices that do not say
  ColourRange range = ColourRange::limited;
  ControlsConfig controls;
};

class Session {
 public:
  // Throws std::runtime_error in one line: "<node>: <what>; <what would be right>".
  explicit Session(const SessionConfig& config);

  const Device& device() const { return device_; }
  const Format& format() const { return format_; }
  double frames_per_second() const { return rate_; }
  // Reads what the device reports beside its pictures. Null while all is well; else what is wrong
  // with the signal. Does not wait.
  const char* fault() noexcept;

 private:
  void select_input();
  void set_timings();
  void set_format();
  std::uint32_t choose_format() const;
  void take_colours(std::uint32_t space, std::uint32_t encoding, std::uint32_t quantisation);
  void set_rate();
  const char* signal_fault() const noexcept;

  SessionConfig config_;
  Device device_;
  std::uint32_t input_ = 0;
  bool has_timings_ = false;
  Format format_;
  double rate_ = 0;
};

}  // namespace gantry::v4l2
