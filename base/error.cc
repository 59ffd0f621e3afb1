#include "base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace base {

Error::Error(Code code, std::string message, std::string id)
    : code_(code), message_(std::move(message)), what_(message_), id_(std::move(id)) {}

Error& Error::add_context(std::string_view context) {
  what_.insert(0, std::string(context) + ": ");
  return *this;
}

Error& Error::add_fact(std::string fact) {
  facts_.push_back(std::move(fact));
  return *this;
}

Error& Error::add_help(std::string help) {
  helps_.push_back(std::move(help));
  return *this;
}

Error& Error::set_id(std::string id) {
  id_ = std::move(id);
  return *this;
}

Error& Error::set_exit_status(int status) {
  exit_status_ = status;
  return *this;
}

Error& Error::set_place(Place place) {
  place_ = std::move(place);
  return *this;
}

namespace {

/// Those that a user can do something about have names of their own.
const char* id_of(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return "no-space";
    case EACCES:
    case EPERM:
      return "permission-denied";
    case EROFS:
      return "read-only-file-system";
    case EMFILE:
    case ENFILE:
      return "too-many-files";
    case ENOMEM:
      return "no-memory";
    case EIO:
      return "input-output";
    default:
      return "system-error";
  }
}

}  // namespace

SystemError::SystemError(std::string operation, int error_number)
    : Error(Code::kSystem,
            std::move(operation) + ": " +
                (strerrordesc_np(error_number) ? strerrordesc_np(error_number) : "unknown error"),
            id_of(error_number)),
      error_number_(error_number) {}

void throw_errno(std::string operation) { throw SystemError(std::move(operation), errno); }

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "torte: internal error: CHECK(%s) failed at %s:%d\n", expression, file,
               line);
  std::abort();
}

}  // namespace base
