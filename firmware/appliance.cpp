// Wiring: configuration in, connected stages out.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/appliance.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

#include "firmware/media.hpp"
#include "hal/camera/sim_camera.hpp"
#include "hal/clock/clock.hpp"
#include "hal/display/kms_display.hpp"
#include "pipeline/operated_director.hpp"

namespace gantry {
namespace {

// Pictures of one camera that may be on their way: in the link, waiting for a partner, paired, under
// the stitcher, and the one being taken.
constexpr std::uint32_t kCameraSurfaces =
    CaptureLink::capacity() + 4 + PairLink::capacity() + Stitcher::kInFlight + 2;
// Panoramas that are not in the ring: being stitched, looked at, drawn or recorded.
constexpr std::uint32_t kPanoramasOutsideRing = 8;
// Panoramas on their way into an encoder, on devices with memory of their own.
constexpr std::uint32_t kFetchedPanoramas = 4;
constexpr std::uint32_t kViewSurfaces = RenderLink::capacity() + PresentLink::capacity() + 4;
// Of a display: in its link, one ahead, being prepared, on its way, on the screen.
constexpr std::uint32_t kDisplayPictures = DisplayLink::capacity() + 4;
// A view is asked for this many intervals before it is due.
constexpr double kLeadIntervals = 2.5;
// From capture to panorama, at most; measured 6 ms to 70 ms on two loaded cores.
constexpr std::int64_t kPipelineLatency_ns = 250 * clock::kMillisecond_ns;

}  // namespace

Appliance::Appliance(const Config& config)
    : config_(config),
      when_full_(config.pace == Pace::fast ? WhenFull::wait : WhenFull::drop_oldest),
      device_(config.gpu, config.program_cache),
      rig_(read_rig_file(config.rig_file)),
      upload_queue_(device_.make_queue()) {
  make_cameras();
  mesh_ = make_mesh(rig_);
  if (config_.detect) plan_.emplace(Plan::load(config_.plan_file));
  budget_memory();
  make_panorama();
  make_analysis();
  make_debug();
  make_view();
  make_display();
  make_detection_log();
  make_outputs();
  rehearse();
  if (!config_.control_socket.empty())
    control_.emplace(config_.control_socket, commands_, statuses_);
}

Appliance::~Appliance() {
  abandon();
  stop();
  threads_.clear();
}

void Appliance::make_cameras() {
  const auto& rig_cameras = rig_.rig.cameras;
  if (config_.cameras.size() != rig_cameras.size())
    throw std::runtime_error(fmt::format("{}: {} cameras, but the rig {} has {}",
                                         config_.file.string(), config_.cameras.size(),
                                         config_.rig_file.string(), rig_cameras.size()));
  std::vector<Pairer::Camera> pairing;
  for (std::size_t i = 0; i < config_.cameras.size(); ++i) {
    cameras_.emplace_back();
    cameras_[i].camera = make_camera(i);
    CameraLine& line = cameras_[i];
    const auto format = line.camera->format();
    fit_pictures(rig_, i, format.width, format.height);
    line.captured = std::make_unique<CaptureLink>(when_full_, &captured_);
    pairing.push_back({line.camera->name(), format.frames_per_second});
  }
  PairerOptions options;
  options.allow_missing = config_.allow_missing_camera;
  if (config_.pace == Pace::fast) options.most_wait_frames = 0;
  pairer_.emplace(pairing, options);
}

std::unique_ptr<Camera> Appliance::make_camera(std::size_t index) {
  const CameraConfig& c = config_.cameras[index];
  if (c.source == CameraConfig::Source::file) {
    return media::open_file_camera(c, config_.pace == Pace::real_time, rig_.rig.matrix,
                                   rig_.rig.range,
                                   device_.info().host_memory ? nullptr : &upload_queue_);
  }
  cameras_[index].role = ThreadRole::submission;
  if (c.source == CameraConfig::Source::v4l2) return make_v4l2_camera(index);
  SimCameraConfig sim = config_.sim;
  sim.name = c.name;
  sim.camera = index;
  sim.phase_s = c.sim_phase_s;
  sim.exposure_stops = c.sim_exposure_stops;
  sim.drop_every = c.sim_drop_every;
  sim.unplug_after_s = c.sim_unplug_after_s;
  sim.unplug_for_s = c.sim_unplug_for_s;
  sim.hang_after_s = c.sim_hang_after_s;
  sim.real_time = config_.pace == Pace::real_time;
  return std::make_unique<SimCamera>(device_, rig_.rig, sim);
}

std::unique_ptr<Camera> Appliance::make_v4l2_camera(std::size_t index) {
  const CameraConfig& c = config_.cameras[index];
  for (std::size_t i = 0; i < index; ++i)
    if (v4l2::same_device(config_.cameras[i].v4l2.device, c.v4l2.device))
      throw std::runtime_error(fmt::format("{}: camera {}: {} is camera {} already",
                                           config_.file.string(), c.name, c.v4l2.device,
                                           config_.cameras[i].name));
  V4l2CameraConfig v = c.v4l2;
  v.name = c.name;
  const Lens& lens = rig_.rig.cameras[index].lens;
  if (v.width == 0) v.width = lens.width, v.height = lens.height;
  v.may_be_missing = config_.allow_missing_camera;
  v.matrix = rig_.rig.matrix;
  v.range = rig_.rig.range;
  v.decides_exposure = c.exposure_of.empty();
  v.exposure = exposure_decided_by(v.decides_exposure ? c.name : c.exposure_of);
  return std::make_unique<V4l2Camera>(device_, v);
}

// Null where it decides for itself alone.
std::shared_ptr<v4l2::SharedExposure> Appliance::exposure_decided_by(const std::string& camera) {
  const auto follows = [&](const CameraConfig& c) { return c.exposure_of == camera; };
  if (std::ranges::none_of(config_.cameras, follows)) return nullptr;
  auto& exposure = exposures_[camera];
  if (!exposure) exposure = std::make_shared<v4l2::SharedExposure>();
  return exposure;
}

PacerOptions Appliance::pacer_options() const {
  PacerOptions o;
  o.interval_ns = pairer_->interval_ns();
  o.delay_ns = std::llround(config_.delay_s * 1e9);
  o.lead_ns = std::min(
      o.delay_ns, static_cast<std::int64_t>(kLeadIntervals * static_cast<double>(o.interval_ns)));
  // Where the delay is shorter than what the pipeline takes, a picture is shown as soon as it is there.
  if (o.delay_ns < kPipelineLatency_ns) o.slack_ns = kPipelineLatency_ns;
  o.real_time = config_.pace == Pace::real_time;
  return o;
}

// Everything that is large is counted before any of it is taken.
void Appliance::budget_memory() {
  using Where = MemoryBudget::Where;
  const bool shared = device_.info().host_memory;
  const auto panorama = nv12_layout(rig_.rig.panorama.width, rig_.rig.panorama.height);
  const auto view = nv12_layout(config_.view_width, config_.view_height);
  const bool screen = config_.display.on && !config_.display.null;
  const auto on_screen = screen ? KmsDisplay::buffers(config_.display.screen) : OwnBuffers{};
  const auto count = [&](double delay_s) {
    MemoryBudget b;
    const auto where = shared ? Where::host : Where::device;
    const auto add_own = [&](const std::string& name, const OwnBuffers& own) {
      if (own.count) b.add(name, own.count, own.bytes_each, Where::host);
      if (own.count && !shared) b.add(name + ", for kernels", own.count, own.bytes_each, where);
    };
    for (const auto& line : cameras_) {
      const auto format = line.camera->format();
      const auto bytes = nv12_layout(format.width, format.height).bytes();
      b.add("camera " + line.camera->name(), kCameraSurfaces, bytes, where);
      if (!shared)
        b.add("camera " + line.camera->name() + ", pinned", kCameraSurfaces, bytes, Where::pinned);
      b.add("slate of camera " + line.camera->name(), 1, bytes, where);
      add_own("camera " + line.camera->name() + ", its own", line.camera->own_buffers());
    }
    auto options = pacer_options();
    options.delay_ns = std::llround(delay_s * 1e9);
    b.add("delay ring", ring_capacity(options), panorama.bytes(), where);
    b.add("panoramas outside the ring", panoramas_outside_ring(), panorama.bytes(), where);
    if (!shared && records_panorama())
      b.add("panoramas, pinned", kFetchedPanoramas, panorama.bytes(), Where::pinned);
    b.add("views", view_count(), view.bytes(), where);
    if (plan_) b.add("network", 1, PlanRunner::device_bytes(*plan_), where);
    if (const OutputConfig* debug = output_of(OutputConfig::Kind::debug))
      b.add("debug pictures", DebugLine::kSurfaces,
            nv12_layout(debug->width, debug_height(rig_.rig.panorama, debug->width)).bytes(),
            where);
    add_own("screen", on_screen);
    return b;
  };
  budget_ = count(config_.delay_s);
  const MemoryBudget::Setting delay{"run.delay", "s", config_.delay_s, 0, 0.5, count};
  const auto scaled = [&, count](double width) {
    MemoryBudget b = count(config_.delay_s), smaller;
    const double factor = width * width / (static_cast<double>(panorama.width) * panorama.width);
    for (const auto& item : b.items()) {
      const bool is_panorama = item.bytes_each == panorama.bytes();
      smaller.add(item.name, item.count,
                  is_panorama
                      ? static_cast<std::size_t>(static_cast<double>(item.bytes_each) * factor)
                      : item.bytes_each,
                  item.where);
    }
    return smaller;
  };
  const MemoryBudget::Setting width{"panorama.width of the rig (and its height with it)",
                                    "pixels",
                                    static_cast<double>(panorama.width),
                                    320,
                                    10,
                                    scaled};
  const std::array settings{delay, width};
  budget_.check(read_memory_limits(device_.info()), settings);
}

std::uint32_t Appliance::view_count() const {
  const std::size_t count = kViewSurfaces + OutputLink::capacity() * config_.outputs.size() +
                            (config_.display.on ? kDisplayPictures : 0);
  return static_cast<std::uint32_t>(count);
}

std::uint32_t Appliance::panoramas_outside_ring() const {
  return static_cast<std::uint32_t>(
      kPanoramasOutsideRing + (shows_panorama() ? PresentLink::capacity() + kDisplayPictures : 0) +
      (output_of(OutputConfig::Kind::debug) ? DebugLink::capacity() + 2 : 0));
}

bool Appliance::shows_panorama() const {
  return config_.display.on && config_.display.screen.layout == ScreenLayout::camera_and_panorama;
}

const OutputConfig* Appliance::output_of(OutputConfig::Kind kind) const {
  const auto found = std::ranges::find(config_.outputs, kind, &OutputConfig::kind);
  return found == config_.outputs.end() ? nullptr : &*found;
}

void Appliance::make_panorama() {
  std::vector<Nv12Layout> layouts;
  for (auto& line : cameras_) {
    const auto format = line.camera->format();
    layouts.push_back(nv12_layout(format.width, format.height));
    line.surfaces = make_surface_pool(device_, layouts.back(), kCameraSurfaces, gpu::Access::upload,
                                      line.camera->surface_heap());
    const auto index = static_cast<std::size_t>(&line - cameras_.data());
    line.stage = std::make_unique<CaptureStage>(*line.camera, *line.surfaces, *line.captured,
                                                telemetry_.cameras[index], telemetry_);
  }
  std::vector<CaptureLink*> captured;
  for (auto& line : cameras_) captured.push_back(line.captured.get());
  pair_stage_.emplace(std::move(captured), captured_, *pairer_, paired_, telemetry_);

  const auto layout = nv12_layout(rig_.rig.panorama.width, rig_.rig.panorama.height);
  const auto in_ring = static_cast<std::uint32_t>(ring_capacity(pacer_options()));
  panoramas_ =
      make_surface_pool(device_, layout, in_ring + panoramas_outside_ring(), gpu::Access::device);
  if (records_panorama() && !device_.info().host_memory) {
    fetched_ = make_surface_pool(device_, layout, kFetchedPanoramas, gpu::Access::download);
    fetch_.emplace(HostFetch{device_.make_queue(), *fetched_});
  }
  StitcherConfig stitching = stitcher_config(rig_.rig);
  stitching.profile = true;
  stitching.colour_match = config_.colour_match;
  for (std::size_t c = 0; c < cameras_.size(); ++c)
    stitching.no_signal[c] = cameras_[c].camera->name() + ": no signal";
  stitcher_.emplace(device_, mesh_, layouts, layout, stitching);
}

void Appliance::make_analysis() {
  if (!plan_) return;
  DetectorConfig detector = config_.detector;
  detector.ground = ground_rows(rig_.rig.panorama, mesh_.covered_top, mesh_.covered_bottom);
  detector_ =
      std::make_unique<Detector>(device_, *plan_, detector, rig_.rig.panorama,
                                 panoramas_->slot(0).layout, rig_.rig.matrix, rig_.rig.range);
  analyse_stage_.emplace(to_analyse_, *detector_, config_.analyse_every, detections_,
                         config_.detection_log.wanted() ? &log_found_ : nullptr, analysis_progress_,
                         pace_wake_, config_.pace == Pace::real_time, telemetry_);
}

void Appliance::make_view() {
  const auto& panorama = rig_.rig.panorama;
  const auto view = nv12_layout(config_.view_width, config_.view_height);
  const ViewLimits limits(panorama, view.width, view.height, mesh_.covered_top,
                          mesh_.covered_bottom);
  if (config_.control_socket.empty())
    director_ = make_director(config_.director, panorama, limits);
  else
    director_ = std::make_unique<OperatedDirector>(config_.director, panorama, limits,
                                                   config_.hand_back_s, commands_, statuses_);
  // Pictures may come in a burst of what the link holds.
  ring_.emplace(ring_capacity(pacer_options()) + RingLink::capacity());
  pacer_.emplace(pacer_options());
  const bool behind = config_.detect && config_.pace == Pace::fast;
  const DecisionReaders readers{&to_render_, debug_ ? &debug_->asked : nullptr,
                                config_.detection_log.wanted() ? &log_decided_ : nullptr};
  pace_stage_.emplace(to_ring_, detections_, pace_wake_, *ring_, *pacer_, *director_, readers,
                      config_.pace == Pace::real_time, behind ? &analysis_progress_ : nullptr);
  // A screen shows the views' own pages where it can, so they come from a heap that it can import.
  const auto heap = config_.display.on ? open_first_heap() : nullptr;
  views_ = make_surface_pool(device_, view, view_count(), gpu::Access::download, heap.get());
  VirtualCameraConfig camera;
  camera.profile = true;
  if (config_.overlay_on_view) {
    camera.host_reads = false;  // the overlay brings the view to the host when it is drawn
    view_overlay_.emplace(device_, view, overlay_scene());
  }
  virtual_camera_.emplace(device_, panorama, panoramas_->slot(0).layout, view, camera);
  slate_.emplace(device_, rig_.rig.range);
  render_stage_.emplace(to_render_, *virtual_camera_, view_overlay_ ? &*view_overlay_ : nullptr,
                        *slate_, *views_, to_present_, when_full_ == WhenFull::wait,
                        shows_panorama(), telemetry_);
}

// One picture on its way through every kernel before there is anything to film: drivers compile for
// a size of launch, or at all, when a kernel first runs. A screen does the same when it is opened.
void Appliance::rehearse() {
  const auto ran = [this](const char* what, Status status) {
    if (status != Status::ok)
      throw std::runtime_error(
          fmt::format("{}: the kernels of {} cannot be run", device_.info().name, what));
  };
  FramePair pair;
  for (std::size_t i = 0; i < cameras_.size(); ++i) {
    CameraFrame& frame = pair.cameras[i];
    frame.surface = cameras_[i].surfaces->acquire();
    ran("a camera", cameras_[i].camera->rehearse(*frame.surface));
  }
  PanoramaFrame panorama;
  panorama.surface = panoramas_->acquire();
  ran("the stitcher", stitcher_->rehearse(std::move(pair), panorama));
  if (detector_) ran("the network", detector_->rehearse(panorama));
  ViewFrame view;
  ran("the view", virtual_camera_->rehearse(panorama, views_->acquire(), view));
  if (view_overlay_) ran("the overlay", view_overlay_->paint({}, view));
  ran("the view", gpu::wait(view.ready));
  if (!debug_) return;
  ViewFrame picture;
  ran("the debug picture",
      debug_->picture->make(panorama, {}, debug_->surfaces->acquire(), picture));
  ran("the debug picture", gpu::wait(picture.ready));
}

}  // namespace gantry
