#include "runner/network/holder_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/sys/message.h"
#include "base/text.h"

namespace network::holder_socket {

namespace {

constexpr const char* kName = "holder.sock";
constexpr size_t kMostBytes = 4096;

/// Socket names are short and paths are not: the directory is named by a descriptor.
struct Address {
  explicit Address(const std::filesystem::path& state)
      : directory(::open(state.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    name.sun_family = AF_UNIX;
    const std::string text = base::str("/proc/self/fd/", directory.get(), "/", kName);
    CHECK(text.size() < sizeof name.sun_path);
    memcpy(name.sun_path, text.c_str(), text.size() + 1);
  }
  const sockaddr* generic() const { return reinterpret_cast<const sockaddr*>(&name); }

  sys::UniqueFd directory;
  sockaddr_un name = {};
};

sys::UniqueFd make_socket() {
  sys::UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) base::throw_errno("create the holder's socket");
  return socket;
}

}  // namespace

sys::UniqueFd listen(const std::filesystem::path& state) {
  constexpr int kBacklog = 64;
  sys::UniqueFd socket = make_socket();
  const Address address(state);
  const std::filesystem::path path = state / kName;
  ::unlink(path.c_str());
  if (::bind(socket.get(), address.generic(), sizeof address.name) < 0 ||
      ::chmod(path.c_str(), 0600) < 0 || ::listen(socket.get(), kBacklog) < 0)
    base::throw_errno("listen on " + path.string());
  return socket;
}

std::optional<sys::UniqueFd> connect(const std::filesystem::path& state) {
  sys::UniqueFd socket = make_socket();
  const Address address(state);
  if (!address.directory) return std::nullopt;
  if (::connect(socket.get(), address.generic(), sizeof address.name) == 0) return socket;
  if (errno == ENOENT || errno == ECONNREFUSED) return std::nullopt;
  base::throw_errno("connect to the holder of the networks");
}

bool send(int socket, std::string_view text, int fd) { return sys::send_message(socket, text, fd); }

std::optional<std::string> receive(int socket, sys::UniqueFd* fd) {
  // A packet has at least one byte, so that its end is told from that of the connection.
  std::byte bytes[kMostBytes];
  sys::UniqueFd came;
  const auto size = sys::receive_message(socket, bytes, came);
  if (size.value_or(0) == 0) return std::nullopt;
  if (fd != nullptr && came) *fd = std::move(came);
  return std::string(base::as_text(base::Bytes(bytes).first(*size)));
}

}  // namespace network::holder_socket
