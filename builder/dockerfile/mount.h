#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/events.h"

namespace dockerfile {

enum class MountType { kBind, kCache, kTmpfs, kSecret, kSsh };
enum class Sharing { kShared, kPrivate, kLocked };

/// One `RUN --mount` split at its commas, values as written (R6).
struct MountOptions {
  struct Option {
    std::string key;                   ///< lower case
    std::optional<std::string> value;  ///< nothing for a bare key such as "ro"
  };
  std::vector<Option> options;
  std::string text;  ///< the flag's value as written, for history
  base::SourceRange where;

  /// The stage, context or image named by `from=`, which is never expanded; empty when not given.
  std::string from() const;
};

/// A mount of a RUN step with every value known (R6).
struct Mount {
  MountType type = MountType::kBind;
  std::string target;  ///< as given, maybe relative; empty only for ssh and for env-only secrets
  std::string source;  ///< bind, cache: path inside `from`; default "/" for bind, else empty
  std::string from;    ///< stage, named context or image; empty: see R6
  bool read_only = true;
  std::string id;  ///< cache (empty: the cleaned, joined target), secret, ssh
  Sharing sharing = Sharing::kShared;
  std::optional<uint32_t> mode, uid, gid;
  uint64_t size_bytes = 0;  ///< tmpfs; 0 is no limit of its own
  bool required = false;
  std::string env;  ///< secret: the variable that gets the value; empty for none
  base::SourceRange where;
};

/// Splits the value of one `--mount` flag. Throws Invalid for malformed quoting, and for a variable
/// in `from`.
MountOptions split_mount(std::string_view text, base::SourceRange where);

/// Gives the options their meaning. `expand` is applied to every value but that of `from` (V1).
/// Throws Invalid, id "invalid-mount", with a help line where there is a nearest key or value.
Mount resolve_mount(const MountOptions& options,
                    const std::function<std::string(std::string_view)>& expand);

/// Fields of one comma-separated line; a field in double quotes may contain commas, and a doubled
/// quote stands for one. Throws Invalid.
std::vector<std::string> split_csv(std::string_view text);

/// `true false 1 0 t f` in any case; nothing for other text.
std::optional<bool> parse_bool(std::string_view text);

}  // namespace dockerfile
