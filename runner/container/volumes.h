#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/sys/root.h"
#include "runner/container/config.h"
#include "store/store.h"

namespace container {

/// A directory that outlives containers: ROOT/volumes/NAME/data, recorded as a document of the
/// store. A value.
struct Volume {
  std::string name;
  Time created = {};
  bool anonymous = false;  ///< made for one container, and removed with it when asked
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> options;
};

/// Where a volume's files are.
std::filesystem::path volume_data(const store::Layout& layout, const std::string& name);

/// Makes the volume unless it is there; `volume.name` is filled in when empty. True when it was
/// made.
bool make_volume(store::Store& store, Volume& volume);
std::optional<Volume> find_volume(store::Store& store, const std::string& name);
std::vector<Volume> list_volumes(store::Store& store);
/// The record and the files. Whoever calls knows that no container uses it.
void remove_volume(store::Store& store, const std::string& name);

/// Gives an empty volume the directory at `target` of the image: its files, owner and mode. A
/// volume with files, or a target that is no directory, is left as it is.
void fill_volume(store::Store& store, const std::string& name, const sys::Root& image,
                 const sys::RootedPath& target);

}  // namespace container
