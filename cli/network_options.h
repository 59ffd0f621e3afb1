#pragma once

#include <set>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/options.h"
#include "runner/launch/launch.h"
#include "runner/network/network.h"

namespace cli {

/// The flags of run that say which network the container gets: --network, -p, --dns and so on.
std::vector<Flag> network_flags();

/// Those flags as a request for the container `id` (12 hex digits or more). `exposed` are the image's
/// ports ("80/tcp"), published by -P. Without --network the default one is asked for, and may be
/// done without. Throws UsageError or what network::parse_* throw.
network::Request network_request(const Arguments& arguments, const std::string& id,
                                 const std::string& hostname, const std::set<std::string>& exposed);

/// NAME:ADDRESS of --add-host, for run and build. Throws UsageError.
std::pair<std::string, std::string> parse_add_host(const std::string& text);

/// Where networks are remembered.
std::filesystem::path network_state(const Context& context);

/// Gives a launch the namespace and the files of a connection, which must live as long as it. Called
/// before the caller's own mounts are added. Says on stderr what was not possible.
void apply_network(const Context& context, const network::Connection& connection,
                   launch::Spec& spec);

}  // namespace cli
