// From the layer format to overlay's own, entry by entry. What an entry does depends on what the
// same tar put at its name before ("-": nothing):
//
//                 -            file, link..     whiteout         directory
//   file          make         replace          replace          remove tree, make
//   directory     make         replace, opaque  replace, opaque  keep, new metadata
//   .wh.x         whiteout     nothing          nothing          opaque
//   .wh..wh..opq                                                 opaque
//
// So a whiteout hides lower layers only, wherever it stands, and a directory that takes the place
// of something else does not let the lower directory of that name show through.

#include "store/layer/extract.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/member_path.h"
#include "store/layer/unpacker.h"

namespace layer {

namespace {

[[noreturn]] void invalid(const std::string& rule) {
  throw base::Error(base::Code::kInvalid, rule, "layer-entry");
}

class LayerExtractor {
 public:
  LayerExtractor(base::Source& tar, const sys::Root& destination, const ExtractOptions& options)
      : reader_(tar, options.limits, Strictness::kImage),
        maker_(destination.fd(), {.single_id = options.single_id,
                                  .keep_free_bytes = options.keep_free_bytes,
                                  .stop = options.stop}),
        directories_(destination, maker_,
                     {.layer = true,
                      .user_xattr = options.user_xattr,
                      .max_directories = options.limits.entries,
                      .max_depth = options.limits.depth,
                      .max_nodes = options.limits.directories_in_memory,
                      .lower = options.lower}) {}

  ExtractResult run() {
    Entry entry;
    while (reader_.next(entry)) {
      maker_.check_stop();
      directories_.trim();
      try {
        add(entry);
      } catch (base::Error& e) {
        e.add_context("layer member " + base::printable(entry.path, 200));
        throw;
      }
      ++result_.entries;
      result_.content_bytes += entry.size;
    }
    reader_.drain();
    directories_.finish();
    result_.opaque_root = directories_.root_opaque();
    result_.depends_on_lower = directories_.depends_on_lower();
    result_.disk_bytes = maker_.disk_bytes();
    result_.dropped_xattrs = maker_.dropped_xattrs();
    result_.implied_directories = directories_.implied();
    return result_;
  }

 private:
  void add(const Entry& entry) {
    Directories::Spot spot = directories_.locate(entry.path);
    require_plain_parents(entry.path);
    MarkedName marked = parse_marked_name(std::move(spot.name));
    if (marked.kind == MarkedName::Kind::kOpaque) return directories_.make_opaque(*spot.directory);
    spot.name = std::move(marked.name);
    if (marked.kind == MarkedName::Kind::kWhiteout) return add_whiteout(spot);
    Attributes attributes = {entry.mode, static_cast<uint32_t>(entry.uid),
                             static_cast<uint32_t>(entry.gid), entry.mtime};
    if (entry.type == EntryType::kDirectory) {
      Directories::Node& node = directories_.make_directory(spot, attributes);
      if (!entry.xattrs.empty()) maker_.set_xattrs(directories_.fd(node), entry.xattrs);
      if (spot.name.empty()) result_.root_entry = true;
    } else if (entry.type == EntryType::kHardlink) {
      add_link(spot, entry, attributes);
    } else {
      if (entry.type == EntryType::kSymlink && entry.link.empty()) invalid("the link is empty");
      place(directories_, maker_, spot, entry, attributes, reader_);
    }
  }

  void add_whiteout(Directories::Spot& spot) {
    if (maker_.make_whiteout(directories_.fd(*spot.directory), spot.name.c_str())) return;
    struct stat st;
    if (::fstatat(directories_.fd(*spot.directory), spot.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) <
        0)
      base::throw_errno("stat");
    if (S_ISDIR(st.st_mode)) directories_.make_opaque(directories_.existing(spot));
  }

  void add_link(Directories::Spot& spot, const Entry& entry, const Attributes& attributes) {
    if (entry.link.empty()) invalid("the link is empty");
    base::with_context("hard link to " + base::printable(entry.link, 200), [&] {
      std::optional<Directories::Spot> target = directories_.find(entry.link);
      if (!target) target = copy_from_lower(entry.link);
      // Copying up may have made directories, never removed one: the spot still holds.
      place_link(directories_, maker_, spot, *target, entry, attributes);
    });
  }

  // The file of a lower layer is copied into this one, as overlayfs does before it links.
  Directories::Spot copy_from_lower(const std::string& link) {
    std::optional<std::string> path = directories_.find_lower(link);
    if (!path) throw base::Error(base::Code::kInvalid, "there is no such file", "layer-entry");
    sys::RootedPath lower(*path);
    sys::UniqueFd from = directories_.lower()->open_at(lower.parent(), O_RDONLY | O_DIRECTORY);
    Directories::Spot target = directories_.locate(*path);
    if (!maker_.copy(from.get(), target.name.c_str(), directories_.fd(*target.directory)))
      invalid("the name is taken");
    return target;
  }

  TarReader reader_;
  FileMaker maker_;
  Directories directories_;
  ExtractResult result_;
};

}  // namespace

ExtractResult extract(base::Source& tar, const sys::Root& destination,
                      const ExtractOptions& options) {
  return LayerExtractor(tar, destination, options).run();
}

}  // namespace layer
