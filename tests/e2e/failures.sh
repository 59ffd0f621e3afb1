# At the failing step: its log, what it left, a shell in it; and secrets that got out.
. "$(dirname "$0")/lib.sh"
need python3
base_image
mkdir -p "$work/context"
build() { torte build --pull=never "$@" "$work/context"; }

step "the whole log of a step is kept, and the error says how to see it"
recipe <<'R'
FROM base
RUN echo first
RUN seq 1 5000 && echo last words >&2 && exit 7
R
status 1 build -t broken
says "[run-failed]" "full log: torte builds logs"
command=$(sed -n 's/.*full log: torte //p' "$work/err")
# shellcheck disable=SC2086  # words of a command
ok torte $command
equal "$(wc -l <"$work/out")" 5001 "lines of the log"
prints "last words"
prints_not "first"

step "builds: listed, shown, removed"
ok torte builds
prints "broken" "failed"
ok torte builds show
prints "failed" "RUN echo first" "done"
ok torte builds logs
prints "first" "last words"
ok torte builds show --format json last
python3 -c 'import json, sys; b = json.load(sys.stdin); assert not b["succeeded"] and b["steps"][2]["exitStatus"] == 7' <"$work/out"
ok torte builds show ^2
prints "base" "image"
status 1 torte builds show nothing
ok torte builds rm last
ok torte builds ls -q
equal "$(wc -l <"$work/out")" 1 "builds"

step "--keep-failed: an image of what the step left"
recipe <<'R'
FROM base
RUN echo good >/good
RUN echo half >/half && exit 1
R
status 1 build --keep-failed
says "localhost/failed:"
kept=$(sed -n 's/.*kept as \(localhost[^ ]*\).*/\1/p' "$work/err" | head -n 1)
ok torte run --rm "$kept" cat /good /half
prints "good" "half"

step "--debug-on-error: a shell in the step, retry, and the build goes on"
recipe <<'R'
FROM base
RUN --mount=type=tmpfs,target=/scratch --mount=from=base,target=/view --mount=from=base,target=/tools,rw test -e /view/bin/sh && touch /tools/mark && test -e /fixed && echo done >/done
RUN cat /done
R
cat >"$work/terminal.py" <<'PY'
import os, pty, select, sys, time
talk = [b"touch /fixed; ls -d /scratch; exit\n", b"r\n"]
waits = [b"a shell in the step", b"[r]etry"]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen, end = b"", time.time() + 60
while time.time() < end:
    if select.select([fd], [], [], 0.2)[0]:
        try: data = os.read(fd, 65536)
        except OSError: break
        if not data: break
        seen += data
    if waits and waits[0] in seen:
        time.sleep(0.3)
        os.write(fd, talk.pop(0))
        waits.pop(0)
sys.stdout.write(seen.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
status 0 python3 "$work/terminal.py" "$TORTE" --root "$store" --run-root "$work/run" build --pull=never -t fixed --debug-on-error "$work/context"
prints "a shell in the step" "/scratch" "[r]etry"
ok torte run --rm fixed ls /fixed /done
step "what was helped along is nobody else's result"
status 1 build

step "a secret that got into a layer or was printed is reported, and nowhere else"
recipe <<'R'
FROM base
RUN --mount=type=secret,id=one cat /run/secrets/one >/leaked
RUN --mount=type=secret,id=two cat /run/secrets/two
RUN --mount=type=secret,id=two,env=TWO test -n "$TWO"
R
printf 'hunter2-one\n' >"$work/one"
printf 'hunter2-two\n' >"$work/two"
ok build -t leaky --network none --secret id=one,src="$work/one" --secret id=two,src="$work/two"
says "SecretLeaked" "one in /leaked" "two was printed" "2 warnings" "***"
says_not "hunter2"
! grep -rqF hunter2 "$store/builds" || fail "a secret is in the log"
ok torte inspect leaky
prints_not "hunter2"
ok torte history --no-trunc leaky
prints_not "hunter2"
ok torte fsck

step "a file of a terabyte that is nothing on the disk is refused at once, and leaves nothing"
recipe <<'R'
FROM base
RUN dd if=/dev/zero of=/holes bs=1 count=1 seek=1000G
R
status 1 build -t holes --network none
says "/holes: holes of 1000.0 GiB" "[layer-holes]"

step "names that layers keep for what is deleted: said, and left out"
recipe <<'R'
FROM base
RUN touch /.wh.etc /etc/.wh..wh..opq && mkdir /d && touch /d/kept
R
ok build -t marked --network none
says "/.wh.etc: in images" "[LeftOut]" "2 warnings"
ok torte save -o "$work/marked.tar" marked
ok torte rmi -f marked
ok torte load -i "$work/marked.tar"
ok torte run --rm marked ls -a /etc/passwd /d/kept
ok torte fsck --deep
