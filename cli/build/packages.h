#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/sys/root.h"

namespace cli {

/// A package that a package manager has installed in an image, as its database tells.
struct Package {
  std::string kind;  ///< "deb", "apk" or "rpm"
  std::string name;
  std::string version;
  std::string architecture;
  std::string source;      ///< package it was built from; empty: its own name, or not told
  std::string maintainer;  ///< "Name <address>"
  std::string license;     ///< as written; empty where the database does not say

  auto operator<=>(const Package&) const = default;
};

/// What is installed in a tree of files.
struct Inventory {
  std::vector<Package> packages;  ///< sorted
  std::string distribution;       ///< ID of os-release: "debian"; or empty
  std::string release;            ///< its VERSION_ID
  std::string unread;             ///< a database that is there and cannot be read; or empty
};

/// Reads /var/lib/dpkg, /lib/apk/db, rpm's database and os-release. What is in them is somebody
/// else's: lines that make no sense are passed over. Throws Invalid for a database of more than 256
/// MiB.
Inventory read_inventory(const sys::Root& root);

/// The stanzas of a dpkg status file, those that are installed. `is_status` is false for status.d,
/// which has no others.
void read_dpkg(std::string_view text, bool is_status, std::vector<Package>& packages);
/// The stanzas of apk's installed file.
void read_apk(std::string_view text, std::vector<Package>& packages);

}  // namespace cli
