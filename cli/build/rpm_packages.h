#pragma once

#include <string_view>
#include <vector>

#include "base/sys/root.h"
#include "cli/build/packages.h"

namespace cli {

/// Adds what an rpm database in SQLite's form has installed. False when it cannot be read, or not
/// as a whole: damaged, of another form, with a log beside it that was not written back. Nothing is
/// added then.
bool read_rpm(const sys::Root& root, const sys::RootedPath& path, std::vector<Package>& packages);

/// One package of it: an rpm header without its magic. False when that is damaged.
bool read_rpm_header(std::string_view header, std::vector<Package>& packages);

}  // namespace cli
