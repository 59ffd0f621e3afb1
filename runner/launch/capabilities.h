#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace launch {

/// A set of Linux capabilities: bit n is capability n of <linux/capability.h>.
using Capabilities = uint64_t;

/// What a process of `torte run` holds unless told otherwise. [spec/security.md 5]
Capabilities run_capabilities();
/// What a build step holds: the same without MKNOD, NET_RAW and AUDIT_WRITE.
Capabilities build_capabilities();
/// Everything this kernel and this process can give.
Capabilities all_capabilities();
/// "NET_ADMIN", "cap_net_admin", or "ALL"; nullopt for an unknown name.
std::optional<Capabilities> find_capabilities(std::string_view name);

/// "CAP_CHOWN" and so on, in the order of their numbers.
std::vector<std::string> capability_names(Capabilities set);

}  // namespace launch
