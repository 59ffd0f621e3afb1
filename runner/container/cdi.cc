#include "runner/container/cdi.h"

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/rooted_path.h"
#include "base/text.h"
#include "store/oci/json_fields.h"

namespace container {

namespace {

using Json = nlohmann::json;

constexpr uint64_t kMostBytes = 16 << 20;

/// One file: what all its devices share, and each of them.
struct Spec {
  std::filesystem::path path;
  Json document;
  std::string kind;
};

/// A device, and the file that has it.
struct Found {
  std::shared_ptr<const Spec> spec;
  const Json* device;
};

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw base::Error(base::Code::kUnsupported, where + ": " + what, "cdi-unsupported");
}

/// Everything in the object must be something we know: what is passed over silently is missed
/// later.
void check_keys(const Json& object, const std::string& where, const std::set<std::string>& known) {
  for (const auto& [key, value] : object.items())
    if (!known.contains(key)) refuse(where, base::printable(key) + " is not built yet");
}

std::shared_ptr<const Spec> read_spec(const std::filesystem::path& path) {
  auto spec = std::make_shared<Spec>();
  spec->path = path;
  spec->document = Json::parse(sys::read_user_file(path, kMostBytes), nullptr, false);
  if (!spec->document.is_object())
    throw base::Error(base::Code::kInvalid,
                      base::printable(path.string()) + " is not a JSON object", "cdi-spec");
  const oci::Fields fields(spec->document, path.string());
  const std::string version = fields.required_text("cdiVersion");
  if (!version.starts_with("0.") && !version.starts_with("1."))
    fields.fail("cdiVersion", "is none that torte knows (0.x, 1.x)");
  spec->kind = fields.required_text("kind");
  return spec;
}

/// The device definitions of one directory, by full name.
std::map<std::string, Found> read_directory(const std::filesystem::path& directory,
                                            bool& has_yaml) {
  std::map<std::string, Found> devices;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(directory, none)) {
    const std::string extension = entry.path().extension();
    if (extension == ".yaml" || extension == ".yml") has_yaml = true;
    if (extension != ".json") continue;
    const auto spec = read_spec(entry.path());
    const Json* list = oci::Fields(spec->document, spec->path.string()).array("devices");
    if (list == nullptr) continue;
    for (const Json& device : *list) {
      const std::string name =
          spec->kind + "=" +
          oci::Fields(device, spec->path.string() + ": device").required_text("name");
      const auto [known, is_new] = devices.emplace(name, Found{spec, &device});
      if (!is_new)
        throw base::Error(
            base::Code::kInvalid,
            base::str("device ", base::printable(name), " is in both ",
                      known->second.spec->path.string(), " and ", spec->path.string()),
            "cdi-spec");
    }
  }
  return devices;
}

void set_variable(const std::string& text, Config& config) {
  const std::string name = text.substr(0, text.find('=') + 1);
  std::erase_if(config.env, [&](const std::string& known) { return known.starts_with(name); });
  config.env.push_back(text);
}

void add_node(const Json& object, const std::string& where, Config& config) {
  // Its kind and number are those of the host's node, which is shown as it is.
  check_keys(object, where, {"path", "hostPath", "type", "major", "minor", "permissions"});
  const oci::Fields node(object, where);
  DeviceConfig device;
  device.target = sys::RootedPath(node.required_text("path")).str();
  device.source = node.has("hostPath") ? node.text("hostPath") : device.target;
  if (node.has("permissions")) device.access = node.text("permissions");
  if (device.access.find('w') == std::string::npos)
    refuse(where, device.target + ": a device that cannot be written is not built yet");
  config.devices.push_back(std::move(device));
}

void add_mount(const Json& object, const std::string& where, Config& config) {
  check_keys(object, where, {"hostPath", "containerPath", "options", "type"});
  const oci::Fields fields(object, where);
  const std::string type = fields.text("type");
  if (!type.empty() && type != "bind" && type != "none")
    refuse(where, "a mount of type " + base::printable(type));
  MountConfig mount;
  mount.source = fields.required_text("hostPath");
  mount.target = sys::RootedPath(fields.required_text("containerPath")).str();
  mount.recursive = false;
  for (const std::string& option : fields.texts("options")) {
    if (option == "ro")
      mount.read_only = true;
    else if (option == "noexec")
      mount.executable = false;
    else if (option == "rbind")
      mount.recursive = true;
    else if (option != "rw" && option != "bind" && option != "exec" && option != "nosuid" &&
             option != "nodev" && option != "private" && option != "rprivate")
      refuse(where, "mount option " + base::printable(option));
  }
  config.mounts.push_back(std::move(mount));
}

void apply_edits(const Json& holder, const std::string& where, Config& config) {
  const auto found = holder.find("containerEdits");
  if (found == holder.end()) return;
  if (const auto hooks = found->find("hooks"); hooks != found->end() && !hooks->empty())
    throw base::Error(
        base::Code::kUnsupported,
        where + " wants hooks, programs of the host that change the container; torte starts none",
        "cdi-unsupported")
        .add_help(
            "generate the file without hooks, or use --runtime with a runtime of the vendor's");
  check_keys(*found, where, {"env", "deviceNodes", "mounts", "hooks", "additionalGids"});
  const oci::Fields edits(*found, where);
  for (const std::string& text : edits.texts("env")) set_variable(text, config);
  if (const Json* nodes = edits.array("deviceNodes"))
    for (const Json& node : *nodes) add_node(node, where, config);
  if (const Json* mounts = edits.array("mounts"))
    for (const Json& mount : *mounts) add_mount(mount, where, config);
  if (const Json* groups = edits.array("additionalGids"))
    for (const Json& group : *groups) {
      if (!group.is_number_unsigned()) edits.fail("additionalGids", "is not a list of numbers");
      if (group != 0) config.groups.push_back(std::to_string(group.get<uint32_t>()));
    }
}

[[noreturn]] void throw_missing(const std::string& name,
                                const std::vector<std::filesystem::path>& directories,
                                bool has_yaml) {
  std::string places;
  for (const auto& directory : directories)
    places += (places.empty() ? "" : ", ") + directory.string();
  base::Error error(
      base::Code::kNotFound,
      base::str("this machine has no device ", base::printable(name), " (looked in ", places, ")"),
      "device-missing");
  if (has_yaml)
    error.add_help(
        "there are YAML files; torte reads JSON: nvidia-ctk cdi generate --format json, for "
        "example");
  throw error;
}

}  // namespace

bool is_cdi_name(std::string_view text) {
  const size_t slash = text.find('/'), equals = text.find('=');
  return slash != std::string_view::npos && slash > 0 && equals != std::string_view::npos &&
         equals > slash + 1 && equals + 1 < text.size() && text[0] != '.' &&
         text.find(':') == std::string_view::npos;
}

void apply_cdi_devices(const std::vector<std::filesystem::path>& directories,
                       const std::vector<std::string>& names, Config& config) {
  if (names.empty()) return;
  bool has_yaml = false;
  std::map<std::string, Found> known;
  for (const auto& directory : directories)
    for (auto& [name, found] : read_directory(directory, has_yaml)) known[name] = found;
  std::set<const Spec*> applied;
  for (const std::string& name : names) {
    const auto device = known.find(name);
    if (device == known.end()) throw_missing(name, directories, has_yaml);
    const Found& found = device->second;
    const std::string where = found.spec->path.string();
    if (applied.insert(found.spec.get()).second) apply_edits(found.spec->document, where, config);
    apply_edits(*found.device, where + ": " + name, config);
  }
}

}  // namespace container
