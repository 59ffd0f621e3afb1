#include "cli/images/blob_places.h"

#include <set>

#include "base/text.h"

namespace cli {

namespace {

// One line a blob, the most recent first: "sha256:HEX repository".
constexpr size_t kMostLines = 5000;

std::string index_name(const std::string& host) {
  return "blob-places-" + std::string(oci::Digest::sha256_of(host).short_hex());
}

}  // namespace

std::map<std::string, std::string> find_blob_places(store::Store& store, const std::string& host) {
  std::map<std::string, std::string> places;
  for (const std::string& line :
       base::split(store.find_index(index_name(host)).value_or(""), '\n')) {
    size_t space = line.find(' ');
    if (space != std::string::npos) places.emplace(line.substr(0, space), line.substr(space + 1));
  }
  return places;
}

void remember_blob_places(store::Store& store, const std::string& host,
                          const std::string& repository, const std::vector<oci::Digest>& blobs) {
  std::map<std::string, std::string> known = find_blob_places(store, host);
  std::string text;
  std::set<std::string> fresh;
  bool changed = false;
  for (const oci::Digest& blob : blobs) {
    auto there = known.find(blob.str());
    changed |= there == known.end() || there->second != repository;
    if (fresh.insert(blob.str()).second) text += blob.str() + " " + repository + "\n";
  }
  if (!changed) return;
  size_t lines = fresh.size();
  for (const std::string& line : base::split(store.find_index(index_name(host)).value_or(""), '\n'))
    if (!line.empty() && !fresh.contains(line.substr(0, line.find(' '))) && lines++ < kMostLines)
      text += line + "\n";
  store.put_index(index_name(host), text);
}

}  // namespace cli
