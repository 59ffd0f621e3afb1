#include "cli/build/provenance.h"

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "builder/dockerfile/git_reference.h"
#include "cli/build/package_url.h"
#include "store/oci/reference.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kType = "https://slsa.dev/provenance/v1";
// Names, not addresses: docs/supply-chain.md says what they stand for.
constexpr const char* kBuildType = "urn:torte:build:1";
constexpr const char* kBuilder = "urn:torte:builder:local";

std::string time_text(std::chrono::system_clock::time_point time) {
  return oci::format_timestamp(std::chrono::time_point_cast<std::chrono::seconds>(time));
}

// A package URL of type docker, as BuildKit writes it. [github.com/package-url/purl-spec]
Json image_dependency(const std::string& key, const std::string& identity, store::Store& store) {
  const size_t blank = key.rfind(' ');
  const std::string name = key.substr(0, blank), platform = key.substr(blank + 1);
  Json json;
  if (auto reference = oci::Reference::try_parse(name)) {
    std::string familiar = reference->familiar();
    familiar = familiar.substr(0, familiar.find('@'));
    if (!reference->tag().empty()) familiar.resize(familiar.rfind(':'));
    json["uri"] = package_url("docker", familiar, reference->tag(), {{"platform", platform}});
  } else {
    json["uri"] = name;  // oci-layout://..
  }
  auto digest = oci::Digest::try_parse(identity);
  if (!digest) return json;
  // The manifest it came with says more than the image id, which an image built here has alone.
  auto record = store.find_image_by_id(*digest);
  const oci::Digest& known = record && record->manifest ? *record->manifest : *digest;
  json["digest"] = {{known.algorithm(), known.hex()}};
  json["annotations"] = {{"imageId", digest->str()}};
  return json;
}

Json source_dependency(const std::string& address, const std::string& found) {
  if (auto digest = oci::Digest::try_parse(found))
    return {{"uri", dockerfile::without_userinfo(address)},
            {"digest", {{digest->algorithm(), digest->hex()}}}};
  std::string remote = dockerfile::without_userinfo(address);
  if (remote.find("://") != std::string::npos) remote = "git+" + remote;
  return {{"uri", remote}, {"digest", {{"gitCommit", found}}}};
}

// Where somebody keeps his files is nobody's business.
std::string shown_recipe(const RecipeFile& recipe) {
  const std::filesystem::path path = recipe.name;
  return path.is_absolute() ? path.filename().string() : recipe.name;
}

Json parameters(const BuildFacts& facts, const BuildTarget& target, const oci::Platform& platform) {
  Json json = {{"recipe", shown_recipe(facts.recipe)},
               {"context", facts.recipe.is_temporary ? facts.recipe.context_name : "local"},
               {"platform", platform.str()}};
  if (!target.stage.empty()) json["target"] = target.stage;
  json["buildArgs"] = Json::array();
  for (const auto& [name, value] : facts.planning.build_args)
    if (!value.empty()) json["buildArgs"].push_back(name);
  for (const auto& [name, value] : facts.planning.contexts) json["buildContexts"].push_back(name);
  if (facts.planning.network != "default") json["network"] = facts.planning.network;
  if (facts.epoch) json["sourceDateEpoch"] = *facts.epoch;
  return json;
}

}  // namespace

Predicate make_provenance(const BuildFacts& facts, const BuildTarget& target,
                          const oci::Platform& platform, bool whole) {
  Json dependencies = Json::array();
  for (const auto& [key, identity] : facts.images)
    dependencies.push_back(image_dependency(key, identity, facts.store));
  for (const auto& [address, found] : facts.sources)
    dependencies.push_back(source_dependency(address, found));
  Json internal = {{"version", TORTE_VERSION}};
  if (whole) internal["recipe"] = facts.recipe.text;
  Json json;
  json["buildDefinition"] = {{"buildType", kBuildType},
                             {"externalParameters", parameters(facts, target, platform)},
                             {"internalParameters", std::move(internal)},
                             {"resolvedDependencies", std::move(dependencies)}};
  json["runDetails"] = {{"builder", {{"id", kBuilder}, {"version", {{"torte", TORTE_VERSION}}}}},
                        {"metadata",
                         {{"invocationId", facts.build_id},
                          {"startedOn", time_text(facts.started)},
                          {"finishedOn", time_text(facts.finished)}}}};
  return {kType, json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

}  // namespace cli
