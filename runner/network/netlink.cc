#include "runner/network/netlink.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace network {

namespace {

constexpr size_t kReceiveBytes = 64 << 10;

size_t aligned(size_t size) { return (size + 3) & ~size_t{3}; }

/// The messages of one datagram, in order.
template <typename Use>
void for_each_message(const std::vector<char>& bytes, Use&& use) {
  for (size_t at = 0; at + NLMSG_HDRLEN <= bytes.size();) {
    nlmsghdr header;
    memcpy(&header, &bytes[at], sizeof header);
    if (header.nlmsg_len < NLMSG_HDRLEN || at + header.nlmsg_len > bytes.size()) return;
    use(header, std::span(&bytes[at], header.nlmsg_len));
    at += aligned(header.nlmsg_len);
  }
}

/// errno of an acknowledgement, 0 for success.
int result_of(std::span<const char> message) {
  int error = 0;
  if (message.size() >= NLMSG_HDRLEN + sizeof error)
    memcpy(&error, &message[NLMSG_HDRLEN], sizeof error);
  return -error;
}

/// The kernel's own words about a refusal, when it has any.
std::string explanation(const nlmsghdr& header, std::span<const char> message) {
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  size_t at = NLMSG_HDRLEN + sizeof(nlmsgerr);
  if ((header.nlmsg_flags & NLM_F_CAPPED) == 0 && message.size() >= at) {
    nlmsgerr error;
    memcpy(&error, &message[NLMSG_HDRLEN], sizeof error);
    at += error.msg.nlmsg_len - sizeof(nlmsghdr);
  }
  while (at + sizeof(nlattr) <= message.size()) {
    nlattr attribute;
    memcpy(&attribute, &message[at], sizeof attribute);
    if (attribute.nla_len < sizeof attribute || at + attribute.nla_len > message.size()) break;
    const char* text = &message[at] + sizeof attribute;
    if (attribute.nla_type == NLMSGERR_ATTR_MSG)
      return std::string(text, strnlen(text, attribute.nla_len - sizeof attribute));
    at += aligned(attribute.nla_len);
  }
  return {};
}

[[noreturn]] void throw_refusal(const std::string& what, int error, const std::string& why) {
  base::SystemError failure(what, error);
  if (!why.empty()) failure.add_fact("the kernel says: " + why);
  throw failure;
}

}  // namespace

Message::Message(uint16_t type, uint16_t flags, std::string what) : what_(std::move(what)) {
  nlmsghdr header = {};
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  append(&header, sizeof header);
}

void Message::append(const void* data, size_t size) {
  const char* bytes = static_cast<const char*>(data);
  bytes_.insert(bytes_.end(), bytes, bytes + size);
  bytes_.resize(aligned(bytes_.size()));
}

Message& Message::attribute(uint16_t type, const void* data, size_t size) {
  nlattr header = {};
  header.nla_len = static_cast<uint16_t>(sizeof header + size);
  header.nla_type = type;
  append(&header, sizeof header);
  append(data, size);
  return *this;
}

Message& Message::text(uint16_t type, std::string_view value) {
  return attribute(type, std::string(value).c_str(), value.size() + 1);
}

Message& Message::open(uint16_t type) {
  open_.push_back(bytes_.size());
  return attribute(type, nullptr, 0);
}

Message& Message::close_nest() {
  size_t at = open_.back();
  open_.pop_back();
  auto size = static_cast<uint16_t>(bytes_.size() - at);
  memcpy(&bytes_[at], &size, sizeof size);  // nla_len comes first
  return *this;
}

std::optional<std::span<const char>> Answer::find(size_t header_size, uint16_t wanted) const {
  size_t at = aligned(header_size);
  while (at + sizeof(nlattr) <= payload.size()) {
    nlattr attribute;
    memcpy(&attribute, &payload[at], sizeof attribute);
    if (attribute.nla_len < sizeof attribute || at + attribute.nla_len > payload.size()) break;
    if ((attribute.nla_type & NLA_TYPE_MASK) == wanted)
      return std::span(&payload[at] + sizeof attribute, attribute.nla_len - sizeof attribute);
    at += aligned(attribute.nla_len);
  }
  return std::nullopt;
}

std::optional<uint32_t> Answer::find_number(size_t header_size, uint16_t wanted) const {
  auto bytes = find(header_size, wanted);
  if (!bytes || bytes->size() != sizeof(uint32_t)) return std::nullopt;
  uint32_t value;
  memcpy(&value, bytes->data(), sizeof value);
  return value;
}

std::string Answer::find_text(size_t header_size, uint16_t wanted) const {
  auto bytes = find(header_size, wanted);
  return bytes ? std::string(bytes->data(), strnlen(bytes->data(), bytes->size())) : std::string();
}

Netlink::Netlink(int protocol)
    : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)), buffer_(kReceiveBytes) {
  if (!socket_) base::throw_errno("open netlink socket");
  int on = 1;
  // Better words and shorter answers; without them it works as well.
  ::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  ::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
}

void Netlink::send(std::span<Message> messages) {
  std::vector<iovec> parts;
  for (Message& message : messages) {
    nlmsghdr header;
    memcpy(&header, message.bytes_.data(), sizeof header);
    header.nlmsg_len = static_cast<uint32_t>(message.bytes_.size());
    header.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    header.nlmsg_seq = ++sequence_;
    memcpy(message.bytes_.data(), &header, sizeof header);
    parts.push_back({message.bytes_.data(), message.bytes_.size()});
  }
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  msghdr whole = {};
  whole.msg_name = &kernel;
  whole.msg_namelen = sizeof kernel;
  whole.msg_iov = parts.data();
  whole.msg_iovlen = parts.size();
  while (::sendmsg(socket_.get(), &whole, 0) < 0)
    if (errno != EINTR) base::throw_errno("send netlink request");
}

std::vector<char>& Netlink::receive() {
  buffer_.resize(kReceiveBytes);
  ssize_t n;
  do {
    n = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
  } while (n < 0 && errno == EINTR);
  if (n < 0) base::throw_errno("read netlink answer");
  buffer_.resize(static_cast<size_t>(n));
  return buffer_;
}

void Netlink::perform(std::span<Message> messages) {
  if (messages.empty()) return;
  uint32_t first = sequence_ + 1;
  send(messages);
  size_t failed = messages.size();
  int error = 0;
  std::string why;
  for (size_t answered = 0; answered < messages.size();) {
    for_each_message(receive(), [&](const nlmsghdr& header, std::span<const char> message) {
      uint32_t index = header.nlmsg_seq - first;
      if (header.nlmsg_type != NLMSG_ERROR || index >= messages.size()) return;
      ++answered;
      int result = result_of(message);
      if (result == 0 || result == messages[index].tolerated_ || index >= failed) return;
      failed = index;
      error = result;
      why = explanation(header, message);
    });
  }
  if (failed < messages.size()) throw_refusal(messages[failed].what_, error, why);
}

std::optional<std::vector<Answer>> Netlink::ask(Message question) {
  send(std::span(&question, 1));
  std::vector<Answer> answers;
  bool is_over = false, is_absent = false;
  while (!is_over) {
    for_each_message(receive(), [&](const nlmsghdr& header, std::span<const char> message) {
      if (header.nlmsg_seq != sequence_ || is_over) return;
      if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) {
        is_over = true;
        int result = header.nlmsg_type == NLMSG_ERROR ? result_of(message) : 0;
        is_absent = result != 0 && result == question.tolerated_;
        if (result != 0 && !is_absent)
          throw_refusal(question.what_, result, explanation(header, message));
        return;
      }
      answers.push_back({header.nlmsg_type, {message.begin() + NLMSG_HDRLEN, message.end()}});
    });
  }
  if (is_absent) return std::nullopt;
  return answers;
}

}  // namespace network
