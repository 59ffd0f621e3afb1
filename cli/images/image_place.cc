#include "cli/images/image_place.h"

#include <map>

#include "base/text.h"
#include "cli/options.h"

namespace cli {

namespace {

const std::map<std::string, Place::Transport>& file_transports() {
  static const std::map<std::string, Place::Transport> kFiles = {
      {"oci", Place::Transport::kOciDirectory},
      {"oci-archive", Place::Transport::kOciArchive},
      {"docker-archive", Place::Transport::kDockerArchive},
      {"dir", Place::Transport::kDirectory}};
  return kFiles;
}

}  // namespace

std::string transport_name(Place::Transport transport) {
  for (const auto& [name, known] : file_transports())
    if (known == transport) return name;
  return transport == Place::Transport::kDocker ? "docker" : "store";
}

std::optional<Place> Place::try_parse(const std::string& text) {
  if (text.starts_with("docker://")) return Place{Transport::kDocker, {}, text.substr(9)};
  size_t colon = text.find(':');
  std::string transport = text.substr(0, colon);
  std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (rest.empty()) return std::nullopt;
  if (transport == "store") return Place{Transport::kStore, {}, rest};
  auto found = file_transports().find(transport);
  if (found == file_transports().end()) return std::nullopt;
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
