#pragma once

#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/sys/fd.h"
#include "base/sys/root.h"
#include "cli/context.h"

namespace cli {

/// A file a command writes for the user: it appears whole at commit(), or not at all. Pipes and
/// devices are written directly; "-" is standard output. Throws SystemError.
class OutputFile : public base::Sink {
 public:
  OutputFile(const std::string& path, int standard_output);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() override;

  void write(base::Bytes bytes) override;
  void commit();

 private:
  void flush();

  std::filesystem::path path_;  ///< final name; empty when written directly
  std::string beside_;          ///< what is written until commit()
  sys::UniqueFd owned_;
  int fd_ = -1;
  std::string buffer_;
};

/// All files below `root` as a tar in the file `path`; "-" is standard output, but no terminal.
void write_tar(const Context& context, const std::string& path, const sys::Root& root);

}  // namespace cli
