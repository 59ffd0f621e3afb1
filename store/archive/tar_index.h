#pragma once

#include <memory>
#include <string>

#include "base/sys/fd.h"
#include "store/archive/file_set.h"

namespace archive {

/// The regular files of an uncompressed tar that can be read at any offset, found by one pass over
/// its headers; nothing is unpacked. Symbolic and hard links to other members are followed (docker
/// archives of old write equal layers so). Of several members of one name the last counts. Takes
/// the archive's own framing only; layers inside are layer::TarReader's business.
/// Throws Invalid for a file that is no tar, Corrupt for one that ends inside a member.
/// [POSIX ustar and pax; GNU long names]
std::unique_ptr<FileSet> tar_files(sys::UniqueFd fd, std::string name);

/// Whether 512 bytes are a tar header: its checksum is right.
bool is_tar_header(std::string_view block);

}  // namespace archive
