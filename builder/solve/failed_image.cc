#include "builder/solve/failed_image.h"

#include <chrono>
#include <memory>

#include "base/text.h"
#include "store/oci/timestamp.h"

namespace solve {

std::string make_failed_image(store::Store& store, Results& results, const plan::Stage& stage,
                              const std::vector<LayerPtr>& layers) {
  const auto now = std::chrono::system_clock::now();
  oci::ImageConfig config = stage.config;
  config.raw.clear();
  std::vector<oci::DiffId> trees;
  for (const LayerPtr& layer : layers) trees.push_back(layer->diff_id());
  for (size_t i = config.diff_ids.size(); i < trees.size(); ++i)
    config.diff_ids.push_back(trees[i]);
  config.history.clear();
  config.created = oci::format_timestamp(now);
  config.config.cmd = {"/bin/sh"};
  config.config.entrypoint.clear();
  store::Batch batch = store.batch();
  std::shared_ptr<void> claims = results.move_to(batch);
  LayerHandle& top = *layers.back();
  batch.add_layer({top.record(), top.tree(store)->path()});
  std::unique_ptr<store::BlobWriter> blob = store.write_blob();
  blob->write(base::as_bytes(config.to_json()));
  store::StagedBlob staged = blob->finish();
  oci::Digest id = staged.digest();
  batch.add_blob(std::move(staged));
  batch.add_image({.id = id, .platform = stage.platform.str(), .created = now, .layers = trees});
  std::string name = base::str("localhost/failed:", id.short_hex());
  batch.set_name({name}, id);
  batch.commit();
  return name;
}

}  // namespace solve
