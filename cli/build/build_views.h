#pragma once

#include <cstddef>
#include <string>

#include "cli/context.h"
#include "cli/history/build_record.h"
#include "store/store.h"

namespace cli {

/// The page of a build into the file `path`, "-" being standard output; it appears whole or not at
/// all. `store` holds the build's logs, the records of those before, and its layers if they are
/// still there.
void write_report_file(const Context& context, const std::string& path, BuildRecord record,
                       store::Store& store);
/// The same for its trace events.
void write_trace_file(const Context& context, const std::string& path, const BuildRecord& record);

/// Throws UsageError where it can be seen before the build that a file which flags of `torte build`
/// name cannot be written.
void require_places(const Arguments& arguments);
/// How many of --trace and --report go to standard output.
size_t views_on_standard_output(const Arguments& arguments);
/// What --trace and --report of `torte build` ask for.
void write_build_views(const Context& context, const Arguments& arguments,
                       const BuildRecord& record, store::Store& store);

}  // namespace cli
