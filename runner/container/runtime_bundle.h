#pragma once

#include <filesystem>
#include <string>

#include "base/sys/root.h"
#include "runner/container/containers.h"

namespace container {

/// Writes a container down as an OCI runtime bundle, which crun, runc and others start:
///
///     DIRECTORY/config.json   the runtime's configuration
///     DIRECTORY/rootfs/       a copy of all its files
///     DIRECTORY/files/        hosts, hostname, resolv.conf, bound into it
///
/// `directory` is made and must not exist. `root` is the container's root. What only torte can do
/// (published ports, networks, restart policies, health probes, logs) is not in a bundle; a
/// namespace joined by name and mounts of images are errors. Throws Unsupported (id
/// "not-in-bundle"), Invalid. [OCI runtime-spec, config.md, bundle.md]
void write_bundle(const Containers& containers, const Config& config, const sys::Root& root,
                  const std::filesystem::path& directory);

/// Where a bundle is, and what the runtime finds when it starts it.
struct BundlePlace {
  std::filesystem::path directory;
  bool makes_user_namespace = true;  ///< of an ordinary user: it is not started from within torte's
  /// A wired network namespace; empty: as the configuration says, or one with nothing in it.
  std::string network_namespace;
  bool network_host = false;
  std::filesystem::path hosts_file;  ///< instead of files/hosts; may be empty
};

/// The text of config.json for a bundle.
std::string runtime_config(const store::Layout& layout, const Config& config, const sys::Root& root,
                           const BundlePlace& place);
/// The same for a process whose identity, environment and capabilities are those of `process`.
std::string runtime_config(const store::Layout& layout, const Config& config, launch::Spec process,
                           const BundlePlace& place);

}  // namespace container
