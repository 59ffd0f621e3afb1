#include "builder/solve/owner.h"

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace solve {

namespace {

constexpr uint64_t kMostBytes = 10 << 20;
constexpr uint64_t kMostId = 0x7fffffff;

std::optional<uint32_t> number(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  std::optional<uint64_t> value = base::parse_decimal(text);
  if (!value || *value > kMostId)
    throw base::Error(base::Code::kInvalid,
                      base::str("id ", base::printable(text, 40), " is above ", kMostId),
                      "user-invalid");
  return static_cast<uint32_t>(*value);
}

// The line of passwd or group whose first field is `name`, split at colons.
std::optional<std::vector<std::string>> find_line(const sys::Root* root, const char* file,
                                                  std::string_view name) {
  if (root == nullptr) return std::nullopt;
  std::optional<std::string> text = root->read_file(sys::RootedPath(file), kMostBytes);
  if (!text) return std::nullopt;
  for (const std::string& line : base::split(*text, '\n')) {
    std::vector<std::string> fields = base::split(line, ':');
    if (fields.size() >= 3 && fields[0] == name) return fields;
  }
  return std::nullopt;
}

uint32_t id_field(const std::vector<std::string>& fields, size_t at, const char* file) {
  std::optional<uint32_t> id = at < fields.size() ? number(fields[at]) : std::nullopt;
  if (!id)
    throw base::Error(base::Code::kInvalid,
                      base::str(file, " has no valid id for ", base::printable(fields[0])),
                      "user-invalid");
  return *id;
}

[[noreturn]] void not_found(const sys::Root* root, const char* what, std::string_view name,
                            const char* file) {
  base::Error error(base::Code::kInvalid,
                    base::str(what, " \"", base::printable(name), "\" is not in ", file),
                    "user-unknown");
  if (root == nullptr)
    error.add_help(
        "there are no files to look the name up in (--link and scratch have none); give a number");
  throw error;
}

}  // namespace

Owner resolve_owner(const sys::Root* root, std::string_view text) {
  size_t colon = text.find(':');
  std::string_view user = text.substr(0, colon);
  std::string_view group = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  Owner owner;
  if (!user.empty()) {
    if (std::optional<uint32_t> uid = number(user)) {
      owner = {*uid, *uid};
    } else if (auto fields = find_line(root, "/etc/passwd", user)) {
      owner = {id_field(*fields, 2, "/etc/passwd"), id_field(*fields, 3, "/etc/passwd")};
    } else if (user != "root") {
      not_found(root, "user", user, "/etc/passwd");
    }
  }
  if (group.empty()) return owner;
  if (std::optional<uint32_t> gid = number(group)) {
    owner.gid = *gid;
  } else if (auto fields = find_line(root, "/etc/group", group)) {
    owner.gid = id_field(*fields, 2, "/etc/group");
  } else if (group == "root") {
    owner.gid = 0;
  } else {
    not_found(root, "group", group, "/etc/group");
  }
  return owner;
}

std::optional<Owner> find_owner(const sys::Root* root, std::string_view text) {
  try {
    return resolve_owner(root, text);
  } catch (const base::Error& e) {
    if (e.id() != "user-unknown") throw;
    return std::nullopt;
  }
}

}  // namespace solve
