#include "cli/open_store.h"

#include "cli/context.h"

namespace cli {

std::unique_ptr<store::Store> find_store(const Context& context) {
  // Only what is certainly absent counts as absent: a path that leads through a file is an error.
  if (!std::filesystem::exists(store::Layout(context.root).version())) return nullptr;
  return store::Store::open(context.root, store::Access::kReadOnly);
}

std::unique_ptr<store::Store> open_store(const Context& context) {
  return store::Store::open(context.root, store::Access::kReadWrite);
}

}  // namespace cli
