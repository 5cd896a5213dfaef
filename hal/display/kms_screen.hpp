// An open screen: its planes, framebuffers and mode. What a display loses and rebuilds as one piece.
//
// Three doors, the first that the driver accepts (asked with TEST_ONLY):
//   plane       the view's surface itself on the primary plane, where it covers the screen
//   planes      the view's and the panorama's surfaces on overlay planes over a black screen
//   conversion  one kernel paints them into XRGB8888 memory of the device
// Planes need NV12 with the rig's COLOR_ENCODING and COLOR_RANGE, and surfaces with a DMA-buf that
// the device imports; their framebuffers are made here, once.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "hal/display/atomic_request.hpp"
#include "hal/display/framebuffer.hpp"
#include "hal/display/screen_painter.hpp"
#include "hal/display/screen_search.hpp"

namespace gantry::kms {

// Where pictures come from, and how their colours are meant. The pools outlive the screen.
struct ScreenSources {
  SurfacePool* views = nullptr;
  SurfacePool* panoramas = nullptr;  // null in the layout `camera`
  ColourMatrix matrix = ColourMatrix::bt709;
  ColourRange range = ColourRange::limited;
};

// What one plane shows.
struct Content {
  std::uint32_t framebuffer = 0;  // 0: the plane is off
  int width = 0, height = 0;      // of the framebuffer
  ScreenRectangle place;
};
inline constexpr std::size_t kLayers = 3;  // the primary plane, the view's, the panorama's
using Scene = std::array<Content, kLayers>;

class Screen {
 public:
  enum class Door { plane, planes, conversion };
  static constexpr int kBuffers = 4;  // black, on the screen, on its way, being painted
  static constexpr int kBlack = 0;

  // Takes the device, sets the mode, shows black. Throws std::runtime_error.
  Screen(const DisplayConfig& config, const ScreenSources& sources, ScreenPainter& painter);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  int fd() const { return found_.card->fd(); }
  DisplayMode mode() const;
  std::string describe() const;
  Door door() const { return door_; }
  const ScreenPlaces& places() const { return places_; }

  // The scene of surfaces that planes show themselves; Door::conversion has none.
  Scene scene_of(const ScreenPicture& picture) const noexcept;
  // The scene of one dumb buffer, and the buffer.
  Scene scene_of(int buffer) const noexcept;
  DumbBuffer& buffer(int index) { return *buffers_[static_cast<std::size_t>(index)]; }
  const ScreenPainter::Canvas& canvas(int index) const {
    return canvases_[static_cast<std::size_t>(index)];
  }

  // Without waiting; the flip's event follows. 0 or the error number.
  int flip(const Scene& scene) noexcept;
  // The connector is still connected and still offers the mode; `ask`: asks the monitor too.
  bool still_there(bool ask) const;

 private:
  // A plane in use and its properties' numbers.
  struct Layer {
    std::uint32_t plane = 0, framebuffer = 0, crtc = 0;
    std::array<std::uint32_t, 4> source{}, target{};  // x, y, width, height
  };
  static Layer layer_of(const Plane& plane);
  Scene scene_of(std::uint32_t view, const Framebuffer* panorama) const noexcept;
  void make_buffers(ScreenPainter& painter);
  void choose_door(const ScreenSources& sources);
  bool import_surfaces(const ScreenSources& sources);
  bool shows(const Plane& plane, const ScreenSources& sources) const;
  bool accepts(const Scene& scene) const;
  void add_mode(AtomicRequest& request) const;
  void add_scene(const Scene& scene, AtomicRequest& request) const noexcept;

  FoundScreen found_;
  Nv12Layout view_layout_, panorama_layout_;
  ScreenPlaces places_;
  Door door_ = Door::conversion;
  std::vector<Plane> planes_;
  std::array<Layer, kLayers> layers_;
  std::uint32_t mode_blob_ = 0;
  std::uint64_t encoding_ = 0, colour_range_ = 0;  // values of the NV12 planes' properties
  std::vector<Framebuffer> views_, panoramas_;     // by the number of the surface
  std::array<std::unique_ptr<DumbBuffer>, kBuffers> buffers_;
  std::array<ScreenPainter::Canvas, kBuffers> canvases_;
  std::string no_planes_;  // why the door is the conversion
};

}  // namespace gantry::kms
