// torte mount, umount: an image as a directory to look at.
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/error_view.h"
#include "cli/image_mounts.h"
#include "cli/open_store.h"
#include "cli/table.h"

namespace cli {

namespace {

using Json = nlohmann::json;

// A user namespace of our own would end, with all its mounts, when this command does.
void require_lasting_mounts(const Arguments& arguments) {
  if (::geteuid() == 0) return;
  throw base::Error(base::Code::kUnsupported,
                    "an ordinary user's mounts live in a user namespace only", "mount-needs-unshare")
      .add_help(base::str("run `torte unshare`, and torte ", arguments.command().name,
                          " in the shell it gives you"));
}

int list_mounts(const Context& context, const Arguments& arguments) {
  Table table({"IMAGE", "PATH"});
  Json items = Json::array();
  if (auto store = find_store(context)) {
    ImageMounts mounts(store->layout());
    for (const ImageMount& mount : mounts.all()) {
      const auto image = store->find_image_by_id(oci::Digest::parse(mount.record.image));
      const std::string name =
          image && !image->names.empty() ? image->names.front().name : mount.record.image;
      table.add({name, mount.point});
      items.push_back({{"image", mount.record.image}, {"name", name}, {"path", mount.point}});
    }
  }
  print_listing(context, table, items, arguments.get("format"));
  return 0;
}

// A directory of our own for an image that was given none; the one it already has, if any.
std::string mount_anywhere(const Context& context, ImageMounts& mounts, store::Store& store,
                           const store::ImageRecord& image, Unpacking unpacking) {
  const std::filesystem::path point =
      context.run_root / "mounts" / image.id.hex().substr(0, 32);
  for (const ImageMount& mount : mounts.all())
    if (mount.record.made_directory && mount.record.image == image.id.str()) return mount.point;
  sys::make_directories(point);
  return mounts.mount(store, image, point, true, unpacking);
}

int run_mount(Context& context, const Arguments& arguments) {
  require_lasting_mounts(arguments);
  if (arguments.words().empty()) return list_mounts(context, arguments);
  auto store = open_store(context);
  ImageMounts mounts(store->layout());
  store::Lease lease = store->lease();
  const store::ImageRecord image = store->get_image(arguments.word(0));
  const Unpacking unpacking = !arguments.has("lazy")    ? Unpacking::kIfNeeded
                              : arguments.is_on("lazy") ? Unpacking::kNever
                                                        : Unpacking::kAlways;
  if (arguments.words().size() == 1)
    context.out(mount_anywhere(context, mounts, *store, image, unpacking) + "\n");
  else
    mounts.mount(*store, image, arguments.word(1), false, unpacking);
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
  const auto image = store ? store->find_image(word) : std::nullopt;
  for (const ImageMount& mount : mounts.all())
    if (image && mount.record.image == image->id.str()) found.push_back(mount);
  if (!found.empty()) return found;
  const std::string shown = base::printable(word);
  if (image)
    throw base::Error(base::Code::kNotFound, "image " + shown + " is not mounted", "not-mounted");
  if (directory)
    throw base::Error(base::Code::kNotFound, shown + " is not mounted by torte", "not-mounted")
        .add_help("torte mount without arguments lists what is");
  throw base::Error(base::Code::kNotFound, shown + " is neither a directory nor an image",
                    "not-mounted");
}

int run_umount(Context& context, const Arguments& arguments) {
  require_lasting_mounts(arguments);
  const bool all = arguments.is_on("all");
  if (all == !arguments.words().empty())
    throw UsageError("umount takes directories or images, or --all");
  const store::Layout layout(context.root);
  if (all && !std::filesystem::exists(layout.version())) return 0;
  ImageMounts mounts(open_store(context)->layout());
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
      .aliases = {"image mount"},
      .summary = "show an image's files as a directory",
      .usage = "[FLAGS] [IMAGE [DIR]]",
      .about = "Mounts an image read-only on DIR, without devices and set-id programs, until torte "
               "umount or the next start of the machine. Without DIR a directory of torte's own is "
               "used and its path printed; without IMAGE the mounts there are are listed. A mounted "
               "image's layers stay, even when the image is removed. What was pulled or loaded with --lazy "
               "is not unpacked for that: a process of torte's own reads its files out of the layers, as "
               "long as the mount is there. Ordinary users do this within "
               "torte unshare.",
      .group = "images",
      .flags = {{.name = "lazy", .help = "never unpack: read files out of a packed image (--no-lazy: unpack it; default: as FUSE is to be had)", .negatable = true, .common = true},
                {.name = "format", .value = "FORMAT", .help = "of the list: table, json, or a template", .common = true}},
      .examples = {{"torte mount app /mnt", "look at it below /mnt"},
                   {"ls $(torte mount app)", "on a directory that torte chooses"}},
      .positionals = {0, 2},
      .run = run_mount,
      .in_user_namespace = false,
  };
  return kCommand;
}

const Command& umount_command() {
  static const Command kCommand{
      .name = "umount",
      .aliases = {"unmount", "image umount", "image unmount"},
      .summary = "take away what torte mount made",
      .usage = "[FLAGS] DIR|IMAGE..",
      .group = "images",
      .flags = {{.name = "all", .letter = 'a', .help = "every mount of this store", .common = true},
                {.name = "force", .letter = 'f', .help = "also while in use: gone from sight now, and whole with its last user", .common = true}},
      .examples = {{"torte umount /mnt", "by its directory"}, {"torte umount --all", "everything"}},
      .positionals = {0, Positionals::kAny},
      .run = run_umount,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
