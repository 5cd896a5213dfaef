// The words of the control socket, one line at a time.
//
//   pan 12.5 tilt -4 zoom 40 [for 20]   steer by hand: degrees; any of the three, in any order; zoom is
//                                       the field of view. The director has the camera back after so
//                                       many seconds, 0: when it is released
//   manual [for 20]                     stand still
//   release                             back to the director
//   director follow | sweep | fixed     by this director from now on; "manual" as above
//   status                              one line of JSON
// Anything else is answered by a line that begins with "error:" and says what would be right.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>
#include <variant>

#include "pipeline/control.hpp"

namespace gantry::control {

inline constexpr std::size_t kLongestLine = 256;  // bytes, without its end

struct StatusQuery {};
struct Refusal {
  std::string reason;
};
using Request = std::variant<ControlCommand, StatusQuery, Refusal>;

// A line without its end. Any bytes do no harm. Allocates: not for frame threads.
Request parse(std::string_view line);
// As JSON, without the end of the line.
std::string to_json(const ControlStatus& status);

}  // namespace gantry::control
