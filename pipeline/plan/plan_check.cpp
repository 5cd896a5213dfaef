// Which bounds each kernel has, and what all steps must keep to.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/plan/plan_check.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "pipeline/plan/step_checks.hpp"

namespace gantry {
namespace {

using Arguments = StepArguments;

constexpr std::int64_t kMostItems = std::int64_t{1} << 34;  // of a launch: more would never end

using Check = void (*)(Arguments&);
const std::map<std::string, Check, std::less<>>& checks() {
  static const std::map<std::string, Check, std::less<>> table{
      {"nn_conv/prepare", step_checks::prepare},
      {"nn_conv/conv", step_checks::conv},
      {"nn_conv/conv_1x1", step_checks::conv},
      {"nn_conv/conv_depthwise", step_checks::conv_depthwise},
      {"nn_conv/conv_transpose", step_checks::conv_transpose},
      {"nn_elementwise/unary", step_checks::unary},
      {"nn_elementwise/turn", step_checks::turn},
      {"nn_elementwise/binary", step_checks::binary},
      {"nn_elementwise/where", step_checks::where},
      {"nn_elementwise/pad", step_checks::pad},
      {"nn_gather/gather", step_checks::gather},
      {"nn_gather/gather_elements", step_checks::gather_elements},
      {"nn_matrix/matmul", step_checks::matmul},
      {"nn_reduce/reduce", step_checks::reduce},
      {"nn_reduce/arg_extreme", step_checks::arg_extreme},
      {"nn_reduce/softmax", step_checks::softmax},
      {"nn_reduce/softmax_rows", step_checks::softmax_rows},
      {"nn_reduce/softmax_columns", step_checks::softmax_columns},
      {"nn_reduce/top_k", step_checks::top_k},
      {"nn_window/max_pool", step_checks::max_pool},
      {"nn_window/average_pool", step_checks::average_pool},
      {"nn_window/max_pool_chain", step_checks::max_pool_chain},
      {"nn_window/resize_nearest", step_checks::resize_nearest},
      {"nn_window/resize_linear", step_checks::resize_linear}};
  return table;
}

// Options are the compiler's command line: numbers under names, and of those only what kernels know.
void check_options(const Plan::Step& step, const Arguments& a) {
  std::string_view rest = step.options;
  while (!rest.empty()) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    const std::size_t equals = std::min(word.find('='), word.size());
    const auto all = [](std::string_view part, auto is) {
      return part.size() < 16 && std::all_of(part.begin(), part.end(), is);
    };
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto named = [&](char c) { return (c >= 'A' && c <= 'Z') || c == '_' || digit(c); };
    if (!word.starts_with("-D") || !all(word.substr(2, equals - 2), named) ||
        !all(word.substr(std::min(equals + 1, word.size())), digit))
      throw std::invalid_argument(
          fmt::format("the option '{}' is not -DNAME or -DNAME=NUMBER", word));
  }
  const std::int64_t vector = a.option("VEC", 16), block = a.option("CO", 8),
                     units = a.option("UNITS", 3);
  if ((vector != 4 && vector != 8 && vector != 16) || block < 2 || block > 64 || block % 2 ||
      units < 1 || units > 64)
    throw std::invalid_argument(fmt::format("the options '{}' are out of range", step.options));
}

}  // namespace

void check_step(const Plan& plan, const Plan::Step& step) {
  // The tensor-core family has no bounds here yet: its plans are trusted as their checksum is.
  if (step.family == "nn_tensor" || step.family == "nn_channels") return;
  const auto check = checks().find(step.family + "/" + step.kernel);
  if (check == checks().end()) throw std::invalid_argument("the kernel is not known");
  Arguments arguments(plan, step);
  check_options(step, arguments);
  std::int64_t items = 1;
  for (std::uint32_t d = 0; d < 3; ++d)
    if ((items *= arguments.items(d)) > kMostItems)
      throw std::invalid_argument("it has too many work-items");
  check->second(arguments);
  arguments.end();
}

}  // namespace gantry
