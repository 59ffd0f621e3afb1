#include "store/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/root.h"
#include "base/text.h"
#include "store/core.h"
#include "store/schema.h"

namespace store {

namespace {

using base::Code;
using base::Error;

constexpr std::string_view kVersionText = "torte-store 1\n";
constexpr std::string_view kNotDurableText = "torte-store 1\ndurability none\n";

// Reads ROOT/version. nullopt: there is none, so no store (yet).
std::optional<bool> read_durability(const Layout& layout) {
  const std::optional<std::string> text = sys::find_user_file(layout.version(), 4096);
  if (!text) return std::nullopt;
  if (*text == kVersionText) return true;
  if (*text == kNotDurableText) return false;
  throw Error(Code::kUnsupported,
              base::str("store ", layout.root().string(), " has the unknown format ",
                        base::printable(base::trim(*text), 80)),
              "store-version")
      .add_help("use a newer torte, or another --root");
}

// A directory that holds anything else is not made a store by accident.
void require_ours_or_empty(const Layout& layout, int root_fd) {
  static constexpr std::array<std::string_view, 17> kOurs = {
      "version", "torte.db",     "torte.db-wal", "torte.db-shm", "torte.db-journal", "gc.lock",
      "blobs",   "layers",       "staging",      "staging.lock", "leases",           "containers",
      "locks",   "cache-mounts", "constant",     "index",        "volumes"};
  for (const std::string& name : sys::list_names(root_fd)) {
    const bool ours = std::find(kOurs.begin(), kOurs.end(), name) != kOurs.end();
    if (!ours && name != "lost+found" && !name.starts_with("version."))
      throw Error(Code::kInvalid,
                  base::str(layout.root().string(), " is not a torte store and holds other files (",
                            base::printable(name, 80), ")"),
                  "store-foreign")
          .add_help("name an empty or absent directory with --root");
  }
}

// Every step may have been done before by a process that died, or be done by another right now:
// the root directory is locked, and `version` is written last.
void create_store(const Layout& layout, bool durable) {
  sys::make_directories(layout.root());
  sys::UniqueFd root(::open(layout.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) base::throw_errno("open " + layout.root().string());
  while (::flock(root.get(), LOCK_EX) < 0)
    if (errno != EINTR) base::throw_errno("lock " + layout.root().string());
  if (read_durability(layout)) return;
  require_ours_or_empty(layout, root.get());
  for (const auto& directory :
       {layout.blobs(), layout.blobs() / "sha256", layout.blobs() / "sha512", layout.layers(),
        layout.staging(), layout.leases(), layout.locks(), layout.containers(), layout.index()})
    sys::make_directories(directory);
  {
    Database database(layout.database(), Database::Mode::kReadWrite, durable);
    prepare_schema(database);
  }
  if (durable) {
    sys::sync_filesystem(root.get());
    const std::filesystem::path parent = std::filesystem::absolute(layout.root()).parent_path();
    sys::sync_directory(parent);
  }
  sys::write_file_durably(layout.version(), durable ? kVersionText : kNotDurableText, 0600);
}

[[noreturn]] void refuse_write(const Layout& layout, int error_number) {
  const char* reason =
      error_number == EROFS ? "is on a read-only file system" : "cannot be written";
  throw Error(Code::kDenied, base::str("store ", layout.root().string(), " ", reason),
              "store-read-only")
      .add_help("choose another store with --root");
}

void require_index_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == ':';
  };
  if (name.empty() || name.size() > 200 || name[0] == '.' ||
      !std::all_of(name.begin(), name.end(), allowed))
    throw Error(Code::kInvalid, "not a name for the store: " + base::printable(name, 80));
}

int64_t now() { return to_milliseconds(std::chrono::system_clock::now()); }

}  // namespace

int64_t to_milliseconds(Time time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

Time from_milliseconds(int64_t milliseconds) {
  return Time(std::chrono::milliseconds(milliseconds));
}

bool is_there(const std::filesystem::path& path) {
  struct stat st;
  return ::lstat(path.c_str(), &st) == 0;
}

std::optional<BlobReader> open_blob_file(const Core& core, const oci::Digest& digest) {
  const std::filesystem::path path = core.layout.blob(digest);
  sys::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::nullopt;
  struct stat st;
  if (!fd || ::fstat(fd.get(), &st) < 0) base::throw_errno("open blob " + digest.str());
  return BlobReader(std::move(fd), digest, static_cast<uint64_t>(st.st_size));
}

// Core.

Core::Records::Records(Core& core)
    : lock_(core.database_mutex_), database_([&]() -> Database& {
        if (core.database_) return *core.database_;
        Database::Mode mode = Database::Mode::kReadWrite;
        if (!core.writable) {
          // Without a log, and where nobody can write one, the file alone is the whole truth. With
          // a log SQLite reads it without writing.
          struct stat log;
          const std::string log_path = core.layout.database().string() + "-wal";
          const bool no_log = ::stat(log_path.c_str(), &log) < 0 || log.st_size == 0;
          const bool frozen = ::access(core.layout.root().c_str(), W_OK) < 0 && errno == EROFS;
          mode = no_log && frozen ? Database::Mode::kImmutable : Database::Mode::kReadOnly;
        }
        auto database = std::make_unique<Database>(core.layout.database(), mode, core.durable);
        // Whoever comes first after an update and may write brings the tables up to date.
        if (mode == Database::Mode::kReadOnly && is_outdated(*database) &&
            ::access(core.layout.root().c_str(), W_OK) == 0) {
          Database writer(core.layout.database(), Database::Mode::kReadWrite, core.durable);
          prepare_schema(writer);
        }
        prepare_schema(*database);
        core.database_ = std::move(database);
        return *core.database_;
      }()) {}

void Core::require_writable() const {
  if (!writable) refuse_write(layout, ::access(layout.root().c_str(), W_OK) < 0 ? errno : 0);
}

std::filesystem::path Core::staging_file(std::string_view purpose) {
  require_writable();
  std::lock_guard lock(staging_mutex_);
  if (!staging_) staging_.emplace(layout, trash, "process");
  return *staging_ / base::str(purpose, "-", ++staged_);
}

// Store: life cycle.

Store::Store(std::unique_ptr<Core> core) : core_(std::move(core)) {}

std::unique_ptr<Store> Store::open(const std::filesystem::path& root, Access access,
                                   const OpenOptions& options) {
  const Layout layout(root);
  const bool writable = access == Access::kReadWrite;
  std::optional<bool> durable = read_durability(layout);
  if (!durable) {
    struct stat st;
    if (::stat(root.c_str(), &st) < 0 && errno == ENOTDIR)
      base::throw_errno("open store " + root.string());
    if (!writable) throw Error(Code::kNotFound, "no store at " + root.string(), "store-absent");
    try {
      create_store(layout, options.durable.value_or(true));
    } catch (const base::SystemError& e) {
      if (e.error_number() == EROFS || e.error_number() == EACCES)
        refuse_write(layout, e.error_number());
      throw;
    }
    durable = read_durability(layout);
    CHECK(durable.has_value());
  }
  if (options.durable && *options.durable != *durable)
    throw Error(Code::kInvalid,
                base::str("store ", root.string(), " was made with durability ",
                          *durable ? "full" : "none", ", and keeps it"),
                "store-durability")
        .add_help("name another directory with --root, or leave --durability away");
  if (writable && ::access(root.c_str(), W_OK) < 0) refuse_write(layout, errno);
  auto core = std::make_unique<Core>(root, writable, *durable);
  if (writable) {
    core->root = sys::UniqueFd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!core->root) base::throw_errno("open " + root.string());
  }
  if (writable) remove_dead_staging(core->layout, core->trash);
  return std::unique_ptr<Store>(new Store(std::move(core)));
}

Store::~Store() {
  core_->close_staging();
  if (core_->trash.pending()) core_->trash.flush();
}

const Layout& Store::layout() const { return core_->layout; }

Access Store::access() const { return core_->writable ? Access::kReadWrite : Access::kReadOnly; }
bool Store::is_durable() const { return core_->durable; }

// Store: blobs and things unfinished.

std::unique_ptr<BlobWriter> Store::write_blob(const Expected& expected) {
  return std::make_unique<BlobWriter>(*core_, expected);
}

std::optional<BlobReader> Store::find_blob(const oci::Digest& digest) {
  Keeper keeper(*core_);
  std::optional<BlobReader> blob = open_blob_file(*core_, digest);
  if (blob) keeper.blob(digest);
  return blob;
}

BlobReader Store::open_blob(const oci::Digest& digest) {
  std::optional<BlobReader> blob = find_blob(digest);
  if (!blob)
    throw Error(Code::kNotFound, "blob " + digest.str() + " is not in the store", "blob-missing");
  return std::move(*blob);
}

std::string Store::read_blob(const oci::Digest& digest, uint64_t limit) {
  return open_blob(digest).read_text(limit);
}

StagingDir Store::create_staging(std::string_view purpose) {
  core_->require_writable();
  return StagingDir(core_->layout, core_->trash, purpose);
}

Batch Store::batch() { return Batch(*core_); }

Lease Store::lease() { return Lease(*core_); }

std::unique_ptr<BlobWriter> Store::resume_blob(const Expected& expected, std::stop_token stop) {
  core_->require_writable();
  CHECK(expected.digest && expected.size_bytes);
  return std::make_unique<BlobWriter>(*core_, expected, BlobWriter::Resume{std::move(stop)});
}

Claim Store::claim_fetch(const oci::Digest& blob, const std::function<void()>& waiting) {
  return claim("fetch-" + fetch_name(blob), waiting);
}

Claim Store::claim(std::string_view name, const std::function<void()>& waiting) {
  core_->require_writable();
  require_index_name(name);
  return Claim::acquire(core_->layout, name, waiting);
}

void Store::wrote(uint64_t bytes) {
  if (core_->writable && core_->durable) core_->early_sync.wrote(bytes);
}

void Store::discard(const std::filesystem::path& path) {
  core_->require_writable();
  core_->trash.discard(path);
}

void Store::flush_trash() { core_->trash.flush(); }

// Store: containers, index, documents.

void Store::set_container_uses(std::string_view container, const ImageRecord& image) {
  core_->require_writable();
  require_index_name(container);
  Keeper keeper(*core_, true);
  std::string text = base::str("image ", image.id.str(), "\n");
  for (const oci::DiffId& layer : image.layers) text += base::str("layer ", layer.str(), "\n");
  const std::filesystem::path target = core_->layout.container_uses(container);
  // The container's own record is synced, or not, by its owner; this file only has to appear whole.
  const std::string beside = target.string() + ".new";
  sys::UniqueFd fd(
      ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) base::throw_errno("create " + beside);
  sys::write_all(fd.get(), base::as_bytes(text), beside);
  if (::rename(beside.c_str(), target.c_str()) < 0) base::throw_errno("rename " + beside);
  keeper.image(image);
}

void Store::put_index(std::string_view name, std::string_view bytes) {
  core_->require_writable();
  require_index_name(name);
  const std::filesystem::path beside = core_->staging_file("index");
  sys::UniqueFd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) base::throw_errno("create " + beside.string());
  sys::write_all(fd.get(), base::as_bytes(bytes), beside.string());
  const std::filesystem::path target = core_->layout.index() / name;
  if (::rename(beside.c_str(), target.c_str()) < 0) base::throw_errno("write " + target.string());
}

std::optional<std::string> Store::find_index(std::string_view name) {
  require_index_name(name);
  return sys::find_user_file(core_->layout.index() / name, uint64_t{1} << 30);
}

void Store::put_document(std::string_view kind, std::string_view id, std::string_view body) {
  core_->require_writable();
  Core::Records records = core_->records();
  Query(records,
        "INSERT INTO documents(kind, id, created, body) VALUES(?, ?, ?, ?) "
        "ON CONFLICT(kind, id) DO UPDATE SET body = excluded.body")
      .bind(kind, id, now(), body)
      .run();
}

std::optional<std::string> Store::find_document(std::string_view kind, std::string_view id) {
  Core::Records records = core_->records();
  Query query(records, "SELECT body FROM documents WHERE kind = ? AND id = ?");
  query.bind(kind, id);
  if (!query.step()) return std::nullopt;
  return query.text(0);
}

std::vector<Store::Document> Store::list_documents(std::string_view kind) {
  Core::Records records = core_->records();
  Query query(records,
              "SELECT id, body, created FROM documents WHERE kind = ? ORDER BY created, rowid");
  query.bind(kind);
  std::vector<Document> documents;
  while (query.step())
    documents.push_back({query.text(0), query.text(1), from_milliseconds(query.number(2))});
  return documents;
}

void Store::remove_document(std::string_view kind, std::string_view id) {
  core_->require_writable();
  Core::Records records = core_->records();
  Query(records, "DELETE FROM documents WHERE kind = ? AND id = ?").bind(kind, id).run();
}

}  // namespace store
