#include "runner/launch/open_pipes.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>

#include "base/error.h"

namespace launch {

namespace {

sys::Pipe make_open_pipe() {
  sys::Pipe pipe = sys::make_pipe();
  if (::fchmod(pipe.read_end.get(), 0666) < 0)
    base::throw_errno("open the program's streams to its user");
  return pipe;
}

/// Only our end: what the program does with its own is its affair.
void set_nonblocking(const sys::UniqueFd& fd) {
  if (fd) ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

bool may_come_later(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

OpenPipes::OpenPipes(Spec& spec)
    : input_(spec.stdin_fd),
      outputs_{spec.stdout_fd, spec.stderr_fd},
      out_{make_open_pipe(), make_open_pipe()} {
  if (input_ >= 0) in_ = make_open_pipe();
  set_nonblocking(in_.write_end);
  for (const sys::Pipe& pipe : out_) set_nonblocking(pipe.read_end);
  spec.stdin_fd = in_.read_end.get();
  spec.stdout_fd = out_[0].write_end.get();
  spec.stderr_fd = out_[1].write_end.get();
}

sys::ExitStatus OpenPipes::attend(Container& container, const ForwardedSignals& signals) {
  // The program has its ends; ours would keep the pipes open.
  in_.read_end.reset();
  for (sys::Pipe& pipe : out_) pipe.write_end.reset();
  for (;;) {
    const bool wants_input = in_.write_end && pending_.empty();
    pollfd entries[] = {
        {container.pidfd(), POLLIN, 0},
        {signals.fd(), POLLIN, 0},
        {wants_input ? input_ : -1, POLLIN, 0},
        {in_.write_end.get(), static_cast<short>(pending_.empty() ? 0 : POLLOUT), 0},
        {out_[0].read_end.get(), POLLIN, 0},
        {out_[1].read_end.get(), POLLIN, 0}};
    if (::poll(entries, std::size(entries), -1) < 0 && errno != EINTR)
      base::throw_errno("wait for the program");
    if ((entries[1].revents & POLLIN) != 0) {
      signalfd_siginfo info;
      while (::read(signals.fd(), &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGWINCH) container.signal(static_cast<int>(info.ssi_signo));
    }
    if (entries[2].revents != 0) read_input();
    if ((entries[3].revents & (POLLOUT | POLLERR)) != 0) write_input();
    for (const size_t stream : {0, 1})
      if (entries[4 + stream].revents != 0) copy_output(stream);
    if ((entries[0].revents & POLLIN) != 0) break;
  }
  for (const size_t stream : {0, 1})
    while (copy_output(stream)) {
    }
  return container.wait();
}

void OpenPipes::read_input() {
  char buffer[16 << 10];
  const ssize_t n = ::read(input_, buffer, sizeof buffer);
  if (n > 0) {
    pending_.assign(buffer, static_cast<size_t>(n));
    write_input();
  } else if (n == 0 || !may_come_later(errno)) {
    in_.write_end.reset();
  }
}

void OpenPipes::write_input() {
  const ssize_t n = ::write(in_.write_end.get(), pending_.data(), pending_.size());
  if (n > 0) {
    pending_.erase(0, static_cast<size_t>(n));
  } else if (n < 0 && !may_come_later(errno)) {
    pending_.clear();  // it does not read any more
    in_.write_end.reset();
  }
}

bool OpenPipes::copy_output(size_t stream) {
  if (!out_[stream].read_end) return false;
  char buffer[16 << 10];
  const ssize_t n = ::read(out_[stream].read_end.get(), buffer, sizeof buffer);
  if (n > 0) {
    sys::write_all(outputs_[stream], {reinterpret_cast<std::byte*>(buffer), static_cast<size_t>(n)},
                   stream == 0 ? "standard output" : "standard error");
    return true;
  }
  if (n == 0 || !may_come_later(errno)) out_[stream].read_end.reset();
  return false;
}

}  // namespace launch
