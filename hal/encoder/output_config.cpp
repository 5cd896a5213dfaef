// What of an output's path may be shown.
// SPDX-License-Identifier: Apache-2.0
#include "hal/encoder/output_config.hpp"

namespace gantry {

std::string shown_path(const std::string& path) {
  const auto scheme = path.find("://");
  if (scheme == std::string::npos) return path;
  const auto host = scheme + 3;
  const auto slash = path.find_last_of('/');
  const auto cut = slash >= host ? slash + 1 : path.find('?', host);
  return cut >= path.size() ? path : path.substr(0, cut) + "***";
}

}  // namespace gantry
