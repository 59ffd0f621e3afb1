#include "runner/container/notifier.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace container {

namespace {

constexpr size_t kMostMessage = 4096;

struct Address {
  sockaddr_un name = {};
  socklen_t size = 0;
};

/// A path, or "@NAME" for one that is no file.
std::optional<Address> address_of(const std::string& text) {
  Address address;
  if (text.size() < 2 || text.size() >= sizeof address.name.sun_path ||
      (text[0] != '/' && text[0] != '@'))
    return std::nullopt;
  address.name.sun_family = AF_UNIX;
  memcpy(address.name.sun_path, text.data(), text.size());
  if (text[0] == '@') address.name.sun_path[0] = '\0';
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size());
  return address;
}

const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.name);
}

sys::UniqueFd make_socket() {
  sys::UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) base::throw_errno("create socket for notifications");
  return socket;
}

}  // namespace

std::optional<Notifier> Notifier::make(const std::string& mode, const std::filesystem::path& path) {
  const char* outside = ::secure_getenv("NOTIFY_SOCKET");
  if (outside == nullptr || mode == "ignore" || !address_of(outside)) return std::nullopt;
  Notifier notifier(outside);
  if (mode == "conmon") return notifier;
  notifier.path_ = path;
  notifier.socket_ = make_socket();
  // Socket names are short and paths are not: the directory is named by a descriptor.
  const sys::UniqueFd directory(
      ::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) base::throw_errno("open " + path.parent_path().string());
  const auto address =
      address_of(base::str("/proc/self/fd/", directory.get(), '/', path.filename().string()));
  CHECK(address.has_value());
  ::unlink(path.c_str());
  // Whoever the program is, it may speak. Nobody else finds the socket.
  if (::bind(notifier.socket_.get(), generic(*address), address->size) < 0 ||
      ::chmod(path.c_str(), 0666) < 0)
    base::throw_errno("create " + path.string());
  return notifier;
}

void Notifier::show(launch::Spec& spec) const {
  if (!socket_) return;
  constexpr const char* kPlace = "/dev/notify";
  launch::Mount mount;
  mount.source = sys::UniqueFd(::open(path_.c_str(), O_PATH | O_CLOEXEC));
  if (!mount.source) base::throw_errno("open " + path_.string());
  mount.target = sys::RootedPath(kPlace);
  spec.mounts.push_back(std::move(mount));
  spec.env.push_back(base::str("NOTIFY_SOCKET=", kPlace));
}

void Notifier::pass_on() {
  char buffer[kMostMessage];
  for (;;) {
    const ssize_t n = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    std::string text;
    bool is_ready = false;
    for (const std::string& line :
         base::split(std::string_view(buffer, static_cast<size_t>(n)), '\n')) {
      if (line.empty() || line.starts_with("MAINPID=")) continue;
      is_ready = is_ready || line == "READY=1";
      text += line + "\n";
    }
    if (is_ready) text += base::str("MAINPID=", ::getpid(), "\n");
    if (!text.empty()) send(text);
  }
}

void Notifier::tell_start() {
  if (!socket_) send(base::str("MAINPID=", ::getpid(), "\nREADY=1\n"));
}

void Notifier::send(const std::string& text) {
  const auto address = address_of(outside_);
  const sys::UniqueFd socket = make_socket();
  // Nobody may be there any more. The container runs all the same.
  (void)::sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL, generic(*address),
                 address->size);
}

}  // namespace container
