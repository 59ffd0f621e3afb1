#include "cli/debug_language.h"

#include <nlohmann/json.hpp>

#include <fstream>
#include <functional>
#include <istream>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>

#include "base/error.h"
#include "builder/dockerfile/ignore.h"
#include "builder/dockerfile/parser.h"
#include "builder/dockerfile/validate.h"
#include "builder/dockerfile/word.h"

namespace cli {

namespace {

using nlohmann::json;

// Recipes are bytes; JSON is UTF-8. What is not UTF-8 is replaced.
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json to_json(const dockerfile::Instruction& instruction, bool with_lines) {
  json out = {{"name", instruction.name},
              {"flags", instruction.flags},
              {"args", instruction.args},
              {"json", instruction.json},
              {"heredocs", json::array()}};
  // The agreed form gives an unknown instruction one empty argument.
  if (instruction.keyword == dockerfile::Keyword::kUnknown) out["args"] = json::array({""});
  if (with_lines) out["lines"] = {instruction.where.first_line, instruction.where.last_line};
  for (const dockerfile::Heredoc& heredoc : instruction.heredocs) {
    out["heredocs"].push_back({{"name", heredoc.name},
                               {"fd", heredoc.fd},
                               {"expand", heredoc.expand},
                               {"chomp", heredoc.chomp},
                               {"content", heredoc.content}});
  }
  if (instruction.trigger) out["trigger"] = to_json(*instruction.trigger, false);
  return out;
}

// Answers each line of `in`; a failure of one question does not end the conversation.
int answer(std::istream& in, std::ostream& out, const std::function<json(const json&)>& reply) {
  for (std::string line; std::getline(in, line);) {
    json result;
    try {
      result = reply(json::parse(line));
      result["ok"] = true;
    } catch (const std::exception& e) {
      result = {{"ok", false}, {"error", e.what()}};
    }
    out << dump(result) << '\n';
  }
  return 0;
}

json expand_one(const json& question) {
  auto env = question.at("env").get<std::map<std::string, std::string>>();
  std::string input = question.at("input").get<std::string>();
  auto lookup = [&](std::string_view name) -> std::optional<std::string> {
    auto found = env.find(std::string(name));
    if (found == env.end()) return std::nullopt;
    return found->second;
  };
  json out;
  if (question.at("mode") == "words") {
    out["result"] = dockerfile::expand_words(input, lookup);
  } else {
    out["result"] = dockerfile::expand(input, lookup);
  }
  return out;
}

json ignore_one(const json& question) {
  json out;
  if (question.contains("file")) {
    out["patterns"] = json::array();
    for (const auto& pattern : dockerfile::read_ignore_file(question["file"].get<std::string>()))
      out["patterns"].push_back(pattern.text);
    return out;
  }
  auto patterns = question.at("patterns").get<std::vector<std::string>>();
  auto matcher = dockerfile::IgnoreMatcher::from_texts(patterns);
  out["match"] = matcher.ignores(question.at("path").get<std::string>());
  return out;
}

}  // namespace

int debug_parse(const std::string& file, std::ostream& out) {
  std::ifstream in(file, std::ios::binary);
  if (!in) base::throw_errno("open " + file);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  print_recipe(dockerfile::parse(text, file), out);
  return 0;
}

void print_recipe(const dockerfile::Recipe& recipe, std::ostream& out) {
  json result = {{"escape", std::string(1, recipe.escape)},
                 {"valid", dockerfile::validate(recipe).empty()},
                 {"instructions", json::array()}};
  for (const dockerfile::Instruction& instruction : recipe.instructions)
    result["instructions"].push_back(to_json(instruction, true));
  out << dump(result) << '\n';
}

int debug_expand(std::istream& in, std::ostream& out) { return answer(in, out, expand_one); }

int debug_ignore(std::istream& in, std::ostream& out) { return answer(in, out, ignore_one); }

}  // namespace cli
