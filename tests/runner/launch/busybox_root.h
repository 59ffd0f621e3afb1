#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/sys/root.h"
#include "runner/launch/launch.h"
#include "tests/support/temp_dir.h"

namespace support {

/// A three-part root whose only image layer is busybox.
class BusyboxRoot {
 public:
  static bool available() { return std::filesystem::exists("/bin/busybox"); }

  BusyboxRoot() {
    if (!available()) return;
    for (const char* name : {"bin", "etc", "tmp", "root", "proc", "dev", "sys", "run"})
      std::filesystem::create_directories(dir_ / ("image/" + std::string(name)));
    std::filesystem::copy_file("/bin/busybox", dir_ / "image/bin/busybox");
    for (const char* name :
         {"sh",    "echo", "cat",      "ls",       "id",    "mount",  "umount", "unshare", "mknod",
          "head",  "grep", "readlink", "hostname", "pwd",   "env",    "sleep",  "true",    "chroot",
          "dmesg", "ps",   "ip",       "kill",     "touch", "rm",     "stat",   "tty",     "wc",
          "test",  "sort", "tr",       "cut",      "mkdir", "ulimit", "stty",   "dd"})
      std::filesystem::create_symlink("busybox", dir_ / ("image/bin/" + std::string(name)));
    dir_.write("image/etc/passwd",
               "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n");
    dir_.write("image/etc/group", "root:x:0:\nuser:x:1000:\nextra:x:2000:user\n");
    chmod((dir_ / "image/tmp").c_str(), 01777);
    for (const char* name : {"stubs", "init", "upper", "work"})
      std::filesystem::create_directories(dir_ / name);
    launch::fill_stub_layer(open("stubs"));
  }

  /// A fresh upper directory for each.
  launch::Spec spec(std::vector<std::string> argv) {
    launch::Spec spec;
    std::string number = std::to_string(count_++);
    for (const char* name : {"init", "upper", "work"})
      std::filesystem::create_directories(dir_ / (name + number));
    spec.root.lowers = {open("image")};
    spec.root.stubs = open("stubs");
    spec.root.init_layer = open("init" + number);
    spec.root.upper = open("upper" + number);
    spec.root.work = open("work" + number);
    spec.root.is_volatile = true;
    spec.argv = std::move(argv);
    spec.env = {"PATH=/bin", "HOME=/root"};
    spec.hostname = "build";
    return spec;
  }

  /// What the program printed on both streams; its status goes to `status`.
  static std::string output(launch::Spec spec, int* status = nullptr) {
    sys::Pipe pipe = sys::make_pipe();
    spec.stdout_fd = spec.stderr_fd = pipe.write_end.get();
    launch::Container container = launch::launch(std::move(spec));
    pipe.write_end.reset();
    sys::FdSource source(pipe.read_end.get(), "output");
    std::string text = base::read_all(source, 1 << 20);
    int result = container.wait().shell_status();
    if (status != nullptr) *status = result;
    return text;
  }
  std::string output(std::vector<std::string> argv) { return output(spec(std::move(argv))); }

  std::filesystem::path last_upper() const { return dir_ / ("upper" + std::to_string(count_ - 1)); }
  const TempDir& dir() const { return dir_; }

 private:
  int open(const std::string& name) {
    fds_.emplace_back(::open((dir_ / name).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return fds_.back().get();
  }

  TempDir dir_;
  std::vector<sys::UniqueFd> fds_;
  int count_ = 0;
};

}  // namespace support
