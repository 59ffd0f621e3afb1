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
#include "base/sys/mount.h"
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
    if (has_ended(companion_.process)) fail(name, last_words(output));
    if (Clock::now() > end) fail(name, "the network did not come up within 5 s");
    ::poll(nullptr, 0, 1);
  }
}

namespace {

/// A name in the file system for a namespace, as long as it takes to open it. pasta gave up most of
/// its rights by then and may not look into our /proc/PID/fd.
class NamedNamespace {
 public:
  NamedNamespace(const sys::UniqueFd& fd, const std::filesystem::path& scratch)
      : path_(scratch / base::str("namespace-", ::getpid(), "-", fd.get())) {
    sys::make_directories(scratch);
    sys::UniqueFd file(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!file) base::throw_errno("create " + path_.string());
    sys::UniqueFd mount = sys::clone_mount(AT_FDCWD, path_of(fd).c_str(), false);
    sys::attach_mount(mount.get(), path_.string());
  }
  NamedNamespace(const NamedNamespace&) = delete;
  NamedNamespace& operator=(const NamedNamespace&) = delete;
  ~NamedNamespace() {
    try {
      sys::unmount(path_.string());
    } catch (const base::Error&) {
      // Then the name stays as well, and the next namespace of this number is mounted over it.
    }
    ::unlink(path_.c_str());
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace

Forwarder Forwarder::start_pasta(const Request& request, NewNamespace& inside,
                                 const std::filesystem::path& scratch) {
  need("pasta", "passt");
  std::vector<std::string> argv = {"pasta", "-f",          "--config-net",  "-q",
                                   "-4",    "-T",          "none",          "-U",
                                   "none",  "--no-map-gw", "--dns-forward", kPastaDns};
  bool tcp = false, udp = false;
  for (const Port& port : request.ports) {
    bool is_tcp = port.protocol == Protocol::kTcp;
    (is_tcp ? tcp : udp) = true;
    argv.push_back(is_tcp ? "-t" : "-u");
    argv.push_back(base::str(port.host_address.empty() ? "" : port.host_address + "/", port.host,
                             ":", port.container));
  }
  if (!tcp) argv.insert(argv.end(), {"-t", "none"});
  if (!udp) argv.insert(argv.end(), {"-u", "none"});
  argv.insert(argv.end(), request.arguments.begin(), request.arguments.end());
  NamedNamespace name(inside.fd, scratch);
  // It would end when the name goes.
  argv.insert(argv.end(), {"--no-netns-quit", "--netns", name.path()});
  sys::UniqueFd output = output_file("pasta");
  Forwarder forwarder;
  forwarder.companion_ = sys::start_companion(argv, {.output = output.get(), .keep = {}});
  forwarder.wait_for_address(inside, "pasta", output.get());
  forwarder.name_server_ = kPastaDns;
  return forwarder;
}

class Forwarder::ControlDirectory {
 public:
  ControlDirectory() {
    if (::mkdtemp(path_) == nullptr) base::throw_errno("create directory for slirp4netns");
  }
  ControlDirectory(const ControlDirectory&) = delete;
  ControlDirectory& operator=(const ControlDirectory&) = delete;
  ~ControlDirectory() {
    ::unlink(socket().c_str());
    ::rmdir(path_);
  }
  std::string socket() const { return base::str(path_, "/socket"); }

 private:
  char path_[sizeof "/tmp/torte-slirp-XXXXXX"] = "/tmp/torte-slirp-XXXXXX";
};

Forwarder::Forwarder() = default;
Forwarder::Forwarder(Forwarder&&) noexcept = default;
Forwarder::~Forwarder() = default;

namespace {

/// One request on slirp4netns' socket, and its answer.
nlohmann::json order(const std::string& socket_path, const nlohmann::json& request) {
  sys::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, socket_path.c_str(), sizeof address.sun_path - 1);
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    base::throw_errno("connect to slirp4netns");
  sys::write_all(socket.get(), base::as_bytes(request.dump()), "slirp4netns");
  ::shutdown(socket.get(), SHUT_WR);
  sys::FdSource source(socket.get(), "slirp4netns");
  const std::string answer = base::read_all(source, 1 << 16);
  nlohmann::json document = nlohmann::json::parse(answer, nullptr, false);
  if (!document.is_object() || document.contains("error"))
    throw base::Error(base::Code::kUnavailable,
                      "slirp4netns: " + base::printable(base::trim(answer)), "port-in-use");
  return document;
}

}  // namespace

int Forwarder::open_port(const Port& port) {
  if (!control_)
    throw base::Error(base::Code::kUnsupported,
                      "publishing ports here needs slirp4netns (Debian package slirp4netns); pasta "
                      "cannot open them later",
                      "port-unsupported");
  try {
    const nlohmann::json answer =
        order(control_->socket(),
              {{"execute", "add_hostfwd"},
               {"arguments",
                {{"proto", name_of(port.protocol)},
                 {"host_addr", port.host_address.empty() ? "0.0.0.0" : port.host_address},
                 {"host_port", port.host},
                 {"guest_addr", kSlirpAddress},
                 {"guest_port", port.container}}}});
    return answer.at("return").at("id").get<int>();
  } catch (const nlohmann::json::exception&) {
    fail("slirp4netns", "does not say what it did");
  } catch (base::Error& e) {
    e.add_context("publish " + str(port));
    throw;
  }
}

void Forwarder::close_port(int number) {
  order(control_->socket(), {{"execute", "remove_hostfwd"}, {"arguments", {{"id", number}}}});
}

Forwarder Forwarder::start_slirp(const Request& request, NewNamespace& inside, bool takes_ports) {
  need("slirp4netns", "slirp4netns");
  sys::Pipe ready = sys::make_pipe();
  sys::UniqueFd output = output_file("slirp4netns");
  Forwarder forwarder;
  std::vector<std::string> argv = {"slirp4netns",
                                   "--configure",
                                   "--mtu=65520",
                                   "--disable-host-loopback",
                                   "--enable-seccomp",
                                   "-r",
                                   std::to_string(ready.write_end.get())};
  if (takes_ports) {
    forwarder.control_ = std::make_unique<ControlDirectory>();
    argv.insert(argv.end(), {"-a", forwarder.control_->socket()});
  }
  argv.insert(argv.end(), request.arguments.begin(), request.arguments.end());
  argv.insert(argv.end(), {"--netns-type=path", path_of(inside.fd), "tap0"});
  forwarder.companion_ =
      sys::start_companion(argv, {.output = output.get(), .keep = {ready.write_end.get()}});
  forwarder.wait_for_address(inside, "slirp4netns", output.get());
  ready.write_end.reset();
  char byte;
  if (::read(ready.read_end.get(), &byte, 1) != 1) fail("slirp4netns", last_words(output.get()));
  for (const Port& port : request.ports) forwarder.open_port(port);
  forwarder.gateway_ = kSlirpGateway;
  forwarder.name_server_ = kSlirpDns;
  return forwarder;
}

namespace {

template <typename First, typename Second>
Forwarder first_that_works(First&& first, Second&& second) {
  std::string said;
  try {
    return first();
  } catch (const base::Error& e) {
    if (e.id() != "no-private-network") throw;
    said = e.what();
  }
  try {
    return second();
  } catch (const base::Error& e) {
    if (e.id() != "no-private-network") throw;
    throw base::Error(base::Code::kUnsupported, base::str(said, "; ", e.what()),
                      "no-private-network");
  }
}

}  // namespace

Forwarder Forwarder::start(const Request& request, NewNamespace& inside,
                           const std::filesystem::path& scratch) {
  if (request.mode == Mode::kPasta) return start_pasta(request, inside, scratch);
  if (request.mode == Mode::kSlirp) return start_slirp(request, inside, !request.ports.empty());
  // Debian 12's pasta loses connections to published ports that come from another host on newer
  // kernels (it answers those of the host itself), so with ports slirp4netns comes first.
  bool slirp_first = !request.ports.empty();
  auto start_one = [&](bool slirp) {
    return slirp ? start_slirp(request, inside, slirp_first)
                 : start_pasta(request, inside, scratch);
  };
  return first_that_works([&] { return start_one(slirp_first); },
                          [&] { return start_one(!slirp_first); });
}

Forwarder Forwarder::start_for_many(NewNamespace& inside, const std::filesystem::path& scratch) {
  return first_that_works([&] { return start_slirp({}, inside, true); },
                          [&] { return start_pasta({}, inside, scratch); });
}

}  // namespace network
