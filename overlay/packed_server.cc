// The file system is read-only and never changes, so the kernel may keep whatever it was told.
// Inode numbers are those of the tree's nodes and one more: there is nothing to remember of a
// look-up, and nothing to forget.

#include "overlay/packed_server.h"

#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <syslog.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "overlay/snapshot.h"

namespace overlay {

namespace {

using layer::EntryType;
using NodeId = PackedTree::NodeId;

constexpr double kForever = 1e9;
constexpr unsigned kThreads = 4;

NodeId node_of(fuse_ino_t inode) { return static_cast<NodeId>(inode - FUSE_ROOT_ID); }
fuse_ino_t inode_of(NodeId node) { return fuse_ino_t{node} + FUSE_ROOT_ID; }

PackedImage& image_of(fuse_req_t request) {
  return *static_cast<PackedImage*>(fuse_req_userdata(request));
}
const PackedTree::Node& node_at(fuse_req_t request, fuse_ino_t inode) {
  return image_of(request).tree().node(node_of(inode));
}

mode_t type_bits(EntryType type) {
  switch (type) {
    case EntryType::kDirectory:
      return S_IFDIR;
    case EntryType::kSymlink:
      return S_IFLNK;
    case EntryType::kChar:
      return S_IFCHR;
    case EntryType::kBlock:
      return S_IFBLK;
    case EntryType::kFifo:
      return S_IFIFO;
    default:
      return S_IFREG;
  }
}

struct stat status_of(const PackedTree& tree, NodeId id) {
  const PackedTree::Node& node = tree.node(id);
  struct stat st = {};
  st.st_ino = inode_of(id);
  st.st_mode = type_bits(node.type) | node.mode;
  st.st_nlink = node.links;
  st.st_uid = node.uid;
  st.st_gid = node.gid;
  st.st_rdev = makedev(node.dev_major, node.dev_minor);
  st.st_size = static_cast<off_t>(node.size);
  st.st_blksize = 4096;
  st.st_blocks = static_cast<blkcnt_t>((node.size + 511) / 512);
  st.st_mtim = {node.mtime.sec, static_cast<long>(node.mtime.nsec)};
  st.st_atim = st.st_ctim = st.st_mtim;
  return st;
}

fuse_entry_param entry_of(const PackedTree& tree, NodeId id) {
  fuse_entry_param entry = {};
  entry.ino = inode_of(id);
  entry.attr = status_of(tree, id);
  entry.attr_timeout = entry.entry_timeout = kForever;
  return entry;
}

void start(void*, fuse_conn_info* connection) {
  connection->max_readahead = 1 << 20;
  connection->want |= connection->capable & FUSE_CAP_CACHE_SYMLINKS;
}

void look_up(fuse_req_t request, fuse_ino_t parent, const char* name) {
  const PackedTree& tree = image_of(request).tree();
  fuse_entry_param entry = {};
  entry.entry_timeout = kForever;  // also for what is not there
  if (const PackedTree::Name* found = tree.find(node_of(parent), name))
    entry = entry_of(tree, found->node);
  fuse_reply_entry(request, &entry);
}

void forget(fuse_req_t request, fuse_ino_t, uint64_t) { fuse_reply_none(request); }
void forget_many(fuse_req_t request, size_t, fuse_forget_data*) { fuse_reply_none(request); }

void get_attributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  const struct stat st = status_of(image_of(request).tree(), node_of(inode));
  fuse_reply_attr(request, &st, kForever);
}

void read_link(fuse_req_t request, fuse_ino_t inode) {
  fuse_reply_readlink(request, node_at(request, inode).target.c_str());
}

// The kernel asks once, and from then on opens by itself and keeps its pages.
void open_file(fuse_req_t request, fuse_ino_t, fuse_file_info*) { fuse_reply_err(request, ENOSYS); }

std::string path_of(const PackedTree& tree, NodeId file) {
  // Files do not know their names; only a failure wants to know.
  for (NodeId directory = 0; directory < tree.size(); ++directory)
    for (const PackedTree::Name& name : tree.node(directory).names) {
      if (name.node != file) continue;
      std::string path = name.name;
      for (NodeId at = directory; at != 0; at = tree.node(at).parent)
        for (const PackedTree::Name& each : tree.node(tree.node(at).parent).names)
          if (each.node == at) path = each.name + "/" + path;
      return "/" + path;
    }
  return "(a file without a name)";
}

void read_file(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, fuse_file_info*) {
  PackedImage& image = image_of(request);
  try {
    std::vector<std::byte> bytes(size);
    const size_t n = image.read(node_of(inode), static_cast<uint64_t>(offset), bytes);
    fuse_reply_buf(request, reinterpret_cast<const char*>(bytes.data()), n);
  } catch (const base::Error& e) {
    ::syslog(LOG_ERR, "%s, byte %lld: %s",
             base::printable(path_of(image.tree(), node_of(inode))).c_str(),
             static_cast<long long>(offset), e.what());
    fuse_reply_err(request, EIO);
  }
}

/// Fills one answer with the names of a directory from `offset` on: ".", "..", then its own.
template <typename Add>
void list(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, Add add) {
  const PackedTree& tree = image_of(request).tree();
  const PackedTree::Node& directory = tree.node(node_of(inode));
  std::vector<char> answer(size);
  size_t used = 0;
  for (auto at = static_cast<size_t>(offset); at < directory.names.size() + 2; ++at) {
    const bool dots = at < 2;
    const NodeId node = at == 0   ? node_of(inode)
                        : at == 1 ? directory.parent
                                  : directory.names[at - 2].node;
    const char* name = at == 0 ? "." : at == 1 ? ".." : directory.names[at - 2].name.c_str();
    fuse_entry_param entry = entry_of(tree, node);
    if (dots) entry.ino = 0;  // no look-up is counted for these
    const size_t needed =
        add(answer.data() + used, size - used, name, entry, static_cast<off_t>(at + 1));
    if (needed > size - used) break;
    used += needed;
  }
  fuse_reply_buf(request, answer.data(), used);
}

void read_directory(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                    fuse_file_info*) {
  list(request, inode, size, offset,
       [&](char* to, size_t room, const char* name, const fuse_entry_param& entry, off_t next) {
         return fuse_add_direntry(request, to, room, name, &entry.attr, next);
       });
}

void read_directory_plus(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                         fuse_file_info*) {
  list(request, inode, size, offset,
       [&](char* to, size_t room, const char* name, const fuse_entry_param& entry, off_t next) {
         return fuse_add_direntry_plus(request, to, room, name, &entry, next);
       });
}

void reply_bytes(fuse_req_t request, std::string_view bytes, size_t room) {
  if (room == 0) {
    fuse_reply_xattr(request, bytes.size());
  } else if (room < bytes.size()) {
    fuse_reply_err(request, ERANGE);
  } else {
    fuse_reply_buf(request, bytes.data(), bytes.size());
  }
}

void get_xattr(fuse_req_t request, fuse_ino_t inode, const char* name, size_t room) {
  // The kernel does not ask again, about any file.
  if (!image_of(request).tree().has_xattrs()) return void(fuse_reply_err(request, ENOSYS));
  const auto& xattrs = node_at(request, inode).xattrs;
  const auto found = xattrs ? xattrs->find(name) : PackedTree::Xattrs::const_iterator();
  if (!xattrs || found == xattrs->end()) return void(fuse_reply_err(request, ENODATA));
  reply_bytes(request, found->second, room);
}

void list_xattrs(fuse_req_t request, fuse_ino_t inode, size_t room) {
  if (!image_of(request).tree().has_xattrs()) return void(fuse_reply_err(request, ENOSYS));
  std::string names;
  if (const auto& xattrs = node_at(request, inode).xattrs)
    for (const auto& [name, value] : *xattrs) names.append(name).push_back('\0');
  reply_bytes(request, names, room);
}

void describe_filesystem(fuse_req_t request, fuse_ino_t) {
  struct statvfs st = {};
  st.f_bsize = st.f_frsize = 4096;
  st.f_files = image_of(request).tree().size();
  st.f_namemax = 255;
  fuse_reply_statfs(request, &st);
}

constexpr fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops ops = {};
  ops.init = start;
  ops.lookup = look_up;
  ops.forget = forget;
  ops.forget_multi = forget_many;
  ops.getattr = get_attributes;
  ops.readlink = read_link;
  ops.open = open_file;
  ops.opendir = open_file;
  ops.read = read_file;
  ops.readdir = read_directory;
  ops.readdirplus = read_directory_plus;
  ops.getxattr = get_xattr;
  ops.listxattr = list_xattrs;
  ops.statfs = describe_filesystem;
  return ops;
}

struct Destroy {
  void operator()(fuse_session* session) const { fuse_session_destroy(session); }
  void operator()(fuse_loop_config* config) const { fuse_loop_cfg_destroy(config); }
};

}  // namespace

void serve_packed_image(PackedImage& image, int fuse, const std::function<void()>& ready) {
  static constexpr fuse_lowlevel_ops kOperations = operations();
  std::string name = "torte";
  std::array<char*, 2> words = {name.data(), nullptr};
  fuse_args arguments = {1, words.data(), 0};
  const std::unique_ptr<fuse_session, Destroy> session(
      fuse_session_new(&arguments, &kOperations, sizeof kOperations, &image));
  if (!session || fuse_session_mount(session.get(), base::str("/dev/fd/", fuse).c_str()) != 0 ||
      fuse_set_signal_handlers(session.get()) != 0)
    throw base::Error(base::Code::kSystem, "the image's file system cannot be served", "fuse");
  const std::unique_ptr<fuse_loop_config, Destroy> config(fuse_loop_cfg_create());
  fuse_loop_cfg_set_max_threads(config.get(), kThreads);
  ::openlog("torte", LOG_PID, LOG_DAEMON);
  ready();
  fuse_session_loop_mt(session.get(), config.get());
  fuse_remove_signal_handlers(session.get());
}

}  // namespace overlay
