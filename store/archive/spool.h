#pragma once

#include <filesystem>

#include "base/bytes.h"
#include "base/sys/fd.h"

namespace archive {

/// Copies a stream into a file that has no name (it is gone with its descriptor), so that it can be
/// read at any offset. `directory` empty: TMPDIR, else /var/tmp. Throws SystemError (ENOSPC).
sys::UniqueFd spool(base::Source& source, const std::filesystem::path& directory);

}  // namespace archive
