// Walks over the tiles with the kernel's own arithmetic and notes which columns and lines it reads.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/stitch_windows.hpp"

#include <algorithm>
#include <climits>

namespace gantry {
namespace {

// One plane of a camera's picture.
struct Plane {
  std::int64_t first_byte, bytes;  // of the whole picture
  int pitch, width, height;        // of this plane, in samples
  int sample_bytes;                // luma 1, chroma pairs 2

  // Whether `count` bytes from that byte of a line are memory of the picture.
  bool holds(int line, int byte, int count) const {
    return first_byte + static_cast<std::int64_t>(line) * pitch + byte + count <= bytes;
  }
};

// First and last column and line that taps lie in.
struct Extent {
  int left = INT_MAX, top = INT_MAX, right = INT_MIN, bottom = INT_MIN;

  // The upper left tap.
  void add(int column, int line) {
    left = std::min(left, column);
    top = std::min(top, line);
    right = std::max(right, column + 1);
    bottom = std::max(bottom, line + 1);
  }
  void add(const Extent& e) {
    add(e.left, e.top);
    add(e.right - 1, e.bottom - 1);
  }
  bool inside(const Plane& p) const {
    return left >= 0 && top >= 0 && right < p.width && bottom < p.height;
  }
};

// The formats of kernels/stitch_windows.clh: 32 samples of a line at once.
constexpr int kRun = 32, kMostColumn = 16383, kMostLine = 8191, kMostLines = 31;

bool make_window(const Extent& e, const Plane& p, std::uint32_t& window) {
  int column = e.left;
  while (column > 0 && !p.holds(e.bottom, column * p.sample_bytes, kRun * p.sample_bytes + 1))
    --column;  // the last run must end inside of the picture
  const int lines = e.bottom - e.top + 1;
  if (e.right - column >= kRun || column > kMostColumn || lines > kMostLines || e.top > kMostLine ||
      !p.holds(e.bottom, column * p.sample_bytes, kRun * p.sample_bytes + 1))
    return false;
  window = static_cast<std::uint32_t>(column) << 18 | static_cast<std::uint32_t>(e.top) << 5 |
           static_cast<std::uint32_t>(lines);
  return true;
}

// The format of kernels/stitch_staged.clh: words of 16 bytes, four to a line.
constexpr int kWord = 16, kBoxBytes = 64, kMostLumaLines = 40, kMostChromaLines = 24;
constexpr int kLumaAlways = 24, kChromaAlways = 16, kLinesAtOnce = 8;  // lines read in any case

int lines_of(std::uint32_t box) {
  return static_cast<int>(box & 63);
}

std::uint32_t make_box(const Extent& e, const Plane& p, int most_lines, int always) {
  if (!e.inside(p) || p.pitch % kWord || p.first_byte % kWord) return 0;
  const int word = e.left * p.sample_bytes / kWord, lines = e.bottom - e.top + 1;
  const int read = std::max(always, (lines + kLinesAtOnce - 1) / kLinesAtOnce * kLinesAtOnce);
  if ((e.right + 1) * p.sample_bytes - word * kWord > kBoxBytes || lines > most_lines ||
      !p.holds(e.top + read - 1, word * kWord, kBoxBytes))
    return 0;
  return static_cast<std::uint32_t>(word) << 20 | static_cast<std::uint32_t>(e.top) << 6 |
         static_cast<std::uint32_t>(lines);
}

class CameraWindows {
 public:
  CameraWindows(const StitchTables& tables, std::size_t camera, const Nv12Layout& l)
      : t_(tables),
        x_(&tables.nodes[2 * camera * tables.nodes_per_camera()]),
        y_(x_ + tables.nodes_per_camera()),
        luma_{0, static_cast<std::int64_t>(l.bytes()), l.pitch, l.width, l.height, 1},
        chroma_{static_cast<std::int64_t>(l.chroma_offset()),
                static_cast<std::int64_t>(l.bytes()),
                l.pitch,
                l.width / 2,
                l.height / 2,
                2} {}

  struct Fit {
    bool inside = true, windows = true;
  };
  // `lines`: of the tile that are in the panorama. A box holds all of the tile's lines, so that the
  // kernel need not ask.
  Fit make(int x0, int y0, int lines, std::uint32_t* windows, std::uint32_t* boxes) const {
    Fit fit;
    Extent luma, chroma;
    for (int y = 0; y < StitchTables::kTileHeight; y += 2)
      for (const int half : {0, 16}) {
        const Extent e = luma_extent(x0 + half, y0 + y);
        luma.add(e);
        if (y < lines) add(fit, e, luma_, *windows);
        ++windows;
      }
    for (int y = 0; y < StitchTables::kTileHeight; y += 4) {
      const Extent e = chroma_extent(x0, y0 + y);
      chroma.add(e);
      if (y < lines) add(fit, e, chroma_, *windows);
      ++windows;
    }
    const std::uint32_t luma_box = make_box(luma, luma_, kMostLumaLines, kLumaAlways);
    const std::uint32_t chroma_box = make_box(chroma, chroma_, kMostChromaLines, kChromaAlways);
    if (luma_box && chroma_box) boxes[0] = luma_box, boxes[1] = chroma_box;
    return fit;
  }

 private:
  static void add(Fit& fit, const Extent& e, const Plane& p, std::uint32_t& window) {
    fit.inside &= e.inside(p);
    fit.windows &= e.inside(p) && make_window(e, p, window);
  }

  // A position at column i of a cell and half-line y2 (1: half a line below the first), as the
  // kernel computes it, 1/2^16 pixel.
  int at(const std::int32_t* n, int cell_x, int i, int y2) const {
    const int step = 1 << t_.log_step, line = y2 / 2, j = line & (step - 1);
    const std::int32_t* a = n + (line >> t_.log_step) * t_.node_columns + cell_x;
    const std::int32_t* c = a + t_.node_columns;
    const int upper = (a[0] << t_.log_step) + i * (a[1] - a[0]);
    const int lower = (c[0] << t_.log_step) + i * (c[1] - c[0]);
    return (upper << t_.log_step) + j * (lower - upper) + (y2 % 2 ? (lower - upper) >> 1 : 0);
  }

  // Of 16 columns by 2 lines. Along a line positions are linear within a cell: its ends bound them.
  Extent luma_extent(int x, int y) const {
    Extent e;
    const int step = 1 << t_.log_step;
    for (int line = y; line < y + 2; ++line)
      for (int cell = x; cell < x + 16; cell += step)
        for (const int i : {0, step - 1}) {
          const int cell_x = cell >> t_.log_step;
          e.add((at(x_, cell_x, i, 2 * line) + 256) >> 16,
                (at(y_, cell_x, i, 2 * line) + 256) >> 16);
        }
    return e;
  }
  // Of 32 columns by 4 lines of luma: 16 pairs by 2.
  Extent chroma_extent(int x, int y) const {
    Extent e;
    const int step = 1 << t_.log_step;
    for (const int half_line : {2 * y + 1, 2 * y + 5})
      for (int cell = x; cell < x + 32; cell += step)
        for (const int i : {0, step - 2}) {
          const int cell_x = cell >> t_.log_step;
          e.add((at(x_, cell_x, i, half_line) + 512) >> 17,
                (at(y_, cell_x, i, half_line) - 32768 + 512) >> 17);
        }
    return e;
  }

  const StitchTables& t_;
  const std::int32_t *x_, *y_;
  Plane luma_, chroma_;
};

}  // namespace

std::vector<TileFits> set_windows(StitchTables& t, int panorama_height,
                                  std::span<const Nv12Layout> cameras) {
  const std::size_t tiles = static_cast<std::size_t>(t.tile_columns) * t.tile_rows;
  t.windows.assign(cameras.size() * tiles * StitchTables::kTileWindows, 0);
  t.boxes.assign(cameras.size() * tiles * StitchTables::kTileBoxes, 0);
  std::vector<TileFits> fits(tiles);
  for (std::size_t c = 0; c < cameras.size(); ++c) {
    const CameraWindows camera(t, c, cameras[c]);
    for (std::size_t n = 0; n < tiles; ++n) {
      const int x = static_cast<int>(n) % t.tile_columns * StitchTables::kTileWidth;
      const int y = static_cast<int>(n) / t.tile_columns * StitchTables::kTileHeight;
      const std::size_t tile = c * tiles + n;
      const auto fit = camera.make(x, y, std::min(StitchTables::kTileHeight, panorama_height - y),
                                   &t.windows[tile * StitchTables::kTileWindows],
                                   &t.boxes[tile * StitchTables::kTileBoxes]);
      const std::uint32_t* boxes = &t.boxes[tile * StitchTables::kTileBoxes];
      if (lines_of(boxes[0]) > t.luma_box_lines) t.luma_box_lines = kMostLumaLines;
      if (lines_of(boxes[1]) > t.chroma_box_lines) t.chroma_box_lines = kMostChromaLines;
      fits[n].inside |= unsigned{fit.inside} << c;
      fits[n].windows |= unsigned{fit.windows} << c;
    }
  }
  return fits;
}

}  // namespace gantry
