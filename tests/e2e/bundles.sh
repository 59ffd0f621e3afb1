# Containers as OCI bundles: other runtimes start them unchanged, with the same rights; and as systemd units.
. "$(dirname "$0")/lib.sh"
base_image
quiet() { torte "$@" >/dev/null; }
runtimes=()
for runtime in crun runc; do if command -v "$runtime" >/dev/null; then runtimes+=("$runtime"); fi; done

step "a bundle holds the files, the program and its rights"
mkdir "$work/shared"
echo from-host >"$work/shared/file"
quiet create --name app -e GREETING=hello -w /home -v "$work/shared:/shared:ro" -v data:/data --tmpfs /scratch \
  --hostname bundled --cap-drop KILL --ulimit nofile=777 \
  base sh -c 'echo $GREETING $PWD; hostname; id -u; cat /shared/file; ulimit -n; touch /scratch/x /data/x && echo written
    touch /shared/y 2>/dev/null || echo read-only; mkdir /made
    grep -E "^(CapBnd|CapInh|NoNewPrivs|Seccomp):" /proc/self/status; head -c 1 /proc/keys | wc -c
    unshare -m true 2>/dev/null || echo refused; grep -c . /etc/hosts'
quiet start -a app
ok torte start -a app
cp "$work/out" "$work/ours"
ok torte generate oci-bundle app "$work/bundle"
[ -d "$work/bundle/rootfs/made" ] || fail "what the container wrote is missing"
[ -x "$work/bundle/rootfs/bin/busybox" ] || fail "what the image has is missing"
status 1 torte generate oci-bundle app "$work/bundle"
says "bundle"
if [ "$(id -u)" != 0 ]; then prints=ignored; fi

for runtime in "${runtimes[@]}"; do
  if [ "$(id -u)" != 0 ] && ! "$runtime" --root "$work/rt" list >/dev/null 2>&1; then continue; fi
  step "$runtime starts it unchanged"
  cp -r --preserve=all "$work/bundle" "$work/bundle-$runtime" 2>/dev/null || torte unshare cp -a "$work/bundle" "$work/bundle-$runtime"
  sed -i "s|$work/bundle/|$work/bundle-$runtime/|" "$work/bundle-$runtime/config.json"
  rmdir "$work/bundle-$runtime/rootfs/made" 2>/dev/null || torte unshare rmdir "$work/bundle-$runtime/rootfs/made"
  start=("$runtime")
  if [ "$runtime" = crun ] && [ -d /sys/fs/cgroup/unified ]; then
    # crun does not work where cgroups of both versions are mounted: for it there is one, without controllers.
    [ "$(id -u)" = 0 ] || continue
    start=(unshare --mount sh -c 'mount -t cgroup2 one /sys/fs/cgroup && exec "$@"' sh crun --cgroup-manager=disabled)
  fi
  ok "${start[@]}" --root "$work/rt" run --bundle "$work/bundle-$runtime" "e2e-$$"
  # As with torte itself, but for the files of its network and the directory that is there the second time.
  for line in "hello /home" bundled 0 from-host 777 written read-only refused; do prints_line "$line"; done
  for field in CapBnd NoNewPrivs Seccomp; do
    equal "$(grep "^$field:" "$work/out")" "$(grep "^$field:" "$work/ours")" "$field"
  done
  [ -d "$work/bundle-$runtime/rootfs/made" ] || [ "$(id -u)" != 0 ] || fail "it wrote elsewhere"
done

for runtime in "${runtimes[@]}"; do
  if [ "$runtime" = crun ] && [ -d /sys/fs/cgroup/unified ]; then continue; fi
  status 3 torte run --rm --network none --runtime "$runtime" base sh -c 'echo out; exit 3'
  prints_line out
  if [ "$(id -u)" != 0 ]; then continue; fi
  step "--runtime $runtime: run, exec, logs, stop, start again"
  status 3 torte run --rm --runtime "$runtime" base sh -c 'echo out; echo err >&2; exit 3'
  prints_line out
  says err
  status 127 torte run --rm --runtime "$runtime" base /no/such
  says "$runtime"
  quiet run -d --runtime "$runtime" --name other -e A=1 base sh -c 'trap "echo asked; exit 4" TERM; echo up $A; touch /kept; while :; do sleep 0.05; done'
  wait_for 10 sh -c "'$TORTE' --root '$store' --run-root '$work/run' logs other | grep -qx 'up 1'"
  ok torte exec other sh -c 'ls /kept; grep -E "^(Seccomp|CapBnd):" /proc/self/status; ip address show eth0'
  prints "Seccomp:	2" "inet $(torte inspect -f '{{.NetworkSettings.IpAddress}}' other)/"
  ok torte stop other
  equal "$(torte ps -a --filter name=other --format '{{.State}} {{.ExitCode}}')" "exited 4"
  ok torte diff other
  prints "A /kept"
  ok torte start other
  ok torte exec other ls /kept
  quiet rm -f other
  ! grep -q "$work/store/containers" /proc/self/mountinfo || fail "a mount is left"
done
mkdir -p "$work/context"
echo in-context >"$work/context/file"
echo hidden >"$work/secret"
rights() { grep -oE '(Seccomp|CapBnd|NoNewPrivs):.*' "$work/err"; }
for runtime in "${runtimes[@]}"; do
  if [ "$runtime" = crun ] && [ -d /sys/fs/cgroup/unified ]; then continue; fi
  step "build --runtime $runtime: RUN steps with all their mounts, and with the same rights as torte's own"
  recipe <<'R'
FROM base
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=type=secret,id=s --mount=type=bind,source=file,target=/ctx --mount=type=bind,from=base,source=/etc,target=/e \
  cat /run/secrets/s /ctx && test -s /e/passwd && touch /c/kept /t/gone && mkdir /made && hostname >/made/name
RUN <<END
  echo "from a script: $(ls /made)"; grep -E '^(Seccomp|CapBnd|NoNewPrivs):' /proc/self/status
END
R
  build=(torte build --progress plain --no-cache --network none --secret "id=s,src=$work/secret")
  ok "${build[@]}" --runtime "$runtime" -t by-runtime "$work/context"
  says "***" in-context "from a script: name" "Seccomp:	2"
  rights >"$work/theirs"
  ok torte diff by-runtime
  equal "$(cat "$work/out")" "$(printf 'A /made\nA /made/name')" "what the steps made"
  ok "${build[@]}" -t by-torte "$work/context"
  rights | cmp - "$work/theirs" || fail "a step has other rights than torte's own"
  echo 'FROM base
RUN exit 7' | recipe failing
  status 1 torte build --progress plain --no-cache --network none --runtime "$runtime" -f "$work/context/failing" "$work/context"
  says "status 7"
  [ -z "$(ls "$store/staging")" ] || fail "left in staging: $(ls "$store/staging")"
done
echo 'FROM base
RUN true' | recipe
status 1 torte build --no-cache --runtime no-such-runtime "$work/context"
says "no-such-runtime"
status 125 torte run --rm --runtime no-such-runtime base true
says "no-such-runtime"

step "what cannot be said is refused"
quiet create --name joined --pid container:app base true
status 1 torte generate oci-bundle joined "$work/joined"
says "bundle"
[ ! -e "$work/joined" ] || fail "something was made"

step "a profile's conditions are resolved"
echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
  {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_CHOWN"]}},
  {"names": ["chdir"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_CHOWN"]}}]}' >"$work/profile"
quiet create --name filtered --security-opt "seccomp=$work/profile" base true
ok torte generate oci-bundle filtered "$work/filtered"
grep -q mkdir "$work/filtered/config.json" || fail "the rule is missing"
! grep -q '"chdir"' "$work/filtered/config.json" || fail "a rule for others is there"

step "a systemd unit"
quiet create --name service --restart on-failure --stop-timeout 7 base sleep 1000
ok torte generate systemd service
prints "start --attach service" "stop service" "Restart=on-failure" "TimeoutStopSec=27" "[Install]" "--root \"$store\""
if command -v systemd-analyze >/dev/null; then
  cp "$work/out" "$work/torte-e2e.service"
  systemd-analyze verify "$work/torte-e2e.service" >"$work/err" 2>&1 || fail "systemd does not take it"
fi
quiet create --rm --name gone base true
status 1 torte generate systemd gone
says "--rm"
