#pragma once

#include <map>
#include <string>
#include <vector>

#include "store/store.h"

namespace cli {

/// One name of an image as a listing shows it; `name` is null for an image without one.
struct ImageLine {
  const store::ImageRecord* image = nullptr;
  const store::Name* name = nullptr;
};

/// The lines that every filter lets through (spec/cli.md 2, images --filter):
///   dangling=true|false  label=KEY[=VALUE]  reference=PATTERN  before=NAME  since=NAME
///   until=DURATION (older than that)        platform=OS/ARCH
/// Several of one kind: any of them, as docker has it; different kinds: all. `store` answers for
/// labels and for the images named. Throws UsageError for an unknown filter, NotFound.
std::vector<ImageLine> filter_images(store::Store& store,
                                     const std::vector<store::ImageRecord>& images,
                                     const std::vector<std::string>& filters);

/// Labels of an image's configuration; none when it cannot be read.
std::map<std::string, std::string> image_labels(store::Store& store,
                                                const store::ImageRecord& image);

}  // namespace cli
