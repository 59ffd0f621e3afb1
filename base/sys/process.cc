#include "base/sys/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "base/error.h"

extern char** environ;

namespace sys {

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    abandon();
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::move(other.pidfd_);
  }
  return *this;
}

Process::~Process() { abandon(); }

void Process::abandon() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

void Process::signal(int number) const {
  if (pid_ > 0 && ::kill(pid_, number) < 0 && errno != ESRCH) base::throw_errno("send signal");
}

ExitStatus Process::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0)
    if (errno != EINTR) base::throw_errno("wait for process");
  pid_ = -1;
  if (WIFSIGNALED(status)) return {0, WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

ExitStatus run_program(const std::vector<std::string>& argv, std::string* output) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  Pipe pipe = make_pipe();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  if (output != nullptr) {
    posix_spawn_file_actions_adddup2(&actions, pipe.write_end.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, pipe.write_end.get(), 2);
  }
  pid_t pid = -1;
  int error = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw base::SystemError("start " + argv[0], error);
  Process process(pid, UniqueFd());
  pipe.write_end.reset();
  if (output != nullptr) {
    FdSource source(pipe.read_end.get(), "output of " + argv[0]);
    *output = base::read_all(source, 1 << 20);
  }
  return process.wait();
}

ExitStatus run_filter(const std::vector<std::string>& argv, std::string_view input,
                      std::string& output) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  // A file, not a pipe: nobody has to feed it while the output is read.
  UniqueFd in = sealed_memfd("input", base::as_bytes(input));
  if (::lseek(in.get(), 0, SEEK_SET) < 0) base::throw_errno("rewind input of " + argv[0]);
  Pipe pipe = make_pipe();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, pipe.write_end.get(), 1);
  pid_t pid = -1;
  int error = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw base::SystemError("start " + argv[0], error);
  Process process(pid, UniqueFd());
  pipe.write_end.reset();
  FdSource source(pipe.read_end.get(), "output of " + argv[0]);
  output = base::read_all(source, 1 << 20);
  return process.wait();
}

}  // namespace sys
