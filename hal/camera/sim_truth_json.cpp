// Truth as JSON lines.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "hal/camera/sim_truth.hpp"

namespace gantry {
namespace {

using Buffer = fmt::memory_buffer;

template <class... Args>
void put(Buffer& b, fmt::format_string<Args...> text, Args&&... args) {
  fmt::format_to(std::back_inserter(b), text, std::forward<Args>(args)...);
}

void put_spot(Buffer& b, const SimSpot& s) {
  if (s.seen)
    put(b, R"({{"x":{:.3f},"y":{:.3f},"diameter":{:.3f}}})", s.x, s.y, s.diameter);
  else
    put(b, "null");
}

void put_box(Buffer& b, const SimBox& s) {
  if (s.seen)
    put(b, "[{:.2f},{:.2f},{:.2f},{:.2f}]", s.left, s.top, s.right, s.bottom);
  else
    put(b, "null");
}

std::string_view name_of(SimPlay play) {
  switch (play) {
    case SimPlay::open:
      return "open";
    case SimPlay::fetching:
      return "fetching";
    case SimPlay::carrying:
      return "carrying";
    default:
      return "waiting";
  }
}

}  // namespace

std::string_view name_of(SimRole role) {
  switch (role) {
    case SimRole::player:
      return "player";
    case SimRole::keeper:
      return "keeper";
    case SimRole::referee:
      return "referee";
    case SimRole::assistant:
      return "assistant";
    default:
      return "staff";
  }
}

bool write_json_line(const SimTruthFrame& t, std::FILE* file) {
  Buffer b;
  const SimTruthBall& ball = t.ball;
  put(b, R"({{"frame":{},"capture_ns":{},"play":"{}",)", t.frame, t.capture_ns, name_of(t.play));
  put(b, R"("ball":{{"world":[{:.4f},{:.4f},{:.4f}],"speed":{:.3f},"visible":{:.3f},"panorama":)",
      ball.world.x, ball.world.y, ball.world.z, ball.speed, ball.visible);
  put_spot(b, ball.panorama);
  put(b, R"(,"cameras":[)");
  for (std::size_t c = 0; c < t.cameras; ++c) {
    if (c) put(b, ",");
    put_spot(b, ball.cameras[c]);
  }
  put(b, R"(]}},"players":[)");
  for (const SimTruthPerson& p : t.persons) {
    if (p.id) put(b, ",");
    put(b,
        R"({{"id":{},"role":"{}","team":{},"world":[{:.3f},{:.3f}],"visible":{:.3f},"panorama":)",
        p.id, name_of(p.role),
        p.team < 0 ? "null"
        : p.team   ? "\"b\""
                   : "\"a\"",
        p.x, p.y, p.visible);
    put_box(b, p.panorama);
    put(b, R"(,"cameras":[)");
    for (std::size_t c = 0; c < t.cameras; ++c) {
      if (c) put(b, ",");
      put_box(b, p.cameras[c]);
    }
    put(b, "]}}");
  }
  put(b, "]}}\n");
  return std::fwrite(b.data(), 1, b.size(), file) == b.size();
}

}  // namespace gantry
