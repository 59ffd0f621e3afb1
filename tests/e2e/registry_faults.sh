# A registry that does one thing wrong: each fault of faulty_registry.py is met by a pull or a push that succeeds, or fails with
# one clear error and in good time, and never shows the other host who we are.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/registry_lib.sh"
port=$(free_port)
stranger=$(free_port)
python3 "$here/faulty_registry.py" "$port" "$stranger" "$work" 2>"$work/faulty_registry.err" &
wait_for 20 curl -so /dev/null "http://127.0.0.1:$stranger/"

base_image
recipe <<'R'
FROM base
RUN head -c 100000 /dev/urandom >/file
R
ok torte build -t small "$work/context"

# build_large NAME: an image with a layer that is packed while it is sent.
build_large() {
  mkdir "$work/$1"
  printf 'FROM base\nRUN echo %s >/name && head -c 5000000 /dev/urandom >/file\n' "$1" >"$work/$1/Dockerfile"
  torte build -q -t "$1" "$work/$1"
}
# limited ARGUMENT...: torte, which must be through in good time.
limited() { timeout 90 "$TORTE" --root "$store" --run-root "$work/run" "$@"; }

# meet FAULT MUST: a line "FAULT: what is wrong" when it does not end as it must.
meet() {
  local name=$1 must=$2 place=127.0.0.1:$port/$1/image:1 status=0 out=$work/$1.out
  local with=(--tls-verify=false --creds user:password-CANARY)
  case $name in
    stream-*) build_large "$name" >"$out" 2>&1 && limited push "${with[@]}" "$name" "$place" >"$out" 2>&1 || status=$? ;;
    tags-*) limited list-tags "${with[@]}" "${place%:1}" >"$out" 2>&1 || status=$? ;;
    push-*) limited push "${with[@]}" small "$place" >"$out" 2>&1 || status=$? ;;
    *) limited pull "${with[@]}" "$place" >"$out" 2>&1 || status=$? ;;
  esac
  case $must-$status in
    ok-0 | fail-1 | safe-0 | safe-1) ;;
    *) echo "$name: must be $must, status is $status: $(tail -3 "$out" | tr -d '\000-\010\013-\037')" ;;
  esac
  if LC_ALL=C grep -n '[[:cntrl:]]' "$out" >"$out.cntrl"; then echo "$name: control bytes are printed"; fi
  if [ "$status" = 1 ]; then
    [ "$(grep -c '^error: ' "$out")" = 1 ] || echo "$name: not one error: $(tail -5 "$out")"
    if torte images | grep "/$name/" >/dev/null; then echo "$name: named although it failed"; fi
  fi
}

step "without a fault everything is as usual"
ok torte pull "127.0.0.1:$port/usual/image:1"
ok torte push small "127.0.0.1:$port/usual/image:2"

step "every fault ends as it must"
python3 "$here/faulty_registry.py" --list >"$work/faults"
[ "$(grep -c . "$work/faults")" -gt 100 ] || fail "the list of faults is short"
pids=()
while read -r name must; do
  if [ -n "${FAULTS:-}" ] && ! [[ $name =~ $FAULTS ]]; then continue; fi
  while [ "$(jobs -rp | wc -l)" -gt 10 ]; do wait -n || true; done
  meet "$name" "$must" >"$work/$name.verdict" 2>&1 &
  pids+=($!)
done <"$work/faults"
wait "${pids[@]}" || true
cat "$work"/*.verdict >"$work/verdicts"
if [ -s "$work/verdicts" ]; then fail "$(cat "$work/verdicts")"; fi

step "how often and how soon is the user's to say"
tries() { grep -c " GET /v2/status-503-always/" "$work/log" || true; }
before=$(tries)
status 1 torte pull --retry 3 --retry-delay 10ms "127.0.0.1:$port/status-503-always/image:1"
equal "$(tries)" "$((before + 4))" "tries"
status 1 torte pull --retry 0 "127.0.0.1:$port/status-503-always/image:1"
equal "$(tries)" "$((before + 5))" "tries"
status 2 torte pull --retry often "127.0.0.1:$port/status-503-always/image:1"

step "the other host never learns who we are"
grep '^stranger ' "$work/log" >"$work/strangers" || fail "nothing was sent elsewhere: the test tests nothing"
if grep -e CANARY -e "$(printf user:password-CANARY | base64)" "$work/strangers"; then fail "it did"; fi

step "nothing is left of what failed"
ok torte fsck
