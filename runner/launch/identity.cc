#include "runner/launch/identity.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace launch {

namespace {

constexpr uint64_t kMaxFile = 10 << 20;
constexpr uint64_t kMaxId = 2147483647;

struct User {
  std::string name;
  uint64_t uid = 0;
  uint64_t gid = 0;
  std::string home;
};
struct Group {
  std::string name;
  uint64_t gid = 0;
  std::vector<std::string> members;
};

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

uint32_t parse_id(std::string_view text, const char* what) {
  auto id = base::parse_decimal(text);
  if (!id || *id > kMaxId)
    throw base::Error(
        base::Code::kInvalid,
        base::str(what, " ", base::printable(text), " is out of range (0 to ", kMaxId, ")"),
        "user-id-range");
  return static_cast<uint32_t>(*id);
}

/// Lines that do not parse are passed over, as every reader of these files does. A file that is
/// none (a fifo, a device, far too large) is an error only when an answer depends on it.
template <typename Entry, typename Parse>
std::vector<Entry> read_entries(const sys::Root& root, const char* file, bool needed, Parse parse) {
  std::vector<Entry> entries;
  sys::RootedPath path(file);
  if (!needed) {
    auto status = root.stat(path);
    if (!status || !S_ISREG(status->st_mode) || status->st_size > static_cast<off_t>(kMaxFile))
      return entries;
  }
  std::optional<std::string> text = root.read_file(path, kMaxFile);
  if (!text) return entries;
  for (const std::string& line : base::split(*text, '\n')) {
    if (line.empty() || line[0] == '#') continue;
    std::optional<Entry> entry = parse(base::split(line, ':'));
    if (entry) entries.push_back(std::move(*entry));
  }
  return entries;
}

std::vector<User> read_users(const sys::Root& root, bool needed) {
  return read_entries<User>(root, "/etc/passwd", needed,
                            [](const std::vector<std::string>& f) -> std::optional<User> {
                              if (f.size() < 4) return std::nullopt;
                              auto uid = base::parse_decimal(f[2]), gid = base::parse_decimal(f[3]);
                              if (!uid || !gid || *uid > kMaxId || *gid > kMaxId)
                                return std::nullopt;
                              return User{f[0], *uid, *gid, f.size() > 5 ? f[5] : ""};
                            });
}

std::vector<Group> read_groups(const sys::Root& root) {
  return read_entries<Group>(root, "/etc/group", true,
                             [](const std::vector<std::string>& f) -> std::optional<Group> {
                               if (f.size() < 3) return std::nullopt;
                               auto gid = base::parse_decimal(f[2]);
                               if (!gid || *gid > kMaxId) return std::nullopt;
                               Group group{f[0], *gid, {}};
                               if (f.size() > 3) group.members = base::split(base::trim(f[3]), ',');
                               return group;
                             });
}

gid_t resolve_group(const sys::Root& root, std::string_view group) {
  if (is_number(group)) return parse_id(group, "group");
  if (group == "root") return 0;
  for (const Group& entry : read_groups(root))
    if (entry.name == group) return static_cast<gid_t>(entry.gid);
  throw base::Error(base::Code::kNotFound,
                    "no group " + base::printable(group) + " in /etc/group of the image",
                    "group-not-found");
}

const User* find_user(const std::vector<User>& users, std::string_view user) {
  bool by_number = is_number(user);
  uint64_t number = by_number ? parse_id(user, "user") : 0;
  for (const User& entry : users)
    if (by_number ? entry.uid == number : entry.name == user) return &entry;
  return nullptr;
}

}  // namespace

gid_t resolve_group_name(const sys::Root& root, std::string_view group) {
  return resolve_group(root, group);
}

Identity resolve_user(const sys::Root& root, std::string_view user) {
  size_t colon = user.find(':');
  std::string_view name = user.substr(0, colon);
  bool explicit_group = colon != std::string_view::npos && colon + 1 < user.size();
  std::string_view group = explicit_group ? user.substr(colon + 1) : std::string_view();
  if (name.empty()) name = "root";
  Identity identity;
  auto needs_no_file = [](std::string_view word) { return is_number(word) || word == "root"; };
  std::vector<User> users =
      read_users(root, !(needs_no_file(name) && (needs_no_file(group) || name == "root")));
  const User* entry = find_user(users, name);
  if (is_number(name)) {
    identity.uid = parse_id(name, "user");
  } else if (entry != nullptr) {
    identity.uid = static_cast<uid_t>(entry->uid);
  } else if (name != "root") {
    throw base::Error(base::Code::kNotFound,
                      "no user " + base::printable(name) + " in /etc/passwd of the image",
                      "user-not-found");
  }
  if (entry != nullptr) {
    identity.gid = static_cast<gid_t>(entry->gid);
    if (!entry->home.empty() && entry->home[0] == '/') identity.home = entry->home;
  }
  if (explicit_group) {
    identity.gid = resolve_group(root, group);
    identity.groups = {identity.gid};
    return identity;
  }
  identity.groups = {identity.gid};
  if (entry == nullptr) return identity;
  for (const Group& candidate : read_groups(root)) {
    const auto& members = candidate.members;
    if (candidate.gid != identity.gid &&
        std::find(members.begin(), members.end(), entry->name) != members.end())
      identity.groups.push_back(static_cast<gid_t>(candidate.gid));
  }
  return identity;
}

}  // namespace launch
