// The search, and what is said where it ends with nothing.
// SPDX-License-Identifier: Apache-2.0
#include "hal/display/screen_search.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>
#include <xf86drm.h>

namespace gantry::kms {
namespace {

constexpr double kSmooth_hz = 60.5;  // quicker modes cost bandwidth and show no more of a match

struct WantedMode {
  int width = 0, height = 0;
  double hertz = 0;  // 0: any
};

std::optional<WantedMode> parse_mode(std::string_view text) {
  WantedMode wanted;
  const char *p = text.data(), *end = p + text.size();
  const auto number = [&](auto& value) {
    const auto [next, error] = std::from_chars(p, end, value);
    p = next;
    return error == std::errc() && value > 0;
  };
  const auto mark = [&](char c) { return p != end && *p++ == c; };
  if (!number(wanted.width) || !mark('x') || !number(wanted.height)) return std::nullopt;
  if (p != end && (!mark('@') || !number(wanted.hertz))) return std::nullopt;
  return p == end ? std::optional(wanted) : std::nullopt;
}

// Smaller is better: up to 60 Hz the quicker, above it the slower.
double distance(double hertz) {
  return hertz <= kSmooth_hz ? kSmooth_hz - hertz : hertz;
}

std::string list_of(const std::vector<drmModeModeInfo>& modes) {
  std::string text;
  for (const auto& mode : modes) text += (text.empty() ? "" : ", ") + describe(mode);
  return text;
}

const Connector* choose_connector(const DisplayConfig& config,
                                  const std::vector<Connector>& connectors) {
  for (const auto& c : connectors)
    if (c.connected && (config.connector == "auto" || c.name == config.connector)) return &c;
  return nullptr;
}

std::string describe(const Card& card, const std::vector<Connector>& connectors) {
  std::string text = fmt::format("{} ({})", card.node().string(), card.driver());
  if (connectors.empty()) return text + " has no connector";
  for (const auto& c : connectors)
    text += fmt::format(" {} {}", c.name, c.connected ? "connected" : "disconnected");
  return text;
}

void become_master(const Card& card) {
  if (drmIsMaster(card.fd()) || drmSetMaster(card.fd()) == 0) return;
  throw std::runtime_error(fmt::format("{}: another process has the display (DRM master): {}",
                                       card.node().string(), strerror(errno)));
}

void choose_crtc(FoundScreen& found) {
  const auto& crtcs = found.card->crtcs();
  for (std::size_t i = 0; i < crtcs.size(); ++i)
    if (found.connector.possible_crtcs >> i & 1) {
      found.crtc = crtcs[i];
      found.crtc_bit = 1u << i;
      return;
    }
  throw std::runtime_error(
      fmt::format("{}: no CRTC for {}", found.card->node().string(), found.connector.name));
}

}  // namespace

drmModeModeInfo choose_mode(const std::string& wanted, const Connector& connector) {
  if (connector.modes.empty())
    throw std::runtime_error(fmt::format("{}: the display offers no mode", connector.name));
  if (wanted == "preferred") {
    const auto p = std::find_if(connector.modes.begin(), connector.modes.end(),
                                [](const auto& m) { return m.type & DRM_MODE_TYPE_PREFERRED; });
    return p == connector.modes.end() ? connector.modes.front() : *p;
  }
  const auto w = parse_mode(wanted);
  const drmModeModeInfo* best = nullptr;
  for (const auto& m : connector.modes) {
    if (!w || m.hdisplay != w->width || m.vdisplay != w->height ||
        (m.flags & DRM_MODE_FLAG_INTERLACE) != 0)
      continue;
    if (w->hertz > 0 && std::abs(refresh_hz(m) - w->hertz) > 0.5) continue;
    if (!best || distance(refresh_hz(m)) < distance(refresh_hz(*best))) best = &m;
  }
  if (best) return *best;
  throw std::runtime_error(fmt::format("{}: no mode {}; the display offers {}", connector.name,
                                       wanted, list_of(connector.modes)));
}

namespace {

// Without becoming its master.
FoundScreen look_for_screen(const DisplayConfig& config) {
  std::string seen;
  for (const auto& node : card_nodes()) {
    FoundScreen found;
    const bool named = config.device == node.string();
    try {
      found.card = std::make_unique<Card>(node);
    } catch (const std::exception& e) {  // another one may do
      if (named) throw;
      seen += std::string("; ") + e.what();
      continue;
    }
    if (config.device != "auto" && !named && config.device != found.card->driver()) {
      seen += fmt::format("; {} ({})", node.string(), found.card->driver());
      continue;
    }
    const auto connectors = found.card->connectors();
    const Connector* connector = choose_connector(config, connectors);
    if (!connector) {
      seen += "; " + describe(*found.card, connectors);
      continue;
    }
    if (!found.card->atomic())
      throw std::runtime_error(fmt::format("{} ({}): the driver has no atomic mode setting",
                                           node.string(), found.card->driver()));
    found.connector = *connector;
    found.mode = choose_mode(config.mode, *connector);
    choose_crtc(found);
    return found;
  }
  if (seen.empty()) seen = "; /dev/dri has no card";
  const std::string on = config.device == "auto" ? "" : " on " + config.device;
  if (config.connector == "auto") throw std::runtime_error("no connected display" + on + seen);
  throw std::runtime_error(fmt::format("no display at {}{}{}", config.connector, on, seen));
}

}  // namespace

FoundScreen find_screen(const DisplayConfig& config) {
  FoundScreen found = look_for_screen(config);
  become_master(*found.card);
  return found;
}

DisplayMode expected_size(const DisplayConfig& config) try {
  const auto mode = look_for_screen(config).mode;
  return {mode.hdisplay, mode.vdisplay, refresh_hz(mode)};
} catch (const std::runtime_error&) {
  const auto wanted = parse_mode(config.mode);
  return wanted ? DisplayMode{wanted->width, wanted->height} : DisplayMode{3840, 2160};
}

}  // namespace gantry::kms
