// Reads, checks and writes rig files.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/rig_file.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numbers>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "firmware/toml_reader.hpp"
#include "pipeline/lut_import.hpp"

namespace gantry {
namespace {

constexpr double kRadian = std::numbers::pi / 180;
constexpr int kLeastSize = 16, kMostSize = 32768;

int even_size(TomlReader& table, std::string_view key) {
  const auto size = static_cast<int>(table.integer(key, kLeastSize, kMostSize));
  if (size % 2) table.fail(key, fmt::format("is {}; must be even (the pictures are NV12)", size));
  return size;
}

// Two angles in degrees, the first smaller; radians.
std::pair<double, double> extents(TomlReader& table, std::string_view key, double most) {
  const auto ends = table.numbers(key, 2, 2, -most, most);
  if (!(ends[1] - ends[0] >= 0.1 && ends[1] - ends[0] <= 360))
    table.fail(key,
               fmt::format("must grow, by 0.1 to 360 degrees, as in [-{0:g}, {0:g}]", most / 2));
  return {ends[0] * kRadian, ends[1] * kRadian};
}

void read_panorama(TomlReader table, RigFile& out) {
  PanoramaGeometry& panorama = out.rig.panorama;
  panorama.width = even_size(table, "width");
  panorama.height = even_size(table, "height");
  std::tie(panorama.yaw_left, panorama.yaw_right) = extents(table, "yaw", 360);
  std::tie(panorama.pitch_bottom, panorama.pitch_top) = extents(table, "pitch", 90);
  out.rig.feather = table.number("feather", 0, 90) * kRadian;
  out.uncovered =
      table.choice("uncovered", {"refuse", "black"}, 0) ? Uncovered::black : Uncovered::refuse;
  if (const auto folder = table.text("luts", ""); !folder.empty())
    out.luts = table.file().parent_path() / folder;
  table.finish();
}

void read_colour(TomlReader table, Rig& rig) {
  rig.matrix =
      table.choice("matrix", {"bt601", "bt709"}, 1) ? ColourMatrix::bt709 : ColourMatrix::bt601;
  rig.range =
      table.choice("range", {"limited", "full"}, 0) ? ColourRange::full : ColourRange::limited;
  table.finish();
}

void read_size(TomlReader& table, Lens& lens) {
  const auto size = table.numbers("size", 2, 2, kLeastSize, kMostSize);
  for (const double side : size)
    if (std::fmod(side, 2) != 0)
      table.fail("size", "must be the width and height of the pictures, two even whole numbers");
  lens.width = static_cast<int>(size[0]);
  lens.height = static_cast<int>(size[1]);
}

Lens read_lens(TomlReader table) {
  Lens lens;
  const bool fisheye = table.choice("model", {"pinhole", "fisheye"}) == 1;
  lens.model = fisheye ? Lens::Model::fisheye : Lens::Model::pinhole;
  read_size(table, lens);
  lens.fx = table.number("fx", 1, 1e6);
  lens.fy = table.number("fy", 1, 1e6);
  lens.cx = table.number("cx", -lens.width, 2 * lens.width, 0.5 * (lens.width - 1));
  lens.cy = table.number("cy", -lens.height, 2 * lens.height, 0.5 * (lens.height - 1));
  const auto distortion = table.numbers("distortion", 0, fisheye ? 4 : 8, -100, 100);
  std::copy(distortion.begin(), distortion.end(), lens.distortion.begin());
  // A lens that folds before a tenth of its picture is a slip of the pen, not a lens.
  const double tenth = 0.05 * std::hypot(lens.width / lens.fx, lens.height / lens.fy);
  if (lens.largest_angle() < std::min(tenth, 0.1))
    table.fail("distortion", fmt::format("the image folds over {:.3g} degrees from the axis; check "
                                         "sign and order ({})",
                                         lens.largest_angle() / kRadian,
                                         fisheye ? "k1 k2 k3 k4" : "k1 k2 p1 p2 k3 k4 k5 k6"));
  table.finish();
  return lens;
}

RigCamera read_camera(TomlReader table) {
  RigCamera camera;
  camera.name = table.text("name");
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  if (camera.name.empty() || camera.name.size() > 32 ||
      !std::all_of(camera.name.begin(), camera.name.end(), allowed))
    table.fail("name", "must be 1 to 32 letters, digits, '-' or '_' (files are named after it)");
  camera.mounting.yaw = table.number("yaw", -180, 180) * kRadian;
  camera.mounting.pitch = table.number("pitch", -90, 90) * kRadian;
  camera.mounting.roll = table.number("roll", -180, 180, 0) * kRadian;
  const auto gains = table.numbers("gain_limits", 0, 2, 0.1, 10);
  if (gains.size() == 1 || (gains.size() == 2 && !(gains[0] <= 1 && gains[1] >= 1)))
    table.fail("gain_limits", "must be two numbers, one up to 1 and one from 1, as in [0.5, 2.0]");
  if (gains.size() == 2) {
    camera.gain_limit_low = gains[0];
    camera.gain_limit_high = gains[1];
  }
  camera.lens = read_lens(table.table("lens"));
  table.finish();
  return camera;
}

RigFile read_rig(const toml::table& table, const std::string& name) {
  RigFile out;
  TomlReader root(table, name);
  read_panorama(root.table("panorama"), out);
  read_colour(root.table("colour"), out.rig);
  for (TomlReader& camera : root.tables("camera")) {
    out.rig.cameras.push_back(read_camera(camera));
    for (std::size_t c = 0; c + 1 < out.rig.cameras.size(); ++c)
      if (out.rig.cameras[c].name == out.rig.cameras.back().name)
        camera.fail("name", "is taken by another camera; give each its own");
  }
  const std::size_t count = out.rig.cameras.size();
  if (count == 0 || count > Rig::kMostCameras)
    root.fail("camera", fmt::format("{} of them; 1 to {} tables [[camera]] are right", count,
                                    Rig::kMostCameras));
  root.finish();
  return out;
}

std::string camera_text(const RigCamera& c) {
  const Lens& lens = c.lens;
  const bool fisheye = lens.model == Lens::Model::fisheye;
  std::string text = fmt::format(
      "\n[[camera]]\nname = \"{}\"\nyaw = {:.10g}\npitch = {:.10g}\nroll = {:.10g}\n"
      "gain_limits = [{:.10g}, {:.10g}]\n",
      c.name, c.mounting.yaw / kRadian, c.mounting.pitch / kRadian, c.mounting.roll / kRadian,
      c.gain_limit_low, c.gain_limit_high);
  std::string distortion;
  for (std::size_t k = 0; k < (fisheye ? 4u : 8u); ++k)
    distortion += fmt::format("{}{:.10g}", k ? ", " : "", lens.distortion[k]);
  return text + fmt::format(
                    "\n[camera.lens]\nmodel = \"{}\"\nsize = [{}, {}]\nfx = {:.10g}\n"
                    "fy = {:.10g}\ncx = {:.10g}\ncy = {:.10g}\ndistortion = [{}]\n",
                    fisheye ? "fisheye" : "pinhole", lens.width, lens.height, lens.fx, lens.fy,
                    lens.cx, lens.cy, distortion);
}

}  // namespace

RigFile read_rig_file(const std::filesystem::path& file) {
  return parse_rig_file(read_toml_text(file), file.string());
}

RigFile parse_rig_file(std::string_view text, const std::string& name) {
  return read_rig(parse_toml(text, name), name);
}

void fit_pictures(RigFile& rig, std::size_t camera, int width, int height) {
  RigCamera& c = rig.rig.cameras[camera];
  const int off = std::abs(width * c.lens.height - height * c.lens.width);
  const bool same = width == c.lens.width && height == c.lens.height;
  if (off > c.lens.width || (!rig.luts.empty() && !same))
    throw std::runtime_error(
        fmt::format("camera {}: its pictures are {}x{}, the rig was made for {}x{}: {} are needed",
                    c.name, width, height, c.lens.width, c.lens.height,
                    rig.luts.empty() ? "pictures of that shape" : "just these"));
  c.lens = c.lens.scaled_to(width, height);
}

StitchMesh make_mesh(const RigFile& rig) {
  if (rig.luts.empty()) return make_stitch_mesh(rig.rig, rig.uncovered);
  const auto& panorama = rig.rig.panorama;
  const auto& lens = rig.rig.cameras.front().lens;
  return mesh_from_luts(read_lut_folder(rig.luts, panorama.width, panorama.height), lens.width,
                        lens.height);
}

std::string rig_file_text(const RigFile& file) {
  const PanoramaGeometry& p = file.rig.panorama;
  std::string text = fmt::format(
      "[panorama]\nwidth = {}\nheight = {}\nyaw = [{:.10g}, {:.10g}]\npitch = [{:.10g}, {:.10g}]\n"
      "feather = {:.10g}\nuncovered = \"{}\"\n{}\n[colour]\nmatrix = \"{}\"\nrange = \"{}\"\n",
      p.width, p.height, p.yaw_left / kRadian, p.yaw_right / kRadian, p.pitch_bottom / kRadian,
      p.pitch_top / kRadian, file.rig.feather / kRadian,
      file.uncovered == Uncovered::black ? "black" : "refuse",
      file.luts.empty() ? "" : fmt::format("luts = \"{}\"\n", file.luts.string()),
      file.rig.matrix == ColourMatrix::bt709 ? "bt709" : "bt601",
      file.rig.range == ColourRange::full ? "full" : "limited");
  for (const RigCamera& camera : file.rig.cameras) text += camera_text(camera);
  return text;
}

void write_rig_file(const std::filesystem::path& file, const RigFile& rig) {
  std::filesystem::path part = file;
  part += ".part";
  std::ofstream out(part);
  out << rig_file_text(rig);
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(part, file, error);
  if (out && !error) return;
  std::error_code ignored;
  std::filesystem::remove(part, ignored);
  throw std::runtime_error(file.string() +
                           ": cannot be written; is the folder there, and is there room?");
}

}  // namespace gantry
