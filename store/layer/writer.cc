#include "store/layer/writer.h"

#include "base/error.h"
#include "base/text.h"
#include "store/layer/item_writer.h"

namespace layer {

WriteResult write_tree(const sys::Root& tree, base::Sink& out, const WriteOptions& options) {
  ItemWriter writer(out, options);
  writer.root(tree);
  TreeWalk walk(tree);
  while (const TreeWalk::Item* item = walk.next()) {
    if (options.stop.stop_requested())
      throw base::Error(base::Code::kCancelled, "writing a layer was cancelled", "cancelled");
    try {
      if (!writer.item(*item)) walk.skip();
    } catch (base::Error& e) {
      e.add_context("/" + base::printable(item->path, 200));
      throw;
    }
  }
  return writer.finish();
}

}  // namespace layer
