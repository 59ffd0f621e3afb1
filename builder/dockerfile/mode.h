#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dockerfile {

/// The value of `--chmod`: octal, or symbolic clauses (7.1). A value; cheap to apply.
///
/// The clauses are those of BSD's chmod, as in other engines, not those of coreutils: `=` clears
/// the set-id bits of its classes on directories too, the sticky bit changes only where `t` is
/// named, copying from a class (`g=u`) leaves set-id bits alone, and `X` asks for the mode that
/// the file had before all clauses.
class FileMode {
 public:
  /// Throws Invalid, id "invalid-mode".
  explicit FileMode(std::string_view text);

  bool is_octal() const { return octal_; }
  /// The mode of directories that have to be created: the octal value, else 0755 (7.5).
  uint32_t for_created_directory() const { return octal_ ? value_ : 0755; }
  /// The new permission bits (07777) of an entry that has `mode`; umask counts as 0.
  uint32_t apply(uint32_t mode, bool is_directory) const;

 private:
  struct Action {
    uint32_t who;         ///< mask of the classes named: 04700, 02070, 0007, with `t` 01000
    char op;              ///< + - =
    uint32_t bits;        ///< permission bits for all classes, before `who` cuts them
    bool execute_if_any;  ///< X
    char copy_from;       ///< u, g, o, or 0
  };
  void parse_symbolic(std::string_view text);

  bool octal_ = false;
  uint32_t value_ = 0;
  std::vector<Action> actions_;
};

}  // namespace dockerfile
