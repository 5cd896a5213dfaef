// Opening in order: input, timings, format, rate, controls, events.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/session.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry::v4l2 {
namespace {

constexpr double kSameRate = 1e-3;

double rate_of(const v4l2_bt_timings& t) {
  const double frame =
      static_cast<double>(V4L2_DV_BT_FRAME_WIDTH(&t)) * V4L2_DV_BT_FRAME_HEIGHT(&t);
  return frame > 0 ? static_cast<double>(t.pixelclock) / frame : 0;
}

bool same_rate(double a, double b) {
  return std::abs(a - b) <= kSameRate * b;
}

bool matches(const v4l2_dv_timings& t, const Wanted& w) {
  return static_cast<int>(t.bt.width) == w.width && static_cast<int>(t.bt.height) == w.height &&
         !t.bt.interlaced && same_rate(rate_of(t.bt), w.frames_per_second);
}

}  // namespace

Session::Session(const SessionConfig& config)
    : config_(config), device_(config_.device, config_.emulated) {
  select_input();
  set_timings();
  set_format();
  set_rate();
  apply(device_, config_.controls);
  v4l2_event_subscription events{};
  events.type = V4L2_EVENT_SOURCE_CHANGE;
  events.id = input_;
  device_.call(VIDIOC_SUBSCRIBE_EVENT, &events);  // where the device has none nothing is lost
}

void Session::select_input() {
  if (config_.input >= 0) {
    int input = config_.input;
    device_.demand(VIDIOC_S_INPUT, &input, fmt::format("has no input {}", input).c_str());
  }
  v4l2_input input{};
  int index = 0;
  if (device_.call(VIDIOC_G_INPUT, &index) != 0) return;
  input.index = static_cast<__u32>(index);
  if (device_.call(VIDIOC_ENUMINPUT, &input) != 0) return;
  input_ = input.index;
  has_timings_ = (input.capabilities & V4L2_IN_CAP_DV_TIMINGS) != 0;
  if (const char* fault = signal_fault()) device_.refuse(fault);
}

// A digital video input has the timings of what is plugged in; devices that follow are told ours.
void Session::set_timings() {
  if (!has_timings_) return;
  v4l2_dv_timings now{};
  const auto query = [&] { return device_.call(VIDIOC_QUERY_DV_TIMINGS, &now) == 0; };
  if (query() && !matches(now, config_.wanted)) {
    v4l2_enum_dv_timings e{};
    for (; device_.call(VIDIOC_ENUM_DV_TIMINGS, &e) == 0; ++e.index)
      if (matches(e.timings, config_.wanted)) {
        v4l2_dv_timings ours = e.timings;
        device_.demand(VIDIOC_S_DV_TIMINGS, &ours, "does not take its timings");
        break;
      }
    if (query() && !matches(now, config_.wanted))
      device_.refuse(
          fmt::format("the signal is {}x{} at {:.2f} frames a second; {}x{} at {:g} is "
                      "configured",
                      +now.bt.width, +now.bt.height, rate_of(now.bt), config_.wanted.width,
                      config_.wanted.height, config_.wanted.frames_per_second));
  }
  if (now.bt.width) device_.demand(VIDIOC_S_DV_TIMINGS, &now, "does not take its signal's timings");
}

void Session::set_format() {
  const Wanted& w = config_.wanted;
  const std::uint32_t fourcc = choose_format();
  v4l2_format f{};
  f.type = device_.type();
  const auto ask = [&](auto& p) {
    p.width = static_cast<__u32>(w.width), p.height = static_cast<__u32>(w.height);
    p.pixelformat = fourcc;
    p.field = V4L2_FIELD_NONE;
  };
  // Rows as the surface has them save a conversion, where the device can.
  const bool nv12 = fourcc == V4L2_PIX_FMT_NV12 || fourcc == V4L2_PIX_FMT_NV12M;
  const auto pitch = static_cast<__u32>(nv12 ? config_.pitch : 0);
  if (device_.multi_planar()) {
    ask(f.fmt.pix_mp);
    f.fmt.pix_mp.num_planes = static_cast<__u8>(find_pixel_format(fourcc)->buffers);
    for (int p = 0; p < f.fmt.pix_mp.num_planes; ++p)
      f.fmt.pix_mp.plane_fmt[p].bytesperline = pitch;
  } else {
    ask(f.fmt.pix);
    f.fmt.pix.bytesperline = pitch;
  }
  device_.demand(VIDIOC_S_FMT, &f, "does not take its format");
  __u32 field = 0;
  const auto take = [&](const auto& p) {
    format_.fourcc = p.pixelformat;
    format_.width = static_cast<int>(p.width), format_.height = static_cast<int>(p.height);
    field = p.field;
    take_colours(p.colorspace, p.ycbcr_enc, p.quantization);
  };
  if (device_.multi_planar()) {
    const auto& p = f.fmt.pix_mp;
    take(p);
    format_.buffers = std::min<int>(p.num_planes, kMostPlanes);
    for (int i = 0; i < format_.buffers; ++i) {
      format_.pitch[i] = static_cast<int>(p.plane_fmt[i].bytesperline);
      format_.bytes[i] = p.plane_fmt[i].sizeimage;
    }
  } else {
    take(f.fmt.pix);
    format_.pitch[0] = static_cast<int>(f.fmt.pix.bytesperline);
    format_.bytes[0] = f.fmt.pix.sizeimage;
  }
  if (format_.fourcc != fourcc || format_.width != w.width || format_.height != w.height)
    device_.refuse(fmt::format("gives {} {}x{} where {} {}x{} was asked for",
                               fourcc_text(format_.fourcc), format_.width, format_.height,
                               fourcc_text(fourcc), w.width, w.height));
  if (field != V4L2_FIELD_NONE && field != V4L2_FIELD_ANY)
    device_.refuse("is interlaced; only progressive pictures are taken");
}

std::uint32_t Session::choose_format() const {
  // What libv4l2 makes of everything.
  if (config_.emulated) return V4L2_PIX_FMT_YUV420;
  const Wanted& w = config_.wanted;
  try {
    return choose(list_offers(device_, w.width, w.height), w);
  } catch (const std::runtime_error& e) {
    device_.refuse(e.what());
  }
}

void Session::take_colours(std::uint32_t space, std::uint32_t encoding,
                           std::uint32_t quantisation) {
  format_.matrix = config_.matrix;
  format_.range = config_.range;
  if (space == V4L2_COLORSPACE_DEFAULT) return;  // it does not say
  // Monochrome sensors use all of a byte, and the kernel's own generator does.
  const bool grey = find_pixel_format(format_.fourcc)->chroma_columns == 0;
  if (encoding == V4L2_YCBCR_ENC_DEFAULT)
    encoding = static_cast<std::uint32_t>(V4L2_MAP_YCBCR_ENC_DEFAULT(space));
  if (quantisation == V4L2_QUANTIZATION_DEFAULT)
    quantisation = static_cast<std::uint32_t>(V4L2_MAP_QUANTIZATION_DEFAULT(grey, space, encoding));
  if (encoding == V4L2_YCBCR_ENC_709) format_.matrix = ColourMatrix::bt709;
  if (encoding == V4L2_YCBCR_ENC_601) format_.matrix = ColourMatrix::bt601;
  format_.range =
      quantisation == V4L2_QUANTIZATION_FULL_RANGE ? ColourRange::full : ColourRange::limited;
}

void Session::set_rate() {
  const double wanted = config_.wanted.frames_per_second;
  v4l2_streamparm p{};
  p.type = device_.type();
  p.parm.capture.timeperframe.numerator = 1000;
  p.parm.capture.timeperframe.denominator = static_cast<__u32>(std::lround(wanted * 1000));
  const int set = device_.call(VIDIOC_S_PARM, &p);
  const auto& interval = p.parm.capture.timeperframe;
  rate_ = set == 0 && interval.numerator > 0
              ? static_cast<double>(interval.denominator) / interval.numerator
              : wanted;
  if (!same_rate(rate_, wanted))
    device_.refuse(
        fmt::format("gives {:.4g} frames a second where {:g} were asked for", rate_, wanted));
}

const char* Session::signal_fault() const noexcept {
  int index = 0;
  v4l2_input input{};
  if (device_.call(VIDIOC_G_INPUT, &index) != 0) return nullptr;
  input.index = static_cast<__u32>(index);
  if (device_.call(VIDIOC_ENUMINPUT, &input) != 0) return nullptr;
  if (input.status & V4L2_IN_ST_NO_POWER) return "the input has no power";
  if (input.status & V4L2_IN_ST_NO_SIGNAL) return "no signal: is the cable plugged in?";
  if (input.status & (V4L2_IN_ST_NO_SYNC | V4L2_IN_ST_NO_H_LOCK))
    return "the signal cannot be locked on";
  return nullptr;
}

const char* Session::fault() noexcept {
  v4l2_event event{};
  bool changed = false;
  while (device_.call(VIDIOC_DQEVENT, &event) == 0)
    changed |= event.type == V4L2_EVENT_SOURCE_CHANGE;
  if (!changed) return nullptr;
  if (const char* fault = signal_fault()) return fault;
  if (!has_timings_) return nullptr;
  v4l2_dv_timings now{};
  switch (device_.call(VIDIOC_QUERY_DV_TIMINGS, &now)) {
    case 0:
      return matches(now, config_.wanted) ? nullptr : "the signal has changed";
    case ERANGE:
      return "the signal is out of the device's range";
    default:
      return nullptr;  // a device that cannot tell
  }
}

}  // namespace gantry::v4l2
