#pragma once

#include <filesystem>

#include "base/sys/fd.h"

namespace launch {

/// Opens the constant layer of mount targets (RootFs::stubs) at `directory`, made and filled when
/// it is not there yet. Safe for several processes at once.
sys::UniqueFd open_stub_layer(const std::filesystem::path& directory);

}  // namespace launch
