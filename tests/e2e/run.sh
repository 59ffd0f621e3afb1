# torte run and its flags, as scripts use them.
. "$(dirname "$0")/lib.sh"
base_image
run() { torte run --rm "$@"; }

step "a user of the image opens its streams anew, wherever they lead"
if [ "$(id -u)" = 0 ] || grep -q . /etc/subuid; then  # one id alone has no other user
  for streams in "$work/out $work/err" "/dev/null /dev/null"; do
    torte run --rm --network none -u 33 base sh -c 'echo to err >/dev/stderr && echo to out >/dev/stdout' \
      >"${streams% *}" 2>"${streams#* }" || fail "with $streams"
  done
  ok torte run --rm --network none -u 33 base sh -c 'echo to err >/dev/stderr && echo to out >/dev/stdout'
  prints_line "to out"
  says "to err"
  equal "$(torte run --rm --network none -u 33 base sh -c 'echo piped >/dev/stdout' | cat)" piped
  ok torte run -d --network none --name logger -u 33 base sh -c 'echo logged >/dev/stderr'
  ok torte wait logger
  ok torte logs logger
  says logged
  ok torte rm logger
  recipe <<'R'
FROM base
USER 33
RUN echo of a step >/dev/stderr
R
  ok torte build --network none "$work/context"
fi

step "the container's status is the program's"
ok run base true
status 7 run base sh -c 'exit 7'
status 137 run --init base sh -c 'kill -9 $$'  # process 1 would be deaf to signals of its own
status 143 run --init base sh -c 'kill -TERM $$'

step "125 engine, 126 not executable, 127 not there"
status 2 run --no-such-flag base true  # wrong usage, as everywhere
status 125 run no-such-image true
status 126 run base /etc/passwd
status 127 run base /no/such/program
says "/no/such/program"

step "streams are streams"
ok run base sh -c 'echo to out; echo to err >&2'
prints_line "to out"
says "to err"
prints_not "to err"
printf 'one\ntwo\n' | torte run --rm -i base wc -l >"$work/out" 2>"$work/err" || fail "stdin was not passed on"
equal "$(tr -d ' ' <"$work/out")" 2 "lines of stdin"

step "-e, --env-file, -w, --hostname"
echo 'FROM_FILE=file value' >"$work/env"
ok env HOST_VALUE=inherited "$TORTE" --root "$store" --run-root "$work/run" run --rm \
  -e PLAIN=1 -e HOST_VALUE --env-file "$work/env" -w /made/here --hostname ship base \
  sh -c 'echo "$PLAIN|$HOST_VALUE|$FROM_FILE|$PWD|$(hostname)|$(cat /etc/hostname)"'
prints_line "1|inherited|file value|/made/here|ship|ship"

step "-u by name, by number"
if [ "${TORTE_AS:-root}" != user ]; then
  ok run -u guest base sh -c 'echo $(id -u):$(id -g) $HOME'
  prints_line "1000:1000 /home/guest"
  ok run -u 12:34 base sh -c 'echo $(id -u):$(id -g)'
  prints_line "12:34"
else
  status 125 run -u guest base true
  says "1000:1000" "one id only" "--add-subuids"
fi
status 125 run -u nobody-at-all base true
says "nobody-at-all"

step "--entrypoint replaces the image's and drops its command"
ok run --entrypoint echo base a b
prints_line "a b"

step "process 1, its own process table, and no file descriptors of ours"
ok run base sh -c 'echo $$; ls /proc/self/fd | wc -l; ls -d /proc/[0-9]* | wc -l'
equal "$(head -n 1 "$work/out")" 1 "pid"
[ "$(sed -n 2p "$work/out")" -le 4 ] || fail "leaked descriptors: $(sed -n 2p "$work/out")"
[ "$(sed -n 3p "$work/out")" -le 4 ] || fail "sees processes of others: $(sed -n 3p "$work/out")"

step "-v: read-write, read-only, missing source"
mkdir -m 777 "$work/shared"
echo outside >"$work/shared/file"
ok run -v "$work/shared:/mnt" base sh -c 'cat /mnt/file; echo inside >/mnt/new'
prints_line outside
equal "$(cat "$work/shared/new")" inside
status 1 run -v "$work/shared:/mnt:ro" base sh -c 'echo x >/mnt/new'
equal "$(cat "$work/shared/new")" inside
status 125 run -v "$work/nowhere:/mnt" base true
says "$work/nowhere"

step "--tmpfs is empty and writable, --read-only is neither"
ok run --tmpfs /etc base sh -c 'ls -A /etc | grep -v -e hosts -e hostname -e resolv.conf | wc -l; touch /etc/x'
prints_line 0
ok run --read-only --tmpfs /scratch base sh -c 'touch /scratch/ok; touch /not-ok 2>/dev/null || echo refused'
prints_line refused

step "what is written is gone afterwards, and not in the image"
ok run base sh -c 'touch /written'
status 1 run base test -e /written

step "/dev, /proc and /sys are what programs expect"
ok run base sh -c 'echo x >/dev/null; test -c /dev/zero -a -c /dev/urandom -a -d /dev/pts -a -d /dev/shm &&
  test -e /dev/stdout && test -r /proc/self/status && test -d /sys/class && echo all'
prints_line all
ok run base sh -c 'echo x >/proc/sys/kernel/hostname 2>/dev/null || echo refused; cat /proc/kcore 2>/dev/null | wc -c'
prints_line refused

step "no new privileges, a short list of capabilities, fewer with --cap-drop"
ok run base sh -c "grep -E '^(NoNewPrivs|CapEff|CapBnd|Seccomp):' /proc/self/status"
grep -qE 'Seccomp:.*2' "$work/out" || fail "no seccomp filter"
! grep -qE 'CapEff:.*0000003fffffffff|CapEff:.*000001ffffffffff' "$work/out" || fail "all capabilities"
ok run --cap-drop ALL base sh -c "grep -E '^Cap(Eff|Prm|Bnd):' /proc/self/status"
! grep -qE ':.*[1-9a-f]' <(cut -f2 "$work/out" | sed 's/^/:/') || fail "capabilities left: $(cat "$work/out")"

step "--network none: a loopback and nothing else; host: the machine's"
ok run --network none base sh -c 'ls /sys/class/net 2>/dev/null; cat /proc/net/dev | grep -c :'
prints_line 1
ok run --network host base cat /proc/net/dev
# Those that other tests make and remove just now do not count.
lasting() { grep -oE '^ *(lo|eth|en|wl)[a-z0-9]*:' "$1" | sort; }
equal "$(lasting "$work/out")" "$(lasting /proc/net/dev)" "interfaces"

step "signals reach the program"
"$TORTE" --root "$store" --run-root "$work/run" run --rm base \
  sh -c 'trap "echo asked to stop; exit 9" TERM; echo ready; while :; do sleep 0.1; done' >"$work/out" 2>"$work/err" &
runner=$!
wait_for 60 grep -q ready "$work/out"
kill -TERM "$runner"
got=0; wait "$runner" || got=$?
equal "$got" 9 "status of the trap"
prints_line "asked to stop"

step "nothing is left mounted and the store is sound"
! grep -qF "$store" /proc/self/mountinfo || fail "mounts left: $(grep -F "$store" /proc/self/mountinfo)"
ok torte fsck
