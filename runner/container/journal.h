#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/sys/fd.h"
#include "runner/container/config.h"

namespace container {

/// The fields that every line of a container has in the journal, as journalctl finds them:
/// CONTAINER_ID, CONTAINER_ID_FULL, CONTAINER_NAME, CONTAINER_TAG, IMAGE_NAME, SYSLOG_IDENTIFIER.
std::string journal_fields(const Config& config);

/// systemd's journal, by its own protocol: a datagram a line. One thread at a time.
/// [systemd.io/JOURNAL_NATIVE_PROTOCOL]
class Journal {
 public:
  static constexpr const char* kSocket = "/run/systemd/journal/socket";

  /// `fields` goes with every line. Throws Unsupported (id "no-journal") when nobody listens there.
  Journal(std::filesystem::path socket, std::string fields);
  /// A line that is lost because the journal is away is lost, as on a full disk.
  void write(bool is_error, std::string_view text);

 private:
  std::filesystem::path path_;
  std::string fields_;
  sys::UniqueFd socket_;
};

}  // namespace container
