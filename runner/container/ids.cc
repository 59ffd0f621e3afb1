#include "runner/container/ids.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/id_map.h"
#include "base/text.h"

namespace container {

namespace {

constexpr std::string_view kAuto = "auto";
constexpr std::string_view kAutoSize = "auto:size=";
constexpr std::string_view kContainer = "container:";

// Where ids for `auto` are taken from: blocks that no distribution gives to users.
constexpr uint32_t kFirstId = 1 << 30;
constexpr uint32_t kBlock = 65536;
constexpr uint32_t kBlocks = 4096;
constexpr const char* kLeases = "/run/torte/ids";

[[noreturn]] void fail_mode(const std::string& mode) {
  throw base::Error(base::Code::kInvalid,
                    "--userns " + base::printable(mode) +
                        ": expected host, auto[:size=N], keep-id, nomap or container:NAME",
                    "bad-userns");
}

uint32_t size_of(const std::string& mode) {
  if (mode == kAuto) return kBlock;
  const auto size = base::parse_decimal(mode.substr(kAutoSize.size()));
  if (!size || *size == 0 || *size > kBlock) fail_mode(mode);
  return static_cast<uint32_t>(*size);
}

uint32_t outside_of_root(const std::vector<sys::IdRange>& rows) {
  for (const sys::IdRange& row : rows)
    if (row.inside == 0) return row.outside;
  throw base::Error(base::Code::kInvalid, "a container's map of ids must have id 0", "bad-userns");
}

/// A block of ids nobody uses. Containers begin to look at a place of their own.
Ids take_block(const Config& config, uint32_t size, bool with_network) {
  sys::make_directories(kLeases);
  const auto start = static_cast<uint32_t>(std::hash<std::string>()(config.id) % kBlocks);
  for (uint32_t i = 0; i < kBlocks; ++i) {
    const uint32_t block = (start + i) % kBlocks;
    auto lease = sys::FileLock::try_acquire(base::str(kLeases, "/", block),
                                            sys::FileLock::Mode::kExclusive);
    if (!lease) continue;
    const uint32_t first = kFirstId + block * kBlock;
    const std::vector<sys::IdRange> rows = {{0, first, size}};
    return {sys::make_user_namespace({rows, rows}, with_network), first, first, std::move(lease)};
  }
  throw base::Error(base::Code::kUnavailable, "all ranges of ids for --userns auto are in use",
                    "no-free-ids");
}

Ids join_ids(pid_t other, bool with_network) {
  Ids ids;
  const std::string process = base::str("/proc/", other);
  ids.space.user =
      sys::UniqueFd(::open((process + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  if (!ids.space.user) base::throw_errno("open user namespace of the other container");
  if (with_network) ids.space.network = sys::make_network_namespace_in(ids.space.user.get());
  ids.root_uid = outside_of_root(sys::read_id_map(process + "/uid_map"));
  ids.root_gid = outside_of_root(sys::read_id_map(process + "/gid_map"));
  return ids;
}

}  // namespace

void check_userns(const std::string& mode) {
  if (mode.empty() || mode == "host" || mode == "keep-id" || mode == "nomap") return;
  if (mode == kAuto || mode.starts_with(kAutoSize)) {
    size_of(mode);
    return;
  }
  if (!mode.starts_with(kContainer) || mode.size() == kContainer.size()) fail_mode(mode);
}

Ids make_ids(const Config& config, pid_t other, bool with_network) {
  if (config.userns.starts_with(kContainer)) return join_ids(other, with_network);
  if (sys::userns_mode() != sys::UsernsMode::kNone)
    throw base::Error(base::Code::kUnsupported,
                      "--userns " + base::printable(config.userns.empty() ? "with maps" : config.userns) +
                          " of ordinary users is not built yet: the kernel shows files with other ids for root only",
                      "userns-unsupported");
  if (!config.id_maps.uids.empty()) {
    Ids ids;
    ids.space = sys::make_user_namespace(config.id_maps, with_network);
    ids.root_uid = outside_of_root(config.id_maps.uids);
    ids.root_gid = outside_of_root(config.id_maps.gids);
    return ids;
  }
  if (config.userns == "keep-id" || config.userns == "nomap")
    throw base::Error(base::Code::kInvalid,
                      "--userns " + config.userns + " is for ordinary users; root has auto",
                      "bad-userns");
  return take_block(config, size_of(config.userns), with_network);
}

}  // namespace container
