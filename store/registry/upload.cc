// Uploads: one blob in one request where the line holds, and from where the registry got to where
// it does not.
//
//   HEAD blob ── there: nothing to do
//   POST uploads[?mount=..&from=..] ── 201: mounted
//     202 + Location ── PUT with all bytes and the digest ── 201
//       cut, or 416 ── GET Location: Range ── PATCH the rest, PUT the digest
//       the upload is gone ── once more from POST
#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "store/registry/header_fields.h"
#include "store/registry/repository.h"

namespace registry {

namespace {

using base::Code;
using base::Error;

void require_digest(const Exchange& exchange, const oci::Digest& digest, const std::string& what) {
  for (const std::string& header : exchange.headers().all("docker-content-digest")) {
    auto told = oci::Digest::try_parse(header);
    if (told && (*told == digest || told->algorithm() != digest.algorithm())) continue;
    throw Error(Code::kCorrupt,
                base::str(what, ": sent was ", digest.str(), ", the registry says it stored ",
                          base::printable(header, 100)),
                "registry-stored-other");
  }
}

/// The address the registry wants the bytes at. Only its own: anything else would get them, and
/// later the blob's name, from us.
Url upload_location(Client& client, const Exchange& exchange, const std::string& what) {
  auto header = exchange.headers().find("location");
  auto url = header ? exchange.url().resolve(*header) : std::nullopt;
  const Origin& home = client.origin();
  // A registry behind a proxy that ends TLS may not know that it speaks https.
  if (url && url->origin().host == home.host && url->origin().scheme == "http" &&
      home.scheme == "https")
    url = Url(home, url->target());
  if (url && url->origin() == home) return *url;
  throw Error(
      Code::kInvalid,
      base::str(what, ": ", client.host(), " wants the upload sent to ",
                header ? base::printable(url ? url->origin().str() : *header, 200) : "nowhere",
                ", which is not itself"),
      "registry-foreign-upload");
}

/// One blob on its way up.
class Upload {
 public:
  Upload(Client& client, Client::Ask start, const oci::Digest& digest, uint64_t size_bytes,
         const OpenAt& open)
      : client_(client),
        start_(std::move(start)),
        digest_(digest),
        size_(size_bytes),
        open_(open),
        patience_(client.patience()) {}

  /// False when a mount made it unnecessary.
  bool run() {
    for (;;) {
      std::optional<Url> where = begin();
      if (!where) return false;
      if (send_all(*where, true)) return true;
    }
  }
  /// Goes on with an upload that has got some way, or begins anew when the registry forgot it.
  void go_on(Url where) {
    uint64_t done = 0;
    if (find_offset(nullptr, where, done) && send_all(where, false, done)) return;
    run();
  }
  /// Ends an upload that has all bytes.
  void complete(const Url& where) {
    if (!send_all(where, false, size_)) run();
  }

 private:
  std::string what() const { return "upload blob " + digest_.str(); }
  Url location(const Exchange& exchange) const {
    return upload_location(client_, exchange, what());
  }

  std::optional<Url> begin() {
    auto exchange = client_.ask(start_, patience_);
    if (exchange->status() == 201) {
      require_digest(*exchange, digest_, what());
      return std::nullopt;
    }
    if (exchange->status() != 202) client_.fail(*exchange, what());
    return location(*exchange);
  }

  /// False: the upload was lost, begin again.
  bool send_all(Url where, bool whole, uint64_t done = 0) {
    for (;;) {
      try {
        auto exchange = whole          ? put(where, 0)
                        : done < size_ ? patch(where, done)
                                       : put(where, size_);
        int status = exchange->status();
        if (status == 201 || status == 204) {
          require_digest(*exchange, digest_, what());
          return true;
        }
        if (status == 202 && !whole && done < size_) {  // of PATCH
          where = location(*exchange);
          auto range = exchange->headers().find("range");
          uint64_t have = (range ? parse_upload_range(*range) : std::nullopt).value_or(size_);
          // A registry that takes bytes and does not get on will not do so for ever.
          if (have <= done && !patience_.after(503, {})) client_.fail(*exchange, what());
          done = have;
          continue;
        }
        if (status == 404) {
          if (!patience_.after(503, exchange->headers())) client_.fail(*exchange, what());
          return false;
        }
        if (status != 416 && !patience_.after(status, exchange->headers()))
          client_.fail(*exchange, what());
        if (status == 416 && !patience_.after(503, {})) client_.fail(*exchange, what());
        if (!find_offset(exchange.get(), where, done)) return false;
        whole = false;
      } catch (const TransportError& e) {
        if (!patience_.after(e)) throw;
        if (!find_offset(nullptr, where, done)) return false;
        whole = false;
      }
    }
  }

  /// Asks how far the upload got. False when the registry no longer knows it.
  bool find_offset(const Exchange* answer, Url& where, uint64_t& done) {
    if (answer != nullptr && answer->status() == 416)
      if (auto range = answer->headers().find("range"))
        if (auto have = parse_upload_range(*range); have && *have <= size_) {
          if (answer->headers().find("location")) where = location(*answer);
          done = *have;
          return true;
        }
    Client::Ask ask = start_;
    ask.method = "GET";
    ask.url = where;
    auto exchange = client_.ask(ask, patience_);
    if (exchange->status() != 204 && exchange->status() != 200) return false;
    if (exchange->headers().find("location")) where = location(*exchange);
    auto range = exchange->headers().find("range");
    done = (range ? parse_upload_range(*range) : std::nullopt).value_or(0);
    return done <= size_;
  }

  Client::Ask part(const char* method, const Url& where, uint64_t from) const {
    Client::Ask ask = start_;
    ask.method = method;
    ask.url = where;
    ask.headers = {"Content-Type: application/octet-stream"};
    if (from < size_) ask.body = [this, from] { return open_(from); };
    ask.body_bytes = size_ - from;
    return ask;
  }

  std::unique_ptr<Exchange> patch(const Url& where, uint64_t from) const {
    Client::Ask ask = part("PATCH", where, from);
    ask.headers.push_back(base::str("Content-Range: ", from, "-", size_ - 1));
    return client_.ask_once(ask, patience_);
  }

  std::unique_ptr<Exchange> put(const Url& where, uint64_t from) const {
    Client::Ask ask = part("PUT", where.with_query("digest", digest_.str()), from);
    // Some registries read the whole blob back from where they keep it before they answer.
    ask.least_silence = std::chrono::seconds(size_ / (10 << 20));
    return client_.ask_once(ask, patience_);
  }

  Client& client_;
  const Client::Ask start_;
  const oci::Digest digest_;
  const uint64_t size_;
  const OpenAt& open_;
  Patience patience_;
};

}  // namespace

bool Repository::put_blob(const oci::Digest& digest, uint64_t size_bytes, const OpenAt& open,
                          const std::string& from) {
  if (has_blob(digest, size_bytes)) return false;
  Client::Ask start = ask("POST", "blobs/uploads/");
  if (!from.empty() && from != path_) {
    start.path += "?mount=" + percent_encode(digest.str()) + "&from=" + percent_encode(from, "/");
    start.more_scope = base::str("repository:", from, ":pull");
  }
  return Upload(client_, std::move(start), digest, size_bytes, open).run();
}

void Repository::put_stream(const OpenAt& open,
                            const std::function<std::pair<oci::Digest, uint64_t>()>& finished) {
  Client::Ask start = ask("POST", "blobs/uploads/");
  std::string what = "upload a blob to " + name();
  auto begun = client_.ask(start);
  if (begun->status() != 202) client_.fail(*begun, what);
  Url where = upload_location(client_, *begun, what);
  begun.reset();
  Client::Ask stream = start;
  stream.method = "PATCH";
  stream.url = where;
  stream.headers = {"Content-Type: application/octet-stream"};
  stream.body = [&open] { return open(0); };
  std::optional<uint64_t> sent;
  try {
    auto exchange = client_.ask_once(stream, client_.patience());
    if (exchange->status() == 202) {
      where = upload_location(client_, *exchange, what);
      auto range = exchange->headers().find("range");
      sent = range ? parse_upload_range(*range) : std::nullopt;
    }
  } catch (const TransportError&) {
    // Found out below how far it got.
  }
  auto [digest, size_bytes] = finished();
  Upload upload(client_, std::move(start), digest, size_bytes, open);
  if (sent == size_bytes) return upload.complete(where);
  upload.go_on(where);
}

oci::Digest Repository::put_document(const std::string& bytes, const std::string& media_type,
                                     const std::string& tag) {
  oci::Digest digest = oci::Digest::sha256_of(bytes);
  std::string what = base::str("put manifest ", tag.empty() ? digest.str() : tag, " of ", name());
  Client::Ask ask = this->ask("PUT", "manifests/" + (tag.empty() ? digest.str() : tag));
  ask.headers = {"Content-Type: " + media_type};
  ask.body = [&bytes] { return std::make_unique<base::MemorySource>(base::as_bytes(bytes)); };
  ask.body_bytes = bytes.size();
  auto exchange = client_.ask(ask);
  if (exchange->status() != 201 && exchange->status() != 200) client_.fail(*exchange, what);
  require_digest(*exchange, digest, what);
  bool listed = exchange->headers().find("oci-subject").has_value();
  exchange.reset();
  if (!listed) note_referrer(bytes, media_type);
  return digest;
}

}  // namespace registry
