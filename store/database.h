#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace store {

/// One connection to the records. One thread at a time. Statements are prepared when first used and
/// kept. All members throw Corrupt, Unavailable (locked for a minute), Denied (read-only), or
/// SystemError (disk full, input/output error).
class Database {
 public:
  enum class Mode {
    kReadOnly,
    kImmutable,  ///< on a file system nobody can write to: no lock, no log
    kReadWrite,
    kForeign,  ///< in memory, and made by nobody we trust: what its schema holds cannot run, nor
               ///< queries without end
  };
  Database(const std::filesystem::path& path, Mode mode, bool durable);
  /// A foreign one, from the bytes of its file; what only its log has is not in it.
  explicit Database(std::string file);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  /// Runs statements that give no rows.
  void execute(const char* sql);
  /// Rows changed by the last statement.
  int64_t changes() const;
  bool read_only() const { return mode_ != Mode::kReadWrite; }
  /// False: commits no longer wait for the disk. They stay atomic.
  void set_synced(bool synced);

 private:
  friend class Query;
  void configure();
  sqlite3_stmt* prepare(const char* sql);

  std::string log_path_;
  std::string file_;  // of a foreign one
  sqlite3* handle_ = nullptr;
  Mode mode_;
  bool durable_;
  std::map<const char*, sqlite3_stmt*> statements_;  // by address of the literal
};

/// One execution of a statement. `sql` must be a literal: its address is the key of the prepared
/// form.
///   Query query(db, "SELECT a, b FROM t WHERE c = ?");
///   query.bind(c);
///   while (query.step()) use(query.text(0), query.number(1));
class Query {
 public:
  Query(Database& database, const char* sql);
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query();

  /// Binds the next parameters, in order. Texts must live until the last step().
  template <typename... Values>
  Query& bind(const Values&... values) {
    (bind_one(values), ...);
    return *this;
  }
  /// True while there is a row.
  bool step();
  /// For statements without rows.
  void run() { step(); }

  std::string text(int column) const;
  int64_t number(int column) const;
  bool is_null(int column) const;

 private:
  void bind_one(std::string_view text);
  void bind_one(const std::string& text) { bind_one(std::string_view(text)); }
  void bind_one(const char* text) { bind_one(std::string_view(text)); }
  void bind_one(int64_t number);
  void bind_one(uint64_t number) { bind_one(static_cast<int64_t>(number)); }
  void bind_one(int number) { bind_one(static_cast<int64_t>(number)); }
  void bind_one(bool flag) { bind_one(static_cast<int64_t>(flag)); }
  void bind_one(const std::optional<std::string>& text);
  void bind_one(const std::optional<int64_t>& number);

  Database& database_;
  sqlite3_stmt* statement_;
  int next_ = 1;
};

/// While it lives commits do not wait for the disk: for records that may be lost.
class Unsynced {
 public:
  explicit Unsynced(Database& database) : database_(database) { database_.set_synced(false); }
  Unsynced(const Unsynced&) = delete;
  Unsynced& operator=(const Unsynced&) = delete;
  ~Unsynced() { database_.set_synced(true); }

 private:
  Database& database_;
};

/// BEGIN IMMEDIATE; rolled back unless commit() was called.
class Transaction {
 public:
  explicit Transaction(Database& database);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

/// One state of the records for several reads.
class ReadTransaction {
 public:
  explicit ReadTransaction(Database& database) : database_(database) { database_.execute("BEGIN"); }
  ReadTransaction(const ReadTransaction&) = delete;
  ReadTransaction& operator=(const ReadTransaction&) = delete;
  ~ReadTransaction();

 private:
  Database& database_;
};

}  // namespace store
