#include "cli/images/open_store.h"

#include <sys/stat.h>

#include <cerrno>

#include "cli/context.h"
#include "cli/images/known_layers.h"

namespace cli {

std::unique_ptr<store::Store> find_store(const Context& context) {
  // Only what is certainly absent counts as absent: a path that leads through a file is an error.
  struct stat st;
  if (::stat(store::Layout(context.root).version().c_str(), &st) < 0 && errno == ENOENT)
    return nullptr;
  return store::Store::open(context.root, store::Access::kReadOnly, {.durable = context.durable});
}

std::unique_ptr<store::Store> make_store(const Context& context) {
  return store::Store::open(context.root, store::Access::kReadWrite, {.durable = context.durable});
}

std::unique_ptr<store::Store> open_store(const Context& context) {
  auto store = make_store(context);
  provide_from_registries(context, nullptr, *store);
  return store;
}

std::unique_ptr<store::Store> open_store(const Context& context, const Arguments& arguments) {
  auto store = make_store(context);
  provide_from_registries(context, &arguments, *store);
  return store;
}

std::unique_ptr<store::Store> open_store(const Context& context, Registries& registries,
                                         const TransferOptions& options) {
  auto store = make_store(context);
  provide_from_registries(registries, options, *store);
  return store;
}

}  // namespace cli
