// Imports, dumb buffers and their mappings.
// SPDX-License-Identifier: Apache-2.0
#include "hal/display/framebuffer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <drm_fourcc.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

namespace gantry::kms {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::runtime_error(fmt::format("{}: {}", what, strerror(errno)));
}

}  // namespace

Framebuffer::~Framebuffer() {
  if (id_) drmModeRmFB(fd_, id_);
}

Framebuffer import_surface(int fd, const Surface& surface) {
  std::uint32_t handle = 0, id = 0;
  if (drmPrimeFDToHandle(fd, surface.dma_buf(), &handle)) fail("import of a surface's DMA-buf");
  const Nv12Layout& l = surface.layout;
  const auto pitch = static_cast<std::uint32_t>(l.pitch);
  const std::uint32_t handles[4] = {handle, handle}, pitches[4] = {pitch, pitch};
  const std::uint32_t offsets[4] = {0, static_cast<std::uint32_t>(l.chroma_offset())};
  const int refused =
      drmModeAddFB2(fd, static_cast<std::uint32_t>(l.width), static_cast<std::uint32_t>(l.height),
                    DRM_FORMAT_NV12, handles, pitches, offsets, &id, 0);
  const int error = errno;
  drmCloseBufferHandle(fd, handle);  // the framebuffer holds the memory
  errno = error;
  if (refused) fail("a framebuffer over a surface");
  return {fd, id};
}

DumbBuffer::DumbBuffer(int fd, int width, int height) : fd_(fd), width_(width), height_(height) {
  std::uint32_t pitch = 0;
  std::uint64_t size = 0, offset = 0;
  if (drmModeCreateDumbBuffer(fd, static_cast<std::uint32_t>(width),
                              static_cast<std::uint32_t>(height), 32, 0, &handle_, &pitch, &size))
    fail("a dumb buffer");
  const auto undo = [&](const char* what) {
    const int error = errno;
    drmModeDestroyDumbBuffer(fd_, handle_);
    errno = error;
    fail(what);
  };
  pitch_ = static_cast<int>(pitch / sizeof(std::uint32_t));
  const std::size_t bytes = size;
  const std::uint32_t handles[4] = {handle_}, pitches[4] = {pitch}, offsets[4] = {};
  std::uint32_t id = 0;
  if (drmModeAddFB2(fd, static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height),
                    DRM_FORMAT_XRGB8888, handles, pitches, offsets, &id, 0))
    undo("a framebuffer over a dumb buffer");
  framebuffer_ = Framebuffer(fd, id);
  if (drmModeMapDumbBuffer(fd, handle_, &offset)) undo("the mapping of a dumb buffer");
  mapping_ = Mapping(
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset)),
      bytes);
  if (!mapping_) undo("the mapping of a dumb buffer");
  int exported = -1;
  if (drmPrimeHandleToFD(fd, handle_, DRM_CLOEXEC | DRM_RDWR, &exported) == 0)
    dma_buf_ = FileDescriptor(exported);
  fill(0);
}

DumbBuffer::~DumbBuffer() {
  mapping_.reset();
  framebuffer_ = {};
  drmModeDestroyDumbBuffer(fd_, handle_);
}

void DumbBuffer::fill(std::uint32_t colour) noexcept {
  std::fill_n(pixels(), bytes() / sizeof(std::uint32_t), colour);
}

}  // namespace gantry::kms
