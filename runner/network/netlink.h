#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/sys/fd.h"

namespace network {

/// One netlink request while it is written: header, the family's own header, attributes.
///
/// Why not libnl: this is on the path of every launch, where several requests go out in one send
/// and nothing may be loaded or parsed at start; what is needed of it are these two small classes.
class Message {
 public:
  /// `what` names the operation in errors. NLM_F_REQUEST and NLM_F_ACK are added by Netlink.
  Message(uint16_t type, uint16_t flags, std::string what);

  template <typename T>
  requires std::is_trivially_copyable_v<T> Message& header(const T& value) {
    append(&value, sizeof value);
    return *this;
  }
  Message& attribute(uint16_t type, const void* data, size_t size);
  Message& text(uint16_t type, std::string_view value);  ///< with its NUL
  template <typename T>
  requires std::is_integral_v<T> Message& number(uint16_t type, T value) {
    return attribute(type, &value, sizeof value);
  }
  /// Attributes up to the matching close() are inside this one.
  Message& open(uint16_t type);
  Message& close_nest();

  /// An answer with this errno is as good as success.
  Message& tolerate(int error) {
    tolerated_ = error;
    return *this;
  }

 private:
  friend class Netlink;
  void append(const void* data, size_t size);

  std::string what_;
  std::vector<char> bytes_;
  std::vector<size_t> open_;
  int tolerated_ = 0;
};

/// One message of an answer.
struct Answer {
  uint16_t type = 0;
  std::vector<char> payload;  ///< after nlmsghdr

  template <typename T>
  T header() const {
    T value = {};
    if (payload.size() >= sizeof value) __builtin_memcpy(&value, payload.data(), sizeof value);
    return value;
  }
  /// The attribute's bytes; `header_size` is that of the family's own header.
  std::optional<std::span<const char>> find(size_t header_size, uint16_t wanted) const;
  std::optional<uint32_t> find_number(size_t header_size, uint16_t wanted) const;
  std::string find_text(size_t header_size, uint16_t wanted) const;
};

/// A socket in the network namespace of the thread that opened it; it stays there wherever it is
/// used. One thread at a time.
class Netlink {
 public:
  /// NETLINK_ROUTE or NETLINK_NETFILTER. Throws SystemError.
  explicit Netlink(int protocol);

  /// Sends all requests at once and waits for every answer. Throws SystemError for the first one
  /// that failed; those behind it were tried as well.
  void perform(std::span<Message> messages);
  void perform(Message message) { perform(std::span(&message, 1)); }
  /// Sends a question and gathers the answers. nullopt when the answer is the tolerated error.
  std::optional<std::vector<Answer>> ask(Message question);

 private:
  void send(std::span<Message> messages);
  std::vector<char>& receive();

  sys::UniqueFd socket_;
  uint32_t sequence_ = 0;
  std::vector<char> buffer_;
};

}  // namespace network
