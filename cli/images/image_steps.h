#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/oci/image_config.h"
#include "store/store.h"

namespace cli {

/// One line of an image's history, and the layer it made, if any.
struct ImageStep {
  oci::HistoryEntry entry;
  std::optional<oci::DiffId> layer;
};

/// Oldest first. Layers belong to the steps that are not marked empty, in order; where an image
/// tells less history than it has layers, the rest stand alone.
std::vector<ImageStep> list_steps(const store::ImageRecord& image, const oci::ImageConfig& config);

/// One line of a step for a listing, cut.
std::string shown_step(const std::string& created_by);

/// A name as people write it.
std::string familiar_name(const std::string& name);

}  // namespace cli
