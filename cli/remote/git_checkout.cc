#include "cli/remote/git_checkout.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <map>

#include "base/error.h"
#include "base/sys/process.h"
#include "base/sys/tree.h"
#include "base/text.h"

namespace cli {

namespace {

using dockerfile::GitReference;

bool is_commit(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Runs git with an environment of ours.
class Git {
 public:
  Git(const GitReference& reference, const GitAccess& access)
      : shown_(base::printable(dockerfile::without_userinfo(reference.remote), 200)) {
    for (const char* name :
         {"PATH", "HOME", "TMPDIR", "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
          "ALL_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"})
      if (const char* value = ::getenv(name)) environment_.push_back(base::str(name, "=", value));
    for (const char* fixed :
         {"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
          "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false", "GIT_PAGER=cat", "LC_ALL=C",
          "GIT_ALLOW_PROTOCOL=http:https:ssh:git", "GIT_LFS_SKIP_SMUDGE=1",
          "GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ForwardAgent=no"})
      environment_.emplace_back(fixed);
    if (!access.ssh_agent.empty()) environment_.push_back("SSH_AUTH_SOCK=" + access.ssh_agent);
    set("core.hooksPath", "/dev/null");
    set("core.fsmonitor", "false");
    set("core.autocrlf", "false");
    set("advice.detachedHead", "false");
    set("gc.auto", "0");
    set("fetch.fsckObjects", "true");
    set("protocol.ext.allow", "never");
    set("init.defaultBranch", "main");
    if (!access.authorization.empty()) {
      // In the environment: other users can read a command line.
      size_t host = reference.remote.find("://");
      size_t path = host == std::string::npos ? host : reference.remote.find('/', host + 3);
      set("http." + dockerfile::without_userinfo(reference.remote.substr(0, path)) +
              "/.extraHeader",
          "Authorization: " + access.authorization);
    }
  }

  // Returns what it printed, errors included.
  sys::ExitStatus run(std::vector<std::string> arguments, std::string& output) const {
    arguments.insert(arguments.begin(), "git");
    std::vector<std::string> environment = environment_;
    environment.push_back(base::str("GIT_CONFIG_COUNT=", settings_));
    try {
      return sys::run_program(arguments, &output, &environment);
    } catch (const base::SystemError& e) {
      if (e.error_number() != ENOENT) throw;
      throw base::Error(base::Code::kUnsupported, "git repositories need the program git", "no-git")
          .add_help("install Debian's package git");
    }
  }

  bool succeeds(const std::vector<std::string>& arguments) const {
    std::string output;
    return run(arguments, output).shell_status() == 0;
  }

  std::string must(const std::vector<std::string>& arguments, const char* what) const {
    std::string output;
    if (run(arguments, output).shell_status() == 0) return output;
    base::Error error(base::Code::kUnavailable, base::str(what, " ", shown_, " failed"),
                      "git-failed");
    int lines = 0;
    for (const std::string& line : base::split(output, '\n'))
      if (!base::trim(line).empty() && ++lines <= 3)
        error.add_fact("git: " + base::printable(line, 200));
    throw error;
  }

  const std::string& shown() const { return shown_; }

 private:
  void set(const std::string& key, const std::string& value) {
    environment_.push_back(base::str("GIT_CONFIG_KEY_", settings_, "=", key));
    environment_.push_back(base::str("GIT_CONFIG_VALUE_", settings_, "=", value));
    ++settings_;
  }

  std::string shown_;
  std::vector<std::string> environment_;
  int settings_ = 0;
};

using Refs = std::map<std::string, std::string, std::less<>>;

Refs list_remote(const Git& git, const GitReference& reference) {
  std::vector<std::string> arguments = {"ls-remote", "--quiet", "--", reference.remote};
  if (reference.ref.empty()) {
    arguments.emplace_back("HEAD");
  } else {
    arguments.push_back(reference.ref);
    arguments.push_back(reference.ref + "^{}");
  }
  Refs refs;
  for (const std::string& line : base::split(git.must(arguments, "asking"), '\n')) {
    size_t tab = line.find('\t');
    if (tab != std::string::npos && is_commit(line.substr(0, tab)))
      refs[line.substr(tab + 1)] = line.substr(0, tab);
  }
  return refs;
}

std::vector<std::string> candidates(const GitReference& reference) {
  if (reference.ref.empty()) return {"HEAD"};
  const std::string& ref = reference.ref;
  std::vector<std::string> tags = {"refs/tags/" + ref};
  std::vector<std::string> branches = {"refs/heads/" + ref};
  switch (reference.ref_kind) {
    case GitReference::RefKind::kTag:
      return tags;
    case GitReference::RefKind::kBranch:
      return branches;
    case GitReference::RefKind::kAny:
      break;
  }
  return {ref, tags[0], branches[0]};
}

// What the umask and the repository's modes left to chance is set: git knows 0644 and 0755 only.
void normalise_modes(const std::filesystem::path& directory) {
  namespace fs = std::filesystem;
  auto set = [](const fs::path& path, mode_t mode) {
    if (::fchmodat(AT_FDCWD, path.c_str(), mode, 0) < 0)
      base::throw_errno("chmod " + path.string());
  };
  set(directory, 0755);
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
    struct stat st;
    if (::lstat(entry.path().c_str(), &st) < 0)
      base::throw_errno("look at " + entry.path().string());
    if (S_ISDIR(st.st_mode)) set(entry.path(), 0755);
    if (S_ISREG(st.st_mode)) set(entry.path(), (st.st_mode & 0100) != 0 ? 0755 : 0644);
  }
}

void set_times(const std::filesystem::path& directory, int64_t seconds) {
  namespace fs = std::filesystem;
  timespec times[2] = {{seconds, 0}, {seconds, 0}};
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory))
    if (::utimensat(AT_FDCWD, entry.path().c_str(), times, AT_SYMLINK_NOFOLLOW) < 0)
      base::throw_errno("set time of " + entry.path().string());
}

void remove_git_directories(const std::filesystem::path& directory) {
  namespace fs = std::filesystem;
  std::vector<fs::path> found;
  for (auto at = fs::recursive_directory_iterator(directory);
       at != fs::recursive_directory_iterator(); ++at)
    if (at->path().filename() == ".git") {
      found.push_back(at->path());
      at.disable_recursion_pending();
    }
  for (const fs::path& path : found) sys::remove_tree(path);
}

// Level by level, so that each submodule can be asked about before it is fetched.
void fetch_submodules(const Git& git, const std::filesystem::path& directory,
                      const GitCheckoutOptions& options) {
  constexpr const char* kWhat = "fetching submodules of";
  if (!std::filesystem::exists(std::filesystem::symlink_status(directory / ".gitmodules"))) return;
  const std::string at = directory.string();
  git.must({"-C", at, "submodule", "--quiet", "init"}, kWhat);
  std::string settings;
  git.run({"-C", at, "config", "--null", "--get-regexp", "^submodule\\..*\\.url$"},
          settings);  // 1: there are none
  for (const std::string& setting : base::split(settings, '\0')) {
    const size_t end = setting.find('\n');
    if (end == std::string::npos || !options.submodule) continue;
    const std::string remote = setting.substr(end + 1);
    const std::string taken = options.submodule(remote);
    if (taken != remote) git.must({"-C", at, "config", setting.substr(0, end), taken}, kWhat);
  }
  if (!git.succeeds({"-C", at, "submodule", "--quiet", "update",
                     "--depth=1"}))  // not every server is shallow
    git.must({"-C", at, "submodule", "--quiet", "update"}, kWhat);
  for (const std::string& entry :
       base::split(git.must({"-C", at, "ls-files", "--stage", "-z"}, kWhat), '\0')) {
    const size_t tab = entry.find('\t');
    if (!entry.starts_with("160000 ") || tab == std::string::npos) continue;
    const std::filesystem::path below = directory / entry.substr(tab + 1);
    if (std::filesystem::exists(std::filesystem::symlink_status(below / ".git")))
      fetch_submodules(git, below, options);
  }
}

}  // namespace

GitCommit resolve_git(const GitReference& reference, const GitAccess& access) {
  Git git(reference, access);
  GitCommit commit;
  if (is_commit(reference.ref)) {
    commit.id = reference.ref;
  } else if (reference.fetch_by_commit && is_commit(reference.checksum)) {
    commit.id = reference.checksum;
  } else {
    Refs refs = list_remote(git, reference);
    for (const std::string& name : candidates(reference)) {
      auto found = refs.find(name);
      if (found == refs.end()) continue;
      auto peeled = refs.find(name + "^{}");
      commit.id = peeled == refs.end() ? found->second : peeled->second;
      commit.name = name;
      break;
    }
    if (commit.id.empty())
      throw base::Error(base::Code::kNotFound,
                        base::str("repository ", git.shown(), " has no ",
                                  reference.ref.empty() ? "HEAD" : base::printable(reference.ref)),
                        "git-ref-missing");
  }
  if (!commit.id.starts_with(reference.checksum))
    throw base::Error(base::Code::kCorrupt,
                      base::str("repository ", git.shown(), ": ",
                                reference.ref.empty() ? "HEAD" : base::printable(reference.ref),
                                " is commit ", commit.id, ", not ", reference.checksum),
                      "git-checksum");
  return commit;
}

std::optional<int64_t> work_tree_time(const std::filesystem::path& directory) {
  Git git({}, {});
  std::string output;
  // cat-file alone: it shows an object and looks at nothing that the repository could have set.
  if (git.run({"-C", directory.string(), "cat-file", "commit", "HEAD"}, output).shell_status() != 0)
    return std::nullopt;
  for (const std::string& line : base::split(output, '\n')) {
    if (!line.starts_with("committer ")) continue;
    std::vector<std::string> words = base::split(line, ' ');
    if (words.size() < 3) return std::nullopt;
    std::optional<uint64_t> seconds = base::parse_decimal(words[words.size() - 2]);
    if (seconds) return static_cast<int64_t>(*seconds);
  }
  return std::nullopt;
}

int64_t check_out_git(const GitReference& reference, const GitCommit& commit,
                      const std::filesystem::path& directory, const GitCheckoutOptions& options) {
  Git git(reference, options.access);
  std::string at = directory.string();
  auto in = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"-C", at});
    return arguments;
  };
  git.must(in({"init", "--quiet"}), "preparing");
  git.must(in({"remote", "add", "origin", dockerfile::without_userinfo(reference.remote)}),
           "preparing");
  const std::string& wanted = commit.name.empty() ? commit.id : commit.name;
  // Not every server is shallow, and not every one gives a commit by its id.
  bool fetched =
      git.succeeds(
          in({"fetch", "--quiet", "--depth=1", "--no-tags", "--", reference.remote, wanted})) ||
      git.succeeds(in({"fetch", "--quiet", "--no-tags", "--", reference.remote, wanted}));
  if (!fetched || !git.succeeds(in({"cat-file", "-e", commit.id + "^{commit}"})))
    git.must(in({"fetch", "--quiet", "--tags", "--", reference.remote,
                 "+refs/heads/*:refs/remotes/origin/*"}),
             "fetching");
  git.must(in({"checkout", "--quiet", "--force", "--detach", commit.id}), "checking out");
  if (reference.submodules.value_or(true)) fetch_submodules(git, directory, options);
  std::string time = git.must(in({"log", "-1", "--format=%ct", commit.id}), "reading");
  std::optional<uint64_t> seconds = base::parse_decimal(base::trim(time));
  if (!options.keep_git_dir) remove_git_directories(directory);
  normalise_modes(directory);
  if (reference.commit_times && seconds) set_times(directory, static_cast<int64_t>(*seconds));
  return static_cast<int64_t>(seconds.value_or(0));
}

}  // namespace cli
