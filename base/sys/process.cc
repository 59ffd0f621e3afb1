#include "base/sys/process.h"

#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"

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

Process start_self(const std::vector<std::string>& argv, const std::vector<int>& keep) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
  for (int stream : {1, 2}) posix_spawn_file_actions_adddup2(&actions, 0, stream);
  // Onto itself: that clears close-on-exec.
  for (int fd : keep) posix_spawn_file_actions_adddup2(&actions, fd, fd);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  int error =
      ::posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) throw base::SystemError("start torte again", error);
  return Process(pid, UniqueFd());
}

void forget_program_pages() {
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void*) {
        const auto page = static_cast<ElfW(Addr)>(::sysconf(_SC_PAGESIZE));
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& segment = info->dlpi_phdr[i];
          // What was ever written to, relocations included, is not in the file.
          if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
          const ElfW(Addr) begin = (info->dlpi_addr + segment.p_vaddr + page - 1) & ~(page - 1);
          const ElfW(Addr) end = (info->dlpi_addr + segment.p_vaddr + segment.p_memsz) & ~(page - 1);
          if (begin < end)
            ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
        }
        return 0;
      },
      nullptr);
}

std::optional<UniqueFd> open_process(pid_t pid) {
  int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd >= 0) return UniqueFd(fd);
  if (errno == ESRCH || errno == EINVAL) return std::nullopt;
  base::throw_errno("open process");
}

bool signal_process(int pidfd, int number) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  base::throw_errno("send signal");
}

std::optional<uint64_t> start_of_process(pid_t pid) {
  constexpr uint64_t kLimit = 64 << 10;
  std::optional<std::string> text =
      find_user_file("/proc/" + std::to_string(pid) + "/stat", kLimit);
  if (!text) return std::nullopt;
  // The name, in parentheses, may hold anything; the start is the 20th word after it. [proc(5)]
  std::istringstream words(text->substr(text->rfind(')') + 1));
  constexpr int kStart = 20;
  std::string word;
  for (int i = 0; i < kStart; ++i) words >> word;
  return base::parse_decimal(word);
}

}  // namespace sys
