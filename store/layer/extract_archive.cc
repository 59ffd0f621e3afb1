#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/compression.h"
#include "store/layer/extract.h"
#include "store/layer/unpacker.h"

namespace layer {

namespace {

constexpr int64_t kMaxId = 0xfffffffe;
// The reference holds times as nanoseconds in 64 bits; what does not fit becomes 1970.
constexpr int64_t kMaxSeconds = INT64_MAX / 1'000'000'000;

[[noreturn]] void invalid(const std::string& rule) {
  throw base::Error(base::Code::kInvalid, rule, "archive-entry");
}

class ArchiveExtractor {
 public:
  ArchiveExtractor(base::Source& tar, const sys::Root& destination, const ArchiveOptions& options)
      : options_(options),
        reader_(tar, options.limits, Strictness::kArchive),
        maker_(destination.fd(), {.single_id = options.single_id,
                                  .always_chown = true,
                                  .keep_free_bytes = options.keep_free_bytes,
                                  .stop = options.stop}),
        directories_(destination, maker_,
                     {.max_directories = options.limits.entries,
                      .max_depth = options.limits.depth,
                      .max_nodes = options.limits.directories_in_memory}) {}

  ExtractResult run() {
    Entry entry;
    while (reader_.next(entry)) {
      maker_.check_stop();
      directories_.trim();
      try {
        add(entry);
      } catch (base::Error& e) {
        e.add_context("archive member " + base::printable(entry.path, 200));
        throw;
      }
      ++result_.entries;
      result_.content_bytes += entry.size;
    }
    directories_.finish();
    result_.dropped_xattrs = maker_.dropped_xattrs();
    result_.implied_directories = directories_.implied();
    return result_;
  }

 private:
  void add(const Entry& entry) {
    if (entry.type == EntryType::kUnknown)
      throw base::Error(base::Code::kUnsupported, "unknown member type", "archive-entry");
    Directories::Spot spot = directories_.locate(entry.path);
    if (spot.name.empty()) {
      // "." and the empty name are the destination, which has its metadata already; only "/" itself
      // gives it new ones.
      bool rooted = entry.path.starts_with('/');
      if (!rooted) return;
      if (entry.type != EntryType::kDirectory) invalid("would replace the destination");
    }
    Attributes attributes = attributes_for(entry);
    if (entry.type == EntryType::kDirectory) {
      Directories::Node& node = directories_.make_directory(spot, attributes);
      if (!entry.xattrs.empty()) maker_.set_xattrs(directories_.fd(node), entry.xattrs);
    } else if (entry.type == EntryType::kHardlink) {
      base::with_context("hard link to " + base::printable(entry.link, 200), [&] {
        std::optional<Directories::Spot> target = directories_.find(entry.link);
        if (!target) invalid("there is no such file in the destination");
        place_link(directories_, maker_, spot, *target, entry, attributes);
      });
    } else {
      place(directories_, maker_, spot, entry, attributes, reader_);
    }
  }

  Attributes attributes_for(const Entry& entry) const {
    Attributes attributes = {options_.mode.value_or(entry.mode), 0, 0, entry.mtime};
    if (options_.owner) {
      attributes.uid = options_.owner->first;
      attributes.gid = options_.owner->second;
    } else {
      if (std::min(entry.uid, entry.gid) < 0 || std::max(entry.uid, entry.gid) > kMaxId)
        invalid(base::str("owner ", entry.uid, ":", entry.gid, " is not in 0..4294967294"));
      attributes.uid = static_cast<uint32_t>(entry.uid);
      attributes.gid = static_cast<uint32_t>(entry.gid);
    }
    if (entry.mtime.sec < 0 || entry.mtime.sec >= kMaxSeconds) attributes.mtime = {};
    return attributes;
  }

  const ArchiveOptions& options_;
  TarReader reader_;
  FileMaker maker_;
  Directories directories_;
  ExtractResult result_;
};

}  // namespace

ExtractResult extract_archive(base::Source& archive, const sys::Root& destination,
                              const ArchiveOptions& options) {
  std::unique_ptr<base::Source> plain = decompress_any(archive, options.limits);
  return ArchiveExtractor(*plain, destination, options).run();
}

}  // namespace layer
