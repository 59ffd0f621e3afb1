#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/sys/fd.h"

/// How a holder and its clients talk: packets on a socket STATE/holder.sock.
///
///   holder → client   once, when it is let in: "NAME-SERVER\nGATEWAY" with the network namespace
///   client → holder   "tcp 127.0.0.1 8080" opens a port, "close" closes all of this client's
///   holder → client   to each of these: nothing, or what went wrong
namespace network::holder_socket {

sys::UniqueFd listen(const std::filesystem::path& state);
/// nullopt when nobody listens. Throws SystemError.
std::optional<sys::UniqueFd> connect(const std::filesystem::path& state);

/// False when the other side is gone. `fd`: a descriptor that goes along, or -1.
bool send(int socket, std::string_view text, int fd = -1);
/// nullopt when the other side is gone. `fd`, when given, takes a descriptor that came along.
std::optional<std::string> receive(int socket, sys::UniqueFd* fd = nullptr);

}  // namespace network::holder_socket
