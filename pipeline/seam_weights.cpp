// Seam weights from distances to the ends of the coverages.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/seam_weights.hpp"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

constexpr double kFar = 1e12;  // squared radians: no such line anywhere

// Lower envelope of parabolas (Felzenszwalb and Huttenlocher 2012, "Distance Transforms of Sampled
// Functions", algorithm 1), in place on `count` squared distances that are `stride` apart.
class DistanceLine {
 public:
  explicit DistanceLine(int most) : value_(most), place_(most), border_(most + 1) {}

  void transform(double* line, int count, int stride, double spacing) {
    const double unit = spacing * spacing;
    int last = -1;
    for (int q = 0; q < count; ++q) {
      value_[q] = line[static_cast<std::ptrdiff_t>(q) * stride];
      if (value_[q] >= kFar) continue;
      double from = -kFar;
      while (last >= 0) {
        const int p = place_[last];
        from = ((value_[q] - value_[p]) / unit + double(q) * q - double(p) * p) / (2.0 * (q - p));
        if (from > border_[last]) break;
        --last;
      }
      place_[++last] = q;
      border_[last] = last ? from : -kFar;
    }
    if (last < 0) return;
    for (int q = 0, k = 0; q < count; ++q) {
      while (k < last && border_[k + 1] < q) ++k;
      const double offset = q - place_[k];
      line[static_cast<std::ptrdiff_t>(q) * stride] = offset * offset * unit + value_[place_[k]];
    }
  }

 private:
  std::vector<double> value_;
  std::vector<int> place_;
  std::vector<double> border_;
};

// Radians from every node to the nearest one that `camera` does not cover but another does.
std::vector<double> distances_to_end(const std::vector<Flags>& covered, std::size_t camera,
                                     int columns, int rows, NodeSpacing spacing) {
  std::vector<double> distance(covered[camera].size(), kFar);
  for (std::size_t other = 0; other < covered.size(); ++other)
    for (std::size_t n = 0; n < distance.size(); ++n)
      if (covered[other][n] && !covered[camera][n]) distance[n] = 0;
  DistanceLine line(std::max(columns, rows));
  for (int i = 0; i < columns; ++i) line.transform(&distance[i], rows, columns, spacing.pitch);
  for (int j = 0; j < rows; ++j)
    line.transform(&distance[static_cast<std::size_t>(j) * columns], columns, 1, spacing.yaw);
  for (double& d : distance) d = std::sqrt(d);
  return distance;
}

double smooth_step(double own, double other, double feather) {
  const double t = std::clamp(0.5 + 0.5 * (own - other) / std::min(feather, own + other), 0.0, 1.0);
  return t * t * (3 - 2 * t);
}

}  // namespace

void set_seam_weights(StitchMesh& mesh, const std::vector<Flags>& covered, NodeSpacing spacing,
                      double feather) {
  const std::size_t count = covered.size();
  const double blend = std::max(feather, std::max(spacing.yaw, spacing.pitch));
  std::vector<std::vector<double>> distance;
  for (std::size_t c = 0; c < count; ++c)
    distance.push_back(distances_to_end(covered, c, mesh.columns, mesh.rows, spacing));
  for (std::size_t n = 0; n < mesh.cameras[0].nodes.size(); ++n) {
    double weight[Rig::kMostCameras] = {}, sum = 0;
    for (std::size_t c = 0; c < count; ++c) {
      weight[c] = covered[c][n];
      for (std::size_t other = 0; other < count && covered[c][n]; ++other)
        if (other != c && covered[other][n])
          weight[c] *= smooth_step(distance[c][n], distance[other][n], blend);
      sum += weight[c];
    }
    for (std::size_t c = 0; c < count; ++c)
      mesh.cameras[c].nodes[n].weight = sum > 0 ? static_cast<float>(weight[c] / sum) : 0.0f;
  }
}

}  // namespace gantry
