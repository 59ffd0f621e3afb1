#include "cli/system_check.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/overlay_mount.h"
#include "base/sys/root.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "overlay/snapshot.h"
#include "runner/launch/cgroup.h"
#include "runner/network/probe.h"
#include "store/store.h"

namespace cli {

namespace {

constexpr uint64_t kSmallFile = 1 << 20;

// Does it, in a process of its own that cannot harm this one; 0, or errno.
int try_apart(const std::function<bool()>& work) {
  const pid_t child = ::fork();
  if (child < 0) return errno;
  if (child == 0) ::_exit(work() ? 0 : errno);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

// A probe that throws says why it does not work.
Feature probe(Feature feature, const std::function<void()>& work) {
  const std::string fix = std::move(feature.fix);
  feature.fix.clear();
  try {
    work();
    feature.works = true;
  } catch (const base::Error& e) {
    feature.works = false;
    feature.why = e.what();
    feature.fix = fix;
  }
  return feature;
}

std::string in_words(int error) { return base::SystemError("refused", error).what(); }

[[noreturn]] void refuse(const std::string& why) {
  throw base::Error(base::Code::kUnsupported, why);
}

Feature user_namespaces() {
  const bool ordinary = ::geteuid() != 0;
  Feature feature{.name = "user namespaces",
                  .needed = ordinary,
                  .why = ordinary ? "" : "root needs none",
                  .fix =
                      "sysctl user.max_user_namespaces=28633 kernel.unprivileged_userns_clone=1 "
                      "kernel.apparmor_restrict_unprivileged_userns=0 (those there are)"};
  return probe(std::move(feature), [ordinary] {
    if (ordinary) {
      sys::enter_user_namespace();
    } else if (int error = try_apart([] { return ::unshare(CLONE_NEWUSER) == 0; })) {
      refuse(in_words(error));
    }
  });
}

Feature subordinate_ids(bool ordinary) {
  Feature feature{.name = "subordinate ids",
                  .fix =
                      "apt install uidmap; usermod --add-subuids 100000-165535 "
                      "--add-subgids 100000-165535 USER"};
  if (!ordinary) {
    feature.works = true;
    feature.why = "root needs none";
    feature.fix.clear();
    return feature;
  }
  return probe(std::move(feature), [] {
    if (sys::userns_mode() == sys::UsernsMode::kRanges) return;
    refuse(
        "newuidmap, newgidmap or a range in /etc/subuid and /etc/subgid is missing: every file "
        "of an image will be yours");
  });
}

Feature namespaces() {
  return probe(
      {.name = "namespaces",
       .needed = true,
       .fix =
           "a kernel with pid, mount, net, uts and ipc namespaces; in a container: --privileged"},
      [] {
        constexpr int kAll =
            CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC;
        if (int error = try_apart([] { return ::unshare(kAll) == 0; })) refuse(in_words(error));
      });
}

Feature seccomp() {
  return probe(
      {.name = "seccomp", .needed = true, .fix = "a kernel with CONFIG_SECCOMP_FILTER"}, [] {
        const std::string actions =
            sys::find_user_file("/proc/sys/kernel/seccomp/actions_avail", kSmallFile).value_or("");
        if (actions.find("errno") == std::string::npos || ::prctl(PR_GET_SECCOMP) < 0)
          refuse("the kernel has no seccomp filters");
      });
}

Feature cgroups() {
  struct statfs fs;
  constexpr decltype(fs.f_type) kCgroup2 = 0x63677270;
  const bool unified = ::statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == kCgroup2;
  Feature feature{.name = unified ? "cgroup v2" : "cgroup v1",
                  .fix = "systemd-run --user --scope -p Delegate=yes torte ..., or as root"};
  std::vector<std::string> usable, missing;
  for (const char* controller : {"cpu", "memory", "pids"})
    (launch::Cgroup::available(controller) ? usable : missing).push_back(controller);
  feature.works = missing.empty();
  if (feature.works) {
    feature.why = base::join(usable, ", ");
    feature.fix.clear();
  } else {
    feature.why = "no limits for " + base::join(missing, ", ");
  }
  return feature;
}

Feature fuse() {
  return probe({.name = "/dev/fuse", .fix = "modprobe fuse"}, [] {
    sys::UniqueFd fd(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    if (!fd) base::throw_errno("open /dev/fuse");
  });
}

Feature forwarding(bool ordinary) {
  if (ordinary)
    return {.name = "forwarding",
            .works = true,
            .why = "networks of ordinary users need none",
            .fix = {}};
  return probe({.name = "forwarding",
                .fix = "firewall-cmd --zone=trusted --add-interface=torte0; ufw route allow in on "
                       "torte0; nft add rule inet TABLE CHAIN iifname \"torte*\" accept"},
               [] {
                 if (!network::forwards_packets())
                   refuse(
                       "a firewall of this machine drops what containers on bridges send "
                       "elsewhere");
               });
}

void make_directories_in(const store::StagingDir& staging, std::vector<const char*> names) {
  for (const char* name : names) sys::make_directories(staging / name);
}

void try_overlay(const store::StagingDir& staging) {
  make_directories_in(staging, {"low", "lower", "upper", "work"});
  const sys::Root low = sys::Root::open(staging / "low"),
                  lower = sys::Root::open(staging / "lower"),
                  upper = sys::Root::open(staging / "upper"),
                  work = sys::Root::open(staging / "work");
  const sys::UniqueFd mount = sys::mount_overlay({.lowers = {lower.fd(), low.fd()},
                                                  .upper = upper.fd(),
                                                  .work = work.fd(),
                                                  .userxattr = overlay::uses_user_xattrs()});
  const sys::UniqueFd file(::openat(mount.get(), "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!file) base::throw_errno("write through an overlay mount");
}

void try_layer_by_layer(const store::StagingDir& staging) {
  // An old kernel takes any option, and complains only when it mounts.
  sys::FsContext context("overlay");
  bool works = context.try_set_string("lowerdir+", (staging / "low").string()) &&
               context.try_set_string("lowerdir+", (staging / "lower").string());
  try {
    if (works) context.mount(0);
  } catch (const base::SystemError& e) {
    if (e.error_number() != EINVAL) throw;
    works = false;
  }
  if (!works) refuse("Linux before 6.8: images of many layers mount through a slower call");
}

void try_attributes(const store::StagingDir& staging) {
  const sys::Root root = sys::Root::open(staging.path());
  const char* name = overlay::uses_user_xattrs() ? "user.overlay.torte" : "trusted.overlay.torte";
  const sys::UniqueFd file(::openat(root.fd(), "attributes", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!file) base::throw_errno("create a file in the store");
  sys::set_xattr(file.get(), name, "y");
}

// Everything that takes a place to try it in.
void check_store(const std::filesystem::path& root, std::vector<Feature>& features) {
  std::unique_ptr<store::Store> store;
  std::optional<store::StagingDir> staging;
  features.push_back(probe({.name = "store",
                            .needed = true,
                            .why = root.string(),
                            .fix = "torte --root DIR, or TORTE_ROOT: a directory you may write"},
                           [&] {
                             store = store::Store::open(root, store::Access::kReadWrite);
                             staging.emplace(store->create_staging("check"));
                           }));
  const auto with_staging = [&](Feature feature, void (*work)(const store::StagingDir&)) {
    features.push_back(probe(std::move(feature), [&] {
      if (!staging) refuse("the store cannot be written");
      work(*staging);
    }));
  };
  with_staging({.name = "store attributes",
                .needed = true,
                .fix = "a store (--root) on ext4, xfs, btrfs or tmpfs, not NFS"},
               try_attributes);
  with_staging(
      {.name = "overlay mount",
       .needed = true,
       .fix = "modprobe overlay; Linux 5.11 or later for ordinary users; a store (--root) on "
              "ext4, xfs or btrfs, not on an overlay"},
      try_overlay);
  with_staging({.name = "overlay lowerdir+", .fix = "Linux 6.8 or later; everything works without"},
               try_layer_by_layer);
}

}  // namespace

std::vector<Feature> check_system(const std::filesystem::path& root) {
  const bool ordinary = ::geteuid() != 0;
  std::vector<Feature> features;
  features.push_back(user_namespaces());
  features.push_back(subordinate_ids(ordinary));
  features.push_back(namespaces());
  check_store(root, features);
  features.push_back(seccomp());
  features.push_back(cgroups());
  features.push_back(fuse());
  features.push_back(forwarding(ordinary));
  return features;
}

int check_status(const std::vector<Feature>& features) {
  return std::any_of(features.begin(), features.end(),
                     [](const Feature& each) { return each.needed && !each.works; })
             ? 1
             : 0;
}

}  // namespace cli
