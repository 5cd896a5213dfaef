// What the operator decides: read once from a TOML file, const ever after.
//
// Every key stands with its promise, unit, range and default in firmware/config/gantry.toml; a test
// keeps that file and the parser in step. Paths are relative to the file that names them.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "firmware/detection_log.hpp"
#include "firmware/rig_file.hpp"
#include "hal/camera/sim_camera.hpp"
#include "hal/camera/v4l2/v4l2_camera.hpp"
#include "hal/display/display.hpp"
#include "hal/encoder/output_config.hpp"
#include "hal/gpu/gpu.hpp"
#include "pipeline/detector_config.hpp"
#include "pipeline/director.hpp"

namespace gantry {

enum class Pace {
  real_time,  // by the time stamps, against CLOCK_MONOTONIC
  fast,       // as fast as the machine can; nothing is dropped, queues push back
};

struct CameraConfig {
  enum class Source { sim, file, v4l2 };
  std::string name;
  Source source = Source::sim;
  std::filesystem::path path;  // file
  bool loop = false;           // file
  double sim_phase_s = 0;      // sim: how much later than the others it exposes
  double sim_exposure_stops = 0;
  int sim_drop_every = 0;                                                     // 0: none
  double sim_unplug_after_s = 0, sim_unplug_for_s = 5, sim_hang_after_s = 0;  // after 0 s: never
  V4l2CameraConfig v4l2;    // what the operator says of it; size 0: as the rig's lens
  std::string exposure_of;  // v4l2: the camera that decides for this one; empty: it does itself
};

struct OutputConfig {
  enum class Kind { view, panorama, debug };
  Kind kind = Kind::view;
  int width = 1900;        // debug: pixels; its height follows from the panorama's shape
  bool slate = false;      // record the waiting slate too
  std::string shown_path;  // without a stream's key: for logs and the report
  EncoderConfig encoder;
};

struct DisplaySettings {
  bool on = false, null = false;  // null: a screen that nobody sees
  bool required = false;
  DisplayConfig screen;
};

struct Config {
  std::filesystem::path file;

  gpu::Choice gpu;
  std::filesystem::path program_cache;

  Pace pace = Pace::real_time;
  double duration_s = 0;  // 0: until the sources end or a signal comes
  double delay_s = 7;

  std::filesystem::path rig_file;
  std::vector<CameraConfig> cameras;  // in the order of the rig
  SimCameraConfig sim;                // what all simulated cameras share
  bool allow_missing_camera = true;

  bool colour_match = true;
  bool detect = false;
  std::filesystem::path plan_file;
  DetectorConfig detector;
  int analyse_every = 1;

  DirectorConfig director;
  int view_width = 1920, view_height = 1080;

  bool overlay_on_view = false;
  std::vector<OutputConfig> outputs;
  DisplaySettings display;
  std::filesystem::path panorama_picture;  // PNG of the last panorama; empty: none

  std::filesystem::path log_file;
  std::int64_t log_file_bytes = 4 << 20;
  int log_files = 4;
  std::filesystem::path report_file;

  double stall_s = 5, helper_stall_s = 40;  // without progress, until the run is given up
  std::string watchdog_device;              // empty: none
  int watchdog_timeout_s = 30;

  std::filesystem::path recordings_folder;  // empty: outputs stand where their paths say
  std::int64_t recordings_keep_free_bytes = 2'000'000'000;
  std::string recordings_protected = ".keep";  // the ending of the marker beside a protected one

  DetectionLogOptions detection_log;

  std::filesystem::path control_socket;  // empty: none
  double hand_back_s = 20;               // 0: when it is released

  bool lock_memory = true;
  int real_time_priority = 0;  // SCHED_FIFO of the frame threads; 0: none
};

// Where compiled kernels are kept unless [gpu] says otherwise; firmware/config/gantry.toml names it.
std::filesystem::path default_program_cache();

// Set-up: throws std::runtime_error naming file, line, key and what would be right.
Config read_config(const std::filesystem::path& file);
// The same for text at hand; `file` stands for where it came from.
Config parse_config(std::string_view text, const std::filesystem::path& file);

}  // namespace gantry
