#pragma once

#include <sys/types.h>

#include <filesystem>
#include <thread>

#include "base/sys/fd.h"

namespace solve {

/// The user's SSH agent as one step may use it: a socket of the step's own, behind which the
/// agent's keys can be listed and signed with. Everything else, such as adding, removing or locking
/// keys, is answered with "failure": a step must not change the user's agent. [RUN
/// --mount=type=ssh; SSH agent protocol, draft-miller-ssh-agent]
class AgentForwarder {
 public:
  /// Listens at `directory`/agent, which belongs to `uid`, `gid` and has `mode`. `agent` is the
  /// path of the user's socket. Throws Unavailable (id "ssh-agent") when nobody answers there.
  AgentForwarder(const std::filesystem::path& directory, std::filesystem::path agent, uid_t uid,
                 gid_t gid, mode_t mode);
  AgentForwarder(const AgentForwarder&) = delete;
  AgentForwarder& operator=(const AgentForwarder&) = delete;
  ~AgentForwarder();

  /// O_PATH descriptor of the socket, for a bind mount.
  sys::UniqueFd open() const;

 private:
  void serve();

  std::filesystem::path path_;
  std::filesystem::path agent_;
  sys::UniqueFd listening_;
  sys::Pipe stop_;
  std::thread thread_;
};

}  // namespace solve
