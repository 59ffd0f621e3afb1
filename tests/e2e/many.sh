# Many containers at once: none fails, and nothing is left of them. Small numbers by default;
#   TORTE_MANY  launches of `run --rm` (1000 is the figure to reach)   TORTE_IDLE  idle containers (300)
. "$(dirname "$0")/lib.sh"
base_image
many=${TORTE_MANY:-64} idle=${TORTE_IDLE:-16} jobs=16
network=()
[ "$(id -u)" = 0 ] || network=(--network none)  # a forwarder for each would measure the forwarder

# What of the machine is in use, in lines that can be compared. Others may use torte at the same time; with the numbers
# asked for, the machine is taken to be ours.
in_use() {
  echo "mounts $(wc -l </proc/self/mountinfo)"
  echo "processes $(grep -lsF -- "$store" /proc/[0-9]*/cmdline | wc -l)"
  if [ "$(id -u)" = 0 ]; then
    local id count=0 links=0
    for id in $(cat "$work/ids"); do
      if [ -e "/sys/class/net/e${id:0:12}" ]; then links=$((links + 1)); fi
      if grep -qrsF "$id" /run/torte/net/leases "$work/run/net/leases"; then count=$((count + 1)); fi
    done
    echo "leases $count links $links"
  fi
  [ -n "${TORTE_MANY:-}" ] || return 0
  echo "groups $(find /sys/fs/cgroup -type d -path '*torte*' 2>/dev/null | wc -l)"
  if [ "$(id -u)" = 0 ]; then
    echo "namespaces $(readlink /proc/[0-9]*/ns/{net,pid,mnt,uts,ipc,user,cgroup} 2>/dev/null | sort -u | wc -l)"
    if command -v nft >/dev/null; then
      for map in pub4 pub4a; do
        echo "$map $(nft list map inet torte "$map" 2>/dev/null | grep -c ' : .*\.' || true)"
      done
    fi
  fi
}
settled() { in_use >"$work/after"; cmp -s "$work/before" "$work/after"; }
nothing_left() {
  local tries
  for tries in $(seq 100); do settled && break; sleep 0.1; done
  settled || fail "left behind: $(diff "$work/before" "$work/after" | tr '\n' ' ')"
}

ok torte run --rm "${network[@]}" base true  # bridges and tables are there from now on
: >"$work/ids"
in_use >"$work/before"

step "$many launches, $jobs at a time"
export TORTE store work
start=$(date +%s%N)
status 0 xargs -a <(seq "$many") -P "$jobs" -I N sh -c \
  '"$TORTE" --root "$store" --run-root "$work/run" run --rm --cidfile "$work/cid.N" "$@" base true' sh "${network[@]}"
echo "   $(((($(date +%s%N) - start)) / 1000000)) ms"
equal "$(cat "$work/err")" "" "messages"
for file in "$work"/cid.*; do cat "$file"; echo; done | grep . >"$work/ids"
equal "$(wc -l <"$work/ids")" "$many" "ids"
rm -f "$work"/cid.*
equal "$(torte ps -a -q)" "" "containers"
nothing_left

step "$idle idle containers"
: >"$work/ids"
in_use >"$work/before"
start=$(date +%s%N)
status 0 xargs -a <(seq "$idle") -P "$jobs" -I N sh -c \
  '"$TORTE" --root "$store" --run-root "$work/run" run -d --name "idle-N" "$@" base sleep 100000' sh "${network[@]}"
echo "   started in $(((($(date +%s%N) - start)) / 1000000)) ms"
cp "$work/out" "$work/ids"
equal "$(sort -u "$work/ids" | wc -l)" "$idle" "ids"
start=$(date +%s%N)
torte ps -q >"$work/out"
echo "   ps: $(((($(date +%s%N) - start)) / 1000)) us"
equal "$(wc -l <"$work/out")" "$idle" "running"
monitor=$(torte inspect -f '{{.State.MonitorPid}}' idle-1)
echo "   monitor: $(awk '/^(Pss|Private_Dirty|Anonymous):/ {printf "%s %s KiB  ", $1, $2}' "/proc/$monitor/smaps_rollup")"
if [ "$(id -u)" = 0 ]; then
  equal "$(torte inspect -f '{{.NetworkSettings.IpAddress}}' $(cat "$work/ids") | sort -u | wc -l)" "$idle" "addresses"
fi
start=$(date +%s%N)
ok torte rm -fa
echo "   removed in $(((($(date +%s%N) - start)) / 1000000)) ms"
equal "$(wc -l <"$work/out")" "$idle" "removed"
equal "$(torte ps -a -q)" "" "containers"
nothing_left
[ -z "$(ls -A "$store/containers" | grep -v names)" ] || fail "left: $(ls "$store/containers")"
