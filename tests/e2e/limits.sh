# Limits are applied, or refused: never ignored.
. "$(dirname "$0")/lib.sh"
base_image

if [ "$(id -u)" != 0 ]; then
  step "an ordinary user without a delegated cgroup is told that the limit cannot be applied"
  got=0
  torte run --rm -m 32m base true >"$work/out" 2>"$work/err" || got=$?
  [ "$got" = 0 ] || { equal "$got" 125 "status"; says "memory"; }
  [ "$got" != 0 ] || skip "a cgroup is delegated to this user here; as root the limits are tested"
  exit 0
fi

step "--pids-limit stops a fork bomb, not the machine"
torte run --rm --pids-limit 20 base sh -c \
  'for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do sleep 2 & done' \
  >"$work/out" 2>"$work/err" || true
grep -qi "can't fork\|resource temporarily" "$work/out" "$work/err" || fail "25 processes under a limit of 20"

step "every container has a limit on processes"
torte run --rm base sh -c 'n=0; while [ $n -lt 2500 ]; do sleep 100 & n=$((n + 1)); done; echo all of them' \
  >"$work/out" 2>"$work/err" || true
grep -qi "can't fork\|resource temporarily" "$work/out" "$work/err" || fail "2500 processes and no limit"
prints_not "all of them"

step "--memory ends what takes more"
status 137 torte run --rm -m 32m base tail -c 200000000 /dev/zero

step "--cpus is set"
ok torte run --rm --cpus 0.5 base true

step "--cpu-quota, --cpu-period and the limits of disks are the kernel's; update changes them"
disk=$(find /dev -maxdepth 1 -type b \( -name 'vd?' -o -name 'sd?' -o -name 'nvme?n?' \) | head -n 1)
numbers=$([ -z "$disk" ] || echo "$((0x$(stat -c %t "$disk"))):$((0x$(stat -c %T "$disk")))")
torte run -d --network none --name held --cpu-quota 20000 --cpu-period 50000 ${disk:+--device-write-bps "$disk:1m" --device-read-iops "$disk:77"} base sleep 1000 >/dev/null
groups_of() { torte inspect -f '{{range .State.Cgroups}}{{.}} {{end}}' held; }
in_groups() { for group in $(groups_of); do for file; do cat "$group/$file" 2>/dev/null || true; done; done; }
equal "$(in_groups cpu.max cpu.cfs_quota_us cpu.cfs_period_us | tr '\n' ' ')" "20000 50000 "
if [ -n "$disk" ]; then
  in_groups io.max blkio.throttle.write_bps_device blkio.throttle.read_iops_device >"$work/out"
  grep -qE "$numbers (1048576|.*wbps=1048576)" "$work/out" || fail "no limit on $disk"
  grep -qE "$numbers (77|.*riops=77)" "$work/out" || fail "no limit of operations on $disk"
fi
ok torte update --cpus 0.5 held
equal "$(in_groups cpu.max cpu.cfs_quota_us cpu.cfs_period_us | tr '\n' ' ')" "25000 50000 "
torte rm -f held >/dev/null

step "--ulimit and --shm-size reach the program"
ok torte run --rm --ulimit nofile=77:99 --shm-size 1m base sh -c 'ulimit -n; ulimit -Hn; df -k /dev/shm | tail -n 1 | tr -s " " | cut -d" " -f2'
prints_line 77
prints_line 99
prints_line 1024

step "nonsense is refused"
status 2 torte run --rm -m lots base true
says "lots"
status 2 torte run --rm --pids-limit many base true
says "many"

step "/dev/null is writable for every user, under any umask of ours"
ok sh -c 'umask 077; exec "$0" --root "$1" --run-root "$2" run --rm -u 1000:1000 base sh -c "echo x >/dev/null && stat -c %a /dev/zero"' \
  "$TORTE" "$store" "$work/run"
prints_line 666

step "groups of a torte that was killed go with the next command"
groups() { find /sys/fs/cgroup -type d \( -name "torte-$1-*" -o -path "*/torte/$1-*" \) 2>/dev/null | head -n 1; }
"$TORTE" --root "$store" --run-root "$work/run" run --rm -m 64m base sleep 300 >"$work/out" 2>"$work/err" &
runner=$!
wait_for 20 sh -c "find /sys/fs/cgroup -type d \( -name 'torte-$runner-*' -o -path '*/torte/$runner-*' \) 2>/dev/null | grep -q ."
kill -KILL "$runner"
wait "$runner" 2>/dev/null || true
ok torte run --rm -m 64m base true
[ -z "$(groups "$runner")" ] || fail "left behind: $(groups "$runner")"

step "no cgroup is left behind"
[ -z "$(find /sys/fs/cgroup -type d -path '*torte*' -name '*-*' 2>/dev/null | head -n 1)" ] ||
  echo "note: $(find /sys/fs/cgroup -type d -path '*torte*')"
