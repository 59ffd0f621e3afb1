#pragma once

#include <poll.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/sys/fd.h"
#include "runner/container/control.h"

namespace container {

/// One command that talks to a monitor.
struct Client {
  sys::UniqueFd socket;
  bool attached = false;  ///< gets output
  bool wants_end = false;
  bool closing = false;  ///< goes when its queue is empty
  bool is_owner =
      false;  ///< the `run` or `start -a` that started the container: its input is the program's
  bool holds = false;             ///< the container is paused as long as it is there
  std::deque<std::string> queue;  ///< packets that its socket did not take yet
  size_t queued_bytes = 0;
};

/// Everybody who is connected. A client that does not read holds up the program's output, as a full
/// pipe would, and nothing else. One thread.
class Clients {
 public:
  using Handler = std::function<void(Client&, const Packet&)>;

  void listen(sys::UniqueFd listener) { listener_ = std::move(listener); }
  void add(sys::UniqueFd socket, bool is_owner);
  /// Adds what is to be watched; `take_input`: there is room for standard input.
  void watch(std::vector<pollfd>& entries, bool take_input) const;
  /// Handles what happened to entries[first...], which watch() added. `gone` hears of each that
  /// left.
  void serve(const std::vector<pollfd>& entries, size_t first, const Handler& handle,
             const std::function<void(Client&)>& gone);

  void send(Client& client, char kind, std::string_view bytes);
  /// A piece of output, to all who are attached.
  void send_output(bool is_error, std::string_view bytes);
  /// Tells the end to all who want to know, and lets them go.
  void send_end(int status);
  bool output_held_up() const;
  bool any_attached() const;
  /// Waits until everything is delivered, or its reader is gone.
  void linger();
  void stop_listening() { listener_.reset(); }

 private:
  void flush(Client& client);

  sys::UniqueFd listener_;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace container
