#!/usr/bin/env bash
# Runs one test as somebody.
#
#   as.sh root|user|subuid TEST
#
# root: as root. user: as an ordinary user who has one id and nothing else. subuid: as an ordinary user with a range of
# subordinate ids. Started by root, the ordinary users are made up for this test alone: their lines in /etc/passwd,
# /etc/subuid and so on exist in a mount namespace of its own, and nothing of the machine changes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
who=$1
test=$2
TORTE=${TORTE:-$here/../../build/torte}
skip() { echo "skipped: $*"; exit 77; }
[ -x "$TORTE" ] || { echo "no program at $TORTE: build it first"; exit 1; }

if [ "$who" = root ]; then
  [ "$(id -u)" = 0 ] || skip "needs root"
  exec env TORTE="$TORTE" bash "$here/$test.sh"
fi

if [ "$(id -u)" != 0 ]; then
  if [ "$who" = subuid ]; then
    grep -q "^\($(id -un)\|$(id -u)\):" /etc/subuid 2>/dev/null || skip "$(id -un) has no range in /etc/subuid"
  fi
  exec env TORTE="$TORTE" bash "$here/$test.sh"
fi

[ "$who" = user ] || command -v newuidmap >/dev/null || skip "newuidmap (package uidmap) is not installed"
id=54321
world=$(mktemp -d "${TMPDIR:-/var/tmp}/torte-as.XXXXXX")
trap 'rm -rf "$world"' EXIT
chmod 755 "$world"
mkdir -p "$world/build" "$world/tests" "$world/home" "$world/runtime" "$world/tmp" "$world/etc"
cp "$TORTE" "$world/build/torte"
cp -r "$here" "$world/tests/e2e"
cp -r "$here/../../samples" "$world/samples"
chmod -R go+rX "$world/build" "$world/tests" "$world/samples"
chown "$id:$id" "$world/home" "$world/runtime" "$world/tmp"
chmod 700 "$world/home" "$world/runtime"

{ cat /etc/passwd; echo "torte-tester:x:$id:$id::$world/home:/bin/bash"; } >"$world/etc/passwd"
{ cat /etc/group; echo "torte-tester:x:$id:"; } >"$world/etc/group"
: >"$world/etc/subuid"
[ "$who" = user ] || echo "torte-tester:600000:65536" >"$world/etc/subuid"
cp "$world/etc/subuid" "$world/etc/subgid"
chmod 644 "$world"/etc/*
for file in /etc/subuid /etc/subgid; do [ -e "$file" ] || touch "$file"; done

# TEST.lab.sh, if there is one, furnishes a network namespace for the test as root.
lab=$world/tests/e2e/$test.lab.sh
own=()
[ ! -e "$lab" ] || own=(--net --pid --fork --kill-child --mount-proc)
# shellcheck disable=SC2016  # expanded by the inner shell
unshare --mount "${own[@]}" bash -euc '
  world=$1 id=$2 test=$3
  [ ! -e "$world/tests/e2e/$test.lab.sh" ] || . "$world/tests/e2e/$test.lab.sh"
  for file in passwd group subuid subgid; do mount --bind "$world/etc/$file" "/etc/$file"; done
  cd "$world/home"
  exec setpriv --reuid "$id" --regid "$id" --clear-groups --inh-caps=-all \
    env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$world/home" USER=torte-tester TMPDIR="$world/tmp" \
      XDG_RUNTIME_DIR="$world/runtime" XDG_DATA_HOME="$world/home/data" \
      ASAN_OPTIONS="${ASAN_OPTIONS:-}" TORTE_LAB="${lab:-}" TORTE_AS="$4" TORTE_MANY="${TORTE_MANY:-}" TORTE_IDLE="${TORTE_IDLE:-}" \
      TORTE="$world/build/torte" \
      bash "$world/tests/e2e/$test.sh"
' - "$world" "$id" "$test" "$who"
