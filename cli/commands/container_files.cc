// torte cp, export, commit: the files of a container.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/tree.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/containers/container_list.h"
#include "cli/images/base_images.h"
#include "cli/images/image_changes.h"
#include "cli/output_file.h"
#include "overlay/built_layer.h"
#include "overlay/copy_tree.h"
#include "runner/container/ids.h"
#include "runner/container/life.h"
#include "runner/container/prepare.h"
#include "store/layer/extract.h"
#include "store/layer/writer.h"
#include "store/oci/reference.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

using container::Config;

/// The files of a container, running or not, for one command.
struct OpenFiles {
  std::optional<container::Claim> claim;  ///< of one that does not run
  bool foreign_ids = false;               ///< it runs with ids of its own, which are others for us
  sys::Root root;
};

OpenFiles open_files(container::Containers& containers, const std::string& id) {
  const container::Record record = containers.read(id);
  if (record.state.is_live()) {
    if (container::open_main_process(record.state)) {
      container::enter_user_namespace_of(record);
      // An ordinary user's container shows files with the ids they have on disk.
      const bool foreign =
          container::has_own_ids(record.config) && sys::userns_mode() == sys::UsernsMode::kNone;
      return {std::nullopt, foreign, container::open_running(record.state)};
    }
  }
  sys::enter_user_namespace();
  container::Claim claim = containers.claim(id);
  sys::Root root = container::mount_stopped(containers, claim, record.config);
  return {std::move(claim), false, std::move(root)};
}

/// One side of a copy.
struct Side {
  std::string container;  ///< empty: the host
  std::string path;
  sys::Root root;
  bool is_stream() const { return container.empty() && path == "-"; }
};

/// NAME:PATH, or a path of the host; one with a colon in it is written ./a:b.
Side parse_side(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || text[0] == '.' || text[0] == '/')
    return {"", text, {}};
  return {text.substr(0, colon), text.substr(colon + 1), {}};
}

sys::RootedPath path_of(const Side& side) {
  if (!side.container.empty()) return sys::RootedPath(side.path);
  return sys::RootedPath(std::filesystem::absolute(side.path).string());
}

struct CopyOptions {
  bool keep_owner = false;
  bool follow = false;
};

void copy_directory(const sys::Root& from, const sys::Root& to, const CopyOptions& options) {
  overlay::copy_tree(
      from, to,
      options.keep_owner ? std::nullopt : std::optional(std::pair(uint32_t{0}, uint32_t{0})));
}

void set_attributes(int fd, const struct stat& status, const CopyOptions& options) {
  if (options.keep_owner && ::fchown(fd, status.st_uid, status.st_gid) < 0)
    base::throw_errno("set owner");
  if (::fchmod(fd, status.st_mode & 07777) < 0) base::throw_errno("set mode");
  const timespec times[2] = {status.st_atim, status.st_mtim};
  ::futimens(fd, times);
}

void copy_file(const sys::UniqueFd& from, const struct stat& status, const sys::Root& parent,
               const std::string& name, const CopyOptions& options) {
  const sys::UniqueFd directory = parent.open_at(sys::RootedPath(), O_RDONLY | O_DIRECTORY);
  // Beside first: a copy that fails leaves what was there.
  const std::string beside = "." + name.substr(0, 200) + ".torte-" + std::to_string(::getpid());
  sys::UniqueFd to(::openat(directory.get(), beside.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!to) base::throw_errno("create " + base::printable(name));
  try {
    sys::FdSource source(from.get(), "source");
    sys::FdSink sink(to.get(), base::printable(name));
    base::copy(source, sink);
    set_attributes(to.get(), status, options);
    if (::renameat(directory.get(), beside.c_str(), directory.get(), name.c_str()) < 0)
      base::throw_errno("create " + base::printable(name));
  } catch (...) {
    ::unlinkat(directory.get(), beside.c_str(), 0);
    throw;
  }
}

/// The directory `name` below `parent`, made if need be.
sys::Root make_directory(const sys::Root& parent, const std::string& name) {
  const sys::UniqueFd directory = parent.open_at(sys::RootedPath(), O_RDONLY | O_DIRECTORY);
  if (::mkdirat(directory.get(), name.c_str(), 0755) < 0 && errno != EEXIST)
    base::throw_errno("create directory " + base::printable(name));
  return parent.subdirectory(sys::RootedPath(name));
}

base::Error missing(const std::string& path) {
  return base::Error(base::Code::kNotFound, base::printable(path) + " does not exist",
                     "copy-source-missing");
}

/// Where the copy goes: a directory that exists and a name in it; the name is empty when the
/// content of a directory goes straight into it.
struct Place {
  sys::Root parent;
  std::string name;
};

Place place_of(const Side& to, const std::string& source_name, bool source_is_directory,
               bool contents) {
  const sys::RootedPath path = to.root.resolve(path_of(to));
  const auto there = to.root.stat(path);
  if (there && S_ISDIR(there->st_mode))
    return {to.root.subdirectory(path), source_is_directory && contents ? "" : source_name};
  if (there && source_is_directory)
    throw base::Error(base::Code::kInvalid,
                      base::printable(to.path) + " is a file, and a directory cannot replace it",
                      "copy-directory-over-file");
  if (!there && to.path.ends_with('/') && !source_is_directory) throw missing(to.path);
  const auto parent = to.root.stat(path.parent());
  if (!parent || !S_ISDIR(parent->st_mode)) throw missing(path.parent().str());
  sys::Root directory = to.root.subdirectory(path.parent());
  if (!source_is_directory) return {std::move(directory), std::string(path.name())};
  // A new name for the directory: its content goes there.
  return {make_directory(directory, std::string(path.name())), ""};
}

void copy_between(const Side& from, const Side& to, const CopyOptions& options) {
  const sys::RootedPath source = path_of(from);
  const auto status = options.follow ? from.root.stat(source) : from.root.lstat(source);
  if (!status) throw missing(from.path);
  const bool contents = from.path == "." || from.path.ends_with("/.");
  const bool directory = S_ISDIR(status->st_mode);
  const Place place = place_of(to, std::string(source.name()), directory, contents);
  if (directory) {
    const sys::Root tree = from.root.subdirectory(source);
    const sys::Root target =
        place.name.empty() ? place.parent.duplicate() : make_directory(place.parent, place.name);
    copy_directory(tree, target, options);
    return;
  }
  if (S_ISLNK(status->st_mode)) {
    const sys::Root parent = from.root.subdirectory(source.parent());
    const std::string text = sys::read_link_at(parent.fd(), std::string(source.name()).c_str());
    ::unlinkat(place.parent.fd(), place.name.c_str(), 0);
    if (::symlinkat(text.c_str(), place.parent.fd(), place.name.c_str()) < 0)
      base::throw_errno("create link " + base::printable(place.name));
    return;
  }
  if (!S_ISREG(status->st_mode))
    throw base::Error(base::Code::kUnsupported,
                      base::printable(from.path) + " is neither a file, a directory nor a link",
                      "not-a-file");
  copy_file(from.root.open_at(source, O_RDONLY | (options.follow ? 0 : O_NOFOLLOW)), *status,
            place.parent, place.name, options);
}

void write_stream(Context& context, store::Store& store, const Side& from,
                  const CopyOptions& options) {
  // The tar holds the thing under its own name, so it is copied beside first.
  const store::StagingDir staging = store.create_staging("cp");
  sys::make_directories(staging / "tree", 0755);
  Side beside{"", (staging / "tree").string(), sys::Root::open("/")};
  CopyOptions keep = options;
  keep.keep_owner = true;
  copy_between(from, beside, keep);
  sys::FdSink sink(context.out_fd, "standard output");
  layer::write_tree(sys::Root::open(staging / "tree"), sink,
                    {.clamp_mtime = {}, .plain = true, .stop = {}});
}

void read_stream(Context& context, const Side& to, const CopyOptions& options) {
  const auto status = to.root.stat(path_of(to));
  if (!status || !S_ISDIR(status->st_mode))
    throw base::Error(base::Code::kInvalid,
                      base::printable(to.path) + " must be a directory that exists",
                      "copy-destination-not-directory");
  sys::FdSource source(context.in_fd, "standard input");
  layer::ArchiveOptions archive;
  archive.single_id = sys::userns_mode() == sys::UsernsMode::kSingle;
  (void)options;  // a tar says whose its files are
  layer::extract_archive(source, to.root.subdirectory(path_of(to)), archive);
}

int run_cp(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  Side from = parse_side(arguments.word(0)), to = parse_side(arguments.word(1));
  if (from.container.empty() == to.container.empty())
    throw UsageError("cp wants one path of the host and one NAME:PATH of a container");
  if ((from.container.empty() ? to.path : from.path).empty())
    throw UsageError("cp wants a path after the colon");
  Side& inside = from.container.empty() ? to : from;
  Side& outside = from.container.empty() ? from : to;
  OpenFiles files = open_files(open.containers, open.containers.get(inside.container));
  inside.root = files.root.duplicate();
  if (files.foreign_ids && (&inside == &to || outside.is_stream() || arguments.is_on("archive")))
    throw base::Error(
        base::Code::kUnsupported,
        "copying with owners from or to a running container that has ids of its own is not built",
        "foreign-ids")
        .add_help("tar -c FILES | torte exec -i NAME tar -x, or stop it first");
  const CopyOptions options{.keep_owner = arguments.is_on("archive"),
                            .follow = arguments.is_on("follow-link")};
  if (outside.is_stream()) {
    if (&outside == &to)
      write_stream(context, *open.store, from, options);
    else
      read_stream(context, to, options);
    return 0;
  }
  outside.root = sys::Root::open("/");
  copy_between(from, to, options);
  return 0;
}

/// The image's layers and what the container wrote; the init layer is no part of it.
overlay::Stack whole_stack(const container::Containers& containers, const Config& config) {
  if (!config.rootfs.empty())
    throw base::Error(base::Code::kUnsupported, "a container of --rootfs has no layers",
                      "rootfs-container");
  overlay::Stack stack = container::open_layers(containers, config);
  if (const auto upper = containers.home(config.id).upper(); std::filesystem::exists(upper))
    stack.push_back(std::make_shared<overlay::Tree>(upper, nullptr));
  return stack;
}

int run_export(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const Config config = open.containers.read(open.containers.get(arguments.word(0))).config;
  const overlay::View view(*open.store, whole_stack(open.containers, config));
  write_tar(context, arguments.get("output", "-"), view.root());
  return 0;
}

// --- commit ---

/// Stops a running container for as long as its files are read.
class PausedFor {
 public:
  PausedFor(container::Containers& containers, const std::string& id, bool wanted) {
    if (!wanted || containers.read_state(id).status != container::Status::kRunning) return;
    try {
      control_ = container::hold(containers, id);
    } catch (const base::Error& e) {
      if (e.code() != base::Code::kUnsupported) throw;
      unsupported_ = true;
    }
  }
  PausedFor(const PausedFor&) = delete;
  PausedFor& operator=(const PausedFor&) = delete;
  ~PausedFor() {
    if (!control_) return;
    try {
      control_->ask('u');
    } catch (const base::Error&) {
      // It ended meanwhile.
    }
  }
  /// It should have been paused, and this machine cannot.
  bool unsupported() const { return unsupported_; }

 private:
  std::optional<container::Control> control_;
  bool unsupported_ = false;
};

oci::ImageConfig commit_config(const Arguments& arguments, store::Store& store,
                               const Config& config) {
  oci::ImageConfig image = read_config(store, store.get_image(config.image_id));
  image.raw.clear();
  oci::ContainerConfig& run = image.config;
  run.entrypoint = config.entrypoint;
  run.cmd = config.arguments;
  run.env = config.env;
  run.user = config.user;
  run.working_dir = config.cwd == "/" ? run.working_dir : config.cwd;
  run.labels = config.labels;
  if (!config.stop_signal.empty()) run.stop_signal = config.stop_signal;
  if (config.healthcheck) run.healthcheck = config.healthcheck;
  const auto now = std::chrono::time_point_cast<std::chrono::nanoseconds>(
      std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()));
  image.created = oci::format_timestamp(now);
  image.author = arguments.get("author", image.author);
  apply_changes(image, arguments.all("change"));
  return image;
}

struct CommittedLayer {
  store::StagingDir staging;
  std::optional<layer::TarDigest> copied;
};

CommittedLayer copy_changes(container::Containers& containers, const Config& config, bool squash) {
  CommittedLayer out{containers.store().create_staging("commit"), std::nullopt};
  const std::filesystem::path tree = out.staging / "tree";
  if (::mkdir(tree.c_str(), 0755) < 0 || ::chmod(tree.c_str(), 0755) < 0)
    base::throw_errno("create " + tree.string());
  const sys::Root to = sys::Root::open(tree);
  const std::filesystem::path upper = containers.home(config.id).upper();
  if (squash) {
    const overlay::View view(containers.store(), whole_stack(containers, config));
    out.copied = overlay::copy_layer(view.root(), to, nullptr, true);
  } else if (std::filesystem::exists(upper)) {
    const overlay::View below(containers.store(), container::open_layers(containers, config));
    out.copied = overlay::copy_layer(sys::Root::open(upper), to, &below.root(), false);
  } else {
    out.copied = overlay::copy_layer(to, to, nullptr, true);  // never started: nothing changed
  }
  return out;
}

int run_commit(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  store::Store& store = *open.store;
  store::Lease lease = store.lease();
  const Config config = open.containers.read(open.containers.get(arguments.word(0))).config;
  std::vector<oci::Reference> names;
  if (!arguments.word(1).empty())
    names.push_back(oci::Reference::parse(arguments.word(1)).with_default_tag());
  if (sys::userns_mode() != sys::UsernsMode::kNone && container::has_own_ids(config))
    throw base::Error(base::Code::kUnsupported,
                      base::str("--userns ", config.userns,
                                ": what it wrote has other ids than an image's files have"),
                      "ids-differ");
  if (!config.rootfs.empty())
    throw base::Error(base::Code::kUnsupported,
                      "a container of --rootfs has no image to go on from", "rootfs-container");
  oci::ImageConfig image = commit_config(arguments, store, config);
  const bool squash = arguments.is_on("squash");
  std::optional<CommittedLayer> layer;
  {
    const PausedFor paused(open.containers, config.id, arguments.is_on("pause", true));
    if (paused.unsupported() && arguments.has("pause"))
      throw base::Error(base::Code::kUnsupported, "the container cannot be paused here",
                        "pause-unsupported");
    layer.emplace(copy_changes(open.containers, config, squash));
  }
  if (squash) {
    image.diff_ids.clear();
    image.history.clear();
  }
  image.diff_ids.push_back(layer->copied->diff_id);
  image.history.push_back({.created = image.created,
                           .created_by = "torte commit " + config.name,
                           .author = image.author,
                           .comment = arguments.get("message")});
  auto writer = store.write_blob();
  writer->write(base::as_bytes(image.bytes()));
  store::StagedBlob blob = writer->finish();
  const oci::Digest id = blob.digest();
  store::Batch batch = store.batch();
  store::LayerRecord record = overlay::built_layer(*layer->copied);
  record.tree_size_bytes = sys::disk_usage(layer->staging / "tree");
  batch.add_layer({std::move(record), layer->staging / "tree"});
  batch.add_blob(std::move(blob));
  store::ImageRecord added{.id = id};
  added.platform = image.platform.normalized().str();
  added.created = std::chrono::time_point_cast<store::Time::duration>(
      oci::parse_timestamp(image.created).value());
  added.layers = image.diff_ids;
  batch.add_image(std::move(added));
  for (const oci::Reference& name : names) batch.set_name({.name = name.str()}, id);
  batch.commit();
  context.out(id.str() + "\n");
  return 0;
}

}  // namespace

const std::vector<const Command*>& container_file_commands() {
  static const Command kCopy{
      .name = "cp",
      .aliases = {"container cp"},
      .summary = "copy files from and to a container",
      .usage = "[FLAGS] CONTAINER:SOURCE TARGET|- | SOURCE|- CONTAINER:TARGET",
      .about =
          "Works on running and on stopped containers. A directory that exists takes the source "
          "under "
          "its own name, or with SOURCE/. its content. With - a tar is written to or read from the "
          "standard streams. Links of the container never lead out of it.",
      .group = "containers",
      .flags = {{.name = "archive",
                 .letter = 'a',
                 .help = "keep owners (otherwise: yours, or the container's root)",
                 .common = true},
                {.name = "follow-link",
                 .letter = 'L',
                 .help = "copy what SOURCE points to",
                 .common = true}},
      .examples = {{"torte cp web:/var/log/app.log .", "a file out of it"},
                   {"torte cp ./conf/. web:/etc/app", "the content of a directory into it"}},
      .positionals = {2, 2},
      .run = run_cp,
      .in_user_namespace = false,
  };
  static const Command kExport{
      .name = "export",
      .aliases = {"container export"},
      .summary = "write all files of a container as a tar",
      .usage = "[FLAGS] CONTAINER",
      .about =
          "What the image has and what the container wrote; volumes and what torte itself put in "
          "place "
          "are left out.",
      .group = "containers",
      .flags = {{.name = "output",
                 .letter = 'o',
                 .value = "FILE",
                 .help = "write there (default: standard output)",
                 .common = true}},
      .positionals = {1, 1},
      .run = run_export,
  };
  static const Command kCommit{
      .name = "commit",
      .aliases = {"container commit"},
      .summary = "make an image of what a container wrote",
      .usage = "[FLAGS] CONTAINER [NAME]",
      .about =
          "The image's layers and one more with the container's changes; volumes are left out. A "
          "running container is paused meanwhile where that is possible.",
      .group = "containers",
      .flags =
          {{.name = "change",
            .letter = 'c',
            .value = "INSTRUCTION",
            .help = "as in a recipe: 'CMD [\"app\"]'",
            .repeatable = true,
            .common = true},
           {.name = "message", .letter = 'm', .value = "TEXT", .help = "comment of the new layer"},
           {.name = "author", .letter = 'a', .value = "NAME", .help = "author of the image"},
           {.name = "pause",
            .letter = 'p',
            .help = "pause it meanwhile (default: where possible)",
            .negatable = true},
           {.name = "squash", .letter = 's', .help = "one layer with everything"}},
      .positionals = {1, 2},
      .run = run_commit,
  };
  static const std::vector<const Command*> kCommands = {&kCopy, &kExport, &kCommit};
  return kCommands;
}

}  // namespace cli
