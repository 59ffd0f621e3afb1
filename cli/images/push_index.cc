#include "cli/images/push_index.h"

#include "base/error.h"
#include "base/text.h"
#include "cli/images/base_images.h"
#include "cli/images/copy.h"
#include "cli/images/manifest_list.h"
#include "cli/images/push.h"

namespace cli {

oci::Digest push_index(store::Store& store, Registries& registries, const std::string& name,
                       const oci::Reference& destination, const TransferOptions& options) {
  store::Lease lease = store.lease();
  if (auto list = ManifestList::find(store, name))
    return push_list(*list, store, registries, destination, options);
  auto image = find_image(store, name);
  if (!image) image = store.get_image(name);  // says what is near
  auto index = find_index(store, *image, name);
  if (!index) return push_image(store, registries, *image, destination, Packing::kAsIs, options);
  Place place{Place::Transport::kStore, {}, name};
  auto source = open_copy_source(registries, place, &store, options);
  auto target =
      copy_target_of(registries.repository(destination), destination.tag(), TargetOptions{options});
  for (const oci::Descriptor& entry : index->manifests) {
    registry::Document document = source->get_document(entry);  // all is there, or nothing is sent
    auto known = store.find_image(entry.digest.str());
    if (known && document.digest == entry.digest)
      push_image(store, registries, *known, destination.with_digest(entry.digest), Packing::kAsIs,
                 options);
    else
      copy_below(*source, *target, document);
  }
  return copy_document(*source, *target, source->get_top(), Extent::kIndexOnly);
}

}  // namespace cli
