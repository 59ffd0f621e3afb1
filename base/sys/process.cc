#include "base/sys/process.h"

#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
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

std::optional<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos)
    return ::access(name.c_str(), X_OK) == 0 ? std::optional(name) : std::nullopt;
  const char* path = std::getenv("PATH");
  for (const std::string& directory : base::split(path != nullptr ? path : "/usr/bin:/bin", ':')) {
    std::string candidate = directory + "/" + name;
    if (!directory.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

/// Between fork and exec: system calls only, other threads' locks may be held.
struct Starting {
  const char* program;
  char* const* argv;
  int input, output, failure;
  const int* keep;
  size_t keep_count;
  int life;      ///< of a companion
  pid_t parent;  ///< who must be alive; 0: does not matter
};

[[noreturn]] void become_program(const Starting& start) {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  bool good = true;
  if (start.parent != 0) {
    good = ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
    if (::getppid() != start.parent) ::_exit(125);  // too late to be told
  }
  good = good && ::dup2(start.input, 0) >= 0 && ::dup2(start.output, 1) >= 0 &&
         ::dup2(start.output, 2) >= 0;
  for (size_t i = 0; i < start.keep_count; ++i)
    good = good && ::fcntl(start.keep[i], F_SETFD, 0) >= 0;
  if (good) ::execve(start.program, start.argv, environ);
  int error = errno;
  if (::write(start.failure, &error, sizeof error) < 0) ::_exit(126);
  ::_exit(125);
}

/// Process 1 of the companion's namespace: its end is the end of everything in there.
[[noreturn]] void watch_program(const Starting& start) {
  pid_t program = ::fork();
  if (program == 0) become_program(start);
  int error = errno;
  if (program < 0) {
    if (::write(start.failure, &error, sizeof error) < 0) ::_exit(126);
    ::_exit(125);
  }
  // What we hold of our parent's descriptors must not keep anything alive.
  ::dup2(start.life, 0);
  ::close_range(1, ~0u, 0);
  int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, program, 0));
  pollfd wait[2] = {{0, POLLIN, 0}, {pidfd, POLLIN, 0}};
  while (::poll(wait, pidfd < 0 ? 1 : 2, -1) < 0 && errno == EINTR) {
  }
  int status = 0;
  bool ended = ::waitpid(program, &status, WNOHANG) == program;
  ::_exit(ended && WIFEXITED(status) ? WEXITSTATUS(status) : 125);
}

}  // namespace

namespace {

/// Starts `child` as fork does, in the namespaces `flags` asks for, and waits until the program
/// runs or cannot be.
template <typename Child>
Process start(const std::string& name, int flags, Pipe& failure, Child&& child) {
  auto pid = static_cast<pid_t>(::syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0));
  if (pid < 0) base::throw_errno("fork");
  if (pid == 0) child();
  Process process(pid, UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))));
  if (process.pidfd() < 0) base::throw_errno("open process");
  failure.write_end.reset();
  int error = 0;
  if (::read(failure.read_end.get(), &error, sizeof error) == sizeof error)
    throw base::SystemError("start " + name, error);
  return process;
}

UniqueFd open_null() {
  UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) base::throw_errno("open /dev/null");
  return null;
}

std::string get_program(const std::string& name) {
  std::optional<std::string> program = find_program(name);
  if (!program) throw base::SystemError("start " + name, ENOENT);
  return *program;
}

}  // namespace

Process start_program(const std::vector<std::string>& argv, const StartOptions& options) {
  std::string program = get_program(argv[0]);
  std::vector<char*> arguments = pointers(argv);
  UniqueFd null = open_null();
  Pipe failure = make_pipe();
  Starting starting = {program.c_str(),
                       arguments.data(),
                       null.get(),
                       options.output >= 0 ? options.output : null.get(),
                       failure.write_end.get(),
                       options.keep.data(),
                       options.keep.size(),
                       -1,
                       options.die_with_thread ? ::getpid() : 0};
  return start(argv[0], 0, failure, [&] { become_program(starting); });
}

Companion start_companion(const std::vector<std::string>& argv, const CompanionOptions& options) {
  std::string program = get_program(argv[0]);
  std::vector<char*> arguments = pointers(argv);
  UniqueFd null = open_null();
  Pipe failure = make_pipe(), life = make_pipe();
  Starting starting = {program.c_str(),
                       arguments.data(),
                       null.get(),
                       options.output >= 0 ? options.output : null.get(),
                       failure.write_end.get(),
                       options.keep.data(),
                       options.keep.size(),
                       life.read_end.get(),
                       0};
  Companion companion;
  companion.process = start(argv[0], CLONE_NEWPID, failure, [&] { watch_program(starting); });
  companion.life = std::move(life.write_end);
  return companion;
}

ExitStatus run_program(const std::vector<std::string>& argv, std::string* output,
                       const std::vector<std::string>* environment) {
  std::vector<char*> arguments = pointers(argv);
  std::vector<char*> variables;
  if (environment != nullptr) variables = pointers(*environment);
  Pipe pipe = make_pipe();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  if (output != nullptr) {
    posix_spawn_file_actions_adddup2(&actions, pipe.write_end.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, pipe.write_end.get(), 2);
  }
  pid_t pid = -1;
  int error = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(),
                             environment != nullptr ? variables.data() : environ);
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

Process start_self(const std::vector<std::string>& argv, const std::vector<int>& keep,
                   bool own_streams) {
  std::vector<char*> arguments = pointers(argv);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (!own_streams) {
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    for (int stream : {1, 2}) posix_spawn_file_actions_adddup2(&actions, 0, stream);
  }
  // Onto itself: that clears close-on-exec.
  for (int fd : keep) posix_spawn_file_actions_adddup2(&actions, fd, fd);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
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
          const ElfW(Addr) end =
              (info->dlpi_addr + segment.p_vaddr + segment.p_memsz) & ~(page - 1);
          if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
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

ExitStatus run_program_on(const std::vector<std::string>& argv, const int (&streams)[3]) {
  std::vector<char*> arguments = pointers(argv);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int i = 0; i < 3; ++i) {
    if (streams[i] < 0)
      posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0);
    else
      posix_spawn_file_actions_adddup2(&actions, streams[i], i);
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int error =
      ::posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw base::SystemError("start " + argv[0], error);
  return Process(pid, UniqueFd()).wait();
}

ExitStatus run_filter(const std::vector<std::string>& argv, std::string_view input,
                      std::string& output) {
  std::vector<char*> arguments = pointers(argv);
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
