// The coefficients, by way of red, green and blue.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/yuv_transform.hpp"

namespace gantry {
namespace {

struct Weights {
  double red, blue;
  double green() const { return 1 - red - blue; }
};

Weights weights_of(ColourMatrix matrix) {
  return matrix == ColourMatrix::bt709 ? Weights{0.2126, 0.0722} : Weights{0.299, 0.114};
}

}  // namespace

YuvTransform yuv_transform(ColourMatrix from, ColourRange from_range, ColourMatrix to,
                           ColourRange to_range) {
  YuvTransform t;
  t.identity = from == to && from_range == to_range;
  if (t.identity) return t;
  const Weights a = weights_of(from), b = weights_of(to);
  // Each unit chroma difference as R, G, B offsets from grey, then measured in the other matrix.
  const auto luma_of = [&](double red, double green, double blue) {
    return b.red * red + b.green() * green + b.blue * blue;
  };
  const double red_of_cr = 2 * (1 - a.red), blue_of_cb = 2 * (1 - a.blue);
  const double luma_cb = luma_of(0, -a.blue * blue_of_cb / a.green(), blue_of_cb);
  const double luma_cr = luma_of(red_of_cr, -a.red * red_of_cr / a.green(), 0);
  const double luma_in = from_range == ColourRange::full ? 255 : 219;
  const double luma_out = to_range == ColourRange::full ? 255 : 219;
  const double chroma_in = from_range == ColourRange::full ? 255 : 224;
  const double chroma_out = to_range == ColourRange::full ? 255 : 224;
  t.luma = luma_out / luma_in;
  t.luma_cb = luma_cb * luma_out / chroma_in;
  t.luma_cr = luma_cr * luma_out / chroma_in;
  t.offset = (to_range == ColourRange::full ? 0 : 16) -
             (from_range == ColourRange::full ? 0 : 16) * t.luma;
  const double cb_unit = 2 * (1 - b.blue) * chroma_in / chroma_out;
  const double cr_unit = 2 * (1 - b.red) * chroma_in / chroma_out;
  t.cb_cb = (blue_of_cb - luma_cb) / cb_unit;
  t.cb_cr = -luma_cr / cb_unit;
  t.cr_cb = -luma_cb / cr_unit;
  t.cr_cr = (red_of_cr - luma_cr) / cr_unit;
  return t;
}

}  // namespace gantry
