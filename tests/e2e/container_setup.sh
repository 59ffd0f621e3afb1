# What a container finds when it starts: mounts that show elsewhere, terminals, an init of the user's, lines in
# /etc/passwd, further descriptors, streams, what systemd expects.
. "$(dirname "$0")/lib.sh"
base_image
quiet() { torte "$@" >/dev/null; }
run() { torte run --rm --network none "$@"; }
who=${TORTE_AS:-root}

if [ "$who" = root ]; then
  step "mounts in a directory of the host show nowhere else, unless rslave or rshared says so"
  source=$work/source
  mkdir "$source"
  mount -t tmpfs source "$source"
  mount --make-shared "$source"
  for how in plain rprivate rslave shared; do
    options=$([ $how = plain ] || echo ":$how")
    mkdir "$source/in-$how" "$source/out-$how"
    quiet run -d --network none --privileged --name "$how" -v "$source:/s$options" base sleep 1000
    mount -t tmpfs outer "$source/out-$how"
    touch "$source/out-$how/there"
    quiet exec "$how" mount -t tmpfs inner "/s/in-$how"
    quiet exec "$how" touch "/s/in-$how/there"
  done
  seen_inside() { torte exec "$1" test -e "/s/out-$1/there" && echo yes || echo no; }
  seen_outside() { [ -e "$source/in-$1/there" ] && echo yes || echo no; }
  for how in plain rprivate; do equal "$how $(seen_inside $how) $(seen_outside $how)" "$how no no"; done
  equal "rslave $(seen_inside rslave) $(seen_outside rslave)" "rslave yes no"
  equal "shared $(seen_inside shared) $(seen_outside shared)" "shared yes yes"
  ok torte inspect -f '{{range .Mounts}}{{.Propagation}}{{end}}' rslave
  prints_line rslave
  quiet rm -f plain rprivate rslave shared
  ok torte run --rm --network none --mount "type=bind,src=$source,dst=/s,bind-propagation=rslave" base sh -c 'grep " /s " /proc/self/mountinfo'
  prints "master:"
  ok run --rootfs "$source" -v /bin/busybox:/busybox:ro /busybox cat /proc/self/mountinfo
  prints_not "shared:"
  umount -R "$source"

  step "a mount that shares with nobody cannot be rshared, nor can one of a user namespace"
  mount -t tmpfs alone "$source"
  mount --make-private "$source"
  for how in rslave rshared; do
    status 125 run -v "$source:/s:$how" base true
    says "mount-not-shared" "$source" "mount --make-shared"
  done
  mount --make-shared "$source"
  status 125 run --userns auto -v "$source:/s:rshared" base true
  says "mount-not-shared"
  umount "$source"
fi
status 2 run -v "$work:/s:rsomehow" base true
says "rsomehow"
status 2 run -v "$work:/s:O,rshared" base true
status 2 run -v named:/s:rslave base true
status 2 run --mount "type=bind,src=$work,dst=/s,bind-propagation=odd" base true
says "bind-propagation"

step "--mount type=devpts: terminals of its own, elsewhere and in the stead of the usual ones"
ok run --mount type=devpts,target=/terminals,mode=0640,max=7 base sh -c 'grep " /terminals " /proc/self/mountinfo; ls /terminals'
prints "devpts" "mode=640" "max=7" "ptmx"
ok run --mount type=devpts,target=/dev/pts,mode=0600 base sh -c 'grep -c " /dev/pts " /proc/self/mountinfo; grep " /dev/pts " /proc/self/mountinfo'
prints_line 1
prints "mode=600"
status 2 run --mount type=devpts,target=/t,source=/x base true
status 2 run --mount type=devpts,target=/t,max=many base true
status 2 run --mount type=tmpfs,target=/t,max=7 base true

step "--mount type=overlay: what is written stays in the container"
mkdir "$work/tree"
echo lower >"$work/tree/file"
ok run --mount "type=overlay,source=$work/tree,target=/t" base sh -c 'cat /t/file; echo changed >/t/file; cat /t/file'
prints_line lower
prints_line changed
equal "$(cat "$work/tree/file")" lower
status 2 run --mount type=overlay,target=/t base true

step "--init=PATH and --init-path: a program of the host is process 1"
cat >"$work/init" <<'S'
#!/bin/sh
echo "init: $*"
[ "$1" != -- ] || shift
exec "$@"
S
chmod 755 "$work/init"
for flag in "--init=$work/init" "--init-path=$work/init"; do
  ok run "$flag" base sh -c 'echo $$; ls /dev/init'
  prints_line "init: -- sh -c echo \$\$; ls /dev/init"
  prints_line 1
  prints_line /dev/init
done
ok run --init base cat /proc/1/comm
prints_line torte-init
ok run --init=false base sh -c 'echo $$'
prints_line 1
status 125 run --init=/no/such/init base true
says "/no/such/init"

step "--passwd-entry, --group-entry: for those whom the image does not know, and in no image"
if [ "$who" != user ]; then
  ok run -u 4321:8765 --passwd-entry '$USERNAME:*:$UID:$GID:of $UID:/tmp:/bin/sh' --group-entry 'crew:x:$GID:$USERLIST' \
    base sh -c 'tail -n 1 /etc/passwd; tail -n 1 /etc/group; ls -ld /etc/passwd; grep -c guest /etc/passwd'
  prints_line "4321:*:4321:8765:of 4321:/tmp:/bin/sh"
  prints_line "crew:x:8765:4321"
  prints_line 1
  ok run -u guest --passwd-entry 'other:*:$UID:$GID::/:/bin/sh' base cat /etc/passwd
  prints_not other
  quiet run --network none --name lodger -u 4321 --passwd-entry 'lodger:*:$UID:$GID::/:/bin/sh' base whoami
  ok torte logs lodger
  prints_line lodger
  ok torte diff lodger
  prints_not passwd
  ok torte start -a lodger
  prints_line lodger
  ok torte commit lodger lodging
  ok run lodging cat /etc/passwd
  prints_not lodger
  quiet rm lodger
fi
status 2 run --passwd-entry nonsense base true
says "--passwd-entry"
mkdir -p "$work/root/bin"
cp /bin/busybox "$work/root/bin/sh"
status 125 run --rootfs "$work/root" --passwd-entry 'x:*:$UID:$GID::/:/bin/sh' /bin/sh -c true
says "rootfs-unchanged"

step "--preserve-fds: descriptors from 3 on, for run, run -d and exec, and no others"
echo three >"$work/three"
echo four >"$work/four"
descriptors() { ok sh -c '"$@" 3<"$0/three" 4<"$0/four" 5<"$0/three"' "$work" "$TORTE" --root "$store" --run-root "$work/run" "$@"; }
descriptors run --rm --network none --preserve-fds 2 base sh -c 'cat <&3; cat <&4; test -e /proc/self/fd/5 || echo no fifth'
prints_line three
prints_line four
prints_line "no fifth"
descriptors run --rm --network none --init --preserve-fds 2 base sh -c 'cat <&4'
prints_line four
descriptors run -d --network none --name holder --preserve-fds 1 base sh -c 'cat <&3; exec sleep 1000'
wait_for 10 sh -c "'$TORTE' --root '$store' --run-root '$work/run' logs holder | grep -qx three"
descriptors exec --preserve-fds 2 holder sh -c 'cat <&4; cat <&3'
prints_line four
prints_line three
quiet rm -f holder
# Whoever runs this may have left descriptors open.
status 2 sh -c 'exec "$@" 3<&-' sh "$TORTE" --root "$store" --run-root "$work/run" run --preserve-fds 1 base true
says "descriptor 3 is not open"
status 2 run --preserve-fds 1000 base true

step "exec as another user: its streams can be opened anew, and input ends"
if [ "$who" != user ]; then
  quiet run -d --network none --name entered base sleep 1000
  (umask 077; torte exec -u guest entered sh -c 'echo to out >/dev/stdout; echo to err >/dev/stderr; exit 7' >"$work/out" 2>"$work/err") && fail "status 0" || equal $? 7
  prints_line "to out"
  says "to err"
  equal "$(printf 'a\nb\n' | torte exec -i -u guest entered sh -c 'cat /dev/stdin | wc -l' | tr -d ' ')" 2
  equal "$(head -c 3000000 /dev/zero | torte exec -i -u guest entered cat | wc -c)" 3000000
  equal "$(torte exec -u guest entered sh -c 'sleep 30 & echo done')" "done"
  quiet rm -f entered
fi

step "--log-driver passthrough: its streams are those of the command that started it"
torte run -d --network none --name direct --log-driver passthrough base sh -c 'echo out; echo err >&2' >"$work/direct.out" 2>"$work/direct.err"
ok torte wait direct
grep -qx out "$work/direct.out" || fail "no output: $(cat "$work/direct.out")"
grep -qx err "$work/direct.err" || fail "no error output"
status 1 torte logs direct
says "no-log" "passthrough"
torte start -a direct >"$work/out" 2>"$work/err"
prints_line out
equal "$(echo typed | torte run --rm -i --network none --log-driver passthrough base cat)" typed
status 2 torte run --rm -t --log-driver passthrough base true
quiet rm direct

step "--sdnotify: the container's word, or torte's, reaches who started it"
if command -v python3 >/dev/null; then
  cat >"$work/listen.py" <<'P'
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(float(sys.argv[2]))
print("listening", flush=True)
try:
    while True:
        text = s.recv(4096).decode()
        print(text, end="", flush=True)
        if "READY=1" in text: break
except TimeoutError:
    print("nothing")
P
  recipe <<'R'
FROM base
COPY notify /bin/notify
R
  cat >"$work/notify.c" <<'C'
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
int main(void) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  const char* text = "STATUS=here\nMAINPID=1\nREADY=1\n";
  if (!getenv("NOTIFY_SOCKET")) return 3;
  strcpy(a.sun_path, getenv("NOTIFY_SOCKET"));
  return sendto(socket(AF_UNIX, SOCK_DGRAM, 0), text, strlen(text), 0, (struct sockaddr*)&a, sizeof a) < 0;
}
C
  listen() {
    rm -f "$work/manager" "$work/heard"
    python3 "$work/listen.py" "$work/manager" "$1" >"$work/heard" &
    listener=$!
    wait_for 10 grep -qs listening "$work/heard"
  }
  # The notifier is torte's; here its "conmon" word and the socket it makes are looked at from both sides.
  listen 20
  NOTIFY_SOCKET=$work/manager quiet run -d --network none --sdnotify conmon --name told base sleep 1000
  wait $listener
  grep -qx READY=1 "$work/heard" || fail "heard: $(cat "$work/heard")"
  grep -qx "MAINPID=$(torte inspect -f '{{.State.MonitorPid}}' told)" "$work/heard" || fail "who is to be watched: $(cat "$work/heard")"
  quiet rm -f told
  if command -v cc >/dev/null && cc -static -o "$work/context/notify" "$work/notify.c" 2>/dev/null; then
    ok torte build -t notifying "$work/context"
    listen 20
    NOTIFY_SOCKET=$work/manager quiet run -d --network none --name told notifying sh -c 'notify && exec sleep 1000'
    wait $listener
    for line in READY=1 STATUS=here "MAINPID=$(torte inspect -f '{{.State.MonitorPid}}' told)"; do
      grep -qx "$line" "$work/heard" || fail "no $line in: $(cat "$work/heard")"
    done
    ! grep -qx MAINPID=1 "$work/heard" || fail "a number of the container was passed on"
    quiet rm -f told
    NOTIFY_SOCKET=$work/manager status 3 run --sdnotify ignore notifying notify
    status 3 run notifying notify
  fi
fi

step "--systemd: what an init expects, where the machine can have it"
cat >"$work/context/init" <<'S'
#!/bin/sh
trap 'echo asked; exit 0' 37
echo "$container $container_uuid"
cat /proc/self/mountinfo
mkdir /sys/fs/cgroup/service && echo made a group
while :; do sleep 0.1; done
S
recipe <<'R'
FROM base
COPY --chmod=755 init /sbin/init
CMD ["/sbin/init"]
R
ok torte build -t booting "$work/context"
if torte create --name probe --systemd always base true >/dev/null 2>"$work/err"; then
  quiet rm probe
  quiet run -d --network none --name boots --memory 64m booting
  wait_for 20 sh -c "'$TORTE' --root '$store' --run-root '$work/run' logs boots | grep -q 'made a group'"
  ok torte logs boots
  prints "torte $(torte inspect -f '{{.Id}}' boots | head -c 32)"
  for path in /run /run/lock /tmp /var/log/journal; do prints " $path "; done
  equal "$(torte exec boots sh -c 'cat /sys/fs/cgroup/memory.max')" max
  groups=$(torte inspect -f '{{range .State.Cgroups}}{{.}}{{end}}' boots)
  equal "$(cat "$groups/memory.max")" $((64 << 20))
  ok torte stop boots
  ok torte inspect -f '{{.State.ExitCode}} {{.Config.StopSignal}}' boots
  prints_line "0 RTMIN+3"
  ok torte logs boots
  prints asked
  [ ! -e "$groups" ] || fail "groups left: $(find "$groups" -type d)"
  ok torte run --rm --network none --systemd false --entrypoint sh booting -c 'grep -c " /run/lock " /proc/self/mountinfo || true'
  prints_line 0
  quiet rm boots
else
  says "systemd-unsupported"
  quiet create --name plain booting
  quiet rm plain
fi

step "--subuidname: the ranges of somebody, and root's alone to use"
status 125 run --subuidname nobody-of-that-name base true
says "no-range-of-ids" "/etc/subuid"
status 2 run --subuidname a --uidmap 0:1000:10 base true
if [ "$who" = root ]; then
  printf 'torte-tester:700000:1000\n' >"$work/ranges"
  unshare --mount sh -euc 'for f in /etc/subuid /etc/subgid; do [ -e $f ] || : >$f; mount --bind "$0" $f; done; exec "$@"' "$work/ranges" \
    "$TORTE" --root "$store" --run-root "$work/run" run --rm --network none --subuidname torte-tester base cat /proc/self/uid_map >"$work/out"
  equal "$(tr -s ' ' <"$work/out")" " 0 700000 1000"
fi

step "init: everything is ready and the program waits for its start"
quiet create -i --network none --name ready --restart on-failure base sh -c 'echo begun; cat; exit 5'
ok torte init ready
prints_line ready
ok torte init ready
ok torte inspect -f '{{.State.Status}} {{.State.Pid}}' ready
prints "initialized "
pid=$(torte inspect -f '{{.State.Pid}}' ready)
[ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ] || [ "$who" != root ] || fail "no network of its own"
equal "$(torte logs ready)" ""
status 125 torte exec ready true
says "torte start"
status 1 torte pause ready
equal "$(torte ps --format '{{.Status}}')" Initialized
ok torte start ready
wait_for 10 sh -c "'$TORTE' --root '$store' --run-root '$work/run' logs ready | grep -qx begun"
equal "$(torte inspect -f '{{.State.Pid}}' ready)" "$pid"
quiet rm -f ready
quiet create -i --network none --name ready base sh -c 'cat; exit 5'
quiet init ready
got=0; echo typed | torte start -ai ready >"$work/out" 2>"$work/err" || got=$?
equal $got 5
prints_line typed
ok torte init ready
ok torte stop ready
equal "$(torte inspect -f '{{.State.Status}} {{.State.ExitCode}}' ready)" "exited 137"
quiet rm ready
quiet create --network none --name lost --restart always base /no/such/program
quiet init lost
status 1 torte start lost
says "command not found"
ok torte wait lost
prints_line 127
quiet rm lost

step "container cleanup: what a killed monitor left is taken away, and what runs is left alone"
quiet run -d --network none --name orphan base sleep 1000
status 1 torte container cleanup orphan
says "container-in-use"
kill -KILL "$(torte inspect -f '{{.State.MonitorPid}}' orphan)"
wait_for 10 sh -c "'$TORTE' --root '$store' --run-root '$work/run' container cleanup orphan >/dev/null 2>&1"
ok torte inspect -f '{{.State.Status}} {{.State.ExitCode}}' orphan
prints_line "exited 137"
ok torte container cleanup --rm orphan
equal "$(torte ps -a -q)" ""

step "nothing is left"
! grep -qF "$store" /proc/self/mountinfo || fail "mounts left"
