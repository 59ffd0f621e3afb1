#include "builder/solve/copy_step.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "builder/solve/archive_source.h"
#include "builder/solve/copier.h"
#include "builder/solve/layer_reuse.h"
#include "builder/solve/owner.h"

namespace solve {

using context::FileTree;
using context::Node;
using overlay::Target;

namespace {

[[noreturn]] void fail_missing(const plan::CopyStep& step, size_t index, const FileTree& files,
                               std::string_view source_name) {
  const std::string& pattern = step.sources[index];
  base::Error error(base::Code::kNotFound,
                    base::str(step.add ? "ADD" : "COPY", " source \"", base::printable(pattern),
                              "\" not found in ", source_name),
                    "copy-source-missing");
  if (const dockerfile::IgnorePattern* rule = files.hiding_rule(sys::RootedPath(pattern)))
    error
        .add_fact(base::str("it exists on disk but is ignored by ", base::printable(rule->file),
                            ":", rule->line, ": ", base::printable(rule->text)))
        .add_help(base::str("add \"!", base::printable(pattern), "\" below that line"));
  if (index < step.source_places.size())
    error.set_place({step.source_places[index], nullptr, "not there", ""});
  throw error;
}

bool into_directory(const plan::CopyStep& step) {
  return step.destination.ends_with('/') || step.destination.ends_with("/.");
}

// Every node that define_files must name, with its path below the selected one.
void walk(FileTree& files, Node& node, const std::string& relative,
          const dockerfile::IgnoreMatcher& exclude, const dockerfile::IgnoreMatcher::State& state,
          const std::function<void(Node&, const std::string&)>& visit) {
  visit(node, relative);
  if (!node.is_directory()) return;
  for (const auto& child : files.children(node)) {
    std::string path = relative.empty() ? child->name : relative + "/" + child->name;
    auto decision = exclude.visit(path, state);
    if (decision.ignored && !(child->is_directory() && exclude.may_reinclude_below(path))) continue;
    walk(files, *child, path, exclude, decision.state, visit);
  }
}

// The way from the base of a --parents source down to a match.
struct KeptPath {
  std::vector<Node*> parents;  // top first, without the base
  std::string path;            // empty when the match is the base itself
  dockerfile::IgnoreMatcher::State excludes;
  bool excluded = false;
};

KeptPath kept_path(const Selection& selection, Node& match,
                   const dockerfile::IgnoreMatcher& exclude) {
  KeptPath kept;
  auto is_base = [&](Node* node) {
    return std::find(selection.bases.begin(), selection.bases.end(), node) != selection.bases.end();
  };
  // A link on the way may have led outside of the base: then the whole path is kept.
  for (Node* up = &match; up->parent != nullptr && !is_base(up); up = up->parent)
    kept.parents.insert(kept.parents.begin(), up);
  for (const Node* node : kept.parents) {
    kept.path += (kept.path.empty() ? "" : "/") + node->name;
    auto decision = exclude.visit(kept.path, kept.excludes);
    bool open = node->is_directory() && exclude.may_reinclude_below(kept.path);
    kept.excluded = kept.excluded || (decision.ignored && !open);
    kept.excludes = decision.state;
  }
  if (!kept.parents.empty()) kept.parents.pop_back();
  return kept;
}

Selection select_kept(const std::string& pattern, FileTree& files) {
  Selection selection{pattern, {}, {}};
  size_t pivot = pattern.find("/./");
  bool whole = pivot == std::string::npos;
  for (Node* match : files.match(whole ? "" : pattern.substr(0, pivot))) {
    Node* base = files.find(match->path(), true);
    if (base == nullptr || !base->is_directory()) continue;
    selection.bases.push_back(base);
    auto below = files.match_below(*base, whole ? pattern : pattern.substr(pivot + 3));
    selection.matches.insert(selection.matches.end(), below.begin(), below.end());
  }
  return selection;
}

}  // namespace

std::string file_identity(const FileTree& files, const Node& node, bool keep_owner) {
  std::string text =
      base::str("type=", (node.st.st_mode & S_IFMT) >> 12, " mode=", node.st.st_mode & 07777);
  if (keep_owner) text += base::str(" owner=", node.st.st_uid, ":", node.st.st_gid);
  if (node.is_link()) return text + " link=" + node.link;
  if (node.is_regular() || node.is_directory())
    return text + " digest=" + base::to_hex(files.digest(node));
  return text + base::str(" device=", node.st.st_rdev);
}

std::vector<Selection> select(const plan::CopyStep& step, FileTree& files,
                              std::string_view source_name) {
  std::vector<Selection> selections;
  for (size_t i = 0; i < step.sources.size(); ++i) {
    const std::string& pattern = step.sources[i];
    Selection selection =
        step.parents ? select_kept(pattern, files) : Selection{pattern, files.match(pattern), {}};
    bool dangling = !step.parents && !selection.matches.empty() &&
                    !dockerfile::has_wildcard(pattern) &&
                    files.find(selection.matches[0]->path(), true) == nullptr;
    if (!dockerfile::has_wildcard(pattern) && !step.if_exists &&
        (selection.matches.empty() || dangling))
      fail_missing(step, i, files, source_name);
    selections.push_back(std::move(selection));
  }
  return selections;
}

void define_files(const plan::CopyStep& step, FileTree& files,
                  const std::vector<Selection>& selections, bool keep_owner,
                  cache::Definition& definition) {
  auto exclude = dockerfile::IgnoreMatcher::from_texts(step.excludes);
  std::vector<std::pair<Node*, std::string>> found;
  for (const Selection& selection : selections) {
    for (Node* match : selection.matches) {
      if (step.parents) {
        KeptPath kept = kept_path(selection, *match, exclude);
        if (kept.excluded) continue;
        for (Node* parent : kept.parents) found.emplace_back(parent, parent->name);
        walk(files, *match, kept.path, exclude, kept.excludes,
             [&](Node& n, const std::string& relative) { found.emplace_back(&n, relative); });
        continue;
      }
      Node* node = files.find(match->path(), true);
      if (node == nullptr) continue;
      // The base name enters the key where it becomes the name of the result.
      std::string top = node->is_directory() ? "" : match->name;
      if (step.excludes.empty() && node->is_directory()) files.read_below(*node);
      walk(files, *node, "", exclude, {}, [&](Node& n, const std::string& relative) {
        found.emplace_back(&n, relative.empty() ? top : relative);
      });
    }
  }
  std::vector<Node*> nodes;
  nodes.reserve(found.size());
  for (const auto& [node, name] : found) nodes.push_back(node);
  files.digest_all(nodes);
  for (const auto& [node, name] : found)
    definition.add("file", base::str(name, "\t", file_identity(files, *node, keep_owner)));
}

namespace {

timespec time_of_now() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

class CopyJob {
 public:
  CopyJob(const plan::CopyStep& step, FileTree& files, overlay::Active& active, CopyRules rules)
      : step_(step),
        files_(files),
        active_(active),
        rules_(std::move(rules)),
        copier_(files, active, rules_),
        root_(active.target()),
        time_(rules_.created_mtime.value_or(time_of_now())) {}

  /// Files of several sources below kept parents come in an order of their own, and an archive in
  /// its.
  void follow() {
    if (!step_.parents) rules_.follower = &follower_.emplace(active_.upper(), time_);
  }

  void run(const std::vector<Selection>& selections, const EarlierCopy* earlier) {
    resolve_destination();
    take_time_of_source(selections);
    std::optional<LayerReuse> reuse;
    if (earlier != nullptr && tells_all(selections))
      rules_.reuse = &reuse.emplace(earlier->definition, earlier->layer, destination_);
    for (const Selection& selection : selections) {
      if (step_.parents) {
        if (!selection.bases.empty()) copy_with_parents(selection);
        continue;
      }
      for (Node* match : selection.matches) {
        Node* node = files_.find(match->path(), true);
        if (node != nullptr) copy_one(*match, *node);  // else a wildcard met a dangling link
      }
    }
    for (const plan::InlineFile& file : step_.files) write_inline(file);
    set_times();
  }

  std::optional<layer::TreeFollower> take_follower() { return std::move(follower_); }

 private:
  // Whether a definition says of every file which source it came from: nothing else writes here.
  bool tells_all(const std::vector<Selection>& selections) const {
    if (step_.parents || !step_.files.empty()) return false;
    if (destination_ != sys::RootedPath(step_.destination))
      return false;  // led elsewhere by a link
    if (!step_.add || step_.unpack == false) return true;
    for (const Selection& selection : selections)
      for (const Node* match : selection.matches)
        if (!match->is_directory()) return false;  // may be an archive
    return true;
  }

  void resolve_destination() {
    sys::RootedPath wanted(step_.destination);
    destination_ =
        step_.link || active_.below().empty() ? wanted : active_.merged().resolve(wanted);
    std::optional<struct stat> st = active_.upper().lstat(destination_);
    if (!st && !active_.below().empty()) st = active_.merged().lstat(destination_);
    bool exists = st && S_ISDIR(st->st_mode);
    if (into_directory(step_) && st && !exists)
      throw base::Error(
          base::Code::kInvalid,
          "destination " + base::printable(destination_.str()) + " is not a directory",
          "copy-destination-not-directory");
    directory_ = exists || into_directory(step_) || destination_.is_root();
  }

  // A directory that gets the content of another has its time, though not its mode, unless a file
  // comes into it afterwards. [7.5]
  void take_time_of_source(const std::vector<Selection>& selections) {
    if (step_.parents || !step_.files.empty()) return;
    for (const Selection& selection : selections)
      for (const Node* match : selection.matches)
        if (const Node* node = files_.find(match->path(), true))
          destination_time_ = node->is_directory() ? node->st.st_mtim : time_;
  }

  const Target& directory(const sys::RootedPath& path) {
    if (into_ && into_->path() == path) return *into_;
    if (into_) abandon();
    into_.emplace(root_.make_path(path, copier_.created_directory()));
    announce_way(path);
    return *into_;
  }

  void abandon() {
    if (follower_) follower_->abandon();
  }

  // The directories down to the destination. Nothing more will be made in those above it, and what
  // comes up from a layer below keeps its time.
  void announce_way(const sys::RootedPath& path) {
    if (!follower_) return;
    sys::RootedPath way;
    for (const std::string& component : path.components()) {
      way = way.below(component);
      const sys::Root& root = active_.upper().lstat(way) ? active_.upper() : active_.merged();
      sys::UniqueFd fd = root.open_at(way, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      struct stat st;
      if (::fstat(fd.get(), &st) < 0) base::throw_errno("stat " + base::printable(way.str()));
      follower_->directory(way.relative(), fd.get(), way == path ? destination_time_ : st.st_mtim);
    }
  }

  // Files came into the destination, one after another: its time shall not be that of the last.
  void set_times() {
    if (!into_) return;
    if (!active_.upper().lstat(into_->path()))
      return abandon();  // nothing came, so it is not in the layer
    for (const sys::RootedPath& path : {into_->path(), sys::RootedPath()}) {
      sys::UniqueFd fd = active_.upper().open_at(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      const timespec& time = path == into_->path() ? destination_time_ : time_;
      const timespec times[2] = {time, time};
      if (::futimens(fd.get(), times) < 0)
        base::throw_errno("set time of " + base::printable(path.str()));
    }
  }

  void copy_one(Node& match, Node& node) {
    copier_.begin_match();
    if (step_.add && step_.unpack.value_or(true) && node.is_regular() &&
        unpack_archive(files_, node, active_, destination_, rules_))
      return abandon();
    if (node.is_directory()) return copier_.copy_contents(node, directory(destination_));
    require_directory();
    if (goes_inside()) return copier_.copy(node, directory(destination_), match.name);
    copier_.copy(node, directory(destination_.parent()), std::string(destination_.name()));
  }

  void copy_with_parents(const Selection& selection) {
    static const dockerfile::IgnoreMatcher nothing;
    Target top = root_.make_path(destination_, copier_.created_directory());
    for (Node* match : selection.matches) {
      KeptPath kept = kept_path(selection, *match, rules_.exclude ? *rules_.exclude : nothing);
      if (kept.excluded) continue;
      if (kept.path.empty()) {
        copier_.copy_contents(*match, top);
        continue;
      }
      Target target = root_.make_path(destination_, {});
      for (const Node* parent : kept.parents) {
        bool existed = target.find(parent->name).has_value();
        target = existed ? target.open(parent->name) : target.create(parent->name);
        copier_.copy_parent(*parent, target, !existed);
      }
      copier_.copy_below(*match, target, kept.path, kept.excludes);
    }
  }

  bool goes_inside() const {
    return step_.sources.size() + step_.files.size() > 1 || is_directory();
  }

  // What the same instruction copied before may have made it one.
  bool is_directory() const {
    if (directory_) return true;
    std::optional<struct stat> st = active_.upper().lstat(destination_);
    return st && S_ISDIR(st->st_mode);
  }

  void require_directory() const {
    if (!step_.needs_directory || is_directory()) return;
    throw base::Error(base::Code::kInvalid,
                      base::str(step_.add ? "ADD" : "COPY", " of several sources to ",
                                base::printable(destination_.str()), ", which is not a directory"),
                      "copy-several-to-file")
        .add_help("end the destination with / to have a directory made");
  }

  void write_inline(const plan::InlineFile& file) {
    require_directory();
    const Target& target = directory(goes_inside() ? destination_ : destination_.parent());
    // One component, whatever the recipe says: what follows goes below an open directory by name.
    std::string name(goes_inside() ? sys::RootedPath(file.name).name() : destination_.name());
    if (::unlinkat(target.fd(), name.c_str(), 0) < 0 && errno != ENOENT)
      base::throw_errno("replace " + base::printable(target.path().below(name).str()));
    sys::UniqueFd fd(::openat(target.fd(), name.c_str(),
                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) base::throw_errno("create " + base::printable(target.path().below(name).str()));
    sys::write_all(fd.get(), base::as_bytes(file.content), name);
    overlay::Attributes attributes;
    if (rules_.owner) {
      attributes.uid = rules_.owner->uid;
      attributes.gid = rules_.owner->gid;
    }
    attributes.mode = rules_.mode ? rules_.mode->apply(0644, false) : 0644;
    attributes.mtime = rules_.created_mtime;
    set_attributes(fd.get(), attributes, name);
    copier_.announce(target, name);
  }

  const plan::CopyStep& step_;
  FileTree& files_;
  overlay::Active& active_;
  CopyRules rules_;
  Copier copier_;
  Target root_;
  const timespec time_;                // of what gets one from the copying
  timespec destination_time_ = time_;  // of the directory that is copied into
  sys::RootedPath destination_;
  bool directory_ = false;
  std::optional<Target> into_;
  std::optional<layer::TreeFollower> follower_;
};

}  // namespace

std::optional<layer::TreeFollower> copy_files(const plan::CopyStep& step, FileTree& files,
                                              const std::vector<Selection>& selections,
                                              overlay::Active& active, const CopyOptions& options) {
  CopyRules rules;
  rules.keep_owner = options.keep_owner;
  rules.replace = step.link;
  rules.created_mtime = options.created_mtime;
  rules.is_read_again = options.is_read_again;
  auto exclude = dockerfile::IgnoreMatcher::from_texts(step.excludes);
  if (!step.excludes.empty()) rules.exclude = &exclude;
  if (!step.chmod.empty()) rules.mode.emplace(step.chmod);
  if (!step.chown.empty()) {
    bool no_files = step.link || active.below().empty();
    rules.owner = resolve_owner(no_files ? nullptr : &active.merged(), step.chown);
  }
  CopyJob job(step, files, active, std::move(rules));
  if (options.is_whole_layer) job.follow();
  job.run(selections, options.earlier);
  return job.take_follower();
}

}  // namespace solve
