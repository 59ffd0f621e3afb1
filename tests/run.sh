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
exec ctest --test-dir build/all --output-on-failure --parallel "$(nproc)" "$@"
