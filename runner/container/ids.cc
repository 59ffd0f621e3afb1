#include "runner/container/ids.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <tuple>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/id_map.h"
#include "base/text.h"

namespace container {

namespace {

constexpr std::string_view kAuto = "auto";
constexpr std::string_view kAutoSize = "auto:size=";
constexpr std::string_view kKeep = "keep-id";
constexpr std::string_view kContainer = "container:";

// Where ids for `auto` are taken from: blocks that no distribution gives to users.
constexpr uint32_t kFirstId = 1 << 30;
constexpr uint32_t kBlock = 65536;
constexpr uint32_t kBlocks = 4096;
constexpr const char* kLeases = "/run/torte/ids";

[[noreturn]] void fail_mode(const std::string& mode) {
  throw base::Error(
      base::Code::kInvalid,
      "--userns " + base::printable(mode) +
          ": expected host, auto[:size=N], keep-id[:uid=N,gid=N], nomap or container:NAME",
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
    auto lease =
        sys::FileLock::try_acquire(base::str(kLeases, "/", block), sys::FileLock::Mode::kExclusive);
    if (!lease) continue;
    const uint32_t first = kFirstId + block * kBlock;
    const std::vector<sys::IdRange> rows = {{0, first, size}};
    Ids ids;
    ids.space = sys::make_user_namespace({rows, rows}, with_network);
    ids.root_uid = ids.root_gid = first;
    ids.lease = std::move(lease);
    return ids;
  }
  throw base::Error(base::Code::kUnavailable, "all ranges of ids for --userns auto are in use",
                    "no-free-ids");
}

bool is_kept(const std::string& mode) {
  return mode == kKeep || mode.starts_with(base::str(kKeep, ":"));
}

/// Our own id as it is outside, or as the user wants it to be inside.
std::pair<uint32_t, uint32_t> kept_ids(const std::string& mode) {
  std::pair<uint32_t, uint32_t> ids = {outside_of_root(sys::read_id_map("/proc/self/uid_map")),
                                       outside_of_root(sys::read_id_map("/proc/self/gid_map"))};
  if (mode == kKeep) return ids;
  for (const std::string& option : base::split(mode.substr(kKeep.size() + 1), ',')) {
    const std::string key = option.substr(0, 4);
    const auto number = base::parse_decimal(option.size() > 4 ? option.substr(4) : "");
    if ((key != "uid=" && key != "gid=") || !number || *number >= UINT32_MAX) fail_mode(mode);
    (key == "uid=" ? ids.first : ids.second) = static_cast<uint32_t>(*number);
  }
  return ids;
}

Ids keep_ids(const Config& config, bool with_network) {
  const auto [uid, gid] = kept_ids(config.userns);
  Ids ids;
  ids.space = sys::make_user_namespace({kept_rows(sys::read_id_map("/proc/self/uid_map"), uid),
                                        kept_rows(sys::read_id_map("/proc/self/gid_map"), gid)},
                                       with_network);
  ids.maps_files = false;
  std::tie(ids.inner_uid, ids.inner_gid) = inner_root(config);
  return ids;
}

Ids join_ids(pid_t other, bool with_network) {
  Ids ids;
  const std::string process = base::str("/proc/", other);
  ids.space.user = sys::UniqueFd(::open((process + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  if (!ids.space.user) base::throw_errno("open user namespace of the other container");
  if (with_network) ids.space.network = sys::make_network_namespace_in(ids.space.user.get());
  ids.root_uid = outside_of_root(sys::read_id_map(process + "/uid_map"));
  ids.root_gid = outside_of_root(sys::read_id_map(process + "/gid_map"));
  return ids;
}

}  // namespace

void check_userns(const std::string& mode) {
  if (mode.empty() || mode == "host" || mode == "nomap") return;
  if (is_kept(mode)) {
    kept_ids(mode);
    return;
  }
  if (mode == kAuto || mode.starts_with(kAutoSize)) {
    size_of(mode);
    return;
  }
  if (!mode.starts_with(kContainer) || mode.size() == kContainer.size()) fail_mode(mode);
}

std::vector<sys::IdRange> kept_rows(const std::vector<sys::IdRange>& own, uint32_t kept) {
  std::vector<sys::IdRange> rows = {{kept, 0, 1}};
  for (const sys::IdRange& row : own) {
    if (row.inside == 0) continue;
    // Our ids 1 to `kept` are 0 and up inside, those behind it are themselves.
    const uint64_t end = uint64_t{row.inside} + row.count, behind = uint64_t{kept} + 1;
    if (row.inside < behind)
      rows.push_back(
          {row.inside - 1, row.inside, static_cast<uint32_t>(std::min(end, behind) - row.inside)});
    const uint64_t from = std::max<uint64_t>(row.inside, behind);
    if (from < end)
      rows.push_back({static_cast<uint32_t>(from), static_cast<uint32_t>(from),
                      static_cast<uint32_t>(end - from)});
  }
  return rows;
}

std::string kept_user(const Config& config) {
  if (!is_kept(config.userns)) return "";
  const auto [uid, gid] = kept_ids(config.userns);
  return base::str(uid, ":", gid);
}

std::pair<uint32_t, uint32_t> inner_root(const Config& config) {
  // With further ids one of them is root inside.
  if (!is_kept(config.userns) || sys::userns_mode() != sys::UsernsMode::kSingle) return {0, 0};
  return kept_ids(config.userns);
}

Ids make_ids(const Config& config, pid_t other, bool with_network) {
  if (config.userns.starts_with(kContainer)) return join_ids(other, with_network);
  const bool is_user = sys::userns_mode() != sys::UsernsMode::kNone;
  if (is_user && is_kept(config.userns)) return keep_ids(config, with_network);
  if (is_user)
    throw base::Error(base::Code::kUnsupported,
                      "--userns " +
                          base::printable(config.userns.empty() ? "with maps" : config.userns) +
                          " is root's: the kernel shows files with other ids for nobody else",
                      "userns-unsupported")
        .add_help("--userns keep-id: you are yourself in the container");
  if (!config.id_maps.uids.empty()) {
    Ids ids;
    ids.space = sys::make_user_namespace(config.id_maps, with_network);
    ids.root_uid = outside_of_root(config.id_maps.uids);
    ids.root_gid = outside_of_root(config.id_maps.gids);
    return ids;
  }
  if (is_kept(config.userns) || config.userns == "nomap")
    throw base::Error(base::Code::kInvalid,
                      "--userns " + config.userns + " is for ordinary users; root has auto",
                      "bad-userns");
  return take_block(config, size_of(config.userns), with_network);
}

}  // namespace container
