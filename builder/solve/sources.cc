#include "builder/solve/sources.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/sys/file.h"
#include "base/text.h"

namespace solve {

struct Sources::Context {
  std::string index_name;
  std::unique_ptr<context::DigestIndex> index;
  std::unique_ptr<dockerfile::IgnoreMatcher> ignore;
  std::unique_ptr<context::FileTree> files;
  std::string shown;
  std::mutex use;
  bool is_temporary = false;
};

namespace {

// A stack's view together with the file tree that looks through it.
struct ViewTree {
  overlay::View view;
  std::unique_ptr<context::FileTree> files;
};

constexpr uint64_t kMostIgnoreBytes = 16 << 20;

}  // namespace

Sources::Sources(const plan::Plan&, const Options& options, store::Store& store)
    : options_(options), store_(store) {}

Sources::~Sources() = default;

LocalTree Sources::tree_of(const std::string& context) const {
  if (!context.empty()) return options_.named_contexts.at(context);
  return {options_.context, options_.context_name, true, options_.context_is_temporary};
}

std::unique_ptr<Sources::Context> Sources::make_context(const std::string& name,
                                                        const LocalTree& tree) {
  auto made = std::make_unique<Context>();
  std::filesystem::path directory = tree.directory;
  made->shown = tree.shown;
  made->is_temporary = tree.is_temporary;
  if (directory.empty()) {
    directory = store_.layout().empty_directory();
    made->shown = "the empty build context";
  }
  std::string identity = std::filesystem::canonical(directory).string();
  made->index_name = "context-" + base::sha256_hex(base::as_bytes(identity)).substr(0, 32);
  made->index =
      std::make_unique<context::DigestIndex>(store_.find_index(made->index_name).value_or(""));
  std::optional<std::string> ignore_text = options_.ignore_file;
  std::string ignore_name = options_.ignore_file_name;
  if (!name.empty()) {
    ignore_name = (directory / ".dockerignore").string();
    ignore_text.reset();
    if (tree.has_ignore_file) ignore_text = sys::find_user_file(ignore_name, kMostIgnoreBytes);
  }
  if (ignore_text)
    made->ignore = std::make_unique<dockerfile::IgnoreMatcher>(
        dockerfile::read_ignore_file(*ignore_text, ignore_name));
  made->files = std::make_unique<context::FileTree>(sys::Root::open(directory), made->ignore.get(),
                                                    made->index.get());
  made->files->stop_with(options_.stop);
  if (name.empty() && options_.git_modes) made->files->use_git_modes();
  return made;
}

SourceTree Sources::open(const std::string& name, const LocalTree& tree) {
  Context* context = nullptr;
  {
    std::lock_guard lock(mutex_);
    std::unique_ptr<Context>& known = contexts_[name];
    if (!known) known = make_context(name, tree);
    context = known.get();
  }
  return {context->files.get(), false, context->shown, nullptr, std::unique_lock(context->use), {}};
}

SourceTree Sources::context(const std::string& name) { return open(name, tree_of(name)); }

SourceTree Sources::host(const plan::FromHost& from) {
  return open("host:" + from.directory,
              {.directory = from.directory, .shown = from.flag, .has_ignore_file = false});
}

SourceTree Sources::layers(const std::vector<LayerPtr>& layers, std::string shown) {
  overlay::Stack stack = open_stack(store_, layers);
  auto tree = std::make_shared<ViewTree>(ViewTree{overlay::View(store_, stack), nullptr});
  tree->files =
      std::make_unique<context::FileTree>(tree->view.root().duplicate(), nullptr, nullptr);
  tree->files->stop_with(options_.stop);
  return {tree->files.get(), true, std::move(shown), tree, {}, std::move(stack)};
}

void Sources::save_indexes() {
  std::lock_guard lock(mutex_);
  for (auto& [name, context] : contexts_)
    if (context && !context->is_temporary && context->index->changed())
      store_.put_index(context->index_name, context->index->serialize());
}

}  // namespace solve
