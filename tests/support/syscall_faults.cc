#include "tests/support/syscall_faults.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/sys/fd.h"

namespace support {

namespace {

struct Call {
  int number;
  const char* name;
};

// The calls of x86-64 and others by the names both have; old spellings only where they exist.
constexpr Call kCalls[] = {
    {SYS_openat, "openat"},       {SYS_write, "write"},
    {SYS_pwrite64, "pwrite64"},   {SYS_writev, "writev"},
    {SYS_ftruncate, "ftruncate"}, {SYS_fsync, "fsync"},
    {SYS_fdatasync, "fdatasync"}, {SYS_syncfs, "syncfs"},
    {SYS_renameat, "renameat"},   {SYS_renameat2, "renameat2"},
    {SYS_linkat, "linkat"},       {SYS_unlinkat, "unlinkat"},
    {SYS_mkdirat, "mkdirat"},     {SYS_symlinkat, "symlinkat"},
    {SYS_mknodat, "mknodat"},     {SYS_fallocate, "fallocate"},
    {SYS_fchmod, "fchmod"},       {SYS_fchown, "fchown"},
    {SYS_flock, "flock"},         {SYS_copy_file_range, "copy_file_range"},
#ifdef SYS_open
    {SYS_open, "open"},           {SYS_rename, "rename"},
    {SYS_link, "link"},           {SYS_unlink, "unlink"},
    {SYS_mkdir, "mkdir"},         {SYS_rmdir, "rmdir"},
    {SYS_symlink, "symlink"},     {SYS_mknod, "mknod"},
    {SYS_truncate, "truncate"},
#endif
};

const char* name_of(int number) {
  for (const Call& call : kCalls)
    if (call.number == number) return call.name;
  return "?";
}

// Every call of the list asks the listener, all others go through.
std::vector<sock_filter> make_filter() {
  std::vector<sock_filter> filter = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const Call& call : kCalls) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call.number), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return filter;
}

// Sends the listener to the parent. sendmsg is not on the list, so this does not wait for itself.
void send_descriptor(int socket, int descriptor) {
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  ::sendmsg(socket, &message, 0);
}

sys::UniqueFd receive_descriptor(int socket) {
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  int descriptor = -1;
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || CMSG_FIRSTHDR(&message) == nullptr)
    throw base::Error(base::Code::kFailed, "no seccomp listener from the child");
  std::memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
  return sys::UniqueFd(descriptor);
}

[[noreturn]] void run_child(int socket, const std::function<int()>& work) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  std::vector<sock_filter> filter = make_filter();
  sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};
  const int listener = static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
  if (listener < 0) ::_exit(99);
  send_descriptor(socket, listener);
  ::close(listener);
  int status = 98;
  try {
    status = work();
  } catch (const std::exception&) {
    status = 97;
  }
  ::_exit(status);
}

bool changes_something(const seccomp_notif& request) {
  constexpr uint64_t kWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
  if (request.data.nr == SYS_openat) return (request.data.args[2] & kWriting) != 0;
#ifdef SYS_open
  if (request.data.nr == SYS_open) return (request.data.args[1] & kWriting) != 0;
#endif
  return true;
}

}  // namespace

FaultResult run_with_fault(const std::function<int()>& work, size_t at, Fault fault,
                           int error_number) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
    base::throw_errno("socketpair");
  sys::UniqueFd ours(ends[0]);
  sys::UniqueFd theirs(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) base::throw_errno("fork");
  if (child == 0) {
    ours.reset();
    run_child(theirs.get(), work);
  }
  theirs.reset();
  FaultResult result;
  {
    const sys::UniqueFd listener = receive_descriptor(ours.get());
    for (;;) {
      pollfd ready = {listener.get(), POLLIN, 0};
      if (::poll(&ready, 1, -1) < 0 && errno != EINTR) break;
      if ((ready.revents & POLLIN) == 0) break;  // nobody left that has the filter
      seccomp_notif request = {};
      if (::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &request) < 0) continue;
      seccomp_notif_resp response = {};
      response.id = request.id;
      response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
      if (changes_something(request) && ++result.calls == at) {
        result.last_call = name_of(request.data.nr);
        if (fault == Fault::kKill) {
          ::kill(child, SIGKILL);
          continue;
        }
        response.flags = 0;
        response.error = -error_number;
      }
      ::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &response);
    }
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

}  // namespace support
