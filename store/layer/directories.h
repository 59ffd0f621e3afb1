#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/sys/root.h"
#include "store/layer/extract.h"
#include "store/layer/file_maker.h"

namespace layer {

/// The directories of a tree that is being filled: finds the parent of each new file without ever
/// leaving the tree, keeps the descriptors of the last ones used, and remembers what metadata each
/// must have in the end (children would disturb times, and modes might keep us out).
///
/// It walks by itself, one component at a time with O_NOFOLLOW, and resolves links in the tree as
/// if its root were "/". Paths may be longer than PATH_MAX. In a layer, a directory that the tar
/// did not mention is taken from the lower layers: its metadata when it is a directory there, its
/// target when it is a link. Memory is bounded: above Options::max_nodes everything pending is
/// applied and forgotten, and what is needed again is read back from the tree.
///
/// Internal to the room; one thread.
class Directories {
 public:
  struct Node;  // one directory; pointers are valid until flush()

  /// A name in a directory of the tree.
  struct Spot {
    Node* directory = nullptr;
    std::string name;  ///< empty: the root itself
  };

  struct Options {
    /// Overlay's form: whiteouts mean "not there", every directory's times are restored in the end.
    bool layer = false;
    bool user_xattr = false;
    uint64_t max_directories = UINT64_MAX;  ///< implied ones; above: Invalid
    uint64_t max_depth = UINT64_MAX;        ///< directories below one another; above: Invalid
    uint64_t max_nodes = 1 << 16;
    LowerView lower;
  };

  Directories(const sys::Root& root, FileMaker& maker, Options options);
  ~Directories();
  Directories(const Directories&) = delete;
  Directories& operator=(const Directories&) = delete;

  /// Where `path` belongs; missing parents are made. Cleans the path lexically first. Throws
  /// Invalid when a parent is something else, and (in a layer) when the path climbs above the root.
  Spot locate(std::string_view path);
  /// Where `path` is in the tree, or nullopt: nothing is made, lower layers are not looked at.
  std::optional<Spot> find(std::string_view path);
  /// Where `path` is in the lower layers alone, as a clean path, when no whiteout or replacement in
  /// the tree hides it and it is not a directory.
  std::optional<std::string> find_lower(std::string_view path);
  const sys::Root* lower();

  /// An open descriptor, valid until the next call of any method.
  int fd(Node& node);
  /// Two at once.
  std::pair<int, int> fds(Node& first, Node& second);

  /// The directory at `spot`, made if need be; what is there and is not a directory is replaced,
  /// and in a layer hides the lower one. The pending metadata become `attributes`.
  Node& make_directory(Spot& spot, const Attributes& attributes);
  /// Removes whatever is at `spot` so that something else can take the name. The spot is renewed.
  void clear(Spot& spot);
  /// Hides the lower layers' part of the directory.
  void make_opaque(Node& node);
  /// The node of a directory that is there.
  Node& existing(const Spot& spot);
  Node& root() { return *root_; }
  bool root_opaque() const { return root_opaque_; }

  /// "/a/b", free of links.
  std::string path_of(const Spot& spot) const;

  /// Applies all pending metadata, deepest first, and forgets all nodes but the root.
  void flush();
  /// Between two members, when no Node or Spot is held: flushes when there are too many nodes.
  void trim();
  /// flush(), then the root itself. Once, at the end.
  void finish();

  uint64_t implied() const { return implied_; }
  /// A lower layer was asked, or would have been had there been any.
  bool depends_on_lower() const { return depends_on_lower_; }

 private:
  struct Key {
    const Node* parent;
    std::string_view name;  // in the node
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return std::hash<std::string_view>()(key.name) * 31 + std::hash<const void*>()(key.parent);
    }
  };

  std::vector<std::string> clean(std::string_view path) const;
  Node* walk(std::vector<std::string> components, bool create);
  Node* child(Node& parent, const std::string& name, bool create, std::vector<std::string>& rest,
              int& links);
  Node* missing(Node& parent, const std::string& name, std::vector<std::string>& rest, int& links);
  Node& add(Node& parent, const std::string& name, std::optional<Attributes> pending);
  Node& load(Node& parent, const std::string& name);
  void open(Node& node);
  void keep_open(Node& node, sys::UniqueFd fd);
  bool lower_visible(Node& node);
  std::string path_of(const Node& node) const;
  const char* opaque_name() const;

  const sys::Root& tree_;
  FileMaker& maker_;
  Options options_;
  std::unique_ptr<Node> root_;
  std::unordered_map<Key, std::unique_ptr<Node>, KeyHash> nodes_;
  std::list<Node*> open_;  // most recently used first
  std::string last_parent_;
  Node* last_node_ = nullptr;
  std::optional<const sys::Root*> lower_;
  bool depends_on_lower_ = false;
  bool root_opaque_ = false;
  bool flushed_ = false;
  uint64_t implied_ = 0;
};

}  // namespace layer
