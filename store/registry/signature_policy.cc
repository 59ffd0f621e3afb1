#include "store/registry/signature_policy.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "store/oci/strict_json.h"

namespace registry {

namespace {

using base::Code;
using base::Error;
using Json = nlohmann::json;

constexpr uint64_t kMostBytes = 4 << 20;

[[noreturn]] void fail(const std::string& name, const std::string& why) {
  throw Error(Code::kInvalid, name + ": " + why, "bad-policy-json");
}

// Only the types count: what belongs to one is for those who verify signatures.
std::vector<std::string> read_requirements(const Json& list, const std::string& name,
                                           const std::string& of) {
  if (!list.is_array() || list.empty()) fail(name, of + " is no list of requirements");
  std::vector<std::string> types;
  for (const Json& one : list) {
    if (!one.is_object() || !one.contains("type") || !one["type"].is_string())
      fail(name, "a requirement of " + of + " has no type");
    types.push_back(one["type"].get<std::string>());
  }
  return types;
}

// "*.b.c" and "*.c" for the host "a.b.c:5000".
void add_wildcards(std::string host, std::vector<std::string>& scopes) {
  host.resize(std::min(host.size(), host.find(':')));
  for (size_t dot = host.find('.'); dot != std::string::npos; dot = host.find('.')) {
    host = host.substr(dot + 1);
    scopes.push_back("*." + host);
  }
}

}  // namespace

SignaturePolicy SignaturePolicy::load(const std::filesystem::path& file) {
  return parse(sys::read_user_file(file, kMostBytes), file.string());
}

SignaturePolicy SignaturePolicy::parse(std::string_view json, std::string name) {
  SignaturePolicy policy;
  policy.name_ = std::move(name);
  Json document;
  try {
    document = oci::parse_strict_json(json, "signature policy");
  } catch (const Error& e) {
    fail(policy.name_, e.message());
  }
  if (!document.is_object() || !document.contains("default"))
    fail(policy.name_, "it says nothing by default");
  for (const auto& [key, value] : document.items()) {
    if (key == "default") {
      policy.default_ = read_requirements(value, policy.name_, "default");
      continue;
    }
    if (key != "transports" || !value.is_object())
      fail(policy.name_, "unknown member " + base::printable(key, 60));
    for (const auto& [transport, scopes] : value.items()) {
      if (!scopes.is_object())
        fail(policy.name_, base::printable(transport, 60) + " holds no scopes");
      for (const auto& [scope, list] : scopes.items())
        policy.transports_[transport][scope] =
            read_requirements(list, policy.name_, base::printable(transport + ":" + scope, 200));
    }
  }
  return policy;
}

void SignaturePolicy::require(const oci::Reference& reference) const {
  const std::string name = reference.name();
  std::vector<std::string> scopes;
  if (reference.digest()) scopes.push_back(name + "@" + reference.digest()->str());
  if (!reference.tag().empty()) scopes.push_back(name + ":" + reference.tag());
  for (std::string scope = name;; scope.resize(scope.rfind('/'))) {
    scopes.push_back(scope);
    if (scope.find('/') == std::string::npos) break;
  }
  add_wildcards(reference.domain(), scopes);
  judge("docker", scopes, reference.familiar());
}

void SignaturePolicy::require(std::string_view transport,
                              const std::filesystem::path& place) const {
  std::vector<std::string> scopes;
  if (place.empty() || place == "-") return judge(transport, {}, "standard input");
  for (auto path = std::filesystem::absolute(place).lexically_normal(); path.has_relative_path();
       path = path.parent_path())
    scopes.push_back(path.string());
  judge(transport, scopes, place.string());
}

void SignaturePolicy::judge(std::string_view transport, const std::vector<std::string>& scopes,
                            const std::string& what) const {
  if (name_.empty()) return;
  const Requirements* rule = &default_;
  std::string of = "default";
  if (auto known = transports_.find(transport); known != transports_.end()) {
    auto scope = known->second.find("");
    for (size_t i = scopes.size(); i-- > 0;)
      if (auto found = known->second.find(scopes[i]); found != known->second.end()) scope = found;
    if (scope != known->second.end()) {
      rule = &scope->second;
      of = base::str(transport, ":", scope->first);
    }
  }
  for (const std::string& type : *rule) {
    if (type == "insecureAcceptAnything") continue;
    const std::string says = base::str(name_, " says of ", base::printable(of, 200), ": ", type);
    if (type == "reject")
      throw Error(Code::kDenied,
                  base::printable(what, 300) + " is refused by the policy of this machine",
                  "image-rejected")
          .add_fact(says);
    throw Error(Code::kDenied, base::printable(what, 300) + " may be taken with a signature only",
                "signature-needed")
        .add_fact(says)
        .add_fact("torte does not verify signatures, so it takes no image that needs one");
  }
}

std::filesystem::path find_signature_policy(const char* (*lookup)(const char*)) {
  auto variable = [&](const char* name) -> std::filesystem::path {
    const char* value = lookup == nullptr ? nullptr : lookup(name);
    return value == nullptr ? "" : value;
  };
  std::filesystem::path config = variable("XDG_CONFIG_HOME");
  if (config.empty()) config = variable("HOME") / ".config";
  std::error_code none;
  for (const std::filesystem::path& directory :
       {config / "containers", std::filesystem::path("/etc/containers")})
    if (std::filesystem::exists(directory / "policy.json", none)) return directory / "policy.json";
  return {};
}

}  // namespace registry
