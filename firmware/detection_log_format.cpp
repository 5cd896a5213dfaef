// Detection log lines from what was found and decided.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/detection_log_format.hpp"

#include <array>
#include <cmath>
#include <numbers>
#include <string_view>

namespace gantry::detection_log {
namespace {

constexpr double kDegree = std::numbers::pi / 180;

template <class... Args>
void put(fmt::memory_buffer& b, fmt::format_string<Args...> text, Args&&... args) {
  fmt::format_to(std::back_inserter(b), text, std::forward<Args>(args)...);
}

// `"key":value`; JSON has no word for what is not a number.
template <typename T>
void put_number(fmt::memory_buffer& b, std::string_view key, T value) {
  if (std::isfinite(value))
    put(b, R"("{}":{})", key, value);
  else
    put(b, R"("{}":null)", key);
}

void put_angle(fmt::memory_buffer& b, std::string_view key, double radians) {
  if (std::isfinite(radians))
    put(b, R"("{}":{:.4f})", key, radians / kDegree);
  else
    put(b, R"("{}":null)", key);
}

void put_pose(fmt::memory_buffer& b, std::string_view key, const CameraPose& pose) {
  put(b, R"(,"{}":{{)", key);
  put_angle(b, "yaw", pose.yaw);
  put(b, ",");
  put_angle(b, "pitch", pose.pitch);
  put(b, ",");
  put_angle(b, "field_of_view", pose.field_of_view);
  put(b, "}}");
}

void put_box(fmt::memory_buffer& b, const Detection& d) {
  put(b, R"({{"class":"{}",)", name_of(d.object));
  put_number(b, "confidence", d.confidence);
  put(b, ",");
  put_number(b, "x", d.x);
  put(b, ",");
  put_number(b, "y", d.y);
  put(b, ",");
  put_number(b, "width", d.width);
  put(b, ",");
  put_number(b, "height", d.height);
  put(b, "}}");
}

void put_ball(fmt::memory_buffer& b, const BallState& ball) {
  if (!ball.known) return put(b, R"(,"ball":null)");
  put(b, R"(,"ball":{{)");
  put_angle(b, "yaw", ball.yaw);
  put(b, ",");
  put_angle(b, "pitch", ball.pitch);
  put(b, ",");
  put_angle(b, "diameter", ball.diameter);
  put(b, ",");
  put_number(b, "confidence", ball.confidence);
  put(b, R"(,"interpolated":{}}})", ball.interpolated);
}

void put_person(fmt::memory_buffer& b, const PersonState& p) {
  put(b, R"({{"identity":{},"seen":{},)", p.identity, p.seen);
  put_angle(b, "yaw", p.yaw);
  put(b, ",");
  put_angle(b, "pitch", p.pitch);
  put(b, ",");
  put_angle(b, "width", p.width);
  put(b, ",");
  put_angle(b, "height", p.height);
  put(b, ",");
  put_number(b, "confidence", p.confidence);
  put(b, "}}");
}

}  // namespace

void put_header(fmt::memory_buffer& out, const Header& h) {
  const PanoramaGeometry& p = h.panorama;
  put(out,
      R"({{"log":"gantry detections","version":{},"panorama":{{"width":{},"height":{},"yaw":[{},{}],)"
      R"("pitch":[{},{}]}},"view":{{"width":{},"height":{}}},"frames_per_second":{},"delay":{}}})"
      "\n",
      kVersion, p.width, p.height, p.yaw_left / kDegree, p.yaw_right / kDegree,
      p.pitch_top / kDegree, p.pitch_bottom / kDegree, h.view_width, h.view_height,
      h.frames_per_second, h.delay_s);
}

void put_found(fmt::memory_buffer& out, const Detections& found) {
  put(out, R"({{"capture_ns":{},"panorama":{},"overflowed":{},"looked_at":[)", found.capture_ns,
      found.panorama, found.overflowed);
  const char* comma = "";
  for (const PixelArea& a : found.looked_at()) {
    put(out, "{}[{},{},{},{}]", comma, a.left, a.top, a.right, a.bottom);
    comma = ",";
  }
  put(out, R"(],"boxes":[)");
  comma = "";
  for (const Detection& d : found.view()) {
    put(out, "{}", comma);
    put_box(out, d);
    comma = ",";
  }
  put(out, "]");
}

void put_decided(fmt::memory_buffer& out, const Decision& d) {
  put_pose(out, "camera", d.pose);
  put_pose(out, "aim", d.aim);
  put(out, R"(,"reason":"{}",)", name_of(d.reason));
  put_number(out, "ball_share", d.ball_share);
  put_ball(out, d.tracks.ball);
  put(out, R"(,"persons":[)");
  const char* comma = "";
  for (const PersonState& p : d.tracks.people()) {
    put(out, "{}", comma);
    put_person(out, p);
    comma = ",";
  }
  put(out, "]");
}

void put_end(fmt::memory_buffer& out) {
  put(out, "}}\n");
}

void put_tsv_header(fmt::memory_buffer& out) {
  put(out,
      "system_time\tframe_timestamp\tframe_num\tcx\tcy\twidth\theight\tconfidence\tcx_global\t"
      "cy_global\twidth_global\theight_global\n");
}

void put_tsv(fmt::memory_buffer& out, const Detections& found, std::int64_t wall_offset_ns) {
  const auto seconds = [](std::int64_t ns) { return 1e-9 * static_cast<double>(ns); };
  for (const Detection& d : found.view())
    if (d.object == ObjectClass::ball)
      put(out, "{0:.6f}\t{1:.6f}\t{2}\t{3}\t{4}\t{5}\t{6}\t{7}\t{3}\t{4}\t{5}\t{6}\n",
          seconds(found.capture_ns + wall_offset_ns), seconds(found.capture_ns), found.panorama,
          d.x, d.y, d.width, d.height, d.confidence);
}

}  // namespace gantry::detection_log
