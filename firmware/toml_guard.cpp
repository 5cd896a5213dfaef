// A walk over TOML text that knows strings and comments, and nothing more.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/toml_guard.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace gantry {
namespace {

class Walk {
 public:
  Walk(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  void run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"' || c == '\'') {
        skip_string(c);
      } else {
        require_plain(c);
        ++at_;
      }
    }
  }

 private:
  void require_plain(char c) const {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7F)
      fail("a letter outside of ASCII, or a control character, outside of a comment");
  }

  // Past the closing quote, or the end of the line for strings of one line.
  void skip_string(char quote) {
    const std::string fence(3, quote);
    const bool several_lines = text_.substr(at_, 3) == fence;
    at_ += several_lines ? 3 : 1;
    while (at_ < text_.size()) {
      if (quote == '"' && text_[at_] == '\\') {
        at_ += 2;
        continue;
      }
      if (several_lines && text_.substr(at_, 3) == fence) {
        at_ += 3;
        while (at_ < text_.size() && text_[at_] == quote) ++at_;  // quotes may lean on the fence
        return;
      }
      if (!several_lines && text_[at_] == '\n') return;
      if (!several_lines && text_[at_] == quote) return void(++at_);
      require_plain(text_[at_++]);
    }
  }

  [[noreturn]] void fail(const char* what) const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<long>(at_), '\n');
    throw std::runtime_error(fmt::format("{}:{}: {}", name_, line, what));
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
};

}  // namespace

void require_plain_toml(std::string_view text, const std::string& name) {
  Walk(text, name).run();
}

}  // namespace gantry
