#pragma once

#include <string>

#include "runner/container/prepare.h"
#include "runner/launch/launch.h"

namespace container {

/// A container whose program another OCI runtime starts (--runtime crun): torte prepares the root and
/// the network as always, the runtime makes the other namespaces and the rights from a configuration
/// (runtime_bundle.h), and torte watches the program as its own child. For the process of the monitor:
/// it gets a mount namespace of its own, and orphans of the runtime become its children.
///
/// The streams of `prepared` must be set. Dropping this takes away what the runtime keeps. Move-only.
class ForeignRuntime {
 public:
  /// Throws NotFound when there is no such program on the host, Unsupported for what it is not asked
  /// for here (a terminal, an init, ids of its own), Failed with what the runtime said and the exit
  /// status 127 or 126 where it could not run the program.
  ForeignRuntime(Containers& containers, const Config& config, Prepared& prepared);
  ForeignRuntime(const ForeignRuntime&) = delete;
  ForeignRuntime& operator=(const ForeignRuntime&) = delete;
  ~ForeignRuntime();

  /// Gives this process a mount namespace of its own, once. Before prepare(): overlayfs takes layers of
  /// our own namespace only.
  static void leave_host_mounts();

  /// The running container. Once.
  launch::Container take() { return std::move(*container_); }

 private:
  std::vector<std::string> command(std::initializer_list<std::string> words) const;
  void write_files(const Containers& containers, const Config& config, Prepared& prepared);
  void create(const launch::Spec& spec);
  void discard() noexcept;

  std::string program_, id_;
  std::filesystem::path bundle_;
  bool is_mounted_ = false;
  std::optional<launch::Container> container_;
};

}  // namespace container
