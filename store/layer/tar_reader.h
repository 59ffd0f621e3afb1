#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "store/layer/limits.h"

namespace layer {

/// Whose archive it is. kImage: a layer, held to the letter. kArchive: a user's archive given to
/// ADD, read as Go's archive/tar reads it, so that the same files are archives and give the same
/// tree.
enum class Strictness { kImage, kArchive };

/// Seconds and nanoseconds since 1970; nsec is 0..999,999,999 also before 1970.
struct TarTime {
  int64_t sec = 0;
  uint32_t nsec = 0;
  bool operator==(const TarTime&) const = default;
};

/// kUnknown: a member type the reference does not unpack; kImage never gives it.
enum class EntryType { kFile, kDirectory, kSymlink, kHardlink, kChar, kBlock, kFifo, kUnknown };

/// One member. Names are bytes exactly as in the archive: not cleaned, perhaps absolute, with "..",
/// not UTF-8. A value.
struct Entry {
  std::string path;
  EntryType type = EntryType::kFile;
  uint32_t mode = 0;  ///< 07777 bits
  int64_t uid = 0;    ///< 0..2^32-2 with kImage; kArchive leaves the check to who uses it
  int64_t gid = 0;
  uint64_t size = 0;  ///< bytes body() will give, holes included; 0 unless kFile
  TarTime mtime;
  std::string link;  ///< target of kSymlink and kHardlink
  uint32_t dev_major = 0;
  uint32_t dev_minor = 0;
  std::map<std::string, std::string> xattrs;  ///< SCHILY.xattr.*, name without the prefix
};

/// Reads v7, ustar, star, GNU and pax archives member by member. Global pax headers are skipped, as
/// the reference does. Borrowed source, one thread at a time.
///
///   TarReader reader(source, limits, Strictness::kImage);
///   Entry entry;
///   while (reader.next(entry)) use(entry, reader.body());
///
/// Throws Invalid for a header that breaks a rule (the message names member or offset, field and
/// rule), Corrupt for an archive that ends inside a member, Unsupported for member types that are
/// understood but not taken (GNU sparse in a layer, multi-volume...).
/// [POSIX pax; GNU tar manual, "Basic Tar Format"; spec: security 4]
class TarReader {
 public:
  TarReader(base::Source& source, const Limits& limits, Strictness strictness);
  ~TarReader();
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;

  /// Goes to the next member, skipping what is left of the current one. False at the end.
  bool next(Entry& entry);
  /// Instead of the first next(): whether the first header can be read. Throws when it cannot.
  bool begins();
  /// Where in the archive the content of the current member begins, until some of it is read. Not
  /// meant for sparse members.
  uint64_t content_offset() const;
  /// Content of the current member. The same object for all members; valid until next().
  base::Source& body();
  /// The next piece of the content without a copy, empty at its end; valid until the next call of
  /// any method. Holes of sparse members come as pieces of zeros.
  base::Bytes next_piece();
  /// Bytes of hole where the content stands now, 0 in data: the caller may skip them instead of
  /// taking pieces of zeros. Only GNU sparse members have holes.
  uint64_t hole_bytes() const;
  void skip_hole();
  /// Reads the source to its end (what follows the end-of-archive blocks belongs to the digest, not
  /// to the archive). Throws Invalid above limits.unpacked_bytes.
  void drain();

 private:
  class State;
  std::unique_ptr<State> state_;
};

/// True when `source`, perhaps compressed, begins with a tar header by the rules of kArchive: what
/// ADD unpacks instead of copying. Reads as much as it needs; never throws for bad bytes.
/// [spec: dockerfile 7.8]
bool is_archive(base::Source& source);

}  // namespace layer
