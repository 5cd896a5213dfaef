// The lines of boxes.jsonl.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/boxes_file.hpp"

#include <cmath>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gantry {
namespace {

constexpr const char* kName = "boxes.jsonl";

SimObject object_from(const nlohmann::json& json) {
  SimObject o;
  const auto kind = json.at("class").get<std::string>();
  if (kind != "ball" && kind != "person")
    throw std::runtime_error("class \"" + kind + "\"; ball and person are known");
  o.is_ball = kind == "ball";
  const auto box = json.at("box").get<std::array<double, 4>>();
  o.left = box[0], o.top = box[1], o.right = box[2], o.bottom = box[3];
  o.visible = json.value("visible", 1.0);
  o.diameter =
      o.is_ball ? json.value("diameter", std::sqrt((box[2] - box[0]) * (box[3] - box[1]))) : 0;
  if (!(o.right > o.left && o.bottom > o.top && o.visible >= 0 && o.visible <= 1))
    throw std::runtime_error("a box must be [left, top, right, bottom], visible from 0 to 1");
  return o;
}

PictureTruth truth_from(const std::string& line, const std::filesystem::path& folder) {
  const auto json = nlohmann::json::parse(line);
  PictureTruth t;
  t.picture = folder / json.at("picture").get<std::string>();
  t.index = json.value("index", std::int64_t{-1});
  t.width = json.value("width", 0), t.height = json.value("height", 0);
  if (t.index >= 0 && (t.width < 2 || t.height < 2 || t.width > 16384 || t.height > 16384))
    throw std::runtime_error("a raw picture needs width and height from 2 to 16384");
  for (const auto& o : json.at("objects")) t.objects.push_back(object_from(o));
  return t;
}

}  // namespace

BoxesWriter::BoxesWriter(const std::filesystem::path& folder)
    : file_(folder / kName), out_(std::fopen(file_.c_str(), "w"), std::fclose) {
  if (!out_) throw std::runtime_error(file_.string() + ": cannot be written");
}

void BoxesWriter::add(const PictureTruth& t) {
  auto line = fmt::format(R"({{"picture": "{}")", t.picture.filename().string());
  if (t.index >= 0)
    line += fmt::format(R"(, "index": {}, "width": {}, "height": {})", t.index, t.width, t.height);
  line += R"(, "objects": [)";
  for (const SimObject& o : t.objects) {
    line += fmt::format(R"({}{{"class": "{}", "box": [{:.2f}, {:.2f}, {:.2f}, {:.2f}], )",
                        &o == t.objects.data() ? "" : ", ", o.is_ball ? "ball" : "person", o.left,
                        o.top, o.right, o.bottom);
    line += fmt::format(R"("visible": {:.3f})", o.visible);
    if (o.is_ball) line += fmt::format(R"(, "diameter": {:.2f})", o.diameter);
    line += "}";
  }
  line += "]}\n";
  if (std::fputs(line.c_str(), out_.get()) < 0 || std::fflush(out_.get()) != 0)
    throw std::runtime_error(file_.string() + ": cannot be written");
}

RawPicturesWriter::RawPicturesWriter(const std::filesystem::path& folder)
    : file_(folder / kName), out_(std::fopen(file_.c_str(), "wb"), std::fclose) {
  if (!out_) throw std::runtime_error(file_.string() + ": cannot be written");
}

void RawPicturesWriter::add(const Nv12Layout& layout, const std::byte* picture) {
  const auto width = static_cast<std::size_t>(layout.width);
  for (int y = 0; y < layout.height * 3 / 2; ++y)
    if (std::fwrite(picture + static_cast<std::ptrdiff_t>(y) * layout.pitch, 1, width,
                    out_.get()) != width)
      throw std::runtime_error(file_.string() + ": cannot be written");
  if (std::fflush(out_.get()) != 0)
    throw std::runtime_error(file_.string() + ": cannot be written");
}

std::vector<PictureTruth> read_boxes(const std::filesystem::path& folder) {
  const auto file = folder / kName;
  std::ifstream in(file);
  if (!in)
    throw std::runtime_error(file.string() + ": cannot be read; gantry sim writes such folders");
  std::vector<PictureTruth> all;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) try {
      all.push_back(truth_from(line, folder));
    } catch (const std::exception& e) {
      throw std::runtime_error(fmt::format("{}:{}: {}", file.string(), number, e.what()));
    }
  if (all.empty()) throw std::runtime_error(file.string() + ": no picture in it");
  return all;
}

}  // namespace gantry
