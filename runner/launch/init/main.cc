// torte-init: performs a plan (operations.h) inside new namespaces, then becomes the program.
//
// torte starts it as `torte-init STATUS_SOCKET PLAN_FD`; every other descriptor it may use is named
// by the plan. It does not know why it does what it does: policy is in runner/launch, in C++ with
// tests. No C library: it starts in a few microseconds, allocates nothing and takes no locks.

#include "runner/launch/init/state.h"
#include "runner/launch/init/syscalls.h"

// The compiler may call these by itself.
extern "C" {
void* memcpy(void* to, const void* from, size_t n) {
  auto* out = static_cast<volatile char*>(to);
  auto* in = static_cast<const char*>(from);
  for (size_t i = 0; i < n; ++i) out[i] = in[i];
  return to;
}
void* memset(void* to, int value, size_t n) {
  auto* out = static_cast<volatile char*>(to);
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<char>(value);
  return to;
}
}

namespace launch::init {

namespace {

// Longest text the kernel takes as one array of arguments and environment, and room for mounts.
constexpr long kMaxPlan = 16 << 20;
constexpr int kEngineError = 125;

int parse_number(const char* digits) {
  int value = 0;
  for (; *digits >= '0' && *digits <= '9'; ++digits) value = value * 10 + (*digits - '0');
  return value;
}

long perform(State& state, const wire::Operation& op, const char* text) {
  if (op.kind == wire::Kind::kExecute) return execute(op, text);
  long result = do_mount_operation(state, op, text);
  if (result == -ENOSYS) result = do_process_operation(state, op, text);
  return result;
}

bool is_absence(long error) { return error == -ENOENT || error == -ENOTDIR; }

[[noreturn]] void run_plan(State& state) {
  const auto* next = reinterpret_cast<const char*>(state.plan + 1);
  uint32_t skip = 0;
  for (uint32_t index = 0; index < state.plan->operation_count; ++index) {
    const auto& op = *reinterpret_cast<const wire::Operation*>(next);
    const char* text = next + sizeof op;
    next = text + wire::padded(op.text_size);
    if (skip > 0) {
      --skip;
      continue;
    }
    long error = perform(state, op, text);
    if (error >= 0) continue;
    bool tolerated = op.on_error == wire::OnError::kSkip ||
                     (op.on_error == wire::OnError::kSkipIfAbsent && is_absence(error));
    if (!tolerated) {
      report(state, {wire::Status::kFailed, index, static_cast<int32_t>(-error)});
      kernel::exit(kEngineError);
    }
    skip = op.skip;
  }
  kernel::exit(kEngineError);  // a plan ends with kExecute
}

}  // namespace

}  // namespace launch::init

extern "C" [[noreturn]] void launcher_main(long* stack) {
  using namespace launch;
  long argc = stack[0];
  auto** argv = reinterpret_cast<char**>(stack + 1);
  if (argc != 3) kernel::exit(init::kEngineError);
  init::State state;
  state.status_socket = init::parse_number(argv[1]);
  int plan_fd = init::parse_number(argv[2]);
  long address = kernel::map_file(plan_fd, init::kMaxPlan);
  if (address < 0) kernel::exit(init::kEngineError);
  kernel::call(SYS_close, plan_fd);
  state.plan = reinterpret_cast<const wire::PlanHeader*>(address);
  if (state.plan->magic != wire::kMagic) kernel::exit(init::kEngineError);
  for (int& slot : state.slots) slot = -1;
  for (uint32_t i = 0; i < state.plan->slot_count; ++i) state.slots[i] = state.plan->slots[i];
  init::run_plan(state);
}

#if defined(__x86_64__)
asm(".globl _start\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  mov %rsp, %rdi\n"
    "  and $-16, %rsp\n"
    "  call launcher_main\n");
#elif defined(__aarch64__)
asm(".globl _start\n"
    "_start:\n"
    "  mov x29, #0\n"
    "  mov x0, sp\n"
    "  bl launcher_main\n");
#endif
