#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "store/records.h"

namespace store {

/// Says whether a tree still has the diff id and the tar size of its record; the store itself does
/// not know tar. May throw; the message is reported as the problem.
using LayerVerifier =
    std::function<bool(const LayerRecord& record, const std::filesystem::path& tree)>;

struct FsckOptions {
  bool deep = false;            ///< also digests of large blobs, and all trees with `verifier`
  bool repair = false;          ///< drop what is broken and what depends on it
  LayerVerifier verifier = {};  ///< absent: trees are not hashed
};

struct Problem {
  std::string object;  ///< "blob sha256:...", "image docker.io/library/a:latest"
  std::string text;    ///< what is wrong with it
  bool repaired = false;
};

struct FsckReport {
  std::vector<Problem> problems;       ///< empty: the store is sound
  std::vector<std::string> leftovers;  ///< harmless: layers, blobs nobody names; prune takes them
  std::vector<std::string> lost;       ///< names that a repair dropped: pull or build them again
  size_t blobs = 0, layers = 0, images = 0;  ///< looked at
};

}  // namespace store
