// Reads a DRM device into plain structures.
// SPDX-License-Identifier: Apache-2.0
#include "hal/display/card.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>

#include <fcntl.h>
#include <fmt/format.h>
#include <xf86drm.h>

namespace gantry::kms {
namespace {

template <auto release>
struct Release {
  template <typename T>
  void operator()(T* p) const {
    release(p);
  }
};
template <typename T, auto release>
using Owned = std::unique_ptr<T, Release<release>>;

using OwnedProperty = Owned<drmModePropertyRes, drmModeFreeProperty>;
using OwnedProperties = Owned<drmModeObjectProperties, drmModeFreeObjectProperties>;
using OwnedResources = Owned<drmModeRes, drmModeFreeResources>;
using OwnedConnector = Owned<drmModeConnector, drmModeFreeConnector>;
using OwnedEncoder = Owned<drmModeEncoder, drmModeFreeEncoder>;
using OwnedPlane = Owned<drmModePlane, drmModeFreePlane>;
using OwnedPlanes = Owned<drmModePlaneRes, drmModeFreePlaneResources>;
using OwnedVersion = Owned<drmVersion, drmFreeVersion>;

}  // namespace

Properties::Properties(int fd, std::uint32_t object, std::uint32_t type) {
  const OwnedProperties list(drmModeObjectGetProperties(fd, object, type));
  for (std::uint32_t i = 0; list && i < list->count_props; ++i) {
    const OwnedProperty p(drmModeGetProperty(fd, list->props[i]));
    if (!p) continue;
    Property& property = properties_.emplace_back();
    property = {p->name, p->prop_id, list->prop_values[i], {}};
    for (int e = 0; e < p->count_enums; ++e)
      property.labels.emplace_back(p->enums[e].name, p->enums[e].value);
  }
}

const Properties::Property* Properties::find(std::string_view name) const {
  const auto p = std::find_if(properties_.begin(), properties_.end(),
                              [&](const Property& property) { return property.name == name; });
  return p == properties_.end() ? nullptr : &*p;
}

std::uint32_t Properties::id(std::string_view name) const {
  const Property* p = find(name);
  return p ? p->id : 0;
}

std::uint64_t Properties::value(std::string_view name) const {
  const Property* p = find(name);
  return p ? p->value : 0;
}

bool Properties::find_value(std::string_view name, std::string_view label,
                            std::uint64_t& value) const {
  if (const Property* p = find(name))
    for (const auto& [text, number] : p->labels)
      if (text == label) {
        value = number;
        return true;
      }
  return false;
}

bool Plane::offers(std::uint32_t fourcc) const {
  return std::find(formats.begin(), formats.end(), fourcc) != formats.end();
}

Card::Card(std::filesystem::path node) : node_(std::move(node)) {
  fd_ = FileDescriptor(::open(node_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd_) throw std::runtime_error(fmt::format("{}: {}", node_.string(), strerror(errno)));
  if (const OwnedVersion version{drmGetVersion(fd())}) driver_ = version->name;
  drmSetClientCap(fd(), DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1);
  atomic_ = drmSetClientCap(fd(), DRM_CLIENT_CAP_ATOMIC, 1) == 0;
  std::uint64_t prime = 0;
  imports_ = drmGetCap(fd(), DRM_CAP_PRIME, &prime) == 0 && (prime & DRM_PRIME_CAP_IMPORT) != 0;
  if (const OwnedResources resources{drmModeGetResources(fd())}) {  // none: a render node's card
    crtcs_.assign(resources->crtcs, resources->crtcs + resources->count_crtcs);
    connectors_.assign(resources->connectors, resources->connectors + resources->count_connectors);
  }
}

std::vector<Connector> Card::connectors() const {
  std::vector<Connector> list;
  for (const std::uint32_t id : connectors_) {
    const OwnedConnector c(drmModeGetConnector(fd(), id));
    if (!c || c->connector_type == DRM_MODE_CONNECTOR_WRITEBACK) continue;
    const char* type = drmModeGetConnectorTypeName(c->connector_type);
    Connector& connector = list.emplace_back();
    connector.id = id;
    connector.name = fmt::format("{}-{}", type ? type : "Unknown", c->connector_type_id);
    connector.connected = c->connection == DRM_MODE_CONNECTED;
    connector.modes.assign(c->modes, c->modes + c->count_modes);
    connector.properties = Properties(fd(), id, DRM_MODE_OBJECT_CONNECTOR);
    for (int e = 0; e < c->count_encoders; ++e)
      if (const OwnedEncoder encoder{drmModeGetEncoder(fd(), c->encoders[e])})
        connector.possible_crtcs |= encoder->possible_crtcs;
  }
  return list;
}

std::vector<Plane> Card::planes() const {
  std::vector<Plane> list;
  const OwnedPlanes planes(drmModeGetPlaneResources(fd()));
  for (std::uint32_t i = 0; planes && i < planes->count_planes; ++i) {
    const OwnedPlane p(drmModeGetPlane(fd(), planes->planes[i]));
    if (!p) continue;
    Plane& plane = list.emplace_back();
    plane.id = p->plane_id;
    plane.possible_crtcs = p->possible_crtcs;
    plane.crtc = p->crtc_id;
    plane.formats.assign(p->formats, p->formats + p->count_formats);
    plane.properties = Properties(fd(), p->plane_id, DRM_MODE_OBJECT_PLANE);
    plane.kind = static_cast<Plane::Kind>(plane.properties.value("type"));
  }
  return list;
}

std::vector<std::filesystem::path> card_nodes() {
  std::vector<std::filesystem::path> nodes;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/dri", error))
    if (entry.path().filename().string().starts_with("card")) nodes.push_back(entry.path());
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

// The kernel's own figure is rounded to whole hertz.
double refresh_hz(const drmModeModeInfo& mode) {
  const double pixels = static_cast<double>(mode.htotal) * mode.vtotal;
  return pixels > 0 && mode.clock > 0 ? mode.clock * 1000.0 / pixels : mode.vrefresh;
}

std::string describe(const drmModeModeInfo& mode) {
  return fmt::format("{}x{}@{:.2f}", mode.hdisplay, mode.vdisplay, refresh_hz(mode));
}

}  // namespace gantry::kms
