#include "cli/template.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "cli/template_syntax.h"

namespace cli {

using base::str;
using Json = nlohmann::json;
using tmpl::Expr;
using tmpl::Node;

namespace {

// "createdAt" -> "CREATED AT", "ID" -> "ID".
std::string heading(std::string_view field) {
  std::string out;
  for (size_t i = 0; i < field.size(); ++i) {
    auto is_upper = [&](size_t at) { return field[at] >= 'A' && field[at] <= 'Z'; };
    if (i > 0 && is_upper(i) && !is_upper(i - 1)) out += ' ';
    out += field[i];
  }
  return base::to_upper(out);
}

[[noreturn]] void unknown_field(const Json& value, const std::string& name) {
  base::Error error(base::Code::kInvalid,
                    str("--format: there is no field \"", base::printable(name), "\""),
                    "format-field");
  std::vector<std::string> fields;
  if (value.is_object())
    for (const auto& [key, member] : value.items()) fields.push_back(key);
  if (fields.empty())
    error.add_fact(str("the value is a ", value.type_name(), " and has no fields"));
  else
    error.add_fact(str("fields: ", base::printable(base::join(fields, ", "), 2000)));
  std::string near = base::nearest(name, fields);
  if (!near.empty()) error.add_help(str("did you mean .", near, "?"));
  throw error;
}

Json field_of(const Json& value, const std::string& name) {
  if (value.is_null()) return nullptr;
  if (!value.is_object()) unknown_field(value, name);
  if (auto found = value.find(name); found != value.end()) return *found;
  std::string wanted = base::to_lower(name);
  for (const auto& [key, member] : value.items())
    if (base::to_lower(key) == wanted) return member;
  unknown_field(value, name);
}

using Scope = std::map<std::string, Json>;

// Renders nodes for a value; with `headings_` fields stand for their own names.
class Renderer {
 public:
  explicit Renderer(bool headings) : headings_(headings) {}

  void list(const std::vector<Node>& nodes, const Json& dot, Scope scope) {
    for (const Node& node : nodes) render(node, dot, scope);
  }
  std::string take() { return std::move(out_); }

 private:
  void render(const Node& node, const Json& dot, Scope& scope);
  void range(const Node& node, const Json& value, const Json& dot, const Scope& scope);
  Json evaluate(const Expr& expr, const Json& dot, const Scope& scope) const;
  Json heading_value(const Expr& expr) const;

  bool headings_;
  std::string out_;
};

Json Renderer::heading_value(const Expr& expr) const {
  if (!expr.fields.empty()) return heading(expr.fields.back());
  for (const Expr& argument : expr.arguments)
    if (Json value = heading_value(argument); value != "") return value;
  return "";
}

Json Renderer::evaluate(const Expr& expr, const Json& dot, const Scope& scope) const {
  Json value;
  switch (expr.kind) {
    case Expr::Kind::kLiteral:
      return expr.literal;
    case Expr::Kind::kDot:
      value = dot;
      break;
    case Expr::Kind::kVariable: {
      auto found = scope.find(expr.name);
      if (found == scope.end())
        throw base::Error(base::Code::kInvalid, str("--format: there is no variable $", expr.name),
                          "format-template");
      value = found->second;
      break;
    }
    case Expr::Kind::kCall: {
      std::vector<Json> arguments;
      for (const Expr& argument : expr.arguments)
        arguments.push_back(evaluate(argument, dot, scope));
      value = tmpl::call(expr.name, arguments);
      break;
    }
  }
  for (const std::string& name : expr.fields) {
    Json member = field_of(value, name);
    value = std::move(member);
  }
  return value;
}

void Renderer::range(const Node& node, const Json& value, const Json& dot, const Scope& scope) {
  if (value.is_null() || value.empty()) return list(node.otherwise, dot, scope);
  if (!value.is_structured())
    throw base::Error(base::Code::kInvalid, str("--format: range over a ", value.type_name()),
                      "format-template");
  int64_t position = 0;
  for (const auto& [key, element] : value.items()) {
    Scope inner = scope;
    if (!node.key_variable.empty())
      inner[node.key_variable] = value.is_array() ? Json(position) : Json(key);
    if (!node.value_variable.empty()) inner[node.value_variable] = element;
    list(node.body, element, std::move(inner));
    ++position;
  }
}

void Renderer::render(const Node& node, const Json& dot, Scope& scope) {
  if (node.kind == Node::Kind::kText) {
    out_ += node.text;
    return;
  }
  if (headings_) {
    if (node.kind == Node::Kind::kOutput)
      out_ += tmpl::to_text(heading_value(node.value));
    else
      list(node.body, dot, scope);
    return;
  }
  if (node.kind == Node::Kind::kList) return list(node.body, dot, scope);
  Json value = evaluate(node.value, dot, scope);
  switch (node.kind) {
    case Node::Kind::kOutput:
      out_ += tmpl::to_text(value);
      break;
    case Node::Kind::kAssign:
      scope[node.value_variable] = std::move(value);
      break;
    case Node::Kind::kRange:
      range(node, value, dot, scope);
      break;
    default: {  // if and with
      bool holds = tmpl::is_true(value);
      Scope inner = scope;
      if (!node.value_variable.empty()) inner[node.value_variable] = value;
      bool moves_dot = node.kind == Node::Kind::kWith && holds;
      list(holds ? node.body : node.otherwise, moves_dot ? value : dot, std::move(inner));
    }
  }
}

// Shells make it hard to pass a tab, so the two letters are taken for it; inside actions string
// literals know the same two escapes.
std::string unescape(std::string_view text) {
  std::string out;
  bool in_action = false;
  for (size_t i = 0; i < text.size(); ++i) {
    std::string_view rest = text.substr(i);
    if (rest.starts_with("{{")) in_action = true;
    if (rest.starts_with("}}")) in_action = false;
    bool escape = !in_action && (rest.starts_with("\\t") || rest.starts_with("\\n"));
    out += escape ? (rest[1] == 't' ? '\t' : '\n') : text[i];
    if (escape) ++i;
  }
  return out;
}

}  // namespace

Template::Template(std::string_view text)
    : root_(std::make_unique<const Node>(tmpl::parse(unescape(text)))) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

std::string Template::render(const Json& value) const {
  Renderer renderer(false);
  renderer.list(root_->body, value, {{"", value}});
  return renderer.take();
}

std::string Template::render_headings() const {
  Renderer renderer(true);
  renderer.list(root_->body, nullptr, {});
  return renderer.take();
}

}  // namespace cli
