// Films with the whole appliance inside a test, and reads films back.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "firmware/appliance.hpp"
#include "hal/camera/file_camera.hpp"
#include "hal/clock/clock.hpp"
#include "tests/paths.hpp"

namespace gantry::test {

// A folder of its own that goes away with the test.
class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("gantry-film-{}-{}", getpid(), count_++)) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  static inline int count_ = 0;
  std::filesystem::path path_;
};

// The demonstration's rig with two simulated cameras; `more` is TOML that comes after [run]'s keys.
inline std::string demo_text(const std::string& run_keys, const std::string& more) {
  return fmt::format(
             "rig = \"{}/firmware/config/rigs/demo.toml\"\n[run]\nlock_memory = false\n{}\n",
             GANTRY_SOURCE_DIR, run_keys) +
         "[[camera]]\nname = \"left\"\nsource = \"sim\"\n[[camera]]\nname = \"right\"\nsource = "
         "\"sim\"\n" +
         more;
}

// `at_start`: called when all is set up, and the first picture is about to be taken.
inline RunReport film(
    const std::string& text, const std::filesystem::path& folder,
    const std::function<void()>& at_start = [] {}) {
  const Config config = parse_config(text, folder / "film.toml");
  Appliance appliance(config);
  at_start();
  appliance.start();
  while (!appliance.ended()) clock::sleep_until_ns(clock::now_ns() + 20 * clock::kMillisecond_ns);
  appliance.finish();
  return appliance.report();
}

// Calls `see` with every picture of a film and its time from the first, nanoseconds.
inline void read_film(const std::filesystem::path& file,
                      const std::function<void(const Surface&, std::int64_t)>& see) {
  FileCameraConfig config;
  config.name = "film";
  config.path = file.string();
  config.real_time = false;
  FileCamera camera(config);
  camera.start_at(0);
  const auto layout = nv12_layout(camera.format().width, camera.format().height);
  std::vector<std::byte> bytes(layout.bytes());
  SurfacePool pool(1, [&](std::uint32_t) {
    Surface surface;
    surface.layout = layout;
    surface.memory.host = bytes.data();
    surface.memory.bytes = bytes.size();
    return surface;
  });
  CameraFrame frame;
  while (camera.capture(pool, frame) == Status::ok) {
    see(*frame.surface, frame.capture_ns);
    frame.surface.reset();
  }
}

}  // namespace gantry::test
