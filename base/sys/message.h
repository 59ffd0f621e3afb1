#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/sys/fd.h"

namespace sys {

/// Sends one message, and a descriptor along with it unless that is -1. False, with errno set, when
/// it could not be sent; there is no SIGPIPE. [unix(7), SCM_RIGHTS]
bool send_message(int socket, std::string_view bytes, int fd = -1);

/// Receives one message into `buffer` and returns its size, 0 at the end of a stream; nullopt, with
/// errno set, when that failed. `fd` takes a descriptor that came along, or is empty.
std::optional<size_t> receive_message(int socket, std::span<std::byte> buffer, UniqueFd& fd);

}  // namespace sys
