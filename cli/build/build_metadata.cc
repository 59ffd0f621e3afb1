#include "cli/build/build_metadata.h"

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/build/provenance.h"
#include "store/oci/reference.h"

namespace cli {

namespace {

using Json = nlohmann::ordered_json;

Json describe(const BuildTarget& target) {
  Json json;
  json["containerimage.config.digest"] = target.image_id;
  if (target.descriptor) {
    json["containerimage.digest"] = target.descriptor->digest.str();
    json["containerimage.descriptor"] = Json::parse(target.descriptor->to_json());
  }
  std::vector<std::string> names;
  for (const std::string& tag : target.tags)
    names.push_back(oci::Reference::parse(tag).with_default_tag().str());
  json["image.name"] = base::join(names, ",");
  return json;
}

}  // namespace

std::string build_metadata(const BuildFacts& facts) {
  const BuildTarget& first = facts.targets.front();
  Json json = describe(first);
  Json& build = json["torte.build"];
  build = {{"recipe", facts.recipe.name},       {"target", first.stage},
           {"steps", facts.end.steps},          {"cached", facts.end.cached},
           {"sizeBytes", facts.end.size_bytes}, {"newBytes", facts.end.new_bytes}};
  if (facts.targets.size() > 1) {
    build["targets"] = Json::object();
    for (const BuildTarget& target : facts.targets)
      build["targets"][target.stage] = describe(target);
  }
  build["platforms"] = Json::array();
  for (const BuiltImage& image : first.images) {
    Json one = {{"platform", image.platform.str()}, {"layers", Json::array()}};
    if (image.id) one["image"] = image.id->str();
    for (const oci::DiffId& layer : image.layers) one["layers"].push_back(layer.str());
    build["platforms"].push_back(std::move(one));
  }
  if (facts.epoch) build["sourceDateEpoch"] = *facts.epoch;
  build["buildArgs"] = Json::array();
  for (const auto& [name, value] : facts.planning.build_args)
    if (!value.empty()) build["buildArgs"].push_back(name);
  build["baseImages"] = facts.images;
  build["sources"] = facts.sources;
  build["warnings"] = Json::array();
  for (const dockerfile::Diagnostic& warning : facts.warnings)
    build["warnings"].push_back(
        {{"id", warning.id}, {"message", warning.message}, {"line", warning.where.first_line}});
  // Where other tools look for it.
  for (const BuiltImage& image : first.images)
    json[base::str("buildx.build.provenance",
                   first.images.size() > 1 ? "/" + image.platform.str() : "")] =
        Json::parse(make_provenance(facts, first, image.platform, facts.whole_provenance).body);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace cli
