#include "builder/solve/agent_forwarder.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace solve {

namespace {

constexpr uint32_t kMostBytes = 256 << 10;  // of a message; OpenSSH's own limit
constexpr unsigned char kFailure = 5;
constexpr unsigned char kRequestIdentities = 11;
constexpr unsigned char kSignRequest = 13;
constexpr int kPatienceSeconds = 60;  // an agent may ask its user

sockaddr_un address_of(int directory_fd, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A socket's path has 107 bytes; through the descriptor any directory will do.
  std::string path = base::str("/proc/self/fd/", directory_fd, "/", name);
  CHECK(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

sys::UniqueFd open_directory(const std::filesystem::path& path) {
  sys::UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) base::throw_errno("open " + path.string());
  return fd;
}

sys::UniqueFd connect_to(const std::filesystem::path& agent) {
  std::filesystem::path full = std::filesystem::absolute(agent);
  sys::UniqueFd directory(::open(full.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  sys::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = address_of(directory.get(), full.filename().string());
  if (!directory || !fd ||
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    throw base::Error(
        base::Code::kUnavailable,
        "SSH agent at " + base::printable(agent.string()) + ": " + std::strerror(errno),
        "ssh-agent");
  timeval patience{kPatienceSeconds, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

bool read_bytes(int fd, unsigned char* buffer, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = ::recv(fd, buffer + done, size - done, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

bool write_bytes(int fd, const std::vector<unsigned char>& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    ssize_t n = ::send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

// One message with its length in front; empty at the end or for what is no message.
std::vector<unsigned char> read_message(int fd) {
  unsigned char head[4];
  if (!read_bytes(fd, head, sizeof head)) return {};
  uint32_t size =
      uint32_t{head[0]} << 24 | uint32_t{head[1]} << 16 | uint32_t{head[2]} << 8 | head[3];
  if (size == 0 || size > kMostBytes) return {};
  std::vector<unsigned char> message(head, head + 4);
  message.resize(4 + size);
  if (!read_bytes(fd, message.data() + 4, size)) return {};
  return message;
}

// Answers one request of a client; false when the client is done.
bool answer(int client, int agent) {
  std::vector<unsigned char> request = read_message(client);
  if (request.empty()) return false;
  unsigned char kind = request[4];
  std::vector<unsigned char> reply = {0, 0, 0, 1, kFailure};
  if (kind == kRequestIdentities || kind == kSignRequest) {
    if (!write_bytes(agent, request)) return false;
    reply = read_message(agent);
    if (reply.empty()) return false;
  }
  return write_bytes(client, reply);
}

struct Session {
  sys::UniqueFd client;
  sys::UniqueFd agent;
};

}  // namespace

AgentForwarder::AgentForwarder(const std::filesystem::path& directory, std::filesystem::path agent,
                               uid_t uid, gid_t gid, mode_t mode)
    : path_(directory / "agent"), agent_(std::move(agent)), stop_(sys::make_pipe()) {
  connect_to(agent_);  // a socket that nobody answers is an error now, not in the middle of a step
  sys::UniqueFd parent = open_directory(directory);
  listening_ = sys::UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address = address_of(parent.get(), "agent");
  if (!listening_ ||
      ::bind(listening_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      ::fchmodat(parent.get(), "agent", mode, 0) < 0 ||
      ::fchownat(parent.get(), "agent", uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
      ::listen(listening_.get(), 16) < 0)
    base::throw_errno("make the SSH agent's socket " + path_.string());
  thread_ = std::thread([this] { serve(); });
}

AgentForwarder::~AgentForwarder() {
  stop_.write_end.reset();
  thread_.join();
}

sys::UniqueFd AgentForwarder::open() const {
  sys::UniqueFd fd(::open(path_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) base::throw_errno("open " + path_.string());
  return fd;
}

void AgentForwarder::serve() {
  constexpr size_t kMostSessions = 64;
  std::vector<Session> sessions;
  for (;;) {
    std::vector<pollfd> wait = {{stop_.read_end.get(), POLLIN, 0}, {listening_.get(), POLLIN, 0}};
    for (const Session& session : sessions) wait.push_back({session.client.get(), POLLIN, 0});
    if (::poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) return;
    if (wait[0].revents != 0) return;
    for (size_t i = sessions.size(); i-- > 0;)
      if (wait[i + 2].revents != 0 && !answer(sessions[i].client.get(), sessions[i].agent.get()))
        sessions.erase(sessions.begin() + static_cast<ptrdiff_t>(i));
    if (wait[1].revents == 0) continue;
    sys::UniqueFd client(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client || sessions.size() >= kMostSessions) continue;
    timeval patience{5, 0};  // for the rest of a message that has begun
    ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    try {
      sys::UniqueFd agent = connect_to(agent_);
      sessions.push_back({std::move(client), std::move(agent)});
    } catch (const base::Error&) {
      // The client sees its connection closed, as with an agent that went away.
    }
  }
}

}  // namespace solve
