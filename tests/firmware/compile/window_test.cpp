// Pools and resizing against their definitions.
// SPDX-License-Identifier: Apache-2.0
#include "tests/firmware/compile/onnx_model.hpp"

namespace gantry::compile_test {
namespace {

TEST(Pool, MatchesItsDefinition) {
  Random r(1);
  Cases cases;
  for (int i = 0; i < 60; ++i) {
    const bool average = r.flip(), count_pad = r.flip(), ceil = r.flip();
    const Tensor x =
        r.tensor({r.integer(1, 2), r.integer(1, 5), r.integer(5, 20), r.integer(5, 40)}, -3, -1);
    std::int64_t k[2], s[2], d[2], p[4], out[2];
    for (int a = 0; a < 2; ++a) {
      k[a] = r.integer(1, 3);
      s[a] = r.integer(1, 3);
      d[a] = average ? 1 : r.integer(1, 2);
      p[a] = r.integer(0, k[a] - 1);
      p[a + 2] = r.integer(0, k[a] - 1);
      const std::int64_t in = x.shape[2 + static_cast<std::size_t>(a)];
      const std::int64_t room = in + p[a] + p[a + 2] - d[a] * (k[a] - 1) - 1;
      out[a] = (room + (ceil ? s[a] - 1 : 0)) / s[a] + 1;
      if (ceil && (out[a] - 1) * s[a] >= in + p[a]) --out[a];
    }
    Tensor want({x.shape[0], x.shape[1], out[0], out[1]});
    each_index(want.shape, [&](const Shape& o) {
      double sum = 0, largest = -1e30;
      int inside = 0, padded = 0;
      for (std::int64_t ky = 0; ky < k[0]; ++ky)
        for (std::int64_t kx = 0; kx < k[1]; ++kx) {
          const std::int64_t y = o[2] * s[0] - p[0] + ky * d[0],
                             xx = o[3] * s[1] - p[1] + kx * d[1];
          padded += y < x.shape[2] + p[2] && xx < x.shape[3] + p[3];
          if (y < 0 || xx < 0 || y >= x.shape[2] || xx >= x.shape[3]) continue;
          const double v = x[x.at({o[0], o[1], y, xx})];
          sum += v;
          largest = std::max(largest, v);
          ++inside;
        }
      want[want.at(o)] =
          static_cast<float>(!average ? largest : sum / (count_pad ? padded : inside));
    });
    const std::string y = cases.node(average ? "AveragePool" : "MaxPool", {cases.input(x)});
    cases.model.set("kernel_shape", Shape(k, k + 2))
        .set("strides", Shape(s, s + 2))
        .set("pads", Shape(p, p + 4));
    cases.model.set("ceil_mode", int{ceil});
    if (average)
      cases.model.set("count_include_pad", int{count_pad});
    else
      cases.model.set("dilations", Shape(d, d + 2));
    cases.expect(y, want, "pool " + std::to_string(i));
  }
  cases.check();
}

TEST(Pool, TakesWholeImages) {
  Random r(2);
  Cases cases;
  const Tensor x = r.tensor({2, 3, 7, 11});
  Tensor mean({2, 3, 1, 1}), largest({2, 3, 1, 1}, -100);
  each_index(x.shape, [&](const Shape& i) {
    const std::int64_t to = mean.at({i[0], i[1], 0, 0});
    mean[to] += x[x.at(i)] / 77;
    largest[to] = std::max(largest[to], x[x.at(i)]);
  });
  const std::string in = cases.input(x);
  cases.expect(cases.node("GlobalAveragePool", {in}), mean, "mean");
  cases.expect(cases.node("GlobalMaxPool", {in}), largest, "largest");
  cases.check();
}

// The coordinate modes written down independently: where output `o` of `out` lies in `in`.
double source(const std::string& mode, double o, double in, double out, double scale) {
  if (mode == "asymmetric") return o / scale;
  if (mode == "align_corners") return out == 1 ? 0 : o * (in - 1) / (out - 1);
  if (mode == "pytorch_half_pixel" && out == 1) return 0;
  return (o + 0.5) / scale - 0.5;
}

double pick(const std::string& rounding, double at, double in) {
  const double near = rounding == "floor"                ? std::floor(at)
                      : rounding == "ceil"               ? std::ceil(at)
                      : rounding == "round_prefer_floor" ? std::ceil(at - 0.5)
                                                         : std::floor(at + 0.5);
  return std::clamp(near, 0.0, in - 1);
}

TEST(Resize, FollowsCoordinateModes) {
  Random r(3);
  Cases cases;
  for (const std::string mode : {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"})
    for (const std::string rounding :
         {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "linear"})
      for (const bool by_size : {true, false}) {
        const bool linear = rounding == "linear";
        const Tensor x = r.tensor({1, r.integer(1, 3), r.integer(2, 9), r.integer(2, 21)});
        // Powers of two: places between pixels are exact, so that rounding has one right answer.
        const double scale[2] = {r.flip() ? 2.0 : 0.5, r.flip() ? 4.0 : 2.0};
        Tensor want(x.shape);
        for (std::size_t a = 0; a < 2; ++a)
          want.shape[2 + a] = std::max<std::int64_t>(
              1, static_cast<std::int64_t>(static_cast<double>(x.shape[2 + a]) * scale[a]));
        want = Tensor(want.shape);
        double real[2];
        for (std::size_t a = 0; a < 2; ++a)
          real[a] =
              by_size ? static_cast<double>(want.shape[2 + a]) / static_cast<double>(x.shape[2 + a])
                      : scale[a];
        if (mode == "align_corners" && !linear) continue;  // quotients are not exact there
        if (by_size && real[0] != scale[0] && !linear) continue;
        each_index(want.shape, [&](const Shape& o) {
          double at[2];
          for (std::size_t a = 0; a < 2; ++a)
            at[a] = source(mode, static_cast<double>(o[2 + a]), static_cast<double>(x.shape[2 + a]),
                           static_cast<double>(want.shape[2 + a]), real[a]);
          const auto value = [&](double y, double xx) {
            return double{
                x[x.at({0, o[1], static_cast<std::int64_t>(y), static_cast<std::int64_t>(xx)})]};
          };
          const double height = static_cast<double>(x.shape[2]),
                       width = static_cast<double>(x.shape[3]);
          if (!linear) {
            want[want.at(o)] = static_cast<float>(
                value(pick(rounding, at[0], height), pick(rounding, at[1], width)));
            return;
          }
          const double y = std::clamp(at[0], 0.0, height - 1),
                       xx = std::clamp(at[1], 0.0, width - 1);
          const double y0 = std::floor(y), x0 = std::floor(xx), fy = y - y0, fx = xx - x0;
          const double y1 = std::min(y0 + 1, height - 1), x1 = std::min(x0 + 1, width - 1);
          want[want.at(o)] =
              static_cast<float>((1 - fy) * ((1 - fx) * value(y0, x0) + fx * value(y0, x1)) +
                                 fy * ((1 - fx) * value(y1, x0) + fx * value(y1, x1)));
        });
        std::vector<std::string> inputs{cases.input(x), ""};
        if (by_size) {
          inputs.emplace_back();
          inputs.push_back(cases.integers(want.shape));
        } else {
          Tensor scales({4}, 1);
          scales[2] = static_cast<float>(scale[0]);
          scales[3] = static_cast<float>(scale[1]);
          inputs.push_back(cases.weights(scales));
        }
        const std::string y = cases.node("Resize", inputs);
        cases.model.set("mode", linear ? "linear" : "nearest");
        cases.model.set("coordinate_transformation_mode", mode.c_str());
        if (!linear) cases.model.set("nearest_mode", rounding.c_str());
        cases.expect(
            y, want,
            std::string(mode).append(" ").append(rounding).append(by_size ? " by size" : ""));
      }
  cases.check();
}

TEST(Resize, ReadsUpsample) {
  Random r(4);
  Cases cases(9);
  const Tensor x = r.tensor({1, 2, 3, 5});
  Tensor scales({4}, 1), want({1, 2, 6, 15});
  scales[2] = 2;
  scales[3] = 3;
  each_index(want.shape, [&](const Shape& o) {
    want[want.at(o)] = x[x.at({0, o[1], o[2] / 2, o[3] / 3})];
  });
  const std::string y = cases.node("Upsample", {cases.input(x), cases.weights(scales)});
  cases.model.set("mode", "nearest");
  cases.expect(y, want, "upsample");
  cases.check();
}

}  // namespace
}  // namespace gantry::compile_test
