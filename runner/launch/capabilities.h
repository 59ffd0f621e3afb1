#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace launch {

/// A set of Linux capabilities: bit n is capability n of <linux/capability.h>.
using Capabilities = uint64_t;

/// What a process of `torte run` or of a build step holds unless told otherwise: what it holds in
/// other engines. A file made with `setcap cap_net_raw+ep` could not even be started without.
Capabilities default_capabilities();
/// Everything this kernel and this process can give.
Capabilities all_capabilities();
/// "NET_ADMIN", "cap_net_admin", or "ALL"; nullopt for an unknown name.
std::optional<Capabilities> find_capabilities(std::string_view name);

/// "CAP_CHOWN" and so on, in the order of their numbers.
std::vector<std::string> capability_names(Capabilities set);

}  // namespace launch
