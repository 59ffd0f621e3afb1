// torte mount, umount: an image or a container as a directory.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/containers/network_options.h"
#include "cli/context.h"
#include "cli/error_view.h"
#include "cli/images/image_mounts.h"
#include "cli/images/open_store.h"
#include "cli/images/registries.h"
#include "cli/table.h"
#include "runner/container/prepare.h"

namespace cli {

namespace {

using Json = nlohmann::json;

// A user namespace of our own would end, with all its mounts, when this command does.
void require_lasting_mounts(const Arguments& arguments) {
  if (::geteuid() == 0) return;
  throw base::Error(base::Code::kUnsupported,
                    "an ordinary user's mounts live in a user namespace only",
                    "mount-needs-unshare")
      .add_help(base::str("run `torte unshare`, and torte ", arguments.command().name,
                          " in the shell it gives you"));
}

std::string name_of_mounted(const Context& context, store::Store& store, const std::string& what) {
  if (const std::string id = container::joined_container(what); !id.empty()) {
    const container::Containers containers(store.layout(), &store, network_state(context));
    return containers.find(id) ? containers.read(id).config.name : what;
  }
  const auto image = store.find_image_by_id(oci::Digest::parse(what));
  return image && !image->names.empty() ? image->names.front().name : what;
}

int list_mounts(const Context& context, const Arguments& arguments) {
  Table table({"NAME", "PATH"});
  Json items = Json::array();
  if (auto store = find_store(context)) {
    ImageMounts mounts(store->layout());
    for (const ImageMount& mount : mounts.all()) {
      const std::string name = name_of_mounted(context, *store, mount.record.image);
      table.add({name, mount.point});
      items.push_back({{"image", mount.record.image}, {"name", name}, {"path", mount.point}});
    }
  }
  print_listing(context, table, items, arguments.get("format"));
  return 0;
}

// A directory of our own for what was given none; the one it already has, if any. `mount` is told
// where.
std::string mount_anywhere(const Context& context, const ImageMounts& mounts,
                           const std::string& what,
                           const std::function<std::string(const std::filesystem::path&)>& mount) {
  const std::filesystem::path point =
      context.run_root / "mounts" / what.substr(what.find(':') + 1, 32);
  for (const ImageMount& known : mounts.all())
    if (known.record.made_directory && known.record.image == what) return known.point;
  sys::make_directories(point);
  return mount(point);
}

int run_mount(Context& context, const Arguments& arguments) {
  require_lasting_mounts(arguments);
  if (arguments.words().empty()) return list_mounts(context, arguments);
  auto store = open_store(context, arguments);
  container::Containers containers(store->layout(), store.get(), network_state(context));
  ImageMounts mounts(store->layout());
  store::Lease lease = store->lease();
  const std::string word = arguments.word(0);
  const Unpacking unpacking = !arguments.has("lazy")    ? Unpacking::kIfNeeded
                              : arguments.is_on("lazy") ? Unpacking::kNever
                                                        : Unpacking::kAlways;
  const bool own = arguments.words().size() == 1;
  // A container first, as with inspect.
  const std::optional<std::string> container = containers.find(word);
  const std::optional<store::ImageRecord> image =
      container ? std::nullopt : std::optional(store->get_image(word));
  auto mount = [&](const std::filesystem::path& point) {
    return container ? mounts.mount_container(containers, *container, point, own)
                     : mounts.mount(*store, *image, point, own, unpacking);
  };
  if (own)
    context.out(mount_anywhere(context, mounts,
                               container ? mounted_container(*container) : image->id.str(), mount) +
                "\n");
  else
    mount(arguments.word(1));
  return 0;
}

// A directory, or an image: all its mounts.
std::vector<ImageMount> chosen(const Context& context, const ImageMounts& mounts,
                               const std::string& word) {
  std::error_code absent;
  // A packed image whose server was killed can still be named.
  const bool directory =
      std::filesystem::is_directory(word, absent) || absent == std::errc::not_connected;
  if (directory)
    if (const ImageMount* mount = mounts.at(word)) return {*mount};
  std::vector<ImageMount> found;
  auto store = find_store(context);
  const auto container =
      store ? container::Containers(store->layout(), store.get(), network_state(context)).find(word)
            : std::nullopt;
  const auto image = store && !container ? store->find_image(word) : std::nullopt;
  const std::string what = container ? mounted_container(*container) : image ? image->id.str() : "";
  for (const ImageMount& mount : mounts.all())
    if (mount.record.image == what) found.push_back(mount);
  if (!found.empty()) return found;
  const std::string shown = base::printable(word);
  if (image || container)
    throw base::Error(base::Code::kNotFound,
                      (image ? "image " : "container ") + shown + " is not mounted", "not-mounted");
  if (directory)
    throw base::Error(base::Code::kNotFound, shown + " is not mounted by torte", "not-mounted")
        .add_help("torte mount without arguments lists what is");
  throw base::Error(base::Code::kNotFound,
                    shown + " is neither a directory nor a container or image", "not-mounted");
}

// The store cannot be opened, perhaps as its file system is gone, and its mounts hold on to it.
// Their records are forgotten when the store can be read again.
void umount_without_store(const Context& context, const Arguments& arguments) {
  for (const std::string& point : mounts_by_source(context.root)) {
    const auto& words = arguments.words();
    auto is_it = [&](const std::string& word) {
      return std::filesystem::absolute(word).lexically_normal() == point;
    };
    if (!arguments.is_on("all") && std::none_of(words.begin(), words.end(), is_it)) continue;
    take_away_mount(point, arguments.is_on("force"));
    context.out(base::printable(point) + " is unmounted\n");
  }
}

int run_umount(Context& context, const Arguments& arguments) {
  require_lasting_mounts(arguments);
  const bool all = arguments.is_on("all");
  if (all == !arguments.words().empty())
    throw UsageError("umount takes directories, containers or images, or --all");
  const store::Layout layout(context.root);
  std::error_code unreadable;
  if (all && !std::filesystem::exists(layout.version(), unreadable) && !unreadable) return 0;
  std::optional<ImageMounts> opened;
  try {
    opened.emplace(open_store(context)->layout());
  } catch (const base::Error&) {
    umount_without_store(context, arguments);
    throw;
  }
  ImageMounts& mounts = *opened;
  std::vector<ImageMount> list;
  if (all) list = {mounts.all().rbegin(), mounts.all().rend()};  // one may lie in another
  for (const std::string& word : arguments.words())
    for (ImageMount& mount : chosen(context, mounts, word)) list.push_back(std::move(mount));
  int status = 0;
  for (const ImageMount& mount : list) {
    try {
      mounts.unmount(mount, arguments.is_on("force"));
    } catch (const base::Error& e) {
      print_error(context, e);
      status = 1;
    }
  }
  return status;
}

}  // namespace

const Command& mount_command() {
  static const Command kCommand{
      .name = "mount",
      .aliases = {"image mount", "container mount"},
      .summary = "show the files of an image or container as a directory",
      .usage = "[FLAGS] [CONTAINER|IMAGE [DIR]]",
      .about =
          "Mounts an image read-only on DIR, without devices and set-id programs, until torte "
          "umount or the next start of the machine. Without DIR a directory of torte's own is "
          "used and its path printed; without a name the mounts there are are listed. A mounted "
          "image's layers stay, even when the image is removed. What was pulled or loaded with "
          "--lazy "
          "is not unpacked for that: a process of torte's own reads its files out of the layers, "
          "as "
          "long as the mount is there. A container, running or not, is mounted "
          "to be read and written; while it is, it is neither started nor removed, and tmpfs and "
          "volumes in it are not shown. Ordinary users do this within torte unshare, with "
          "containers "
          "that do not run.",
      .group = "images",
      .flags =
          with_registry_flags({{.name = "lazy",
                                .help = "never unpack: read files out of a packed image "
                                        "(--no-lazy: unpack it; default: as FUSE is to be had)",
                                .negatable = true,
                                .common = true},
                               {.name = "format",
                                .value = "FORMAT",
                                .help = "of the list: table, json, or a template",
                                .common = true}}),
      .examples = {{"torte mount app /mnt", "look at it below /mnt"},
                   {"ls $(torte mount app)", "on a directory that torte chooses"},
                   {"cp app.conf $(torte mount web)/etc", "a file for a container"}},
      .positionals = {0, 2},
      .run = run_mount,
      .in_user_namespace = false,
  };
  return kCommand;
}

const Command& umount_command() {
  static const Command kCommand{
      .name = "umount",
      .aliases = {"unmount", "image umount", "image unmount", "container umount",
                  "container unmount"},
      .summary = "take away what torte mount made",
      .usage = "[FLAGS] DIR|CONTAINER|IMAGE..",
      .about =
          "When the store cannot be written or read any more, DIR and --all still work: its mounts "
          "are found in the kernel's table. The status is 1 then.",
      .group = "images",
      .flags = {{.name = "all", .letter = 'a', .help = "every mount of this store", .common = true},
                {.name = "force",
                 .letter = 'f',
                 .help = "also while in use: gone from sight now, and whole with its last user",
                 .common = true}},
      .examples = {{"torte umount /mnt", "by its directory"}, {"torte umount --all", "everything"}},
      .positionals = {0, Positionals::kAny},
      .run = run_umount,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
