#include "runner/container/volumes.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "overlay/copy_tree.h"
#include "runner/container/containers.h"
#include "store/oci/json_fields.h"
#include "store/oci/strict_json.h"
#include "store/oci/timestamp.h"

namespace container {

namespace {

constexpr std::string_view kKind = "volume";

Volume read_volume(const std::string& name, const std::string& body) {
  const nlohmann::json document = oci::parse_strict_json(body, "volume");
  const oci::Fields fields(document, "volume " + name);
  return {.name = name,
          .created = oci::parse_timestamp(fields.text("created")).value_or(Time{}),
          .anonymous = fields.flag("anonymous"),
          .labels = fields.text_map("labels"),
          .options = fields.text_map("options")};
}

std::string random_name() {
  std::byte bytes[32];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) base::throw_errno("make a name");
  return base::to_hex(bytes);
}

}  // namespace

std::filesystem::path volume_data(const store::Layout& layout, const std::string& name) {
  return layout.volumes() / name / "data";
}

bool make_volume(store::Store& store, Volume& volume) {
  if (volume.name.empty()) volume.name = random_name();
  if (!is_valid_name(volume.name))
    throw base::Error(base::Code::kInvalid,
                      "the name of a volume is made of letters, digits, _ . -, not " +
                          base::printable(volume.name),
                      "volume-name");
  if (auto known = find_volume(store, volume.name)) {
    volume = *known;
    return false;
  }
  if (volume.created == Time{}) volume.created = now();
  const std::filesystem::path data = volume_data(store.layout(), volume.name);
  // Others may pass through: a service that is not root reads its volume.
  sys::make_directories(data.parent_path().parent_path(), 0711);
  sys::make_directories(data, 0755);
  // Whatever our umask says.
  if (::chmod(data.c_str(), 0755) < 0) base::throw_errno("create volume " + volume.name);
  const nlohmann::ordered_json body = {{"created", oci::format_timestamp(volume.created)},
                                       {"anonymous", volume.anonymous},
                                       {"labels", volume.labels},
                                       {"options", volume.options}};
  store.put_document(kKind, volume.name, oci::dump_json(body));
  return true;
}

std::optional<Volume> find_volume(store::Store& store, const std::string& name) {
  const auto body = store.find_document(kKind, name);
  if (!body) return std::nullopt;
  return read_volume(name, *body);
}

std::vector<Volume> list_volumes(store::Store& store) {
  std::vector<Volume> volumes;
  for (const store::Store::Document& document : store.list_documents(kKind))
    volumes.push_back(read_volume(document.id, document.body));
  return volumes;
}

void remove_volume(store::Store& store, const std::string& name) {
  // First the files: a record without files is an empty volume, files without a record are lost.
  store.discard(volume_data(store.layout(), name).parent_path());
  store.remove_document(kKind, name);
}

void fill_volume(store::Store& store, const std::string& name, const sys::Root& image,
                 const sys::RootedPath& target) {
  const sys::Root volume = sys::Root::open(volume_data(store.layout(), name));
  const sys::UniqueFd readable = volume.open_at(sys::RootedPath(), O_RDONLY | O_DIRECTORY);
  if (!sys::list_names(readable.get()).empty()) return;
  const auto status = image.stat(target);
  if (!status || !S_ISDIR(status->st_mode)) return;
  overlay::copy_tree(image.subdirectory(target), volume);
  if (::fchown(readable.get(), status->st_uid, status->st_gid) < 0 ||
      ::fchmod(readable.get(), status->st_mode & 07777) < 0)
    base::throw_errno("set owner of volume " + name);
}

}  // namespace container
