#include "runner/launch/sandbox_process.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "runner/launch/seccomp.h"
#include "runner/launch/seccomp_profile.h"

namespace launch {

namespace {

using wire::Kind;
using wire::OnError;

class ProcessPart {
 public:
  ProcessPart(Plan& plan, int root, std::span<const int> further, const Spec& spec,
              const CgroupDemands& cgroup)
      : plan_(plan), root_(root), further_(further), spec_(spec), cgroup_(cgroup) {}

  void become() {
    if (spec_.held) add(Kind::kAwaitStart, "wait for the start");
    add(Kind::kSessionKeyring, "join a session keyring");
    plan_.last().on_error = OnError::kSkip;  // kernels without keyrings
    limits();
    if (!spec_.tty) add(Kind::kNewSession, "start a session");
    int cwd = plan_.new_slot();
    const std::string path = sys::RootedPath(spec_.cwd).str();
    add(Kind::kOpen, "open " + path,
        {.a = cwd,
         .b = root_,
         .x = O_PATH | O_DIRECTORY,
         .y = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS},
        strings({path}));
    add(Kind::kChangeDirectory, "change to working directory " + base::printable(spec_.cwd),
        {.a = cwd});
    // From here on nothing names a slot, so the numbers of slots may be taken.
    if (!further_.empty())
      add(Kind::kPassOn, "pass descriptors on", {},
          {reinterpret_cast<const char*>(further_.data()), further_.size_bytes()});
    add(Kind::kUmask, "set umask", {.c = static_cast<int>(spec_.umask.value_or(022))});
    add(Kind::kBoundingSet, "drop capabilities", {.x = spec_.capabilities});
    // Without no_new_privs only the privileged may load a filter, so it comes before they are given
    // up; everything after it is allowed by every policy.
    const bool filter = !spec_.privileged ? spec_.seccomp != Seccomp::kUnconfined
                                          : spec_.seccomp == Seccomp::kProfile;
    if (filter && !spec_.no_new_privileges) load_filter();
    identity();
    if (spec_.no_new_privileges) add(Kind::kNoNewPrivileges, "set no_new_privs");
    if (filter && spec_.no_new_privileges) load_filter();
    if (spec_.die_with_caller) add(Kind::kDieWithParent, "tie to torte");
    execute();
  }

 private:
  wire::Operation& add(Kind kind, std::string what, wire::Operation fields = {},
                       std::string_view text = {}) {
    return plan_.add(kind, std::move(what), fields, text);
  }

  void limits() {
    auto limit = [&](int resource, uint64_t soft, uint64_t hard, bool clamp) {
      add(Kind::kLimit, base::str("set resource limit ", resource),
          {.c = resource, .d = clamp ? 1 : 0, .x = soft, .y = hard});
    };
    constexpr uint64_t kFiles = 1048576;
    limit(RLIMIT_NOFILE, kFiles, kFiles, true);
    limit(RLIMIT_CORE, 0, 0, true);
    if (cgroup_.process_rlimit > 0)
      limit(RLIMIT_NPROC, cgroup_.process_rlimit, cgroup_.process_rlimit, true);
    if (spec_.oom_score_adj)
      add(Kind::kWriteFile, "set oom_score_adj", {.b = root_, .x = 1},
          strings({"proc/self/oom_score_adj"}) + std::to_string(*spec_.oom_score_adj));
    for (const Ulimit& ulimit : spec_.ulimits)
      limit(ulimit.resource, ulimit.soft, ulimit.hard, false);
  }

  void load_filter() {
    const std::string program =
        spec_.seccomp == Seccomp::kProfile
            ? compile_seccomp_profile(spec_.seccomp_profile, spec_.capabilities)
            : seccomp_program(spec_.capabilities);
    add(Kind::kSeccomp, "load seccomp filter", {}, program);
  }

  void identity() {
    const std::vector<gid_t>& groups = spec_.identity.groups;
    bool single_id = sys::userns_mode() == sys::UsernsMode::kSingle;
    if (single_id &&
        (spec_.identity.uid != spec_.inner_uid || spec_.identity.gid != spec_.inner_gid))
      throw base::Error(base::Code::kDenied,
                        base::str("cannot become user ", spec_.identity.uid, ":",
                                  spec_.identity.gid, ": you have one id only, which is ",
                                  spec_.inner_uid == 0 ? "root" : std::to_string(spec_.inner_uid),
                                  " in the container"),
                        "ids-missing")
          .add_help(
              "give yourself a range: usermod --add-subuids 100000-165535 --add-subgids "
              "100000-165535 NAME")
          .add_help("the range also needs newuidmap (Debian package uidmap)");
    // With one mapped id the kernel forbids setgroups.
    if (!single_id)
      add(Kind::kGroups, "set groups", {},
          {reinterpret_cast<const char*>(groups.data()), groups.size() * sizeof(gid_t)});
    add(Kind::kIdentity, base::str("become user ", spec_.identity.uid, ":", spec_.identity.gid),
        {.c = static_cast<int>(spec_.identity.uid),
         .d = static_cast<int>(spec_.identity.gid),
         .x = spec_.capabilities});
  }

  void execute() {
    if (spec_.argv.empty())
      throw base::Error(base::Code::kInvalid, "no command to run", "no-command");
    std::string text;
    for (const auto* list : {&spec_.argv, &spec_.env}) {
      for (const std::string& entry : *list) {
        if (entry.find('\0') != std::string::npos)
          throw base::Error(base::Code::kInvalid,
                            "an argument or variable holds a NUL byte: " + base::printable(entry),
                            "nul-byte");
        text += entry;
        text += '\0';
      }
    }
    add(Kind::kExecute, "execute " + base::printable(spec_.argv[0]),
        {.c = static_cast<int>(spec_.argv.size()),
         .d = static_cast<int>(spec_.env.size()),
         .x = spec_.init ? 1u : 0u,
         .y = further_.size()},
        text);
  }

  Plan& plan_;
  int root_;
  std::span<const int> further_;
  const Spec& spec_;
  const CgroupDemands& cgroup_;
};

}  // namespace

std::string strings(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (std::string_view part : parts) {
    text += part;
    text += '\0';
  }
  return text;
}

void plan_process(Plan& plan, int root, std::span<const int> further, const Spec& spec,
                  const CgroupDemands& cgroup) {
  ProcessPart(plan, root, further, spec, cgroup).become();
}

}  // namespace launch
