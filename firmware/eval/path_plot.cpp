// The rows of the plot, drawn into an NV12 picture.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/eval/path_plot.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "firmware/media.hpp"

namespace gantry {
namespace {

constexpr double kRow_s = 60;
constexpr int kWidth = 1800, kRow = 240, kSpace = 8;

struct Colour {
  int y, u, v;  // BT.709, limited range
};
constexpr Colour kPaper{235, 128, 128}, kBand{205, 128, 128}, kInk{16, 128, 128},
    kRed{63, 102, 240}, kGreen{140, 60, 60}, kBlue{50, 220, 115}, kDot{150, 128, 128};

class Canvas {
 public:
  Canvas(double seconds, const PanoramaGeometry& panorama)
      : panorama_(panorama),
        layout_(nv12_layout(
            kWidth, std::max(1, static_cast<int>(std::ceil(seconds / kRow_s))) * (kRow + kSpace))),
        bytes_(layout_.bytes()) {
    for (int y = 0; y < layout_.height; ++y)
      for (int x = 0; x < layout_.width; ++x) put(x, y, y % (kRow + kSpace) < kRow ? kPaper : kDot);
  }

  // `size`: half of the dot's side, pixels.
  void dot(double t, double yaw, const Colour& colour, int size = 1) {
    const int x = column(t), y = line(t, yaw);
    for (int j = -size; j <= size; ++j)
      for (int i = -size; i <= size; ++i) put(x + i, y + j, colour);
  }
  void bar(double t, double from, double to, const Colour& colour) {
    for (int y = line(t, to); y <= line(t, from); ++y) put(column(t), y, colour);
  }
  void save(const std::filesystem::path& file) const {
    media::save_png(file, layout_, bytes_.data(), ColourMatrix::bt709, ColourRange::limited);
  }

 private:
  int column(double t) const { return static_cast<int>(std::fmod(t, kRow_s) / kRow_s * kWidth); }
  int line(double t, double yaw) const {
    const double share = (panorama_.yaw_right - yaw) / (panorama_.yaw_right - panorama_.yaw_left);
    return static_cast<int>(t / kRow_s) * (kRow + kSpace) +
           std::clamp(static_cast<int>(share * kRow), 0, kRow - 1);
  }
  void put(int x, int y, const Colour& c) {
    if (x < 0 || y < 0 || x >= layout_.width || y >= layout_.height) return;
    const auto at = static_cast<std::size_t>(y) * static_cast<std::size_t>(layout_.pitch);
    bytes_[at + static_cast<std::size_t>(x)] = std::byte(c.y);
    const auto chroma = layout_.chroma_offset() +
                        static_cast<std::size_t>(y / 2) * static_cast<std::size_t>(layout_.pitch) +
                        static_cast<std::size_t>(x / 2 * 2);
    bytes_[chroma] = std::byte(c.u);
    bytes_[chroma + 1] = std::byte(c.v);
  }

  PanoramaGeometry panorama_;
  Nv12Layout layout_;
  std::vector<std::byte> bytes_;
};

}  // namespace

void plot(const std::filesystem::path& file, const Match& match, const Film& film,
          const PanoramaGeometry& panorama, double aspect) {
  const double rate = match.frames_per_second;
  Canvas canvas(static_cast<double>(film.size()) / rate, panorama);
  for (std::size_t i = 0; i < film.size(); ++i) {
    const CameraPose& p = film[i].pose;
    canvas.bar(static_cast<double>(i) / rate, p.yaw - p.field_of_view / 2,
               p.yaw + p.field_of_view / 2, kBand);
  }
  for (const Match::Analysis& a : match.analyses)
    for (std::size_t k = a.first; k < a.first + a.count; ++k)
      if (const Detection& d = match.boxes[k]; d.object == ObjectClass::ball)
        canvas.dot(1e-9 * static_cast<double>(a.capture_ns), panorama.yaw_of(d.x), kDot, 2);
  for (std::size_t i = 0; i < film.size(); ++i) {
    const double t = static_cast<double>(i) / rate;
    const FilmedFrame& f = film[i];
    if (f.claims_ball) canvas.dot(t, f.ball_yaw, kBlue, 2);
    if (!match.truth.empty())
      canvas.dot(t, match.truth[i].yaw, in_view(f.pose, match.truth[i], aspect) ? kGreen : kRed);
    canvas.dot(t, f.pose.yaw, kInk, 0);
  }
  canvas.save(file);
}

}  // namespace gantry
