#include "builder/solve/run_mounts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "builder/solve/agent_forwarder.h"
#include "builder/solve/copier.h"
#include "builder/solve/copy_step.h"

namespace solve {

namespace {

sys::UniqueFd open_path(const std::filesystem::path& path) {
  sys::UniqueFd fd(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) base::throw_errno("open " + path.string());
  return fd;
}

// The mount lives as long as one of its descriptors.
sys::UniqueFd duplicate(int fd) {
  sys::UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) base::throw_errno("duplicate descriptor");
  return copy;
}

context::Node& find_source(const plan::Mount& mount, const SourceTree& source) {
  context::Node* node = source.files->find(sys::RootedPath(mount.source), true);
  if (node == nullptr)
    throw base::Error(base::Code::kNotFound,
                      base::str("mount source \"", base::printable(mount.source),
                                "\" not found in ", source.shown),
                      "mount-source-missing");
  return *node;
}

// Copies what a mount shows of a context into a directory of its own: neither ignored files nor
// owners of the context show through, and what a step writes is gone with it.
std::shared_ptr<overlay::Active> snapshot(store::Store& store, const SourceTree& source,
                                          context::Node& node) {
  auto active = std::make_shared<overlay::Active>(store, overlay::Stack(), "mount");
  CopyRules rules;
  rules.keep_owner = source.keep_owner;
  Copier copier(*source.files, *active, rules);
  overlay::Target target = active->target();
  if (node.is_directory()) {
    copier.copy_contents(node, target);
    copier.copy_parent(node, target, true);
  } else {
    copier.copy(node, target, "file");
  }
  return active;
}

}  // namespace

void define_bind(const plan::Mount& mount, const SourceTree& source,
                 cache::Definition& definition) {
  plan::CopyStep as_copy;
  as_copy.sources = {mount.source.empty() ? "/" : mount.source};
  Selection selection{mount.source, {&find_source(mount, source)}};
  define_files(as_copy, *source.files, {selection}, source.keep_owner, definition);
}

// As it lies there, with its owners and what is mounted below it: what a step may write, it writes
// there, unless a layer covers it that goes with the step.
PreparedMount MountPreparer::prepare_host(const plan::Mount& mount, const plan::FromHost& from) {
  PreparedMount prepared;
  prepared.mount.kind = launch::Mount::Kind::kBind;
  prepared.mount.target = sys::RootedPath(mount.target);
  prepared.mount.read_only = mount.read_only;
  if (from.covered) {
    prepared.mount.source_is_detached = true;
    base::with_context(from.flag, [&] {
      bind_layers(mount, {std::make_shared<overlay::Tree>(from.directory, nullptr)}, prepared);
    });
    return prepared;
  }
  prepared.mount.recursive = true;
  prepared.mount.source = base::with_context(from.flag, [&] {
    return open_path(
        (std::filesystem::path(from.directory) / mount.source.substr(1)).lexically_normal());
  });
  return prepared;
}

PreparedMount MountPreparer::prepare_bind(const plan::Mount& mount) {
  if (const auto* host = std::get_if<plan::FromHost>(&mount.from))
    return prepare_host(mount, *host);
  PreparedMount prepared;
  prepared.mount.kind = launch::Mount::Kind::kBind;
  prepared.mount.target = sys::RootedPath(mount.target);
  prepared.mount.read_only = mount.read_only;
  SourceTree source = open_source_(mount.from);
  context::Node& node = find_source(mount, source);
  if (source.stack) {
    prepared.mount.source_path = node.path();
    prepared.mount.source_is_detached = true;
    bind_layers(mount, std::move(*source.stack), prepared);
    return prepared;
  }
  std::shared_ptr<overlay::Active> copy = snapshot_of(mount, source, node);
  prepared.mount.source = open_path(copy->staging().path() / "tree");
  if (!node.is_directory()) prepared.mount.source_path = sys::RootedPath("/file");
  prepared.keep = copy;
  return prepared;
}

// Layers are shown as they are, through a mount of their own: read-only, or with a writable layer
// that goes with the step.
void MountPreparer::bind_layers(const plan::Mount& mount, overlay::Stack stack,
                                PreparedMount& prepared) {
  if (mount.read_only) {
    prepared.make_source = [this, stack = std::move(stack)] {
      return duplicate(overlay::View(store_, stack).root().fd());
    };
    return;
  }
  auto writable = std::make_shared<std::vector<overlay::Active>>();
  prepared.make_source = [this, stack = std::move(stack), writable] {
    return duplicate(writable->emplace_back(store_, stack, "mount").merged().fd());
  };
  prepared.keep = writable;
}

std::shared_ptr<overlay::Active> MountPreparer::snapshot_of(const plan::Mount& mount,
                                                            const SourceTree& source,
                                                            context::Node& node) {
  if (!mount.read_only) return snapshot(store_, source, node);
  const auto* named = std::get_if<plan::FromNamed>(&mount.from);
  const std::string key = base::str(named != nullptr ? named->name : "", "\n", node.path().str());
  {
    std::lock_guard lock(snapshots_mutex_);
    if (auto known = snapshots_.find(key); known != snapshots_.end()) return known->second;
  }
  // Nobody else makes the same one meanwhile: whoever has the source is alone with it.
  std::shared_ptr<overlay::Active> copy = snapshot(store_, source, node);
  std::lock_guard lock(snapshots_mutex_);
  return snapshots_[key] = std::move(copy);
}

std::string MountPreparer::cache_key(const plan::Mount& mount) const {
  return CacheMounts::key(options_.cache_mount_namespace, mount.id,
                          source_key_(mount.from).value_or(""));
}

// Always in the same order, so that no two steps wait for each other's.
void MountPreparer::hold_caches(const std::vector<plan::Mount>& mounts) {
  std::map<std::string, sys::FileLock::Mode> modes;
  for (const plan::Mount& mount : mounts) {
    if (mount.type != plan::Mount::Type::kCache || mount.sharing == plan::Mount::Sharing::kPrivate)
      continue;
    auto [mode, first] = modes.emplace(cache_key(mount), sys::FileLock::Mode::kShared);
    if (mount.sharing == plan::Mount::Sharing::kLocked)
      mode->second = sys::FileLock::Mode::kExclusive;
  }
  for (const auto& [key, mode] : modes)
    held_.emplace(
        key, std::make_shared<CacheMounts::Held>(caches_.hold(key, mode, options_.stop, waiting_)));
}

// Owner and mode count for a cache that is made. One that is there stays as it is.
void MountPreparer::compare_cache(const plan::Mount& mount, const struct stat& st) const {
  const bool asks_owner = mount.uid != 0 || mount.gid != 0;
  const bool same_owner = !asks_owner || (st.st_uid == mount.uid && st.st_gid == mount.gid);
  const bool same_mode = !mount.mode || *mount.mode == (st.st_mode & 07777);
  if (same_owner && same_mode) return;
  warn_(base::str("the cache mount ", base::printable(mount.id, 200),
                  " is there already, with other owner or mode "
                  "than this step asks for; torte cache rm makes room for a new one"));
}

void MountPreparer::create_cache(const plan::Mount& mount, const std::filesystem::path& directory) {
  sys::FileLock creating = caches_.creating();
  struct stat st;
  if (::lstat((directory / "tree").c_str(), &st) == 0) return compare_cache(mount, st);
  sys::make_directories(directory);
  std::shared_ptr<overlay::Active> content;
  if (!std::holds_alternative<plan::FromNothing>(mount.from)) {
    SourceTree source = open_source_(mount.from);
    content = snapshot(store_, source, find_source(mount, source));
  } else {
    content = std::make_shared<overlay::Active>(store_, overlay::Stack(), "cache-mount");
  }
  std::filesystem::path tree = content->staging().path() / "tree";
  if (::chown(tree.c_str(), mount.uid, mount.gid) < 0 ||
      ::chmod(tree.c_str(), mount.mode.value_or(0755)) < 0)
    base::throw_errno("set owner of cache mount");
  sys::write_file_durably(directory / "id", mount.id, 0600);
  if (::rename(tree.c_str(), (directory / "tree").c_str()) < 0)
    base::throw_errno("create cache mount");
}

PreparedMount MountPreparer::prepare_cache(const plan::Mount& mount) {
  PreparedMount prepared;
  prepared.mount.kind = launch::Mount::Kind::kBind;
  prepared.mount.target = sys::RootedPath(mount.target);
  prepared.mount.read_only = mount.read_only;
  std::shared_ptr<CacheMounts::Held> held =
      mount.sharing == plan::Mount::Sharing::kPrivate
          ? std::make_shared<CacheMounts::Held>(caches_.hold_free_copy(cache_key(mount)))
          : held_.at(cache_key(mount));
  create_cache(mount, held->directory);
  prepared.mount.source = open_path(held->directory / "tree");
  if (!mount.source.empty() && mount.source != "/" &&
      std::holds_alternative<plan::FromNothing>(mount.from))
    prepared.mount.source_path = sys::RootedPath(mount.source);
  prepared.keep = std::move(held);
  return prepared;
}

void MountPreparer::prepare_secret(const plan::Mount& mount, RunEnvironment& environment) {
  auto found = options_.secrets.find(mount.id);
  if (found == options_.secrets.end()) {
    if (mount.required)
      throw base::Error(
          base::Code::kNotFound,
          "secret \"" + base::printable(mount.id) + "\" is required but was not given",
          "secret-missing")
          .add_help("give it with --secret id=" + base::printable(mount.id) + ",src=FILE");
    return;
  }
  if (!mount.env.empty()) environment.secret_env.push_back(mount.env + "=" + found->second);
  if (mount.target.empty()) return;
  PreparedMount prepared;
  prepared.mount.kind = launch::Mount::Kind::kFile;
  prepared.mount.target = sys::RootedPath(mount.target);
  prepared.mount.read_only = true;
  prepared.mount.content = found->second;
  prepared.mount.mode = mount.mode.value_or(0400);
  prepared.mount.uid = mount.uid;
  prepared.mount.gid = mount.gid;
  environment.mounts.push_back(std::move(prepared));
}

void MountPreparer::prepare_ssh(const plan::Mount& mount, RunEnvironment& environment) {
  auto found = options_.ssh_agents.find(mount.id);
  if (found == options_.ssh_agents.end()) {
    if (mount.required)
      throw base::Error(
          base::Code::kNotFound,
          "SSH agent \"" + base::printable(mount.id) + "\" is required but was not given",
          "ssh-missing")
          .add_help("give it with --ssh " + base::printable(mount.id));
    return;
  }
  // The socket lies in a staging directory, which goes after the forwarder.
  struct Kept {
    store::StagingDir directory;
    AgentForwarder forwarder;
  };
  store::StagingDir directory = store_.create_staging("ssh");
  std::filesystem::path path = directory.path();
  auto kept = std::shared_ptr<Kept>(new Kept{
      std::move(directory),
      {path, found->second, mount.uid, mount.gid, static_cast<mode_t>(mount.mode.value_or(0600))}});
  PreparedMount prepared;
  prepared.mount.kind = launch::Mount::Kind::kBind;
  prepared.mount.target = sys::RootedPath(mount.target);
  prepared.mount.source = kept->forwarder.open();
  prepared.keep = kept;
  environment.mounts.push_back(std::move(prepared));
  auto has_socket = [](const std::string& variable) {
    return variable.starts_with("SSH_AUTH_SOCK=");
  };
  if (std::none_of(environment.secret_env.begin(), environment.secret_env.end(), has_socket))
    environment.secret_env.push_back("SSH_AUTH_SOCK=" + mount.target);
}

void MountPreparer::prepare(const std::vector<plan::Mount>& mounts, RunEnvironment& environment) {
  hold_caches(mounts);
  for (const plan::Mount& mount : mounts) {
    try {
      prepare_one(mount, environment);
    } catch (base::Error& e) {
      if (!e.place() && !mount.where.file.empty()) e.set_place({mount.where, nullptr, "", ""});
      throw;
    }
  }
}

void MountPreparer::prepare_one(const plan::Mount& mount, RunEnvironment& environment) {
  switch (mount.type) {
    case plan::Mount::Type::kBind:
      environment.mounts.push_back(prepare_bind(mount));
      return;
    case plan::Mount::Type::kCache:
      environment.mounts.push_back(prepare_cache(mount));
      return;
    case plan::Mount::Type::kTmpfs: {
      PreparedMount prepared;
      prepared.mount.kind = launch::Mount::Kind::kTmpfs;
      prepared.mount.read_only = mount.read_only;
      prepared.mount.target = sys::RootedPath(mount.target);
      prepared.mount.size_bytes = mount.size_bytes.value_or(0);
      prepared.mount.mode = mount.mode.value_or(01777);
      prepared.mount.devices = true;  // as the reference mounts it; a step cannot make device nodes
      environment.mounts.push_back(std::move(prepared));
      return;
    }
    case plan::Mount::Type::kSecret:
      prepare_secret(mount, environment);
      return;
    case plan::Mount::Type::kSsh:
      prepare_ssh(mount, environment);
      return;
  }
}

}  // namespace solve
