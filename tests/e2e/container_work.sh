# Working with a running container: entered, copied from and to, compared, committed, paused, limited; its volumes; and
# that each of its namespaces is its own, seen from inside and from outside.
. "$(dirname "$0")/lib.sh"
base_image
quiet() { torte "$@" >/dev/null; }
pid_of() { torte inspect -f '{{.State.Pid}}' "$1"; }
quiet run -d --network none --name box --hostname inside base sleep 1000
pid=$(pid_of box)

step "exec: streams, status, environment, directory, user"
ok torte exec -e A=1 -w /tmp box sh -c 'echo $A $PWD; echo err >&2'
prints_line "1 /tmp"
says err
status 9 torte exec box sh -c 'exit 9'
status 127 torte exec box /no/such
status 126 torte exec box /etc/passwd
printf 'x\ny\n' | torte exec -i box wc -l >"$work/out" || fail "exec -i"
equal "$(tr -d ' ' <"$work/out")" 2
if [ "${TORTE_AS:-root}" != user ]; then
  ok torte exec -u guest box id -u
  prints_line 1000
fi
ok torte exec -d box sh -c 'echo later >/tmp/later'
wait_for 10 sh -c "'$TORTE' --root '$store' --run-root '$work/run' exec box cat /tmp/later | grep -q later"

if command -v script >/dev/null; then
  step "exec -it is left by its keys, and goes on"
  (sleep 1; printf 'q\020'; sleep 0.2; printf '\021'; sleep 1) |
    timeout 20 script -qec "'$TORTE' --root '$store' --run-root '$work/run' exec -it box sh -c 'echo up; sleep 1.5; echo still >/tmp/still; sleep 60'" /dev/null >"$work/out" 2>"$work/err" ||
    fail "exec did not end with 0"
  prints up
  wait_for 10 sh -c "'$TORTE' --root '$store' --run-root '$work/run' exec box cat /tmp/still 2>/dev/null | grep -q still"
  status 2 torte exec -it --detach-keys ctrl-nonsense box true
fi

step "exec is held by the same sandbox"
ok torte exec box sh -c "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status"
grep -qE 'Seccomp:.*2' "$work/out" || fail "no seccomp filter in exec"
status 1 torte exec box mount -t tmpfs none /tmp

step "uts: a host name of its own"
ok torte exec box hostname
prints_line inside
[ "$(hostname)" != inside ] || fail "the machine got the container's name"

step "pid: numbers of its own, orphans go to process 1, other processes are not seen"
ok torte exec box sh -c 'readlink /proc/self/ns/pid; ls -d /proc/[0-9]* | wc -l'
[ "$(tail -n 1 "$work/out")" -le 5 ] || fail "sees processes of others"
ok torte exec box sh -c '(sleep 50 & ) ; sleep 0.1; for p in /proc/[0-9]*; do grep -l "sleep.50" $p/cmdline >/dev/null 2>&1 && grep PPid $p/status; done; true'
grep -q 'PPid:.*1$' "$work/out" || fail "the orphan has another parent: $(cat "$work/out")"

step "every namespace differs from ours and is the same for exec"
for space in uts ipc pid mnt net cgroup; do
  inside=$(torte exec box readlink /proc/self/ns/$space)
  equal "$inside" "$(torte exec box readlink /proc/1/ns/$space)" "namespace $space of exec"
  [ "$inside" != "$(readlink /proc/self/ns/$space)" ] || fail "shares our $space namespace"
done

step "mnt: what is mounted inside is not seen outside"
quiet run -d --network none --name mounter --tmpfs /private base sleep 1000
quiet exec mounter sh -c 'echo secret >/private/file'
! grep -q /private /proc/self/mountinfo || fail "mount leaked out"
status 1 torte exec box test -e /private/file
quiet rm -f mounter

step "user: ids inside are others outside, and inspect has the map"
if [ "$(id -u)" != 0 ]; then
  ok torte inspect -f '{{range .UidMap}}{{.ContainerId}}={{.HostId}} {{end}}' box
  prints "0=$(id -u)"
  grep -q "^Uid:[[:space:]]*$(id -u)" "/proc/$pid/status" || fail "process 1 is not ours"
  ok torte exec box id -u
  prints_line 0
fi

step "top, ps -q, inspect"
ok torte top box
prints "sleep 1000" "$pid"
equal "$(torte inspect -f '{{.State.Running}} {{.Config.Hostname}}' box)" "true inside"
status 1 torte inspect no-such-thing

step "cp in and out of a running and of a stopped container"
mkdir -p "$work/tree/sub"
echo one >"$work/tree/file"; echo two >"$work/tree/sub/file"; chmod 640 "$work/tree/file"
ok torte cp "$work/tree" box:/tmp
ok torte exec box cat /tmp/tree/sub/file
prints_line two
ok torte exec box stat -c '%a %u' /tmp/tree/file
prints_line "640 0"
ok torte cp "$work/tree/." box:/tmp/flat  # a new name
ok torte cp box:/tmp/flat "$work/back"
equal "$(cat "$work/back/sub/file")" two
ok torte cp "$work/tree/file" box:/tmp/renamed
status 1 torte cp box:/no/such "$work"
status 1 torte cp "$work/tree" box:/etc/passwd
torte cp box:/tmp/tree - | tar -t >"$work/out" || fail "cp to -"
prints_line "tree/sub/file"
tar -C "$work/tree" -c file | torte cp - box:/tmp/tree/sub || fail "cp from -"
quiet stop -t 0 box
ok torte cp box:/tmp/renamed "$work/renamed"
equal "$(cat "$work/renamed")" one
ok torte cp "$work/tree/sub/file" box:/tmp/while-stopped
quiet start box
ok torte exec box cat /tmp/while-stopped /tmp/tree/sub/file
prints_line two
prints_line one

step "links never lead a copy out of the container"
echo host >"$work/victim"
quiet exec box sh -c "ln -s '$work' /tmp/out; ln -s '$work/victim' /tmp/leak; ln -s / /tmp/rootlink"
status 1 torte cp -L box:/tmp/leak "$work/stolen"
[ ! -e "$work/stolen" ] || fail "a link was followed out of the container"
torte cp "$work/tree/file" box:/tmp/out/victim >"$work/out" 2>"$work/err" || true
equal "$(cat "$work/victim")" host
quiet stop -t 0 box
torte cp "$work/tree/file" box:/tmp/out/victim >"$work/out" 2>"$work/err" || true
equal "$(cat "$work/victim")" host
quiet start box

step "diff and export: what it wrote, and nothing of what torte put there"
quiet run --network none --name changed base sh -c 'echo n >/new; rm /etc/group; echo x >>/etc/passwd; cat /etc/hosts /etc/resolv.conf >/dev/null'
ok torte diff changed
equal "$(cat "$work/out")" "$(printf 'C /etc\nD /etc/group\nC /etc/passwd\nA /new')" "diff"
torte export changed >"$work/all.tar" || fail "export"
tar -tf "$work/all.tar" >"$work/out"
prints_line new
prints_not etc/group
prints_not etc/resolv.conf

step "commit: an image that goes on from there, with changes and squashed"
ok torte commit -m note -c 'CMD ["cat", "/new"]' -c 'ENV ADDED=1' changed committed
ok torte run --rm --network none committed
prints_line n
status 1 torte run --rm --network none committed test -e /etc/group
equal "$(torte inspect --type image -f '{{json .Config.Cmd}}' committed)" '["cat","/new"]'
ok torte commit --squash changed squashed
equal "$(torte inspect --type image -f '{{len .Rootfs.Layers}}' squashed)" 1
ok torte run --rm --network none squashed cat /new
ok torte commit changed committed2
equal "$(torte diff committed2)" "$(torte diff changed)" "the layer and the difference"
quiet rm changed

step "volumes: named ones outlive containers, anonymous ones go with --rm and rm -v"
ok torte volume create data
ok torte run --rm --network none -v data:/data base sh -c 'echo kept >/data/file'
ok torte run --rm --network none -v data:/data:ro base sh -c 'cat /data/file; echo no >/data/file 2>/dev/null || echo refused'
prints_line kept
prints_line refused
quiet create --network none --name holder -v data:/data base true
status 1 torte volume rm data
says holder
quiet rm holder
recipe <<'R'
FROM base
RUN mkdir /seed && echo from the image >/seed/file && chmod 750 /seed
VOLUME /seed
R
quiet build -t seeded "$work/context"
ok torte run --rm --network none -v data2:/seed seeded sh -c 'cat /seed/file; stat -c %a /seed'
prints_line "from the image"
prints_line 750
ok torte run --rm --network none -v data2:/x base cat /x/file
before=$(torte volume ls -q | wc -l)
ok torte run --rm --network none seeded cat /seed/file
equal "$(torte volume ls -q | wc -l)" "$before" "volumes after --rm"
quiet run --network none --name anon seeded true
equal "$(torte volume ls -q | wc -l)" $((before + 1)) "an anonymous volume"
quiet rm -v anon
equal "$(torte volume ls -q | wc -l)" "$before" "volumes after rm -v"
step "volume export and import: a tar of it, and back"
ok torte run --rm --network none -v data:/data base sh -c 'mkdir /data/sub && echo deep >/data/sub/file && chmod 750 /data/sub'
ok torte volume export -o "$work/volume.tar" data
tar -tf "$work/volume.tar" >"$work/out"
prints_line sub/file
ok torte volume create restored
gzip -c "$work/volume.tar" | torte volume import restored || fail "import of a compressed tar"
ok torte run --rm --network none -v restored:/data base sh -c 'cat /data/file /data/sub/file; stat -c %a /data/sub'
prints_line kept
prints_line deep
prints_line 750
ok torte volume import restored "$work/volume.tar"
status 1 torte volume import no-such-volume "$work/volume.tar"
says "no-such-volume"
status 1 torte volume import restored "$work/nothing"
ok torte volume prune --all
equal "$(torte volume ls -q)" ""

step "-v DIR:/x:O: writes stay in the container; image mounts are read-only"
ok torte run --rm --network none -v "$work/tree:/x:O" base sh -c 'echo changed >/x/file; cat /x/file'
prints_line changed
equal "$(cat "$work/tree/file")" one
# Root's, who is nobody in the container of an ordinary user.
ok torte run --rm --network none -v /usr/share:/x:O base touch /x/new
[ ! -e /usr/share/new ] || fail "it wrote to this machine"
ok torte run --rm --network none --mount type=image,source=seeded,target=/img base sh -c 'cat /img/seed/file; touch /img/x 2>/dev/null || echo refused'
prints_line "from the image"
prints_line refused

step "--rootfs: a directory; with :O it stays as it is"
mkdir -p "$work/rootfs/bin"
cp /bin/busybox "$work/rootfs/bin/sh"
ok torte run --rm --network none --rootfs "$work/rootfs:O" /bin/sh -c 'echo x >/written && echo ran'
prints_line ran
[ ! -e "$work/rootfs/written" ] || fail "the directory was written to"

if [ "$(id -u)" = 0 ]; then
  step "pause stops it, unpause lets it go on; stop works on a paused one"
  quiet run -d --network none --name ticker base sh -c 'while :; do echo tick; sleep 0.05; done'
  ok torte pause ticker
  prints_line ticker
  one=$(torte logs ticker | wc -l); sleep 0.4; two=$(torte logs ticker | wc -l)
  [ $((two - one)) -le 1 ] || fail "it went on while paused"
  status 125 torte exec ticker true
  ok torte unpause ticker
  status 1 torte unpause ticker
  ok torte pause ticker
  ok torte stop -t 0 ticker
  quiet rm ticker

  step "who pauses it for a while and is killed, as commit may be, leaves it running"
  quiet run -d --network none --name held base sleep 1000
  state() { torte inspect -f '{{.State.Status}}' held; }
  cat >"$work/hold.py" <<'PY'
import signal, socket
monitor = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
monitor.connect("control")
monitor.send(b"h")
print(monitor.recv(100).decode(), flush=True)
signal.pause()
PY
  (cd "$store/containers/$(torte inspect -f '{{.Id}}' held)" && exec python3 "$work/hold.py") >"$work/answer" &
  holder=$!
  answered() { [ -s "$work/answer" ]; }
  wait_for 10 answered
  equal "$(cat "$work/answer") $(state)" "r paused"
  kill -KILL "$holder"
  wait "$holder" 2>/dev/null || true
  goes_on() { [ "$(state)" = running ]; }
  wait_for 10 goes_on
  ok torte exec held true
  ok torte commit held kept
  equal "$(state)" running
  quiet rm -f held

  step "stats are the kernel's, update takes hold, a container out of memory says so"
  quiet run -d --network none --name fed -m 64m base sleep 1000
  ok torte stats --no-stream fed
  prints "64.0 MiB" fed
  ok torte update -m 32m --pids-limit 50 fed
  group=$(torte inspect -f '{{range .State.Cgroups}}{{.}} {{end}}' fed)
  grep -qx 33554432 $(for g in $group; do echo "$g/memory.max" "$g/memory.limit_in_bytes"; done) 2>/dev/null || fail "the limit is not the kernel's"
  quiet rm -f fed
  status 137 torte run --network none --name greedy -m 32m base tail -c 200000000 /dev/zero
  equal "$(torte run -d --network none --name greedy2 -m 32m base tail -c 200000000 /dev/zero >/dev/null; torte wait greedy2; torte inspect -f '{{.State.OOMKilled}}' greedy2)" "$(printf '137\ntrue')"
  quiet rm greedy greedy2
fi

step "health: starting, healthy, unhealthy"
quiet run -d --network none --name sick --health-cmd 'test -e /healthy' --health-interval 200ms --health-retries 2 base sh -c 'touch /healthy; sleep 1000'
wait_for 20 sh -c "'$TORTE' --root '$store' --run-root '$work/run' ps | grep -q '(healthy)'"
quiet exec sick rm /healthy
wait_for 20 sh -c "'$TORTE' --root '$store' --run-root '$work/run' ps --filter health=unhealthy -q | grep -q ."
quiet rm -f sick

step "nothing is left"
quiet rm -fa
! grep -qF "$store" /proc/self/mountinfo || fail "mounts left"
ok torte prune
ok torte fsck
