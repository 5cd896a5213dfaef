// Notes, per tile, of the shapes that touch it.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/overlay.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace gantry {
namespace {

constexpr int kTileWidth = 32, kTileHeight = 16, kTileInts = 4, kItems = 128;
constexpr int kMostPixels = 8192;
constexpr std::size_t kShapeInts = sizeof(OverlayShape) / sizeof(std::int32_t);

}  // namespace

Overlay::Overlay(gpu::Device& device, const Nv12Layout& picture)
    : picture_(picture),
      columns_((picture.width + kTileWidth - 1) / kTileWidth),
      rows_((picture.height + kTileHeight - 1) / kTileHeight),
      program_(device.build_family("overlay")),
      kernel_(program_, "overlay_draw"),
      counts_(static_cast<std::size_t>(columns_) * rows_) {
  if (picture.width > kMostPixels || picture.height > kMostPixels)
    throw std::invalid_argument(fmt::format("overlay: a picture of {}x{}; at most {} either way",
                                            picture.width, picture.height, kMostPixels));
  // A tile that is touched has a note, so that there are no more tiles than notes.
  const std::size_t ints = OverlayList::kCapacity * kShapeInts + kMostNotes * (kTileInts + 1);
  for (Slot& slot : slots_)
    slot.memory = device.allocate(ints * sizeof(std::int32_t), gpu::Access::upload);
  kernel_.setArg(1, cl_int4{{picture.width, picture.height, picture.pitch,
                             static_cast<cl_int>(picture.chroma_offset())}});
}

Overlay::TileRange Overlay::tiles_of(const OverlayShape& s) const noexcept {
  return {std::clamp(s.left, 0, picture_.width) / kTileWidth,
          std::clamp(s.top, 0, picture_.height) / kTileHeight,
          (std::clamp(s.right, 0, picture_.width) + kTileWidth - 1) / kTileWidth,
          (std::clamp(s.bottom, 0, picture_.height) + kTileHeight - 1) / kTileHeight};
}

// Of the tiles in its rectangle an outline touches those that are not wholly within it, and a line
// those whose middle is near.
bool Overlay::touches(const OverlayShape& s, int column, int row) const noexcept {
  const int x = column * kTileWidth, y = row * kTileHeight;
  if (s.kind == OverlayShape::Kind::outline)
    return x < s.left + s.size || x + kTileWidth > s.right - s.size || y < s.top + s.size ||
           y + kTileHeight > s.bottom - s.size;
  if (s.kind == OverlayShape::Kind::line) {
    const int dx = 16 * x + 8 * kTileWidth - s.x, dy = 16 * y + 8 * kTileHeight - s.y;
    const int across = (dy * s.along_x - dx * s.along_y) / 4096;
    // Half of a tile's diagonal, half of the line, and a pixel for its soft edge and for rounding.
    return std::abs(across) < 16 * (18 + 1) + s.size + 16;
  }
  return true;
}

template <typename Visit>
void Overlay::visit_tiles(const OverlayShape& shape, Visit visit) const noexcept {
  const TileRange r = tiles_of(shape);
  for (int row = r.top; row < r.bottom; ++row)
    for (int column = r.left; column < r.right; ++column)
      if (touches(shape, column, row)) visit(static_cast<std::size_t>(row) * columns_ + column);
}

// Shapes, then tiles, then notes; answers the number of tiles.
std::size_t Overlay::write(const OverlayList& list, std::int32_t* out) noexcept {
  const auto all = list.shapes();
  std::size_t shapes = 0, notes = 0;
  for (; shapes < all.size(); ++shapes) {
    std::size_t more = 0;
    visit_tiles(all[shapes], [&](std::size_t) { ++more; });
    if (notes + more > kMostNotes) break;
    notes += more;
    visit_tiles(all[shapes], [&](std::size_t tile) { ++counts_[tile]; });
  }
  std::memcpy(out, all.data(), shapes * sizeof(OverlayShape));
  tiles_at_ = shapes * kShapeInts;
  std::size_t tiles = 0;
  std::int32_t place = 0;
  for (std::size_t t = 0; t < counts_.size(); ++t) {
    if (counts_[t] == 0) continue;
    std::int32_t* tile = out + tiles_at_ + kTileInts * tiles++;
    tile[0] = static_cast<std::int32_t>(t % columns_) * kTileWidth;
    tile[1] = static_cast<std::int32_t>(t / columns_) * kTileHeight;
    tile[2] = place;
    tile[3] = counts_[t];
    place += std::exchange(counts_[t], place);
  }
  notes_at_ = tiles_at_ + kTileInts * tiles;
  for (std::size_t i = 0; i < shapes; ++i)
    visit_tiles(all[i], [&](std::size_t tile) {
      out[notes_at_ + static_cast<std::size_t>(counts_[tile]++)] = static_cast<std::int32_t>(i);
    });
  for (std::size_t i = 0; i < tiles; ++i) {
    const std::int32_t* tile = out + tiles_at_ + kTileInts * i;
    const auto row = static_cast<std::size_t>(tile[1] / kTileHeight);
    counts_[row * static_cast<std::size_t>(columns_) +
            static_cast<std::size_t>(tile[0] / kTileWidth)] = 0;
  }
  bytes_ = (notes_at_ + notes) * sizeof(std::int32_t);
  return tiles;
}

Status Overlay::draw(const cl::CommandQueue& queue, const Surface& surface, const OverlayList& list,
                     const gpu::Wait& wait, cl::Event* done) noexcept {
  Slot& slot = slots_[next_slot_++ % kInFlight];
  gpu::wait(slot.done);
  assert(list.width() == picture_.width && list.height() == picture_.height);
  const std::size_t tiles = write(list, reinterpret_cast<std::int32_t*>(slot.memory.host));
  if (tiles == 0) return gpu::upload(queue, slot.memory, sizeof(std::int32_t), wait, done);
  cl::Event sent;
  Status s = gpu::upload(queue, slot.memory, bytes_, wait, &sent);
  for (const Status set : {gpu::set_argument(kernel_, 0, surface.memory.buffer),
                           gpu::set_argument(kernel_, 2, slot.memory.buffer),
                           gpu::set_value(kernel_, 3, static_cast<cl_int>(tiles_at_)),
                           gpu::set_value(kernel_, 4, static_cast<cl_int>(notes_at_))})
    if (s == Status::ok) s = set;
  const gpu::Range global(tiles * kItems), local(kItems);
  if (s == Status::ok) s = gpu::launch(queue, kernel_, global, &local, {sent()}, &slot.done);
  if (s == Status::ok && done) *done = slot.done;
  return s;
}

}  // namespace gantry
