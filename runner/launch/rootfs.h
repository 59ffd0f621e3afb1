#pragma once

#include "runner/launch/launch.h"

namespace launch {

/// The root of `spec` as a detached mount. Where the spec gives an init layer, mount targets that
/// the image lacks are made there first, with parents that look as they do in the image.
sys::UniqueFd make_root(Spec& spec);

/// Whether the target of `mount` is to be a directory. Throws NotFound when its source is not
/// there.
bool mount_is_directory(const Mount& mount);

}  // namespace launch
