#include "runner/network/forwarder.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"

namespace network {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kPatience{5000};
constexpr const char* kPastaDns = "169.254.1.1";
constexpr const char* kSlirpDns = "10.0.2.3";
constexpr const char* kSlirpAddress = "10.0.2.100";
constexpr const char* kSlirpGateway = "10.0.2.2";

[[noreturn]] void fail(const std::string& program, const std::string& why) {
  throw base::Error(base::Code::kUnsupported, program + ": " + why, "no-private-network");
}

void need(const char* program, const char* package) {
  if (!sys::find_program(program))
    fail(program, base::str("is not installed (Debian package ", package, ")"));
  if (::access("/dev/net/tun", R_OK | W_OK) != 0)
    fail(program, base::str("/dev/net/tun cannot be opened: ", strerror(errno),
                            "; its mode should be 0666"));
}

/// The last thing a program said that is worth repeating.
std::string last_words(int fd) {
  char buffer[4096];
  std::string text;
  ::lseek(fd, 0, SEEK_SET);
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0 && text.size() < 65536;)
    text.append(buffer, static_cast<size_t>(n));
  std::string last;
  for (const std::string& line : base::split(text, '\n')) {
    std::string_view words = base::trim(line);
    if (!words.empty() && !words.starts_with("Failed to send")) last = words;
  }
  return last.empty() ? "it ended without a word" : base::printable(last);
}

sys::UniqueFd output_file(const std::string& name) {
  sys::UniqueFd file(::memfd_create(name.c_str(), MFD_CLOEXEC));
  if (!file) base::throw_errno("create memory file");
  return file;
}

std::string path_of(const sys::UniqueFd& fd) {
  return base::str("/proc/", ::getpid(), "/fd/", fd.get());
}

bool has_ended(const sys::Process& process) {
  pollfd ended = {process.pidfd(), POLLIN, 0};
  return ::poll(&ended, 1, 0) > 0;
}

}  // namespace

void Forwarder::wait_for_address(NewNamespace& inside, const std::string& name, int output) {
  auto end = Clock::now() + kPatience;
  for (;;) {
    if (auto found = find_address(*inside.route, interface_)) {
      address_ = *found;
      return;
    }
    if (has_ended(process_)) fail(name, last_words(output));
    if (Clock::now() > end) fail(name, "the network did not come up within 5 s");
    ::poll(nullptr, 0, 1);
  }
}

Forwarder Forwarder::start_pasta(const Request& request, NewNamespace& inside) {
  need("pasta", "passt");
  std::vector<std::string> argv = {"pasta", "-f", "--config-net", "-q", "-4", "-T", "none", "-U",
                                   "none", "--no-map-gw", "--dns-forward", kPastaDns};
  bool tcp = false, udp = false;
  for (const Port& port : request.ports) {
    bool is_tcp = port.protocol == Protocol::kTcp;
    (is_tcp ? tcp : udp) = true;
    argv.push_back(is_tcp ? "-t" : "-u");
    argv.push_back(base::str(port.host_address.empty() ? "" : port.host_address + "/", port.host, ":",
                             port.container));
  }
  if (!tcp) argv.insert(argv.end(), {"-t", "none"});
  if (!udp) argv.insert(argv.end(), {"-u", "none"});
  argv.insert(argv.end(), request.arguments.begin(), request.arguments.end());
  argv.insert(argv.end(), {"--netns", path_of(inside.fd)});
  sys::UniqueFd output = output_file("pasta");
  Forwarder forwarder;
  forwarder.process_ =
      sys::start_program(argv, {.die_with_thread = true, .output = output.get(), .keep = {}});
  forwarder.wait_for_address(inside, "pasta", output.get());
  forwarder.name_server_ = kPastaDns;
  return forwarder;
}

namespace {

/// One request on slirp4netns' socket. Throws Unavailable with its answer when it refuses.
void add_forward(const std::string& socket_path, const Port& port) {
  nlohmann::json request = {
      {"execute", "add_hostfwd"},
      {"arguments",
       {{"proto", name_of(port.protocol)},
        {"host_addr", port.host_address.empty() ? "0.0.0.0" : port.host_address},
        {"host_port", port.host},
        {"guest_addr", kSlirpAddress},
        {"guest_port", port.container}}}};
  sys::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, socket_path.c_str(), sizeof address.sun_path - 1);
  if (!socket ||
      ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    base::throw_errno("connect to slirp4netns");
  sys::write_all(socket.get(), base::as_bytes(request.dump()), "slirp4netns");
  ::shutdown(socket.get(), SHUT_WR);
  sys::FdSource source(socket.get(), "slirp4netns");
  std::string answer = base::read_all(source, 1 << 16);
  if (answer.find("\"error\"") == std::string::npos) return;
  throw base::Error(base::Code::kUnavailable,
                    "publish " + str(port) + ": slirp4netns: " + base::printable(answer),
                    "port-in-use");
}

}  // namespace

Forwarder Forwarder::start_slirp(const Request& request, NewNamespace& inside) {
  need("slirp4netns", "slirp4netns");
  sys::Pipe ready = sys::make_pipe(), end = sys::make_pipe();
  sys::UniqueFd output = output_file("slirp4netns");
  char directory[] = "/tmp/torte-slirp-XXXXXX";
  std::string socket_path;
  if (!request.ports.empty()) {
    if (::mkdtemp(directory) == nullptr) base::throw_errno("create directory for slirp4netns");
    socket_path = base::str(directory, "/socket");
  }
  std::vector<std::string> argv = {"slirp4netns", "--configure", "--mtu=65520",
                                   "--disable-host-loopback", "--enable-seccomp",
                                   "-r", std::to_string(ready.write_end.get()),
                                   "-e", std::to_string(end.read_end.get())};
  if (!socket_path.empty()) argv.insert(argv.end(), {"-a", socket_path});
  argv.insert(argv.end(), request.arguments.begin(), request.arguments.end());
  argv.insert(argv.end(), {"--netns-type=path", path_of(inside.fd), "tap0"});
  Forwarder forwarder;
  forwarder.process_ = sys::start_program(
      argv, {.die_with_thread = true,
             .output = output.get(),
             .keep = {ready.write_end.get(), end.read_end.get()}});
  forwarder.exit_pipe_ = std::move(end.write_end);
  forwarder.wait_for_address(inside, "slirp4netns", output.get());
  ready.write_end.reset();
  char byte;
  if (::read(ready.read_end.get(), &byte, 1) != 1) fail("slirp4netns", last_words(output.get()));
  for (const Port& port : request.ports) add_forward(socket_path, port);
  if (!socket_path.empty()) {
    ::unlink(socket_path.c_str());
    ::rmdir(directory);
  }
  forwarder.gateway_ = kSlirpGateway;
  forwarder.name_server_ = kSlirpDns;
  return forwarder;
}

Forwarder Forwarder::start(const Request& request, NewNamespace& inside) {
  if (request.mode == Mode::kPasta) return start_pasta(request, inside);
  if (request.mode == Mode::kSlirp) return start_slirp(request, inside);
  std::string pasta_said;
  try {
    return start_pasta(request, inside);
  } catch (const base::Error& e) {
    if (e.id() != "no-private-network") throw;
    pasta_said = e.what();
  }
  try {
    return start_slirp(request, inside);
  } catch (const base::Error& e) {
    if (e.id() != "no-private-network") throw;
    throw base::Error(base::Code::kUnsupported,
                      base::str("no private network: ", pasta_said, "; ", e.what()),
                      "no-private-network")
        .add_help("--network none needs nothing, --network host uses the machine's own");
  }
}

}  // namespace network
