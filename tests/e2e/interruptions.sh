# Builds that are killed, cancelled or meet another one: the next command works and the store is sound.
. "$(dirname "$0")/lib.sh"
need pgrep
base_image
recipe <<'R'
FROM base
RUN echo kept >/kept
RUN echo $RANDOM; touch /started; sleep 300
R
start() {  # starts a build that ends up sleeping; its process id in $build
  "$TORTE" --root "$store" --run-root "$work/run" build -t slow --progress plain "$work/context" \
    >"$work/out" 2>"$work/err" &
  build=$!
  wait_for 60 sleeping
}
sleeping() { below "$build" | grep -q '^sleep 300'; }
ended() { ! grep -s '^State:.[^Z]' "/proc/$build/status" >/dev/null; }
# Every command below a process, one a line.
below() {
  local child
  for child in $(pgrep -P "$1" 2>/dev/null); do
    tr '\0' ' ' <"/proc/$child/cmdline" 2>/dev/null && echo
    below "$child"
  done
}

step "Ctrl-C ends the build with 130 and its step with it"
start
kill -INT "$build"
got=0; wait "$build" || got=$?
equal "$got" 130 "status after SIGINT"
ok torte fsck

step "SIGTERM ends it too, with the status of that signal"
start
kill -TERM "$build"
got=0; wait "$build" || got=$?
equal "$got" 143 "status after SIGTERM"

step "a large file of the context is not read to its end first"
mkdir "$work/large"
truncate -s 1T "$work/large/file"
printf 'FROM base\nCOPY file /\n' >"$work/large/Recipe"
"$TORTE" --root "$store" --run-root "$work/run" build -t large "$work/large" >"$work/out" 2>"$work/err" &
build=$!
reading() { readlink "/proc/$build/fd/"* | grep -x "$work/large/file" >/dev/null; }
wait_for 60 reading
kill -TERM "$build"
wait_for 60 ended
got=0; wait "$build" || got=$?
equal "$got" 143 "status after SIGTERM"
rm -r "$work/large"

step "kill -9 in the middle of a step: nothing survives it"
start
mapfile -t family < <(pgrep -P "$build")
kill -KILL "$build"
wait "$build" 2>/dev/null || true
gone() { local pid; for pid in "${family[@]}"; do [ ! -e "/proc/$pid" ] || return 1; done; }
wait_for 10 gone

step "after that the store is sound and the next build goes on from the finished steps"
ok torte fsck
sed -i 's/sleep 300/true/' "$work/context/Recipe"
ok torte build -t fast --progress plain "$work/context"
says "cached"
ok torte run --rm fast cat /kept
prints kept

step "what the killed build left is cleaned up"
ok torte prune
[ -z "$(ls "$store/staging")" ] || fail "left in staging: $(ls "$store/staging")"

step "two builds at once in one store"
for n in 1 2; do
  mkdir -p "$work/c$n"
  printf 'FROM base\nRUN sleep 1; echo shared >/shared\nRUN echo %s >/own\n' $n >"$work/c$n/Recipe"
  "$TORTE" --root "$store" --run-root "$work/run" build -t "par$n" "$work/c$n" >"$work/out$n" 2>"$work/err$n" &
  eval "p$n=$!"
done
# shellcheck disable=SC2154  # p1 and p2 are set by the loop
{ wait "$p1" && wait "$p2"; } || fail "one of them failed: $(cat "$work/err1" "$work/err2")"
ok torte run --rm par1 cat /shared /own
prints_line 1
ok torte run --rm par2 cat /shared /own
prints_line 2
ok torte fsck
