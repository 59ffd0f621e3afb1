// torte info: the store and the machine, as torte sees them.
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/sys/file.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/open_store.h"
#include "cli/table.h"
#include "store/oci/platform.h"

namespace cli {

namespace {

using Json = nlohmann::json;

constexpr uint64_t kSmallFile = 1 << 20;

std::string first_line(const char* path) {
  const std::string text = sys::find_user_file(path, kSmallFile).value_or("");
  return text.substr(0, text.find('\n'));
}

std::string cgroup_version() {
  struct statfs fs;
  constexpr decltype(fs.f_type) kCgroup2 = 0x63677270;
  if (::statfs("/sys/fs/cgroup", &fs) < 0) return "none";
  return fs.f_type == kCgroup2 ? "v2" : "v1";
}

std::string file_system_of(const std::filesystem::path& path) {
  struct statfs fs;
  std::filesystem::path existing = path;
  while (!std::filesystem::exists(existing) && existing.has_relative_path())
    existing = existing.parent_path();
  if (::statfs(existing.c_str(), &fs) < 0) return "unknown";
  switch (static_cast<unsigned long>(fs.f_type)) {
    case 0xef53:
      return "ext4";
    case 0x58465342:
      return "xfs";
    case 0x9123683e:
      return "btrfs";
    case 0x01021994:
      return "tmpfs";
    case 0x794c7630:
      return "overlay";
    case 0x6969:
      return "nfs";
    case 0x2fc12fc1:
      return "zfs";
    case 0xf2f52010:
      return "f2fs";
    default:
      return base::str("type ", static_cast<uint64_t>(fs.f_type));
  }
}

std::string security_modules() {
  std::string modules = first_line("/sys/kernel/security/lsm");
  return modules.empty() ? "unknown" : modules;
}

uint64_t memory_bytes() {
  return static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

Json gather(const Context& context) {
  struct utsname machine;
  ::uname(&machine);
  size_t images = 0;
  size_t containers = 0;
  auto store = find_store(context);
  if (store) {
    images = store->list_images().size();
    std::error_code unreadable;
    for (const auto& entry :
         std::filesystem::directory_iterator(store->layout().containers(), unreadable))
      containers += entry.is_directory();
  }
  std::error_code no_space;
  const auto space = std::filesystem::space(store ? context.root : "/", no_space);
  return {{"version", TORTE_VERSION},
          {"root", context.root.string()},
          {"runRoot", context.run_root.string()},
          {"storeFileSystem", file_system_of(context.root)},
          {"storeDurability", !store                ? Json(nullptr)
                              : store->is_durable() ? "full"
                                                    : "none"},
          {"storeFree", no_space ? Json(nullptr) : Json(space.available)},
          {"images", images},
          {"containers", containers},
          {"platform", oci::Platform::host().str()},
          {"kernel", machine.release},
          {"cgroups", cgroup_version()},
          {"securityModules", security_modules()},
          {"userNamespaces", first_line("/proc/sys/user/max_user_namespaces")},
          {"rootless", ::geteuid() != 0},
          {"cpus", std::thread::hardware_concurrency()},
          {"memory", memory_bytes()}};
}

std::string text_of(const Json& info) {
  std::string out;
  for (const auto& [label, key] : {std::pair("version", "version"),
                                   {"store", "root"},
                                   {"file system", "storeFileSystem"},
                                   {"durability", "storeDurability"},
                                   {"free", "storeFree"},
                                   {"volatile state", "runRoot"},
                                   {"images", "images"},
                                   {"containers", "containers"},
                                   {"platform", "platform"},
                                   {"kernel", "kernel"},
                                   {"cgroups", "cgroups"},
                                   {"security modules", "securityModules"},
                                   {"rootless", "rootless"},
                                   {"cpus", "cpus"},
                                   {"memory", "memory"}}) {
    const Json& value = info.at(key);
    if (value.is_null()) continue;
    const bool bytes = value.is_number() &&
                       (std::string_view(key) == "memory" || std::string_view(key) == "storeFree");
    std::string shown = value.is_string() ? base::printable(value.get<std::string>())
                        : bytes           ? base::format_size(value.get<uint64_t>())
                                          : value.dump();
    out +=
        base::str(label, ":", std::string(18 - std::string_view(label).size(), ' '), shown, "\n");
  }
  return out;
}

int run_info(Context& context, const Arguments& arguments) {
  const Json info = gather(context);
  const std::string format = arguments.get("format");
  if (format == "json")
    context.out(info.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  else if (!format.empty())
    context.out(render_documents(Json::array({info}), format));
  else
    context.out(text_of(info));
  return 0;
}

}  // namespace

const Command& info_command() {
  static const Command kCommand{
      .name = "info",
      .aliases = {"system info"},
      .summary = "describe the store and the machine",
      .usage = "[FLAGS]",
      .group = "about torte",
      .flags = {{.name = "format",
                 .letter = 'f',
                 .value = "FORMAT",
                 .help = "json, or a template",
                 .common = true}},
      .examples = {{"torte info -f '{{.root}}'", "where the store is"}},
      .run = run_info,
  };
  return kCommand;
}

}  // namespace cli
