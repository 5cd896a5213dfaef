// What of an output's path may be shown, and the names of files that continue it.
// SPDX-License-Identifier: Apache-2.0
#include "hal/encoder/output_config.hpp"

#include <filesystem>

namespace gantry {

std::string shown_path(const std::string& path) {
  if (!is_url(path)) return path;
  const auto host = path.find("://") + 3;
  const auto slash = path.find_last_of('/');
  const auto cut = slash >= host ? slash + 1 : path.find('?', host);
  return cut >= path.size() ? path : path.substr(0, cut) + "***";
}

bool is_url(const std::string& path) {
  return path.find("://") != std::string::npos;
}

std::string next_free_path(const std::string& path) {
  namespace fs = std::filesystem;
  const fs::path first(path);
  std::error_code ignored;
  for (int n = 1;; ++n) {
    fs::path next = first;
    next.replace_filename(first.stem().string() + "-" + std::to_string(n) +
                          first.extension().string());
    if (!fs::exists(fs::symlink_status(next, ignored))) return next.string();
  }
}

}  // namespace gantry
