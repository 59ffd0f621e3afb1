#pragma once

#include <set>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/options.h"
#include "runner/network/network.h"

namespace cli {

/// The flags of run that say which network the container gets: --network, -p, --dns and so on.
std::vector<Flag> network_flags();

/// Those flags as a request; id and host name are the caller's to add, and so is what
/// --network=container:NAME means. `exposed` are the image's
/// ports ("80/tcp"), published by -P. Without --network the default one is asked for, and may be
/// done without. Throws UsageError or what network::parse_* throw.
network::Request network_request(const Arguments& arguments, const std::set<std::string>& exposed);

/// The network that --network of build gives to RUN steps, as plan::RunStep::network has it:
/// "private:NAME" is the network NAME. Throws UsageError.
std::string step_network(const Arguments& arguments);

/// NAME:ADDRESS of --add-host, for run and build. Throws UsageError.
std::pair<std::string, std::string> parse_add_host(const std::string& text);

/// Where networks are remembered.
std::filesystem::path network_state(const Context& context);

/// Says on stderr what was not possible; "" says nothing.
void warn_of_network(const Context& context, const std::string& warning);

}  // namespace cli
