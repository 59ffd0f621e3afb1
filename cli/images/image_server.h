#pragma once

namespace cli {

struct Command;

/// torte image-server: what stays behind torte mount and run of a packed image. Hidden.
const Command& image_server_command();

}  // namespace cli
