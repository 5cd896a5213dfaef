// What a vkms screen shows, read back through its write-back connector: for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include <poll.h>
#include <xf86drm.h>

#include "hal/display/kms_screen.hpp"

namespace gantry {

struct GrabbedScreen {
  int width = 0, height = 0;
  std::vector<std::uint32_t> pixels;  // XRGB8888
  int red(int x, int y) const { return at(x, y) >> 16 & 255; }
  int green(int x, int y) const { return at(x, y) >> 8 & 255; }
  int blue(int x, int y) const { return at(x, y) & 255; }
  std::uint32_t at(int x, int y) const { return pixels[static_cast<std::size_t>(y) * width + x]; }
};

// The write-back connector must not be hidden from `fd`; the file descriptor is the display's own.
inline GrabbedScreen grab_screen(int fd) {
  using namespace kms;
  drmSetClientCap(fd, DRM_CLIENT_CAP_WRITEBACK_CONNECTORS, 1);
  std::uint32_t writeback = 0, crtc = 0;
  int width = 0, height = 0;
  drmModeRes* resources = drmModeGetResources(fd);
  for (int i = 0; i < resources->count_connectors; ++i) {
    drmModeConnector* c = drmModeGetConnector(fd, resources->connectors[i]);
    if (c->connector_type == DRM_MODE_CONNECTOR_WRITEBACK) writeback = c->connector_id;
    drmModeFreeConnector(c);
  }
  for (int i = 0; i < resources->count_crtcs; ++i) {
    drmModeCrtc* c = drmModeGetCrtc(fd, resources->crtcs[i]);
    if (c->mode_valid) crtc = c->crtc_id, width = c->mode.hdisplay, height = c->mode.vdisplay;
    drmModeFreeCrtc(c);
  }
  drmModeFreeResources(resources);
  if (!writeback || !crtc) throw std::runtime_error("no write-back connector, or nothing shown");
  const DumbBuffer target(fd, width, height);
  const Properties p(fd, writeback, DRM_MODE_OBJECT_CONNECTOR);
  std::int32_t fence = -1;
  AtomicRequest request;
  request.add(writeback, p.id("CRTC_ID"), crtc);
  request.add(writeback, p.id("WRITEBACK_FB_ID"), target.framebuffer());
  request.add(writeback, p.id("WRITEBACK_OUT_FENCE_PTR"), reinterpret_cast<std::uintptr_t>(&fence));
  if (const int error = request.commit(fd, DRM_MODE_ATOMIC_ALLOW_MODESET))
    throw std::runtime_error(std::string("write-back refused: ") + std::strerror(error));
  const FileDescriptor done(fence);
  pollfd event{fence, POLLIN, 0};
  if (poll(&event, 1, 5000) != 1) throw std::runtime_error("write-back does not come");
  GrabbedScreen screen{width, height, {}};
  for (int y = 0; y < height; ++y) {
    const std::uint32_t* row = target.pixels() + static_cast<std::size_t>(y) * target.pitch();
    screen.pixels.insert(screen.pixels.end(), row, row + width);
  }
  AtomicRequest off;
  off.add(writeback, p.id("CRTC_ID"), 0);
  off.commit(fd, DRM_MODE_ATOMIC_ALLOW_MODESET);
  return screen;
}

}  // namespace gantry
