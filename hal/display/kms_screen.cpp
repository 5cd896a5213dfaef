// Opens a screen: doors, buffers, mode; then one commit a frame.
// SPDX-License-Identifier: Apache-2.0
#include "hal/display/kms_screen.hpp"

#include <cstring>
#include <stdexcept>

#include <drm_fourcc.h>
#include <fmt/format.h>
#include <xf86drm.h>

namespace gantry::kms {
namespace {

constexpr const char* encoding_label(ColourMatrix matrix) {
  return matrix == ColourMatrix::bt709 ? "ITU-R BT.709 YCbCr" : "ITU-R BT.601 YCbCr";
}
constexpr const char* range_label(ColourRange range) {
  return range == ColourRange::limited ? "YCbCr limited range" : "YCbCr full range";
}

Nv12Layout layout_of(SurfacePool* pool) {
  return pool ? pool->slot(0).layout : Nv12Layout{};
}

bool covers(const ScreenRectangle& r, const DisplayMode& mode) {
  return r.x == 0 && r.y == 0 && r.width == mode.width && r.height == mode.height;
}

}  // namespace

Screen::Screen(const DisplayConfig& config, const ScreenSources& sources, ScreenPainter& painter)
    : found_(find_screen(config)),
      view_layout_(layout_of(sources.views)),
      panorama_layout_(layout_of(sources.panoramas)),
      places_(screen_places(config.layout, found_.mode.hdisplay, found_.mode.vdisplay, view_layout_,
                            panorama_layout_)),
      planes_(found_.card->planes()) {
  if (drmModeCreatePropertyBlob(fd(), &found_.mode, sizeof found_.mode, &mode_blob_))
    throw std::runtime_error(
        fmt::format("{}: the mode is refused: {}", describe(), strerror(errno)));
  for (const Plane& plane : planes_)
    if (plane.kind == Plane::Kind::primary && plane.possible_crtcs & found_.crtc_bit &&
        plane.offers(DRM_FORMAT_XRGB8888) && !layers_[0].plane)
      layers_[0] = layer_of(plane);
  make_buffers(painter);
  choose_door(sources);
  AtomicRequest request;
  add_mode(request);
  add_scene(scene_of(kBlack), request);
  if (const int error = request.commit(fd(), DRM_MODE_ATOMIC_ALLOW_MODESET))
    throw std::runtime_error(
        fmt::format("{}: the mode cannot be set: {}", describe(), strerror(error)));
}

Screen::~Screen() {
  if (mode_blob_) drmModeDestroyPropertyBlob(fd(), mode_blob_);
}

DisplayMode Screen::mode() const {
  return {found_.mode.hdisplay, found_.mode.vdisplay, refresh_hz(found_.mode)};
}

std::string Screen::describe() const {
  constexpr const char* doors[] = {"the view itself on the primary plane",
                                   "the surfaces themselves on planes", "converted to XRGB8888"};
  return fmt::format("{} ({}) {} {}, {}{}", found_.card->node().string(), found_.card->driver(),
                     found_.connector.name, kms::describe(found_.mode),
                     doors[static_cast<int>(door_)], no_planes_);
}

Screen::Layer Screen::layer_of(const Plane& plane) {
  const Properties& p = plane.properties;
  return {plane.id,
          p.id("FB_ID"),
          p.id("CRTC_ID"),
          {p.id("SRC_X"), p.id("SRC_Y"), p.id("SRC_W"), p.id("SRC_H")},
          {p.id("CRTC_X"), p.id("CRTC_Y"), p.id("CRTC_W"), p.id("CRTC_H")}};
}

void Screen::make_buffers(ScreenPainter& painter) {
  for (std::size_t i = 0; i < kBuffers; ++i) {
    buffers_[i] = std::make_unique<DumbBuffer>(fd(), found_.mode.hdisplay, found_.mode.vdisplay);
    const DumbBuffer& b = *buffers_[i];
    canvases_[i] = painter.canvas({b.pixels(), b.pitch(), b.bytes(), b.dma_buf()});
  }
}

// Whether a plane shows NV12 in the colours that are meant.
bool Screen::shows(const Plane& plane, const ScreenSources& sources) const {
  std::uint64_t value = 0;
  return plane.kind != Plane::Kind::cursor && plane.possible_crtcs & found_.crtc_bit &&
         plane.offers(DRM_FORMAT_NV12) &&
         plane.properties.find_value("COLOR_ENCODING", encoding_label(sources.matrix), value) &&
         plane.properties.find_value("COLOR_RANGE", range_label(sources.range), value);
}

void Screen::choose_door(const ScreenSources& sources) {
  if (!import_surfaces(sources)) return;
  std::vector<const Plane*> able;
  for (const Plane& plane : planes_)
    if (shows(plane, sources)) able.push_back(&plane);
  no_planes_ = ": no plane takes NV12 with these colours";
  if (able.empty()) return;
  able.front()->properties.find_value("COLOR_ENCODING", encoding_label(sources.matrix), encoding_);
  able.front()->properties.find_value("COLOR_RANGE", range_label(sources.range), colour_range_);
  const auto primary = layers_;
  const auto fits = [&](Door door) {
    door_ = door;
    const bool fit = accepts(scene_of(0, panoramas_.empty() ? nullptr : &panoramas_[0]));
    if (fit) no_planes_.clear();
    return fit;
  };
  const auto use = [&](std::size_t layer, const Plane& plane) { layers_[layer] = layer_of(plane); };
  for (const Plane* plane : able)
    if (plane->kind == Plane::Kind::primary && !sources.panoramas && covers(places_.view, mode())) {
      use(0, *plane);
      if (fits(Door::plane)) return;
    }
  layers_ = primary;
  std::erase_if(able, [](const Plane* p) { return p->kind != Plane::Kind::overlay; });
  const std::size_t needed = sources.panoramas ? 2 : 1;
  if (able.size() >= needed) {
    for (std::size_t i = 0; i < needed; ++i) use(i + 1, *able[i]);
    if (fits(Door::planes)) return;
  }
  layers_ = primary;
  no_planes_ = ": no planes that take these pictures at these sizes";
  door_ = Door::conversion;
  views_.clear();
  panoramas_.clear();
}

bool Screen::import_surfaces(const ScreenSources& sources) try {
  const auto import_pool = [&](SurfacePool* pool, std::vector<Framebuffer>& framebuffers) {
    for (std::uint32_t i = 0; pool && i < pool->capacity(); ++i) {
      if (pool->slot(i).dma_buf() < 0) throw std::runtime_error("the surfaces have no DMA-buf");
      framebuffers.push_back(import_surface(fd(), pool->slot(i)));
    }
  };
  if (!found_.card->imports()) throw std::runtime_error("the driver imports no DMA-buf");
  import_pool(sources.views, views_);
  import_pool(sources.panoramas, panoramas_);
  return true;
} catch (const std::exception& e) {
  no_planes_ = std::string(": ") + e.what();
  views_.clear();
  panoramas_.clear();
  return false;
}

Scene Screen::scene_of(int buffer) const noexcept {
  const DumbBuffer& b = *buffers_[static_cast<std::size_t>(buffer)];
  return {Content{b.framebuffer(), b.width(), b.height(), {0, 0, b.width(), b.height()}}};
}

Scene Screen::scene_of(const ScreenPicture& picture) const noexcept {
  return scene_of(picture.view.index(),
                  picture.panorama ? &panoramas_[picture.panorama.index()] : nullptr);
}

Scene Screen::scene_of(std::uint32_t view, const Framebuffer* panorama) const noexcept {
  const Content content{views_[view].id(), view_layout_.width, view_layout_.height, places_.view};
  if (door_ == Door::plane) return {content};
  Scene scene = scene_of(kBlack);
  scene[1] = content;
  if (panorama)
    scene[2] = {panorama->id(), panorama_layout_.width, panorama_layout_.height, places_.panorama};
  return scene;
}

void Screen::add_mode(AtomicRequest& request) const {
  const Properties crtc(fd(), found_.crtc, DRM_MODE_OBJECT_CRTC);
  request.add(found_.crtc, crtc.id("MODE_ID"), mode_blob_);
  request.add(found_.crtc, crtc.id("ACTIVE"), 1);
  const Connector& c = found_.connector;
  request.add(c.id, c.properties.id("CRTC_ID"), found_.crtc);
  std::uint64_t good = 0;
  if (c.properties.find_value("link-status", "Good", good))
    request.add(c.id, c.properties.id("link-status"), good);
  for (const Plane& plane : planes_) {
    bool used = false;
    for (const Layer& layer : layers_) used |= layer.plane == plane.id;
    if (!used && plane.crtc == found_.crtc) {  // whoever had the screen before left it on
      request.add(plane.id, plane.properties.id("FB_ID"), 0);
      request.add(plane.id, plane.properties.id("CRTC_ID"), 0);
    }
    if (used && door_ != Door::conversion && plane.properties.id("COLOR_ENCODING")) {
      request.add(plane.id, plane.properties.id("COLOR_ENCODING"), encoding_);
      request.add(plane.id, plane.properties.id("COLOR_RANGE"), colour_range_);
    }
  }
}

bool Screen::accepts(const Scene& scene) const {
  AtomicRequest request;
  add_mode(request);
  add_scene(scene, request);
  return request.commit(fd(), DRM_MODE_ATOMIC_TEST_ONLY | DRM_MODE_ATOMIC_ALLOW_MODESET) == 0;
}

void Screen::add_scene(const Scene& scene, AtomicRequest& request) const noexcept {
  for (std::size_t i = 0; i < kLayers; ++i) {
    const Layer& layer = layers_[i];
    const Content& c = scene[i];
    if (!layer.plane) continue;
    const bool on = c.framebuffer != 0;
    request.add(layer.plane, layer.framebuffer, c.framebuffer);
    request.add(layer.plane, layer.crtc, on ? found_.crtc : 0);
    if (!on) continue;
    const int source[4] = {0, 0, c.width, c.height};
    const int target[4] = {c.place.x, c.place.y, c.place.width, c.place.height};
    for (std::size_t k = 0; k < 4; ++k) {
      request.add(layer.plane, layer.source[k], static_cast<std::uint64_t>(source[k]) << 16);
      request.add(layer.plane, layer.target[k], static_cast<std::uint64_t>(target[k]));
    }
  }
}

int Screen::flip(const Scene& scene) noexcept {
  AtomicRequest request;
  add_scene(scene, request);
  return request.commit(fd(), DRM_MODE_PAGE_FLIP_EVENT | DRM_MODE_ATOMIC_NONBLOCK);
}

bool Screen::still_there(bool ask) const {
  const std::uint32_t id = found_.connector.id;
  drmModeConnector* c = ask ? drmModeGetConnector(fd(), id) : drmModeGetConnectorCurrent(fd(), id);
  if (!c) return false;
  bool offered = false;
  for (int i = 0; i < c->count_modes; ++i)
    offered |= std::memcmp(&c->modes[i], &found_.mode, offsetof(drmModeModeInfo, type)) == 0;
  const bool connected = c->connection == DRM_MODE_CONNECTED;
  drmModeFreeConnector(c);
  return connected && offered;
}

}  // namespace gantry::kms
