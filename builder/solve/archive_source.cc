#include "builder/solve/archive_source.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "store/layer/extract.h"
#include "store/layer/tar_reader.h"

namespace solve {

bool unpack_archive(context::FileTree& files, const context::Node& node, overlay::Active& active,
                    const sys::RootedPath& destination, const CopyRules& rules) {
  std::string shown = base::printable(node.path().str());
  {
    sys::UniqueFd fd = files.open(node, O_RDONLY);
    sys::FdSource source(fd.get(), shown);
    if (!layer::is_archive(source)) return false;
  }
  overlay::Attributes created;
  if (rules.owner) {
    created.uid = rules.owner->uid;
    created.gid = rules.owner->gid;
  }
  created.mtime = rules.created_mtime;
  active.target().make_path(destination, created);
  layer::ArchiveOptions options;
  if (rules.owner) options.owner.emplace(rules.owner->uid, rules.owner->gid);
  options.single_id = sys::userns_mode() == sys::UsernsMode::kSingle;
  const sys::Root& root = active.below().empty() ? active.upper() : active.merged();
  sys::UniqueFd fd = files.open(node, O_RDONLY);
  sys::FdSource source(fd.get(), shown);
  base::with_context("archive " + shown, [&] {
    layer::extract_archive(source, root.subdirectory(destination), options);
  });
  return true;
}

}  // namespace solve
