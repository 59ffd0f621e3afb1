#pragma once

#include <sys/sysmacros.h>

#include "store/layer/directories.h"
#include "store/layer/extract.h"
#include "store/layer/file_maker.h"
#include "store/layer/tar_reader.h"

namespace layer {

// What unpacking a layer and unpacking a user's archive share. Internal to the room.

inline dev_t device_of(const Entry& entry) { return ::makedev(entry.dev_major, entry.dev_minor); }

/// Puts one member that is neither a directory nor a hard link at `spot`, in place of whatever is
/// there.
void place(Directories& directories, FileMaker& maker, Directories::Spot& spot, const Entry& entry,
           const Attributes& attributes, TarReader& reader);

/// Gives the file at `target` the second name `spot`, in place of whatever is there. Throws Invalid
/// for directories and for a link to itself.
void place_link(Directories& directories, FileMaker& maker, Directories::Spot& spot,
                Directories::Spot& target, const Entry& entry, const Attributes& attributes);

}  // namespace layer
