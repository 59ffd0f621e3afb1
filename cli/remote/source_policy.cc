#include "cli/remote/source_policy.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <regex>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "store/oci/json_fields.h"
#include "store/oci/reference.h"
#include "store/oci/strict_json.h"

namespace cli {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kImage = "docker-image://";
constexpr std::string_view kLayout = "oci-layout://";
constexpr std::string_view kGit = "git://";
// The matcher of the standard library goes as deep as its text is long.
constexpr size_t kLongestIdentifier = 2048;

enum class Action { kAllow, kDeny, kConvert };
enum class Match { kWildcard, kExact, kRegex };
enum class Condition { kEqual, kNotEqual, kMatches };

[[noreturn]] void fail(const std::string& where, const std::string& why) {
  throw base::Error(base::Code::kInvalid, base::str(where, ": ", why), "policy-invalid");
}

void refuse_other_keys(const Json& object, const std::string& where,
                       const std::vector<std::string>& known) {
  if (!object.is_object()) fail(where, "expected an object");
  for (const auto& [key, value] : object.items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      fail(where, base::str("unknown key ", base::printable(key, 60), "; there are ",
                            base::join(known, ", ")));
}

// By its name or its number; the first one where it is left out, as BuildKit writes them.
template <typename Enum>
Enum read_word(const Json& object, const std::vector<const char*>& keys,
               const std::vector<std::string>& names, const std::string& where) {
  for (const char* key : keys) {
    if (!object.contains(key)) continue;
    const Json& value = object[key];
    for (size_t i = 0; i < names.size(); ++i)
      if (value == Json(names[i]) || value == Json(i)) return static_cast<Enum>(i);
    fail(where, base::str(key, " is ", base::join(names, ", "), ", not ",
                          base::printable(value.dump(), 60)));
  }
  return Enum{};
}

std::regex compile(const std::string& text, const std::string& where) {
  try {
    return std::regex(text, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& e) {
    fail(where,
         base::str("\"", base::printable(text, 100), "\" is no regular expression: ", e.what()));
  }
}

// Each * as a group of its own; everything else as it stands.
std::string regex_of_wildcard(std::string_view pattern) {
  std::string out = "^";
  for (char c : pattern) {
    if (c == '*') {
      out += "([\\s\\S]*)";
      continue;
    }
    if (std::string_view("\\^$.|?+()[]{}").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out + "$";
}

// $1, ${1}: what the group stood for; $$ is a dollar.
std::string expand(const std::string& format, const std::smatch& match, const std::string& where) {
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '$') {
      out += format[i];
      continue;
    }
    if (format.substr(i, 2) == "$$") {
      out += format[++i];
      continue;
    }
    const bool braced = format.substr(i, 2) == "${";
    const size_t begin = i + (braced ? 2 : 1);
    size_t end = begin;
    while (end < format.size() && std::isdigit(static_cast<unsigned char>(format[end]))) ++end;
    const auto number = base::parse_decimal(format.substr(begin, end - begin));
    if (!number || *number >= match.size() ||
        (braced && (end == format.size() || format[end] != '}')))
      fail(where, base::str("updates.identifier \"", base::printable(format, 200),
                            "\": ", "the selector has no such group"));
    out += match[*number].str();
    i = braced ? end : end - 1;
  }
  return out;
}

}  // namespace

struct SourcePolicy::Rule {
  struct Constraint {
    std::string key;
    std::string value;
    Condition condition;
    std::regex regex;
  };

  std::string where;  // "rule 2 of policy.json"
  Action action = Action::kAllow;
  std::string selector;
  Match match = Match::kWildcard;
  std::regex regex;
  std::vector<Constraint> constraints;
  std::string update;  // empty: the identifier stays
  std::map<std::string, std::string> update_attributes;

  static Rule read(const Json& json, std::string where);
  void read_selector(const Json& json);
  void read_updates(const Json& json);
  bool matches(const PolicySource& source) const;
  bool meets(const PolicySource& source, const Constraint& constraint) const;
  PolicySource convert(PolicySource source) const;
};

SourcePolicy::Rule SourcePolicy::Rule::read(const Json& json, std::string place) {
  Rule rule;
  rule.where = std::move(place);
  refuse_other_keys(json, rule.where, {"action", "selector", "updates"});
  rule.action = read_word<Action>(json, {"action"}, {"ALLOW", "DENY", "CONVERT"}, rule.where);
  if (!json.contains("selector")) fail(rule.where, "selector is missing");
  rule.read_selector(json["selector"]);
  if (rule.action == Action::kConvert) {
    if (!json.contains("updates")) fail(rule.where, "a CONVERT needs updates");
    rule.read_updates(json["updates"]);
  } else if (json.contains("updates")) {
    fail(rule.where, "updates is for CONVERT");
  }
  return rule;
}

void SourcePolicy::Rule::read_selector(const Json& json) {
  refuse_other_keys(json, where + ": selector",
                    {"identifier", "matchType", "match_type", "constraints"});
  selector = oci::Fields(json, where + ": selector").required_text("identifier");
  match =
      read_word<Match>(json, {"matchType", "match_type"}, {"WILDCARD", "EXACT", "REGEX"}, where);
  if (match == Match::kWildcard) regex = compile(regex_of_wildcard(selector), where);
  if (match == Match::kRegex) regex = compile(selector, where);
  if (!json.contains("constraints")) return;
  if (!json["constraints"].is_array()) fail(where, "constraints is a list");
  for (const Json& each : json["constraints"]) {
    const std::string place = where + ": constraint";
    refuse_other_keys(each, place, {"key", "value", "condition"});
    const oci::Fields fields(each, place);
    Constraint constraint{
        fields.required_text("key"),
        fields.text("value"),
        read_word<Condition>(each, {"condition"}, {"EQUAL", "NOTEQUAL", "MATCHES"}, place),
        {}};
    if (constraint.condition == Condition::kMatches)
      constraint.regex = compile(constraint.value, place);
    constraints.push_back(std::move(constraint));
  }
}

void SourcePolicy::Rule::read_updates(const Json& json) {
  const std::string place = where + ": updates";
  refuse_other_keys(json, place, {"identifier", "attrs"});
  const oci::Fields fields(json, place);
  update = fields.text("identifier");
  update_attributes = fields.text_map("attrs");
  for (const auto& [key, value] : update_attributes)
    if (key != "http.checksum" && key != "git.checksum" && key != "git.fullurl")
      fail(place, base::str("attribute ", base::printable(key, 60),
                            " cannot be set; http.checksum, git.checksum and git.fullurl can"));
  if (update.empty() && update_attributes.empty())
    fail(place, "neither identifier nor attrs is given");
}

bool SourcePolicy::Rule::meets(const PolicySource& source, const Constraint& constraint) const {
  auto found = source.attributes.find(constraint.key);
  const std::string value = found == source.attributes.end() ? "" : found->second;
  if (constraint.condition == Condition::kMatches)
    return std::regex_search(value, constraint.regex);
  return (value == constraint.value) == (constraint.condition == Condition::kEqual);
}

bool SourcePolicy::Rule::matches(const PolicySource& source) const {
  for (const Constraint& constraint : constraints)
    if (!meets(source, constraint)) return false;
  if (source.identifier == selector) return true;
  return match != Match::kExact && std::regex_search(source.identifier, regex);
}

PolicySource SourcePolicy::Rule::convert(PolicySource source) const {
  for (const auto& [key, value] : update_attributes) source.attributes[key] = value;
  if (update.empty()) return source;
  if (match == Match::kExact || source.identifier == selector) {
    source.identifier = update;
    return source;
  }
  std::string out;
  std::string rest = source.identifier;
  // What a regular expression does not cover stays.
  for (std::smatch found; std::regex_search(rest, found, regex);) {
    out += found.prefix().str() + expand(update, found, where);
    const std::string behind = found.suffix().str();
    if (found.length(0) == 0 || behind.empty()) {
      out += behind;
      rest.clear();
      break;
    }
    rest = behind;
  }
  source.identifier = out + rest;
  return source;
}

SourcePolicy SourcePolicy::read(const std::vector<std::string>& files) {
  constexpr uint64_t kMostBytes = 4 << 20;
  SourcePolicy policy;
  for (const std::string& file : files)
    policy.add(
        base::with_context("--policy", [&] { return sys::read_user_file(file, kMostBytes); }),
        base::printable(file, 200));
  return policy;
}

void SourcePolicy::add(std::string_view text, const std::string& name) {
  const Json json = oci::parse_strict_json(text, name);
  refuse_other_keys(json, name, {"version", "rules"});
  if (json.contains("version") && json["version"] != Json(1) && json["version"] != Json(0))
    fail(name, "version is 1");
  if (!json.contains("rules") || !json["rules"].is_array()) fail(name, "rules, a list, is missing");
  auto& rules = files_.emplace_back();
  for (const Json& rule : json["rules"])
    rules.push_back(std::make_shared<const Rule>(
        Rule::read(rule, base::str("rule ", rules.size() + 1, " of ", name))));
}

PolicySource SourcePolicy::apply(const PolicySource& given, base::EventSink* events) const {
  constexpr int kMostConversions = 20;
  PolicySource source = given;
  // One pass over all rules; true when the source was converted, and has to be looked at again.
  auto pass = [&] {
    if (source.identifier.size() > kLongestIdentifier)
      throw base::Error(
          base::Code::kDenied,
          base::str("source ", base::printable(source.identifier, 100),
                    " is too long for a policy to judge: more than ", kLongestIdentifier, " bytes"),
          "source-denied");
    for (const auto& rules : files_) {
      const Rule* denied_by = nullptr;
      for (const auto& rule : rules) {
        if (!rule->matches(source)) continue;
        if (rule->action != Action::kConvert) {
          denied_by = rule->action == Action::kDeny ? rule.get() : nullptr;
          continue;
        }
        PolicySource converted = rule->convert(source);
        if (converted.identifier == source.identifier && converted.attributes == source.attributes)
          continue;
        if (events != nullptr && converted.identifier != source.identifier)
          events->emit(base::event::Note{base::str(base::printable(source.identifier, 200), " is ",
                                                   base::printable(converted.identifier, 200),
                                                   " by ", rule->where)});
        source = std::move(converted);
        return true;
      }
      if (denied_by == nullptr) continue;
      base::Error error(
          base::Code::kDenied,
          base::str("source ", base::printable(source.identifier, 200), " is denied by ",
                    denied_by->where, " (", base::printable(denied_by->selector, 200), ")"),
          "source-denied");
      if (source.identifier != given.identifier)
        error.add_fact("it was asked for as " + base::printable(given.identifier, 200));
      throw error;
    }
    return false;
  };
  for (int i = 0; pass(); ++i)
    if (i == kMostConversions)
      throw base::Error(base::Code::kInvalid,
                        base::str("source ", base::printable(given.identifier, 200),
                                  " is converted without end; the last one was ",
                                  base::printable(source.identifier, 200)),
                        "policy-loop");
  return source;
}

namespace {

[[noreturn]] void fail_kind(const std::string& from, const std::string& to) {
  throw base::Error(base::Code::kInvalid,
                    base::str("the policy makes ", base::printable(to, 200), " of ",
                              base::printable(from, 200), ", which is another kind of source"),
                    "policy-invalid");
}

/// A URL as rules see it: without user, and with one spelling of the host.
std::string plain_url(const std::string& url) {
  std::string text = dockerfile::without_userinfo(url);
  const size_t scheme = text.find("://");
  if (scheme == std::string::npos) return text;
  const size_t begin = scheme + 3;
  const size_t end = std::min(text.find_first_of("/?#", begin), text.size());
  std::string host = base::to_lower(text.substr(begin, end - begin));
  const std::string_view usual = text.starts_with("https:")  ? ":443"
                                 : text.starts_with("http:") ? ":80"
                                                             : "";
  if (!usual.empty() && host.ends_with(usual)) host.resize(host.size() - usual.size());
  return base::to_lower(text.substr(0, begin)) + host + text.substr(end);
}

/// "host/path" of a remote, whatever it is spoken to with.
std::string git_place(const std::string& remote) {
  std::string text = plain_url(remote);
  if (size_t scheme = text.find("://"); scheme != std::string::npos) return text.substr(scheme + 3);
  if (size_t at = text.find('@'); at != std::string::npos)
    text = text.substr(at + 1);  // git@host:path
  if (size_t colon = text.find(':'); colon != std::string::npos) text[colon] = '/';
  return text;
}

std::string git_identifier(const dockerfile::GitReference& reference) {
  std::string text = base::str(kGit, git_place(reference.remote));
  if (!reference.ref.empty() || !reference.subdirectory.empty()) text += "#" + reference.ref;
  if (!reference.subdirectory.empty()) text += ":" + reference.subdirectory;
  return text;
}

}  // namespace

void SourcePolicy::check_local(const std::string& name) const {
  if (files_.empty()) return;
  const PolicySource source{"local://" + name, {}};
  if (const PolicySource taken = apply(source, nullptr); taken.identifier != source.identifier)
    fail_kind(source.identifier, taken.identifier);
}

std::string SourcePolicy::image(const std::string& reference, base::EventSink* events) const {
  if (files_.empty()) return reference;
  const std::string before =
      reference.starts_with(kLayout) ? reference : base::str(kImage, reference);
  const std::string after = apply({before, {}}, events).identifier;
  if (after == before) return reference;
  if (after.starts_with(kLayout)) return after;
  if (!after.starts_with(kImage)) fail_kind(before, after);
  return oci::Reference::parse(after.substr(kImage.size())).with_default_tag().str();
}

std::pair<std::string, std::string> SourcePolicy::download(const std::string& url,
                                                           const std::string& checksum,
                                                           base::EventSink* events) const {
  if (files_.empty()) return {url, checksum};
  PolicySource source{plain_url(url), {}};
  if (!checksum.empty()) source.attributes["http.checksum"] = base::to_lower(checksum);
  if (const std::string name = dockerfile::url_file_name(url); !name.empty())
    source.attributes["http.filename"] = name;
  PolicySource taken = apply(source, events);
  const bool same = taken.identifier == source.identifier;
  if (!same && !taken.identifier.starts_with("http://") &&
      !taken.identifier.starts_with("https://"))
    fail_kind(source.identifier, taken.identifier);
  return {same ? url : taken.identifier, taken.attributes["http.checksum"]};
}

dockerfile::GitReference SourcePolicy::git(const dockerfile::GitReference& reference,
                                           base::EventSink* events) const {
  if (files_.empty()) return reference;
  PolicySource source{git_identifier(reference),
                      {{"git.fullurl", dockerfile::without_userinfo(reference.remote)}}};
  if (!reference.checksum.empty()) source.attributes["git.checksum"] = reference.checksum;
  if (reference.keep_git_dir.value_or(false)) source.attributes["git.keepgitdir"] = "true";
  PolicySource taken = apply(source, events);
  if (!taken.identifier.starts_with(kGit)) fail_kind(source.identifier, taken.identifier);
  dockerfile::GitReference out = reference;
  out.checksum = base::to_lower(taken.attributes["git.checksum"]);
  const std::string place = taken.identifier.substr(kGit.size());
  const size_t mark = std::min(place.find('#'), place.size());
  // Another address is spoken to over https, unless a rule says how.
  if (taken.attributes["git.fullurl"] != source.attributes["git.fullurl"])
    out.remote = taken.attributes["git.fullurl"];
  else if (place.substr(0, mark) != git_place(reference.remote))
    out.remote = "https://" + place.substr(0, mark);
  if (taken.identifier == source.identifier) return out;
  const dockerfile::GitReference asked =
      dockerfile::GitReference::parse("https://host/p.git" + place.substr(mark));
  if (asked.ref != reference.ref) out.ref_kind = asked.ref_kind;
  out.ref = asked.ref;
  out.subdirectory = asked.subdirectory;
  return out;
}

}  // namespace cli
