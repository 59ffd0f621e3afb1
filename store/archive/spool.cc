#include "store/archive/spool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "base/error.h"

namespace archive {

namespace {

sys::UniqueFd unnamed_file(const std::filesystem::path& directory) {
  sys::UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  // Not every file system has O_TMPFILE.
  std::string pattern = (directory / "torte-spool-XXXXXX").string();
  fd = sys::UniqueFd(::mkostemp(pattern.data(), O_CLOEXEC));
  if (!fd) base::throw_errno("create a temporary file in " + directory.string());
  ::unlink(pattern.c_str());
  return fd;
}

}  // namespace

sys::UniqueFd spool(base::Source& source, const std::filesystem::path& directory) {
  std::filesystem::path where = directory;
  if (where.empty()) {
    const char* temporary = ::getenv("TMPDIR");
    where = temporary != nullptr && *temporary != '\0' ? temporary : "/var/tmp";
  }
  sys::UniqueFd fd = unnamed_file(where);
  sys::FdSink sink(fd.get(), "temporary file in " + where.string());
  base::copy(source, sink);
  return fd;
}

}  // namespace archive
