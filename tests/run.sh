#!/usr/bin/env bash
# Sets up and tests on a fresh Debian 12: installs packages, builds, runs every test that this machine can run.
# The last lines are ctest's own; a test that cannot run here is skipped and says why.
#
#   run.sh [CTEST ARGUMENT...]     for example: run.sh -L unit        run.sh -R e2e.hello
#
# Two builds are tested in one ctest run: the release build, and the same sources under the address and
# undefined-behaviour sanitizers (test names start with "asan."). TORTE_SANITIZED=0 leaves the second out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests/install_packages.sh build
tests/install_packages.sh test || echo "warning: tests that need these packages will be skipped" >&2

trees=("$PWD/build")
cmake --preset release
cmake --build --preset release
if [ "${TORTE_SANITIZED:-1}" != 0 ]; then
  trees+=("$PWD/build/asan")
  cmake --preset asan
  cmake --build --preset asan
fi

# One directory that includes the trees, so that one ctest run counts all tests.
mkdir -p build/all
printf 'subdirs("%s")\n' "${trees[@]}" >build/all/CTestTestfile.cmake

# ctest does not say why a test was skipped; its log does. Its summary waits until that is said.
summary=$(mktemp)
trap 'rm -f "$summary"' EXIT
status=0
ctest --test-dir build/all --output-on-failure --parallel "$(nproc)" "$@" 2>&1 |
  awk -v summary="$summary" '/^[0-9]+% tests passed/ {held = 1} held {print >summary; next} {print; fflush()}' ||
  status=$?
awk '
  / Testing: / {name = $0; sub(/.* Testing: /, "", name)}
  take {reason[name] = $0; take = 0}
  /: Skipped$/ {take = 1}                             # GoogleTest: the reason is on the next line
  /^skipped: / {reason[name] = substr($0, 10)}        # tests/e2e/lib.sh
  FILENAME == ARGV[2] && / \(Skipped\)$/ {
    name = $0
    sub(/^[ \t]*[0-9]+ - /, "", name)
    sub(/ \(Skipped\)$/, "", name)
    print "skipped " name ": " (name in reason ? reason[name] : "no reason given")
  }
' build/all/Testing/Temporary/LastTest.log "$summary"
cat "$summary"
exit "$status"
