#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "store/store.h"
#include "tests/support/temp_dir.h"

namespace support {

/// A layer ready for a batch: a tree of one file in `staging`, with a made-up diff id.
inline store::NewLayer make_layer(const store::StagingDir& staging, const std::string& content,
                                  size_t size_bytes = 10) {
  const std::filesystem::path tree = staging / ("tree-" + content);
  std::filesystem::create_directory(tree);
  std::ofstream(tree / "file") << content << std::string(size_bytes, 'x');
  return {.record = {.diff_id = oci::DiffId(oci::Digest::sha256_of("layer " + content)),
                     .tar_size_bytes = size_bytes,
                     .tree_size_bytes = size_bytes},
          .tree = tree};
}

inline oci::DiffId layer_id(const std::string& content) {
  return oci::DiffId(oci::Digest::sha256_of("layer " + content));
}

inline store::StagedBlob make_blob(store::Store& store, const std::string& content) {
  auto writer = store.write_blob();
  writer->write(base::as_bytes(content));
  return writer->finish();
}

/// Stores an image of these layers (made if needed) under `name`, "" for none; returns its id.
inline oci::Digest add_image(store::Store& store, const std::string& name,
                             const std::vector<std::string>& layers, size_t layer_bytes = 10) {
  store::StagingDir staging = store.create_staging("test");
  store::Batch batch = store.batch();
  std::string config = "{\"config of\": \"";
  std::vector<oci::DiffId> ids;
  for (const std::string& layer : layers) {
    config += layer + " ";
    ids.push_back(layer_id(layer));
    batch.add_layer(make_layer(staging, layer, layer_bytes));
  }
  store::StagedBlob blob = make_blob(store, config + "\"}");
  const oci::Digest id = blob.digest();
  batch.add_blob(std::move(blob));
  batch.add_image({.id = id, .platform = "linux/amd64", .layers = ids});
  if (!name.empty()) batch.set_name({.name = name}, id);
  batch.commit();
  return id;
}

}  // namespace support
