#include "runner/network/members.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "runner/network/names.h"

namespace network {

namespace {

constexpr uint64_t kMostBytes = 1 << 20;
constexpr std::string_view kSection = "# members of network ";

using Leases = std::vector<StateDirectory::Found>;

/// Who else is on it. Its own address is in the text above, unless this is not its first network.
std::vector<HostsLine> lines_for(const StateDirectory::Found& reader, const Leases& leases,
                                 const std::string& except) {
  std::vector<HostsLine> lines;
  for (const auto& lease : leases) {
    const bool own = lease.text.id == reader.text.id;
    if (!lease.is_live || lease.text.id == except || lease.text.hostname.empty() ||
        (own && !lease.text.is_further))
      continue;
    HostsLine line{lease.address.str(), {lease.text.hostname}};
    line.names.insert(line.names.end(), lease.text.aliases.begin(), lease.text.aliases.end());
    lines.push_back(line);
    if (lease.text.address6.empty()) continue;
    line.address = lease.text.address6;
    lines.push_back(std::move(line));
  }
  return lines;
}

void write_in_place(const std::filesystem::path& path, const std::string& text) {
  sys::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file ||
      ::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ::ftruncate(file.get(), static_cast<off_t>(text.size())) < 0)
    base::throw_errno("write " + path.string());
}

void rewrite_section(const std::filesystem::path& path, const std::string& network,
                     const std::vector<HostsLine>& lines) {
  const std::optional<std::string> before = sys::find_user_file(path, kMostBytes);
  if (!before) return;  // its owner is gone
  const std::string begin = base::str(kSection, network, "\n"),
                    end = base::str("# end of ", network, "\n");
  std::string text = *before;
  if (const size_t from = text.find(begin); from != std::string::npos) {
    const size_t to = text.find(end, from);
    text.erase(from, to == std::string::npos ? to : to + end.size() - from);
  }
  if (!lines.empty()) {
    text += begin;
    for (const HostsLine& line : lines)
      text += line.address + "\t" + base::join(line.names, " ") + "\n";
    text += end;
  }
  if (text != *before) write_in_place(path, text);
}

}  // namespace

void create_hosts_file(const std::filesystem::path& path, const std::string& text) {
  sys::make_directories(path.parent_path());
  ::unlink(path.c_str());
  sys::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd || ::fchmod(fd.get(), 0644) < 0) base::throw_errno("create " + path.string());
  sys::write_all(fd.get(), base::as_bytes(text), path.string());
}

void rewrite_own_text(const std::filesystem::path& path, const std::string& text) {
  const std::optional<std::string> before = sys::find_user_file(path, kMostBytes);
  if (!before) return;
  const size_t sections = before->find(kSection);
  write_in_place(path, text + (sections == std::string::npos ? "" : before->substr(sections)));
}

void remove_section(const std::filesystem::path& path, const std::string& network) {
  rewrite_section(path, network, {});
}

void refresh_members(const StateDirectory& state, const Network& network,
                     const std::string& except) {
  if (network.implicit) return;
  const Leases leases = state.leases(network);
  for (const auto& lease : leases)
    if (lease.is_live && lease.text.id != except && !lease.text.hosts_file.empty())
      rewrite_section(lease.text.hosts_file, network.name, lines_for(lease, leases, except));
}

}  // namespace network
