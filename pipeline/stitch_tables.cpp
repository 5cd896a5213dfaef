// The mesh in fixed point, the kind of every tile, and the windows that hold the taps of its lines.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stitch_tables.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry {
namespace {

constexpr int kFullWeight = 65535;
constexpr int kLargestPicture = 16384;  // positions are 32 bits with 16 behind the point
constexpr int kRun = 32;                // source columns that a window holds
constexpr int kMostLines = 31, kMostLine = 8191, kMostColumn = 16383;

struct Span {
  int low = INT32_MAX, high = INT32_MIN;
  void add(int v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
};

// Taps of one plane of a camera, as a window sees them.
struct Plane {
  std::size_t first_byte, bytes;  // of the whole picture
  int pitch, width, height;       // of this plane, in samples
  int sample_bytes;               // luma 1, chroma pairs 2
};

class WindowMaker {
 public:
  WindowMaker(StitchTables& tables, int camera, const Nv12Layout& layout, int panorama_height)
      : t_(tables),
        x_(&tables.nodes[static_cast<std::size_t>(2 * camera) * tables.nodes_per_camera()]),
        y_(x_ + tables.nodes_per_camera()),
        out_(&tables.windows[static_cast<std::size_t>(camera) * tables.tile_columns *
                             tables.tile_rows * StitchTables::kTileWindows]),
        luma_{0, layout.bytes(), layout.pitch, layout.width, layout.height, 1},
        chroma_{layout.chroma_offset(), layout.bytes(),    layout.pitch,
                layout.width / 2,       layout.height / 2, 2},
        panorama_height_(panorama_height) {}

  // Sets the windows of a tile; false if some taps do not fit into theirs.
  bool make(int tile_x, int tile_y) {
    const int x0 = tile_x * StitchTables::kTileWidth, y0 = tile_y * StitchTables::kTileHeight;
    const int bottom = std::min(y0 + StitchTables::kTileHeight, panorama_height_);
    std::uint32_t* luma = out_ + (static_cast<std::ptrdiff_t>(tile_y) * t_.tile_columns + tile_x) *
                                     StitchTables::kTileWindows;
    std::uint32_t* chroma = luma + StitchTables::kLumaWindows;
    bool fits = true;
    for (int y = y0; y < bottom; y += 2)
      for (const int half : {0, 16}) fits &= make_one(luma_, x0 + half, 16, 2 * y, 2, 2, *luma++);
    for (int y = y0; y < bottom; y += 4)
      fits &= make_one(chroma_, x0, 32, 2 * y + 1, y + 2 < bottom ? 2 : 1, 4, *chroma++);
    return fits;
  }

 private:
  // A position at luma column x and half-line y2 (0, 1: the first line, half a line below it),
  // as the kernel computes it, 1/2^16 pixel.
  int at(const std::int32_t* n, int cell_x, int i, int y2) const {
    const int step = 1 << t_.log_step, line = y2 / 2, j = line & (step - 1);
    const std::int32_t* a = n + (line >> t_.log_step) * t_.node_columns + cell_x;
    const std::int32_t* c = a + t_.node_columns;
    const int upper = (a[0] << t_.log_step) + i * (a[1] - a[0]);
    const int lower = (c[0] << t_.log_step) + i * (c[1] - c[0]);
    return (upper << t_.log_step) + j * (lower - upper) + (y2 % 2 ? (lower - upper) >> 1 : 0);
  }

  // `columns` luma columns from x, `lines` lines from half-line y2, `spacing` half-lines apart.
  // Within a cell positions are linear along a line: its ends bound them.
  bool make_one(const Plane& p, int x, int columns, int y2, int lines, int spacing,
                std::uint32_t& window) const {
    const int step = 1 << t_.log_step, last = step - p.sample_bytes;
    Span qx, qy;
    for (int n = 0; n < lines; ++n)
      for (int cell = x; cell < x + columns; cell += step)
        for (const int i : {0, std::min(last, columns - p.sample_bytes)}) {
          const int half_line = y2 + n * spacing, cell_x = cell >> t_.log_step;
          const int px = at(x_, cell_x, i, half_line), py = at(y_, cell_x, i, half_line);
          qx.add(p.sample_bytes == 1 ? (px + 256) >> 9 : (px + 512) >> 10);
          qy.add(p.sample_bytes == 1 ? (py + 256) >> 9 : (py - 32768 + 512) >> 10);
        }
    if (qx.low < 0 || qy.low < 0 || qx.high > (p.width - 1) << 7 || qy.high > (p.height - 1) << 7)
      return false;  // taps must be clamped
    const int line = qy.low >> 7, last_line = (qy.high + 127) >> 7;
    // The last run must end inside of the picture's memory.
    const std::int64_t room = static_cast<std::int64_t>(p.bytes - p.first_byte) -
                              static_cast<std::int64_t>(last_line) * p.pitch;
    const auto last_column = (room - kRun * p.sample_bytes - 1) / p.sample_bytes;
    const int column = static_cast<int>(std::min<std::int64_t>(qx.low >> 7, last_column));
    if (column < 0 || ((qx.high + 127) >> 7) - column >= kRun || column > kMostColumn ||
        last_line - line + 1 > kMostLines || line > kMostLine)
      return false;
    window = static_cast<std::uint32_t>(column) << 18 | static_cast<std::uint32_t>(line) << 5 |
             static_cast<std::uint32_t>(last_line - line + 1);
    return true;
  }

  const StitchTables& t_;
  const std::int32_t *x_, *y_;
  std::uint32_t* out_;
  Plane luma_, chroma_;
  int panorama_height_;
};

void set_sizes(StitchTables& t, const StitchMesh& mesh) {
  t.log_step = std::countr_zero(static_cast<unsigned>(mesh.step));
  t.tile_columns = (mesh.panorama_width + StitchTables::kTileWidth - 1) / StitchTables::kTileWidth;
  t.tile_rows = (mesh.panorama_height + StitchTables::kTileHeight - 1) / StitchTables::kTileHeight;
  t.node_columns = t.tile_columns * StitchTables::kTileWidth / mesh.step + 9;
  t.node_rows = t.tile_rows * StitchTables::kTileHeight / mesh.step + 2;
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

// One node's weights, shared out among the cameras that are present.
std::array<int, Rig::kMostCameras> share_out(const StitchMesh& mesh, std::size_t node,
                                             unsigned present) {
  double all = 0, left = 0;
  for (std::size_t c = 0; c < mesh.cameras.size(); ++c) {
    all += mesh.cameras[c].nodes[node].weight;
    if (present >> c & 1) left += mesh.cameras[c].nodes[node].weight;
  }
  std::array<int, Rig::kMostCameras> w{};
  if (left < 1e-6) return w;
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
  const auto& everyone = t.present.back().weights;
  unsigned cameras = 0, slate = 0;
  bool whole = true;
  const int across = StitchTables::kTileWidth / mesh.step,
            down = StitchTables::kTileHeight / mesh.step;
  for (int row = tile_y * down; row <= std::min((tile_y + 1) * down, mesh.rows - 1); ++row)
    for (int column = tile_x * across; column <= std::min((tile_x + 1) * across, mesh.columns - 1);
         ++column) {
      int sum = 0, sum_of_everyone = 0;
      for (std::size_t c = 0; c < mesh.cameras.size(); ++c) {
        const std::size_t node =
            c * t.nodes_per_camera() + static_cast<std::size_t>(row) * t.node_columns + column;
        if (weights[node]) cameras |= 1u << c;
        sum += weights[node];
        sum_of_everyone += everyone[node];
      }
      whole &= sum == kFullWeight;
      if (sum == 0 && sum_of_everyone) slate = StitchTables::kSlate;
    }
  if (cameras == 0) return slate;
  return cameras | slate | (whole && std::has_single_bit(cameras) ? 0 : StitchTables::kBlend);
}

void set_kinds(StitchTables& t, const StitchMesh& mesh, const std::vector<unsigned>& fits) {
  for (unsigned present = 1; present <= t.present.size(); ++present)
    for (int y = 0; y < t.tile_rows; ++y)
      for (int x = 0; x < t.tile_columns; ++x) {
        unsigned kind = kind_of(t, mesh, present, x, y);
        const unsigned cameras = kind & StitchTables::kCameras;
        if (cameras && !(cameras & ~fits[static_cast<std::size_t>(y) * t.tile_columns + x]) &&
            (x + 1) * StitchTables::kTileWidth <= mesh.panorama_width)
          kind |= StitchTables::kWindows;
        t.present[present - 1].kinds.push_back(static_cast<std::uint8_t>(kind));
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
  t.windows.resize(cameras.size() * t.tile_columns * t.tile_rows * StitchTables::kTileWindows);
  t.present.resize((std::size_t{1} << cameras.size()) - 1);
  for (unsigned present = 1; present <= t.present.size(); ++present) set_weights(t, mesh, present);

  std::vector<unsigned> fits(static_cast<std::size_t>(t.tile_columns) * t.tile_rows);
  for (std::size_t c = 0; c < cameras.size(); ++c) {
    WindowMaker maker(t, static_cast<int>(c), cameras[c], mesh.panorama_height);
    for (int y = 0; y < t.tile_rows; ++y)
      for (int x = 0; x < t.tile_columns; ++x)
        if (maker.make(x, y)) fits[static_cast<std::size_t>(y) * t.tile_columns + x] |= 1u << c;
  }
  set_kinds(t, mesh, fits);
  return t;
}

}  // namespace gantry
