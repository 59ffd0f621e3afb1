#include "runner/container/control.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace container {

namespace {

/// Socket names are short and paths are not: the directory is named by a descriptor.
struct Address {
  sys::UniqueFd directory;
  sockaddr_un name = {};
};

std::optional<Address> address_of(const std::filesystem::path& path) {
  Address address;
  address.directory =
      sys::UniqueFd(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!address.directory) return std::nullopt;
  address.name.sun_family = AF_UNIX;
  const std::string text =
      base::str("/proc/self/fd/", address.directory.get(), '/', path.filename().string());
  CHECK(text.size() < sizeof address.name.sun_path);
  memcpy(address.name.sun_path, text.c_str(), text.size() + 1);
  return address;
}

sys::UniqueFd make_socket() {
  sys::UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) base::throw_errno("create control socket");
  return socket;
}

const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.name);
}

}  // namespace

sys::UniqueFd listen_control(const std::filesystem::path& path) {
  constexpr int kBacklog = 64;
  sys::UniqueFd socket = make_socket();
  const std::optional<Address> address = address_of(path);
  if (!address) base::throw_errno("open " + path.parent_path().string());
  ::unlink(path.c_str());
  if (::bind(socket.get(), generic(*address), sizeof address->name) < 0 ||
      ::chmod(path.c_str(), 0600) < 0 || ::listen(socket.get(), kBacklog) < 0)
    base::throw_errno("listen on " + path.string());
  return socket;
}

bool send_packet(int socket, char kind, std::string_view bytes, bool wait) {
  iovec parts[2] = {{&kind, 1}, {const_cast<char*>(bytes.data()), bytes.size()}};
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  for (;;) {
    if (::sendmsg(socket, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

std::optional<Packet> receive_packet(int socket) {
  char buffer[wire::kMostPayload + 1];
  for (;;) {
    const ssize_t size = ::recv(socket, buffer, sizeof buffer, 0);
    if (size > 0) return Packet{buffer[0], std::string(buffer + 1, static_cast<size_t>(size) - 1)};
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno != ECONNRESET) base::throw_errno("read from the container's monitor");
    return std::nullopt;
  }
}

std::optional<Control> Control::connect(const std::filesystem::path& path) {
  sys::UniqueFd socket = make_socket();
  const std::optional<Address> address = address_of(path);
  if (!address) return std::nullopt;
  if (::connect(socket.get(), generic(*address), sizeof address->name) == 0)
    return Control(std::move(socket));
  if (errno == ENOENT || errno == ECONNREFUSED) return std::nullopt;
  base::throw_errno("connect to the container's monitor");
}

void Control::ask(char kind, std::string_view bytes) {
  send_packet(socket_.get(), kind, bytes, true);
  for (;;) {
    const std::optional<Packet> answer = receive_packet(socket_.get());
    if (!answer)
      throw base::Error(base::Code::kUnavailable, "the container ended meanwhile",
                        "container-not-running");
    if (answer->kind != 'r') continue;
    if (answer->bytes.empty()) return;
    throw base::Error(base::Code::kUnsupported, answer->bytes, "container-refused");
  }
}

std::optional<int> Control::wait_for_end(int timeout_ms) {
  send_packet(socket_.get(), 'x', {}, true);
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    int left = -1;
    if (timeout_ms >= 0) {
      const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(
          std::chrono::steady_clock::now() - start);
      left = std::max(0, timeout_ms - static_cast<int>(passed.count()));
    }
    pollfd entry = {socket_.get(), POLLIN, 0};
    const int ready = ::poll(&entry, 1, left);
    if (ready < 0 && errno != EINTR) base::throw_errno("wait for the container");
    if (ready == 0) return std::nullopt;
    if (ready < 0) continue;
    const std::optional<Packet> packet = receive_packet(socket_.get());
    if (!packet) return std::nullopt;
    if (packet->kind != 'x') continue;
    const auto status = base::parse_decimal(packet->bytes);
    return status ? std::optional<int>(static_cast<int>(*status)) : std::nullopt;
  }
}

}  // namespace container
