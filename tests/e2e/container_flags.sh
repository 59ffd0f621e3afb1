# Flags of run and create that no other test is about, one step for each: what the program sees, and what inspect says.
. "$(dirname "$0")/lib.sh"
base_image
quiet() { torte "$@" >/dev/null; }
run() { torte run --rm --network none "$@"; }

step "--env-host, --unsetenv, --unsetenv-all, and -e over all of them"
recipe <<'R'
FROM base
ENV FROM_IMAGE=1 ALSO=2
R
ok torte build -t variables "$work/context"
ok env OF_THE_HOST=here FROM_IMAGE=host "$TORTE" --root "$store" --run-root "$work/run" run --rm --network none --env-host -e ALSO=3 variables env
prints_line OF_THE_HOST=here
prints_line FROM_IMAGE=host
prints_line ALSO=3
ok run --unsetenv FROM_IMAGE variables env
prints_not FROM_IMAGE
prints_line ALSO=2
ok run --unsetenv-all -e MINE=1 variables /bin/env
prints_not ALSO
prints_line MINE=1

step "-h, --domainname, --no-hostname"
ok run -h ship --domainname example.org base sh -c 'hostname; cat /proc/sys/kernel/domainname /etc/hosts /etc/hostname'
prints_line ship
prints_line example.org
prints "ship.example.org ship"
ok run --no-hostname base cat /etc/hostname
equal "$(cat "$work/out")" "" "/etc/hostname of the image"

step "--cgroupns host: sees the groups of the machine"
equal "$(run --cgroupns host base readlink /proc/self/ns/cgroup)" "$(readlink /proc/self/ns/cgroup)"
[ "$(run base readlink /proc/self/ns/cgroup)" != "$(readlink /proc/self/ns/cgroup)" ] || fail "not a namespace of its own"
status 2 torte run --rm --cgroupns nowhere base true

step "--read-only-tmpfs: a root that cannot be written, and three directories that can"
ok run --read-only --read-only-tmpfs base sh -c 'touch /run/x /tmp/x /var/tmp/x; touch /etc/x 2>/dev/null || echo refused'
prints_line refused
mkdir -m 777 "$work/mine"
ok run --read-only --read-only-tmpfs -v "$work/mine:/tmp" base touch /tmp/kept
[ -e "$work/mine/kept" ] || fail "the user's own mount lost against --read-only-tmpfs"
status 2 torte run --rm --read-only-tmpfs base true
says "--read-only"

step "--annotation, --label-file"
printf '# a comment\nshape=round\n' >"$work/labels"
ok torte create --name noted --annotation org.example.note='a = b' --label-file "$work/labels" base true
ok torte inspect -f '{{json .Config.Annotations}} {{json .Config.Labels}}' noted
prints '{"org.example.note":"a = b"}' '"shape":"round"'
quiet rm noted
status 2 torte run --rm --annotation nothing base true

step "--arch and --os: an image of another machine is not taken for ours"
ok run --arch "$(torte inspect -f '{{.Architecture}}' base)" --os linux --pull never base true
status 125 run --arch s390x --pull never variables-missing true
status 2 torte run --rm --platform linux/amd64 --arch amd64 base true

step "--oom-score-adj, for the program and for exec"
quiet run -d --network none --oom-score-adj 300 --name ready base sleep 1000
ok torte exec ready cat /proc/1/oom_score_adj /proc/self/oom_score_adj
equal "$(tr '\n' ' ' <"$work/out")" "300 300 "
quiet rm -f ready
status 2 torte run --rm --oom-score-adj 1001 base true

step "--umask, --group-add, --sysctl, --pidfile"
ok run --umask 027 base sh -c 'touch /x; stat -c %a /x'
prints_line 640
[ "${TORTE_AS:-root}" = user ] || equal "$(run --group-add 77 base id -G)" "0 77"
ok run --sysctl net.ipv4.ip_default_ttl=33 base cat /proc/sys/net/ipv4/ip_default_ttl
prints_line 33
quiet run -d --network none --pidfile "$work/pid" --name numbered base sleep 1000
equal "$(cat "$work/pid")" "$(torte inspect -f '{{.State.Pid}}' numbered)"
quiet rm -f numbered
[ ! -e "$work/pid" ] || fail "the pid file stayed"

step "--tmpfs with a size, --mount type=tmpfs, subpath of a bind"
ok run --tmpfs /t:size=1m,mode=700 --mount type=tmpfs,dst=/u,tmpfs-mode=711 base sh -c 'df -k /t | tail -n 1; stat -c %a /t /u'
prints " 1024 "
prints_line 700
prints_line 711
mkdir -p "$work/tree/part"
echo deep >"$work/tree/part/file"
ok run --mount "type=bind,src=$work/tree,dst=/x,subpath=part,readonly" base sh -c 'cat /x/file; touch /x/new 2>/dev/null || echo refused'
prints_line deep
prints_line refused

step "relative directories of the host are given as ./NAME"
(cd "$work" && torte run --rm --network none -v ./tree:/x base cat /x/part/file) >"$work/out" 2>"$work/err" || fail "-v ./tree"
prints_line deep

step "--volumes-from, --image-volume"
recipe <<'R'
FROM base
RUN mkdir /v && echo seed >/v/seed
VOLUME /v
R
ok torte build -t with-volume "$work/context"
quiet run --network none --name giver -v shared:/shared -v "$work/tree:/bound:ro" base sh -c 'echo s >/shared/f'
ok run --volumes-from giver base cat /shared/f /bound/part/file
prints_line deep
ok run --image-volume tmpfs with-volume sh -c 'ls -A /v | wc -l'
prints_line 0
ok run --image-volume ignore with-volume sh -c 'grep -c " /v " /proc/self/mountinfo || true; cat /v/seed'
prints_line 0
prints_line seed
quiet rm -v giver

step "wait --condition, ps --watch"
quiet run -d --network none --rm --name short base sleep 1000
ok torte wait --condition running short
prints_line -1
"$TORTE" --root "$store" --run-root "$work/run" wait --condition removed short >"$work/out" &
waiter=$!
# It has opened the store, and finds the container next.
wait_for 20 sh -c "ls -l /proc/$waiter/fd | grep -q ' $store\$'"
sleep 1
quiet kill short
wait "$waiter" || fail "wait --condition removed failed"
quiet run -d --network none --name probed --health-cmd true --health-interval 100ms base sleep 1000
ok torte wait --condition healthy probed
quiet create --name still base true
ok torte wait --condition created still
prints_line 0
status 2 torte wait --condition odd still
(timeout 3 "$TORTE" --root "$store" --run-root "$work/run" ps --watch 0.2 || true) >"$work/out"
[ "$(grep -c probed "$work/out")" -ge 2 ] || fail "listed once only"
status 2 torte ps --watch 0
quiet rm -f probed still

step "--timeout ends it; --init passes signals on"
status 137 run --timeout 1 base sleep 1000
ok run --init base sh -c 'readlink /proc/1/exe; ls -d /proc/1'
prints_line /proc/1

step "limits that are wrong are told at once"
for wrong in "--cpu-quota 10" "--cpu-period 5 --cpus 1" "--cpu-period 50000" "--cpus 1 --cpu-quota 5000" "--blkio-weight 5" \
  "--device-read-bps /dev/null:1m" "--device-read-bps /dev" "--device-write-iops /dev/null:x" "--memory x" "--pids-limit -1"; do
  # shellcheck disable=SC2086  # several words
  status 2 torte run --rm --network none $wrong base true
done

step "--device vendor.com/class=name: what the vendor's file says; --gpus is another spelling"
mkdir -p "$work/cdi" "$work/card"
echo driver >"$work/card/lib"
cat >"$work/cdi/gpu.json" <<JSON
{"cdiVersion": "0.6.0", "kind": "nvidia.com/gpu",
 "containerEdits": {"env": ["CARDS=some"], "mounts": [{"hostPath": "$work/card", "containerPath": "/opt/card", "options": ["ro", "bind"]}]},
 "devices": [{"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/card0", "hostPath": "/dev/null"}]}},
             {"name": "all", "containerEdits": {"env": ["CARDS=all"], "deviceNodes": [{"path": "/dev/card0", "hostPath": "/dev/zero"}]}},
             {"name": "hooked", "containerEdits": {"hooks": [{"hookName": "createContainer", "path": "/bin/true"}]}}]}
JSON
ok torte run --rm --cdi-spec-dir "$work/cdi" --device nvidia.com/gpu=0 base sh -c 'echo $CARDS; cat /opt/card/lib; echo gone >/dev/card0; wc -c </dev/card0; echo no >/opt/card/new || echo kept'
prints some driver kept
prints_line 0
ok torte run --rm --cdi-spec-dir "$work/cdi" --gpus all base sh -c 'echo $CARDS; head -c 3 /dev/card0 | wc -c'
prints all
prints_line 3
status 125 torte run --rm --cdi-spec-dir "$work/cdi" --gpus device=7 base true
says "nvidia.com/gpu=7" "$work/cdi"
status 125 torte run --rm --cdi-spec-dir "$work/cdi" --device nvidia.com/gpu=hooked base true
says hooks
status 2 torte run --rm --gpus 2 base true
says "--gpus"

step "--tz, --hosts-file, --secret"
if [ -e /usr/share/zoneinfo/Asia/Tokyo ]; then
  ok torte run --rm --tz Asia/Tokyo base date +%Z
  prints_line JST
  recipe <<'RECIPE'
FROM base
RUN mkdir -p /usr/share/zoneinfo/Etc && echo none >/usr/share/zoneinfo/Etc/UTC && ln -s /usr/share/zoneinfo/Etc/UTC /etc/localtime
RECIPE
  ok torte build -t zoned "$work/context"
  ok torte run --rm --tz Asia/Tokyo zoned date +%Z
  prints_line JST
fi
status 125 torte run --rm --tz Mars/Olympus base true
says "Mars/Olympus"
status 125 torte run --rm --tz ../../etc/passwd base true
printf '192.0.2.9 ship boat # both\n\n# 192.0.2.10 none\n' >"$work/names"
ok torte run --rm --hosts-file "$work/names" --add-host me:192.0.2.11 base cat /etc/hosts
prints "192.0.2.9	ship" "192.0.2.9	boat" "192.0.2.11	me"
prints_not 192.0.2.10
echo sesame >"$work/word"
ok torte run --rm --secret id=door,src="$work/word" --secret src="$work/word",target=/opt/key base sh -c 'cat /run/secrets/door /opt/key; echo no >/run/secrets/door || echo kept'
equal "$(grep -cx sesame "$work/out")" 2
prints kept
status 2 torte run --rm --secret id=door base true
says "src="

step "-v ..:U gives the directory to the container's user"
mkdir -p "$work/given/below"
: >"$work/given/below/file"
if [ "${TORTE_AS:-root}" = user ]; then
  status 125 torte run --rm -u guest -v "$work/given:/given:U" base true
else
  ok torte run --rm -u guest -v "$work/given:/given:U" base sh -c 'stat -c %u /given /given/below/file; echo new >/given/below/new && echo written'
  equal "$(grep -cx 1000 "$work/out")" 2
  prints written
fi
status 2 torte run --rm -v "$work/given:/given:U,O" base true
status 2 torte run --rm --mount type=tmpfs,target=/given,chown base true
[ "${TORTE_AS:-root}" = user ] || ok torte run --rm -u guest --mount type=volume,source=its,target=/its,chown base sh -c 'echo new >/its/new'
mkdir -p "$work/elsewhere"; : >"$work/elsewhere/outside"
ok torte run --rm -v its:/its base ln -s "$work/elsewhere" /its/link
[ "${TORTE_AS:-root}" = user ] ||
  status 125 torte run --rm -u guest --mount "type=volume,source=its,target=/its,subpath=link,chown" base true
equal "$(stat -c %u "$work/elsewhere/outside")" "$(id -u)" "a file that a link of the volume leads to"

step "--log-driver k8s-file keeps plain lines; journald needs a journal"
ok torte run --name plain --log-driver k8s-file base sh -c 'echo out; echo bad >&2'
ok torte logs plain
prints_line out
says bad
grep -q ' stdout F out$' "$(torte inspect -f '{{.LogPath}}' plain)" || fail "not a line of k8s-file"
ok torte rm plain
if [ ! -e /run/systemd/journal/socket ]; then
  status 125 torte run --name noted --log-driver journald --log-opt tag='{{.Name}}/{{.ID}}' base true
  says "/run/systemd/journal/socket" "json-file"
  torte rm noted >/dev/null 2>&1 || true
fi
status 2 torte run --rm --log-opt tag=x base true
says "journald"
