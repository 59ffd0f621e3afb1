#include "store/layer/unpacker.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/text.h"

namespace layer {

namespace {

bool try_place(FileMaker& maker, int dir, const char* name, const Entry& entry,
               const Attributes& attributes, TarReader& reader) {
  switch (entry.type) {
    case EntryType::kFile:
      return maker.make_file(dir, name, attributes, entry.xattrs, entry.size, reader);
    case EntryType::kSymlink:
      return maker.make_symlink(dir, name, entry.link, attributes, entry.xattrs);
    case EntryType::kChar:
      return maker.make_node(dir, name, S_IFCHR, device_of(entry), attributes, entry.xattrs);
    case EntryType::kBlock:
      return maker.make_node(dir, name, S_IFBLK, device_of(entry), attributes, entry.xattrs);
    case EntryType::kFifo:
      return maker.make_node(dir, name, S_IFIFO, 0, attributes, entry.xattrs);
    default:
      CHECK(false);
  }
}

[[noreturn]] void invalid(const std::string& rule) {
  throw base::Error(base::Code::kInvalid, rule, "layer-entry");
}

}  // namespace

void place(Directories& directories, FileMaker& maker, Directories::Spot& spot, const Entry& entry,
           const Attributes& attributes, TarReader& reader) {
  if (spot.name.empty()) invalid("the root directory can only be a directory");
  if (entry.type == EntryType::kChar && device_of(entry) == 0)
    invalid("a character device 0:0 would hide what is below it");
  auto attempt = [&] {
    return try_place(maker, directories.fd(*spot.directory), spot.name.c_str(), entry, attributes,
                     reader);
  };
  if (attempt()) return;
  directories.clear(spot);
  if (!attempt()) invalid("the name is taken");
}

void place_link(Directories& directories, FileMaker& maker, Directories::Spot& spot,
                Directories::Spot& target, const Entry& entry, const Attributes& attributes) {
  if (spot.name.empty()) invalid("the root directory can only be a directory");
  if (target.name.empty()) invalid("hard link to a directory");
  if (spot.directory == target.directory && spot.name == target.name)
    invalid("hard link to itself");
  struct stat st;
  if (::fstatat(directories.fd(*target.directory), target.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) <
      0)
    base::throw_errno("stat link target");
  if (S_ISDIR(st.st_mode)) invalid("hard link to a directory");
  auto attempt = [&] {
    auto [from, to] = directories.fds(*target.directory, *spot.directory);
    return maker.make_link(from, target.name.c_str(), to, spot.name.c_str());
  };
  if (!attempt()) {
    // Clearing may forget the node, and even remove the target with what it was in.
    std::string target_path = directories.path_of(target);
    directories.clear(spot);
    std::optional<Directories::Spot> again = directories.find(target_path);
    if (!again) invalid("hard link to something that it replaces");
    target = *again;
    if (!attempt()) invalid("the name is taken");
  }
  maker.apply_to_link(directories.fd(*spot.directory), spot.name.c_str(), st, attributes,
                      entry.xattrs);
}

}  // namespace layer
