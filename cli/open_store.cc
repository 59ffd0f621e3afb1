#include "cli/open_store.h"

#include <sys/stat.h>

#include <cerrno>

#include "base/error.h"
#include "cli/context.h"

namespace cli {

std::unique_ptr<store::Store> find_store(const Context& context) {
  // A path that leads through a file is a mistake, not an empty store.
  const std::filesystem::path version = store::Layout(context.root).version();
  struct stat st;
  if (::stat(version.c_str(), &st) < 0) {
    if (errno == ENOENT) return nullptr;
    base::throw_errno("open store " + context.root.string());
  }
  return store::Store::open(context.root, store::Access::kReadOnly);
}

std::unique_ptr<store::Store> open_store(const Context& context) {
  return store::Store::open(context.root, store::Access::kReadWrite);
}

}  // namespace cli
