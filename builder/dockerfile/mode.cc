#include "builder/dockerfile/mode.h"

#include <charconv>

#include "base/error.h"
#include "base/text.h"

namespace dockerfile {

namespace {

constexpr uint32_t kUser = 04700, kGroup = 02070, kOther = 0007, kSticky = 01000;

[[noreturn]] void invalid(std::string_view text) {
  throw base::Error(
      base::Code::kInvalid,
      base::str("\"", base::printable(text, 60),
                "\" is no file mode; write octal 0-7777, or clauses such as u=rwX,go=rX"),
      "invalid-mode");
}

// One digit of permissions, for all three classes.
uint32_t everywhere(uint32_t digit) { return digit << 6 | digit << 3 | digit; }

}  // namespace

FileMode::FileMode(std::string_view text) {
  if (text.empty()) invalid(text);
  if (text[0] < '0' || text[0] > '9') {
    parse_symbolic(text);
    return;
  }
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value_, 8);
  if (error != std::errc() || stop != text.data() + text.size() || value_ > 07777) invalid(text);
  octal_ = true;
}

// clause[,clause...]; clause = [ugoa...](op(perms|copy))...
void FileMode::parse_symbolic(std::string_view text) {
  for (const std::string& clause : base::split(text, ',')) {
    size_t at = 0;
    uint32_t who = 0;
    for (; at < clause.size(); ++at) {
      char c = clause[at];
      if (c == 'u')
        who |= kUser;
      else if (c == 'g')
        who |= kGroup;
      else if (c == 'o')
        who |= kOther;
      else if (c == 'a')
        who |= kUser | kGroup | kOther;
      else
        break;
    }
    const bool others_only = who == kOther;
    if (who == 0) who = kUser | kGroup | kOther;
    if (at == clause.size()) invalid(text);
    while (at < clause.size()) {
      Action action{who, clause[at++], 0, false, 0};
      if (action.op != '+' && action.op != '-' && action.op != '=') invalid(text);
      for (; at < clause.size(); ++at) {
        char c = clause[at];
        if (c == 'r')
          action.bits |= everywhere(4);
        else if (c == 'w')
          action.bits |= everywhere(2);
        else if (c == 'x')
          action.bits |= everywhere(1);
        else if (c == 'X' && action.op == '-')
          action.bits |= everywhere(1);
        else if (c == 'X')
          action.execute_if_any = true;
        else if (c == 's')
          action.bits |= others_only ? 0 : 06000;
        else if (c == 't')
          action.bits |= others_only ? 0 : kSticky;
        else if ((c == 'u' || c == 'g' || c == 'o') && action.bits == 0 && action.copy_from == 0)
          action.copy_from = c;
        else
          break;
      }
      if (action.copy_from != 0 && (action.bits != 0 || action.execute_if_any)) invalid(text);
      action.who |= action.bits & kSticky;
      actions_.push_back(action);
    }
  }
}

uint32_t FileMode::apply(uint32_t mode, bool is_directory) const {
  mode &= 07777;
  if (octal_) return value_;
  const bool executable = is_directory || (mode & 0111) != 0;
  for (const Action& action : actions_) {
    uint32_t who = action.who;
    uint32_t bits = action.bits;
    if (action.execute_if_any && executable) bits |= 0111;
    if (action.copy_from != 0) {
      int shift = action.copy_from == 'u' ? 6 : action.copy_from == 'g' ? 3 : 0;
      bits = everywhere(mode >> shift & 7);
      who &= 0777;
    }
    bits &= who;
    if (action.op == '+')
      mode |= bits;
    else if (action.op == '-')
      mode &= ~bits;
    else
      mode = (mode & ~who) | bits;
  }
  return mode;
}

}  // namespace dockerfile
