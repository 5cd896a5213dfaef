// The detector stage: from a panorama to the ball and the players in it.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "pipeline/candidate_select.hpp"
#include "pipeline/detector_config.hpp"
#include "pipeline/frames.hpp"
#include "pipeline/plan/plan_runner.hpp"

namespace gantry {

// What the last analysis moved, bytes.
struct DetectorTraffic {
  std::uint64_t tiles_read = 0, tensor_written = 0, outputs_read = 0;
};

class Detector {
 public:
  // Set-up. `layout`: of every panorama. Throws std::runtime_error or std::invalid_argument naming
  // the plan or the key that is wrong. The device must outlive the detector.
  Detector(gpu::Device& device, const Plan& plan, const DetectorConfig& config,
           const PanoramaGeometry& geometry, const Nv12Layout& layout, ColourMatrix matrix,
           ColourRange range);

  // Analyses the tiles whose turn it is and waits for the outcome: for a submission thread of its
  // own. No allocation by the detector; `out` carries the panorama's number and capture instant,
  // strongest first. On anything but ok `out` is empty.
  Status analyse(const PanoramaFrame& panorama, Detections& out) noexcept;
  // All tiles of a picture that is ready.
  Status analyse(const Surface& surface, const cl::Event& ready, Detections& out) noexcept;

  // Set-up: analyses one tile, for drivers compile a kernel when it first runs.
  Status rehearse(const PanoramaFrame& panorama);

  const TilePlan& tiles() const { return tiles_; }
  const TileSchedule& schedule() const { return schedule_; }
  Head head() const { return decoder_->head(); }
  DetectorTraffic traffic() const;

 private:
  Status look_at(std::span<const std::uint16_t> tiles, const Surface& surface,
                 const gpu::Wait& ready, Detections& out) noexcept;
  Status run_chunk(const Surface& surface, std::size_t first, const gpu::Wait& ready) noexcept;
  Status decode_chunk(std::size_t first) noexcept;
  Status wait_for_outputs() noexcept;
  void finish(Detections& out) noexcept;

  cl::CommandQueue queue_;
  PlanRunner network_;
  FieldMask mask_;
  TilePlan tiles_;
  std::size_t batch_ = 1;
  TileSchedule schedule_;
  std::vector<std::uint16_t> all_;            // every tile
  std::span<const std::uint16_t> looked_at_;  // those of this analysis
  std::optional<HeadDecoder> decoder_;
  std::optional<CandidateSelect> select_;  // on devices whose memory is not the host's
  std::optional<TileStage> stage_;
  DetectFilter filter_;
  CandidateMerge merge_;
  std::vector<const float*> outputs_;    // the network's, on the host
  std::unique_ptr<NetworkBoxes> boxes_;  // of one tile
  std::vector<Candidate> candidates_;    // of all tiles; its size is their number at most
  std::size_t count_ = 0, overflowed_ = 0;
};

// Set-up: one picture, for the command line. All of it is analysed, as `config` says but without
// its mask: a lone picture has no angles. The default limits are made for panoramas; pictures of
// anything want LimitsPerClass{}. Throws as Detector does, and std::runtime_error if the device
// fails.
Detections detect_in_picture(gpu::Device& device, const Plan& plan, const DetectorConfig& config,
                             const Surface& picture, ColourMatrix matrix, ColourRange range);

}  // namespace gantry
