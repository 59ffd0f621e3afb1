#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/sys/id_map.h"
#include "store/layer/seek_index.h"

namespace overlay {

/// The files of an image as its layers' tables of contents tell them, merged: what unpacking the
/// layers and mounting them above each other would show, with nothing unpacked. Built layer by
/// layer, then read, by any number of threads.
class PackedTree {
 public:
  using Xattrs = std::map<std::string, std::string>;
  /// In nodes(); the root is 0.
  using NodeId = uint32_t;

  struct Name {
    std::string name;
    NodeId node = 0;
  };

  struct Node {
    layer::EntryType type = layer::EntryType::kDirectory;
    uint32_t mode = 0755;  ///< 07777 bits
    uint32_t uid = 0;
    uint32_t gid = 0;
    layer::TarTime mtime;
    uint32_t links = 0;  ///< names of it; of a directory, those of its directories too
    uint32_t layer = 0;  ///< whose tar has the content
    uint64_t offset = 0;
    uint64_t size = 0;
    uint32_t dev_major = 0;
    uint32_t dev_minor = 0;
    NodeId parent = 0;                     ///< of a directory
    uint32_t depth = 0;                    ///< of a directory: how many are above it
    std::string target;                    ///< of a symbolic link
    std::shared_ptr<const Xattrs> xattrs;  ///< null: none
    std::vector<Name> names;               ///< of a directory, sorted
  };

  PackedTree();

  /// Puts the next layer on top. Throws Invalid (naming the member and the rule) for what unpacking
  /// would refuse.
  void add_layer(const std::vector<layer::IndexedMember>& members);
  /// Ends the building: links are counted and names sorted.
  void finish();
  /// Owners become what they can be in a user namespace with these ids: where there is one id, all
  /// are its. Throws Unsupported for one that is not mapped, as unpacking does. After finish().
  void map_owners(const std::vector<sys::IdRange>& uids, const std::vector<sys::IdRange>& gids);

  size_t size() const { return nodes_.size(); }
  const Node& node(NodeId id) const { return nodes_[id]; }
  /// What has this name in a directory; null when nothing has.
  const Name* find(NodeId directory, std::string_view name) const;
  bool has_xattrs() const { return has_xattrs_; }

 private:
  /// A name while layers are being added, and the last layer that spoke of it.
  struct Child {
    NodeId node = 0;
    uint32_t layer = 0;
  };
  using Children = std::map<std::string, Child, std::less<>>;
  /// A name in a directory; empty: the root itself.
  struct Spot {
    NodeId directory = 0;
    std::string name;
  };

  void add(const layer::IndexedMember& member);
  void add_directory(const Spot& spot, const layer::Entry& entry);
  void add_link(const Spot& spot, const layer::Entry& entry);
  void add_other(const Spot& spot, const layer::IndexedMember& member);
  void hide(const Spot& spot);
  void hide_all(NodeId directory);
  void remove(const Spot& spot);
  Spot locate(std::string_view path);
  Child* find_child(const Spot& spot);
  NodeId walk(std::vector<std::string> way);
  NodeId enter(NodeId directory, const std::string& name, std::vector<std::string>& rest,
               int& links);
  NodeId make(const Spot& spot, Node node);
  void set_attributes(Node& node, const layer::Entry& entry);
  void add_xattrs(Node& node, const Xattrs& xattrs);

  std::vector<Node> nodes_;
  std::vector<std::unique_ptr<Children>> children_;  ///< of nodes_; null but for directories
  uint32_t layer_ = 0;
  bool has_xattrs_ = false;
};

}  // namespace overlay
