#include "cli/remote/fetcher.h"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/remote/git_checkout.h"
#include "cli/remote/http_client.h"
#include "store/layer/extract.h"
#include "store/layer/tar_reader.h"
#include "store/layer/writer.h"

namespace cli {

namespace {

using Json = nlohmann::json;

std::string index_name(const char* kind, const std::string& address) {
  return base::str(kind, "-", base::sha256_hex(base::as_bytes(address)).substr(0, 40));
}

std::string host_of(std::string_view url) {
  std::string text = dockerfile::without_userinfo(url);
  size_t scheme = text.find("://");
  if (scheme != std::string::npos) {
    text = text.substr(scheme + 3);
    return text.substr(0, text.find_first_of("/?#"));
  }
  size_t at = text.find('@');  // git@host:path
  text = at == std::string::npos ? text : text.substr(at + 1);
  return text.substr(0, text.find(':'));
}

std::string base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < text.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k)
      out += i + k > text.size() ? '=' : kDigits[bits >> (18 - 6 * k) & 63];
  }
  return out;
}

/// What an earlier download of the same URL left behind.
struct Note {
  std::optional<oci::Digest> digest;
  std::string etag;
  std::string modified;

  static Note read(store::Store& store, const std::string& url) {
    Note note;
    Json json = Json::parse(store.find_index(index_name("http", url)).value_or(""), nullptr, false);
    if (!json.is_object()) return note;
    note.digest = oci::Digest::try_parse(json.value("digest", ""));
    note.etag = json.value("etag", "");
    note.modified = json.value("lastModified", "");
    if (note.digest && !store.find_blob(*note.digest)) note.digest.reset();
    return note;
  }
  void write(store::Store& store, const std::string& url) const {
    Json json = {{"digest", digest->str()}, {"etag", etag}, {"lastModified", modified}};
    store.put_index(index_name("http", url),
                    json.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
};

[[noreturn]] void fail_status(const std::string& url, int status) {
  base::Code code = status == 404 || status == 410                    ? base::Code::kNotFound
                    : status == 401 || status == 403 || status == 407 ? base::Code::kDenied
                                                                      : base::Code::kUnavailable;
  base::Error error(code,
                    base::str("download ", base::printable(dockerfile::without_userinfo(url), 200),
                              ": the server answered ", status),
                    "download-failed");
  if (code == base::Code::kDenied)
    error.add_help("give a token with --secret id=HTTP_AUTH_TOKEN_" + host_of(url) +
                   ",env=VARIABLE");
  throw error;
}

void check_sum(const std::string& url, const std::string& wanted, const oci::Digest& found) {
  if (wanted.empty() || base::to_lower(wanted) == found.str()) return;
  throw base::Error(base::Code::kCorrupt,
                    base::str("download ", base::printable(dockerfile::without_userinfo(url), 200),
                              ": the content is ", found.str(), ", not ", base::to_lower(wanted)),
                    "checksum-mismatch");
}

Download describe(const std::string& url, const oci::Digest& digest, const std::string& modified) {
  Download file{dockerfile::url_file_name(url), digest};
  if (std::optional<int64_t> seconds = parse_http_date(modified)) {
    file.modified = *seconds;
    file.has_modified = true;
  }
  return file;
}

}  // namespace

std::string Fetcher::secret(const std::string& name, const std::string& host) const {
  // A token of one web server is none of the others' business; git's may be given for all.
  bool is_git = name.starts_with("GIT_");
  for (const std::string& id : {name + (is_git ? "." : "_") + host, is_git ? name : std::string()})
    if (auto found = options_.secrets.find(id); found != options_.secrets.end())
      return std::string(base::trim(found->second));
  return "";
}

std::optional<std::string> Fetcher::pin_of(const std::string& address) const {
  auto found = options_.pinned.find(address);
  if (found != options_.pinned.end()) return found->second;
  if (options_.locked)
    throw base::Error(
        base::Code::kDenied,
        base::printable(dockerfile::without_userinfo(address), 200) + " is not in the lock file",
        "not-locked");
  return std::nullopt;
}

Download Fetcher::download(const std::string& asked, const std::string& asked_checksum) {
  const auto [url, checksum] =
      options_.policy == nullptr
          ? std::pair(asked, asked_checksum)
          : options_.policy->download(asked, asked_checksum, options_.events);
  std::optional<std::string> pin = pin_of(url);
  Note note = Note::read(store_, url);
  std::string wanted = checksum.empty() ? "" : base::to_lower(checksum);
  // Known content needs no question to the server.
  std::string known = !wanted.empty() ? wanted : options_.locked ? *pin : "";
  if (note.digest && note.digest->str() == known) {
    resolved_[url] = note.digest->str();
    return describe(url, *note.digest, note.modified);
  }
  HttpRequest request{.url = url,
                      .headers = {},
                      .progress = {},
                      .stop = options_.stop,
                      .retries = options_.retries,
                      .waiting = options_.waiting};
  if (std::string header = secret("HTTP_AUTH_HEADER", host_of(url)); !header.empty())
    request.headers.emplace_back("Authorization", header);
  else if (std::string token = secret("HTTP_AUTH_TOKEN", host_of(url)); !token.empty())
    request.headers.emplace_back("Authorization", "Bearer " + token);
  if (note.digest && !note.etag.empty())
    request.headers.emplace_back("If-None-Match", note.etag);
  else if (note.digest && !note.modified.empty())
    request.headers.emplace_back("If-Modified-Since", note.modified);
  if (options_.policy != nullptr)
    request.redirected = [&](const std::string& next) {
      auto [address, sum] = options_.policy->download(next, wanted, options_.events);
      wanted = sum;
      return address;
    };
  base::event::Transfer moving{url, base::printable(dockerfile::without_userinfo(url), 100), 0, 0,
                               false};
  if (options_.events != nullptr)
    request.progress = [&](uint64_t done, uint64_t total) {
      constexpr uint64_t kStep = 1 << 20;
      if (done - moving.done_bytes < kStep) return;
      moving.done_bytes = done;
      moving.total_bytes = total;
      options_.events->emit(moving);
    };
  std::unique_ptr<store::BlobWriter> blob = store_.write_blob();
  HttpResponse response = http_get(request, *blob);
  if (options_.events != nullptr && moving.done_bytes > 0) {
    moving.finished = true;
    options_.events->emit(moving);
  }
  if (response.status == 200) {
    note.digest = blob->commit();
    note.etag = response.header("etag");
    note.modified = response.header("last-modified");
    note.write(store_, url);
  } else if (response.status != 304 || !note.digest) {
    fail_status(url, response.status);
  }
  check_sum(url, wanted, *note.digest);
  if (options_.locked) check_sum(url, *pin, *note.digest);
  resolved_[url] = note.digest->str();
  return describe(url, *note.digest, note.modified);
}

std::filesystem::path Fetcher::make_directory() {
  directories_.push_back(store_.create_staging("fetch"));
  std::filesystem::path path = directories_.back() / "tree";
  if (::mkdir(path.c_str(), 0755) < 0 || ::chmod(path.c_str(), 0755) < 0)
    base::throw_errno("create " + path.string());
  return path;
}

std::filesystem::path Fetcher::as_tree(const Download& file) {
  std::filesystem::path directory = make_directory();
  std::string name = file.name.empty() ? "__unnamed__" : file.name;
  std::filesystem::path path = directory / name;
  sys::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) base::throw_errno("create " + path.string());
  store::BlobReader blob = store_.open_blob(file.digest);
  sys::FdSink sink(fd.get(), path.string());
  base::copy(blob, sink);
  timespec times[2] = {{file.modified, 0}, {file.modified, 0}};
  if (::fchmod(fd.get(), 0600) < 0 || ::futimens(fd.get(), times) < 0)
    base::throw_errno("set attributes of " + path.string());
  return directory;
}

std::string Fetcher::as_text(const Download& file, uint64_t limit) {
  return store_.read_blob(file.digest, limit);
}

std::optional<std::filesystem::path> Fetcher::unpack(const Download& file) {
  {
    store::BlobReader head = store_.open_blob(file.digest);
    if (!layer::is_archive(head)) return std::nullopt;
  }
  store::BlobReader blob = store_.open_blob(file.digest);
  return unpack(blob, file.name);
}

std::filesystem::path Fetcher::unpack(base::Source& archive, const std::string& name) {
  std::filesystem::path directory = make_directory();
  layer::ArchiveOptions options;
  options.owner.emplace(0, 0);  // owners of a context never count
  options.stop = options_.stop;
  base::with_context("archive " + base::printable(name),
                     [&] { layer::extract_archive(archive, sys::Root::open(directory), options); });
  return directory;
}

Checkout Fetcher::check_out(const dockerfile::GitReference& asked, bool keep_git_dir) {
  const dockerfile::GitReference reference =
      options_.policy == nullptr ? asked : options_.policy->git(asked, options_.events);
  GitAccess access{.authorization = {}, .ssh_agent = options_.ssh_agent};
  std::string host = host_of(reference.remote);
  if (std::string header = secret("GIT_AUTH_HEADER", host); !header.empty())
    access.authorization = header;
  else if (std::string token = secret("GIT_AUTH_TOKEN", host); !token.empty())
    access.authorization = "basic " + base64("x-access-token:" + token);

  std::string address = reference.remote + "#" + reference.ref;
  std::optional<std::string> pin = pin_of(address);
  GitCommit commit;
  if (options_.locked)
    commit.id = *pin;
  else
    commit = resolve_git(reference, access);
  if (!commit.id.starts_with(reference.checksum))
    throw base::Error(
        base::Code::kCorrupt,
        "the lock file's commit " + base::printable(commit.id) + " is not " + reference.checksum,
        "git-checksum");
  bool keep = reference.keep_git_dir.value_or(keep_git_dir);
  std::string key = base::str(reference.remote, "\n", commit.id, "\n", keep ? "git" : "", "\n",
                              reference.submodules.value_or(true) ? "sub" : "", "\n",
                              reference.commit_times ? "times" : "");
  std::filesystem::path tree;
  Checkout result{{}, commit.id, 0};
  Json note = Json::parse(store_.find_index(index_name("git", key)).value_or(""), nullptr, false);
  std::optional<oci::Digest> stored;
  if (note.is_object()) stored = oci::Digest::try_parse(note.value("tree", ""));
  // What an earlier build fetched has to be asked about too. A note without the list is older than
  // that question.
  GitCheckoutOptions checkout{keep, access, {}};
  Json submodules = Json::array();
  checkout.submodule = [&](const std::string& remote) {
    submodules.push_back(remote);
    dockerfile::GitReference asked_for;
    asked_for.remote = remote;
    return options_.policy == nullptr ? remote
                                      : options_.policy->git(asked_for, options_.events).remote;
  };
  bool known = stored && store_.find_blob(*stored);
  if (known && options_.policy != nullptr && !options_.policy->empty() &&
      reference.submodules.value_or(true)) {
    known = note.contains("submodules") && note["submodules"].is_array();
    for (const Json& remote : known ? note["submodules"] : Json::array())
      if (!remote.is_string() || checkout.submodule(remote) != remote.get<std::string>())
        known = false;
    submodules.clear();
  }
  if (known) {
    store::BlobReader blob = store_.open_blob(*stored);
    tree = unpack(blob, commit.id);
    result.commit_time = note.value("time", int64_t{0});
  } else {
    tree = make_directory();
    result.commit_time = check_out_git(reference, commit, tree, checkout);
    std::unique_ptr<store::BlobWriter> blob = store_.write_blob();
    layer::write_tree(sys::Root::open(tree), *blob,
                      {.clamp_mtime = {}, .plain = true, .stop = options_.stop});
    Json fresh = {
        {"tree", blob->commit().str()}, {"time", result.commit_time}, {"submodules", submodules}};
    store_.put_index(index_name("git", key), fresh.dump());
  }
  resolved_[address] = commit.id;
  sys::Root root = sys::Root::open(tree);
  sys::RootedPath part = root.resolve(sys::RootedPath(reference.subdirectory));
  auto st = root.lstat(part);
  if (!st || !S_ISDIR(st->st_mode))
    throw base::Error(
        base::Code::kNotFound,
        base::str("repository ", base::printable(dockerfile::without_userinfo(reference.remote)),
                  " has no directory ", base::printable(reference.subdirectory), " at commit ",
                  commit.id.substr(0, 12)),
        "git-subdir-missing");
  result.directory = tree / part.relative();
  return result;
}

}  // namespace cli
