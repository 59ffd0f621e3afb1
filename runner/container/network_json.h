#pragma once

#include <nlohmann/json_fwd.hpp>

#include "runner/network/network.h"

namespace container {

/// A network request as it is kept in a container's record, and back. Internal to the room.
nlohmann::ordered_json request_json(const network::Request& request);
network::Request read_request(const nlohmann::json& object);

}  // namespace container
