# Seccomp profiles and the other security options: the same for run, exec and health probes.
. "$(dirname "$0")/lib.sh"
base_image
quiet() { torte "$@" >/dev/null; }
allow_but() {
  echo "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [$1], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 28}]}"
}

step "a profile decides for run and for exec, and stays when its file goes"
allow_but '"mkdir", "mkdirat"' >"$work/profile.json"
status 1 torte run --rm --network none --security-opt "seccomp=$work/profile.json" base mkdir /x
says "No space left on device"
quiet run -d --network none --security-opt "seccomp=$work/profile.json" --name box base sleep 1000
rm "$work/profile.json"
status 1 torte exec box mkdir /x
says "No space left on device"
ok torte exec box touch /y
quiet stop -t 0 box
quiet start box
status 1 torte exec box mkdir /x
quiet rm -f box

step "the default refuses what unconfined allows"
status 1 torte run --rm --network none --cap-add SYS_TIME base sh -c 'unshare -m true'
ok torte run --rm --network none --cap-add SYS_ADMIN --security-opt seccomp=unconfined base unshare -m true
ok torte run --rm --network none --security-opt seccomp=default base grep Seccomp: /proc/self/status
prints "2"
ok torte run --rm --network none --security-opt seccomp=unconfined base grep Seccomp: /proc/self/status
prints "0"

step "a profile with conditions on capabilities"
echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
  {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28, "excludes": {"caps": ["CAP_SYS_TIME"]}}]}' >"$work/profile.json"
status 1 torte run --rm --network none --security-opt "seccomp=$work/profile.json" base mkdir /x
ok torte run --rm --network none --cap-add SYS_TIME --security-opt "seccomp=$work/profile.json" base mkdir /x

step "steps of a build are held by it too, and one with another profile is another step"
allow_but '"mkdir", "mkdirat"' >"$work/profile.json"
printf 'FROM base\nRUN mkdir /x || echo refused\n' | recipe
ok torte build --progress plain --network none --security-opt "seccomp=$work/profile.json" "$work/context"
says refused
ok torte build --progress plain --network none -t made "$work/context"
ok torte run --rm --network none made test -d /x
status 1 torte build --network none --security-opt "seccomp=$work/context/Recipe" "$work/context"

step "wrong profiles are refused before anything is made"
echo '{"defaultAction": "SCMP_ACT_DANCE"}' >"$work/profile.json"
status 125 torte run --rm --security-opt "seccomp=$work/profile.json" base true
says "SCMP_ACT_DANCE"
status 125 torte run --rm --security-opt "seccomp=$work/none.json" base true
says "none.json"
status 2 torte run --rm --security-opt nonsense base true
equal "$(torte ps -a -q)" ""

step "the sandbox is the same for the first program and for exec"
quiet run -d --network none --name box base sleep 1000
look='grep -E "^(Cap|NoNewPrivs|Seccomp|Uid|Gid)" /proc/self/status; cat /proc/self/limits; readlink /proc/self/root; umask; cat /proc/self/uid_map'
torte run --rm --network none base sh -c "$look" >"$work/first"
torte exec box sh -c "$look" >"$work/second"
cmp "$work/first" "$work/second" || fail "run and exec differ: $(diff "$work/first" "$work/second")"
for path in /proc/keys /proc/timer_list; do
  equal "$(torte exec box sh -c "head -c 1 $path | wc -c")" 0 "$path"
done
status 1 torte exec box sh -c 'echo 1 >/proc/sys/kernel/domainname'
quiet rm -f box

step "masks: more and fewer"
ok torte run --rm --network none --security-opt mask=/etc/passwd base sh -c 'wc -c </etc/passwd'
prints_line 0
ok torte run --rm --network none --security-opt unmask=/proc/timer_list base sh -c 'cat /proc/self/mountinfo'
prints_not " /proc/timer_list "
ok torte run --rm --network none --security-opt systempaths=unconfined base cat /proc/self/mountinfo
prints_not " /proc/keys "
ok torte run --rm --network none --security-opt no-new-privileges=false base grep NoNewPrivs /proc/self/status
prints "0"

step "--privileged: nothing is hidden or refused"
ok torte run --rm --network none --privileged base sh -c 'mount -t tmpfs x /tmp && grep -E "^(Seccomp|CapEff)" /proc/self/status'
prints "Seccomp:	0"
