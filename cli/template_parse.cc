// Text to tree. Actions are cut out of the text first, then each is read by a small descent parser.
#include <optional>

#include "base/text.h"
#include "cli/options.h"
#include "cli/template_syntax.h"

namespace cli::tmpl {

using base::str;

namespace {

constexpr int kDeepest = 100;  // nesting of blocks and parentheses

[[noreturn]] void fail(size_t at, std::string_view what) {
  throw UsageError(str("--format: column ", at + 1, ": ", what), "format-template");
}

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// One {{action}}: the words in it, with positions for messages.
class Action {
 public:
  Action(std::string_view text, size_t offset) : text_(text), offset_(offset) {}

  void skip() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  bool at_end() {
    skip();
    return at_ == text_.size();
  }
  bool take(std::string_view symbol) {
    skip();
    if (!text_.substr(at_).starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }
  // A name that ends here: "if" does not match "iffy".
  bool take_word(std::string_view word) {
    size_t before = at_;
    if (take(word) && (at_ == text_.size() || !is_name(text_[at_]))) return true;
    at_ = before;
    return false;
  }
  std::string take_name() {
    size_t start = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }
  std::string variable();
  Expr pipeline();
  void expect_end() {
    if (!at_end()) stop(str("unexpected \"", base::printable(text_.substr(at_), 20), "\""));
  }
  [[noreturn]] void stop(std::string_view what) const { fail(offset_ + at_, what); }
  size_t position() const { return at_; }
  void rewind(size_t at) { at_ = at; }

 private:
  Expr command();
  std::optional<Expr> operand();
  Expr quoted(char quote);
  Expr number();
  void fields(Expr& expr);

  std::string_view text_;
  size_t offset_;
  size_t at_ = 0;
  int depth_ = 0;
};

std::string Action::variable() {
  skip();
  if (at_ == text_.size() || text_[at_] != '$') return {};
  ++at_;
  return take_name();
}

Expr Action::quoted(char quote) {
  std::string value;
  for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
    char c = text_[at_];
    if (c == '\\' && quote == '"' && at_ + 1 < text_.size()) {
      c = text_[++at_];
      c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
    }
    value += c;
  }
  if (at_ == text_.size()) stop("a string without its closing quote");
  ++at_;
  return {.kind = Expr::Kind::kLiteral, .literal = value};
}

Expr Action::number() {
  size_t start = at_++;
  while (at_ < text_.size() && (is_name(text_[at_]) || text_[at_] == '.')) ++at_;
  nlohmann::json value = nlohmann::json::parse(text_.substr(start, at_ - start), nullptr, false);
  if (!value.is_number()) stop("not a number");
  return {.kind = Expr::Kind::kLiteral, .literal = value};
}

// ".A.B" right behind what came before.
void Action::fields(Expr& expr) {
  while (at_ + 1 < text_.size() && text_[at_] == '.' && is_name(text_[at_ + 1])) {
    ++at_;
    expr.fields.push_back(take_name());
  }
}

std::optional<Expr> Action::operand() {
  skip();
  if (at_ == text_.size()) return std::nullopt;
  char c = text_[at_];
  Expr expr;
  if (c == '(') {
    ++at_;
    if (++depth_ > kDeepest) stop("nested too deep");
    expr = pipeline();
    --depth_;
    if (!take(")")) stop("a parenthesis is not closed");
  } else if (c == '"' || c == '`') {
    return quoted(c);
  } else if (c == '-' || (c >= '0' && c <= '9')) {
    return number();
  } else if (c == '$') {
    ++at_;
    expr = {.kind = Expr::Kind::kVariable, .name = take_name()};
  } else if (c == '.') {
    if (at_ + 1 < text_.size() && !is_name(text_[at_ + 1]))
      ++at_;  // "." alone
    else if (at_ + 1 == text_.size())
      ++at_;
  } else if (is_name(c)) {
    std::string name = take_name();
    if (name == "true" || name == "false")
      return Expr{.kind = Expr::Kind::kLiteral, .literal = name == "true"};
    if (name == "nil") return Expr{.kind = Expr::Kind::kLiteral, .literal = nullptr};
    if (!is_function(name)) stop(str("there is no function \"", name, "\""));
    expr = {.kind = Expr::Kind::kCall, .name = name};
  } else {
    return std::nullopt;
  }
  fields(expr);
  return expr;
}

Expr Action::command() {
  std::optional<Expr> first = operand();
  if (!first) stop("a value is missing");
  bool takes_arguments = first->kind == Expr::Kind::kCall && first->arguments.empty();
  if (!takes_arguments) return *first;
  while (std::optional<Expr> next = operand()) first->arguments.push_back(std::move(*next));
  return *first;
}

Expr Action::pipeline() {
  Expr value = command();
  while (take("|")) {
    Expr next = command();
    if (next.kind != Expr::Kind::kCall) stop("only a function can follow |");
    next.arguments.push_back(std::move(value));
    value = std::move(next);
  }
  return value;
}

// The whole template: a cursor over text and actions.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Node parse() {
    Node root;
    std::string ended = list(root.body);
    if (!ended.empty()) fail(at_, str("{{", ended, "}} without a block to end"));
    return root;
  }

 private:
  // Reads nodes up to {{end}} or {{else}}; returns which, or "" at the end of the text. What
  // follows "else" stays in rest_.
  std::string list(std::vector<Node>& nodes);
  std::string action(Action words, std::vector<Node>& nodes);
  void block(Node::Kind kind, Action words, std::vector<Node>& nodes);
  void declare(Node& node, Action& words, bool with_key);
  std::optional<Action> next(std::vector<Node>& nodes);

  std::string_view text_;
  size_t at_ = 0;
  bool trim_ = false;
  int depth_ = 0;
  std::optional<Action> rest_;
};

// Text up to the next action becomes a node; nothing when no action is left.
std::optional<Action> Parser::next(std::vector<Node>& nodes) {
  size_t open = text_.find("{{", at_);
  std::string_view literal = text_.substr(at_, open == std::string_view::npos ? open : open - at_);
  bool trim_left = open != std::string_view::npos && text_.substr(open).starts_with("{{- ");
  static constexpr std::string_view kBlank = " \t\r\n";
  if (trim_) literal.remove_prefix(std::min(literal.find_first_not_of(kBlank), literal.size()));
  if (trim_left) literal = literal.substr(0, literal.find_last_not_of(kBlank) + 1);
  if (!literal.empty()) nodes.push_back({.kind = Node::Kind::kText, .text = std::string(literal)});
  if (open == std::string_view::npos) {
    at_ = text_.size();
    return std::nullopt;
  }
  size_t start = open + (trim_left ? 3 : 2);
  size_t close = start;
  for (char quote = 0; close < text_.size(); ++close) {
    char c = text_[close];
    if (quote == 0 && text_.substr(close).starts_with("}}")) break;
    if (quote == '"' && c == '\\')
      ++close;
    else if (quote != 0)
      quote = c == quote ? 0 : quote;
    else if (c == '"' || c == '`')
      quote = c;
  }
  if (close >= text_.size()) fail(open, "{{ without }}");
  size_t end = close;
  trim_ = text_.substr(start, end - start).ends_with(" -");
  if (trim_) --end;
  at_ = close + 2;
  return Action(text_.substr(start, end - start), start);
}

std::string Parser::list(std::vector<Node>& nodes) {
  if (++depth_ > kDeepest) fail(at_, "nested too deep");
  std::string ended;
  while (ended.empty()) {
    std::optional<Action> words = next(nodes);
    if (!words) break;
    ended = action(*words, nodes);
  }
  --depth_;
  return ended;
}

std::string Parser::action(Action words, std::vector<Node>& nodes) {
  if (words.take("/*")) return {};
  if (words.take_word("end")) {
    words.expect_end();
    return "end";
  }
  if (words.take_word("else")) {
    rest_ = words;
    return "else";
  }
  if (words.take_word("if"))
    block(Node::Kind::kIf, words, nodes);
  else if (words.take_word("range"))
    block(Node::Kind::kRange, words, nodes);
  else if (words.take_word("with"))
    block(Node::Kind::kWith, words, nodes);
  else {
    Node node{.kind = Node::Kind::kOutput};
    declare(node, words, false);
    if (!node.value_variable.empty()) node.kind = Node::Kind::kAssign;
    node.value = words.pipeline();
    words.expect_end();
    nodes.push_back(std::move(node));
  }
  return {};
}

// "$v :=" or "$k, $v :=" in front of a value; nothing else is taken.
void Parser::declare(Node& node, Action& words, bool with_key) {
  size_t start = words.position();
  std::string first = words.variable();
  if (first.empty()) return words.rewind(start);
  if (with_key && words.take(",")) {
    node.key_variable = first;
    first = words.variable();
    if (first.empty()) words.stop("a variable is missing");
  }
  if (words.take(":=") || words.take("="))
    node.value_variable = first;
  else
    words.rewind(start);
}

void Parser::block(Node::Kind kind, Action words, std::vector<Node>& nodes) {
  Node node{.kind = kind};
  size_t start = at_;
  declare(node, words, kind == Node::Kind::kRange);
  node.value = words.pipeline();
  words.expect_end();
  std::string ended = list(node.body);
  if (ended == "else") {
    Action rest = *rest_;
    if (rest.at_end()) {
      ended = list(node.otherwise);
    } else if (rest.take_word("if")) {  // shares our {{end}}
      block(Node::Kind::kIf, rest, node.otherwise);
      ended = "end";
    } else if (rest.take_word("with")) {
      block(Node::Kind::kWith, rest, node.otherwise);
      ended = "end";
    } else {
      rest.expect_end();
    }
  }
  if (ended != "end") fail(start, ended.empty() ? "{{end}} is missing" : "a second {{else}}");
  nodes.push_back(std::move(node));
}

}  // namespace

Node parse(std::string_view text) { return Parser(text).parse(); }

}  // namespace cli::tmpl
