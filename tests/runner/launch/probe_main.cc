// Runs one program in the sandbox and shows its output: what the sandbox tests look at from
// outside.
//   probe [--as ranges|single] [--build] [--host-net] [--init] [--tty] [--privileged]
//   [--limit-memory N]
//         [--limit-pids N] [--user ID] -- COMMAND ARG...
// --as (as root): becomes an ordinary user first, with or without subordinate ids.

#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include "base/error.h"
#include "base/sys/userns.h"
#include "tests/runner/launch/busybox_root.h"

namespace {

constexpr uid_t kUser = 12345;

constexpr const char* kScratch =
    "/mnt";  // a tmpfs of our own there: a user could not clean up after root

void replace_file(const char* target, const std::string& content) {
  std::string copy =
      std::string(kScratch) + "/" + std::filesystem::path(target).filename().string();
  std::ofstream(copy) << content;
  if (access(target, F_OK) < 0) std::ofstream(target).flush();
  if (mount(copy.c_str(), target, nullptr, MS_BIND, nullptr) < 0) base::throw_errno("bind");
}

/// In a mount namespace of our own, so that the machine's files stay what they are.
void become_user(bool ranges) {
  if (unshare(CLONE_NEWNS) < 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
      mount("tmpfs", kScratch, "tmpfs", 0, nullptr) < 0)
    base::throw_errno("unshare");
  std::stringstream passwd;
  passwd << std::ifstream("/etc/passwd").rdbuf() << "torte-tester:x:12345:12345::/tmp:/bin/sh\n";
  replace_file("/etc/passwd", passwd.str());
  std::string line = ranges ? "torte-tester:200000:65536\n" : "";
  replace_file("/etc/subuid", line);
  replace_file("/etc/subgid", line);
  if (setgroups(0, nullptr) < 0 || setresgid(kUser, kUser, kUser) < 0 ||
      setresuid(kUser, kUser, kUser) < 0)
    base::throw_errno("become user");
  // As after the execve that a real user's torte starts with: /proc/self is ours.
  prctl(PR_SET_DUMPABLE, 1);
}

int run(int argc, char** argv) {
  int next = 1;
  if (argc > 2 && strcmp(argv[1], "--as") == 0) {
    become_user(strcmp(argv[2], "ranges") == 0);
    next = 3;
  }
  sys::UsernsMode mode = sys::enter_user_namespace();
  support::BusyboxRoot root;
  launch::Spec spec = root.spec({});
  spec.root.userxattr = mode != sys::UsernsMode::kNone;
  spec.hosts = "127.0.0.1 localhost\n";
  spec.resolv_conf = "nameserver 192.0.2.1\n";
  spec.hostname_file = "build\n";
  for (; next < argc && strcmp(argv[next], "--") != 0; ++next) {
    std::string option = argv[next];
    if (option == "--build") {
      spec.no_new_privileges = false;
    } else if (option == "--host-net") {
      spec.network = launch::Network::kHost;
    } else if (option == "--init") {
      spec.init = true;
    } else if (option == "--tty") {
      spec.tty = true;
    } else if (option == "--privileged") {
      spec.privileged = true;
    } else if (option == "--limit-memory") {
      spec.limits.memory_bytes = std::stoull(argv[++next]);
    } else if (option == "--limit-pids") {
      spec.limits.pids = std::stoull(argv[++next]);
    } else if (option == "--user") {
      spec.identity = launch::resolve_user(sys::Root::open(root.dir() / "image"), argv[++next]);
    }
  }
  spec.argv.assign(argv + next + 1, argv + argc);
  launch::Container container = launch::launch(std::move(spec));
  char buffer[4096];
  ssize_t n;
  while (container.console() >= 0 && (n = read(container.console(), buffer, sizeof buffer)) > 0)
    fwrite(buffer, 1, static_cast<size_t>(n), stdout);
  fflush(stdout);
  int status = container.wait().shell_status();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root.last_upper()))
    printf("changed %s\n", entry.path().lexically_relative(root.last_upper()).c_str());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const base::Error& e) {
    printf("error: %s [%s]\n", e.what(), e.id().c_str());
    return e.exit_status() >= 0 ? e.exit_status() : 125;
  }
}
