// The change of 8-bit Y, Cb, Cr from one colour matrix and range to another.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "hal/camera/rig.hpp"

namespace gantry {

// Coefficients that take 8-bit Y, Cb, Cr of one matrix and range to another: Rec. ITU-R BT.601-7
// and BT.709-6, section 3 each. Y' = luma·Y + luma_cb·(Cb−128) + luma_cr·(Cr−128) + offset, and so
// on.
struct YuvTransform {
  double luma = 1, luma_cb = 0, luma_cr = 0, offset = 0;
  double cb_cb = 1, cb_cr = 0, cr_cb = 0, cr_cr = 1;
  bool identity = true;
};
YuvTransform yuv_transform(ColourMatrix from, ColourRange from_range, ColourMatrix to,
                           ColourRange to_range);

}  // namespace gantry
