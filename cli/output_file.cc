#include "cli/output_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/options.h"
#include "store/layer/writer.h"

namespace cli {

namespace {

constexpr size_t kBufferBytes = 256 << 10;

}  // namespace

OutputFile::OutputFile(const std::string& path, int standard_output) {
  if (path == "-") {
    fd_ = standard_output;
    return;
  }
  struct stat st;
  if (::stat(path.c_str(), &st) == 0 && !S_ISREG(st.st_mode)) {
    owned_ = sys::UniqueFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!owned_) base::throw_errno("write " + path);
  } else {
    path_ = path;
    beside_ = path + ".new-XXXXXX";
    owned_ = sys::UniqueFd(::mkostemp(beside_.data(), O_CLOEXEC));
    if (!owned_) base::throw_errno("create " + path);
  }
  fd_ = owned_.get();
}

OutputFile::~OutputFile() {
  if (!path_.empty() && owned_) ::unlink(beside_.c_str());
}

void OutputFile::write(base::Bytes bytes) {
  buffer_.append(base::as_text(bytes));
  if (buffer_.size() >= kBufferBytes) flush();
}

void OutputFile::flush() {
  sys::write_all(fd_, base::as_bytes(buffer_), path_.empty() ? "output" : path_.string());
  buffer_.clear();
}

void OutputFile::commit() {
  flush();
  if (path_.empty()) return;
  // As open() with 0666 would have made it.
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(fd_, 0666 & ~mask) < 0) base::throw_errno("set mode of " + path_.string());
  if (::fsync(fd_) < 0) base::throw_errno("sync " + path_.string());
  if (::rename(beside_.c_str(), path_.c_str()) < 0) base::throw_errno("write " + path_.string());
  owned_.reset();
}

void write_tar(const Context& context, const std::string& path, const sys::Root& root) {
  if (path == "-" && ::isatty(context.out_fd) == 1)
    throw UsageError("a tar does not belong on a terminal; give --output FILE");
  OutputFile file(path, context.out_fd);
  layer::write_tree(root, file, {.clamp_mtime = {}, .plain = true, .stop = {}});
  file.commit();
}

}  // namespace cli
