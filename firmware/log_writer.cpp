// Drains the log ring into spdlog.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/log_writer.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hal/clock/clock.hpp"

namespace gantry {
namespace {

constexpr std::int64_t kPeriod_ns = 100 * clock::kMillisecond_ns;
// What a power cut may take of the file.
constexpr std::int64_t kSyncPeriod_ns = clock::kSecond_ns;

spdlog::level::level_enum spdlog_level(log::Level level) {
  switch (level) {
    case log::Level::debug:
      return spdlog::level::debug;
    case log::Level::info:
      return spdlog::level::info;
    case log::Level::warning:
      return spdlog::level::warn;
    case log::Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// `open` is the file that is written to, also after a rotation; null between two.
spdlog::sink_ptr file_sink(const LogOptions& options, std::FILE*& open) {
  spdlog::file_event_handlers handlers;
  handlers.after_open = [&open](const std::string&, std::FILE* file) { open = file; };
  handlers.before_close = [&open](const std::string&, std::FILE*) { open = nullptr; };
  try {
    if (options.file.has_parent_path())
      std::filesystem::create_directories(options.file.parent_path());
    return std::make_shared<spdlog::sinks::rotating_file_sink_st>(
        options.file.string(), options.file_bytes, options.files, false, handlers);
  } catch (const std::exception& error) {
    throw std::runtime_error(
        fmt::format("log file {}: cannot be written ({})", options.file.string(), error.what()));
  }
}

// Stderr goes to the journal (systemd.exec(5), JOURNAL_STREAM).
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  return stream && fstat(STDERR_FILENO, &status) == 0 &&
         fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

// The priority that sd-daemon(3) puts before a line; the journal has instants of its own.
class Priority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    constexpr std::string_view prefixes[] = {"<7>", "<7>", "<6>", "<4>", "<3>", "<2>", "<6>"};
    const auto prefix = prefixes[message.level];
    out.append(prefix.data(), prefix.data() + prefix.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<Priority>();
  }
};

spdlog::sink_ptr journal_sink() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<Priority>('*').set_pattern("%*%v");
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
  sink->set_formatter(std::move(formatter));
  return sink;
}

std::unique_ptr<spdlog::logger> make_logger(const LogOptions& options, std::FILE*& open) {
  std::vector<spdlog::sink_ptr> sinks;
  if (!options.file.empty()) sinks.push_back(file_sink(options, open));
  const bool journal = stderr_is_journal();
  if (!journal && (options.to_stderr || isatty(STDERR_FILENO)))
    sinks.push_back(std::make_shared<spdlog::sinks::ansicolor_stderr_sink_st>());
  auto logger = std::make_unique<spdlog::logger>("gantry", sinks.begin(), sinks.end());
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      "%Y-%m-%dT%H:%M:%S.%eZ %^%L%$ %v", spdlog::pattern_time_type::utc));
  if (journal) logger->sinks().push_back(journal_sink());  // keeps its own format
  logger->set_level(spdlog::level::debug);
  return logger;
}

}  // namespace

std::int64_t wall_offset_ns() noexcept {
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  return wall.tv_sec * clock::kSecond_ns + wall.tv_nsec - clock::now_ns();
}

LogWriter::LogWriter(const LogOptions& options)
    : least_(options.least),
      logger_(make_logger(options, file_)),
      reported_drops_(log::dropped()),
      thread_({.name = "log", .role = ThreadRole::io}, [this](Thread& self) { run(self); }) {}

LogWriter::~LogWriter() {
  stop_.store(true, std::memory_order_release);
  wake_.ring();
  thread_.join();
}

void LogWriter::run(Thread& self) {
  // A disk that is full must neither end the thread nor fill stderr.
  logger_->set_error_handler(
      [this](const std::string&) { failures_.fetch_add(1, std::memory_order_relaxed); });
  for (;;) {
    const std::uint32_t epoch = wake_.epoch();
    const bool last = stop_.load(std::memory_order_acquire);
    drain();
    sync();
    self.advance();
    if (last) return;
    wake_.wait(epoch, clock::now_ns() + kPeriod_ns);
  }
}

void LogWriter::drain() {
  const std::int64_t offset = wall_offset_ns();
  const std::uint64_t before = lines();
  log::Record record;
  while (log::take(record)) write(record, offset);
  if (const std::uint64_t dropped = log::dropped(); dropped != reported_drops_) {
    record.instant_ns = clock::now_ns();
    record.level = log::Level::warning;
    record.length = static_cast<std::uint16_t>(
        fmt::format_to_n(record.text, log::Record::kTextBytes,
                         "{} log lines were lost: they came faster than they are written",
                         dropped - reported_drops_)
            .size);
    reported_drops_ = dropped;
    write(record, offset);
  }
  if (lines() != before) logger_->flush();
}

void LogWriter::sync() {
  const std::int64_t now = clock::now_ns();
  if (!file_ || lines() == synced_lines_ || now < synced_ns_ + kSyncPeriod_ns) return;
  fdatasync(fileno(file_));  // a disk that refuses has been counted when it was written to
  synced_lines_ = lines();
  synced_ns_ = now;
}

void LogWriter::write(const log::Record& record, std::int64_t wall_offset_ns) {
  if (record.level < least_) return;
  const std::chrono::nanoseconds since_epoch(record.instant_ns + wall_offset_ns);
  const spdlog::log_clock::time_point instant(
      std::chrono::duration_cast<spdlog::log_clock::duration>(since_epoch));
  const std::string_view text = record.view();
  logger_->log(instant, {}, spdlog_level(record.level), {text.data(), text.size()});
  lines_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace gantry
