#include "cli/build/build_mounts.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/mount.h"
#include "cli/mount_options.h"

namespace cli {

namespace {

[[noreturn]] void fail(const char* flag, const std::string& text, const std::string& why) {
  throw UsageError(base::str("--", flag, " ", base::printable(text), ": ", why));
}

/// A mount of what lies at `source` on this machine, read-only and hashed.
plan::Mount host_mount(const char* flag, const std::string& text, const std::string& source,
                       const std::string& target) {
  std::filesystem::path path = std::filesystem::canonical(host_path(source, flag));
  if (sys::RootedPath(target).is_root()) fail(flag, text, "a mount cannot be at /");
  plan::FromHost from{path.string(), base::str("--", flag, " ", base::printable(text))};
  plan::Mount mount;
  mount.type = plan::Mount::Type::kBind;
  mount.target = container_path(target, flag);
  mount.source = "/";
  // Files are told by their names in the directory that holds them.
  if (!std::filesystem::is_directory(path)) {
    mount.source = "/" + path.filename().string();
    from.directory = path.parent_path().string();
  }
  mount.from = std::move(from);
  return mount;
}

// Labels of a security module we do not set, and what is always so.
bool is_always_so(const std::string& option) {
  static const std::vector<std::string> kWords = {"z",       "Z",        "exec",  "rbind",
                                                  "private", "rprivate", "nodev", "nosuid"};
  return std::find(kWords.begin(), kWords.end(), option) != kWords.end();
}

void cover(plan::Mount& mount, const std::string& text) {
  if (mount.source != "/") fail("volume", text, "O needs a directory");
  mount.read_only = false;
  std::get<plan::FromHost>(mount.from).covered = true;
}

// HOST:CONTAINER[:OPTIONS]
plan::Mount parse_volume(const std::string& text) {
  const char* flag = "volume";
  std::vector<std::string> parts = base::split(text, ':');
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty())
    fail(flag, text, "expected HOST:CONTAINER[:OPTIONS]");
  if (parts[0].find('/') == std::string::npos && parts[0] != "." && parts[0] != "..")
    fail(flag, text,
         "steps get directories and files of this machine, given as ./NAME or /PATH, and no "
         "volumes");
  plan::Mount mount = host_mount(flag, text, parts[0], parts[1]);
  if (parts.size() < 3) return mount;
  for (const std::string& option : base::split(parts[2], ',')) {
    if (option == "ro" || option == "rw")
      mount.read_only = option == "ro";
    else if (option == "nohash")
      std::get<plan::FromHost>(mount.from).hashed = false;
    else if (option == "O")
      cover(mount, text);
    else if (!is_always_so(option))
      fail(flag, text, "unknown option " + base::printable(option) + " (known: ro, rw, O, nohash)");
  }
  return mount;
}

// Keys of RUN --mount, and nohash.
plan::Mount parse_mount(const std::string& text) {
  const char* flag = "mount";
  dockerfile::MountOptions options = dockerfile::split_mount(text, {});
  size_t keys = options.options.size();
  std::erase_if(options.options,
                [](const auto& option) { return option.key == "nohash" && !option.value; });
  const bool hashed = options.options.size() == keys;
  const dockerfile::Mount given =
      dockerfile::resolve_mount(options, [](std::string_view word) { return std::string(word); });
  if (given.type == dockerfile::MountType::kSecret || given.type == dockerfile::MountType::kSsh)
    fail(flag, text,
         "secrets and agents are for the steps that ask for them: RUN --mount in the recipe, and "
         "--secret or --ssh");
  if (!given.from.empty())
    fail(flag, text, "from= is for RUN --mount in the recipe; here the source is on this machine");
  if (given.target.empty()) fail(flag, text, "target= is missing");
  const bool bind = given.type == dockerfile::MountType::kBind;
  const bool has_source =
      std::any_of(options.options.begin(), options.options.end(),
                  [](const auto& option) { return option.key == "source" || option.key == "src"; });
  if (bind && !has_source) fail(flag, text, "source= is missing");
  if (!bind && !hashed) fail(flag, text, "nohash is for type=bind");
  plan::Mount mount;
  if (bind) mount = host_mount(flag, text, given.source, given.target);
  if (bind) std::get<plan::FromHost>(mount.from).hashed = hashed;
  mount.read_only = given.read_only;
  if (bind) return mount;
  mount.type = static_cast<plan::Mount::Type>(given.type);
  mount.target = container_path(given.target, flag);
  mount.from = plan::FromNothing{};
  mount.source = given.source;
  mount.id = given.id.empty() ? mount.target : given.id;
  mount.sharing = static_cast<plan::Mount::Sharing>(given.sharing);
  mount.mode = given.mode;
  mount.uid = given.uid.value_or(0);
  mount.gid = given.gid.value_or(0);
  if (given.size_bytes > 0) mount.size_bytes = given.size_bytes;
  return mount;
}

}  // namespace

std::vector<Flag> build_mount_flags() {
  return {
      {.name = "volume",
       .letter = 'v',
       .value = "HOST:CONTAINER[:OPTIONS]",
       .help = "directory or file of this machine in every RUN, read-only and part of cache keys; "
               "options O (what a step writes goes with it), rw (it is written to this machine), "
               "nohash",
       .group = "RUN steps",
       .repeatable = true},
      {.name = "mount",
       .value = "SPEC",
       .help = "mount of every RUN: type=bind,source=S,target=T[,rw][,nohash], type=tmpfs or "
               "type=cache as in RUN --mount",
       .group = "RUN steps",
       .repeatable = true},
  };
}

std::vector<plan::Mount> parse_build_mounts(const Arguments& arguments) {
  std::vector<plan::Mount> mounts;
  for (const std::string& text : arguments.all("volume")) mounts.push_back(parse_volume(text));
  for (const std::string& text : arguments.all("mount")) {
    try {
      mounts.push_back(parse_mount(text));
    } catch (const UsageError&) {
      throw;
    } catch (base::Error& e) {
      if (e.code() != base::Code::kInvalid) throw;
      UsageError error(base::str("--mount ", base::printable(text), ": ", e.message()));
      for (const std::string& help : e.helps()) error.add_help(help);
      throw error;
    }
  }
  return mounts;
}

}  // namespace cli
