// cv::remap with CV_16SC2 maps, bilinear, on the panorama's halves and their common 400 columns.
// SPDX-License-Identifier: Apache-2.0
#include "bench/stitch/opencv_peer.hpp"

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

namespace gantry {
namespace {

constexpr int kOverlap = 400;

struct Maps {
  cv::Mat whole, fraction;
};

// Positions of one camera's plane for the panorama columns [left, left + width) of that plane.
Maps make_maps(const Rig& rig, std::size_t camera, bool chroma, int left, int width) {
  const int scale = chroma ? 2 : 1, height = rig.panorama.height / scale;
  const LensProjection lens(rig.cameras[camera].lens);
  const Rotation rotation = camera_from_panorama(rig.cameras[camera].mounting);
  cv::Mat x(height, width, CV_32F), y(height, width, CV_32F);
  for (int j = 0; j < height; ++j)
    for (int i = 0; i < width; ++i) {
      const double line = chroma ? 2 * j + 0.5 : j;
      const auto pixel =
          lens.project(apply(rotation, direction_of(rig.panorama.yaw_of(scale * (left + i)),
                                                    rig.panorama.pitch_of(line))));
      x.at<float>(j, i) = pixel ? static_cast<float>(pixel->x / scale) : -1.0f;
      y.at<float>(j, i) =
          pixel ? static_cast<float>(chroma ? (pixel->y - 0.5) / 2 : pixel->y) : -1.0f;
    }
  Maps maps;
  cv::convertMaps(x, y, maps.whole, maps.fraction, CV_16SC2, false);
  return maps;
}

}  // namespace

struct OpencvPeer::Impl {
  cv::Mat source[2][3], warped[2][3], panorama[3];
  Maps maps[2][2];  // [camera][luma, chroma]

  void load(int camera, const Lens& lens, std::span<const std::uint8_t> nv12) {
    auto* bytes = const_cast<std::uint8_t*>(nv12.data());  // cv::Mat has no const form
    cv::Mat(lens.height, lens.width, CV_8U, bytes).copyTo(source[camera][0]);
    const cv::Mat pairs(lens.height / 2, lens.width / 2, CV_8UC2,
                        bytes + static_cast<std::size_t>(lens.width) * lens.height);
    cv::extractChannel(pairs, source[camera][1], 0);
    cv::extractChannel(pairs, source[camera][2], 1);
  }
};

OpencvPeer::OpencvPeer(const Rig& rig, std::span<const std::uint8_t> first,
                       std::span<const std::uint8_t> second)
    : impl_(std::make_unique<Impl>()) {
  cv::setNumThreads(2);
  const int width = rig.panorama.width, height = rig.panorama.height;
  impl_->load(0, rig.cameras[0].lens, first);
  impl_->load(1, rig.cameras[1].lens, second);
  for (int plane = 0; plane < 3; ++plane) {
    const int scale = plane ? 2 : 1;
    impl_->panorama[plane].create(height / scale, width / scale, CV_8U);
  }
  for (int chroma = 0; chroma < 2; ++chroma) {
    const int w = chroma ? width / 2 : width, overlap = chroma ? kOverlap / 2 : kOverlap;
    impl_->maps[0][chroma] = make_maps(rig, 0, chroma, 0, w / 2 + overlap / 2);
    impl_->maps[1][chroma] =
        make_maps(rig, 1, chroma, w / 2 - overlap / 2, w - w / 2 + overlap / 2);
  }
}

OpencvPeer::~OpencvPeer() = default;

void OpencvPeer::stitch() {
  for (int plane = 0; plane < 3; ++plane) {
    cv::Mat& out = impl_->panorama[plane];
    const int overlap = plane ? kOverlap / 2 : kOverlap;
    const int seam = out.cols / 2 - overlap / 2, rest = out.cols - seam - overlap;
    cv::Mat* warped[2] = {&impl_->warped[0][plane], &impl_->warped[1][plane]};
    for (int camera = 0; camera < 2; ++camera) {
      const Maps& maps = impl_->maps[camera][plane != 0];
      cv::remap(impl_->source[camera][plane], *warped[camera], maps.whole, maps.fraction,
                cv::INTER_LINEAR, cv::BORDER_CONSTANT);
    }
    warped[0]->colRange(0, seam).copyTo(out.colRange(0, seam));
    warped[1]->colRange(overlap, overlap + rest).copyTo(out.colRange(seam + overlap, out.cols));
    cv::Mat middle = out.colRange(seam, seam + overlap);
    cv::addWeighted(warped[0]->colRange(seam, seam + overlap), 0.5, warped[1]->colRange(0, overlap),
                    0.5, 0, middle);
  }
}

}  // namespace gantry
