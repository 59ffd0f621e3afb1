#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/sys/fd.h"

namespace container {

/// What is said between a container's monitor and the commands of others, over the sequenced-packet
/// socket containers/ID/control: packets of one kind byte and up to kMostPayload bytes.
///
///     to the monitor                                    from it
///     a              attach: output, then input         o, e   bytes of output, of error output
///     i BYTES        standard input                     r      "" done, or why not (to k s p u h g
///     U) E              end of standard input              x N    the container ended with status
///     N w ROWS COLS    size of the terminal x              tell me the end k N            send
///     signal N to process 1 s N            the same, and the user means it: no restart p, u pause,
///     continue h              pause; the end of this conversation lets it go on N, D NAME join,
///     leave that network, as config.json has it g              the program that waits is to be
///     started U              limits or restart policy in config.json changed
///
/// N, ROWS and COLS are decimal text. Nobody but the owner of the store can reach the socket.
namespace wire {
inline constexpr size_t kMostPayload = 32 << 10;
}

/// One packet.
struct Packet {
  char kind = 0;
  std::string bytes;
};

/// A listening control socket at `path`; an old one is replaced.
sys::UniqueFd listen_control(const std::filesystem::path& path);

/// Sends one packet. False when the other side is gone, or, without `wait`, when its queue is full
/// (errno EAGAIN then).
bool send_packet(int socket, char kind, std::string_view bytes, bool wait);
/// Receives one packet, waiting for it; nullopt at the end of the conversation.
std::optional<Packet> receive_packet(int socket);

/// A conversation with the monitor of a running container.
class Control {
 public:
  /// nullopt when no monitor listens: the container does not run.
  static std::optional<Control> connect(const std::filesystem::path& path);
  explicit Control(sys::UniqueFd socket) : socket_(std::move(socket)) {}

  /// Asks and waits for the answer. Throws Unavailable when the container ended meanwhile,
  /// Unsupported or whatever the monitor says.
  void ask(char kind, std::string_view bytes = {});
  /// Waits for the end of the container; its status, or nullopt when the monitor died without a
  /// word or `timeout_ms` (-1: none) passed.
  std::optional<int> wait_for_end(int timeout_ms = -1);
  int fd() const { return socket_.get(); }

 private:
  sys::UniqueFd socket_;
};

}  // namespace container
