#include "cli/images/image_steps.h"

#include "base/text.h"
#include "store/oci/reference.h"

namespace cli {

std::vector<ImageStep> list_steps(const store::ImageRecord& image, const oci::ImageConfig& config) {
  std::vector<ImageStep> steps;
  size_t next = 0;
  for (const oci::HistoryEntry& entry : config.history) {
    ImageStep step{entry, std::nullopt};
    if (!entry.empty_layer && next < image.layers.size()) step.layer = image.layers[next++];
    steps.push_back(std::move(step));
  }
  while (next < image.layers.size()) steps.push_back({{}, image.layers[next++]});
  return steps;
}

std::string shown_step(const std::string& created_by) {
  constexpr size_t kShownBytes = 60;
  return created_by.size() <= kShownBytes ? created_by
                                          : base::printable(created_by, kShownBytes - 3);
}

std::string familiar_name(const std::string& name) {
  auto reference = oci::Reference::try_parse(name);
  return reference ? reference->familiar() : name;
}

}  // namespace cli
