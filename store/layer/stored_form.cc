#include "store/layer/stored_form.h"

#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/extract.h"

namespace layer {

namespace {

EntryType type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return EntryType::kDirectory;
    case S_IFLNK:
      return EntryType::kSymlink;
    case S_IFCHR:
      return EntryType::kChar;
    case S_IFBLK:
      return EntryType::kBlock;
    case S_IFIFO:
      return EntryType::kFifo;
    default:
      return EntryType::kFile;
  }
}

[[noreturn]] void bad_value(const char* name) {
  throw base::Error(base::Code::kCorrupt, base::str("attribute ", name, " has no valid value"),
                    "layer-damaged");
}

uint32_t number(const std::string& text, const char* name) {
  std::optional<uint64_t> value = base::parse_decimal(text);
  if (!value || *value > UINT32_MAX) bad_value(name);
  return static_cast<uint32_t>(*value);
}

// Labels of a host's security module and integrity measurement say nothing about an image.
bool belongs_to_host(std::string_view name) {
  return name == "security.selinux" || name == "security.ima" || name == "security.evm";
}

void obey_overlay(std::string_view name, const std::string& value, StoredForm& form) {
  if (name == "redirect" || name == "metacopy")
    throw base::Error(base::Code::kUnsupported,
                      base::str("the tree has an overlay ", name, ", so not all its content"),
                      "layer-damaged");
  if (name == "opaque" && value == "y") form.opaque = true;
}

}  // namespace

StoredForm stored_form(const struct stat& st, sys::Xattrs xattrs) {
  StoredForm form;
  Entry& entry = form.entry;
  entry.type = type_of(st.st_mode);
  entry.mode = st.st_mode & 07777;
  entry.uid = st.st_uid;
  entry.gid = st.st_gid;
  entry.mtime = {st.st_mtim.tv_sec, static_cast<uint32_t>(st.st_mtim.tv_nsec)};
  form.socket = S_ISSOCK(st.st_mode);
  if (S_ISREG(st.st_mode)) entry.size = static_cast<uint64_t>(st.st_size);
  entry.dev_major = major(st.st_rdev);
  entry.dev_minor = minor(st.st_rdev);
  for (auto& [name, value] : xattrs) {
    if (name.starts_with("trusted.overlay.")) {
      obey_overlay(std::string_view(name).substr(16), value, form);
    } else if (name.starts_with("user.overlay.")) {
      obey_overlay(std::string_view(name).substr(13), value, form);
    } else if (name == kOwnerXattr) {
      std::vector<std::string> parts = base::split(value, ':');
      if (parts.size() != 2) bad_value(kOwnerXattr);
      entry.uid = number(parts[0], kOwnerXattr);
      entry.gid = number(parts[1], kOwnerXattr);
    } else if (name == kDeviceXattr) {
      std::vector<std::string> parts = base::split(value, ':');
      if (parts.size() != 3 || (parts[0] != "c" && parts[0] != "b") || !S_ISREG(st.st_mode))
        bad_value(kDeviceXattr);
      entry.type = parts[0] == "c" ? EntryType::kChar : EntryType::kBlock;
      entry.size = 0;
      entry.dev_major = number(parts[1], kDeviceXattr);
      entry.dev_minor = number(parts[2], kDeviceXattr);
    } else if (!name.starts_with("user.torte.") && !belongs_to_host(name)) {
      entry.xattrs.emplace(name, std::move(value));
    }
  }
  return form;
}

}  // namespace layer
