#include "builder/solve/context_use.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "builder/solve/sources.h"

namespace solve {

namespace {

using context::Node;

class Measure {
 public:
  Measure(const plan::Plan& plan, context::FileTree& files) : plan_(plan), files_(files) {}

  ContextUse run() {
    for (size_t index : plan_.order)
      for (const plan::Step& step : plan_.stages[index].steps)
        std::visit([&](const auto& action) { use(action); }, step.action);
    for (const auto& child : files_.children(files_.root())) {
      uint64_t used_before = out_.used_bytes;
      uint64_t bytes = count(*child, all_);
      if (out_.used_bytes == used_before && bytes > 0) out_.unused.push_back({child->name, bytes});
    }
    std::stable_sort(out_.unused.begin(), out_.unused.end(),
                     [](const auto& one, const auto& other) { return one.bytes > other.bytes; });
    return std::move(out_);
  }

 private:
  void use(const plan::WorkdirStep&) {}
  void use(const plan::RunStep& step) {
    for (const plan::Mount& mount : step.mounts)
      if (mount.type == plan::Mount::Type::kBind &&
          std::holds_alternative<plan::FromContext>(mount.from))
        use_path(sys::RootedPath(mount.source));
  }
  void use(const plan::CopyStep& step) {
    if (std::holds_alternative<plan::FromContext>(step.from))
      for (const std::string& pattern : step.sources)
        for (Node* match : files_.match(pattern)) use_path(match->path());
    for (const plan::CopyStep& part : step.more) use(part);
  }
  void use_path(const sys::RootedPath& path) {
    Node* node = files_.find(path, true);
    if (node == nullptr) return;
    if (node->parent == nullptr) all_ = true;
    used_.insert(node);
  }

  uint64_t count(Node& node, bool used) {
    used = used || used_.contains(&node);
    uint64_t bytes = node.is_regular() ? static_cast<uint64_t>(node.st.st_size) : 0;
    out_.bytes += bytes;
    if (used) out_.used_bytes += bytes;
    if (node.is_directory())
      for (const auto& child : files_.children(node)) bytes += count(*child, used);
    return bytes;
  }

  const plan::Plan& plan_;
  context::FileTree& files_;
  bool all_ = false;
  std::set<const Node*> used_;
  ContextUse out_;
};

}  // namespace

ContextUse measure_context(const plan::Plan& plan, const Options& options, store::Store& store) {
  Sources sources(plan, options, store);
  SourceTree context = sources.context("");
  return Measure(plan, *context.files).run();
}

}  // namespace solve
