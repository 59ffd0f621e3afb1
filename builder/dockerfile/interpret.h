#pragma once

#include "builder/dockerfile/commands.h"
#include "builder/dockerfile/flags.h"

/// Readers of single instructions, for interpret() alone. Each adds what is wrong to `findings` and
/// returns what could be read.
namespace dockerfile {

Run interpret_run(Findings& findings);
Copy interpret_copy(Findings& findings);
Healthcheck interpret_healthcheck(Findings& findings);

/// Runs `work`; an Error of a value's parser becomes a value error at `where`.
template <typename Work>
void check_value(Findings& findings, const base::SourceRange& where, Work work) {
  try {
    work();
  } catch (const base::Error& e) {
    findings.value_error_at(where, e.id(), e.message(), e.helps());
  }
}

}  // namespace dockerfile
