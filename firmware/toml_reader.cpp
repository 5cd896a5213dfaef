// Typed, checked access to a TOML table.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/toml_reader.hpp"

#include <cmath>
#include <fstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "firmware/toml_guard.hpp"

namespace gantry {
namespace {

const toml::table& no_keys() {
  static const toml::table empty;
  return empty;
}

}  // namespace

std::string read_toml_text(const std::filesystem::path& file) {
  constexpr std::size_t kMostBytes = 1 << 20;
  std::ifstream in(file, std::ios::binary);
  std::string text(kMostBytes + 1, ' ');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (in.bad() || (in.fail() && !in.eof()))
    throw std::runtime_error(file.string() + ": cannot be read; a TOML file is needed");
  if (text.size() > kMostBytes)
    throw std::runtime_error(
        fmt::format("{}: more than {} bytes; a page of TOML is needed", file.string(), kMostBytes));
  return text;
}

toml::table parse_toml(std::string_view text, const std::string& name) {
  require_plain_toml(text, name);
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& e) {
    throw std::runtime_error(
        fmt::format("{}:{}: {}", name, e.source().begin.line, std::string(e.description())));
  }
}

TomlReader::TomlReader(const toml::table& table, std::filesystem::path file, std::string path)
    : table_(table), file_(std::move(file)), path_(std::move(path)) {}

void TomlReader::fail(std::string_view key, const std::string& what) const {
  const toml::node* node = table_.get(key);
  const auto line = node ? node->source().begin.line : table_.source().begin.line;
  const auto name = path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  throw std::runtime_error(fmt::format("{}{}: {}: {}", file_.string(),
                                       line ? fmt::format(":{}", line) : "", name, what));
}

const toml::node* TomlReader::find(std::string_view key) {
  asked_.emplace(key);
  return table_.get(key);
}

double TomlReader::number(std::string_view key, double low, double high,
                          std::optional<double> fallback) {
  const toml::node* node = find(key);
  if (!node) {
    if (fallback) return *fallback;
    fail(key, fmt::format("missing; a number from {} to {} is needed", low, high));
  }
  const auto value = node->value<double>();
  if (!node->is_number() || !value || !std::isfinite(*value) || *value < low || *value > high)
    fail(key, fmt::format("must be a number from {} to {}", low, high));
  return *value;
}

std::int64_t TomlReader::integer(std::string_view key, std::int64_t low, std::int64_t high,
                                 std::optional<std::int64_t> fallback) {
  const toml::node* node = find(key);
  if (!node) {
    if (fallback) return *fallback;
    fail(key, fmt::format("missing; a whole number from {} to {} is needed", low, high));
  }
  const auto* value = node->as_integer();
  if (!value || value->get() < low || value->get() > high)
    fail(key, fmt::format("must be a whole number from {} to {}", low, high));
  return value->get();
}

bool TomlReader::flag(std::string_view key, std::optional<bool> fallback) {
  const toml::node* node = find(key);
  if (!node && fallback) return *fallback;
  if (!node || !node->is_boolean()) fail(key, "must be true or false");
  return node->as_boolean()->get();
}

std::string TomlReader::text(std::string_view key, std::optional<std::string> fallback) {
  const toml::node* node = find(key);
  if (!node && fallback) return *fallback;
  if (!node) fail(key, "missing; a text in quotes is needed");
  if (!node->is_string()) fail(key, "must be a text in quotes");
  return node->as_string()->get();
}

std::size_t TomlReader::choice(std::string_view key, std::initializer_list<std::string_view> words,
                               std::optional<std::size_t> fallback) {
  const toml::node* node = find(key);
  if (!node && fallback) return *fallback;
  if (node && node->is_string()) {
    std::size_t i = 0;
    for (const auto word : words) {
      if (node->as_string()->get() == word) return i;
      ++i;
    }
  }
  fail(key, fmt::format("must be one of \"{}\"", fmt::join(words, "\", \"")));
}

std::vector<double> TomlReader::numbers(std::string_view key, std::size_t least, std::size_t most,
                                        double low, double high) {
  const toml::node* node = find(key);
  if (!node && least == 0) return {};
  const auto range =
      fmt::format("must be an array of {} to {} numbers from {} to {}", least, most, low, high);
  if (!node || !node->is_array() || node->as_array()->size() < least ||
      node->as_array()->size() > most)
    fail(key, range);
  std::vector<double> values;
  for (const auto& item : *node->as_array()) {
    const auto value = item.value<double>();
    if (!item.is_number() || !value || !std::isfinite(*value) || *value < low || *value > high)
      fail(key, range);
    values.push_back(*value);
  }
  return values;
}

std::vector<std::pair<double, double>> TomlReader::points(std::string_view key) {
  const toml::node* node = find(key);
  if (!node) return {};
  const char* form =
      "must be an array of pairs of numbers, for example [[-80, -2], [80, -2], [0, -40]]";
  if (!node->is_array()) fail(key, form);
  std::vector<std::pair<double, double>> list;
  for (const auto& item : *node->as_array()) {
    const auto* pair = item.as_array();
    if (!pair || pair->size() != 2) fail(key, form);
    const auto x = pair->get(0)->value<double>(), y = pair->get(1)->value<double>();
    if (!x || !y || !std::isfinite(*x) || !std::isfinite(*y)) fail(key, form);
    list.emplace_back(*x, *y);
  }
  return list;
}

std::vector<std::pair<std::string, std::int64_t>> TomlReader::all_integers() {
  std::vector<std::pair<std::string, std::int64_t>> list;
  for (const auto& [key, node] : table_) {
    const auto* value = node.as_integer();
    if (!value) fail(key.str(), "must be a whole number");
    list.emplace_back(std::string(key.str()), value->get());
  }
  return list;
}

TomlReader TomlReader::table(std::string_view key) {
  const toml::node* node = find(key);
  if (node && !node->is_table()) fail(key, fmt::format("must be a table: [{}]", key));
  const auto name = path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  return TomlReader(node ? *node->as_table() : no_keys(), file_, name);
}

std::vector<TomlReader> TomlReader::tables(std::string_view key) {
  const toml::node* node = find(key);
  std::vector<TomlReader> list;
  if (!node) return list;
  if (!node->is_array_of_tables()) fail(key, fmt::format("must be tables: [[{}]]", key));
  std::size_t i = 0;
  for (const auto& item : *node->as_array())
    list.emplace_back(*item.as_table(), file_, fmt::format("{}[{}]", key, i++));
  return list;
}

void TomlReader::finish() const {
  for (const auto& [key, node] : table_)
    if (!asked_.contains(std::string_view(key.str())))
      fail(key.str(), fmt::format("unknown key; known here: {}", fmt::join(asked_, ", ")));
}

std::filesystem::path TomlReader::beside(const std::string& path) const {
  if (path.empty()) return {};
  const std::filesystem::path p(path);
  return p.is_absolute() ? p : file_.parent_path() / p;
}

}  // namespace gantry
