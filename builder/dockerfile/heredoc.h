#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dockerfile {

/// A here-document of RUN, COPY or ADD (L13).
struct Heredoc {
  std::string name;     ///< terminator, and the file name in COPY
  int fd = 0;           ///< digits in front of `<<`
  bool expand = true;   ///< no part of the name was quoted
  bool chomp = false;   ///< `<<-`: leading tabs are dropped when the body is used
  std::string content;  ///< the body byte for byte; see body()

  /// The content as it is used: without leading tabs with `<<-`.
  std::string body() const;
};

/// The here-document that `word` starts, without content, or nothing if it starts none. Throws
/// Invalid when the name has a malformed substitution or an open quote.
std::optional<Heredoc> heredoc_start(std::string_view word);

/// All starts of a logical line, in order. A line that cannot be split into words has none.
std::vector<Heredoc> heredoc_starts(std::string_view line);

}  // namespace dockerfile
