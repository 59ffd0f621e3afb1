#include "store/database.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

namespace store {

namespace {

using base::Code;

[[noreturn]] void fail(sqlite3* handle, std::string_view what) {
  const int code = handle != nullptr ? sqlite3_errcode(handle) : SQLITE_NOMEM;
  const std::string text = handle != nullptr ? sqlite3_errmsg(handle) : "out of memory";
  const int error_number = handle != nullptr ? sqlite3_system_errno(handle) : 0;
  const std::string operation = base::str("store records: ", what);
  switch (code & 0xff) {
    case SQLITE_FULL:
      throw base::SystemError(operation, ENOSPC);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      throw base::SystemError(operation, error_number != 0 ? error_number : EIO);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      throw base::Error(Code::kCorrupt, base::str(operation, ": ", text), "store-records-damaged");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw base::Error(Code::kUnavailable,
                        base::str(operation, ": another process has held them for a minute"),
                        "store-busy");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      throw base::Error(Code::kDenied, base::str(operation, ": ", text), "store-read-only");
    default:
      throw base::Error(Code::kInvalid, base::str(operation, ": ", text));
  }
}

constexpr int kCheckpointPages = 1000;        // in the middle of a long command
constexpr off_t kLargeLogBytes = 512 * 1024;  // at the end of a short one

// A URI, because "immutable" has no flag of its own.
std::string uri_of(const std::filesystem::path& path, Database::Mode mode) {
  std::string uri = "file:";
  for (char c : path.string()) {
    if (c == '?' || c == '#' || c == '%') {
      uri += base::str("%", base::to_hex(base::as_bytes({&c, 1})));
    } else {
      uri += c;
    }
  }
  return mode == Database::Mode::kImmutable ? uri + "?immutable=1" : uri;
}

// Virtual machine steps until a query of a foreign database is given up: some seconds.
constexpr int kForeignSteps = 200'000'000;

}  // namespace

Database::Database(const std::filesystem::path& path, Mode mode, bool durable)
    : log_path_(path.string() + "-wal"), mode_(mode), durable_(durable) {
  const int access =
      mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  const int flags = access | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
  try {
    if (sqlite3_open_v2(uri_of(path, mode).c_str(), &handle_, flags, nullptr) != SQLITE_OK)
      fail(handle_, "open " + path.string());
    configure();
  } catch (...) {
    sqlite3_close(handle_);  // no destructor runs for what was not made
    throw;
  }
}

Database::Database(std::string file)
    : file_(std::move(file)), mode_(Mode::kForeign), durable_(false) {
  // A database in memory has no log: versions 2, of one with a log, become 1.
  // [sqlite.org/fileformat.html]
  for (size_t version : {18, 19})
    if (file_.size() > version && file_[version] == 2) file_[version] = 1;
  try {
    if (sqlite3_open_v2(":memory:", &handle_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        nullptr) != SQLITE_OK)
      fail(handle_, "open a database in memory");
    const auto size = static_cast<sqlite3_int64>(file_.size());
    if (sqlite3_deserialize(handle_, "main", reinterpret_cast<unsigned char*>(file_.data()), size,
                            size, SQLITE_DESERIALIZE_READONLY) != SQLITE_OK)
      fail(handle_, "take a database into memory");
    configure();
  } catch (...) {
    sqlite3_close(handle_);
    throw;
  }
}

void Database::configure() {
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_timeout(handle_, 60'000);
  if (mode_ == Mode::kForeign) {
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    sqlite3_progress_handler(
        handle_, kForeignSteps, [](void*) { return 1; }, nullptr);
  }
  if (mode_ != Mode::kReadWrite) return;
  execute(durable_ ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF");
  // The log survives the close of its last user: no checkpoint, no sync, no unlink at the end of
  // every command. Who finds it large at its end empties it: the next first user would have to read
  // all of it. Moving its pages without emptying it helps nobody: that user takes none for moved.
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_wal_autocheckpoint(handle_, kCheckpointPages);
}

Database::~Database() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  struct stat log;
  if (mode_ == Mode::kReadWrite && sqlite3_total_changes64(handle_) > 0 &&
      ::stat(log_path_.c_str(), &log) == 0 && log.st_size > kLargeLogBytes) {
    // Not now if others are reading.
    sqlite3_busy_timeout(handle_, 0);
    sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  }
  sqlite3_close(handle_);
}

void Database::execute(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(handle_, sql);
}

int64_t Database::changes() const { return sqlite3_changes64(handle_); }

void Database::set_synced(bool synced) {
  if (!durable_) return;
  execute(synced ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

sqlite3_stmt* Database::prepare(const char* sql) {
  auto [position, added] = statements_.try_emplace(sql, nullptr);
  if (!added) return position->second;
  if (sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &position->second, nullptr) !=
      SQLITE_OK) {
    statements_.erase(position);
    fail(handle_, sql);
  }
  return position->second;
}

Query::Query(Database& database, const char* sql)
    : database_(database), statement_(database.prepare(sql)) {
  // A statement in use by an outer Query of the same text would be reset under it.
  CHECK(!sqlite3_stmt_busy(statement_));
}

Query::~Query() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

bool Query::step() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  fail(database_.handle_, "query");
}

std::string Query::text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  return std::string(reinterpret_cast<const char*>(text),
                     static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

int64_t Query::number(int column) const { return sqlite3_column_int64(statement_, column); }

bool Query::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

void Query::bind_one(std::string_view text) {
  const char* data = text.data() != nullptr ? text.data() : "";
  if (sqlite3_bind_text(statement_, next_++, data, static_cast<int>(text.size()), SQLITE_STATIC) !=
      SQLITE_OK)
    fail(database_.handle_, "bind");
}

void Query::bind_one(int64_t number) {
  if (sqlite3_bind_int64(statement_, next_++, number) != SQLITE_OK) fail(database_.handle_, "bind");
}

void Query::bind_one(const std::optional<std::string>& text) {
  if (text) {
    bind_one(std::string_view(*text));
  } else {
    ++next_;  // unbound is NULL
  }
}

void Query::bind_one(const std::optional<int64_t>& number) {
  if (number) {
    bind_one(*number);
  } else {
    ++next_;
  }
}

Transaction::Transaction(Database& database) : database_(database) {
  database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const base::Error&) {
    // SQLite has already rolled back by itself (disk full, input/output error).
  }
}

ReadTransaction::~ReadTransaction() {
  try {
    database_.execute("ROLLBACK");
  } catch (const base::Error&) {
    // Nothing was written; SQLite ended it by itself after an input/output error.
  }
}

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace store
