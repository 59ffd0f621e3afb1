#!/usr/bin/env bash
# From a bare Debian 12 to a first image: installs packages, builds torte, builds samples/hello, runs it.
#
#   samples/quickstart.sh          as root, through sudo, or as an ordinary user where the packages are installed
#
# May be run again at any time and from any directory; what is already done is not done again.
set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$source_dir"
say() { printf '\n== %s\n' "$*"; }

say "1. Debian packages"
tests/install_packages.sh build
echo "all there"

say "2. The program"
build_dir=$source_dir/build
if ! mkdir -p "$build_dir" 2>/dev/null || ! [ -w "$build_dir" ]; then
  build_dir=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/torte-build
  echo "$source_dir/build belongs to somebody else: building in $build_dir"
fi
log=$(mktemp)
trap 'rm -rf "$log" "${context:-}"' EXIT
if ! { cmake --preset release -B "$build_dir" && cmake --build "$build_dir" --target torte; } >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "error: the build failed; above are its last lines" >&2
  exit 1
fi
# Through sudo, what was built belongs to the user who asked, so that an ordinary build can go on from it.
[ -z "${SUDO_UID:-}" ] || chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$build_dir"
torte=$build_dir/torte
"$torte" version

say "3. Can this machine run containers?"
"$torte" system check ||
  echo "Something that running needs is missing; the table says what and how to mend it. Trying anyway."

say "4. An image from samples/hello/Recipe"
context=$(mktemp -d)
cp samples/hello/hello.sh "$context/"
cp /bin/busybox "$context/busybox"  # of Debian's package busybox-static: one file, no libraries
"$torte" build -f samples/hello/Recipe -t hello "$context"

say "5. A container from it"
"$torte" run --rm -e WHO=you hello

cat <<END

== Done
Built $torte, an image "hello" in $([ "$(id -u)" = 0 ] && echo /var/lib/torte || echo "${XDG_DATA_HOME:-$HOME/.local/share}/torte"), and ran it. Try next:
  $torte images                              what is in the store
  $torte history hello                       its layers, and the line each came from
  $torte run --rm -it --entrypoint sh hello  look around inside
  $torte save -o hello.tar hello             an archive that skopeo, podman and docker read
  $torte build -f Recipe -t name .           your own recipe
  $torte help                                everything else; samples/web is a larger example
END
