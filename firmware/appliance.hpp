// The machine: every pool, link, stage and thread, in the order in which a frame meets them.
//
//   camera ─ capture ─┐
//   camera ─ capture ─┴ pair ─ stitch ─┬───────────── delay ring ─ pace ─ render ─ present ─┬ output
//                                      ├─ analyse ─── detections ───┘                       └ output
//                                      │       └── detection log ── decisions ──┘
//                                      ├─ completion (times)
//                                      └─ output (the panorama itself)
// and from present, beside the outputs: the display
//
// The constructor is set-up: it reads, allocates, compiles and throws. start() seals and sets the
// threads off. After that nothing here allocates until the run has ended.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "firmware/config.hpp"
#include "firmware/control_socket.hpp"
#include "firmware/health.hpp"
#include "firmware/memory_budget.hpp"
#include "firmware/run_report.hpp"
#include "firmware/thread.hpp"
#include "hal/encoder/encoder.hpp"
#include "pipeline/colour_match.hpp"
#include "pipeline/stages/analyse_stage.hpp"
#include "pipeline/stages/capture_stage.hpp"
#include "pipeline/stages/debug_stage.hpp"
#include "pipeline/stages/display_stage.hpp"
#include "pipeline/stages/output_stage.hpp"
#include "pipeline/stages/pace_stage.hpp"
#include "pipeline/stages/pair_stage.hpp"
#include "pipeline/stages/present_stage.hpp"
#include "pipeline/stages/render_stage.hpp"
#include "pipeline/stages/stitch_stage.hpp"

namespace gantry {

// One camera and all that belongs to it alone.
struct CameraLine {
  ThreadRole role = ThreadRole::codec;  // files decode; simulated cameras submit kernels
  std::unique_ptr<SurfacePool> surfaces;
  std::unique_ptr<Camera> camera;  // may hold surfaces: goes before them
  std::unique_ptr<CaptureLink> captured;
  std::unique_ptr<CaptureStage> stage;
};

// One encoder and all that belongs to it alone.
template <typename Frame, std::size_t N>
struct OutputLine {
  std::string path;  // as it may be shown: without a stream's key
  std::unique_ptr<Encoder> encoder;
  std::unique_ptr<Link<Frame, N>> link;
  std::unique_ptr<OutputStage<Frame, N>> stage;
};
// The screen and all that belongs to it alone.
struct DisplayLine {
  Signal wake;
  DisplayLink link{WhenFull::drop_oldest, &wake};  // even where files are filmed fast
  std::unique_ptr<Display> display;
  std::optional<DisplayStage> stage;
};

using ViewOutputLine = OutputLine<ViewFrame, OutputLink::capacity()>;
using PanoramaOutputLine = OutputLine<PanoramaFrame, PanoramaOutputLink::capacity()>;

// The debug recording: its own pictures, made beside the view's.
struct DebugLine {
  static constexpr std::uint32_t kSurfaces = OutputLink::capacity() + 4;

  explicit DebugLine(WhenFull when_full) : asked(when_full) {}
  DebugLink asked;
  std::unique_ptr<SurfacePool> surfaces;
  std::optional<DebugPicture> picture;
  std::optional<DebugStage> stage;
  ViewOutputLine output;
};

class Appliance {
 public:
  // Throws std::exception naming the file, key or device and what would be right.
  explicit Appliance(const Config& config);
  ~Appliance();

  void start();
  // Set-up, after start(): all that must progress, with its allowance.
  void watch(Health& health);
  // The cameras stop; what they took is still shown, `delay` later. Any thread.
  void stop() noexcept;
  // Nothing more is shown; files are completed at once. Any thread.
  void abandon() noexcept;
  // For a run that cannot go on, as when the device hangs: completes the files with what they have,
  // and waits for no one else. False if that took until `deadline_ns`. The thread that called start().
  bool close_outputs(std::int64_t deadline_ns) noexcept;
  // Looks at the process's memory, for the report: what grows from the first call after warm-up to
  // the last one while pictures come. The thread that called start(); now and then.
  void sample_footprint();
  // Everything that was to be shown was shown, or the run was abandoned.
  bool ended() const noexcept;
  // Waits for the end, closes the outputs. After it the report is final.
  void finish();

  const Telemetry& telemetry() const { return telemetry_; }
  RunReport report() const;
  // The panorama shown last, as a PNG; after finish().
  void save_panorama(const std::filesystem::path& file);

 private:
  std::unique_ptr<Camera> make_camera(std::size_t index);
  std::unique_ptr<Camera> make_v4l2_camera(std::size_t index);
  std::shared_ptr<v4l2::SharedExposure> exposure_decided_by(const std::string& camera);
  void make_cameras();
  void budget_memory();
  void make_panorama();
  void make_analysis();
  void make_view();
  void make_display();
  void make_detection_log();
  void make_outputs();
  void rehearse();
  void make_threads();
  // `idle`: has nothing to do; asked by the health check.
  void start_thread(std::string name, ThreadRole role, std::function<bool()> step,
                    std::function<bool()> idle);
  bool pace_ended() const noexcept;
  PacerOptions pacer_options() const;
  bool shows_panorama() const;
  std::uint32_t view_count() const, panoramas_outside_ring() const;
  const OutputConfig* output_of(OutputConfig::Kind kind) const;
  bool records_panorama() const { return output_of(OutputConfig::Kind::panorama); }
  OverlaySceneConfig overlay_scene() const;
  void make_debug();
  void report_cameras(RunReport& report) const;
  void report_drops(RunReport& report) const;
  void report_memory(RunReport& report) const;
  void report_display(RunReport& report) const;
  std::string bottleneck() const;

  const Config& config_;
  const WhenFull when_full_;  // drop_oldest when live, wait when filming files fast
  Telemetry telemetry_;
  MemoryBudget budget_;

  // --- the device and the rig
  gpu::Device device_;
  RigFile rig_;
  StitchMesh mesh_;
  cl::CommandQueue upload_queue_;

  // --- cameras to pairs
  std::map<std::string, std::shared_ptr<v4l2::SharedExposure>> exposures_;  // by who decides
  std::vector<CameraLine> cameras_;
  Signal captured_;
  std::optional<Pairer> pairer_;
  PairLink paired_{when_full_};
  std::optional<PairStage> pair_stage_;

  // --- pairs to panoramas
  std::unique_ptr<SurfacePool> panoramas_;
  std::optional<Stitcher> stitcher_;
  CompletionLink completing_{when_full_};
  std::optional<StitchStage> stitch_stage_;
  CompletionStage completion_stage_{completing_, config_.pace == Pace::real_time, telemetry_};

  // --- panoramas to detections
  Signal pace_wake_;
  std::optional<Plan> plan_;
  std::unique_ptr<Detector> detector_;
  AnalysisLink to_analyse_{when_full_};
  DetectionsLink detections_{when_full_, &pace_wake_};
  Signal log_wake_;
  DetectionLogLink log_found_{when_full_, &log_wake_};
  AnalysisProgress analysis_progress_;
  std::optional<AnalyseStage> analyse_stage_;

  // --- the delay, the director and the virtual camera
  RingLink to_ring_{when_full_, &pace_wake_};
  std::optional<DelayRing> ring_;
  std::optional<Pacer> pacer_;
  ControlCommands commands_;
  ControlStatuses statuses_;
  std::unique_ptr<Director> director_;
  RenderLink to_render_{when_full_};
  DecisionLogLink log_decided_{when_full_, &log_wake_};
  std::optional<PaceStage> pace_stage_;
  std::unique_ptr<SurfacePool> views_;
  std::optional<VirtualCamera> virtual_camera_;
  std::optional<ViewOverlay> view_overlay_;
  std::optional<Slate> slate_;
  PresentLink to_present_{when_full_};
  std::optional<RenderStage> render_stage_;
  std::optional<PresentStage> present_stage_;

  // --- what was found and decided, to files
  std::optional<DetectionLog> detection_log_;

  // --- outputs
  std::unique_ptr<SurfacePool> fetched_;
  std::optional<HostFetch> fetch_;
  std::vector<ViewOutputLine> view_outputs_;
  std::optional<PanoramaOutputLine> panorama_output_;
  std::optional<DebugLine> debug_;

  // --- the operator; a thread of its own, which ends last
  std::optional<ControlSocket> control_;

  std::optional<DisplayLine> display_;

  // --- threads, in the same order; the last to be made, the first to go
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<std::function<bool()>> idle_;  // of the same threads
  std::int64_t start_ns_ = 0, end_ns_ = 0;
  struct Footprint {
    std::int64_t at_ns = 0, heap = 0, outstanding = 0, resident = 0;  // bytes
  };
  static Footprint footprint();
  std::optional<Footprint> warm_, final_;
};

}  // namespace gantry
