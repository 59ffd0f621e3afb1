#include "builder/dockerfile/flags.h"

#include <algorithm>

#include "base/text.h"

namespace dockerfile {

void Findings::error(std::string id, std::string message, std::vector<std::string> helps) {
  error_at(instruction_.arg_range(SIZE_MAX), std::move(id), std::move(message), std::move(helps));
}

void Findings::error_at(base::SourceRange where, std::string id, std::string message,
                        std::vector<std::string> helps) {
  list_.push_back({std::move(id), std::move(message), std::move(where), std::move(helps), false});
}

void Findings::value_error_at(base::SourceRange where, std::string id, std::string message,
                              std::vector<std::string> helps) {
  error_at(std::move(where), std::move(id), std::move(message), std::move(helps));
  list_.back().of_value = true;
}

std::string Findings::keyword() const { return base::to_upper(instruction_.name); }

Flags::Flags(const std::vector<FlagSpec>& known, Findings& findings)
    : instruction_(findings.instruction()) {
  for (size_t i = 0; i < instruction_.flags.size(); ++i) read(i, known, findings);
}

void Flags::read(size_t index, const std::vector<FlagSpec>& known, Findings& findings) {
  const std::string& flag = instruction_.flags[index];
  base::SourceRange place = instruction_.flag_range(index);
  size_t equals = flag.find('=');
  bool has_value = equals != std::string::npos;
  std::string name = flag.substr(2, has_value ? equals - 2 : std::string::npos);
  std::string value = has_value ? flag.substr(equals + 1) : "";
  std::string shown = base::str("--", base::printable(name, 60));
  auto spec =
      std::find_if(known.begin(), known.end(), [&](const FlagSpec& s) { return s.name == name; });
  if (spec == known.end()) {
    std::vector<std::string> names, helps;
    for (const FlagSpec& s : known)
      if (!s.is_addition || instruction_.additions) names.emplace_back(s.name);
    std::string near = base::nearest(name, names);
    if (!near.empty()) helps.push_back(base::str("did you mean --", near, "?"));
    if (known.empty()) helps.push_back(base::str(findings.keyword(), " has no flags"));
    if (near.empty()) helps.push_back("text that begins with -- can follow a lone --");
    return findings.error_at(place, "unknown-flag",
                             base::str(findings.keyword(), " has no flag ", shown), helps);
  }
  if (spec->is_addition && !instruction_.additions)
    return findings.error_at(place, "needs-torte-syntax",
                             base::str(findings.keyword(), " ", shown, " is torte's own"),
                             {"a first line that reads \"# syntax=torte/1\" turns it on"});
  if (spec->kind != FlagSpec::kTexts && values_.count(name) > 0) {
    return findings.error_at(place, "duplicate-flag", base::str(shown, " is given twice"));
  }
  if (spec->kind == FlagSpec::kBool) {
    std::string lower = base::to_lower(value);
    if ((has_value && value.empty()) || (!value.empty() && lower != "true" && lower != "false")) {
      return findings.error_at(
          place, "invalid-flag-value",
          base::str(shown, " takes true or false, not \"", base::printable(value, 60), "\""));
    }
    value = value.empty() ? "true" : lower;
  } else if (!has_value) {
    return findings.error_at(place, "missing-flag-value", base::str(shown, " needs a value"),
                             {base::str("write ", shown, "=VALUE, without a blank")});
  }
  values_[name].push_back({std::move(value), index});
}

std::optional<std::string> Flags::text(std::string_view name) const {
  auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  return found->second.front().text;
}

std::vector<std::string> Flags::texts(std::string_view name) const {
  std::vector<std::string> out;
  auto found = values_.find(name);
  if (found != values_.end())
    for (const Value& value : found->second) out.push_back(value.text);
  return out;
}

std::optional<bool> Flags::boolean(std::string_view name) const {
  auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  return found->second.front().text == "true";
}

base::SourceRange Flags::where(std::string_view name, size_t nth) const {
  auto found = values_.find(name);
  if (found == values_.end() || nth >= found->second.size())
    return instruction_.arg_range(SIZE_MAX);
  return instruction_.flag_range(found->second[nth].index);
}

}  // namespace dockerfile
