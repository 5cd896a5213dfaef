// The mesh in fixed point, the weights of whoever is present, and the kind of every tile.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stitch_tables.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include <fmt/format.h>

#include "pipeline/stitch_windows.hpp"

namespace gantry {
namespace {

constexpr int kFullWeight = 65535;
constexpr int kLargestPicture = 16384;  // positions are 32 bits with 16 behind the point

void set_sizes(StitchTables& t, const StitchMesh& mesh) {
  t.log_step = std::countr_zero(static_cast<unsigned>(mesh.step));
  t.tile_columns = (mesh.panorama_width + StitchTables::kTileWidth - 1) / StitchTables::kTileWidth;
  t.tile_rows = (mesh.panorama_height + StitchTables::kTileHeight - 1) / StitchTables::kTileHeight;
  t.node_columns = t.tile_columns * StitchTables::kTileWidth / mesh.step + 9;
  t.node_rows = t.tile_rows * StitchTables::kTileHeight / mesh.step + 4;
}

// The mesh's node for a padded one: the last column and row go on for ever.
std::size_t mesh_node(const StitchMesh& mesh, int column, int row) {
  return static_cast<std::size_t>(std::min(row, mesh.rows - 1)) * mesh.columns +
         std::min(column, mesh.columns - 1);
}

void set_positions(StitchTables& t, const StitchMesh& mesh) {
  const double scale = 1 << (16 - 2 * t.log_step), most = kLargestPicture - 1;
  t.nodes.reserve(mesh.cameras.size() * 2 * t.nodes_per_camera());
  for (const CameraMesh& camera : mesh.cameras)
    for (const auto coordinate : {&MeshNode::x, &MeshNode::y})
      for (int row = 0; row < t.node_rows; ++row)
        for (int column = 0; column < t.node_columns; ++column) {
          const double v = camera.nodes[mesh_node(mesh, column, row)].*coordinate;
          t.nodes.push_back(static_cast<int>(std::lrint(std::clamp(v, -most, most) * scale)));
        }
}

// One node's weights, shared out among the cameras that are present; where none of them sees, among
// those that are missing, for the pictures that stand in for them.
std::array<int, Rig::kMostCameras> share_out(const StitchMesh& mesh, std::size_t node,
                                             unsigned present) {
  double all = 0, left = 0;
  for (std::size_t c = 0; c < mesh.cameras.size(); ++c) {
    all += mesh.cameras[c].nodes[node].weight;
    if (present >> c & 1) left += mesh.cameras[c].nodes[node].weight;
  }
  std::array<int, Rig::kMostCameras> w{};
  if (left < 1e-6) {
    present = ~present;
    left = all;
  }
  if (all < 1e-6) return w;
  const int total = static_cast<int>(std::lrint(std::min(all, 1.0) * kFullWeight));
  for (std::size_t c = 0; c < mesh.cameras.size(); ++c)
    if (present >> c & 1)
      w[c] = static_cast<int>(mesh.cameras[c].nodes[node].weight / left * total);
  *std::max_element(w.begin(), w.end()) += total - std::accumulate(w.begin(), w.end(), 0);
  return w;
}

void set_weights(StitchTables& t, const StitchMesh& mesh, unsigned present) {
  auto& weights = t.present[present - 1].weights;
  weights.resize(mesh.cameras.size() * t.nodes_per_camera());
  for (int row = 0; row < t.node_rows; ++row)
    for (int column = 0; column < t.node_columns; ++column) {
      const auto w = share_out(mesh, mesh_node(mesh, column, row), present);
      for (std::size_t c = 0; c < mesh.cameras.size(); ++c)
        weights[c * t.nodes_per_camera() + static_cast<std::size_t>(row) * t.node_columns +
                column] = static_cast<std::uint16_t>(w[c]);
    }
}

// The kind of a tile, but for its windows: which cameras its pixels need, and how.
unsigned kind_of(const StitchTables& t, const StitchMesh& mesh, unsigned present, int tile_x,
                 int tile_y) {
  const auto& weights = t.present[present - 1].weights;
  unsigned cameras = 0;
  bool whole = true;
  const int across = StitchTables::kTileWidth / mesh.step,
            down = StitchTables::kTileHeight / mesh.step;
  for (int row = tile_y * down; row <= std::min((tile_y + 1) * down, mesh.rows - 1); ++row)
    for (int column = tile_x * across; column <= std::min((tile_x + 1) * across, mesh.columns - 1);
         ++column) {
      int sum = 0;
      for (std::size_t c = 0; c < mesh.cameras.size(); ++c) {
        const std::size_t node =
            c * t.nodes_per_camera() + static_cast<std::size_t>(row) * t.node_columns + column;
        if (weights[node]) cameras |= 1u << c;
        sum += weights[node];
      }
      whole &= sum == kFullWeight;
    }
  if (cameras == 0) return 0;
  return cameras | (whole && std::has_single_bit(cameras) ? 0 : StitchTables::kBlend);
}

void set_kinds(StitchTables& t, const StitchMesh& mesh, const std::vector<TileFits>& fits) {
  for (unsigned present = 1; present <= t.present.size(); ++present)
    for (int y = 0; y < t.tile_rows; ++y)
      for (int x = 0; x < t.tile_columns; ++x) {
        unsigned kind = kind_of(t, mesh, present, x, y);
        const unsigned cameras = kind & StitchTables::kCameras;
        const TileFits& fit = fits[static_cast<std::size_t>(y) * t.tile_columns + x];
        if (cameras && !(cameras & ~fit.inside)) kind |= StitchTables::kInside;
        if (cameras && !(cameras & ~fit.windows) &&
            (x + 1) * StitchTables::kTileWidth <= mesh.panorama_width)
          kind |= StitchTables::kWindows;
        t.present[present - 1].kinds.push_back(static_cast<std::uint8_t>(kind));
      }
}

// The box of a tile's only camera; 0 where it has several, or it does not fit.
const std::uint32_t* boxes_of(const StitchTables& t, std::size_t tile, unsigned kind) {
  const std::size_t tiles = static_cast<std::size_t>(t.tile_columns) * t.tile_rows;
  const unsigned cameras = kind & StitchTables::kCameras;
  if (!cameras || (kind & StitchTables::kBlend)) return nullptr;
  const auto camera = static_cast<std::size_t>(std::countr_zero(cameras));
  const std::uint32_t* boxes = &t.boxes[(camera * tiles + tile) * StitchTables::kTileBoxes];
  return boxes[0] ? boxes : nullptr;
}

// Spreads the slow jobs over the first three quarters of the quick ones, which keep the device busy
// while they wait for memory; none is left for the end.
std::vector<StitchTables::Job> mixed(const std::vector<StitchTables::Job>& slow,
                                     const std::vector<StitchTables::Job>& quick) {
  std::vector<StitchTables::Job> jobs;
  std::size_t next = 0;
  for (std::size_t n = 0; n < quick.size(); ++n) {
    for (; next < slow.size() && next * quick.size() * 3 <= n * slow.size() * 4; ++next)
      jobs.push_back(slow[next]);
    jobs.push_back(quick[n]);
  }
  jobs.insert(jobs.end(), slow.begin() + static_cast<std::ptrdiff_t>(next), slow.end());
  return jobs;
}

void set_jobs(StitchTables& t, int panorama_height) {
  constexpr int kQuarter = StitchTables::kTileHeight / 4;
  for (StitchTables::Present& present : t.present) {
    std::vector<StitchTables::Job> slow, quick;
    for (std::size_t n = 0; n < present.kinds.size(); ++n) {
      const int x = static_cast<int>(n) % t.tile_columns * StitchTables::kTileWidth;
      const int y = static_cast<int>(n) / t.tile_columns * StitchTables::kTileHeight;
      const auto place = static_cast<std::uint32_t>(x | y << 16);
      const unsigned kind = present.kinds[n];
      if (const std::uint32_t* boxes = boxes_of(t, n, kind)) {
        quick.push_back({place, kind, boxes[0], boxes[1]});
        continue;
      }
      for (unsigned q = 0; q < 4 && y + static_cast<int>(q) * kQuarter < panorama_height; ++q)
        slow.push_back({place, kind | q << 8, 0, 0});
    }
    present.jobs = mixed(slow, quick);
  }
}

void check(const StitchMesh& mesh, std::span<const Nv12Layout> cameras) {
  if (mesh.cameras.size() != cameras.size() || cameras.empty() ||
      cameras.size() > Rig::kMostCameras)
    throw std::invalid_argument(fmt::format("stitch: the mesh has {} cameras, {} were given",
                                            mesh.cameras.size(), cameras.size()));
  for (const Nv12Layout& c : cameras)
    if (c.width > kLargestPicture || c.height > kLargestPicture)
      throw std::invalid_argument(
          fmt::format("stitch: camera pictures of {}x{}; at most {} is right", c.width, c.height,
                      kLargestPicture));
}

}  // namespace

std::string StitchTables::options() const {
  return fmt::format(" -DLOG_STEP={} -DNODE_COLUMNS={} -DNODES={} -DTILE_COLUMNS={} -DTILE_ROWS={}",
                     log_step, node_columns, nodes_per_camera(), tile_columns, tile_rows);
}

StitchTables make_stitch_tables(const StitchMesh& mesh, std::span<const Nv12Layout> cameras) {
  check(mesh, cameras);
  StitchTables t;
  set_sizes(t, mesh);
  set_positions(t, mesh);
  t.present.resize((std::size_t{1} << cameras.size()) - 1);
  for (unsigned present = 1; present <= t.present.size(); ++present) set_weights(t, mesh, present);

  set_kinds(t, mesh, set_windows(t, mesh.panorama_height, cameras));
  set_jobs(t, mesh.panorama_height);
  return t;
}

}  // namespace gantry
