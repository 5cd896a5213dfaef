// Wiring of what leaves the machine: debug picture, display, detection log, encoders.
// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

#include <fmt/format.h>

#include "firmware/appliance.hpp"
#include "firmware/log_writer.hpp"
#include "firmware/media.hpp"
#include "hal/display/kms_display.hpp"
#include "hal/display/null_display.hpp"

namespace gantry {

OverlaySceneConfig Appliance::overlay_scene() const {
  OverlaySceneConfig scene{rig_.rig.panorama,
                           config_.view_width,
                           config_.view_height,
                           rig_.rig.matrix,
                           rig_.rig.range,
                           config_.delay_s,
                           {}};
  if (config_.pace == Pace::real_time) scene.wall_offset_ns = wall_offset_ns();
  return scene;
}

// Before the pacing stage, which feeds it; its output is made with the others.
void Appliance::make_debug() {
  const OutputConfig* output = output_of(OutputConfig::Kind::debug);
  if (!output) return;
  const auto layout = nv12_layout(output->width, debug_height(rig_.rig.panorama, output->width));
  debug_.emplace(when_full_);
  debug_->surfaces =
      make_surface_pool(device_, layout, DebugLine::kSurfaces, gpu::Access::download);
  debug_->picture.emplace(device_, panoramas_->slot(0).layout, layout, overlay_scene());
}

void Appliance::make_display() {
  const DisplaySettings& settings = config_.display;
  if (!settings.on) return;
  DisplayLine& line = display_.emplace();
  const kms::ScreenSources sources{views_.get(), shows_panorama() ? panoramas_.get() : nullptr,
                                   rig_.rig.matrix, rig_.rig.range};
  if (settings.null)
    line.display = std::make_unique<NullDisplay>();
  else
    line.display = std::make_unique<KmsDisplay>(settings.screen, sources, device_);
  line.stage.emplace(line.link, line.wake, *line.display, settings.required,
                     config_.pace == Pace::real_time, telemetry_);
}

void Appliance::make_detection_log() {
  if (!config_.detection_log.wanted()) return;
  const double rate = 1e9 / static_cast<double>(pairer_->interval_ns());
  DetectionLogOptions options = config_.detection_log;
  options.waiting = ring_->capacity() + DetectionLogLink::capacity();
  detection_log_.emplace(options,
                         detection_log::Header{rig_.rig.panorama, config_.view_width,
                                               config_.view_height, rate, config_.delay_s},
                         log_found_, log_decided_, log_wake_);
}

void Appliance::make_outputs() {
  const double rate = 1e9 / static_cast<double>(pairer_->interval_ns());
  std::vector<ViewOutput> views;
  for (const auto& output : config_.outputs) {
    EncoderConfig encoder = output.encoder;
    const bool panorama = output.kind == OutputConfig::Kind::panorama;
    const bool debug = output.kind == OutputConfig::Kind::debug;
    encoder.width = panorama ? rig_.rig.panorama.width : debug ? output.width : config_.view_width;
    encoder.height = panorama ? rig_.rig.panorama.height
                     : debug  ? debug_height(rig_.rig.panorama, output.width)
                              : config_.view_height;
    encoder.frames_per_second = rate;
    encoder.matrix = rig_.rig.matrix;
    encoder.range = rig_.rig.range;
    encoder.open_later =
        config_.pace == Pace::real_time && (is_url(encoder.path) || encoder.keep_existing);
    // Views come to the host by the virtual camera, panoramas only where they are recorded.
    const HostFetch* fetch = panorama && fetch_ ? &*fetch_ : nullptr;
    const auto wire = [&](auto& line, auto time_of) {
      line.path = output.shown_path;
      line.encoder = media::open_encoder(encoder);
      using Line = std::remove_reference_t<decltype(line)>;
      line.link = std::make_unique<typename decltype(Line::link)::element_type>(when_full_);
      line.stage = std::make_unique<typename decltype(Line::stage)::element_type>(
          *line.link, *line.encoder, time_of, fetch, telemetry_.encode);
    };
    if (panorama) {
      if (panorama_output_)
        throw std::runtime_error(config_.file.string() +
                                 ": output: one panorama recording at most");
      wire(panorama_output_.emplace(), &PanoramaFrame::capture_ns);
    } else if (debug) {
      if (debug_->stage)
        throw std::runtime_error(config_.file.string() + ": output: one debug recording at most");
      wire(debug_->output, &ViewFrame::presentation_ns);
      debug_->stage.emplace(debug_->asked, *debug_->picture, *debug_->surfaces,
                            *debug_->output.link, when_full_ == WhenFull::wait, telemetry_);
    } else {
      wire(view_outputs_.emplace_back(), &ViewFrame::presentation_ns);
      views.push_back({view_outputs_.back().link.get(), output.slate});
    }
  }
  present_stage_.emplace(to_present_, std::move(views), display_ ? &display_->link : nullptr,
                         config_.pace == Pace::real_time, pairer_->interval_ns(), telemetry_);
  PanoramaReaders readers{&to_ring_, &completing_, detector_ ? &to_analyse_ : nullptr,
                          panorama_output_ ? panorama_output_->link.get() : nullptr};
  stitch_stage_.emplace(paired_, *stitcher_, *panoramas_, readers, when_full_ == WhenFull::wait,
                        telemetry_);
}

}  // namespace gantry
