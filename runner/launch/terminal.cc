#include "runner/launch/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <string>

#include "base/error.h"

namespace launch {

struct RawTerminal::Settings {
  termios value;
};

RawTerminal::RawTerminal(int fd) : fd_(fd) {
  auto settings = std::make_unique<Settings>();
  if (::tcgetattr(fd, &settings->value) < 0) return;
  termios raw = settings->value;
  ::cfmakeraw(&raw);
  if (::tcsetattr(fd, TCSADRAIN, &raw) == 0) before_ = std::move(settings);
}

RawTerminal::~RawTerminal() {
  if (before_) ::tcsetattr(fd_, TCSADRAIN, &before_->value);
}

std::optional<TerminalSize> terminal_size(int fd) {
  winsize size = {};
  if (::ioctl(fd, TIOCGWINSZ, &size) < 0) return std::nullopt;
  return TerminalSize{size.ws_row, size.ws_col};
}

ForwardedSignals::ForwardedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int number :
       {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGALRM, SIGWINCH})
    sigaddset(&set, number);
  ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  fd_ = sys::UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) {
    int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    throw base::SystemError("watch signals", error);
  }
}

ForwardedSignals::~ForwardedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

namespace {

constexpr char kEndOfFile = 4;  // what a terminal's user types

/// Copies between our streams and the console without ever blocking on the console: a program that
/// does not read its input must still be seen writing.
class Relay {
 public:
  Relay(int console, const Attendance& attendance)
      : console_(console), attendance_(attendance), keys_(attendance.detach_keys) {
    if (console < 0) return;
    ::fcntl(console, F_SETFL, ::fcntl(console, F_GETFL) | O_NONBLOCK);
    follow_size();
  }

  pollfd input_entry() const {
    bool wanted = console_ >= 0 && !input_ended_ && pending_.empty();
    return {wanted ? attendance_.input : -1, POLLIN, 0};
  }
  pollfd console_entry() const {
    short events = POLLIN;
    if (!pending_.empty()) events |= POLLOUT;
    return {console_, events, 0};
  }

  /// False when the keys to leave were typed.
  bool read_input() {
    char buffer[4096];
    ssize_t n = ::read(attendance_.input, buffer, sizeof buffer);
    if (n > 0) {
      if (keys_.feed({buffer, static_cast<size_t>(n)}, pending_)) return false;
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
      input_ended_ = true;
      pending_.assign(1, kEndOfFile);
    }
    write_pending();
    return true;
  }

  void write_pending() {
    if (pending_.empty()) return;
    ssize_t n = ::write(console_, pending_.data(), pending_.size());
    if (n > 0) pending_.erase(0, static_cast<size_t>(n));
  }

  /// False when there is nothing to read now, or nothing will come any more (EIO: the last process
  /// closed the terminal).
  bool read_console() {
    char buffer[16384];
    ssize_t n = ::read(console_, buffer, sizeof buffer);
    if (n > 0) {
      sys::write_all(attendance_.output,
                     {reinterpret_cast<std::byte*>(buffer), static_cast<size_t>(n)},
                     "standard output");
      return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) console_ = -1;
    return false;
  }

  void drain() {
    while (console_ >= 0 && read_console()) {
    }
  }

  void follow_size() {
    if (console_ < 0) return;
    winsize size = {};
    if (::ioctl(attendance_.input >= 0 ? attendance_.input : attendance_.output, TIOCGWINSZ,
                &size) == 0)
      ::ioctl(console_, TIOCSWINSZ, &size);
  }

 private:
  int console_;
  Attendance attendance_;
  DetachKeys keys_;
  bool input_ended_ = false;
  std::string pending_;
};

void pass_signals(const ForwardedSignals& signals, const Container& container, Relay& relay) {
  signalfd_siginfo info;
  while (::read(signals.fd(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGWINCH)
      relay.follow_size();
    else
      container.signal(static_cast<int>(info.ssi_signo));
  }
}

}  // namespace

bool DetachKeys::feed(std::string_view typed, std::string& program) {
  if (keys_.empty()) {
    program += typed;
    return false;
  }
  for (const char byte : typed) {
    if (byte == keys_[matched_]) {
      if (++matched_ == keys_.size()) return true;
      continue;
    }
    // The beginning of the keys, and then something else: it was meant for the program.
    program.append(keys_, 0, std::exchange(matched_, 0));
    if (byte == keys_[0])
      matched_ = 1;
    else
      program += byte;
  }
  return false;
}

void leave_with_terminal(Container container) {
  const int console = container.console(), end = container.pidfd();
  const pid_t pid = ::fork();
  if (pid < 0) base::throw_errno("fork");
  if (pid > 0) {
    std::move(container).leave();
    return;
  }
  // Nothing but system calls from here on, and no destructor of what is the parent's.
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {0, 1, 2}) ::dup2(null, fd);
  for (;;) {
    pollfd entries[] = {{console, POLLIN, 0}, {end, POLLIN, 0}};
    if (::poll(entries, std::size(entries), -1) < 0 && errno != EINTR) break;
    char buffer[4096];
    const ssize_t n = ::read(console, buffer, sizeof buffer);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) break;
    if (n < 0 && (entries[1].revents & POLLIN) != 0) break;
  }
  ::_exit(0);
}

std::optional<sys::ExitStatus> attend(Container& container, const ForwardedSignals& signals,
                                      const Attendance& attendance) {
  Relay relay(container.console(), attendance);
  for (;;) {
    pollfd entries[] = {{container.pidfd(), POLLIN, 0},
                        {signals.fd(), POLLIN, 0},
                        relay.input_entry(),
                        relay.console_entry()};
    if (::poll(entries, std::size(entries), -1) < 0 && errno != EINTR)
      base::throw_errno("wait for container");
    if ((entries[1].revents & POLLIN) != 0) pass_signals(signals, container, relay);
    if ((entries[3].revents & (POLLIN | POLLHUP | POLLERR)) != 0) relay.read_console();
    if ((entries[3].revents & POLLOUT) != 0) relay.write_pending();
    if ((entries[2].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !relay.read_input())
      return std::nullopt;
    if ((entries[0].revents & POLLIN) != 0) break;
  }
  relay.drain();
  return container.wait();
}

}  // namespace launch
