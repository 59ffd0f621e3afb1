#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "base/bytes.h"

namespace cli {

/// Blobs as files of directories that other tools share: OCI layouts, dir: images.

/// The bytes of a regular file from an offset on. Throws NotFound, Invalid for anything but a file.
std::unique_ptr<base::Source> open_blob_file(const std::filesystem::path& file, uint64_t offset);

/// Writes a file that appears whole and durable, unless it is there: then `open` is not called. Its
/// directory is made. What `open` gives is not verified here.
void write_blob_file(const std::filesystem::path& file,
                     const std::function<std::unique_ptr<base::Source>()>& open);

}  // namespace cli
