#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "store/registry/url.h"

/// HTTP as registries need it: one request, one answer. No redirects, no retries, no credentials:
/// those are decisions, and they are made in client.h.
namespace registry {

/// Where a request was broken off.
enum class Fault {
  kResolve,      ///< the name has no address
  kConnect,      ///< nobody answers there
  kCertificate,  ///< the server is not who it should be
  kNotTls,       ///< the server does not speak TLS
  kReset,        ///< the connection ended in the middle
  kSilence,      ///< nothing, or next to nothing, came for too long
  kProtocol,     ///< the answer breaks the rules of HTTP, or ours
};

/// A request that got no whole answer.
class TransportError : public base::Error {
 public:
  TransportError(Fault fault, std::string message);
  Fault fault() const { return fault_; }

 private:
  Fault fault_;
};

/// How a server proves who it is, and who we are.
struct Tls {
  bool verify = true;
  std::vector<std::filesystem::path> authorities = {};  ///< PEM, beside the system's own
  std::filesystem::path certificate = {};               ///< of the client; empty for none
  std::filesystem::path key = {};
};

struct HttpOptions {
  Tls tls;
  std::string user_agent = "torte";
  std::chrono::milliseconds connect_timeout{10'000};
  std::stop_token stop;
};

/// Which addresses a request may go to when somebody else chose its target by a redirect.
enum class Reach {
  kAnywhere,
  kNotLinks,  ///< not link-local ones, where the metadata services of clouds answer
  kPublic,    ///< nor this machine itself
};

struct Request {
  std::string method = "GET";
  Url url;
  std::vector<std::string> headers = {};    ///< "Name: value"
  base::Source* body = nullptr;             ///< borrowed; null sends none
  std::optional<uint64_t> body_bytes = {};  ///< unset: as long as the body gives, chunked
  /// Less than 1 KiB a second for this long ends the request; the time to the first byte counts.
  std::chrono::milliseconds silence{30'000};
  Reach reach = Reach::kAnywhere;
};

/// Fields of an answer; names are compared without case.
class Headers {
 public:
  /// The first field of that name (given in lower case).
  std::optional<std::string> find(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  void clear() { fields_.clear(); }
  size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// An answer whose head has arrived; read() gives the body. Dropped before the end it closes the
/// connection. One thread at a time.
class Exchange : public base::Source {
 public:
  ~Exchange() override;
  int status() const;
  const Headers& headers() const;
  const Url& url() const;
  /// What Content-Length says.
  std::optional<uint64_t> length() const;
  /// Throws TransportError when the body breaks off, Cancelled.
  size_t read(std::span<std::byte> buffer) override;
  /// The whole body when it has at most `limit` bytes; throws Invalid above.
  std::string read_text(uint64_t limit);
  /// At most `limit` bytes of the body, for messages. Never throws.
  std::string read_some(size_t limit) noexcept;

 private:
  friend class HttpClient;
  struct State;
  explicit Exchange(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Does the status say that the answer is elsewhere?
bool is_redirect(int status);

/// Keeps connections alive between requests. May be shared by threads; must outlive its exchanges.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  /// Sends, waits for the head of the answer. Throws TransportError, Cancelled, and what the body
  /// throws. Refused as kProtocol: more than 64 KiB or 100 fields of headers, two lengths, a length
  /// beside chunks. [spec/security.md 7]
  std::unique_ptr<Exchange> send(const Request& request);

 private:
  friend class Exchange;
  struct Pool;
  HttpOptions options_;
  std::shared_ptr<Pool> pool_;
};

}  // namespace registry
