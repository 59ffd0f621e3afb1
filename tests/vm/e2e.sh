#!/usr/bin/env bash
# The e2e tests on Debian 12's kernel: everything they need is put in one directory, which run.sh takes into the machine.
#
#   e2e.sh [TEST:USER...]     for example: e2e.sh run:root hello:subuid
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
TORTE=${TORTE:-$top/build/torte}
[ -x "$TORTE" ] || { echo "no program at $TORTE: build it first"; exit 1; }
[ $# -gt 0 ] || set -- hello:root hello:user hello:subuid run:root run:subuid limits:root cache:root archives:root network:root network_user:subuid mount:root lazy:root

files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
mkdir -p "$files/build" "$files/tests"
cp "$TORTE" "$files/build/torte"
cp -r "$top/tests/e2e" "$files/tests/e2e"
cp -r "$top/samples" "$files/samples"
cat >"$files/all.sh" <<'ALL'
failed=0
uname -r
build/torte system check || true
for entry in "$@"; do
  status=0
  TMPDIR=/var/tmp timeout 900 bash tests/e2e/as.sh "${entry#*:}" "${entry%:*}" >log 2>&1 || status=$?
  case $status in
    0) echo "passed  $entry" ;;
    77) echo "skipped $entry: $(tail -n 1 log)" ;;
    *) echo "FAILED  $entry (status $status)"; sed 's/^/    /' log; failed=1 ;;
  esac
done
exit $failed
ALL
# What torte loads, and the programs of the tests of networks.
"$here/run.sh" -p "xz-utils libisal2 libnftables1 nftables python3 passt slirp4netns" -t "${TORTE_VM_SECONDS:-2400}" "$files" bash all.sh "$@"
