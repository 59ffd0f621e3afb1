// The default policy in the JSON form of container engines, for runtimes that are not ours. Both
// are written from the same table of rules (seccomp_generator.cc).

#include <linux/capability.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>

#include "runner/launch/seccomp_profile.h"
#include "runner/launch/seccomp_rule.h"
#include "store/oci/json_fields.h"

namespace launch {

namespace {

#include "seccomp_tables.inc"

using Json = nlohmann::ordered_json;

constexpr const char* kAllow = "SCMP_ACT_ALLOW";

struct Comparison {
  unsigned index;
  const char* op;
  uint64_t value, value_two = 0;
};

Json rule(const std::vector<std::string>& names, const std::vector<Comparison>& comparisons = {}) {
  Json out = {{"names", names}, {"action", kAllow}};
  if (comparisons.empty()) return out;
  out["args"] = Json::array();
  for (const Comparison& c : comparisons)
    out["args"].push_back(
        {{"index", c.index}, {"value", c.value}, {"valueTwo", c.value_two}, {"op", c.op}});
  return out;
}

/// Adds one rule for each comparison: they are alternatives.
void any_of(Json& rules, const std::string& name, const std::vector<Comparison>& comparisons) {
  for (const Comparison& c : comparisons) rules.push_back(rule({name}, {c}));
}

void add_node_rules(Json& rules, const std::string& name, unsigned mode) {
  for (uint64_t type = 0; type <= S_IFMT; type += S_IFIFO)
    if (type != S_IFCHR && type != S_IFBLK)
      rules.push_back(rule({name}, {{mode, "SCMP_CMP_MASKED_EQ", S_IFMT, type}}));
  const Comparison character = {mode, "SCMP_CMP_MASKED_EQ", S_IFMT, S_IFCHR};
  for (const uint64_t device : {0, 0x103, 0x105, 0x107, 0x108, 0x109, 0x500, 0x502})
    rules.push_back(rule({name}, {character, {mode + 1, "SCMP_CMP_EQ", device}}));
  constexpr uint64_t kTerminals = 136 << 8;
  rules.push_back(
      rule({name}, {character, {mode + 1, "SCMP_CMP_MASKED_EQ", 0xffffff00, kTerminals}}));
}

void add_conditional(Json& rules, Rule kind, const std::string& name, Capabilities capabilities) {
  constexpr uint64_t kNewNamespaces = 0x7e020000;
  switch (kind) {
    case Rule::kClone:
      if ((capabilities >> CAP_SYS_ADMIN & 1) != 0)
        rules.push_back(rule({name}));
      else
        any_of(rules, name, {{0, "SCMP_CMP_MASKED_EQ", kNewNamespaces, 0}});
      return;
    case Rule::kSocket:
      return any_of(rules, name,
                    {{0, "SCMP_CMP_LT", 38}, {0, "SCMP_CMP_EQ", 39}, {0, "SCMP_CMP_GT", 40}});
    case Rule::kSocketCall:
      return any_of(rules, name, {{0, "SCMP_CMP_NE", 1}});
    case Rule::kPersonality:
      for (const uint64_t value : {0ull, 8ull, 0x20000ull, 0x20008ull, 0xffffffffull})
        rules.push_back(rule({name}, {{0, "SCMP_CMP_EQ", value}}));
      return;
    case Rule::kIoctl:
      any_of(rules, name, {{1, "SCMP_CMP_LT", TIOCSTI}, {1, "SCMP_CMP_GT", TIOCLINUX}});
      for (uint64_t between = TIOCSTI + 1; between < TIOCLINUX; ++between)
        rules.push_back(rule({name}, {{1, "SCMP_CMP_EQ", between}}));
      return;
    case Rule::kMakeNode:
      return add_node_rules(rules, name, 1);
    case Rule::kMakeNodeAt:
      return add_node_rules(rules, name, 2);
    default:
      return;
  }
}

bool needs_met(Rule kind, Capabilities capabilities) {
  static const std::map<Rule, int> kNeeds = {{Rule::kNeedsSysAdmin, CAP_SYS_ADMIN},
                                             {Rule::kNeedsDacReadSearch, CAP_DAC_READ_SEARCH},
                                             {Rule::kNeedsSysModule, CAP_SYS_MODULE},
                                             {Rule::kNeedsSysBoot, CAP_SYS_BOOT},
                                             {Rule::kNeedsSysRawio, CAP_SYS_RAWIO},
                                             {Rule::kNeedsSysTime, CAP_SYS_TIME},
                                             {Rule::kNeedsSysPtrace, CAP_SYS_PTRACE},
                                             {Rule::kNeedsSysPacct, CAP_SYS_PACCT},
                                             {Rule::kNeedsSysTtyConfig, CAP_SYS_TTY_CONFIG},
                                             {Rule::kNeedsSysNice, CAP_SYS_NICE},
                                             {Rule::kNeedsSysChroot, CAP_SYS_CHROOT}};
  const auto need = kNeeds.find(kind);
  return need != kNeeds.end() && (capabilities >> need->second & 1) != 0;
}

/// What the table says of each call it names.
void collect(uint32_t architecture, std::span<const RuleRange> table,
             std::map<std::string, Rule>& rules) {
  for (size_t i = 0; i + 1 < table.size(); ++i)
    for (uint32_t number = table[i].first; number < table[i + 1].first; ++number) {
      char* name = seccomp_syscall_resolve_num_arch(architecture, static_cast<int>(number));
      if (name != nullptr) rules.emplace(name, table[i].rule);
      free(name);
    }
}

}  // namespace

std::string default_seccomp_profile(Capabilities capabilities) {
  std::map<std::string, Rule> by_name;
#if defined(__x86_64__)
  collect(SCMP_ARCH_X86_64, kNative, by_name);
  collect(SCMP_ARCH_X86, kForeign, by_name);
  const Json architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#else
  collect(SCMP_ARCH_AARCH64, kNative, by_name);
  collect(SCMP_ARCH_ARM, kForeign, by_name);
  const Json architectures = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#endif
  std::vector<std::string> allowed, refused;
  Json rules = Json::array();
  for (const auto& [name, kind] : by_name) {
    if (kind == Rule::kAllow || needs_met(kind, capabilities))
      allowed.push_back(name);
    else if (kind != Rule::kUnknownToUs) {
      const size_t before = rules.size();
      add_conditional(rules, kind, name, capabilities);
      if (rules.size() == before) refused.push_back(name);
    }
  }
  rules.push_back(rule(allowed));
  rules.push_back({{"names", refused}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", EPERM}});
  // What is in no table is newer than it, so callers should fall back.
  return oci::dump_json({{"defaultAction", "SCMP_ACT_ERRNO"},
                         {"defaultErrnoRet", ENOSYS},
                         {"architectures", architectures},
                         {"syscalls", rules}});
}

}  // namespace launch
