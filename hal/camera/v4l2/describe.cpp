// Cameras in words: names, formats, doors, controls.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/describe.hpp"

#include <cstring>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "hal/camera/v4l2/controls.hpp"
#include "hal/camera/v4l2/device.hpp"
#include "hal/camera/v4l2/offer.hpp"
#include "hal/camera/v4l2/pixel_format.hpp"
#include "hal/camera/v4l2/stream.hpp"
#include "hal/memory/heap.hpp"

namespace gantry::v4l2 {
namespace {

using Lines = std::vector<std::string>;

// The format that the device has now: trials need one.
Format current_format(const Device& device) {
  v4l2_format f{};
  f.type = device.type();
  device.demand(VIDIOC_G_FMT, &f, "does not tell its format");
  Format format;
  if (device.multi_planar()) {
    const auto& p = f.fmt.pix_mp;
    format.fourcc = p.pixelformat;
    format.width = static_cast<int>(p.width), format.height = static_cast<int>(p.height);
    format.buffers = p.num_planes;
    for (int i = 0; i < format.buffers && i < kMostPlanes; ++i)
      format.bytes[i] = p.plane_fmt[i].sizeimage;
  } else {
    const auto& p = f.fmt.pix;
    format.fourcc = p.pixelformat;
    format.width = static_cast<int>(p.width), format.height = static_cast<int>(p.height);
    format.bytes[0] = p.sizeimage;
  }
  return format;
}

std::string door(bool open, const std::string& name, const std::string& why) {
  return fmt::format("  [{}] {:<34} {}", open ? "x" : " ", name, why);
}

// Empty where the device takes a block of the heap; else why not.
std::string import_refusal(const Device& device, const Format& format,
                           const std::string& heap) try {
  const HeapBlock block = open_heap(heap)->allocate(format.bytes[0]);
  Stream trial(device, format, Memory::dma_buf, 1);
  Target target;
  target.dma_buf = block.dma_buf.get();
  target.bytes = block.host.bytes();
  const int error = trial.queue(0, &target);
  return error == 0 ? "" : fmt::format("refused: {}", std::strerror(error));
} catch (const std::runtime_error& e) {
  return e.what();
}

std::string trial_of(const Device& device, const Format& format, Memory memory) try {
  const Stream trial(device, format, memory, 1);
  return {};
} catch (const std::runtime_error& e) {
  return e.what();
}

void add_doors(Lines& lines, const Device& device, bool host_memory) {
  const Format format = current_format(device);
  for (const auto& heap : list_heaps()) {
    if (heap == "plain") continue;
    const auto refusal = format.buffers > 1 ? "its format has several buffers to a picture"
                                            : import_refusal(device, format, heap);
    lines.push_back(door(refusal.empty() && host_memory, "import of " + heap,
                         !refusal.empty() ? refusal
                         : host_memory    ? "NV12 is written straight into the surface"
                                          : "taken, but the GPU works in memory of its own"));
  }
  const auto user = trial_of(device, format, Memory::user);
  lines.push_back(door(user.empty(), "surface by its address",
                       !user.empty() ? user
                       : host_memory ? "NV12 is written straight into the surface"
                                     : "NV12 is written into pinned memory and uploaded"));
  const auto own = trial_of(device, format, Memory::mmap);
  lines.push_back(door(own.empty(), "the device's own memory, mapped",
                       own.empty() ? "other formats are converted from it by one kernel" : own));
}

void add_formats(Lines& lines, const Device& device) {
  std::map<std::string, std::string> known;  // sizes to the formats that have them
  std::string others;
  for (const auto& offer : list_offers(device, 1920, 1080)) {
    std::string& list = find_pixel_format(offer.fourcc) ? known[text_of(offer)] : others;
    list += (list.empty() ? "" : " ") + fourcc_text(offer.fourcc);
  }
  for (const auto& [sizes, formats] : known)
    lines.push_back(fmt::format("  {}: {}", formats, sizes));
  if (!others.empty()) lines.push_back("  through libv4l2, if at all: " + others);
}

void add_controls(Lines& lines, const Device& device) {
  for (const auto& c : list_controls(device))
    lines.push_back(fmt::format("  {:<34} {} ({} to {})", c.name, c.value, c.low, c.high));
}

}  // namespace

std::vector<std::string> describe_cameras(bool host_memory, bool controls) {
  Lines lines;
  for (const auto& info : list_devices()) {
    lines.push_back(info.bus.empty() ? fmt::format("{}  {}", info.node, info.refusal)
                                     : fmt::format("device = \"{}\"  ({}, {}, {}{})", info.bus,
                                                   info.card, info.driver, info.node,
                                                   info.multi_planar ? ", multi-planar" : ""));
    if (info.bus.empty()) continue;
    try {
      const Device device(info.node);
      add_formats(lines, device);
      add_doors(lines, device, host_memory);
      if (controls) add_controls(lines, device);
    } catch (const std::runtime_error& e) {
      lines.push_back(fmt::format("  {}", e.what()));
    }
  }
  return lines;
}

}  // namespace gantry::v4l2
