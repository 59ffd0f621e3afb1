#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/sys/lock.h"
#include "base/sys/process.h"
#include "base/text.h"
#include "runner/network/forwarder.h"
#include "runner/network/holder.h"
#include "runner/network/holder_socket.h"
#include "runner/network/links.h"

namespace network {

namespace {

constexpr const char* kDone = "ready";
/// How long it stays after the last client: commands that follow each other find it warm.
constexpr int kPatienceMs = 500;

/// The holder's side: one thread, a namespace, a forwarder, and who is connected.
class HolderProcess {
 public:
  explicit HolderProcess(std::filesystem::path state)
      : state_(std::move(state)),
        inside_(create_namespace()),
        forwarder_((bring_up_loopback(*inside_.route), Forwarder::start_for_many(inside_, state_))),
        listener_(holder_socket::listen(state_)) {}

  /// Returns when nobody was connected for a while, with the lock that keeps others from coming.
  sys::FileLock serve() {
    for (;;) {
      std::vector<pollfd> entries = {{listener_.get(), POLLIN, 0}};
      for (const Client& client : clients_) entries.push_back({client.socket.get(), POLLIN, 0});
      const int ready = ::poll(entries.data(), entries.size(), clients_.empty() ? kPatienceMs : -1);
      if (ready < 0 && errno != EINTR) base::throw_errno("wait for clients");
      if (ready == 0)
        if (auto lock = try_leave()) return std::move(*lock);
      if (ready <= 0) continue;
      size_t i = 1;
      for (auto client = clients_.begin(); client != clients_.end(); ++i) {
        const auto next = std::next(client);
        if (entries[i].revents != 0 && !attend(*client)) clients_.erase(client);
        client = next;
      }
      if (entries[0].revents != 0) let_in();
    }
  }

 private:
  struct Client {
    sys::UniqueFd socket;
    std::vector<int> ports;  ///< the forwarder's numbers of them
  };

  void let_in() {
    sys::UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const std::string hello = forwarder_.name_server() + "\n" + forwarder_.gateway();
    if (socket && holder_socket::send(socket.get(), hello, inside_.fd.get()))
      clients_.push_back({std::move(socket), {}});
  }

  /// False when the client is gone.
  bool attend(Client& client) {
    const auto request = holder_socket::receive(client.socket.get());
    std::string answer = kDone;
    try {
      if (!request || *request == "close")
        answer = close_ports(client);
      else
        client.ports.push_back(forwarder_.open_port(read_port(*request)));
    } catch (const base::Error& e) {
      answer = e.what();
    }
    return request && holder_socket::send(client.socket.get(), answer);
  }

  /// One that cannot be closed does not keep the others open.
  std::string close_ports(Client& client) {
    std::string answer = kDone;
    for (const int number : std::exchange(client.ports, {})) {
      try {
        forwarder_.close_port(number);
      } catch (const base::Error& e) {
        answer = e.what();
      }
    }
    return answer;
  }

  static Port read_port(const std::string& request) {
    const std::vector<std::string> words = base::split(request, ' ');
    const auto number = base::parse_decimal(words.size() == 3 ? words[2] : "");
    if (!number || *number == 0 || *number > 65535)
      throw base::Error(base::Code::kInvalid, "no such request: " + base::printable(request));
    Port port;
    port.protocol = words[0] == "udp" ? Protocol::kUdp : Protocol::kTcp;
    if (words[1] != "0.0.0.0") port.host_address = words[1];
    port.host = port.container = static_cast<uint16_t>(*number);
    return port;
  }

  std::optional<sys::FileLock> try_leave() {
    auto lock = sys::FileLock::try_acquire(state_ / "holder.lock", sys::FileLock::Mode::kExclusive);
    pollfd pending = {listener_.get(), POLLIN, 0};
    // Somebody is about to connect, or did so without the lock, which only those do who are
    // connected.
    if (!lock || ::poll(&pending, 1, 0) != 0) return std::nullopt;
    ::unlink((state_ / "holder.sock").c_str());
    return lock;
  }

  std::filesystem::path state_;
  NewNamespace inside_;
  Forwarder forwarder_;
  sys::UniqueFd listener_;
  std::list<Client> clients_;
};

}  // namespace

int run_holder(const std::filesystem::path& state, sys::UniqueFd report) {
  auto tell = [&](std::string_view text) {
    sys::write_all(report.get(), base::as_bytes(text), "report");
    report.reset();
  };
  std::optional<HolderProcess> holder;
  try {
    // It came without, and the forwarder would keep it open.
    if (::fcntl(report.get(), F_SETFD, FD_CLOEXEC) < 0) base::throw_errno("take the report");
    // Others of this user enter our user namespace, which they may only while we can be looked at.
    if (::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0) base::throw_errno("let others join");
    if (::chdir("/") < 0) base::throw_errno("leave the working directory");
    holder.emplace(state);
  } catch (const base::Error& e) {
    tell(e.what());
    return 1;
  }
  tell(kDone);
  sys::forget_program_pages();
  const sys::FileLock lock = holder->serve();
  return 0;
}

}  // namespace network
