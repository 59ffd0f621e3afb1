#!/usr/bin/env bash
# Fails when a source is not as clang-format 14, Debian 12's, would write it with .clang-format.
#
#   format_test.sh ROOT     mend with: find FOLDERS -name '*.cc' -o -name '*.h' | xargs clang-format -i
set -euo pipefail
cd "$1"
command -v clang-format >/dev/null || { echo "skipped: clang-format is not installed"; exit 77; }
[[ $(clang-format --version) == *"version 14."* ]] || { echo "skipped: only clang-format 14 decides"; exit 77; }
find base builder cli overlay runner store tests \( -name '*.cc' -o -name '*.h' \) -print0 |
  xargs -0 clang-format --dry-run -Werror
