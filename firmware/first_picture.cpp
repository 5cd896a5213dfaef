// Reads the process's start and words the line.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/first_picture.hpp"

#include <array>
#include <fstream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>
#include <unistd.h>

#include "hal/clock/clock.hpp"

namespace gantry {

std::int64_t process_start_ns() {
  std::ifstream in("/proc/self/stat");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  // proc(5): field 22, in clock ticks since the boot; the second one is a name in parentheses.
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  std::int64_t ticks = 0;
  fields >> ticks;
  return ticks * (clock::kSecond_ns / sysconf(_SC_CLK_TCK));
}

std::string first_picture_line(const FirstInstants& first, std::int64_t process_start_ns) {
  const auto seconds = [](std::int64_t ns) { return 1e-9 * static_cast<double>(ns); };
  std::string line = fmt::format("first picture: the process started {:.2f} s after the kernel",
                                 seconds(process_start_ns));
  struct Instant {
    const char* name;
    std::int64_t at_ns;
  };
  const std::array instants{Instant{"capture", first.capture.read()},
                            Instant{"panorama", first.panorama.read()},
                            Instant{"slate", first.slate.read()},
                            Instant{"view", first.view.read()},
                            Instant{"slate on the display", first.screen_slate.read()},
                            Instant{"view on the display", first.screen_view.read()}};
  const char* separator = "; after it, ";
  for (const auto& [name, at_ns] : instants) {
    if (at_ns == 0) continue;
    line += fmt::format("{}{} {:.2f} s", separator, name, seconds(at_ns - process_start_ns));
    separator = ", ";
  }
  return line;
}

}  // namespace gantry
