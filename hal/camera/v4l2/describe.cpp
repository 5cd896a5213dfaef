// Cameras in words: names, formats, doors, controls.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/describe.hpp"

#include <cstring>
#include <map>
#include <numeric>
#include <stdexcept>

#include <fmt/format.h>

#include "hal/camera/v4l2/controls.hpp"
#include "hal/camera/v4l2/device.hpp"
#include "hal/camera/v4l2/offer.hpp"
#include "hal/camera/v4l2/pixel_format.hpp"
#include "hal/camera/v4l2/trial.hpp"
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

constexpr const char* kStraight = "NV12 is written straight into the surface";

// What one way of sharing memory comes to: shut with the cause, or open with what it gives.
struct Trial {
  bool open = false;
  std::string why;
};

// A block that the camera writes into: kernels must be able to work in it too.
Trial for_kernels(const gpu::Device* gpu, const HeapBlock& block) {
  if (gpu && gpu->info().host_memory) return {true, kStraight};
  if (gpu && gpu->imports(block.dma_buf.get(), block.host.bytes()))
    return {true, fmt::format("{}, which the GPU imports", kStraight)};
  return {false, "the camera does, but the GPU works in memory of its own and does not import"};
}

Trial try_import(const Device& device, const Format& format, const gpu::Device* gpu,
                 const std::string& heap) try {
  if (format.buffers > 1) return {false, "its format has several buffers to a picture"};
  const HeapBlock block = open_heap(heap)->allocate(format.bytes[0]);
  if (const int error = try_block(device, format, Memory::dma_buf, block))
    return {false, fmt::format("refused: {}", std::strerror(error))};
  return for_kernels(gpu, block);
} catch (const std::runtime_error& e) {
  return {false, e.what()};
}

Trial try_address(const Device& device, const Format& format, const gpu::Device* gpu) try {
  const std::size_t bytes =
      std::accumulate(format.bytes.begin(), format.bytes.end(), std::size_t{0},
                      [](std::size_t sum, std::size_t b) { return sum + whole_pages(b); });
  const HeapBlock block = open_heap("plain")->allocate(bytes);
  std::array<std::size_t, kMostPlanes> offsets{};
  for (int b = 1; b < format.buffers; ++b)
    offsets[b] = offsets[b - 1] + whole_pages(format.bytes[b - 1]);
  if (const int error = try_block(device, format, Memory::user, block, offsets))
    return {false, fmt::format("refused: {}", std::strerror(error))};
  return {true, gpu && gpu->info().host_memory ? kStraight
                                               : "NV12 is written into pinned memory and uploaded"};
} catch (const std::runtime_error& e) {
  return {false, e.what()};
}

Trial try_exported(const Device& device, const Format& format, const gpu::Device* gpu) try {
  return for_kernels(gpu, try_export(device, format));
} catch (const std::runtime_error& e) {
  return {false, e.what()};
}

Trial try_mapping(const Device& device, const Format& format) try {
  const Stream trial(device, format, Memory::mmap, 1);
  return {true, "other formats are converted from it by one kernel"};
} catch (const std::runtime_error& e) {
  return {false, e.what()};
}

void add_doors(Lines& lines, const Device& device, const gpu::Device* gpu) {
  const Format format = current_format(device);
  const auto add = [&](const std::string& name, const Trial& t) {
    lines.push_back(fmt::format("  [{}] {:<34} {}", t.open ? "x" : " ", name, t.why));
  };
  for (const auto& heap : list_heaps())
    if (heap != "plain") add("import of " + heap, try_import(device, format, gpu, heap));
  add("surface by its address", try_address(device, format, gpu));
  add("export of the device's own memory", try_exported(device, format, gpu));
  add("the device's own memory, mapped", try_mapping(device, format));
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

std::vector<std::string> describe_cameras(const gpu::Device* gpu, bool controls) {
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
      add_doors(lines, device, gpu);
      if (controls) add_controls(lines, device);
    } catch (const std::runtime_error& e) {
      lines.push_back(fmt::format("  {}", e.what()));
    }
  }
  return lines;
}

}  // namespace gantry::v4l2
