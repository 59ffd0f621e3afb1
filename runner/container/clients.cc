#include "runner/container/clients.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/text.h"

namespace container {

namespace {

constexpr size_t kMostQueuedBytes = 256 << 10;

}  // namespace

void Clients::add(sys::UniqueFd socket, bool is_owner) {
  auto client = std::make_unique<Client>();
  client->socket = std::move(socket);
  client->is_owner = client->attached = client->wants_end = is_owner;
  clients_.push_back(std::move(client));
}

void Clients::watch(std::vector<pollfd>& entries, bool take_input) const {
  entries.push_back({listener_.get(), POLLIN, 0});
  for (const auto& client : clients_) {
    short events = 0;
    if (!client->attached || take_input) events |= POLLIN;
    if (!client->queue.empty()) events |= POLLOUT;
    entries.push_back({client->socket.get(), events, 0});
  }
}

void Clients::serve(const std::vector<pollfd>& entries, size_t first, const Handler& handle,
                    const std::function<void(Client&)>& gone) {
  const size_t known = std::min(clients_.size(), entries.size() - first - 1);
  for (size_t i = 0; i < known; ++i) {
    Client& client = *clients_[i];
    const short events = entries[first + 1 + i].revents;
    if ((events & POLLOUT) != 0) flush(client);
    if ((events & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
    std::optional<Packet> packet;
    try {
      packet = receive_packet(client.socket.get());
    } catch (const base::SystemError&) {
      // The same as gone.
    }
    if (packet) {
      handle(client, *packet);
    } else {
      gone(client);
      client.closing = true;
      client.queue.clear();
    }
  }
  std::erase_if(clients_,
                [](const auto& client) { return client->closing && client->queue.empty(); });
  if (listener_ && (entries[first].revents & POLLIN) != 0) {
    sys::UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket) add(std::move(socket), false);
  }
}

void Clients::send(Client& client, char kind, std::string_view bytes) {
  if (client.queue.empty() && send_packet(client.socket.get(), kind, bytes, false)) return;
  if (client.queue.empty() && errno != EAGAIN && errno != ENOBUFS)
    return;  // gone; serve() will see
  client.queue.push_back(kind + std::string(bytes));
  client.queued_bytes += bytes.size() + 1;
}

void Clients::flush(Client& client) {
  while (!client.queue.empty()) {
    const std::string& packet = client.queue.front();
    if (!send_packet(client.socket.get(), packet[0], std::string_view(packet).substr(1), false)) {
      if (errno == EAGAIN || errno == ENOBUFS) return;
      client.queue.clear();
      client.queued_bytes = 0;
      return;
    }
    client.queued_bytes -= packet.size();
    client.queue.pop_front();
  }
}

void Clients::send_output(bool is_error, std::string_view bytes) {
  for (const auto& client : clients_)
    if (client->attached) send(*client, is_error ? 'e' : 'o', bytes);
}

void Clients::send_end(int status) {
  for (const auto& client : clients_) {
    if (!client->attached && !client->wants_end) continue;
    send(*client, 'x', std::to_string(status));
    client->closing = true;
    client->attached = client->wants_end = false;
  }
  std::erase_if(clients_,
                [](const auto& client) { return client->closing && client->queue.empty(); });
}

bool Clients::output_held_up() const {
  return std::any_of(clients_.begin(), clients_.end(), [](const auto& client) {
    return client->attached && client->queued_bytes > kMostQueuedBytes;
  });
}

bool Clients::any_attached() const {
  return std::any_of(clients_.begin(), clients_.end(),
                     [](const auto& client) { return client->attached; });
}

void Clients::linger() {
  auto waiting = [](const auto& client) { return !client->queue.empty(); };
  while (std::any_of(clients_.begin(), clients_.end(), waiting)) {
    std::vector<pollfd> entries;
    watch(entries, true);
    if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR) return;
    serve(
        entries, 0, [](Client&, const Packet&) {}, [](Client&) {});
  }
}

}  // namespace container
