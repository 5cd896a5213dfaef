// Words to commands.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/control_line.hpp"

#include <charconv>
#include <cmath>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gantry::control {
namespace {

constexpr double kLongestHold_s = 86'400;

std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r";
  std::vector<std::string_view> words;
  for (auto at = line.find_first_not_of(kSpace); at != std::string_view::npos;
       at = line.find_first_not_of(kSpace, at)) {
    const auto end = std::min(line.find_first_of(kSpace, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

// What may stand in an answer: bytes that a terminal shows as they are.
std::string shown(std::string_view word) {
  std::string text;
  for (const char c : word.substr(0, 32)) text += c > ' ' && c < 127 ? c : '?';
  return text;
}

struct Angle {
  std::string_view word;
  std::optional<double> ControlCommand::*place;
  double low, high;  // degrees
};
constexpr Angle kAngles[] = {{"pan", &ControlCommand::yaw, -180, 180},
                             {"tilt", &ControlCommand::pitch, -90, 90},
                             {"zoom", &ControlCommand::field_of_view, 20, 100}};

// A whole word that is a finite number in the range.
std::optional<double> number(std::string_view word, double low, double high) {
  double value = 0;
  if (word.starts_with('+')) word.remove_prefix(1);
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || !(value >= low && value <= high))
    return {};
  return value;
}

Request steer(std::span<const std::string_view> words) {
  ControlCommand command;
  command.kind = ControlCommand::Kind::steer;
  for (std::size_t i = 0; i < words.size(); i += 2) {
    double low = 0, high = kLongestHold_s, unit = 1;
    auto place = &ControlCommand::hold_s;
    if (words[i] != "for") {
      const auto* angle = std::ranges::find(kAngles, words[i], &Angle::word);
      if (angle == std::end(kAngles))
        return Refusal{fmt::format("'{}' is not one of pan, tilt, zoom, for", shown(words[i]))};
      place = angle->place, low = angle->low, high = angle->high, unit = radians(1);
    }
    const auto value = i + 1 < words.size() ? number(words[i + 1], low, high) : std::nullopt;
    if (!value) return Refusal{fmt::format("{} needs a number from {} to {}", words[i], low, high)};
    command.*place = *value * unit;
  }
  return command;
}

Request direct(std::span<const std::string_view> words) {
  ControlCommand command;
  command.kind = ControlCommand::Kind::direct;
  if (words.size() == 1 && words[0] == "follow")
    command.director = DirectorConfig::Kind::follow;
  else if (words.size() == 1 && words[0] == "sweep")
    command.director = DirectorConfig::Kind::sweep;
  else if (words.size() == 1 && words[0] == "fixed")
    command.director = DirectorConfig::Kind::fixed;
  else
    return Refusal{"director needs one of follow, sweep, fixed, manual"};
  return command;
}

const char* name_of(DirectorConfig::Kind kind) {
  return kind == DirectorConfig::Kind::follow  ? "follow"
         : kind == DirectorConfig::Kind::sweep ? "sweep"
                                               : "fixed";
}

}  // namespace

Request parse(std::string_view line) {
  const auto words = words_of(line);
  if (words.empty())
    return Refusal{"an empty line; status, pan, tilt, zoom, manual, release, director"};
  std::span<const std::string_view> rest(words);
  if (words[0] == "director" && words.size() > 1 && words[1] == "manual")
    return steer(rest.subspan(2));
  if (words[0] == "director") return direct(rest.subspan(1));
  if (words[0] == "manual") return steer(rest.subspan(1));
  if (words[0] == "status" && words.size() == 1) return StatusQuery{};
  if (words[0] == "release" && words.size() == 1) return ControlCommand{};
  if (std::ranges::find(kAngles, words[0], &Angle::word) != std::end(kAngles)) return steer(rest);
  return Refusal{fmt::format(
      "'{}' is not one of status, pan, tilt, zoom, manual, release, director", shown(words[0]))};
}

std::string to_json(const ControlStatus& s) {
  const auto degrees = [](double r) { return std::round(r / radians(1) * 1000) / 1000; };
  nlohmann::ordered_json json = {
      {"director", s.manual ? "manual" : name_of(s.director)},
      {"pan", degrees(s.pose.yaw)},
      {"tilt", degrees(s.pose.pitch)},
      {"zoom", degrees(s.pose.field_of_view)},
      {"reason", name_of(s.reason)},
      {"ball_confidence", s.ball_confidence},
      {"capture_ns", s.capture_ns},
  };
  if (s.manual) {
    json["after"] = name_of(s.director);
    json["hand_back"] = s.hand_back_s;
  }
  return json.dump();
}

}  // namespace gantry::control
