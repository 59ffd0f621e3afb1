#include "store/layer/verify.h"

#include <fcntl.h>

#include <cstring>
#include <map>
#include <optional>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/extract.h"
#include "store/layer/stored_form.h"
#include "store/layer/tar_reader.h"
#include "store/layer/tree_walk.h"

namespace layer {

namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

const char* type_name(EntryType type) {
  switch (type) {
    case EntryType::kDirectory:
      return "directory";
    case EntryType::kSymlink:
      return "symbolic link";
    case EntryType::kChar:
      return "character device";
    case EntryType::kBlock:
      return "block device";
    case EntryType::kFifo:
      return "fifo";
    default:
      return "file";
  }
}

std::string octal(uint32_t mode) {
  std::string text = "0000";
  for (size_t i = 4; i-- > 0; mode >>= 3) text[i] = static_cast<char>('0' + (mode & 7));
  return text;
}

/// What the last entry for each path says is compared with the tree as the entry is read; a later
/// entry for the same path takes an earlier verdict back.
class Verifier {
 public:
  Verifier(const sys::Root& tree, base::Source& tar, const VerifyOptions& options)
      : tree_(tree), reader_(tar, options.limits, Strictness::kImage), options_(options) {}

  std::vector<Difference> run() {
    Entry entry;
    while (reader_.next(entry)) {
      if (options_.stop.stop_requested())
        throw base::Error(base::Code::kCancelled, "comparing was cancelled", "cancelled");
      check(entry);
      if (differences_.size() > options_.max_differences * 4 + 1000) break;
    }
    reader_.drain();
    find_extra();
    std::vector<Difference> list;
    for (auto& [path, what] : differences_) {
      if (list.size() == options_.max_differences) break;
      list.push_back({path, what});
    }
    return list;
  }

 private:
  // The path in the tree, links in its parents followed.
  sys::RootedPath locate(const std::string& path) {
    sys::RootedPath clean(path);
    if (clean.is_root()) return clean;
    sys::RootedPath parent = clean.parent();
    if (parent != last_parent_) {
      resolved_parent_ = tree_.resolve(parent);
      last_parent_ = parent;
    }
    return resolved_parent_.below(clean.name());
  }

  void see(const sys::RootedPath& path) {
    std::string text = path.str();
    while (text.size() > 1 && seen_.insert(std::hash<std::string>()(text)).second)
      text.resize(text.rfind('/'));
  }

  void check(const Entry& entry) {
    sys::RootedPath path = locate(entry.path);
    if (path.name() == kOpaque) {
      see(path.parent());
      bool opaque = is_opaque(path.parent());
      if (!opaque) differences_[path.parent().str()] = "is not opaque";
      return;
    }
    if (path.name().starts_with(kWhiteout)) {
      check_whiteout(path.parent().below(path.name().substr(kWhiteout.size())));
      return;
    }
    see(path);
    differences_.erase(path.str());
    if (entry.type != EntryType::kDirectory) forget_below(path);
    std::string what = compare(path, entry);
    if (!what.empty()) differences_[path.str()] = std::move(what);
  }

  // A file that takes a directory's place takes its content away.
  void forget_below(const sys::RootedPath& path) {
    std::string prefix = path.str() + "/";
    auto at = differences_.lower_bound(prefix);
    while (at != differences_.end() && at->first.starts_with(prefix)) at = differences_.erase(at);
  }

  bool is_opaque(const sys::RootedPath& path) {
    std::optional<sys::UniqueFd> fd = tree_.find_at(path, O_RDONLY | O_DIRECTORY);
    if (!fd) return false;
    struct stat st;
    if (::fstat(fd->get(), &st) < 0) base::throw_errno("stat " + base::printable(path.str()));
    return stored_form(st, sys::list_xattrs(fd->get())).opaque;
  }

  void check_whiteout(const sys::RootedPath& path) {
    if (seen_.contains(std::hash<std::string>()(path.str()))) return;  // the layer has its own
    see(path);
    if (!tree_.lstat(path)) differences_[path.str()] = "whiteout is missing";
  }

  std::string compare(const sys::RootedPath& path, const Entry& entry) {
    std::optional<sys::UniqueFd> parent = tree_.find_at(path.parent(), O_PATH | O_DIRECTORY);
    std::string name(path.is_root() ? "." : path.name());
    struct stat st;
    if (!parent || ::fstatat(parent->get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0)
      return "missing";
    if (entry.type == EntryType::kHardlink) {
      // A file of a lower layer was copied into this one.
      see(locate(entry.link));
      return S_ISDIR(st.st_mode) ? "directory, not a hard link" : "";
    }
    sys::UniqueFd fd;
    if (S_ISREG(st.st_mode)) fd = open_for_reading(parent->get(), name.c_str());
    sys::Xattrs xattrs =
        fd ? sys::list_xattrs(fd.get()) : sys::list_xattrs_at(parent->get(), name.c_str());
    Entry have = stored_form(st, std::move(xattrs)).entry;
    if (have.type != entry.type)
      return base::str(type_name(have.type), ", not a ", type_name(entry.type));
    if (std::string what = compare_metadata(have, entry); !what.empty()) return what;
    if (entry.type == EntryType::kSymlink &&
        sys::read_link_at(parent->get(), name.c_str()) != entry.link)
      return "link target";
    if (entry.type != EntryType::kFile) return "";
    if (have.size != entry.size) return base::str("size ", have.size, ", not ", entry.size);
    return same_content(fd.get(), name) ? "" : "content";
  }

  std::string compare_metadata(const Entry& have, const Entry& want) const {
    bool link = want.type == EntryType::kSymlink;
    if (!link && have.mode != want.mode)
      return base::str("mode ", octal(have.mode), ", not ", octal(want.mode));
    bool owner_kept = !options_.single_id || (!link && want.type != EntryType::kFifo);
    if (owner_kept && (have.uid != want.uid || have.gid != want.gid))
      return base::str("owner ", have.uid, ":", have.gid, ", not ", want.uid, ":", want.gid);
    if (have.mtime.sec != want.mtime.sec)
      return base::str("time ", have.mtime.sec, ", not ", want.mtime.sec);
    bool device = want.type == EntryType::kChar || want.type == EntryType::kBlock;
    if (device && (have.dev_major != want.dev_major || have.dev_minor != want.dev_minor))
      return "device number";
    for (const auto& [name, value] : want.xattrs) {
      // Others may have been refused by the file system or the namespace.
      bool kept = (name.starts_with("user.") && !is_reserved_xattr(name) && !link) ||
                  name == "security.capability";
      if (!kept || (want.type != EntryType::kFile && want.type != EntryType::kDirectory)) continue;
      auto found = have.xattrs.find(name);
      if (found == have.xattrs.end() || found->second != value)
        return "attribute " + base::printable(name, 100);
    }
    return "";
  }

  bool same_content(int fd, const std::string& name) {
    sys::FdSource source(fd, base::printable(name, 200));
    std::vector<std::byte> buffer;
    for (base::Bytes piece = reader_.next_piece(); !piece.empty(); piece = reader_.next_piece()) {
      buffer.resize(piece.size());
      if (base::read_full(source, buffer) != piece.size() ||
          std::memcmp(buffer.data(), piece.data(), piece.size()) != 0)
        return false;
    }
    return true;
  }

  void find_extra() {
    TreeWalk walk(tree_);
    while (const TreeWalk::Item* item = walk.next()) {
      std::string path = "/" + item->path;
      if (seen_.contains(std::hash<std::string>()(path))) continue;
      differences_.emplace(path, "not in the archive");
      if (differences_.size() > options_.max_differences) return;
      if (item->is_directory()) walk.skip();
    }
  }

  const sys::Root& tree_;
  TarReader reader_;
  const VerifyOptions& options_;
  std::map<std::string, std::string> differences_;
  std::unordered_set<size_t> seen_;  // hashes of paths: names of 10 M files would be too much
  sys::RootedPath last_parent_;
  sys::RootedPath resolved_parent_;
};

}  // namespace

std::vector<Difference> verify(const sys::Root& tree, base::Source& tar,
                               const VerifyOptions& options) {
  return Verifier(tree, tar, options).run();
}

}  // namespace layer
