#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runner/container/prepare.h"
#include "runner/container/runtime_bundle.h"
#include "runner/launch/launch.h"

namespace container {

/// A container whose program another OCI runtime starts (--runtime crun): torte prepares the root
/// and the network as always, the runtime makes the other namespaces and the rights from a
/// configuration (runtime_bundle.h), and torte watches the program as its own child. For the
/// process of the monitor, or of a build: it gets a mount namespace of its own, and orphans of the
/// runtime become its children.
///
/// The streams of `prepared` must be set. Dropping this takes away what the runtime keeps.
/// Move-only.
class ForeignRuntime {
 public:
  /// Throws NotFound when there is no such program on the host, Unsupported for what it is not
  /// asked for here (a terminal, an init, ids of its own), Failed with what the runtime said and
  /// the exit status 127 or 126 where it could not run the program.
  ForeignRuntime(Containers& containers, const Config& config, Prepared& prepared);
  /// A step of a build: `spec` says everything. `directory` is an empty one of the step's own;
  /// nothing of it is left. Errors as above.
  ForeignRuntime(std::string program, const store::Layout& layout,
                 const std::filesystem::path& directory, launch::Spec spec);
  ForeignRuntime(const ForeignRuntime&) = delete;
  ForeignRuntime& operator=(const ForeignRuntime&) = delete;
  ~ForeignRuntime();

  /// Gives this process a mount namespace of its own, once. Before prepare(): overlayfs takes
  /// layers of our own namespace only.
  static void leave_host_mounts();

  /// The running container. Once.
  launch::Container take() { return std::move(*container_); }

 private:
  std::vector<std::string> command(std::initializer_list<std::string> words) const;
  using Configuration = std::function<std::string(const sys::Root& root, const BundlePlace& place)>;
  void write_files(launch::Spec& spec, const std::filesystem::path& hosts_file,
                   const Configuration& configuration);
  MountConfig put_mount(launch::Mount& mount, const std::string& name);
  void create(const launch::Spec& spec);
  void discard() noexcept;

  std::string program_, id_;
  std::filesystem::path bundle_;
  std::vector<std::filesystem::path> mounted_;  ///< in our mount namespace, the bundle's own
  std::optional<launch::Container> container_;
};

}  // namespace container
