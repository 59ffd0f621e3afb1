#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/source_range.h"

namespace base {

/// What the caller could do about a failure.
enum class Code {
  kNotFound,     ///< the named thing is not there
  kInvalid,      ///< the input is wrong; the message names the place
  kCorrupt,      ///< bytes do not match what they claim to be
  kDenied,       ///< not allowed
  kUnavailable,  ///< trying again may help
  kUnsupported,  ///< understood, but not built or not possible on this machine
  kFailed,       ///< a program that was asked to run failed
  kCancelled,    ///< the user or the caller gave up
  kSystem,       ///< the kernel said no; SystemError keeps errno
};

/// The only exception family torte throws on purpose. A message says the operation and the object;
/// callers add one line of context each on the way up. Copyable, not shared between threads.
class Error : public std::exception {
 public:
  /// `id` is the stable name printed in brackets (docs/errors.md), such as "copy-source-missing".
  Error(Code code, std::string message, std::string id = {});

  Code code() const noexcept { return code_; }
  const std::string& id() const noexcept { return id_; }
  /// The innermost message, without context.
  const std::string& message() const noexcept { return message_; }
  /// Facts shown below the message ("= ..." lines), in the order added.
  const std::vector<std::string>& facts() const noexcept { return facts_; }
  /// Advice shown below the facts ("= help: ..." lines).
  const std::vector<std::string>& helps() const noexcept { return helps_; }
  /// Status of the program that failed, or -1. Only with kFailed.
  int exit_status() const noexcept { return exit_status_; }

  /// The place in the user's file that the message is about.
  const std::optional<Place>& place() const noexcept { return place_; }

  /// Puts "context: " in front of what() and returns *this, for `throw e.add_context(...)`.
  Error& add_context(std::string_view context);
  Error& add_fact(std::string fact);
  Error& add_help(std::string help);
  Error& set_id(std::string id);
  Error& set_exit_status(int status);
  Error& set_place(Place place);

  /// "outer: inner: message".
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  Code code_;
  int exit_status_ = -1;
  std::string message_;
  std::string what_;
  std::string id_;
  std::vector<std::string> facts_;
  std::vector<std::string> helps_;
  std::optional<Place> place_;
};

/// A failed system call. what() ends with the text of errno, which also says its id.
class SystemError : public Error {
 public:
  SystemError(std::string operation, int error_number);
  int error_number() const noexcept { return error_number_; }

 private:
  int error_number_;
};

/// Throws SystemError for the current errno.
[[noreturn]] void throw_errno(std::string operation);

/// Runs `work`; an Error that leaves it carries `context` in front.
template <typename Work>
auto with_context(std::string_view context, Work&& work) -> decltype(work()) {
  try {
    return std::forward<Work>(work)();
  } catch (Error& e) {
    e.add_context(context);
    throw;
  }
}

/// Reports a broken invariant of torte itself and aborts.
[[noreturn]] void check_failed(const char* expression, const char* file, int line);
#define CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::base::check_failed(#expression, __FILE__, __LINE__))

}  // namespace base
