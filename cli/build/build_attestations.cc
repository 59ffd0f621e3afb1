#include "cli/build/build_attestations.h"

#include "base/error.h"
#include "base/text.h"
#include "cli/build/provenance.h"
#include "cli/build/sbom.h"
#include "overlay/snapshot.h"
#include "store/oci/reference.h"

namespace cli {

namespace {

Predicate list_packages(const BuildFacts& facts, const BuildTarget& target, const BuiltImage& image,
                        base::EventSink& events) {
  const overlay::View view(facts.store, overlay::open_stack(facts.store, image.layers));
  const Inventory inventory =
      base::with_context("--sbom", [&] { return read_inventory(view.root()); });
  if (!inventory.unread.empty())
    events.emit(base::event::Warning{
        "sbom-incomplete",
        base::str("the database ", inventory.unread,
                  " of the image is not read: its packages are missing from --sbom"),
        {},
        false});
  const std::string name =
      target.tags.empty()
          ? "image"
          : oci::Reference::parse(target.tags.front()).with_default_tag().familiar();
  const auto created = facts.epoch ? std::chrono::sys_seconds(std::chrono::seconds(*facts.epoch))
                                   : std::chrono::floor<std::chrono::seconds>(facts.finished);
  return make_sbom(inventory, name, *image.id, created);
}

}  // namespace

void attest_images(const AttestOptions& options, const BuildFacts& facts, base::EventSink& events) {
  for (const BuildTarget& target : facts.targets)
    for (const BuiltImage& image : target.images) {
      if (!image.id) continue;
      std::vector<Predicate> predicates;
      if (options.provenance != AttestOptions::Provenance::kNone)
        predicates.push_back(
            make_provenance(facts, target, image.platform, facts.whole_provenance));
      if (options.sbom) predicates.push_back(list_packages(facts, target, image, events));
      keep_predicates(facts.store, *image.id, predicates);
    }
}

}  // namespace cli
