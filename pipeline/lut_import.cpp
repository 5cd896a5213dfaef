// Look-up tables to a coarse mesh.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/lut_import.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

#include "pipeline/mesh_cells.hpp"

namespace gantry {
namespace {

static_assert(std::endian::native == std::endian::little, "the tables are little-endian");

constexpr float kLeastWeight = 0.001f;
constexpr int kMostSize = 32768;

std::size_t expected_bytes(int width, int height) {
  return static_cast<std::size_t>(width) * height * sizeof(float);
}

void require_size(int width, int height, const char* what) {
  if (width < 16 || height < 16 || width > kMostSize || height > kMostSize)
    throw std::runtime_error(
        fmt::format("{} of {}×{} pixels: 16 to {} are right", what, width, height, kMostSize));
}

[[noreturn]] void wrong_size(const std::string& name, std::uintmax_t bytes, int width, int height) {
  throw std::runtime_error(
      fmt::format("{}: {} bytes; {} are right (float32 for each of {}×{} panorama pixels)", name,
                  bytes, expected_bytes(width, height), width, height));
}

std::vector<float> read_lut(const std::filesystem::path& file, int width, int height,
                            LutKind kind) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (error)
    throw std::runtime_error(fmt::format("{}: cannot be read ({}); a file of {} bytes is needed",
                                         file.string(), error.message(),
                                         expected_bytes(width, height)));
  if (size != expected_bytes(width, height)) wrong_size(file.string(), size, width, height);
  std::vector<std::byte> bytes(size);
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  return decode_lut({bytes.data(), static_cast<std::size_t>(in.gcount())}, width, height, kind,
                    file.string());
}

// One camera's tables, turned the right way up.
class CameraTables {
 public:
  CameraTables(const LookUpTables& tables, const LookUpTables::Camera& camera, int camera_width,
               int camera_height)
      : width_(tables.width), height_(tables.height), camera_(camera) {
    seen_.resize(camera.x.size());
    for (int y = 0; y < height_; ++y)
      for (int x = 0; x < width_; ++x) {
        const std::size_t stored = index(x, y);
        double u = camera.x[stored], v = camera.y[stored];
        seen_[static_cast<std::size_t>(y) * width_ + x] =
            keep_inside(u, v, camera_width, camera_height) && camera.weight[stored] > kLeastWeight;
      }
  }

  float weight(int x, int y) const { return camera_.weight[index(inside_x(x), inside_y(y))]; }
  // Goes on straight for nodes beyond the last pixel, from the last `step` pixels.
  Pixel position(int x, int y, int step) const {
    return {extended(camera_.x, x, y, step), extended(camera_.y, x, y, step)};
  }
  // Whether every pixel of the cell, edges included, is seen.
  bool sees(int left, int top, int step) const {
    for (int y = top; y <= inside_y(top + step); ++y)
      for (int x = left; x <= inside_x(left + step); ++x)
        if (!seen_[static_cast<std::size_t>(y) * width_ + x]) return false;
    return true;
  }

 private:
  int inside_x(int x) const { return std::min(x, width_ - 1); }
  int inside_y(int y) const { return std::min(y, height_ - 1); }
  std::size_t index(int x, int y) const {
    return static_cast<std::size_t>(height_ - 1 - y) * width_ + (width_ - 1 - x);
  }
  double extended(const std::vector<float>& table, int x, int y, int step) const {
    const int column = inside_x(x), row = inside_y(y);
    const double here = table[index(column, row)];
    double value = here;
    if (x > column)
      value += (here - table[index(column - step + 1, row)]) * (x - column) / (step - 1);
    if (y > row) value += (here - table[index(column, row - step + 1)]) * (y - row) / (step - 1);
    return value;
  }

  int width_, height_;
  const LookUpTables::Camera& camera_;
  Flags seen_;
};

// Positions of the nodes; returns which of them may have a weight.
Flags place_nodes(const CameraTables& tables, const StitchMesh& mesh, CameraMesh& camera,
                  int camera_width, int camera_height) {
  Flags inside(camera.nodes.size());
  for (int j = 0; j < mesh.rows; ++j)
    for (int i = 0; i < mesh.columns; ++i) {
      const std::size_t n = static_cast<std::size_t>(j) * mesh.columns + i;
      Pixel p = tables.position(i * mesh.step, j * mesh.step, mesh.step);
      inside[n] = keep_inside(p.x, p.y, camera_width, camera_height);
      camera.nodes[n] = {static_cast<float>(p.x), static_cast<float>(p.y), 0};
    }
  Flags cells = cells_with_all(inside, mesh.columns, mesh.rows);
  for (int j = 0; j + 1 < mesh.rows; ++j)
    for (int i = 0; i + 1 < mesh.columns; ++i)
      cells[static_cast<std::size_t>(j) * (mesh.columns - 1) + i] &=
          tables.sees(i * mesh.step, j * mesh.step, mesh.step);
  return nodes_within(cells, mesh.columns, mesh.rows);
}

void set_weights(StitchMesh& mesh, const std::vector<CameraTables>& tables,
                 const std::vector<Flags>& valid) {
  for (int j = 0; j < mesh.rows; ++j)
    for (int i = 0; i < mesh.columns; ++i) {
      const std::size_t n = static_cast<std::size_t>(j) * mesh.columns + i;
      float weight[2] = {}, sum = 0;
      for (std::size_t c = 0; c < tables.size(); ++c) {
        if (valid[c][n]) weight[c] = tables[c].weight(i * mesh.step, j * mesh.step);
        sum += weight[c];
      }
      for (std::size_t c = 0; c < tables.size() && sum > 0; ++c)
        mesh.cameras[c].nodes[n].weight = weight[c] / sum;
    }
}

// The largest distance between the cell's bilinear patch and the table, over all of its pixels.
double cell_error(const CameraTables& tables, const StitchMesh& mesh, const CameraMesh& camera,
                  int i, int j) {
  const MeshNode* a = &camera.nodes[static_cast<std::size_t>(j) * mesh.columns + i];
  const MeshNode *b = a + 1, *c = a + mesh.columns, *d = c + 1;
  double largest = 0;
  for (int y = 0; y < mesh.step && j * mesh.step + y < mesh.panorama_height; ++y)
    for (int x = 0; x < mesh.step && i * mesh.step + x < mesh.panorama_width; ++x) {
      const double s = static_cast<double>(x) / mesh.step, t = static_cast<double>(y) / mesh.step;
      const double u = (1 - t) * ((1 - s) * a->x + s * b->x) + t * ((1 - s) * c->x + s * d->x);
      const double v = (1 - t) * ((1 - s) * a->y + s * b->y) + t * ((1 - s) * c->y + s * d->y);
      const Pixel p = tables.position(i * mesh.step + x, j * mesh.step + y, mesh.step);
      largest = std::max(largest, std::hypot(u - p.x, v - p.y));
    }
  return largest;
}

StitchMesh mesh_of_step(const LookUpTables& luts, const std::vector<CameraTables>& tables,
                        int camera_width, int camera_height, int step) {
  StitchMesh mesh = make_mesh_grid(luts.width, luts.height, step, tables.size());
  std::vector<Flags> valid;
  for (std::size_t c = 0; c < tables.size(); ++c)
    valid.push_back(place_nodes(tables[c], mesh, mesh.cameras[c], camera_width, camera_height));
  set_weights(mesh, tables, valid);
  for (std::size_t c = 0; c < tables.size(); ++c)
    for (int j = 0; j + 1 < mesh.rows; ++j)
      for (int i = 0; i + 1 < mesh.columns; ++i)
        if (cell_has_weight(mesh, mesh.cameras[c], i, j))
          mesh.largest_error =
              std::max(mesh.largest_error, cell_error(tables[c], mesh, mesh.cameras[c], i, j));
  return mesh;
}

}  // namespace

std::vector<float> decode_lut(std::span<const std::byte> bytes, int width, int height, LutKind kind,
                              const std::string& name) {
  require_size(width, height, "a panorama");
  if (bytes.size() != expected_bytes(width, height)) wrong_size(name, bytes.size(), width, height);
  std::vector<float> values(static_cast<std::size_t>(width) * height);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  const bool weight = kind == LutKind::weight;
  for (float& value : values) {
    if (!std::isfinite(value)) value = 0;
    value = std::clamp(value, weight ? 0.0f : -1000.0f, weight ? 1.0f : 10000.0f);
  }
  return values;
}

LookUpTables read_lut_folder(const std::filesystem::path& folder, int width, int height) {
  require_size(width, height, "a panorama");
  LookUpTables tables;
  tables.width = width;
  tables.height = height;
  const char* names[] = {"left", "right"};
  for (std::size_t c = 0; c < 2; ++c) {
    const auto file = [&](const char* form) {
      return folder / fmt::format(fmt::runtime(form), names[c]);
    };
    tables.cameras[c].x = read_lut(file("lut_{}_x.bin"), width, height, LutKind::position);
    tables.cameras[c].y = read_lut(file("lut_{}_y.bin"), width, height, LutKind::position);
    tables.cameras[c].weight = read_lut(file("weight_{}.bin"), width, height, LutKind::weight);
  }
  return tables;
}

StitchMesh mesh_from_luts(const LookUpTables& luts, int camera_width, int camera_height) {
  require_size(luts.width, luts.height, "a panorama");
  require_size(camera_width, camera_height, "a camera picture");
  std::vector<CameraTables> tables;
  for (const LookUpTables::Camera& camera : luts.cameras)
    tables.emplace_back(luts, camera, camera_width, camera_height);
  StitchMesh mesh;
  for (const int step : {16, 8, 4}) {
    mesh = mesh_of_step(luts, tables, camera_width, camera_height, step);
    if (mesh.largest_error <= StitchMesh::kInterpolation) break;
  }
  finish_mesh(mesh);
  for (std::size_t c = 0; c < tables.size(); ++c)
    if (mesh.cameras[c].right == 0)
      throw std::runtime_error(fmt::format(
          "look-up tables: the {} camera counts nowhere; are {}×{} (panorama) and {}×{} (camera) "
          "the sizes that they were made for?",
          c ? "right" : "left", luts.width, luts.height, camera_width, camera_height));
  return mesh;
}

}  // namespace gantry
