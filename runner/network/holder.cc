#include "runner/network/holder.h"

#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/lock.h"
#include "base/sys/process.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "runner/network/holder_socket.h"
#include "runner/network/links.h"

namespace network {

namespace {

constexpr const char* kReady = "ready";
constexpr uint64_t kMostReport = 1 << 16;

/// One connection to a holder, which lives while there are any.
struct Connected {
  sys::UniqueFd socket;
  sys::UniqueFd network_namespace;
  HolderNames names;
};

std::optional<Connected> try_connect(const std::filesystem::path& state) {
  std::optional<sys::UniqueFd> socket = holder_socket::connect(state);
  if (!socket) return std::nullopt;
  Connected made{std::move(*socket), {}, {}};
  const auto hello = holder_socket::receive(made.socket.get(), &made.network_namespace);
  if (!hello) return std::nullopt;  // on its way out
  const std::vector<std::string> lines = base::split(*hello, '\n');
  if (lines.size() < 2 || !made.network_namespace)
    throw base::Error(base::Code::kCorrupt,
                      "the holder of the networks does not speak as it should");
  made.names = {lines[0], lines[1]};
  return made;
}

/// Until we end: a monitor that starts its program again must find the namespaces it knows. One
/// thread at a time.
std::optional<Connected>& kept() {
  static std::optional<Connected> connection;
  return connection;
}

Connected* find_holder(const std::filesystem::path& state) {
  if (!kept()) kept() = try_connect(state);
  return kept() ? &*kept() : nullptr;
}

Connected& get_holder(const std::filesystem::path& state) {
  if (Connected* holder = find_holder(state)) return *holder;
  throw_no_holder();
}

void start_holder(const std::filesystem::path& state, std::vector<std::string> command) {
  sys::Pipe report = sys::make_pipe();
  command.push_back(state.string());
  command.push_back(std::to_string(report.write_end.get()));
  sys::Process holder = sys::start_self(command, {report.write_end.get()});
  report.write_end.reset();
  sys::FdSource source(report.read_end.get(), "report of the holder");
  const std::string text = base::read_all(source, kMostReport);
  if (text != kReady) {
    holder.wait();
    throw base::Error(base::Code::kUnsupported,
                      text.empty() ? "the holder of the networks ended without a word" : text,
                      "no-private-network")
        .add_context("no network");
  }
  holder.release();
}

pid_t peer_of(int socket) {
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
    base::throw_errno("find the holder of the networks");
  return peer.pid;
}

}  // namespace

void throw_no_holder() {
  throw base::Error(base::Code::kUnavailable, "nobody holds this user's networks any more",
                    "no-holder")
      .add_help("torte stop and torte start begin anew");
}

bool join_holder(const std::filesystem::path& state, const std::vector<std::string>& command) {
  sys::make_directories(state);
  // Whoever holds it keeps a holder from ending between our question and our connection.
  const sys::FileLock lock =
      sys::FileLock::acquire(state / "holder.lock", sys::FileLock::Mode::kExclusive);
  std::optional<Connected> connected = try_connect(state);
  if (!connected && command.empty()) return false;
  if (!connected) {
    start_holder(state, command);
    connected = try_connect(state);
    if (!connected)
      throw base::Error(base::Code::kUnavailable, "the holder of the networks ended at once",
                        "no-holder");
  }
  const auto process = sys::open_process(peer_of(connected->socket.get()));
  if (!process)
    throw base::Error(base::Code::kUnavailable, "the holder of the networks ended at once",
                      "no-holder");
  sys::join_user_namespace(process->get());
  kept() = std::move(connected);
  return true;
}

bool bridges_are_here() { return ::geteuid() == 0 && sys::userns_mode() == sys::UsernsMode::kNone; }

bool at_bridges(const std::filesystem::path& state, const std::function<void()>& work) {
  if (bridges_are_here()) {
    work();
    return true;
  }
  const Connected* holder = find_holder(state);
  if (holder == nullptr) return false;
  run_in_namespace(holder->network_namespace.get(), work);
  return true;
}

HolderNames holder_names(const std::filesystem::path& state) { return get_holder(state).names; }

HeldPorts::HeldPorts(const std::filesystem::path& state, const std::vector<Port>& ports) {
  std::optional<Connected> own = try_connect(state);
  if (!own) throw_no_holder();
  socket_ = std::move(own->socket);
  for (const Port& port : ports) {
    holder_socket::send(
        socket_.get(),
        base::str(name_of(port.protocol), " ",
                  port.host_address.empty() ? "0.0.0.0" : port.host_address, " ", port.host));
    const auto answer = holder_socket::receive(socket_.get());
    if (!answer) throw_no_holder();
    if (*answer != kReady)
      throw base::Error(base::Code::kUnavailable, base::str("publish ", str(port), ": ", *answer),
                        "port-in-use");
  }
}

HeldPorts::~HeldPorts() {
  // Answered when they are free again: the next start may want the same.
  if (socket_ && holder_socket::send(socket_.get(), "close")) holder_socket::receive(socket_.get());
}

}  // namespace network
