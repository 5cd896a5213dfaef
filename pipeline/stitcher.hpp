// Pairs of camera pictures in, panoramas out: mesh, seams and colour match in one kernel launch.
//
// Everything here runs on one submission thread; the host never waits for the device in the frame
// path. The queue is in order and the stitcher's own. Input pictures are held in a fixed ring until
// the launches that read them have completed.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "pipeline/colour_match.hpp"
#include "pipeline/frames.hpp"
#include "pipeline/overlap_statistics.hpp"
#include "pipeline/stitch_kernel.hpp"

namespace gantry {

struct StitcherConfig {
  bool colour_match = true;
  std::int64_t colour_interval_ns = 1'000'000'000;  // of capture time, between measurements
  ColourFormat format;                              // of the cameras and of the panorama
  std::array<GainLimits, Rig::kMostCameras> gain_limits{};
  bool profile = false;  // the events of panoramas carry device times
  // On the picture that stands in for a missing camera where no other sees.
  std::array<std::string, Rig::kMostCameras> no_signal;
};

// What the rig says about its colours.
StitcherConfig stitcher_config(const Rig& rig);

class Stitcher {
 public:
  // Set-up. `cameras`: the layouts of the pictures, in the order of the rig; `panorama`: that of
  // the surfaces given to stitch(). Throws std::invalid_argument if sizes do not belong together,
  // std::runtime_error if the device refuses.
  Stitcher(gpu::Device& device, const StitchMesh& mesh, std::span<const Nv12Layout> cameras,
           const Nv12Layout& panorama, const StitcherConfig& config);
  // Waits for what is in flight.
  ~Stitcher() { drain(); }
  Stitcher(const Stitcher&) = delete;
  Stitcher& operator=(const Stitcher&) = delete;

  // Set-up: stitches pictures of every camera, measures their colours, waits and forgets, for drivers
  // compile a kernel when it first runs.
  Status rehearse(FramePair&& pair, PanoramaFrame& panorama) noexcept;

  // Enqueues one panorama into `surface`, which moves to `out.surface`, and sets out.ready,
  // capture_ns and number. Where only cameras without a surface see, their slates stand in.
  //   ok           the pair's pictures are the stitcher's now
  //   again        kInFlight panoramas are not ready yet; nothing was taken
  //   lost         the pair has no picture at all
  //   device_lost  the device refused; nothing was taken
  Status stitch(FramePair&& pair, SurfaceRef&& surface, PanoramaFrame& out) noexcept;

  // Lets go of pictures whose panoramas are complete. Called by stitch() too; does not wait.
  void retire() noexcept;
  // Waits until nothing is in flight: for the end, and where `again` must become room.
  void drain() noexcept;
  // Waits for the oldest panorama only.
  void wait_oldest() noexcept;

  // A colour measurement is in flight. Whoever wants the same film from the same pictures drains
  // then, so that its outcome counts from the next panorama on whatever the device's speed.
  bool measuring() const noexcept;

  const ColourGains& gains(std::size_t camera) const { return match_.gains(camera); }
  bool colour_match_off() const { return match_.off(); }

  // Bytes that one panorama moves: its cameras read once, itself written once, and the tables.
  std::uint64_t bytes_per_panorama() const { return picture_bytes_ + kernel_.table_bytes(); }
  // The least that is possible: without the tables.
  std::uint64_t bytes_floor() const { return picture_bytes_; }
  // Since the start.
  std::uint64_t bytes_moved() const { return bytes_moved_; }

  static constexpr std::size_t kInFlight = 8;

 private:
  struct InFlight {
    std::array<SurfaceRef, Rig::kMostCameras> pictures;
    cl::Event done, measured;
  };

  void draw_slates(gpu::Device& device);
  void measure_colours(const FramePair& pair, int present, cl::Event& done) noexcept;
  void update_colours() noexcept;
  void release_oldest() noexcept;

  StitcherConfig config_;
  std::array<Nv12Layout, Rig::kMostCameras> layouts_{};
  std::size_t cameras_;
  cl::CommandQueue queue_;
  StitchKernel kernel_;
  std::array<cl::Buffer, Rig::kMostCameras> slates_;
  OverlapStatistics statistics_;
  ColourMatch match_;
  std::int64_t next_measurement_ns_ = INT64_MIN;

  std::array<InFlight, kInFlight> ring_;
  std::size_t oldest_ = 0, in_flight_ = 0;
  std::uint64_t picture_bytes_ = 0, bytes_moved_ = 0;
};

}  // namespace gantry
