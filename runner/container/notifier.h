#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/sys/fd.h"
#include "runner/launch/launch.h"

namespace container {

/// What a service tells the manager that started torte (sd_notify(3): systemd, by $NOTIFY_SOCKET),
/// which listens to torte's own processes and to nobody in a container. One thread.
class Notifier {
 public:
  /// nullopt when nobody wants to hear, or by `mode` nobody is to speak. "container": a socket is
  /// made at `socket`, to be shown in the container; "conmon": the monitor alone says that it
  /// started.
  static std::optional<Notifier> make(const std::string& mode, const std::filesystem::path& socket);

  /// Readable when the container said something; -1: it cannot.
  int fd() const { return socket_.get(); }
  /// Adds the socket, if there is one, and $NOTIFY_SOCKET to a container: in /dev, where it leaves
  /// no trace in its root.
  void show(launch::Spec& spec) const;
  /// Passes on what it said. To be told that it is ready, the manager also hears that we are who it
  /// is to watch: process numbers in a container mean nothing outside.
  void pass_on();
  /// It runs: with "conmon" that is all there is to say.
  void tell_start();

 private:
  explicit Notifier(std::string outside) : outside_(std::move(outside)) {}
  void send(const std::string& text);

  std::string outside_;
  std::filesystem::path path_;  ///< of `socket_`
  sys::UniqueFd socket_;
};

}  // namespace container
