// Einsum of one or two operands: sums, transpositions and one batched matrix product.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <stdexcept>

#include "firmware/compile/operators.hpp"

namespace gantry::compile {
namespace {

struct Term {
  int value;
  std::string labels;  // one for each dimension
};

bool has(const std::string& labels, char c) {
  return labels.find(c) != std::string::npos;
}

// Brings the dimensions into the order of `labels`, which holds the same ones.
int ordered(Builder& b, const Term& t, const std::string& labels) {
  std::vector<std::int64_t> order;
  for (const char c : labels) order.push_back(static_cast<std::int64_t>(t.labels.find(c)));
  return b.transpose(t.value, order);
}

// Sums over the dimensions whose labels are not among `wanted`.
Term summed(Builder& b, const Term& t, const std::string& wanted) {
  Reduce op{Reduction::sum, {}};
  Term left{t.value, ""};
  Shape kept;
  for (std::size_t d = 0; d < t.labels.size(); ++d) {
    op.reduced.push_back(!has(wanted, t.labels[d]));
    if (op.reduced.back()) continue;
    left.labels += t.labels[d];
    kept.push_back(b.shape(t.value)[d]);
  }
  if (left.labels != t.labels) left.value = b.reshape(b.add(op, {t.value}), kept);
  return left;
}

class Equation {
 public:
  explicit Equation(OperatorCall& call) : call_(call) {
    std::string text = call.text("equation", "");
    std::erase(text, ' ');
    const auto arrow = text.find("->");
    std::string left = text.substr(0, arrow);
    std::size_t operand = 0;
    terms_.push_back({call.input(0), ""});
    for (const char c : left) {
      if (c == ',')
        terms_.push_back({call.input(++operand), ""});
      else
        add_label(c);
    }
    if (terms_.size() != call.inputs.size() || terms_.size() > 2)
      throw std::invalid_argument("equation '" + text + "'; one or two operands are supported");
    for (const Term& t : terms_)
      if (t.labels.size() != call.builder.shape(t.value).size())
        throw std::invalid_argument("equation '" + text + "' is for other ranks");
    result_ = arrow == std::string::npos ? implied(left) : text.substr(arrow + 2);
    for (std::size_t i = 0; i < result_.size(); ++i)
      if (!has(left, result_[i]) || has(result_.substr(0, i), result_[i]))
        throw std::invalid_argument("equation '" + text + "' asks for a result that is not there");
  }

  int evaluate() {
    Builder& b = call_.builder;
    if (terms_.size() == 1) return ordered(b, summed(b, terms_[0], result_), result_);
    Term a = summed(b, terms_[0], result_ + terms_[1].labels);
    Term c = summed(b, terms_[1], result_ + terms_[0].labels);
    std::string batch, rows, columns, inner;
    for (const char label : a.labels) {
      const bool shared = has(c.labels, label), kept = has(result_, label);
      if (shared && size_in(a, label) != size_in(c, label))
        throw std::invalid_argument(std::string("two sizes for '") + label + "'");
      (shared ? kept ? batch : inner : rows) += label;
    }
    for (const char label : c.labels)
      if (!has(a.labels, label)) columns += label;
    const auto matrices = [&](const Term& t, const std::string& m, const std::string& n) {
      Shape s = sizes(t, batch);
      s.push_back(count(sizes(t, m)));
      s.push_back(count(sizes(t, n)));
      return b.reshape(ordered(b, t, batch + m + n), s);
    };
    const int product = b.add(MatMul{}, {matrices(a, rows, inner), matrices(c, inner, columns)});
    Shape apart = sizes(a, batch + rows);
    for (const auto size : sizes(c, columns)) apart.push_back(size);
    return ordered(b, {b.reshape(product, apart), batch + rows + columns}, result_);
  }

 private:
  void add_label(char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter || has(terms_.back().labels, c))
      throw std::invalid_argument(std::string("'") + c +
                                  "' in the equation: ellipses and diagonals are not supported");
    terms_.back().labels += c;
  }

  // Without an arrow: the labels that occur once, in alphabetical order.
  static std::string implied(const std::string& left) {
    std::string once;
    for (const char c : left)
      if (c != ',' && std::count(left.begin(), left.end(), c) == 1) once += c;
    std::sort(once.begin(), once.end());
    return once;
  }

  std::int64_t size_in(const Term& t, char label) const {
    return call_.builder.shape(t.value)[t.labels.find(label)];
  }

  Shape sizes(const Term& t, const std::string& labels) const {
    Shape s;
    for (const char c : labels) s.push_back(size_in(t, c));
    return s;
  }

  OperatorCall& call_;
  std::vector<Term> terms_;
  std::string result_;
};

void einsum(OperatorCall& call) {
  call.give(Equation(call).evaluate());
}

}  // namespace

void add_einsum(OperatorTable& table) {
  table["Einsum"] = einsum;
}

}  // namespace gantry::compile
