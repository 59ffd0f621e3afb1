#pragma once

#include <optional>
#include <string_view>

#include "base/sys/root.h"
#include "builder/solve/copier.h"

namespace solve {

/// Resolves the value of `--chown`: "user[:group]", names looked up in /etc/passwd and /etc/group
/// of `root` (null: no files, names cannot be found). A lone name takes its group from passwd, a
/// lone number is its own group. Throws Invalid for a name that is not there. [spec: COPY,
/// ownership]
Owner resolve_owner(const sys::Root* root, std::string_view text);
/// The same, but nothing for a name that is not there.
std::optional<Owner> find_owner(const sys::Root* root, std::string_view text);

}  // namespace solve
