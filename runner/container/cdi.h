#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "runner/container/config.h"

/// The Container Device Interface: vendors say in files what a container needs for a device of
/// theirs. [github.com/cncf-tags/container-device-interface, SPEC.md 0.3.0 to 1.0.0]
namespace container {

/// Where those files lie; what a later directory says of a device counts.
inline const std::vector<std::filesystem::path> kCdiDirectories = {"/etc/cdi", "/var/run/cdi"};

/// "vendor.com/class=name", as opposed to a path.
bool is_cdi_name(std::string_view text);

/// Gives the container what the files say of these devices: environment, device nodes, mounts and
/// groups. Only JSON files are read. Throws NotFound (id "device-missing") for a device nobody
/// knows, Unsupported (id "cdi-unsupported") for one that wants what torte does not do, Invalid for
/// a file that is not as it should be, or two that name one device.
void apply_cdi_devices(const std::vector<std::filesystem::path>& directories,
                       const std::vector<std::string>& names, Config& config);

}  // namespace container
