#include "overlay/unpack.h"

#include <optional>

#include "base/sys/userns.h"
#include "store/layer/extract.h"
#include "store/written_sink.h"

namespace overlay {

Unpacked unpack_layer(store::Store& store, base::Source& tar, const std::function<Stack()>& below,
                      const UnpackOptions& options) {
  Active active(store, {}, "unpack");
  std::optional<View> view;
  layer::ExtractOptions extract;
  extract.limits = options.limits;
  extract.stop = options.stop;
  extract.user_xattr = uses_user_xattrs();
  extract.single_id = sys::userns_mode() == sys::UsernsMode::kSingle;
  if (below) {
    extract.lower = [&]() -> const sys::Root* {
      if (!view) view.emplace(store, below());
      return &view->root();
    };
  }
  store::WrittenSink written(store);
  base::TeeSource watched(tar, written);
  layer::ExtractResult result = layer::extract(watched, active.upper(), extract);
  view.reset();
  return {std::move(active).commit(), result.disk_bytes, result.depends_on_lower};
}

}  // namespace overlay
