#include "runner/container/user_entries.h"

#include "base/error.h"
#include "base/text.h"

namespace container {

namespace {

constexpr uint64_t kMostBytes = 10 << 20;
constexpr size_t kIdField = 2;  // of both files

struct Word {
  const char* variable;
  std::string value;
};

std::string fill_in(std::string entry, const std::vector<Word>& words) {
  for (const Word& word : words) {
    const std::string_view variable = word.variable;
    for (size_t at = 0; (at = entry.find(variable, at)) != std::string::npos;
         at += word.value.size())
      entry.replace(at, variable.size(), word.value);
  }
  return entry;
}

bool has_id(const std::string& text, const std::string& id) {
  for (const std::string& line : base::split(text, '\n')) {
    const std::vector<std::string> fields = base::split(line, ':');
    if (fields.size() > kIdField && fields[kIdField] == id) return true;
  }
  return false;
}

void add_entry(const sys::Root& view, const char* path, const std::string& id,
               const std::string& entry, std::vector<launch::RootFs::File>& files) {
  std::string text = view.read_file(sys::RootedPath(path), kMostBytes).value_or("");
  if (has_id(text, id)) return;
  if (!text.empty() && text.back() != '\n') text += '\n';
  files.push_back({sys::RootedPath(path), base::str(text, entry, "\n")});
}

}  // namespace

std::vector<launch::RootFs::File> user_entries(const Config& config, const sys::Root& view,
                                               const launch::Identity& identity) {
  std::vector<launch::RootFs::File> files;
  if (config.passwd_entry.empty() && config.group_entry.empty()) return files;
  if (!config.rootfs.empty() && !config.rootfs_overlay)
    throw base::Error(base::Code::kUnsupported,
                      "--passwd-entry and --group-entry would change the directory of --rootfs",
                      "rootfs-unchanged")
        .add_help("--rootfs DIR:O leaves the directory as it is");
  const std::string uid = std::to_string(identity.uid), gid = std::to_string(identity.gid);
  // A name that the image knows has an entry, so this is a number.
  const std::string user = uid;
  if (!config.passwd_entry.empty())
    add_entry(view, "/etc/passwd", uid,
              fill_in(config.passwd_entry, {{"$USERNAME", user},
                                            {"$UID", uid},
                                            {"$GID", gid},
                                            {"$NAME", user},
                                            {"$HOME", identity.home}}),
              files);
  if (!config.group_entry.empty())
    add_entry(
        view, "/etc/group", gid,
        fill_in(config.group_entry, {{"$GROUPNAME", gid}, {"$GID", gid}, {"$USERLIST", user}}),
        files);
  return files;
}

}  // namespace container
