#include "runner/launch/seccomp_profile.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "base/sys/fd.h"
#include "base/text.h"
#include "store/oci/json_fields.h"
#include "store/oci/strict_json.h"

namespace launch {

namespace {

using nlohmann::json;
using oci::Fields;

// A profile lists some 450 names. The limits only keep a hostile one from eating the machine.
constexpr size_t kMostRules = 4096;
constexpr size_t kMostNames = 16384;
constexpr size_t kMostArguments = 6;
constexpr int64_t kMostErrno = 4095;

[[noreturn]] void fail(const std::string& why) {
  throw base::Error(base::Code::kInvalid, "seccomp profile: " + why, "bad-seccomp-profile");
}

uint32_t read_action(const std::string& name, const Fields& fields, const char* errno_key) {
  const auto number =
      static_cast<uint32_t>(fields.integer(errno_key, 0, kMostErrno).value_or(EPERM));
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(number);
  if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
  if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
  if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
  if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(number);
  if (name == "SCMP_ACT_NOTIFY")
    throw base::Error(
        base::Code::kUnsupported,
        "seccomp profile: SCMP_ACT_NOTIFY needs a supervisor, which torte has none of",
        "bad-seccomp-profile");
  fail("unknown action " + base::printable(name));
}

scmp_compare read_operator(const std::string& name) {
  static const std::map<std::string, scmp_compare> kNames = {
      {"SCMP_CMP_NE", SCMP_CMP_NE},
      {"SCMP_CMP_LT", SCMP_CMP_LT},
      {"SCMP_CMP_LE", SCMP_CMP_LE},
      {"SCMP_CMP_EQ", SCMP_CMP_EQ},
      {"SCMP_CMP_GE", SCMP_CMP_GE},
      {"SCMP_CMP_GT", SCMP_CMP_GT},
      {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};
  const auto found = kNames.find(name);
  if (found == kNames.end()) fail("unknown comparison " + base::printable(name));
  return found->second;
}

/// Values use all 64 bits, more than a JSON integer of ours may have.
uint64_t read_value(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return 0;
  if (!found->is_number_integer() || (!found->is_number_unsigned() && found->get<int64_t>() < 0))
    fail(base::str(key, " of an argument is not a number"));
  return found->get<uint64_t>();
}

scmp_arg_cmp read_argument(const json& item) {
  const Fields fields(item, "seccomp argument");
  scmp_arg_cmp compare = {};
  compare.arg = static_cast<unsigned>(fields.integer("index", 0, kMostArguments - 1).value_or(0));
  compare.op = read_operator(fields.required_text("op"));
  compare.datum_a = read_value(item, "value");
  compare.datum_b = read_value(item, "valueTwo");
  return compare;
}

/// "4.8" is no higher than the kernel we run on.
bool kernel_is_at_least(const std::string& text) {
  unsigned major = 0, minor = 0, have_major = 0, have_minor = 0;
  if (sscanf(text.c_str(), "%u.%u", &major, &minor) != 2) fail("minKernel is not a version");
  utsname name = {};
  ::uname(&name);
  sscanf(name.release, "%u.%u", &have_major, &have_minor);
  return have_major > major || (have_major == major && have_minor >= minor);
}

#if defined(__x86_64__)
constexpr const char* kArchitecture = "amd64";
constexpr const char* kNativeArchitecture = "SCMP_ARCH_X86_64";
#else
constexpr const char* kArchitecture = "arm64";
constexpr const char* kNativeArchitecture = "SCMP_ARCH_AARCH64";
#endif

/// What `includes` and `excludes` ask; empty lists ask nothing.
struct Conditions {
  std::vector<std::string> capabilities, architectures;
  std::string kernel;
};

Conditions read_conditions(const Fields& rule, const char* key) {
  const json* object = rule.find(key);
  if (object == nullptr) return {};
  const Fields fields(*object, key);
  return {fields.texts("caps"), fields.texts("arches"), fields.text("minKernel")};
}

bool holds(const std::string& capability, Capabilities capabilities) {
  const auto found = find_capabilities(capability);
  // One that we do not know is one that nobody has.
  return found && (capabilities & *found) == *found;
}

bool applies(const Fields& rule, Capabilities capabilities) {
  const Conditions wanted = read_conditions(rule, "includes"),
                   not_with = read_conditions(rule, "excludes");
  auto is_here = [](const std::vector<std::string>& names) {
    for (const std::string& name : names)
      if (name == kArchitecture) return true;
    return false;
  };
  for (const std::string& name : wanted.capabilities)
    if (!holds(name, capabilities)) return false;
  if (!wanted.architectures.empty() && !is_here(wanted.architectures)) return false;
  if (!wanted.kernel.empty() && !kernel_is_at_least(wanted.kernel)) return false;
  for (const std::string& name : not_with.capabilities)
    if (holds(name, capabilities)) return false;
  if (is_here(not_with.architectures)) return false;
  return not_with.kernel.empty() || !kernel_is_at_least(not_with.kernel);
}

class Filter {
 public:
  explicit Filter(uint32_t default_action)
      : default_(default_action), context_(seccomp_init(default_action), seccomp_release) {
    if (!context_) fail("the default action is not possible");
    // no_new_privs is the sandbox's own matter; and calls that follow no rule of another
    // architecture than those named end the process.
    seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_NNP, 0);
  }

  void add_architecture(uint32_t token) {
    const int error = seccomp_arch_add(context_.get(), token);
    if (error < 0 && error != -EEXIST) fail("an architecture of this machine is not possible");
  }

  void add(uint32_t action, const std::string& name, const std::vector<scmp_arg_cmp>& arguments) {
    if (action == default_) return;
    const int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) return;
    // A rule with the same argument twice is several rules: the comparisons are alternatives.
    bool repeated = false;
    for (size_t i = 0; i < arguments.size(); ++i)
      for (size_t j = 0; j < i; ++j) repeated |= arguments[i].arg == arguments[j].arg;
    if (!repeated) return add_rule(action, number, name, arguments);
    for (const scmp_arg_cmp& argument : arguments) add_rule(action, number, name, {argument});
  }

  std::string program() {
    sys::UniqueFd file(::memfd_create("seccomp", MFD_CLOEXEC));
    if (!file) base::throw_errno("create file for a seccomp filter");
    if (const int error = seccomp_export_bpf(context_.get(), file.get()); error < 0)
      throw base::SystemError("compile seccomp profile", -error);
    constexpr uint64_t kMostBytes = 4096 * 8;  // BPF_MAXINSNS
    ::lseek(file.get(), 0, SEEK_SET);
    sys::FdSource source(file.get(), "seccomp filter");
    std::string program = base::read_all(source, kMostBytes + 1);
    if (program.size() > kMostBytes) fail("it has more instructions than the kernel takes");
    return program;
  }

 private:
  void add_rule(uint32_t action, int number, const std::string& name,
                const std::vector<scmp_arg_cmp>& arguments) {
    const int error = seccomp_rule_add_array(
        context_.get(), action, number, static_cast<unsigned>(arguments.size()), arguments.data());
    // EEXIST: said before. EDOM, EFAULT: no such call on one of the architectures.
    if (error < 0 && error != -EEXIST && error != -EDOM && error != -EFAULT)
      fail(base::str("rule for ", base::printable(name), ": ",
                     base::SystemError("", -error).what()));
  }

  uint32_t default_;
  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
};

void add_architectures(const Fields& profile, Filter& filter) {
  std::vector<std::string> names = profile.texts("architectures");
  if (const json* map = profile.array("archMap"))
    for (const json& item : *map) {
      const Fields fields(item, "archMap");
      names.push_back(fields.text("architecture"));
      // The others of the entry only run where the first one does.
      for (const std::string& name : fields.texts("subArchitectures")) names.push_back(name);
    }
  for (const std::string& name : names) {
#if defined(__x86_64__)
    if (name == "SCMP_ARCH_X86") filter.add_architecture(SCMP_ARCH_X86);
    if (name == "SCMP_ARCH_X32") filter.add_architecture(SCMP_ARCH_X32);
#else
    if (name == "SCMP_ARCH_ARM") filter.add_architecture(SCMP_ARCH_ARM);
#endif
  }
}

void add_rule(const json& item, Capabilities capabilities, Filter& filter, size_t& names_seen) {
  const Fields rule(item, "syscalls");
  const uint32_t action = read_action(rule.required_text("action"), rule, "errnoRet");
  std::vector<std::string> names = rule.texts("names");
  if (const std::string one = rule.text("name"); !one.empty()) names.push_back(one);
  if (names.empty()) fail("a rule names no system call");
  names_seen += names.size();
  if (names_seen > kMostNames) fail("it names too many system calls");
  std::vector<scmp_arg_cmp> arguments;
  if (const json* list = rule.array("args")) {
    if (list->size() > kMostArguments) fail("a rule compares more than six arguments");
    for (const json& argument : *list) arguments.push_back(read_argument(argument));
  }
  if (!applies(rule, capabilities)) return;
  for (const std::string& name : names) filter.add(action, name, arguments);
}

}  // namespace

std::string runtime_seccomp(std::string_view text, Capabilities capabilities) {
  compile_seccomp_profile(text, capabilities);  // what is wrong with it is said by one place
  const json document = oci::parse_strict_json(text, "seccomp profile");
  const Fields profile(document, "seccomp profile");
  nlohmann::ordered_json out = {{"defaultAction", profile.text("defaultAction")}};
  if (document.contains("defaultErrnoRet")) out["defaultErrnoRet"] = document["defaultErrnoRet"];
  std::vector<std::string> architectures = profile.texts("architectures");
  if (const json* map = profile.array("archMap"))
    for (const json& item : *map) {
      const Fields fields(item, "archMap");
      if (fields.text("architecture") != kNativeArchitecture) continue;
      architectures = fields.texts("subArchitectures");
      architectures.insert(architectures.begin(), kNativeArchitecture);
    }
  if (!architectures.empty()) out["architectures"] = architectures;
  out["syscalls"] = nlohmann::ordered_json::array();
  const json* rules = profile.array("syscalls");
  for (size_t i = 0; rules != nullptr && i < rules->size(); ++i) {
    const json& item = (*rules)[i];
    const Fields rule(item, "syscalls");
    if (!applies(rule, capabilities)) continue;
    std::vector<std::string> names = rule.texts("names");
    if (const std::string one = rule.text("name"); !one.empty()) names.push_back(one);
    nlohmann::ordered_json entry = {{"names", names}, {"action", rule.text("action")}};
    if (item.contains("errnoRet") && !item["errnoRet"].is_null())
      entry["errnoRet"] = item["errnoRet"];
    if (const json* arguments = rule.array("args"); arguments != nullptr && !arguments->empty())
      entry["args"] = *arguments;
    out["syscalls"].push_back(std::move(entry));
  }
  return oci::dump_json(out);
}

std::string compile_seccomp_profile(std::string_view text, Capabilities capabilities) {
  const json document = oci::parse_strict_json(text, "seccomp profile");
  const Fields profile(document, "seccomp profile");
  Filter filter(read_action(profile.required_text("defaultAction"), profile, "defaultErrnoRet"));
  add_architectures(profile, filter);
  if (!profile.text("listenerPath").empty())
    throw base::Error(base::Code::kUnsupported, "seccomp profile: listenerPath is not built",
                      "bad-seccomp-profile");
  if (const json* rules = profile.array("syscalls")) {
    if (rules->size() > kMostRules) fail("it has too many rules");
    size_t names_seen = 0;
    for (const json& rule : *rules) add_rule(rule, capabilities, filter, names_seen);
  }
  return filter.program();
}

}  // namespace launch
