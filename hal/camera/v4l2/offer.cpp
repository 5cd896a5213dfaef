// Enumeration and choice of formats, sizes and rates.
// SPDX-License-Identifier: Apache-2.0
#include "hal/camera/v4l2/offer.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "hal/camera/v4l2/pixel_format.hpp"

namespace gantry::v4l2 {
namespace {

constexpr double kSameRate = 1e-3;  // of the rate: 30 is not 29.97
constexpr unsigned kMostEntries = 256;

double rate_of(const v4l2_fract& interval) {
  return interval.numerator == 0 ? 0
                                 : static_cast<double>(interval.denominator) / interval.numerator;
}

std::vector<Rates> list_rates(const Device& device, std::uint32_t fourcc, int width, int height) {
  std::vector<Rates> rates;
  v4l2_frmivalenum e{};
  e.pixel_format = fourcc;
  e.width = static_cast<__u32>(width);
  e.height = static_cast<__u32>(height);
  for (; e.index < kMostEntries && device.call(VIDIOC_ENUM_FRAMEINTERVALS, &e) == 0; ++e.index) {
    if (e.type != V4L2_FRMIVAL_TYPE_DISCRETE) {
      rates.push_back({rate_of(e.stepwise.max), rate_of(e.stepwise.min)});
      break;
    }
    rates.push_back({rate_of(e.discrete), rate_of(e.discrete)});
  }
  std::sort(rates.begin(), rates.end(),
            [](const Rates& a, const Rates& b) { return a.low < b.low; });
  return rates;
}

std::vector<Sizes> list_sizes(const Device& device, std::uint32_t fourcc, int width, int height) {
  std::vector<Sizes> sizes;
  v4l2_frmsizeenum e{};
  e.pixel_format = fourcc;
  for (; e.index < kMostEntries && device.call(VIDIOC_ENUM_FRAMESIZES, &e) == 0; ++e.index) {
    Sizes s;
    if (e.type == V4L2_FRMSIZE_TYPE_DISCRETE) {
      s.width = s.least_width = static_cast<int>(e.discrete.width);
      s.height = s.least_height = static_cast<int>(e.discrete.height);
      s.rates = list_rates(device, fourcc, s.width, s.height);
    } else {
      s.least_width = static_cast<int>(e.stepwise.min_width);
      s.least_height = static_cast<int>(e.stepwise.min_height);
      s.width = static_cast<int>(e.stepwise.max_width);
      s.height = static_cast<int>(e.stepwise.max_height);
      s.step_width = std::max(1, static_cast<int>(e.stepwise.step_width));
      s.step_height = std::max(1, static_cast<int>(e.stepwise.step_height));
      if (s.has(width, height)) s.rates = list_rates(device, fourcc, width, height);
    }
    sizes.push_back(std::move(s));
    if (e.type != V4L2_FRMSIZE_TYPE_DISCRETE) break;
  }
  return sizes;
}

std::string joined_fourccs(std::span<const Offer> offers) {
  std::string text;
  for (const Offer& o : offers) text += (text.empty() ? "" : ", ") + fourcc_text(o.fourcc);
  return text;
}

const Sizes* sizes_with(const Offer& offer, const Wanted& w) {
  const auto found = std::find_if(offer.sizes.begin(), offer.sizes.end(),
                                  [&](const Sizes& s) { return s.has(w.width, w.height); });
  return found == offer.sizes.end() ? nullptr : &*found;
}

bool fits(const Offer& offer, const Wanted& w) {
  if (offer.sizes.empty()) return true;
  const Sizes* sizes = sizes_with(offer, w);
  return sizes && sizes->has_rate(w.frames_per_second);
}

// "NV12, YUYV: 640x480 at …; MJPG: …": formats that offer the same are told together.
std::string grouped(std::span<const Offer> offers) {
  std::map<std::string, std::string> formats_of;
  for (const Offer& o : offers) {
    std::string& formats = formats_of[text_of(o)];
    formats += (formats.empty() ? "" : ", ") + fourcc_text(o.fourcc);
  }
  std::string text;
  for (const auto& [sizes, formats] : formats_of)
    text.append(text.empty() ? "" : "; ").append(formats).append(": ").append(sizes);
  return text;
}

}  // namespace

bool Sizes::has(int w, int h) const {
  return w >= least_width && w <= width && (w - least_width) % step_width == 0 &&
         h >= least_height && h <= height && (h - least_height) % step_height == 0;
}

bool Sizes::has_rate(double rate) const {
  return rates.empty() || std::any_of(rates.begin(), rates.end(), [&](const Rates& r) {
           return rate >= r.low * (1 - kSameRate) && rate <= r.high * (1 + kSameRate);
         });
}

double Sizes::best_rate() const {
  double best = 0;
  for (const Rates& r : rates) best = std::max(best, r.high);
  return best;
}

std::vector<Offer> list_offers(const Device& device, int width, int height) {
  std::vector<Offer> offers;
  v4l2_fmtdesc e{};
  e.type = device.type();
  for (; e.index < kMostEntries && device.call(VIDIOC_ENUM_FMT, &e) == 0; ++e.index)
    offers.push_back({e.pixelformat, reinterpret_cast<const char*>(e.description),
                      list_sizes(device, e.pixelformat, width, height)});
  return offers;
}

std::uint32_t choose(std::span<const Offer> offers, const Wanted& w) {
  std::vector<Offer> known;
  for (const PixelFormat& pixel : pixel_formats())
    for (const Offer& o : offers)
      if (o.fourcc == pixel.fourcc && (w.fourcc == 0 || w.fourcc == pixel.fourcc))
        known.push_back(o);
  if (known.empty())
    throw std::runtime_error(
        w.fourcc == 0
            ? fmt::format("offers no format that is known here ({}); format = \"libv4l2\" may help",
                          joined_fourccs(offers))
            : fmt::format("does not offer {}; it offers {}", fourcc_text(w.fourcc),
                          joined_fourccs(offers)));
  for (const Offer& o : known)
    if (fits(o, w)) return o.fourcc;
  throw std::runtime_error(fmt::format("does not offer {}x{} at {:g} frames a second; it offers {}",
                                       w.width, w.height, w.frames_per_second, grouped(known)));
}

std::string text_of(const Offer& offer) {
  std::string text;
  for (const Sizes& s : offer.sizes) {
    text += text.empty() ? "" : ", ";
    if (s.width != s.least_width || s.height != s.least_height)
      text += fmt::format("{}x{} to ", s.least_width, s.least_height);
    text += fmt::format("{}x{}", s.width, s.height);
    if (s.best_rate() > 0) text += fmt::format(" up to {:.4g}", s.best_rate());
  }
  return text.empty() ? "any size" : text;
}

}  // namespace gantry::v4l2
