# Flags of the life of a container that no other test is about: what the program, the kernel, or the files say of each.
. "$(dirname "$0")/lib.sh"
base_image
quiet() { torte "$@" >/dev/null; }
run() { torte run --rm --network none "$@"; }
lists() { torte ps "$@" --format '{{.Names}}' | tr '\n' ' '; }

step "--device: a device of the host, usable, at another place too"
ok run --device /dev/null --device /dev/zero:/dev/nothing base sh -c 'head -c 5 /dev/nothing | wc -c; echo gone >/dev/null'
prints_line 5
status 125 run --device /dev/no-such-device base true
status 2 run --device /dev/null:/dev/x:q base true

step "--no-hosts, --dns-option, --dns-search, -w that is not there"
recipe <<'R'
FROM base
RUN echo "192.0.2.1 of-the-image" >/new && cat /new >/etc/hosts.image && mkdir -p /made
R
ok torte build -t hosts "$work/context"
ok run --no-hosts hosts sh -c 'wc -c </etc/hosts'
prints_line 0
ok run --dns 192.0.2.53 --dns-search example.org --dns-option ndots:3 --network host base cat /etc/resolv.conf
prints "192.0.2.53" "example.org" "ndots:3"
ok run -w /made/new base pwd
prints_line /made/new

step "ps -l, -n, -s"
for name in one two three; do quiet run --network none --name $name base sh -c 'head -c 200000 /dev/zero >/filled'; done
equal "$(lists -l)" "three "
equal "$(lists -n 2)" "three two "
ok torte ps -a -s
prints SIZE
quiet rm one two three

step "stop -s, stop -t, restart -t, kill -s"
quiet run -d --network none --name deaf base sh -c 'trap "echo told; exit 4" USR1; trap "" TERM; while :; do sleep 0.1; done'
ok torte stop -s USR1 deaf
equal "$(torte inspect -f '{{.State.ExitCode}}' deaf)" 4
ok torte restart -t 0 deaf
sleep 0.3
ok torte kill -s USR1 deaf
ok torte wait deaf
prints_line 4
equal "$(torte logs -n 1 deaf)" told
quiet rm deaf

step "start -ai gives it our input, attach --no-stdin does not"
quiet create -i --network none --name reader base sh -c 'while read -r line; do echo "got $line"; done'
printf 'a\nb\n' | torte start -ai reader >"$work/out" || fail "start -ai"
prints_line "got a"
prints_line "got b"
quiet start reader
(echo unheard | timeout -s KILL 2 "$TORTE" --root "$store" --run-root "$work/run" attach --no-stdin reader || true) >"$work/out" 2>"$work/err"
prints_not "unheard"
quiet rm -f reader

step "signals of the command are the program's, but for --sig-proxy=false"
for proxy in true false; do
  "$TORTE" --root "$store" --run-root "$work/run" run --rm --network none --name signalled --sig-proxy=$proxy --detach-keys ctrl-q base \
    sh -c 'trap "exit 9" USR1; while :; do sleep 0.1; done' >/dev/null 2>&1 &
  runner=$!
  wait_for 10 sh -c "'$TORTE' --root '$store' --run-root '$work/run' ps -q --filter name=signalled | grep -q ."
  sleep 0.3
  kill -USR1 $runner
  if [ $proxy = true ]; then
    got=0; wait $runner || got=$?
    equal $got 9
  else
    sleep 0.5
    equal "$(lists)" "signalled "
    quiet rm -f signalled
    wait $runner || true
  fi
done

step "commit -a, -m, -c, --pause; cp -a and -L"
quiet run -d --network none --name origin base sh -c 'echo here >/here; ln -s here /link; sleep 1000'
wait_for 10 torte exec origin test -h /link
pause=$([ "${TORTE_AS:-root}" = root ] && echo --pause || echo --pause=false)
ok torte commit -a "An Author" -m "a word" -c 'ENV ADDED=yes' $pause origin made
ok torte inspect -f '{{.Author}} {{json .Config.Env}}' made
prints "An Author" "ADDED=yes"
ok torte history made
prints "a word"
ok run made sh -c 'cat /here; echo $ADDED'
prints_line yes
ok torte cp -L origin:/link "$work/followed"
equal "$(cat "$work/followed")" here
ok torte cp origin:/link "$work/link"
[ -h "$work/link" ] || fail "not copied as a link"
if [ "${TORTE_AS:-root}" != user ]; then
  ok torte exec origin chown 1000:1000 /here
  ok torte cp -a origin:/here "$work/owned"
  ok torte cp origin:/here "$work/mine"
  equal "$(stat -c %u "$work/mine")" "$(id -u)"
  [ "$(stat -c %u "$work/owned")" != "$(id -u)" ] || fail "cp -a lost the owner"
fi

step "exec -d, --env-file, --privileged"
printf 'FROM_FILE=1\n' >"$work/variables"
ok torte exec --env-file "$work/variables" -e OVER=2 origin sh -c 'echo $FROM_FILE$OVER'
prints_line 12
ok torte exec -d origin sh -c 'echo detached >/detached'
wait_for 10 torte exec origin test -s /detached
ok torte exec origin grep CapEff /proc/self/status
few=$(cat "$work/out")
ok torte exec --privileged origin grep CapEff /proc/self/status
[ "$(cat "$work/out")" != "$few" ] || fail "no more capabilities"
quiet rm -f origin

step "health: --health-start-period, --health-timeout, --health-on-failure, --no-healthcheck"
recipe <<'R'
FROM base
HEALTHCHECK --interval=200ms --retries=1 CMD false
CMD ["sleep", "1000"]
R
ok torte build --format docker -t ailing "$work/context"
quiet run -d --network none --name left --no-healthcheck ailing
quiet run -d --network none --name spared --health-start-period 100s ailing
quiet run -d --network none --name killed --health-on-failure kill ailing
quiet run -d --network none --name slow --health-cmd 'sleep 1000' --health-timeout 300ms --health-interval 100ms --health-retries 1 base sleep 1000
quiet run -d --network none --name again --health-on-failure restart ailing
ok torte wait killed
prints_line 137
wait_for 20 sh -c "'$TORTE' --root '$store' --run-root '$work/run' ps --filter health=unhealthy --format '{{.Names}}' | grep -qx slow"
again() { [ "$(torte ps --filter name=again --format '{{.Restarts}}')" -ge 1 ]; }
wait_for 20 again
equal "$(lists --filter health=starting --filter name=spared)" "spared "
! torte ps --filter name=left | grep -qE 'healthy|starting' || fail "--no-healthcheck probes"
quiet rm -fa

if [ "${TORTE_AS:-root}" = root ]; then
  step "memory, swap, shares and processors: the numbers are the kernel's, and update changes them"
  swap=$([ -e /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes ] || grep -qs memory /sys/fs/cgroup/cgroup.controllers && echo "--memory-swap 96m")
  # shellcheck disable=SC2086  # none or two words
  quiet run -d --network none --name held --memory 64m $swap --memory-reservation 32m --cpu-shares 512 --cpuset-cpus 0 --cpuset-mems 0 base sleep 1000
  groups() { torte inspect -f '{{range .State.Cgroups}}{{.}} {{end}}' held; }
  is_set() {
    local wanted=$1 group file
    shift
    for group in $(groups); do for file; do [ "$(cat "$group/$file" 2>/dev/null)" != "$wanted" ] || return 0; done; done
    fail "no $* is $wanted"
  }
  is_set $((64 << 20)) memory.max memory.limit_in_bytes
  [ -z "$swap" ] || { [ -e /sys/fs/cgroup/cgroup.controllers ] && is_set $((32 << 20)) memory.swap.max || is_set $((96 << 20)) memory.memsw.limit_in_bytes; }
  is_set $((32 << 20)) memory.low memory.soft_limit_in_bytes
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then is_set 20 cpu.weight; else is_set 512 cpu.shares; fi
  is_set 0 cpuset.cpus
  is_set 0 cpuset.mems
  equal "$(torte exec held sh -c 'grep Cpus_allowed_list /proc/self/status | tr -d " \t"')" "Cpus_allowed_list:0"
  ok torte update --memory 128m ${swap:+--memory-swap 256m} --memory-reservation 48m --cpu-shares 1024 held
  is_set $((128 << 20)) memory.max memory.limit_in_bytes
  is_set $((48 << 20)) memory.low memory.soft_limit_in_bytes
  quiet rm -f held

  step "--uidmap with --gidmap of its own"
  ok run --uidmap 0:200000:1000 --gidmap 0:300000:500 base cat /proc/self/uid_map /proc/self/gid_map
  equal "$(tr -s ' ' <"$work/out" | tr '\n' ';')" " 0 200000 1000; 0 300000 500;"
  status 2 run --uidmap 0:1 base true

  step "--expose and -P: each on a free port of the host; network create --mtu"
  quiet network create --mtu 1400 narrow
  quiet run -d --network narrow --name open --expose 8080 --expose 9090/udp -P base sleep 1000
  ok torte port open
  prints "8080/tcp -> " "9090/udp -> "
  ok torte exec open cat /sys/class/net/eth0/mtu
  prints_line 1400
  quiet rm -f open
  quiet network rm narrow
fi

step "nothing is left"
equal "$(torte ps -a -q)" ""
! grep -qF "$store" /proc/self/mountinfo || fail "mounts left"
