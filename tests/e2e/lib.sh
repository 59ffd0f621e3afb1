# shellcheck shell=bash
# Sourced by every test in this folder. A test is a script that does what a user does with the built program, in a
# store of its own, and says with `step` what it proves next. Status 0: good; 77: skipped, the last line says why;
# anything else: failed, the last lines show what was expected and what was seen.
#
# as.sh starts the tests: as root, or as an ordinary user with or without subordinate ids.
#   TORTE   the program under test; default: build/torte of this tree
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034  # used by the tests
top=$(cd "$here/../.." && pwd)
TORTE=${TORTE:-$top/build/torte}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/torte-e2e.XXXXXX")
store=$work/store
current="start"
export NO_COLOR=1 LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin

# The program in this test's own store. Its progress goes to a file or pipe, so it is plain.
torte() { "$TORTE" --root "$store" --run-root "$work/run" "$@"; }

step() { current=$*; echo "-- $*"; }

fail() {
  echo "FAILED: $current"
  echo "  $*"
  local stream
  for stream in out err; do
    [ -s "$work/$stream" ] && { echo "  last std$stream:"; tail -n 25 "$work/$stream" | sed 's/^/    /'; }
  done
  exit 1
}

skip() {
  echo "skipped: $*"
  exit 77
}

# need PROGRAM...: skips the test where one of them is not installed.
need() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || skip "$program is not installed"
  done
}

# status N COMMAND...: runs it and fails unless it ends with N. Its streams are in $work/out and $work/err.
status() {
  local wanted=$1 got=0
  shift
  "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
  [ "$got" = "$wanted" ] || fail "'$*' ended with status $got, not $wanted"
}
ok() { status 0 "$@"; }

# prints TEXT...: the last command's standard output holds each of these texts; says TEXT...: its standard error does.
prints() { local text; for text in "$@"; do grep -qF -- "$text" "$work/out" || fail "stdout lacks: $text"; done; }
says() { local text; for text in "$@"; do grep -qF -- "$text" "$work/err" || fail "stderr lacks: $text"; done; }
prints_not() { ! grep -qF -- "$1" "$work/out" || fail "stdout must not have: $1"; }
says_not() { ! grep -qF -- "$1" "$work/err" || fail "stderr must not have: $1"; }
# prints_line LINE: one whole line of standard output is exactly this.
prints_line() { grep -qxF -- "$1" "$work/out" || fail "stdout has no line: $1"; }

equal() { [ "$1" = "$2" ] || fail "${3:-values differ}: '$1' is not '$2'"; }

# wait_for SECONDS COMMAND...: polls until the command is true.
wait_for() {
  local tries=$(($1 * 20))
  shift
  until "$@"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "waited in vain for: $*"
    sleep 0.05
  done
}

# recipe [FILE]: writes standard input as a recipe in the context $work/context.
recipe() { mkdir -p "$work/context"; cat >"$work/context/${1:-Recipe}"; }

# base_image: makes the image "base", a busybox with a shell, users and a temporary folder.
base_image() {
  local busybox=/bin/busybox
  [ -x "$busybox" ] || skip "/bin/busybox (Debian package busybox-static) is not installed"
  mkdir -p "$work/base"
  cp "$busybox" "$work/base/busybox"
  cat >"$work/base/Recipe" <<'RECIPE'
FROM scratch
COPY --chmod=755 busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
ENV PATH=/bin
COPY <<PASSWD /etc/passwd
root:x:0:0:root:/root:/bin/sh
guest:x:1000:1000:guest:/home/guest:/bin/sh
PASSWD
COPY <<GROUP /etc/group
root:x:0:
guest:x:1000:
GROUP
RUN mkdir -p /tmp /root /home/guest && chmod 1777 /tmp
CMD ["sh"]
RECIPE
  ok torte build -t base "$work/base"
}

# as root only: mounts that a test made lie below $work and go with it.
clean_up() {
  local code=$? pid point
  for pid in $(jobs -p); do kill -KILL "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  if [ "$(id -u)" = 0 ]; then
    [ ! -d "$work/run/net" ] || torte network prune --all >/dev/null 2>&1 || true
    for point in $(awk -v below="$work/" 'index($5, below) == 1 {print $5}' /proc/self/mountinfo | sort -r); do
      umount -l "$point" 2>/dev/null || true
    done
  fi
  chmod -R u+rwX "$work" 2>/dev/null || true
  # Files of subordinate ids are only root's in our user namespace to remove.
  rm -rf "$work" 2>/dev/null ||
    unshare --user --map-auto --map-root-user rm -rf "$work" 2>/dev/null || true
  exit "$code"
}
trap clean_up EXIT
