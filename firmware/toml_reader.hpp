// Reads one TOML table key by key: types, ranges and unknown keys are checked, and every complaint
// names the file, the line, the key and what would be right. Set-up only.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <toml++/toml.h>

namespace gantry {

// The text of a configuration or rig file, at most 1 MiB. Throws std::runtime_error naming it.
std::string read_toml_text(const std::filesystem::path& file);
// Parses a text; `name` stands for the file. Throws std::runtime_error naming the file and the line.
toml::table parse_toml(std::string_view text, const std::string& name);

class TomlReader {
 public:
  // `path` is the table's name in messages, for example "camera[0].lens"; empty for the root.
  TomlReader(const toml::table& table, std::filesystem::path file, std::string path = {});

  // Finite numbers (integers too) in [low, high]. Without a fallback the key is required.
  double number(std::string_view key, double low, double high,
                std::optional<double> fallback = std::nullopt);
  std::int64_t integer(std::string_view key, std::int64_t low, std::int64_t high,
                       std::optional<std::int64_t> fallback = std::nullopt);
  bool flag(std::string_view key, std::optional<bool> fallback = std::nullopt);
  std::string text(std::string_view key, std::optional<std::string> fallback = std::nullopt);
  // One of the words; answers its position.
  std::size_t choice(std::string_view key, std::initializer_list<std::string_view> words,
                     std::optional<std::size_t> fallback = std::nullopt);
  // An array of finite numbers with `least` to `most` items; empty if the key is missing and
  // `least` is 0.
  std::vector<double> numbers(std::string_view key, std::size_t least, std::size_t most, double low,
                              double high);
  // An array of arrays of two finite numbers.
  std::vector<std::pair<double, double>> points(std::string_view key);

  // Every key of a table whose keys are the operator's own, with its integer.
  std::vector<std::pair<std::string, std::int64_t>> all_integers();

  bool has(std::string_view key) const { return table_.contains(key); }
  // A sub-table; where it is missing, an empty one (its required keys then complain).
  TomlReader table(std::string_view key);
  // An array of tables; empty where it is missing.
  std::vector<TomlReader> tables(std::string_view key);

  // Throws if the table holds a key that nobody asked for. Call last.
  void finish() const;
  // Throws a complaint about a key of this table.
  [[noreturn]] void fail(std::string_view key, const std::string& what) const;

  // A relative path is beside the file; nothing stays nothing.
  std::filesystem::path beside(const std::string& path) const;
  const std::filesystem::path& file() const { return file_; }
  // Every key asked for so far, for the test that keeps the manual and the parser in step.
  const std::set<std::string, std::less<>>& asked() const { return asked_; }

 private:
  const toml::node* find(std::string_view key);
  const toml::table& table_;
  std::filesystem::path file_;
  std::string path_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace gantry
