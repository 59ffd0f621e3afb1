#include "store/oci/index.h"

#include <nlohmann/json.hpp>

#include "store/oci/json_fields.h"
#include "store/oci/media_types.h"

namespace oci {

const Descriptor* Index::find(const Platform& wanted) const {
  const Descriptor* best = nullptr;
  for (const Descriptor& entry : manifests) {
    if (!is_manifest_type(entry.media_type) && !is_index_type(entry.media_type)) continue;
    if (!entry.artifact_type.empty()) continue;
    if (entry.platform && !entry.platform->satisfies(wanted)) continue;
    bool better = best == nullptr;
    if (best != nullptr && entry.platform)
      // Among those that satisfy, the one that the other satisfies needs more: it is nearer.
      better = !best->platform || (best->platform->satisfies(*entry.platform) &&
                                   !entry.platform->satisfies(*best->platform));
    if (better) best = &entry;
  }
  return best;
}

std::string Index::to_json() const {
  nlohmann::ordered_json out;
  out["schemaVersion"] = 2;
  out["mediaType"] = media_type;
  if (!artifact_type.empty()) out["artifactType"] = artifact_type;
  out["manifests"] = nlohmann::ordered_json::array();
  for (const Descriptor& entry : manifests) out["manifests"].push_back(write_descriptor(entry));
  if (subject) out["subject"] = write_descriptor(*subject);
  if (!annotations.empty()) out["annotations"] = annotations;
  return dump_json(out);
}

}  // namespace oci
