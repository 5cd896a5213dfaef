// Refuses TOML text that the parser library mishandles, before it sees it: toml++ 3.3 runs into
// undefined behaviour where a letter beyond ASCII stands outside of strings and comments. It is
// allowed in comments alone: around a misplaced quote, what is a string is a matter of opinion.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>

namespace gantry {

// Set-up. Throws std::runtime_error naming `name`, the line and what is wrong.
void require_plain_toml(std::string_view text, const std::string& name);

}  // namespace gantry
