#include "cli/build/sbom.h"

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/build/package_url.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kType = "https://spdx.dev/Document";
constexpr const char* kNothing = "NOASSERTION";

Json describe(const std::string& id, const std::string& name, const std::string& version) {
  Json json = {{"SPDXID", id}, {"name", name}};
  if (!version.empty()) json["versionInfo"] = version;
  json["downloadLocation"] = kNothing;
  json["filesAnalyzed"] = false;
  json["licenseConcluded"] = kNothing;
  json["licenseDeclared"] = kNothing;
  json["copyrightText"] = kNothing;
  return json;
}

// "Name <address>" as SPDX has it.
std::string supplier(const std::string& maintainer) {
  const size_t open = maintainer.rfind('<'), close = maintainer.rfind('>');
  if (open == std::string::npos || close == std::string::npos || close < open || open == 0)
    return kNothing;
  return base::str("Person: ", base::trim(maintainer.substr(0, open)), " (",
                   maintainer.substr(open + 1, close - open - 1), ")");
}

Json describe(const Package& package, const std::string& id, const Inventory& inventory) {
  Json json = describe(id, package.name, package.version);
  json["supplier"] = supplier(package.maintainer);
  if (!package.source.empty() && package.source != package.name)
    json["sourceInfo"] = "built from " + package.source;
  // What databases say need not be an expression of SPDX.
  if (!package.license.empty()) json["licenseComments"] = package.license;
  const std::string usual = package.kind == "deb"   ? "debian"
                            : package.kind == "apk" ? "alpine"
                                                    : "";
  const std::string from = inventory.distribution.empty() ? usual : inventory.distribution;
  const std::string release =
      inventory.release.empty() || from.empty() ? "" : from + "-" + inventory.release;
  // Of rpm's versions a package URL has the epoch apart.
  const size_t colon = package.kind == "rpm" ? package.version.find(':') : std::string::npos;
  const std::string epoch = colon == std::string::npos ? "" : package.version.substr(0, colon);
  const std::string version =
      colon == std::string::npos ? package.version : package.version.substr(colon + 1);
  json["externalRefs"] = {
      {{"referenceCategory", "PACKAGE-MANAGER"},
       {"referenceType", "purl"},
       {"referenceLocator",
        package_url(package.kind, (from.empty() ? "" : from + "/") + package.name, version,
                    {{"arch", package.architecture}, {"distro", release}, {"epoch", epoch}})}}};
  return json;
}

}  // namespace

Predicate make_sbom(const Inventory& inventory, const std::string& name, const oci::Digest& image,
                    std::chrono::sys_seconds created) {
  const std::string whole = "SPDXRef-Image";
  Json json = {{"spdxVersion", "SPDX-2.3"},
               {"dataLicense", "CC0-1.0"},
               {"SPDXID", "SPDXRef-DOCUMENT"},
               {"name", name},
               {"documentNamespace", base::str("urn:torte:sbom:", image.hex())}};
  json["creationInfo"] = {{"created", oci::format_timestamp(created)},
                          {"creators", Json::array({"Tool: torte-" TORTE_VERSION})}};
  Json packages = Json::array({describe(whole, name, image.str())});
  packages[0]["primaryPackagePurpose"] = "CONTAINER";
  Json relations = Json::array();
  auto relate = [&](const std::string& one, const char* how, const std::string& other) {
    relations.push_back(
        {{"spdxElementId", one}, {"relationshipType", how}, {"relatedSpdxElement", other}});
  };
  relate("SPDXRef-DOCUMENT", "DESCRIBES", whole);
  for (const Package& package : inventory.packages) {
    const std::string id = base::str("SPDXRef-Package-", packages.size());
    packages.push_back(describe(package, id, inventory));
    relate(whole, "CONTAINS", id);
  }
  json["packages"] = std::move(packages);
  json["relationships"] = std::move(relations);
  return {kType, json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

}  // namespace cli
