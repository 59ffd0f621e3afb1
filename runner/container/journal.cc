#include "runner/container/journal.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "runner/container/containers.h"

namespace container {

namespace {

/// A value with a line break is preceded by its size, one without stands behind "=".
void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  if (value.find('\n') == std::string_view::npos) {
    out += '=';
  } else {
    out += '\n';
    for (int shift = 0; shift < 64; shift += 8)
      out += static_cast<char>(static_cast<uint64_t>(value.size()) >> shift & 0xff);
  }
  out += value;
  out += '\n';
}

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  CHECK(path.string().size() < sizeof address.sun_path);
  strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

}  // namespace

std::string journal_fields(const Config& config) {
  const std::string tag = config.log.tag.empty() ? short_id(config.id) : config.log.tag;
  std::string fields;
  append_field(fields, "CONTAINER_ID", short_id(config.id));
  append_field(fields, "CONTAINER_ID_FULL", config.id);
  append_field(fields, "CONTAINER_NAME", config.name);
  append_field(fields, "CONTAINER_TAG", tag);
  append_field(fields, "SYSLOG_IDENTIFIER", tag);
  append_field(fields, "IMAGE_NAME", config.image);
  return fields;
}

Journal::Journal(std::filesystem::path socket, std::string fields)
    : path_(std::move(socket)),
      fields_(std::move(fields)),
      socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  if (!socket_) base::throw_errno("create a socket to the journal");
  // Only tried: a journal that is started anew is another socket at the same path.
  const sys::UniqueFd trial(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path_);
  if (::connect(trial.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    throw base::Error(base::Code::kUnsupported,
                      base::str("no journal at ", path_.string(), ": ", strerror(errno)),
                      "no-journal")
        .add_help("--log-driver json-file needs no service");
}

void Journal::write(bool is_error, std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::string datagram = fields_;
  append_field(datagram, "PRIORITY", is_error ? "3" : "6");
  append_field(datagram, "MESSAGE", text);
  const sockaddr_un address = address_of(path_);
  ::sendto(socket_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

}  // namespace container
