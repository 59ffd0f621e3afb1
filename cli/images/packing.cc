#include "cli/images/packing.h"

#include "base/text.h"

namespace cli {

namespace {

constexpr int kMostLevel = 22;  // zstd's

}  // namespace

std::string Packing::settings() const {
  if (how == kZstd) return base::str("zstd-", level.value_or(3));
  return level ? base::str("gzip-zlib-", *level) : "gzip-isal-3";
}

bool makes_packing(const std::string& settings) {
  for (Packing::How how : {Packing::kGzip, Packing::kZstd}) {
    Packing packing = how;
    if (packing.settings() == settings) return true;
    for (int level = 0; level <= kMostLevel; ++level) {
      packing.level = level;
      if (packing.settings() == settings) return true;
    }
  }
  return false;
}

Packing::How parse_packing(const std::string& text) {
  if (text.empty()) return Packing::kAsIs;
  if (text == "gzip") return Packing::kGzip;
  if (text == "zstd") return Packing::kZstd;
  if (text == "none" || text == "uncompressed") return Packing::kNone;
  throw UsageError("compression is gzip, zstd or none, not " + base::printable(text));
}

int parse_packing_level(const std::string& text) {
  auto level = base::parse_decimal(text);
  if (!level || *level > 99)
    throw UsageError("compression-level is a small number, not " + base::printable(text));
  return static_cast<int>(*level);
}

Packing with_level(Packing packing) {
  if (!packing.level) return packing;
  if (packing == Packing::kNone)
    throw UsageError("compression-level says how hard to pack, and compression none does not pack");
  if (packing == Packing::kAsIs) packing.how = Packing::kGzip;
  bool zstd = packing == Packing::kZstd;
  int least = zstd ? 1 : 0;
  int most = zstd ? kMostLevel : 9;
  if (*packing.level < least || *packing.level > most)
    throw UsageError(base::str("compression-level ", *packing.level, ": ", zstd ? "zstd" : "gzip",
                               " has levels ", least, " to ", most));
  return packing;
}

Flag compression_level_flag() {
  return {.name = "compression-level",
          .value = "N",
          .help = "how hard to pack: gzip 0 to 9 (a level alone means gzip), zstd 1 to 22"};
}

Packing packing_of(const Arguments& arguments) {
  Packing packing = parse_packing(arguments.get("compression"));
  if (auto level = arguments.find("compression-level")) packing.level = parse_packing_level(*level);
  return with_level(packing);
}

}  // namespace cli
