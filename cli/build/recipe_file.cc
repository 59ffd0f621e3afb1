#include "cli/build/recipe_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/root.h"
#include "base/text.h"
#include "builder/dockerfile/commands.h"
#include "builder/dockerfile/parser.h"
#include "store/archive/spool.h"
#include "store/layer/tar_reader.h"

namespace cli {

namespace {

constexpr uint64_t kMostIgnoreBytes = 16 << 20;
constexpr const char* kDefaultNames[] = {"Recipe", "Dockerfile", "Containerfile", "dockerfile"};

bool is_file(const std::filesystem::path& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && !S_ISDIR(st.st_mode);
}

bool is_url(const std::string& text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

std::string read_standard_input(int fd) {
  sys::FdSource source(fd, "standard input");
  return base::with_context("recipe on standard input",
                            [&] { return base::read_all(source, dockerfile::kMaxRecipeSize); });
}

// A recipe named with -f: what the user typed, else the same below the context.
std::filesystem::path locate_named(const std::filesystem::path& path,
                                   const std::filesystem::path& context) {
  if (is_file(path) || path.is_absolute()) return path;
  return is_file(context / path) ? context / path : path;
}

[[noreturn]] void fail_missing(const std::string& context) {
  throw base::Error(base::Code::kNotFound, "no recipe in " + base::printable(context),
                    "recipe-missing")
      .add_fact("looked for Recipe, Dockerfile, Containerfile and dockerfile")
      .add_help("name it with -f");
}

void require_directory(const std::string& context) {
  struct stat st;
  if (::stat(context.c_str(), &st) < 0) base::throw_errno("build context " + context);
  if (!S_ISDIR(st.st_mode))
    throw base::Error(base::Code::kInvalid, "build context " + context + " is not a directory",
                      "context-invalid");
}

/// Gathers what find_recipe() answers.
class Finder {
 public:
  Finder(const RecipeRequest& request, Fetcher& fetcher) : request_(request), fetcher_(fetcher) {}

  RecipeFile run() {
    ask_policy();
    if (request_.context == "-") {
      if (request_.file == "-")
        throw base::Error(base::Code::kInvalid,
                          "context and recipe cannot both come from standard input", "usage");
      from_standard_input();
    } else if (dockerfile::is_git_context(request_.context)) {
      from_git();
    } else if (is_url(request_.context)) {
      from_web();
    } else {
      require_directory(request_.context);
      out_.context = request_.context;
      out_.context_name = "context " + request_.context;
      out_.identity = std::filesystem::canonical(request_.context).string();
    }
    if (out_.name.empty()) read_recipe();
    for (const std::string& file : request_.more_files) append(file);
    if (request_.ignore_file) {
      out_.ignore_text = base::with_context("--ignorefile", [&] {
        return sys::read_user_file(*request_.ignore_file, kMostIgnoreBytes);
      });
      out_.ignore_name = *request_.ignore_file;
    }
    return std::move(out_);
  }

 private:
  // Of what comes from elsewhere the fetcher asks it.
  void ask_policy() const {
    if (request_.policy == nullptr) return;
    const bool local = !dockerfile::is_git_context(request_.context) && !is_url(request_.context);
    if (local) request_.policy->check_local("context");
    bool recipe = local && !request_.file;
    for (const std::string& file : request_.more_files) recipe |= local && !is_url(file);
    if (recipe || (request_.file && (local ? !is_url(*request_.file) : *request_.file == "-")))
      request_.policy->check_local("dockerfile");
  }

  void from_standard_input() {
    sys::FdSource input(request_.in_fd, "standard input");
    sys::UniqueFd spooled = archive::spool(input, {});
    out_.identity = "-";
    auto rewind = [&] {
      if (::lseek(spooled.get(), 0, SEEK_SET) < 0) base::throw_errno("read standard input again");
    };
    rewind();
    sys::FdSource head(spooled.get(), "standard input");
    bool is_archive = layer::is_archive(head);
    rewind();
    if (is_archive) {
      sys::FdSource source(spooled.get(), "standard input");
      temporary_context(fetcher_.unpack(source, "standard input"), "the context on standard input");
      return;
    }
    if (request_.file)
      throw base::Error(base::Code::kInvalid,
                        "standard input is no archive that the recipe " +
                            base::printable(*request_.file) + " could be in",
                        "context-invalid")
          .add_help("leave -f out to read the recipe itself from standard input");
    out_.context_name = "the empty build context";
    out_.text = read_standard_input(spooled.get());
    out_.name = "-";
  }

  void from_git() {
    auto reference = dockerfile::GitReference::parse(request_.context);
    Checkout checkout = fetcher_.check_out(reference, request_.keep_git_dir);
    temporary_context(checkout.directory, "repository " + shown_address());
    out_.context_time = checkout.commit_time;
    out_.identity = reference.remote + ":" + reference.subdirectory;
  }

  void from_web() {
    Download file = fetcher_.download(request_.context);
    out_.identity = request_.context;
    if (file.has_modified) out_.context_time = file.modified;
    if (auto tree = fetcher_.unpack(file)) {
      temporary_context(*tree, "context " + shown_address());
      return;
    }
    // Anything else is the recipe itself, alone in its context.
    temporary_context(fetcher_.as_tree(file), "context " + shown_address());
    if (request_.file) return;
    out_.text = fetcher_.as_text(file, dockerfile::kMaxRecipeSize);
    out_.name = shown_address();
  }

  std::string shown_address() const {
    return base::printable(dockerfile::without_userinfo(request_.context), 200);
  }

  void temporary_context(std::filesystem::path directory, std::string shown) {
    out_.context = std::move(directory);
    out_.context_name = std::move(shown);
    out_.is_temporary = true;
  }

  void read_recipe() {
    const std::optional<std::string>& file = request_.file;
    if (file == "-") {
      out_.name = "-";
      out_.text = read_standard_input(request_.in_fd);
      out_.identity += "/-";
      find_ignore_file({});
    } else if (file && is_url(*file)) {
      out_.name = base::printable(dockerfile::without_userinfo(*file), 200);
      out_.text = fetcher_.as_text(fetcher_.download(*file), dockerfile::kMaxRecipeSize);
      out_.identity += "/" + *file;
      find_ignore_file({});
    } else if (!file) {
      read_default();
    } else if (out_.is_temporary) {
      read_inside(*file);
    } else {
      read_named(*file);
    }
  }

  static std::string read_file(const std::filesystem::path& path) {
    try {
      return sys::read_user_file(path, dockerfile::kMaxRecipeSize);
    } catch (base::SystemError& e) {
      if (e.error_number() != ENOENT) throw;
      throw base::Error(base::Code::kNotFound, "recipe " + path.string() + " does not exist",
                        "recipe-missing");
    }
  }

  void read_named(const std::string& file) {
    std::filesystem::path path = locate_named(file, out_.context);
    out_.text = read_file(path);
    set_path(path);
  }

  // Lines go on counting: places are those of the whole, and say which files it is made of.
  void append(const std::string& file) {
    if (file == "-")
      throw base::Error(base::Code::kInvalid, "only the first --file can be standard input",
                        "usage");
    std::string text;
    std::string name = file;
    if (is_url(file)) {
      text = fetcher_.as_text(fetcher_.download(file), dockerfile::kMaxRecipeSize);
      name = dockerfile::without_userinfo(file);
    } else if (out_.is_temporary) {
      text = inside(file);
    } else {
      text = read_file(locate_named(file, out_.context));
    }
    if (!out_.text.ends_with('\n')) out_.text += '\n';
    out_.text += text;
    out_.name += " + " + base::printable(name, 200);
    out_.identity += " + " + file;
  }

  // A recipe found in the context came with it, so a link must not lead it out of there.
  std::optional<std::string> find_inside(const std::string& name) {
    sys::Root root = sys::Root::open(out_.context);
    return base::with_context(out_.context_name, [&] {
      return root.read_file(sys::RootedPath(name), dockerfile::kMaxRecipeSize);
    });
  }

  std::string inside(const std::string& name) {
    std::optional<std::string> text = find_inside(name);
    if (!text)
      throw base::Error(base::Code::kNotFound,
                        "recipe " + base::printable(name) + " is not in " + out_.context_name,
                        "recipe-missing");
    return std::move(*text);
  }

  void read_inside(const std::string& name) {
    out_.text = inside(name);
    out_.name = name;
    out_.identity += "/" + name;
  }

  void read_default() {
    std::string used;
    sys::Root root = sys::Root::open(out_.context);
    struct stat first {};
    for (const char* name : kDefaultNames) {
      if (!used.empty()) {
        // On a file system that folds case, Dockerfile and dockerfile are one.
        auto other = root.lstat(sys::RootedPath(name));
        if (other && other->st_ino != first.st_ino && out_.other_name.empty())
          out_.other_name = name;
        continue;
      }
      std::optional<std::string> text = find_inside(name);
      if (!text) continue;
      out_.text = std::move(*text);
      used = name;
      if (auto st = root.lstat(sys::RootedPath(name))) first = *st;
    }
    if (used.empty()) fail_missing(out_.is_temporary ? out_.context_name : out_.context.string());
    if (out_.is_temporary) {
      out_.name = used;
      out_.identity += "/" + used;
      return;
    }
    set_path(out_.context / used);
  }

  void set_path(const std::filesystem::path& path) {
    out_.name = path.lexically_normal().string();
    out_.identity = std::filesystem::absolute(path).lexically_normal().string();
    find_ignore_file(path);
  }

  // Only for local contexts (G1).
  void find_ignore_file(const std::filesystem::path& path) {
    if (out_.is_temporary || request_.ignore_file) return;
    std::vector<std::filesystem::path> candidates;
    if (!path.empty()) candidates.push_back(path.string() + ".dockerignore");
    candidates.push_back(out_.context / ".containerignore");
    candidates.push_back(out_.context / ".dockerignore");
    for (const std::filesystem::path& candidate : candidates) {
      out_.ignore_text = sys::find_user_file(candidate, kMostIgnoreBytes);
      out_.ignore_name = candidate.string();
      if (out_.ignore_text) return;
    }
  }

  const RecipeRequest& request_;
  Fetcher& fetcher_;
  RecipeFile out_;
};

}  // namespace

RecipeFile find_recipe(const RecipeRequest& request, Fetcher& fetcher) {
  return Finder(request, fetcher).run();
}

}  // namespace cli
