// Words for cards, connectors and planes.
// SPDX-License-Identifier: Apache-2.0
#include "hal/display/display_report.hpp"

#include <algorithm>
#include <stdexcept>

#include <drm_fourcc.h>
#include <fmt/format.h>
#include <xf86drm.h>

#include "hal/display/card.hpp"

namespace gantry {
namespace {

using kms::Card, kms::Connector, kms::Plane;

std::string modes_of(const Connector& c) {
  if (!c.connected) return "disconnected";
  if (c.modes.empty()) return "connected, and offers no mode";
  const auto preferred = std::find_if(c.modes.begin(), c.modes.end(), [](const auto& m) {
    return (m.type & DRM_MODE_TYPE_PREFERRED) != 0;
  });
  const auto& mode = preferred == c.modes.end() ? c.modes.front() : *preferred;
  return fmt::format("connected, {} modes, preferred {}", c.modes.size(), kms::describe(mode));
}

std::string formats_of(const Plane& plane) {
  std::string text;
  for (const std::uint32_t f : plane.formats)
    text += fmt::format(" {}{}{}{}", static_cast<char>(f), static_cast<char>(f >> 8),
                        static_cast<char>(f >> 16), static_cast<char>(f >> 24));
  return text;
}

bool takes_nv12(const Plane& plane) {
  std::uint64_t value = 0;
  return plane.kind != Plane::Kind::cursor && plane.offers(DRM_FORMAT_NV12) &&
         plane.properties.find_value("COLOR_ENCODING", "ITU-R BT.709 YCbCr", value) &&
         plane.properties.id("COLOR_RANGE") != 0;
}

// Why surfaces cannot be shown as they are; empty where they can.
std::string shut(const Card& card, const std::vector<Plane>& planes) {
  if (!card.imports()) return "the driver imports no DMA-buf";
  if (std::none_of(planes.begin(), planes.end(), takes_nv12))
    return "no plane takes NV12 with COLOR_ENCODING and COLOR_RANGE";
  return {};
}

void describe(const Card& card, std::vector<std::string>& lines) {
  const auto connectors = card.connectors();
  lines.push_back(fmt::format("{} ({}){}", card.node().string(), card.driver(),
                              connectors.empty() ? ": no connector" : ""));
  if (connectors.empty()) return;
  if (!drmIsMaster(card.fd())) lines.emplace_back("  another process has it (DRM master)");
  for (const auto& c : connectors) lines.push_back(fmt::format("  {:<18} {}", c.name, modes_of(c)));
  const auto planes = card.planes();
  constexpr const char* kinds[] = {"overlay", "primary", "cursor"};
  for (const auto& plane : planes)
    lines.push_back(fmt::format(
        "  {:<18}{}{}", fmt::format("{} plane {}", kinds[static_cast<int>(plane.kind)], plane.id),
        formats_of(plane), takes_nv12(plane) ? ", BT.709 by COLOR_ENCODING" : ""));
  const std::string why = shut(card, planes);
  lines.push_back(fmt::format("  [{}] {:<34} {}", why.empty() ? "x" : " ",
                              "surfaces themselves on planes",
                              why.empty() ? "imports DMA-bufs, NV12 in the rig's colours" : why));
  lines.push_back(fmt::format("  [{}] {:<34} {}", card.atomic() ? "x" : " ",
                              "one conversion to XRGB8888",
                              card.atomic() ? "by a kernel, into the device's own memory"
                                            : "the driver has no atomic mode setting"));
}

}  // namespace

std::vector<std::string> describe_displays() {
  std::vector<std::string> lines;
  for (const auto& node : kms::card_nodes()) try {
      describe(Card(node), lines);
    } catch (const std::exception& e) {
      lines.emplace_back(e.what());
    }
  return lines;
}

}  // namespace gantry
