#pragma once

#include <string>
#include <vector>

#include "store/layer/contents.h"

namespace cli {

struct Context;

/// Sizes, modes and owners before and after: a table with a sum below it, or what --format asks
/// for.
void print_statistics(const Context& context, const std::vector<layer::DescribedChange>& changes,
                      const std::string& format);

/// The lines that changed in text files and the targets of links, as `diff -u` shows them. Of other
/// and of very large files only that they differ. The roots are those the changes were described
/// with.
void print_contents(const Context& context, const std::vector<layer::DescribedChange>& changes,
                    const sys::Root* before, const sys::Root& after);

}  // namespace cli
