// What a member does depends on what has its name so far ("lower": put there by a layer below):
//
//                 nothing      lower                    this layer's
//   file..        make         replace                  replace
//   directory     make         keep a directory, new    keep a directory, new
//                              metadata; else replace   metadata; else replace
//   .wh.x         nothing      remove                   of a directory: as opaque
//   .wh..wh..opq               remove what is lower in its directory, all the way down
//
// So, as in unpacking, a whiteout hides lower layers only, wherever it stands in the tar.

#include "overlay/packed_tree.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/extract.h"
#include "store/layer/member_path.h"

namespace overlay {

namespace {

using layer::EntryType;

const uint64_t kMaxDepth = layer::Limits().depth;

[[noreturn]] void invalid(const std::string& rule) {
  throw base::Error(base::Code::kInvalid, rule, "layer-entry");
}

}  // namespace

PackedTree::PackedTree() {
  nodes_.emplace_back();
  children_.push_back(std::make_unique<Children>());
}

void PackedTree::add_layer(const std::vector<layer::IndexedMember>& members) {
  ++layer_;
  // A layer that does not speak of the root directory has one like any that it implies.
  nodes_[0].xattrs.reset();
  set_attributes(nodes_[0], {.mode = 0755});
  for (const layer::IndexedMember& member : members)
    base::with_context("layer member " + base::printable(member.entry.path, 200),
                       [&] { add(member); });
}

void PackedTree::add(const layer::IndexedMember& member) {
  const layer::Entry& entry = member.entry;
  Spot spot = locate(entry.path);
  layer::require_plain_parents(entry.path);
  layer::MarkedName marked = layer::parse_marked_name(std::move(spot.name));
  if (marked.kind == layer::MarkedName::Kind::kOpaque) return hide_all(spot.directory);
  spot.name = std::move(marked.name);
  if (marked.kind == layer::MarkedName::Kind::kWhiteout) return hide(spot);
  if (entry.type == EntryType::kDirectory) return add_directory(spot, entry);
  if (spot.name.empty()) invalid("the root directory can only be a directory");
  if (entry.type == EntryType::kHardlink) return add_link(spot, entry);
  add_other(spot, member);
}

void PackedTree::add_directory(const Spot& spot, const layer::Entry& entry) {
  NodeId id = 0;
  if (!spot.name.empty()) {
    Child* child = find_child(spot);
    if (child != nullptr && nodes_[child->node].type == EntryType::kDirectory) {
      id = child->node;
      // Of a lower one only the content shows through.
      if (child->layer != layer_) nodes_[id].xattrs.reset();
      child->layer = layer_;
    } else {
      id = make(spot, {});
    }
  }
  set_attributes(nodes_[id], entry);
  add_xattrs(nodes_[id], entry.xattrs);
}

void PackedTree::add_link(const Spot& spot, const layer::Entry& entry) {
  if (entry.link.empty()) invalid("the link is empty");
  base::with_context("hard link to " + base::printable(entry.link, 200), [&] {
    Spot at = locate(entry.link);
    if (at.name.empty()) invalid("hard link to a directory");
    if (at.directory == spot.directory && at.name == spot.name) invalid("hard link to itself");
    Child* target = find_child(at);
    if (target == nullptr) invalid("there is no such file");
    if (nodes_[target->node].type == EntryType::kDirectory) invalid("hard link to a directory");
    if (target->layer != layer_) {
      // As overlayfs does before it links: this layer gets a file of its own.
      Node copy = nodes_[target->node];
      make(at, std::move(copy));
    }
    remove(spot);
    target = find_child(at);
    if (target == nullptr) invalid("hard link to something that it replaces");
    const NodeId id = target->node;
    (*children_[spot.directory])[spot.name] = {id, layer_};
    Node& node = nodes_[id];
    if (node.uid != static_cast<uint32_t>(entry.uid) ||
        node.gid != static_cast<uint32_t>(entry.gid)) {
      // The kernel takes file capabilities away when the owner changes.
      if (node.xattrs && node.xattrs->contains("security.capability")) {
        Xattrs rest = *node.xattrs;
        rest.erase("security.capability");
        node.xattrs = std::make_shared<const Xattrs>(std::move(rest));
      }
    }
    set_attributes(node, entry);
    add_xattrs(node, entry.xattrs);
  });
}

void PackedTree::add_other(const Spot& spot, const layer::IndexedMember& member) {
  const layer::Entry& entry = member.entry;
  if (entry.type == EntryType::kSymlink && entry.link.empty()) invalid("the link is empty");
  if (entry.type == EntryType::kChar && entry.dev_major == 0 && entry.dev_minor == 0)
    invalid("a character device 0:0 would hide what is below it");
  Node node;
  node.type = entry.type;
  node.layer = layer_ - 1;
  node.offset = member.offset;
  node.size = entry.type == EntryType::kSymlink ? entry.link.size() : entry.size;
  node.dev_major = entry.dev_major;
  node.dev_minor = entry.dev_minor;
  node.target = entry.link;
  set_attributes(node, entry);
  if (entry.type == EntryType::kSymlink) node.mode = 0777;
  add_xattrs(node, entry.xattrs);
  make(spot, std::move(node));
}

void PackedTree::set_attributes(Node& node, const layer::Entry& entry) {
  if (node.type != EntryType::kSymlink) node.mode = entry.mode;
  node.uid = static_cast<uint32_t>(entry.uid);
  node.gid = static_cast<uint32_t>(entry.gid);
  node.mtime = entry.mtime;
}

void PackedTree::add_xattrs(Node& node, const Xattrs& xattrs) {
  Xattrs all = node.xattrs ? *node.xattrs : Xattrs();
  for (const auto& [name, value] : xattrs)
    if (!layer::is_reserved_xattr(name)) all.insert_or_assign(name, value);
  if (all.empty()) return;
  node.xattrs = std::make_shared<const Xattrs>(std::move(all));
  has_xattrs_ = true;
}

void PackedTree::hide(const Spot& spot) {
  const Child* child = find_child(spot);
  if (child == nullptr) return;
  if (child->layer != layer_) return remove(spot);
  if (nodes_[child->node].type == EntryType::kDirectory) hide_all(child->node);
}

void PackedTree::hide_all(NodeId directory) {
  std::vector<NodeId> left = {directory};
  while (!left.empty()) {
    Children& children = *children_[left.back()];
    left.pop_back();
    std::erase_if(children, [&](const auto& each) { return each.second.layer != layer_; });
    for (const auto& [name, child] : children)
      if (children_[child.node]) left.push_back(child.node);
  }
}

// Nodes without a name stay in nodes_, where nobody comes by.
void PackedTree::remove(const Spot& spot) { children_[spot.directory]->erase(spot.name); }

PackedTree::NodeId PackedTree::make(const Spot& spot, Node node) {
  CHECK(nodes_.size() < UINT32_MAX);
  const auto id = static_cast<NodeId>(nodes_.size());
  const bool directory = node.type == EntryType::kDirectory;
  if (directory) {
    node.parent = spot.directory;
    node.depth = nodes_[spot.directory].depth + 1;
    if (node.depth > kMaxDepth)
      invalid(base::str("more than ", kMaxDepth, " directories below one another"));
  }
  nodes_.push_back(std::move(node));
  children_.push_back(directory ? std::make_unique<Children>() : nullptr);
  children_[spot.directory]->insert_or_assign(spot.name, Child{id, layer_});
  return id;
}

PackedTree::Child* PackedTree::find_child(const Spot& spot) {
  Children& children = *children_[spot.directory];
  const auto found = children.find(spot.name);
  return found == children.end() ? nullptr : &found->second;
}

PackedTree::Spot PackedTree::locate(std::string_view path) {
  std::vector<std::string> components = layer::path_components(path, false);
  if (components.empty()) return {};
  std::string name = std::move(components.back());
  components.pop_back();
  return {walk(std::move(components)), std::move(name)};
}

PackedTree::NodeId PackedTree::walk(std::vector<std::string> way) {
  std::reverse(way.begin(), way.end());
  NodeId at = 0;
  int links = 0;
  while (!way.empty()) {
    const std::string name = std::move(way.back());
    way.pop_back();
    if (name.empty() || name == ".") continue;
    if (name == "/")
      at = 0;
    else if (name == "..")
      at = nodes_[at].parent;
    else
      at = enter(at, name, way, links);
  }
  return at;
}

// The directory `name`, made if no layer has it; `directory` itself when a link was met, whose
// target is now in `rest`.
PackedTree::NodeId PackedTree::enter(NodeId directory, const std::string& name,
                                     std::vector<std::string>& rest, int& links) {
  const Spot spot{directory, name};
  Child* child = find_child(spot);
  if (child == nullptr) return make(spot, {});
  const Node& node = nodes_[child->node];
  if (node.type == EntryType::kSymlink) {
    layer::follow_link(node.target, rest, links);
    return directory;
  }
  if (node.type != EntryType::kDirectory) {
    if (child->layer == layer_)
      invalid(base::str("the parent ", base::printable(name, 100), " is not a directory"));
    return make(spot, {});
  }
  child->layer = layer_;
  return child->node;
}

void PackedTree::finish() {
  nodes_[0].links = 2;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!children_[i]) continue;
    Node& directory = nodes_[i];
    if (i > 0) ++directory.links;
    directory.names.reserve(children_[i]->size());
    for (auto& [name, child] : *children_[i]) {
      directory.names.push_back({name, child.node});
      Node& node = nodes_[child.node];
      ++node.links;
      if (node.type == EntryType::kDirectory) ++directory.links;
    }
    children_[i].reset();
  }
}

void PackedTree::map_owners(const std::vector<sys::IdRange>& uids,
                            const std::vector<sys::IdRange>& gids) {
  const auto map = [](const std::vector<sys::IdRange>& ranges, uint32_t id) {
    for (const sys::IdRange& range : ranges)
      if (id >= range.inside && id - range.inside < range.count) return id;
    if (ranges.size() == 1 && ranges[0].count == 1) return ranges[0].inside;
    throw base::Error(base::Code::kUnsupported,
                      base::str("owner ", id, " is not mapped in this user namespace"),
                      "owner-unmapped")
        .add_help("give this user more ids in /etc/subuid and /etc/subgid");
  };
  for (Node& node : nodes_) {
    if (node.links == 0) continue;
    node.uid = map(uids, node.uid);
    node.gid = map(gids, node.gid);
  }
}

const PackedTree::Name* PackedTree::find(NodeId directory, std::string_view name) const {
  const std::vector<Name>& names = nodes_[directory].names;
  const auto found = std::lower_bound(
      names.begin(), names.end(), name,
      [](const Name& each, std::string_view wanted) { return each.name < wanted; });
  return found != names.end() && found->name == name ? &*found : nullptr;
}

}  // namespace overlay
