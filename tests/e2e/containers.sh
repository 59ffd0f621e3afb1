# The life of containers: made, started, watched, stopped, started again, removed, and found again after accidents.
. "$(dirname "$0")/lib.sh"
base_image
quiet() { torte "$@" >/dev/null; }
running() { [ "$(torte ps -q --filter "name=$1" | wc -l)" = 1 ]; }
status_of() { torte ps -a --filter "name=$1" --format '{{.State}} {{.ExitCode}}'; }
monitor_of() { cat "$store"/containers/"$(torte ps -a -q --no-trunc --filter "name=$1")"/state.json | grep -o '"monitor":[0-9]*' | cut -d: -f2; }

step "run without --rm keeps the container and its files"
status 3 torte run --name kept base sh -c 'echo out; echo err >&2; echo data >/file; exit 3'
prints_line out
says err
equal "$(status_of kept)" "exited 3"
ok torte logs kept
prints_line out
says err
status 3 torte start -a kept
prints_line out
ok torte rm kept
equal "$(torte ps -a -q)" ""

step "run --rm leaves nothing"
ok torte run --rm --name gone base true
equal "$(torte ps -a -q)" ""
[ -z "$(ls -A "$store/containers" | grep -v names)" ] || fail "left: $(ls "$store/containers")"
[ -z "$(ls -A "$store/containers/.names")" ] || fail "names left"

step "a name belongs to one container"
quiet create --name one base true
status 125 torte run --rm --name one base true
says "one"
ok torte rename one two
status 1 torte rm one
says "one"
quiet rm two

step "create, start, wait: the status is the program's"
ok torte create --name later base sh -c 'sleep 0.3; exit 5'
equal "$(status_of later)" "created 0"
ok torte start later
prints_line later
ok torte wait later
prints_line 5
quiet rm later

step "-d prints the id, and the container outlives the command"
ok torte run -d --name back base sh -c 'trap "echo asked; exit 0" TERM; echo ready; while :; do sleep 0.05; done'
id=$(cat "$work/out")
equal "${#id}" 64 "length of the id"
wait_for 10 sh -c "'$TORTE' --root '$store' --run-root '$work/run' logs back | grep -q ready"
running back || fail "not listed"
ok torte ps --format json
prints "\"id\":\"${id:0:12}\""
prints "\"state\":\"running\""
status 1 torte rm back
says "running"
status 1 torte start no-such-container

step "stop asks first"
ok torte stop back
equal "$(status_of back)" "exited 0"
ok torte logs --tail 1 back
prints_line asked
ok torte stop back  # it stands still already

step "restart, kill, and stop's patience"
ok torte restart -t 2 back
running back || fail "not running after restart"
ok torte kill -s KILL back
ok torte wait back
prints_line 137
quiet rm back
quiet run -d --name deaf base sleep 300  # process 1 without a handler hears nothing but KILL
ok torte stop -t 0 deaf
equal "$(status_of deaf)" "exited 137"
quiet rm deaf

step "stop signals of the image and of the command line"
quiet run -d --name usr --stop-signal USR1 base sh -c 'trap "exit 44" USR1; echo up; while :; do sleep 0.05; done'
wait_for 10 sh -c "'$TORTE' --root '$store' --run-root '$work/run' logs usr | grep -q up"
ok torte stop usr
equal "$(status_of usr)" "exited 44"
quiet rm usr

step "logs: followed to the end, since when, the last lines, times"
quiet run -d --name talk base sh -c 'for n in 1 2 3 4 5; do echo line $n; sleep 0.1; done; printf "no newline"'
ok torte logs -f talk
equal "$(cat "$work/out")" "$(printf 'line 1\nline 2\nline 3\nline 4\nline 5\nno newline')" "followed log"
ok torte logs --tail 2 talk
equal "$(head -n 1 "$work/out")" "line 5"
ok torte logs -t talk
grep -qE '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T.*Z line 1$' "$work/out" || fail "no times"
ok torte logs --since 1h talk
prints "line 1"
ok torte logs --until 1h talk
prints_not "line 1"
quiet rm talk

step "log files are put aside, and read in order"
quiet run --name big --log-opt max-size=2k --log-opt max-file=3 base sh -c 'n=0; while [ $n -lt 60 ]; do echo line $n; n=$((n + 1)); done'
files=("$store"/containers/*/log*)
equal "${#files[@]}" 3 "log files"
ok torte logs big
equal "$(tail -n 1 "$work/out")" "line 59"
equal "$(sort -k 2 -n "$work/out" | cmp - "$work/out" && echo ordered)" ordered
quiet rm big
status 0 torte run --name mute --log-driver none base echo x
status 1 torte logs mute
says "log"
quiet rm mute

step "--restart on-failure: so many times, and no more"
quiet run -d --name flaky --restart on-failure:2 base sh -c 'echo try; exit 9'
ok torte wait flaky
prints_line 9
wait_for 10 test "$(torte logs flaky | wc -l)" -ge 1
wait_for 20 sh -c "[ \$('$TORTE' --root '$store' --run-root '$work/run' logs flaky | wc -l) = 3 ]"
wait_for 10 sh -c "'$TORTE' --root '$store' --run-root '$work/run' ps -a --filter name=flaky --format '{{.State}} {{.Restarts}}' | grep -q 'exited 2'"
quiet rm flaky

step "--restart always until somebody stops it"
quiet run -d --name phoenix --restart always base sh -c 'echo born; sleep 0.2'
wait_for 20 sh -c "[ \$('$TORTE' --root '$store' --run-root '$work/run' logs phoenix | wc -l) -ge 3 ]"
ok torte stop -t 1 phoenix
equal "$(torte ps -q)" ""
quiet rm phoenix

step "--cidfile, --label, filters, prune"
ok torte create --name labelled --label color=blue --cidfile "$work/cid" base true
equal "$(cat "$work/cid")" "$(cat "$work/out")" "cidfile"
equal "$(torte ps -a -q --no-trunc --filter label=color=blue)" "$(cat "$work/cid")"
equal "$(torte ps -a -q --filter label=color=red)" ""
ok torte container prune --filter label=color=red
equal "$(torte ps -a -q --no-trunc)" "$(cat "$work/cid")"
ok torte container prune
equal "$(torte ps -a -q)" ""

step "what containers use is not removed under them"
echo 'FROM base
RUN echo here >/here' | recipe
ok torte build -t used "$work/context"
quiet run -d --name user used sleep 300
status 1 torte rmi used
says "used"
ok torte untag used
ok torte prune
ok torte stop -t 0 user
ok torte start user
quiet rm -f user

step "commands that cannot be found or executed: 127, 126, and the record says why"
status 127 torte run --name lost base /no/such/program
status 126 torte run --name locked base /etc/passwd
equal "$(status_of lost)" "exited 127"
ok torte rm lost locked
status 127 torte run -d --name lost base /no/such/program
quiet rm lost

step "attach: output from now on, input for -i, and the end"
quiet run -d -i --name echo base cat
echo "over there" >"$work/in"
"$TORTE" --root "$store" --run-root "$work/run" attach echo <"$work/in" >"$work/out" 2>"$work/err" &
client=$!
wait_for 20 grep -qx "over there" "$work/out"
kill -KILL "$client"
wait "$client" || true
running echo || fail "attach ended it"
quiet rm -f echo
printf 'a\nb\n' | torte run -i --name count base wc -l >"$work/out" || fail "run -i"
equal "$(tr -d ' ' <"$work/out")" 2
quiet rm count

step "a killed monitor takes the container with it, and the next command knows"
quiet run -d --name orphan base sleep 300
pid=$(torte ps --filter name=orphan --format '{{.Pid}}')
kill -KILL "$(monitor_of orphan)"
wait_for 10 sh -c "[ ! -e /proc/$pid ] || grep -q '^State:.Z' /proc/$pid/status"
equal "$(status_of orphan)" "exited 137"
ok torte start orphan
running orphan || fail "not startable after the accident"
quiet rm -f orphan

step "a monitor that is asked to end stops its container, deaf or not"
quiet run -d --name polite --stop-timeout 1 base sleep 300
kill -TERM "$(monitor_of polite)"
ok torte wait polite
prints_line 137
quiet rm polite

step "a killed run --rm leaves nothing that the next command does not clean"
"$TORTE" --root "$store" --run-root "$work/run" run --rm --name victim base sleep 300 >/dev/null 2>&1 &
runner=$!
wait_for 10 running victim
kill -KILL "$runner"; wait "$runner" 2>/dev/null || true
equal "$(torte ps -a -q)" ""
ok torte run --rm --name victim base true

step "stop reaches a foreground container too"
"$TORTE" --root "$store" --run-root "$work/run" run --rm --name front base sleep 300 >/dev/null 2>&1 &
runner=$!
wait_for 10 running front
ok torte stop -t 0 front
got=0; wait "$runner" || got=$?
equal "$got" 137 "status of run"

step "events: what happened to containers and images, filtered, and what happens from now on"
ok torte tag base again:1
status 3 torte run --name told base sh -c 'exit 3'
status 3 torte start -a told
ok torte rename told retold
ok torte rm retold
ok torte untag again:1
ok torte events --no-stream --filter container=told --format '{{.Action}} {{index .Attributes "exitCode"}}'
equal "$(tr -d '\n' <"$work/out")" "create start die 3start die 3" "the life of a container"
ok torte events --no-stream --filter event=destroy --filter event=rename --filter type=container
prints "name=retold, image=base, oldName=told" "container destroy"
ok torte events --no-stream --filter image=docker.io/library/again:1 --format json
prints '"action":"tag"' '"action":"untag"'
ok torte events --no-stream --since 1h --until 30m
equal "$(wc -l <"$work/out")" 0 "events of half an hour ago"
status 2 torte events --filter colour=red
says "known: type, event, container, image"
"$TORTE" --root "$store" --run-root "$work/run" events --filter event=start --format '{{.Name}}' >"$work/stream" 2>&1 &
stream=$!
listening() { torte run --rm --name seen base true; grep -qx seen "$work/stream"; }
wait_for 20 listening
kill -TERM $stream
wait $stream || fail "events ended with status $?"

step "nothing is left: processes, mounts, groups, staging"
equal "$(torte ps -a -q)" ""
! grep -qF "$store" /proc/self/mountinfo || fail "mounts left"
! pgrep -f -- "--root $store .*container-monitor" >/dev/null || fail "monitors left"
ok torte prune
[ -z "$(ls "$store/staging")" ] || fail "left in staging: $(ls "$store/staging")"
ok torte fsck
