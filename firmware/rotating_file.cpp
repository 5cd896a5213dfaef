// Rotation by spdlog's file sink.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/rotating_file.hpp"

#include <stdexcept>

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>

#include "hal/log/log.hpp"

namespace gantry {
namespace {

spdlog::file_event_handlers begin_with(std::string header) {
  spdlog::file_event_handlers handlers;
  handlers.after_open = [header = std::move(header)](const std::string&, std::FILE* file) {
    std::fseek(file, 0, SEEK_END);
    if (std::ftell(file) == 0) std::fwrite(header.data(), 1, header.size(), file);
  };
  return handlers;
}

}  // namespace

RotatingFile::RotatingFile(const std::filesystem::path& file, std::size_t bytes, std::size_t files,
                           std::string header)
    : file_(file) {
  try {
    if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path());
    sink_ = std::make_unique<spdlog::sinks::rotating_file_sink_st>(
        file.string(), bytes, files, true, begin_with(std::move(header)));
  } catch (const std::exception& e) {
    throw std::runtime_error(fmt::format("{}: cannot be written ({})", file.string(), e.what()));
  }
  sink_->set_formatter(
      std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc, ""));
}

RotatingFile::~RotatingFile() = default;

bool RotatingFile::write(std::string_view text) noexcept {
  try {
    sink_->log(spdlog::details::log_msg({}, spdlog::level::info, {text.data(), text.size()}));
    return true;
  } catch (const std::exception& e) {
    return refused(e.what());
  }
}

bool RotatingFile::flush() noexcept {
  try {
    sink_->flush();
    return true;
  } catch (const std::exception& e) {
    return refused(e.what());
  }
}

bool RotatingFile::refused(const char* why) noexcept {
  if (!said_)
    log::error("{}: cannot be written ({}); what is refused from now on is counted", file_.string(),
               why);
  said_ = true;
  return false;
}

}  // namespace gantry
