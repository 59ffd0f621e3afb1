#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace sys {

/// Owns one file descriptor; closes it at the end. Every descriptor is born close-on-exec.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();
  /// A second descriptor of the same open file. Throws SystemError.
  UniqueFd duplicate() const;

 private:
  int fd_ = -1;
};

/// Reads from a descriptor. read() throws SystemError; interrupted calls are repeated.
class FdSource : public base::Source {
 public:
  /// The descriptor is borrowed; `name` appears in errors.
  FdSource(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  size_t read(std::span<std::byte> buffer) override;

 private:
  int fd_;
  std::string name_;
};

/// Writes to a descriptor, whole or with an exception.
class FdSink : public base::Sink {
 public:
  FdSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  void write(base::Bytes bytes) override;

 private:
  int fd_;
  std::string name_;
};

void write_all(int fd, base::Bytes bytes, const std::string& name);

/// A pipe, both ends close-on-exec.
struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};
Pipe make_pipe();

/// An anonymous file in memory holding `content`, sealed against any change.
UniqueFd sealed_memfd(const char* name, base::Bytes content);

}  // namespace sys
