#pragma once

#include "store/database.h"

namespace store {

/// Version of the tables, kept in SQLite's user_version; the file ROOT/version covers the rest.
inline constexpr int kSchemaVersion = 2;

/// Makes the tables of a new database, or brings older ones up to date, in one transaction. With a
/// read-only database only checks. Throws Unsupported for tables of a newer torte, and for older
/// ones that cannot be brought up to date here.
void prepare_schema(Database& database);

/// Whether the tables are those of an older torte.
bool is_outdated(Database& database);

}  // namespace store
