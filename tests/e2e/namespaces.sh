# Each namespace, from inside and from outside: a change on one side is not seen on the other; and containers that share one.
. "$(dirname "$0")/lib.sh"
base_image
quiet() { torte "$@" >/dev/null; }
pid_of() { torte inspect -f '{{.State.Pid}}' "$1"; }
quiet run -d --network none --name one --hostname first base sleep 1000
quiet run -d --network none --name two --hostname second base sleep 1000

step "uts: a host name set inside is the container's alone"
before=$(hostname)
quiet run -d --network none --cap-add SYS_ADMIN --security-opt seccomp=unconfined --name namer base sleep 1000
ok torte exec namer hostname changed
ok torte exec namer hostname
prints_line changed
equal "$(hostname)" "$before" "the machine's name"
ok torte exec one hostname
prints_line first
quiet rm -f namer

step "ipc: a System V queue under one key on both sides is two queues"
python=/usr/bin/python3
if [ -d /usr/lib64 ] && "$python" -c "import ctypes" 2>/dev/null; then
  queue='import ctypes,os,sys
c = ctypes.CDLL(None, use_errno=True)
key = 0x746f7274
flags = 0o1000 | 0o2000 | 0o666
i = c.msgget(key, flags)
print("made" if i >= 0 else "there already")
if sys.argv[1] == "keep": sys.exit()
c.msgctl(i, 0, None)'
  with_python=(-v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro)
  quiet run -d --network none --name queue1 "${with_python[@]}" base sleep 1000
  ok torte exec queue1 "$python" -c "$queue" keep
  prints_line made
  ok torte exec queue1 "$python" -c "$queue" keep
  prints_line "there already"
  ok "$python" -c "$queue" remove
  prints_line made
  ok torte run --rm --network none "${with_python[@]}" base "$python" -c "$queue" keep
  prints_line made
  ok torte run --rm --network none --ipc container:queue1 "${with_python[@]}" base "$python" -c "$queue" keep
  prints_line "there already"
  quiet rm -f queue1
fi

step "pid: the same numbers twice, and orphans are reaped by 1"
for name in one two; do equal "$(torte exec "$name" sh -c 'readlink /proc/1/exe')" /bin/busybox; done
quiet run -d --network none --init --name reaper base sh -c '(sleep 0.1 &); exec sleep 1000'
wait_for 10 sh -c "! '$TORTE' --root '$store' --run-root '$work/run' exec reaper ps | grep -q 'sleep 0'"
ok torte exec reaper sh -c 'grep -l zombie /proc/[0-9]*/status || true'
equal "$(cat "$work/out")" "" "zombies"
quiet rm -f reaper

step "pid: a namespace nested in the container's"
ok torte run --rm --network none --cap-add SYS_ADMIN --security-opt seccomp=unconfined base unshare -p -f sh -c 'echo number $$'
prints_line "number 1"

step "--pid container: sees its processes, and ends without ending it"
ok torte run --rm --network none --pid container:one base sh -c 'ps; echo mine $$'
prints "sleep 1000"
! grep -qx "mine 1" "$work/out" || fail "it has a pid namespace of its own"
equal "$(torte ps -q --filter name=one | wc -l)" 1
status 0 torte run --rm --network none --pid container:one base sh -c 'sleep 77 & exit 0'
wait_for 10 sh -c "! '$TORTE' --root '$store' --run-root '$work/run' exec one ps | grep -q 'sleep 77'"
status 125 torte run --rm --network none --pid container:no-such base true
says "no-such"
status 2 torte run --rm --network none --pid somewhere base true

step "--pid host: what it leaves behind ends with it"
status 0 torte run --rm --network none --pid host base sh -c 'sleep 4242 & exit 0'
wait_for 10 sh -c '! cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\0" " " | grep -q "sleep 424[2]"'

step "--uts container: has its name"
ok torte run --rm --network none --uts container:two base hostname
prints_line second

step "mnt: mounts inside are not seen outside, and the other way round"
quiet run -d --network none --cap-add SYS_ADMIN --security-opt seccomp=unconfined --name mounter base sleep 1000
ok torte exec mounter sh -c 'mount -t tmpfs inner /tmp && touch /tmp/inside && grep inner /proc/self/mountinfo'
! grep -q inner /proc/self/mountinfo || fail "the mount is seen outside"
status 1 torte exec one test -e /tmp/inside
if [ "$(id -u)" = 0 ]; then
  mkdir "$work/outer"
  quiet run -d --network none -v "$work/outer:/outer" --name looker base sleep 1000
  mount -t tmpfs outer "$work/outer"
  touch "$work/outer/outside"
  status 1 torte exec looker test -e /outer/outside
  umount "$work/outer"
  quiet rm -f looker
fi
quiet rm -f mounter

step "net: port 80 in two containers at once"
for name in one two; do
  torte exec "$name" sh -c "mkdir -p /www && hostname >/www/index.html && httpd -p 80 -h /www"
done
for name in one two; do torte exec "$name" wget -qO - http://127.0.0.1/; done >"$work/out" 2>"$work/err"
prints_line first
prints_line second

step "net: --network container: shares it"
ok torte run --rm --network container:two base wget -qO - http://127.0.0.1/
prints_line second
equal "$(torte exec two readlink /proc/self/ns/net)" "$(torte run --rm --network container:two base readlink /proc/self/ns/net)"

if [ "$(id -u)" = 0 ]; then
  step "net: a namespace kept by a bind mount outlives its container"
  quiet run -d --name pinned base sleep 1000
  address=$(torte inspect -f '{{.NetworkSettings.IpAddress}}' pinned)
  touch "$work/pin"
  mount --bind "/proc/$(pid_of pinned)/ns/net" "$work/pin"
  quiet rm -f pinned
  ok torte run --rm --network "ns:$work/pin" base ip address show eth0
  prints "$address/"
  # Its address is not given away meanwhile.
  [ "$(torte run --rm base ip address show eth0 | grep -c "inet $address/")" = 0 ] || fail "the address has two owners"
  umount "$work/pin"
  rm "$work/pin"
fi

step "cgroup: the container's group is its root"
torte exec one cat /proc/self/cgroup >"$work/out"
[ "$(grep -cv ':/$' "$work/out" || true)" = 0 ] || fail "sees groups of the host: $(cat "$work/out")"

if [ "$(id -u)" != 0 ]; then
  step "user: --userns keep-id: the caller is himself inside, with his files, and inspect has the map"
  mkdir "$work/home"
  echo mine >"$work/home/file"
  quiet run -d --network none --userns keep-id -v "$work/home:/home/me" --name myself base sh -c 'id -u; id -g; touch /home/me/made /made; sleep 1000'
  wait_for 10 test -e "$work/home/made"
  ok torte logs myself
  equal "$(tr '\n' ' ' <"$work/out")" "$(id -u) $(id -g) "
  equal "$(stat -c %u:%g "$work/home/made")" "$(id -u):$(id -g)" "owner of what it made"
  grep -q "^Uid:[[:space:]]*$(id -u)[[:space:]]" "/proc/$(pid_of myself)/status" || fail "process 1 is somebody else"
  ok torte inspect -f '{{range .UidMap}}{{.ContainerId}}:{{.HostId}}:{{.Size}} {{end}}' myself
  prints "$(id -u):$(id -u):1"
  ok torte exec myself sh -c 'id -u; stat -c %u /home/me/file /proc/1; cat /home/me/file'
  prints_line mine
  equal "$(grep -cx "$(id -u)" "$work/out")" 3 "the same ids in exec"
  ok torte cp myself:/home/me/file "$work/copied"
  ok torte cp "$work/copied" myself:/tmp/brought
  equal "$(torte exec myself stat -c %u /tmp/brought)" "$(id -u)" "owner of what was copied in"
  ok torte run --rm --network none --userns private base id -u
  prints_line 0
  ok torte diff myself
  prints_line "A /made"
  status 1 torte commit myself kept
  says "keep-id"
  ok torte stop -t 0 myself
  ok torte start myself
  quiet rm -f myself
  ok torte run --rm --network none --userns keep-id:uid=77,gid=78 base sh -c 'echo $(id -u):$(id -g)'
  prints_line 77:78
  if [ "${TORTE_AS:-root}" = subuid ]; then
    # The image is not copied: its root's files are the caller's own on disk, and so they are inside.
    ok torte run --rm --network none --userns keep-id -u 0 -v "$work/home:/home/me" base sh -c 'id -u; stat -c %u /bin/busybox; touch /by-root; stat -c %u /by-root'
    equal "$(tr '\n' ' ' <"$work/out")" "0 $(id -u) 0 "
    ok torte run --rm --network none --userns keep-id base sh -c 'cat /proc/self/uid_map'
    equal "$(wc -l <"$work/out")" 3 "rows of the map"
  fi
  ok torte run --rm --userns keep-id base id -u
  prints_line "$(id -u)"
  for mode in auto nomap; do
    status 125 torte run --rm --network none --userns "$mode" base true
    says "keep-id"
  done
else
  status 125 torte run --rm --network none --userns keep-id base true
  says "auto"
  [ "$(torte run --rm --network none --userns private base awk '{print $2}' /proc/self/uid_map)" != 0 ] || fail "its root is ours"
fi

step "user: root inside is somebody else outside, and inspect has the map"
if [ "$(id -u)" = 0 ]; then
  quiet run -d --network none --userns auto --name mapped base sh -c 'touch /made; chown guest /made; sleep 1000'
  wait_for 10 sh -c "'$TORTE' --root '$store' --run-root '$work/run' diff mapped | grep -q made"
  outside=$(torte inspect -f '{{range .UidMap}}{{.HostId}}{{end}}' mapped)
  [ "$outside" -gt 65536 ] || fail "root is $outside outside"
  grep -q "^Uid:[[:space:]]*$outside[[:space:]]" "/proc/$(pid_of mapped)/status" || fail "process 1 is not $outside"
  ok torte exec mapped sh -c 'id -u; stat -c %u /made /bin/sh /proc/self; cat /proc/self/uid_map'
  prints_line 0
  prints_line 1000
  prints "$outside      65536"
  # On disk files have the container's ids: what is committed is as if it had run without.
  ok torte commit mapped kept
  ok torte run --rm --network none kept stat -c %u /made
  prints_line 1000
  ok torte exec -u guest mapped id -u
  prints_line 1000
  # Two of them share no id.
  other=$(torte run --rm --network none --userns auto base awk '{print $2}' /proc/self/uid_map)
  [ "$other" != "$outside" ] || fail "two containers have the same ids"
  # Ports below 1024 and raw sockets are its own network's matter.
  torte network create mapped-net >/dev/null
  ok torte run --rm --network mapped-net --userns auto base sh -c 'httpd -p 80 && ping -c 1 127.0.0.1 >/dev/null && echo served'
  prints_line served
  quiet network rm mapped-net
  # The same for volumes and, when asked, directories of the host.
  ok torte run --rm --network none --userns auto -v data:/data base sh -c 'touch /data/file; chown guest /data/file'
  ok torte run --rm --network none --userns auto -v data:/data base stat -c %u /data/file
  prints_line 1000
  mkdir "$work/mine"
  ok torte run --rm --network none --userns auto -v "$work/mine:/mine:idmap" base sh -c 'touch /mine/file; chown guest /mine/file'
  equal "$(stat -c %u "$work/mine/file")" 1000
  status 1 torte run --rm --network none --userns auto -v "$work/mine:/mine" base touch /mine/other
  ok torte run --rm --network none --userns container:mapped base cat /proc/self/uid_map
  prints "$outside"
  ok torte run --rm --network none --uidmap 0:2000000:1000 --uidmap 1000:3000000:10 base sh -c 'cat /proc/self/uid_map; stat -c %u /home'
  prints 2000000 3000000
  prints_line 0
  status 1 torte cp "$work/base/Recipe" mapped:/
  ok torte stop -t 0 mapped
  ok torte cp "$work/base/Recipe" mapped:/
  ok torte start mapped
  ok torte exec mapped stat -c %u /Recipe /made
  prints_line 1000
  quiet rm -f mapped
else
  ok torte exec one id -u
  prints_line 0
  ok torte inspect -f '{{range .UidMap}}{{.ContainerId}}={{.HostId}} {{end}}' one
  prints "0=$(id -u)"
fi
status 125 torte run --rm --userns nonsense base true
says "nonsense"
quiet rm -fa
