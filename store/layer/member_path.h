#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace layer {

inline constexpr size_t kMaxNameBytes = 255;

/// The names of a path, without empty ones and ".", with ".." taken back. Throws Invalid for a name
/// above 255 bytes, and for a path that climbs above the root unless `may_climb`: then it stays
/// there.
std::vector<std::string> path_components(std::string_view path, bool may_climb);

/// What the last name of a layer's member says. [OCI image-spec layer.md, "Whiteouts"]
struct MarkedName {
  enum class Kind {
    kPlain,
    kWhiteout,  ///< `name` of the layers below is hidden
    kOpaque     ///< everything that the layers below have in its directory is
  };
  Kind kind = Kind::kPlain;
  std::string name;
};

/// Throws Invalid for a whiteout that names nothing, and of unknown kind.
MarkedName parse_marked_name(std::string name);

/// Throws Invalid when a directory of `path` is named like a whiteout: it would become one when the
/// layer is written again.
void require_plain_parents(std::string_view path);

/// Follow at most so many links on the way to one name.
inline constexpr int kMaxLinks = 40;

/// Puts the names of a link's target in front of the rest of a way, which is kept reversed ("/"
/// starts over at the root). Throws Invalid when `links`, which it counts, are too many.
void follow_link(std::string_view target, std::vector<std::string>& rest, int& links);

}  // namespace layer
