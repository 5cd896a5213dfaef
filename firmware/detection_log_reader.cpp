// Detection log lines to what was found and decided.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/detection_log_reader.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string_view>

#include <nlohmann/json.hpp>

namespace gantry::detection_log {
namespace {

using Json = nlohmann::json;

constexpr double kDegree = std::numbers::pi / 180;
constexpr std::array kClasses{ObjectClass::ball, ObjectClass::person, ObjectClass::referee,
                              ObjectClass::other};
constexpr std::array kReasons{Reason::set, Reason::ball, Reason::gap, Reason::players,
                              Reason::nothing};

double number(const Json& j) {
  return j.is_null() ? std::nan("") : j.get<double>();
}
double angle(const Json& j) {
  return number(j) * kDegree;
}

CameraPose pose_of(const Json& j) {
  return {angle(j.at("yaw")), angle(j.at("pitch")), angle(j.at("field_of_view"))};
}

Detection box_of(const Json& j) {
  const auto name = j.at("class").get<std::string_view>();
  const auto object =
      std::ranges::find_if(kClasses, [&](ObjectClass known) { return name_of(known) == name; });
  if (object == kClasses.end()) throw std::runtime_error("no class " + std::string(name));
  const auto value = [&](const char* key) {
    return j.at(key).is_null() ? std::nanf("") : j.at(key).get<float>();
  };
  return {value("x"), value("y"), value("width"), value("height"), value("confidence"), *object};
}

PixelArea area_of(const Json& j) {
  const auto edge = [&](std::size_t i) { return j.at(i).get<std::uint16_t>(); };
  return {edge(0), edge(1), edge(2), edge(3)};
}

void read_found(const Json& j, Detections& found) {
  found.capture_ns = j.at("capture_ns").get<std::int64_t>();
  found.panorama = j.at("panorama").get<std::uint64_t>();
  found.overflowed = j.at("overflowed").get<std::uint32_t>();
  found.count = found.area_count = 0;
  if (j.at("looked_at").size() > Detections::kMostAreas)
    throw std::runtime_error("more areas than there can be");
  for (const Json& area : j.at("looked_at")) found.areas[found.area_count++] = area_of(area);
  for (const Json& box : j.at("boxes")) found.add(box_of(box));
}

BallState ball_of(const Json& j) {
  BallState ball;
  if (j.is_null()) return ball;
  ball.known = true;
  ball.interpolated = j.at("interpolated").get<bool>();
  ball.yaw = angle(j.at("yaw")), ball.pitch = angle(j.at("pitch"));
  ball.diameter = angle(j.at("diameter"));
  ball.confidence = number(j.at("confidence"));
  return ball;
}

PersonState person_of(const Json& j) {
  const auto value = [&](const char* key) { return static_cast<float>(angle(j.at(key))); };
  PersonState p;
  p.identity = j.at("identity").get<std::uint32_t>();
  p.seen = j.at("seen").get<bool>();
  p.yaw = value("yaw"), p.pitch = value("pitch");
  p.width = value("width"), p.height = value("height");
  p.confidence = static_cast<float>(number(j.at("confidence")));
  return p;
}

Decision decision_of(const Json& j) {
  Decision d;
  d.capture_ns = d.tracks.capture_ns = j.at("capture_ns").get<std::int64_t>();
  d.pose = pose_of(j.at("camera"));
  d.aim = pose_of(j.at("aim"));
  d.ball_share = number(j.at("ball_share"));
  const auto name = j.at("reason").get<std::string_view>();
  const auto reason =
      std::ranges::find_if(kReasons, [&](Reason known) { return name_of(known) == name; });
  if (reason == kReasons.end()) throw std::runtime_error("no reason " + std::string(name));
  d.reason = *reason;
  d.tracks.ball = ball_of(j.at("ball"));
  if (j.at("persons").size() > Tracks::kPersons)
    throw std::runtime_error("more persons than there can be");
  for (const Json& p : j.at("persons")) d.tracks.persons[d.tracks.person_count++] = person_of(p);
  return d;
}

Header header_of(const Json& j) {
  if (j.at("log") != "gantry detections" || j.at("version") != kVersion)
    throw std::runtime_error(fmt::format("not a detection log of version {}", kVersion));
  Header h;
  const Json& p = j.at("panorama");
  h.panorama = {p.at("width").get<int>(), p.at("height").get<int>(),  angle(p.at("yaw").at(0)),
                angle(p.at("yaw").at(1)), angle(p.at("pitch").at(0)), angle(p.at("pitch").at(1))};
  h.view_width = j.at("view").at("width").get<int>();
  h.view_height = j.at("view").at("height").get<int>();
  h.frames_per_second = number(j.at("frames_per_second"));
  h.delay_s = number(j.at("delay"));
  return h;
}

}  // namespace

Reader::Reader(const std::filesystem::path& file) : file_(file), in_(file) {
  if (!in_) throw std::runtime_error(file.string() + ": cannot be read");
  if (!read_line()) fail("is empty; a detection log begins with a header");
  try {
    header_ = header_of(Json::parse(line_));
  } catch (const std::exception& e) {
    fail(std::string("is no header of a detection log (") + e.what() + ")");
  }
}

bool Reader::read_line() {
  ++number_;
  return static_cast<bool>(std::getline(in_, line_));
}

bool Reader::next(Detections& found) {
  if (!read_line()) return false;
  const bool last = in_.eof();  // no end of line: the writer was stopped in the middle of it
  try {
    const Json j = Json::parse(line_);
    read_found(j, found);
    decision_.reset();
    if (j.contains("camera")) decision_ = decision_of(j);
    return true;
  } catch (const std::exception& e) {
    if (last) return false;
    fail(std::string("is no line of a detection log (") + e.what() + ")");
  }
}

void Reader::fail(const std::string& what) const {
  throw std::runtime_error(fmt::format("{}:{}: {}", file_.string(), number_, what));
}

}  // namespace gantry::detection_log
