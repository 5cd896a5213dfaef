// From directions to pixels, from numbers to text.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/overlay_scene.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string_view>

#include <fmt/format.h>

#include "kernels/font.hpp"
#include "pipeline/view_limits.hpp"

namespace gantry {
namespace {

constexpr double kDegree = std::numbers::pi / 180;
constexpr int kDotsAcross = 960;  // a dot of the font is a pixel for every so many of the picture
constexpr int kFramePoints =
    12;                         // to an edge of the camera's frame, which is curved on the panorama
constexpr double kNear = 0.05;  // z of a direction that can be on a view

// Where a direction is in a picture, and how many pixels a radian takes there.
struct Spot {
  double x, y, per_radian_x, per_radian_y;
};

struct OnPanorama {
  const PanoramaGeometry& panorama;
  double scale_x, scale_y;
  OnPanorama(const PanoramaGeometry& p, const OverlayList& list)
      : panorama(p),
        scale_x(1.0 * list.width() / p.width),
        scale_y(1.0 * list.height() / p.height) {}
  std::optional<Spot> operator()(double yaw, double pitch) const {
    return Spot{(panorama.x_of(yaw) + 0.5) * scale_x - 0.5,
                (panorama.y_of(pitch) + 0.5) * scale_y - 0.5,
                std::abs(panorama.width / (panorama.yaw_right - panorama.yaw_left)) * scale_x,
                std::abs(panorama.height / (panorama.pitch_bottom - panorama.pitch_top)) * scale_y};
  }
};

struct OnView {
  Rotation rotation;
  double focal, middle_x, middle_y;
  OnView(const CameraPose& pose, const OverlayList& list)
      : rotation(camera_from_panorama({pose.yaw, pose.pitch, 0})),
        focal(list.width() / 2.0 / std::tan(pose.field_of_view / 2)),
        middle_x((list.width() - 1) / 2.0),
        middle_y((list.height() - 1) / 2.0) {}
  std::optional<Spot> operator()(double yaw, double pitch) const {
    const Vector3 v = apply(rotation, direction_of(yaw, pitch));
    if (!(v.z > kNear)) return {};
    const double scale = focal / v.z;
    return Spot{middle_x + scale * v.x, middle_y + scale * v.y, scale, scale};
  }
};

int dot_of(const OverlayList& list) {
  return std::max(1, (list.width() + kDotsAcross / 2) / kDotsAcross);
}

using Text = std::array<char, 96>;
template <class... Args>
std::string_view print(Text& text, fmt::format_string<Args...> format, Args&&... args) {
  const auto end = fmt::format_to_n(text.data(), text.size(), format, std::forward<Args>(args)...);
  return {text.data(), std::min<std::size_t>(end.size, text.size())};
}

}  // namespace

OverlayScene::OverlayScene(const OverlaySceneConfig& config) : config_(config) {
  const auto colour = [&](double r, double g, double b) {
    return ink(r, g, b, config.matrix, config.range);
  };
  red_ = colour(1, 0.1, 0.1), yellow_ = colour(1, 0.9, 0), cyan_ = colour(0.1, 0.9, 1);
  white_ = colour(1, 1, 1), magenta_ = colour(1, 0.2, 1), black_ = colour(0, 0, 0);
}

void OverlayScene::on_panorama(const Decision& decision, OverlayList& list) noexcept {
  const OnPanorama place(config_.panorama, list);
  list.clear();
  draw_camera(decision, place, list);
  draw_play(decision, place, list);
  draw_text(decision, list);
}

void OverlayScene::on_view(const Decision& decision, const CameraPose& pose,
                           OverlayList& list) noexcept {
  list.clear();
  draw_play(decision, OnView(pose, list), list);
  draw_text(decision, list);
}

template <typename Place>
void OverlayScene::draw_play(const Decision& decision, const Place& place,
                             OverlayList& list) const noexcept {
  const int dot = dot_of(list);
  Text text;
  for (const PersonState& p : decision.tracks.people()) {
    const auto at = place(p.yaw, p.pitch);
    if (!at) continue;
    const double half_width = p.width * at->per_radian_x / 2;
    const double half_height = p.height * at->per_radian_y / 2;
    const double opacity = p.seen ? 0.9 : 0.4, top = at->y - half_height;
    list.box(at->x - half_width, top, at->x + half_width, at->y + half_height, dot, cyan_, opacity);
    list.text(at->x - half_width, top - (font::kRows + 1) * dot, print(text, "{}", p.identity), dot,
              cyan_, opacity);
  }
  const BallState& ball = decision.tracks.ball;
  const auto at = place(ball.yaw, ball.pitch);
  if (!ball.known || !at) return;
  // Around the ball, not on it.
  const double half_width = ball.diameter * at->per_radian_x / 2 + 4 * dot;
  const double half_height = ball.diameter * at->per_radian_y / 2 + 4 * dot;
  const Ink colour = ball.interpolated ? yellow_ : red_;
  list.box(at->x - half_width, at->y - half_height, at->x + half_width, at->y + half_height,
           2 * dot, colour);
  list.text(at->x + half_width + 2 * dot, at->y - half_height,
            print(text, "{:.2f}", ball.confidence), dot, colour);
}

// The border of what the camera shows, and a cross where it would look.
template <typename Place>
void OverlayScene::draw_camera(const Decision& decision, const Place& place,
                               OverlayList& list) const noexcept {
  const CameraPose& pose = decision.pose;
  const double aspect = 1.0 * config_.view_height / config_.view_width, width = 1.5 * dot_of(list);
  std::optional<Spot> last;
  const auto visit = [&](double x, double y) {
    const ViewDirection d = view_direction(pose, x, y);
    const auto at = place(pose.yaw + d.yaw, d.pitch);
    if (at && last) list.line(last->x, last->y, at->x, at->y, width, white_);
    last = at;
  };
  constexpr double step = 2.0 / kFramePoints;
  for (int i = 0; i <= kFramePoints; ++i) visit(-1 + step * i, -aspect);
  for (int i = 1; i <= kFramePoints; ++i) visit(1, aspect * (-1 + step * i));
  for (int i = 1; i <= kFramePoints; ++i) visit(1 - step * i, aspect);
  for (int i = 1; i <= kFramePoints; ++i) visit(-1, aspect * (1 - step * i));
  if (const auto at = place(decision.aim.yaw, decision.aim.pitch)) {
    const double arm = 8 * dot_of(list);
    list.line(at->x - arm, at->y, at->x + arm, at->y, width, magenta_);
    list.line(at->x, at->y - arm, at->x, at->y + arm, width, magenta_);
  }
}

void OverlayScene::draw_text(const Decision& decision, OverlayList& list) noexcept {
  if (!first_ns_) first_ns_ = decision.capture_ns;
  const std::int64_t since_ns = decision.capture_ns + config_.wall_offset_ns.value_or(-*first_ns_);
  const std::int64_t ms = since_ns / 1'000'000,
                     day_ms = (ms % 86'400'000 + 86'400'000) % 86'400'000;
  const BallState& ball = decision.tracks.ball;
  std::array<Text, 3> texts;
  const std::array lines{
      print(texts[0], "{:02}:{:02}:{:02}.{:03}{}  delay {:.1f} s", day_ms / 3'600'000,
            day_ms / 60'000 % 60, day_ms / 1000 % 60, day_ms % 1000,
            config_.wall_offset_ns ? " UTC" : "", config_.delay_s),
      ball.known ? print(texts[1], "{}: ball {:.2f} {}, share {:.2f}, {} persons",
                         name_of(decision.reason), ball.confidence,
                         ball.interpolated ? "interpolated" : "seen", decision.ball_share,
                         decision.tracks.person_count)
                 : print(texts[1], "{}: no ball, {} persons", name_of(decision.reason),
                         decision.tracks.person_count),
      print(texts[2], "yaw {:+.1f} pitch {:+.1f} view {:.1f}", decision.pose.yaw / kDegree,
            decision.pose.pitch / kDegree, decision.pose.field_of_view / kDegree)};
  const int dot = dot_of(list), height = (font::kRows + 3) * dot, margin = 4 * dot;
  std::size_t longest = 0;
  for (const auto line : lines) longest = std::max(longest, line.size());
  list.fill(0, 0, 2 * margin + static_cast<int>(longest) * font::kAdvance * dot,
            2 * margin + static_cast<int>(lines.size()) * height - 3 * dot, black_, 0.6);
  for (std::size_t i = 0; i < lines.size(); ++i)
    list.text(margin, margin + static_cast<int>(i) * height, lines[i], dot, white_);
}

}  // namespace gantry
