#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

/// The tree of a template; private to template*.cc, which is why it may include the JSON header.
namespace cli::tmpl {

/// A value to compute. A pipeline `a | f x` is the call f(x, a).
struct Expr {
  enum class Kind { kLiteral, kDot, kVariable, kCall };
  Kind kind = Kind::kDot;
  nlohmann::json literal = {};
  std::string name = {};  ///< of the variable ("" is $) or function
  std::vector<Expr> arguments = {};
  std::vector<std::string> fields = {};  ///< looked up in the value, in order
};

struct Node {
  enum class Kind { kText, kOutput, kAssign, kIf, kRange, kWith, kList };
  Kind kind = Kind::kList;
  std::string text = {};
  Expr value = {};
  std::string key_variable = {};    ///< of range $k, $v
  std::string value_variable = {};  ///< of range, with and assignment
  std::vector<Node> body = {};
  std::vector<Node> otherwise = {};
};

/// Throws UsageError.
Node parse(std::string_view text);

/// Is there a function of that name?
bool is_function(std::string_view name);
/// Throws base::Error Invalid for wrong arguments.
nlohmann::json call(const std::string& name, const std::vector<nlohmann::json>& arguments);
bool is_true(const nlohmann::json& value);
/// As Go prints it: [a b], map[k:v].
std::string to_text(const nlohmann::json& value);

}  // namespace cli::tmpl
