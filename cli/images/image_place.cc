#include "cli/images/image_place.h"

#include <map>

#include "base/text.h"
#include "cli/options.h"

namespace cli {

std::optional<Place> Place::try_parse(const std::string& text) {
  static const std::map<std::string, Transport> kFiles = {
      {"oci", Transport::kOciDirectory},
      {"oci-archive", Transport::kOciArchive},
      {"docker-archive", Transport::kDockerArchive},
      {"dir", Transport::kDirectory}};
  if (text.starts_with("docker://")) return Place{Transport::kDocker, {}, text.substr(9)};
  size_t colon = text.find(':');
  std::string transport = text.substr(0, colon);
  std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (rest.empty()) return std::nullopt;
  if (transport == "store") return Place{Transport::kStore, {}, rest};
  auto found = kFiles.find(transport);
  if (found == kFiles.end()) return std::nullopt;
  if (found->second == Transport::kDirectory) return Place{found->second, rest, {}};
  size_t name = rest.find(':');
  return Place{found->second, rest.substr(0, name),
               name == std::string::npos ? "" : rest.substr(name + 1)};
}

Place Place::parse(const std::string& text) {
  if (auto place = try_parse(text)) return *std::move(place);
  throw UsageError(base::printable(text, 200) +
                   ": give docker://NAME, oci:DIR[:NAME], oci-archive:FILE[:NAME], "
                   "docker-archive:FILE[:NAME], dir:DIR or store:NAME");
}

oci::Reference Place::reference() const { return oci::Reference::parse(name).with_default_tag(); }

}  // namespace cli
