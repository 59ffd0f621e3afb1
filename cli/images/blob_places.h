#pragma once

#include <map>
#include <string>
#include <vector>

#include "store/oci/digest.h"
#include "store/store.h"

namespace cli {

/// Which repository of a registry has a blob, as far as this store has seen it there: another
/// repository of the same registry can then mount the blob instead of getting its bytes. May be out
/// of date or lost at any time; a registry that is asked to mount what it does not have says so.
std::map<std::string, std::string> find_blob_places(store::Store& store, const std::string& host);
/// Remembers that `repository` has these; the most recent thousands are kept.
void remember_blob_places(store::Store& store, const std::string& host,
                          const std::string& repository, const std::vector<oci::Digest>& blobs);

}  // namespace cli
