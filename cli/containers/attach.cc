#include "cli/containers/attach.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/error.h"
#include "base/sys/fd.h"
#include "base/text.h"

namespace cli {

namespace {

/// Copies between our streams and the monitor. What we type is never sent in a way that blocks: a
/// program that does not read must still be heard.
class Attachment {
 public:
  Attachment(Context& context, container::Control& control, const AttachOptions& options)
      : context_(context),
        control_(control),
        options_(options),
        keys_(options.tty ? parse_detach_keys(options.detach_keys) : "") {}

  std::optional<int> run(const launch::ForwardedSignals& signals) {
    if (options_.tty) send_size();
    for (;;) {
      const bool read_input = options_.input && !input_ended_ && pending_.empty();
      pollfd entries[] = {
          {control_.fd(), static_cast<short>(pending_.empty() ? POLLIN : POLLIN | POLLOUT), 0},
          {signals.fd(), POLLIN, 0},
          {read_input ? context_.in_fd : -1, POLLIN, 0}};
      if (::poll(entries, std::size(entries), -1) < 0 && errno != EINTR)
        base::throw_errno("wait for the container");
      if ((entries[0].revents & POLLOUT) != 0) send_pending();
      if ((entries[1].revents & POLLIN) != 0) take_signals(signals);
      if (entries[2].revents != 0 && !take_input()) return std::nullopt;
      if ((entries[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
      const std::optional<container::Packet> packet = container::receive_packet(control_.fd());
      if (!packet) return std::nullopt;
      if (packet->kind == 'x')
        return static_cast<int>(base::parse_decimal(packet->bytes).value_or(125));
      if (packet->kind == 'o') show(context_.out_fd, packet->bytes);
      if (packet->kind == 'e') show(context_.err_fd, packet->bytes);
    }
  }

 private:
  void show(int fd, const std::string& bytes) {
    sys::write_all(fd, base::as_bytes(bytes),
                   fd == context_.out_fd ? "standard output" : "standard error");
  }

  void send_size() {
    if (const auto size = launch::terminal_size(context_.out_fd))
      container::send_packet(control_.fd(), 'w', base::str(size->rows, ' ', size->columns), true);
  }

  void take_signals(const launch::ForwardedSignals& signals) {
    signalfd_siginfo info;
    while (::read(signals.fd(), &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGWINCH)
        send_size();
      else if (options_.pass_signals)
        container::send_packet(control_.fd(), 'k', std::to_string(info.ssi_signo), true);
    }
  }

  /// False when the keys to leave were typed.
  bool take_input() {
    char buffer[16 << 10];
    const ssize_t n = ::read(context_.in_fd, buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    if (n <= 0) {
      input_ended_ = true;
      container::send_packet(control_.fd(), 'E', {}, true);
      return true;
    }
    if (keys_.feed({buffer, static_cast<size_t>(n)}, pending_)) return false;
    send_pending();
    return true;
  }

  void send_pending() {
    if (pending_.empty()) return;
    if (container::send_packet(control_.fd(), 'i', pending_, false) ||
        (errno != EAGAIN && errno != ENOBUFS))
      pending_.clear();
  }

  Context& context_;
  container::Control& control_;
  const AttachOptions& options_;
  launch::DetachKeys keys_;
  std::string pending_;
  bool input_ended_ = false;
};

}  // namespace

std::string parse_detach_keys(const std::string& text) {
  std::string keys;
  if (text.empty()) return keys;
  constexpr std::string_view kControl = "ctrl-";
  constexpr std::string_view kSpecial = "@[\\]^_";
  for (const std::string& word : base::split(text, ',')) {
    if (word.size() == 1) {
      keys += word[0];
      continue;
    }
    const char letter =
        word.size() == kControl.size() + 1 && word.starts_with(kControl) ? word.back() : 0;
    if (letter >= 'a' && letter <= 'z')
      keys += static_cast<char>(letter - 'a' + 1);
    else if (letter != 0 && kSpecial.find(letter) != std::string_view::npos)
      keys += static_cast<char>(letter - '@');
    else
      throw UsageError("--detach-keys " + base::printable(text) +
                       ": expected letters and ctrl-LETTER, separated by commas");
  }
  return keys;
}

std::optional<int> attend_monitor(Context& context, container::Control& control,
                                  const launch::ForwardedSignals& signals,
                                  const AttachOptions& options) {
  std::optional<launch::RawTerminal> raw;
  if (options.tty && options.input) raw.emplace(context.in_fd);
  return Attachment(context, control, options).run(signals);
}

}  // namespace cli
