// What a screen scans out, looked at from beside a display at work: for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <drm_fourcc.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "hal/display/card.hpp"
#include "hal/file_descriptor.hpp"
#include "hal/memory/mapping.hpp"

namespace gantry::test {

inline std::string vkms_node() {
  for (const auto& node : kms::card_nodes())
    if (kms::Card(node).driver() == "vkms") return node.string();
  return {};
}

// A copy of a framebuffer, XRGB8888 or NV12.
struct ScreenCopy {
  int width = 0, height = 0;
  std::uint32_t format = 0;
  std::size_t pitch = 0, chroma = 0;  // bytes; where NV12's second plane begins
  std::vector<std::uint8_t> bytes;

  bool nv12() const { return format == DRM_FORMAT_NV12; }
  // Luma, or green, of every pixel.
  std::vector<std::uint8_t> light() const {
    std::vector<std::uint8_t> pixels;
    pixels.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) pixels.push_back(at(y, nv12() ? x : 4 * x + 1));
    return pixels;
  }
  // Luma, Cb and Cr of a pixel of NV12.
  std::array<int, 3> yuv(int x, int y) const {
    const int even = x & ~1;
    return {at(y, x), at(y / 2, even, chroma), at(y / 2, even + 1, chroma)};
  }

 private:
  std::uint8_t at(int row, int byte, std::size_t plane = 0) const {
    return bytes[plane + pitch * static_cast<std::size_t>(row) + static_cast<std::size_t>(byte)];
  }
};

// For root: the framebuffer of the uppermost plane that is on.
class Scanout {
 public:
  explicit Scanout(const std::string& node) : fd_(open(node.c_str(), O_RDWR | O_CLOEXEC)) {
    drmDropMaster(fd_.get());
    drmSetClientCap(fd_.get(), DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1);
  }
  std::optional<ScreenCopy> look() const {
    std::optional<ScreenCopy> copy;
    drmModePlaneRes* planes = drmModeGetPlaneResources(fd_.get());
    for (std::uint32_t i = planes->count_planes; i-- > 0 && !copy;) {
      drmModePlane* plane = drmModeGetPlane(fd_.get(), planes->planes[i]);
      if (plane->fb_id) copy = read(plane->fb_id);
      drmModeFreePlane(plane);
    }
    drmModeFreePlaneResources(planes);
    return copy;
  }

 private:
  std::optional<ScreenCopy> read(std::uint32_t id) const {
    drmModeFB2* fb = drmModeGetFB2(fd_.get(), id);
    if (!fb) return std::nullopt;
    ScreenCopy copy;
    copy.width = static_cast<int>(fb->width), copy.height = static_cast<int>(fb->height);
    copy.format = fb->pixel_format;
    copy.pitch = fb->pitches[0], copy.chroma = fb->offsets[1];
    const std::uint32_t handle = fb->handles[0];
    drmModeFreeFB2(fb);
    int shared = -1;
    const int refused = drmPrimeHandleToFD(fd_.get(), handle, DRM_CLOEXEC, &shared);
    drmCloseBufferHandle(fd_.get(), handle);
    if (refused) return std::nullopt;
    const FileDescriptor owner(shared);
    const std::size_t rows = static_cast<std::size_t>(copy.height);
    const std::size_t bytes = copy.nv12() ? copy.chroma + copy.pitch * rows / 2 : copy.pitch * rows;
    const Mapping map(mmap(nullptr, bytes, PROT_READ, MAP_SHARED, shared, 0), bytes);
    if (!map) return std::nullopt;
    const auto* first = reinterpret_cast<const std::uint8_t*>(map.data());
    copy.bytes.assign(first, first + bytes);
    return copy;
  }
  FileDescriptor fd_;
};

}  // namespace gantry::test
